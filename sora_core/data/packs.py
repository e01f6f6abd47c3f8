"""Batches for the transformer: clips of many sizes in one pack, with keep-masks, a pure function of the step.

A mix lists how many clips of each kind a pack holds, so every pack has the same composition: sizes are trained
together at
their native shape and nothing is padded.

Legend: n clips of a group, C channels, T latent frames, H W latent height and width, V wordings, P parts, S text
tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..dit import ClipGrid
from ..errors import InputError
from ..grid import Geometry, positions, spans
from .clips import ClipKind, Shard

__all__ = ["GroupSpec", "Pack", "PackSource", "keep_mask"]

WORDING_WEIGHTS = (0.2, 0.2, 0.2, 0.22, 0.18)
"""of the wordings of a clip, in the order of latents.LEVELS"""


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """So many clips of one kind (matched by the beginning of its name) with `frames` latent frames each; 1 is a
    still."""

    kind: str
    clips: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class Pack:
    """One batch: latents per group, their grids, where things are seen (0 or 1, [n,1,T,H,W]), token ids of all texts
    [B,S].

    errors: what a transformer made wrong of the same latents, per group; zeros where that was not measured.
    """

    latents: list[Tensor]
    grids: list[ClipGrid]
    things: list[Tensor]
    errors: list[Tensor]
    ids: Tensor


def both_ends(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """A mask [T,H,W] that keeps latent frames at either end as clips to connect are given: two, at a quarter of the
    ends one."""
    head, tail = (1 + int(torch.randint(4, (), generator=generator) > 0) for _ in range(2))
    mask = torch.ones(shape)
    mask[:head], mask[-tail:] = 0, 0
    return mask


def keep_mask(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """A mask [T,H,W] with a kept part: a prefix, a suffix, both ends, some frames, or a block of space through time.

    Something is always made. Blocks begin and end at even cells, so that a patch of 2x2 is made or kept as a whole.
    Shares after Open-Sora 2.0 (arXiv 2503.09642) and the curriculum of Open-Sora Plan (arXiv 2412.00131).
    """
    t, h, w = shape

    def below(limit: int) -> int:
        return int(torch.randint(max(1, limit), (), generator=generator))

    mask = torch.ones(shape)
    choice = float(torch.rand((), generator=generator))
    if choice < 0.35:
        mask[: 1 + below(t - 1)] = 0
    elif choice < 0.63:
        mask[t - 1 - below(t - 1) :] = 0
    elif choice < 0.77 and t > 2:
        head = 1 + below(t - 2)
        mask[:head] = 0
        mask[t - 1 - below(t - 1 - head) :] = 0
    elif choice < 0.9:
        mask[torch.rand(t, generator=generator) < 0.5] = 0
        mask[below(t)] = 1
    else:
        rows, columns = below(h // 2) // 2 * 2, below(w // 2) // 2 * 2
        made = torch.zeros(shape)
        made[:, rows : rows + max(2, h // 4 * 2), columns : columns + max(2, w // 4 * 2)] = 1
        mask = made if float(torch.rand((), generator=generator)) < 0.7 or bool(made.all()) else 1 - made
    return mask


@dataclass(frozen=True, kw_only=True)
class PackSource:
    """Packs of one composition from open latent shards."""

    shards: Sequence[Shard]
    mix: Sequence[GroupSpec]
    geometry: Geometry
    keep: float = 0.5
    """share of clips with a kept part"""
    drop: float = 0.1
    """share of clips without a caption"""

    def __post_init__(self) -> None:
        for spec in self.mix:
            if not self._matching(spec):
                raise InputError(
                    f"no shard of kind {spec.kind!r}; there are:"
                    f" {', '.join(sorted({s.kind.name for s in self.shards}))}"
                )

    def _matching(self, spec: GroupSpec) -> list[Shard]:
        return [shard for shard in self.shards if shard.kind.name.startswith(spec.kind)]

    def pack(self, generator: torch.Generator, keep: float | None = None) -> Pack:
        """One pack; everything random comes from the generator."""
        parts = [self._group(spec, generator, self.keep if keep is None else keep) for spec in self.mix]
        latents, grids, things, errors, ids = (list(part) for part in zip(*parts, strict=True))
        return Pack(latents=latents, grids=grids, things=things, errors=errors, ids=torch.cat(ids))

    def _group(
        self, spec: GroupSpec, generator: torch.Generator, keep: float
    ) -> tuple[Tensor, ClipGrid, Tensor, Tensor, Tensor]:
        shards = self._matching(spec)
        shard = shards[int(torch.randint(len(shards), (), generator=generator))]
        latent = shard.tensors["latent"]
        chosen = torch.randint(len(latent), (spec.clips,), generator=generator)
        longest = latent.shape[2]
        ring = shard.kind.family == "loop"
        first = self._starts(spec, longest, generator, shard.kind.family)
        window = (first[:, None] + torch.arange(spec.frames)) % longest
        clips = torch.arange(spec.clips)[:, None]

        def seen(whole: Tensor) -> Tensor:
            return whole[chosen].float().movedim(2, 1)[clips, window].movedim(1, 2)

        x = seen(latent)
        errors = seen(shard.tensors["error"]) if "error" in shard.tensors else torch.zeros_like(x)
        things = shard.tensors["things"][chosen].float()[clips, window]
        all_spans = spans(longest, self.geometry, mid_stream=ring)
        times = positions(all_spans, shard.kind.fps)
        masks = torch.stack(
            [self._mask(shard.kind, (spec.frames, *x.shape[3:]), generator, keep) for _ in range(spec.clips)]
        )
        ids, rows = self._text(shard, chosen, times[window], generator)
        grid = ClipGrid(
            shape=(spec.clips, spec.frames, x.shape[3], x.shape[4]),
            positions=(
                (times - times[0])[: spec.frames].expand(spec.clips, -1)
                if ring
                else times[window] - times[window][:, :1]
            ),
            spans=all_spans[window],
            seconds_per_frame=torch.full((spec.clips,), 1 / shard.kind.fps),
            mask=masks[:, None],
            text_rows=rows,
            texts=len(ids) if rows is not None else 0,
        )
        return x, grid, things[:, None], errors, ids

    def _starts(self, spec: GroupSpec, longest: int, generator: torch.Generator, family: str | None) -> Tensor:
        """The first latent frame of each clip: half begin mid-stream, bridges all; a still never; a ring begins
        anywhere, and is whole."""
        if spec.frames > longest:
            raise InputError(f"a group of {spec.frames} latent frames cannot come from clips of {longest}")
        if family == "loop":
            return torch.randint(longest, (spec.clips,), generator=generator)
        if spec.frames == 1 or spec.frames == longest:
            return torch.zeros(spec.clips, dtype=torch.int64)
        late = 1 + torch.randint(longest - spec.frames, (spec.clips,), generator=generator)
        return torch.where(torch.rand(spec.clips, generator=generator) < (1 if family == "bridge" else 0.5), late, 0)

    def _mask(self, kind: ClipKind, shape: tuple[int, int, int], generator: torch.Generator, keep: float) -> Tensor:
        """Rings are made whole, bridges between two ends; of all others a share of `keep` has a kept part."""
        if kind.family == "bridge":
            return both_ends(shape, generator)
        if kind.family == "loop" or shape[0] == 1 or float(torch.rand((), generator=generator)) >= keep:
            return torch.ones(shape)
        return keep_mask(shape, generator)

    def _text(
        self, shard: Shard, chosen: Tensor, times: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Token ids of the group's texts and, for clips in parts, the text of each latent frame [n,T]."""
        ids_NVPS, starts = shard.tensors["ids"], shard.tensors["starts"]
        n, parts = len(chosen), ids_NVPS.shape[2]
        wording = torch.multinomial(torch.tensor(WORDING_WEIGHTS), n, replacement=True, generator=generator)
        ids = ids_NVPS[chosen, wording].long()
        ids = torch.where((torch.rand(n, generator=generator) < self.drop)[:, None, None], 0, ids)
        if parts == 1:
            return ids[:, 0], None
        part = (times[:, :, None] >= starts[chosen][:, None]).sum(-1).clamp(min=1) - 1
        return ids.flatten(0, 1), torch.arange(n)[:, None] * parts + part
