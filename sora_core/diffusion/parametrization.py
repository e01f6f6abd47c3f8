"""What a network's output means, in one place. Flow convention: x = (1-level)*clean + level*noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from ..errors import InputError
from ..types import Denoiser

__all__ = ["PARAMETRIZATIONS", "Network", "Parametrization", "as_denoiser", "denoised_from", "level_at"]

Parametrization = Literal["clean", "velocity"]
PARAMETRIZATIONS = ("clean", "velocity")

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`output = network(x, level, context)` with level [B,1,T,H,W], the noise level of each position."""


def level_at(sigma: Tensor, mask: Tensor) -> Tensor:
    """The noise level of each position, [B,1,T,H,W], from sigma [B] and mask [B,1,T,H,W]: kept positions have none."""
    return sigma.to(mask.device, non_blocking=True).view(-1, 1, 1, 1, 1) * mask


def denoised_from(output: Tensor, x: Tensor, level: Tensor, kind: str) -> Tensor:
    """The clean estimate [B,C,T,H,W] from a network's output.

    level: broadcastable to x. kind: "clean" (the output is the estimate) or "velocity" (noise - clean).
    """
    if kind == "clean":
        return output
    if kind == "velocity":
        return x - level * output
    raise InputError(f"there is no parametrization '{kind}'; choose one of: {', '.join(PARAMETRIZATIONS)}")


def as_denoiser(network: Network, kind: str) -> Denoiser:
    """A network that takes a noise level per position, as a denoiser."""

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        level = level_at(sigma, mask)
        return denoised_from(network(x, level, context), x, level, kind)

    return denoise
