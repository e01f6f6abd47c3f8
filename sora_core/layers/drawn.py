"""The numbers that a weight starts from."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["drawn"]


def drawn(*sizes: int, std: float = 1.0) -> Tensor:
    """Normal numbers; none on meta, where weights are still to be loaded and all arithmetic loads torch's
    compiler, which takes two seconds."""
    numbers = torch.empty(*sizes)
    return numbers if numbers.is_meta else numbers.normal_(std=std)
