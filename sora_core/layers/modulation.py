"""The noise level as features, for modulation (adaLN, arXiv 2212.09748), once per run of tokens that share it.

Legend: R rows (clips x mask levels).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["sinusoid"]


def sinusoid(timesteps: Tensor, dim: int) -> Tensor:
    """Cosine, then sine features [R,dim] of timesteps [R] in 0..1000 (period 10000), float32."""
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64, device=timesteps.device) / half)
    angles = timesteps.double()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1).float()
