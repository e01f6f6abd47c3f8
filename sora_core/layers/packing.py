"""Clips of different sizes as one sequence, without padding.

Legend: n clips of one size in a group, C channels, T H W latent frames, height, width, L tokens of all clips together,
D width. A pack is a list of groups [n,C,T,H,W]; a plain batch is a pack of one group. Everything that works token by
token sees one sequence [L,D]; attention alone looks at the groups, so a token never sees another clip and no token is
padding (after Patch n' Pack, arXiv 2307.06304).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

__all__ = ["Group", "Layout", "patchify", "texts_of", "tokens_of", "unpatchify"]

SEGMENTS = 64
"""stretches of tokens that are worth a loop"""


class Group(NamedTuple):
    """Clips of one size and where they lie in the packed sequence."""

    clips: int
    frames: int
    height: int
    width: int
    """frames, height and width in tokens"""
    first_token: int
    first_text: int
    text_rows: Tensor | None = None
    """[n,T] which of the group's texts each latent frame follows, or None where each clip has one text"""

    @property
    def length(self) -> int:
        """Tokens per clip."""
        return self.frames * self.height * self.width

    def by_text(self, tokens: Tensor) -> Tensor:
        """This group's tokens [n,length,...] as they are, or [n*frames, height*width, ...] where latent frames have
        texts."""
        return tokens if self.text_rows is None else tokens.unflatten(1, (self.frames, -1)).flatten(0, 1)


def tokens_of(x: Tensor, groups: Sequence[Group]) -> list[Tensor]:
    """A packed sequence [L,...] in parts, [n,length,...] for each group; views, whose gradients come together in one
    copy."""
    parts = x.split([group.clips * group.length for group in groups])
    return [part.unflatten(0, (group.clips, group.length)) for part, group in zip(parts, groups, strict=True)]


def texts_of(x: Tensor, groups: Sequence[Group]) -> list[Tensor]:
    """Rows per text [B,...] in parts: for each group a row per clip, or per latent frame where these have texts."""
    ends = [*(group.first_text for group in groups[1:]), len(x)]
    parts = x.split([end - group.first_text for end, group in zip(ends, groups, strict=True)])
    return [
        part if group.text_rows is None else part[group.text_rows.flatten()]
        for part, group in zip(parts, groups, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Everything about a pack that does not change from step to step.

    levels [V] are the distinct mask values (kept is 0, made is 1); a token's timestep is level * sigma of its clip.
    `rows[i]` is the row, clip * V + level, of the tokens i*run .. (i+1)*run-1: modulation is stored once per run.
    """

    groups: tuple[Group, ...]
    levels: Tensor
    rows: Tensor
    run: int

    @property
    def clips(self) -> int:
        return sum(group.clips for group in self.groups)

    @property
    def tokens(self) -> int:
        return sum(group.clips * group.length for group in self.groups)

    @cached_property
    def alike(self) -> tuple[Group, ...]:
        """The groups as attention takes them: neighbours of one size, with one text per clip, are one."""
        out: list[Group] = []
        for group in self.groups:
            if out and out[-1][1:4] == group[1:4] and out[-1].text_rows is None and group.text_rows is None:
                out[-1] = out[-1]._replace(clips=out[-1].clips + group.clips)
            else:
                out.append(group)
        return tuple(out)

    @cached_property
    def segments(self) -> tuple[tuple[int, int, int], ...]:
        """(first token, end, row) of each stretch of tokens with one row; empty where the stretches are many and
        short."""
        out, token = [], 0
        for row, same in groupby(self.rows.tolist()):
            count = self.run * sum(1 for _ in same)
            out.append((token, token + count, row))
            token += count
        return tuple(out) if len(out) <= SEGMENTS else ()

    def timesteps(self, sigma: Tensor) -> Tensor:
        """The noise level of each row, [clips*V], from sigma per clip."""
        return (sigma[:, None] * self.levels.to(sigma)).flatten()

    def to(self, device: torch.device | str) -> Layout:
        """The same layout on another device."""
        return replace(self, levels=self.levels.to(device), rows=self.rows.to(device))

    @staticmethod
    def of(groups: Sequence[Group], masks: Sequence[Tensor | None]) -> Layout:
        """From groups and a mask per group: [n,T,H,W] in tokens, or None where all is made."""
        given = [mask for mask in masks if mask is not None]
        device = given[0].device if given else torch.device("cpu")
        ends = torch.tensor([0.0, 1.0] if given else [1.0], device=device)
        levels = torch.cat([ends, *(mask.flatten().float() for mask in given)]).unique()
        rows, runs, clip = [], [], 0
        for group, mask in zip(groups, masks, strict=True):
            row = (torch.arange(group.clips, device=device) + clip) * len(levels)
            clip += group.clips
            if mask is None:
                rows.append((row + len(levels) - 1).repeat_interleave(group.length))
                runs.append(group.length)
            else:
                rows.append((row[:, None, None, None] + torch.bucketize(mask.float(), levels)).flatten())
                whole_frames = bool((mask == mask[:, :, :1, :1]).all())
                runs.append(group.height * group.width if whole_frames else 1)
        run = math.gcd(*runs)
        return Layout(groups=tuple(groups), levels=levels, rows=torch.cat(rows)[::run].contiguous(), run=run)


def patchify(x: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """[n,C,T,H,W] -> [n*L, C*pt*ph*pw]."""
    return rearrange(x, "n c (t p) (h q) (w r) -> (n t h w) (c p q r)", p=patch[0], q=patch[1], r=patch[2])


def unpatchify(tokens: Tensor, group: Group, patch: tuple[int, int, int]) -> Tensor:
    """[n, L, pt*ph*pw*C] -> [n,C,T,H,W]."""
    n, t, h, w = group[:4]
    p, q, r = patch
    return rearrange(tokens, "n (t h w) (p q r c) -> n c (t p) (h q) (w r)", n=n, t=t, h=h, w=w, p=p, q=q, r=r)
