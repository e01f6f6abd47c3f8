"""Blocks as a card runs them: compiled once for all sizes.

Compiled functions take modules and tensors as arguments, and sizes are unknowns. Torch's duck shapes, which take two
equal numbers for one unknown, are switched off: a batch of six clips would pass for the six vectors of the modulation.
The compiler still writes some kernels for numbers of tokens up to a bound alone, and makes the block anew beyond it.
That takes half a minute of a card, so after the rehearsal it may do so twice; then what fits no graph runs uncompiled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .channels_last import residual
from .forward import block_forward

__all__ = ["Blocks", "compiled_blocks", "graphs", "rehearsed"]


GRAPHS = 4
"""of one function, after the rehearsal; the transformer's block then has two"""


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


def rehearsed() -> None:
    """All forms have been seen: from now on a function that has `GRAPHS` gets no more."""
    import torch._dynamo.config as compiler

    compiler.recompile_limit = GRAPHS


def graphs() -> int:
    """How many graphs have been compiled so far in this process."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])
