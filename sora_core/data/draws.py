"""Everything random in one step of training: it follows from a seed and the step, so that a run can be taken up
anywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["Draws"]

T = TypeVar("T")


class Draws:
    """Random numbers of one step: single ones on the host, tensors on a device."""

    def __init__(self, seed: int, step: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.host = random.Random(f"{seed}/{step}")  # noqa: S311
        self.tensors = torch.Generator(self.device).manual_seed((seed << 32) + step)

    def below(self, limit: int) -> int:
        """A whole number from 0 to limit - 1."""
        return self.host.randrange(limit)

    def chance(self, share: float) -> bool:
        """True in `share` of the cases."""
        return self.host.random() < share

    def one_of(self, choices: Sequence[T], weights: Sequence[float]) -> T:
        """One of the choices, by weight."""
        return self.host.choices(choices, weights)[0]

    def integers(self, limit: int, count: int) -> Tensor:
        """[count] int64 from 0 to limit - 1."""
        return torch.randint(limit, (count,), generator=self.tensors, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 to 1."""
        return torch.rand(shape, generator=self.tensors, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        """Numbers of mean 0 and deviation 1."""
        return torch.randn(shape, generator=self.tensors, device=self.device)

    def often(self, share: float, count: int) -> Tensor:
        """[count] bool, True in `share` of the cases."""
        return self.uniform(count) < share

    def weighted(self, weights: Tensor, count: int) -> Tensor:
        """[count] int64 indices drawn by weights [n] that are on the device."""
        return torch.multinomial(weights, count, replacement=True, generator=self.tensors)
