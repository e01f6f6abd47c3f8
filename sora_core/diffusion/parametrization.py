"""What a network's output means, in one place. Flow convention: x = (1-level)*clean + level*noise."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from ..errors import InputError

__all__ = ["PARAMETRIZATIONS", "Parametrization", "denoised_from", "level_at"]

Parametrization = Literal["clean", "velocity"]
PARAMETRIZATIONS = get_args(Parametrization)


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
