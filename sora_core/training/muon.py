"""Muon (arXiv 2502.16982) for all matrices of one shape at once: on a card many small products become one batch.

The update of a matrix is its averaged gradient made nearly orthogonal, at the size that AdamW's updates have
(0.2 * sqrt(longer side)). A convolution is the matrix of its kernels laid flat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..layers.kernels.cpu import products

__all__ = ["Muon", "orthogonal"]

NEWTON = (3.4445, -4.7750, 2.0315)
"""coefficients of the quintic step that sends singular values to about 1"""
STEPS = 5


class Muon:
    """Stochastic gradient descent with Nesterov momentum and orthogonal updates."""

    def __init__(self, parameters: Sequence[Tensor], *, weight_decay: float = 0.01, momentum: float = 0.95) -> None:
        self.weight_decay, self.momentum = weight_decay, momentum
        self.groups: dict[tuple[int, ...], list[Tensor]] = {}
        for parameter in parameters:
            self.groups.setdefault(tuple(parameter.flatten(1).shape), []).append(parameter)
        self.buffers = {
            shape: torch.zeros(len(alike), *shape, device=alike[0].device) for shape, alike in self.groups.items()
        }

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update at a learning rate; every parameter must have its gradient."""
        for shape, parameters in self.groups.items():
            gradient = torch.stack([p.grad.flatten(1).float() for p in parameters])  # type: ignore[union-attr]
            buffer = self.buffers[shape]
            buffer.lerp_(gradient, 1 - self.momentum)
            update = orthogonal(gradient.lerp_(buffer, self.momentum)) * (rate * 0.2 * math.sqrt(max(shape)))
            torch._foreach_mul_(list(parameters), 1 - rate * self.weight_decay)
            torch._foreach_sub_(
                list(parameters), [u.view_as(p) for u, p in zip(update.unbind(0), parameters, strict=True)]
            )

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint holds."""
        return {"x".join(map(str, shape)): buffer for shape, buffer in self.buffers.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what a checkpoint holds."""
        for name, buffer in self.state().items():
            buffer.copy_(state[name])


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices [n,rows,columns] with all singular values brought to about 1, by Newton-Schulz steps; float32."""
    x = matrices.bfloat16() if computes_bfloat16(matrices.device) else matrices
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = NEWTON
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).float()


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 many at a time."""
    return device.type == "cuda" or (device.type == "cpu" and products(torch.bfloat16))
