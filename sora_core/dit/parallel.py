"""One sample over several processes: tokens shared out for all but attention, heads for attention (Ulysses, arXiv
2309.14509); clips of a batch, and with them the halves of guidance, on teams of their own.

The network itself knows nothing of it: it asks its plan which tokens are its own, how tokens attend to one another, and
what became of all of them.

Legend: L tokens of all clips, l those of this process, N heads, K head dim, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from ..errors import InputError
from ..layers.attention import self_attention
from ..layers.packing import Group, Layout
from ..layers.team import Team, shares
from ..types import Denoiser
from .model import TokenPlan

__all__ = ["SharedPlan", "over_clips"]


@dataclass(frozen=True, kw_only=True)
class SharedPlan(TokenPlan):
    """The plan of one process: its layout, positions and features are those of its own tokens."""

    whole: Layout
    order: Tensor
    """[L] the tokens of the first process, those of the second, ..."""
    lengths: tuple[int, ...]
    """how many each has"""
    team: Team

    @staticmethod
    def of(plan: TokenPlan, team: Team) -> SharedPlan:
        """The share of a plan: of each latent frame of each clip, each process has a part.

        Raises InputError where a frame has fewer tokens than there are processes.
        """
        order = shared_out(plan.layout, team.size)
        mine = order[team.rank]
        rows, counts = plan.layout.rows.repeat_interleave(plan.layout.run)[mine].unique_consecutive(return_counts=True)
        run = math.gcd(*counts.tolist())
        layout = replace(
            plan.layout, groups=own_groups(plan.layout.groups, team),
            rows=rows.repeat_interleave(counts // run), run=run,
        )  # fmt: skip
        return SharedPlan(
            layout=layout, cos=plan.cos[mine], sin=plan.sin[mine],
            features=None if plan.features is None else plan.features[mine],
            whole=plan.layout, order=torch.cat(order), lengths=tuple(len(part) for part in order), team=team,
        )  # fmt: skip

    @property
    def groups(self) -> tuple[Group, ...]:
        return self.whole.groups

    def take(self, x_LD: Tensor) -> Tensor:
        return x_LD[self.order.split(self.lengths)[self.team.rank]]

    def give(self, x_LD: Tensor) -> Tensor:
        return self._in_place(self.team.gathered(x_LD, self.lengths))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """[l,N,K] three times -> [l,N,K]: to all tokens of a few heads, and back."""
        heads, own = shares(q.shape[1], self.team.size), self.lengths[self.team.rank]
        if not heads[-1]:
            raise InputError(f"{q.shape[1]} heads cannot be shared by {self.team.size} processes; start fewer.")
        joined = torch.cat([q, k, v], -1)
        mine = heads[self.team.rank]
        got = self.team.exchanged(joined.split(heads, 1), [n * mine * joined.shape[2] for n in self.lengths])
        seen = self._in_place(torch.cat([part.view(-1, mine, joined.shape[2]) for part in got]))
        q_all, k_all, v_all = seen.chunk(3, -1)
        made = self_attention(q_all, k_all, v_all, self.whole.alike)[self.order]
        back = self.team.exchanged(made.split(self.lengths), [own * n * q.shape[2] for n in heads])
        return torch.cat([part.view(own, -1, q.shape[2]) for part in back], 1)

    def _in_place(self, x: Tensor) -> Tensor:
        """Tokens that lie process by process, in the order of the whole sequence."""
        out = torch.empty_like(x)
        out[self.order] = x
        return out


def shared_out(layout: Layout, size: int) -> list[Tensor]:
    """The tokens [l] of each process: of every latent frame, its part."""
    parts: list[list[Tensor]] = [[] for _ in range(size)]
    for group in layout.groups:
        area = group.height * group.width
        if area < size:
            raise InputError(f"frames of {area} tokens cannot be shared by {size} processes; start fewer.")
        count = group.clips * group.length
        tokens = torch.arange(count, device=layout.rows.device) + group.first_token
        for part, of_process in zip(parts, tokens.view(-1, area).split(shares(area, size), 1), strict=True):
            part.append(of_process.flatten())
    return [torch.cat(part) for part in parts]


def own_groups(groups: Sequence[Group], team: Team) -> tuple[Group, ...]:
    """The groups as the tokens of this process form them: frames are rows of one."""
    sizes = [shares(group.height * group.width, team.size)[team.rank] for group in groups]
    counts = [group.clips * group.frames * size for group, size in zip(groups, sizes, strict=True)]
    starts = accumulate(counts, initial=0)
    return tuple(
        group._replace(height=size, width=1, first_token=start)
        for group, size, start in zip(groups, sizes, starts, strict=False)
    )


def over_clips(denoiser: Denoiser, team: Team) -> Denoiser:
    """Each process denoises its share of the clips of a batch, and all get all: guidance, which joins its halves to a
    batch, then runs them beside one another. A batch that does not divide is denoised by each."""

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        if len(x) % team.size:
            return denoiser(x, sigma, mask, context)
        count = len(x) // team.size
        own = slice(team.rank * count, (team.rank + 1) * count)
        made = denoiser(x[own], sigma[own], mask[own], context[own])
        return team.gathered(made.contiguous(), [count] * team.size)

    return denoise
