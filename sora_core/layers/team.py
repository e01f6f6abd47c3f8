"""Processes that work on one sample together, each on a card or a machine of its own.

    team = Team.of_all()                 # in each process, behind torch.distributed.init_process_group
    clips, tokens = team.split(2)        # halves of guidance on two teams, each of which shares out tokens

Legend: P processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import InputError

__all__ = ["Team", "shares"]


@dataclass(frozen=True, kw_only=True)
class Team:
    """One process among those that share a piece of work; every one of them makes the same calls in the same order."""

    rank: int = 0
    """of this process within the team"""
    size: int = 1
    group: Any = None
    """torch.distributed's group of them; None is every process"""

    @staticmethod
    def of_all() -> Team:
        """Every process of the default group."""
        return Team(rank=dist.get_rank(), size=dist.get_world_size())

    def split(self, parts: int) -> tuple[Team, Team]:
        """(across, within): `within` is one of `parts` equal teams of neighbours, `across` has the processes of one
        place in each of them. Only of the team of all. Raises InputError where the processes do not divide."""
        if self.size % parts:
            raise InputError(f"{self.size} processes cannot be shared by {parts} teams; start a multiple of {parts}.")
        step = self.size // parts
        neighbours = [list(range(i * step, (i + 1) * step)) for i in range(parts)]
        across = [list(range(i, self.size, step)) for i in range(step)]
        return self._own(across), self._own(neighbours)

    def _own(self, teams: Sequence[list[int]]) -> Team:
        groups = [dist.new_group(ranks) for ranks in teams]  # every process makes every group
        ranks, group = next((r, g) for r, g in zip(teams, groups, strict=True) if self.rank in r)
        return Team(rank=ranks.index(self.rank), size=len(ranks), group=group)

    def exchanged(self, parts: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """What each process has for this one, flat, of `counts` numbers: all have given a tensor for each."""
        given = torch.cat([part.reshape(-1) for part in parts])
        got = given.new_empty(sum(counts))
        dist.all_to_all_single(got, given, list(counts), [part.numel() for part in parts], group=self.group)
        return list(got.split(list(counts)))

    def gathered(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """The tensors of all processes one after the other along the first axis, which has so many places in each."""
        counts = [length * x[:1].numel() for length in lengths]
        got = self.exchanged([x] * self.size, counts)
        return torch.cat([part.view(-1, *x.shape[1:]) for part in got])


def shares(count: int, size: int) -> list[int]:
    """So many things shared by so many processes, the first of which may have one more."""
    return [count // size + (i < count % size) for i in range(size)]
