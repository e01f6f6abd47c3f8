"""Toy denoisers with exact answers, for the tests of the sampling loop."""

from __future__ import annotations

import torch
from sora_nodes.sora_core.types import LatentState
from torch import Tensor

SHAPE = (4, 5, 4, 4)
MEAN, STD = 0.7, 0.4
NO_TEXT = torch.zeros(1, 1, 1)


def state_of(
    *, kept: Tensor | None = None, mask: Tensor | None = None, latent: Tensor | None = None, batch: int = 1
) -> LatentState:
    """A state of SHAPE in which all is made, unless told otherwise."""
    zeros = torch.zeros(batch, *SHAPE)
    return LatentState(
        latent=zeros if latent is None else latent,
        clean=zeros if kept is None else kept,
        mask=torch.ones(batch, 1, *SHAPE[1:]) if mask is None else mask,
        positions=torch.arange(SHAPE[1], dtype=torch.float32),
        spans=torch.full((SHAPE[1],), 4),
    )


def gaussian(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
    """The perfect denoiser of clean latents drawn from N(MEAN, STD^2)."""
    s = sigma.to(x.device).view(-1, 1, 1, 1, 1)
    return MEAN + (1 - s) * STD**2 / ((1 - s) ** 2 * STD**2 + s**2) * (x - (1 - s) * MEAN)


def text(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
    """A denoiser that paints the mean of its prompt."""
    return torch.zeros_like(x) + context.mean((1, 2)).view(-1, 1, 1, 1, 1)
