"""Blocks as a card runs them: compiled once for all sizes.

Compiled functions take modules and tensors as arguments, and sizes are unknowns. Torch's duck shapes, which take two
equal numbers for one unknown, are switched off: a batch of six clips would pass for the six vectors of the modulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .channels_last import residual
from .forward import block_forward

__all__ = ["Blocks", "compiled_blocks", "graphs"]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The codec's residual block and the transformer's block."""

    residual: Callable[..., torch.Tensor] = residual
    transformer: Callable[..., torch.Tensor] = block_forward


def compiled_blocks(backend: str = "inductor") -> Blocks:
    """Both blocks, to be compiled when they are first called."""
    import torch.fx.experimental._config as shapes

    shapes.use_duck_shape = False  # type: ignore[attr-defined]
    return Blocks(
        residual=torch.compile(residual, dynamic=True, backend=backend),
        transformer=torch.compile(block_forward, dynamic=True, backend=backend),
    )


def graphs() -> int:
    """How many graphs have been compiled so far in this process."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])
