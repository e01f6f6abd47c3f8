"""Batches for the transformer: clips of one kind and size with keep-masks, made on the device where their latents are.

Legend: n clips, C channels, T latent frames, H W latent height and width, S text tokens, P parts of a clip's time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..grid import positions, spans
from .draws import Draws
from .masks import both_ends, keep_mask
from .store import ClipStore

__all__ = ["Batch", "Source"]

WORDING_WEIGHTS = (0.2, 0.2, 0.2, 0.22, 0.18)
"""of the wordings of a clip, in the order of clips.LEVELS"""
MASKS = 512
"""masks of one size, drawn once"""
STRANGE_UNTOLD = 0.5
"""share of the strange clips whose caption is dropped: its colours are wrong, or a word is unknown"""
PICTURES = 0.5
"""share of the strange clips of which the first frame alone is kept, as a picture to animate"""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """latents [n,C,T,H,W]; cells with things and mask (1 made, 0 kept) [n,1,T,H,W]; ids [n,P,S]; late [n,T] 1 where the
    second part's caption is followed; variant [n] whether a clip begins with a first frame (0) or mid-stream (1)."""

    latents: Tensor
    cells: Tensor
    mask: Tensor
    ids: Tensor
    late: Tensor
    variant: Tensor


class Source:
    """Batches of `frames` latent frames from a store, at one of its sizes; 1 frame is a still.

    Grids by variant: positions [2,T] in seconds, spans [2,T] in frames.
    """

    def __init__(self, store: ClipStore, size: tuple[int, int], frames: int) -> None:
        self.store, self.size, self.frames = store, size, frames
        self.ring = store.kind.family == "loop"
        longest = store.latent_frames
        self.spare = longest - frames
        every = spans(longest, store.geometry, mid_stream=self.ring)
        self.times = positions(every, store.kind.fps).to(store.device)
        firsts = [0, 0] if self.ring else [0, min(1, self.spare)]
        windows = [torch.arange(frames) + first for first in firsts]
        seconds = self.times.cpu()
        self.positions = torch.stack([seconds[window] - seconds[window[0]] for window in windows])
        self.spans = torch.stack([every[window] for window in windows])
        self.height, self.width = (side // store.geometry.space_factor for side in size)
        self.wordings = torch.tensor(WORDING_WEIGHTS, device=store.device)
        self.masks = self._masks().to(store.device)[:, None]

    def _masks(self) -> Tensor:
        """Masks [.,T,H,W] to choose from, each with a kept part; none for rings and stills, which are made whole."""
        shape = (self.frames, self.height, self.width)
        if self.ring or self.frames == 1:
            return torch.ones(1, *shape)
        make = both_ends if self.store.kind.family == "bridge" else keep_mask
        generator = torch.Generator().manual_seed(self.height * 1000 + self.width * 10 + self.frames)
        return torch.stack([make(shape, generator) for _ in range(MASKS)])

    def batch(self, count: int, draws: Draws, *, keep: float, drop: float = 0.1) -> Batch:
        """`count` clips, a share `keep` of them with a kept part and a share `drop` without a caption."""
        store = self.store
        chosen = draws.integers(store.encoded, count)
        strange = store.strange[chosen]
        if len(self.masks) == 1:
            chosen, strange = self._usual(chosen, strange, draws)
        first, variant = self._starts(count, draws)
        picture = strange & draws.often(0.0 if store.kind.family == "bridge" else PICTURES, count)
        first, variant = first.where(~picture, 0), variant.where(~picture, 0)
        window = (first[:, None] + torch.arange(self.frames, device=store.device)) % store.latent_frames
        mask = self.masks[draws.integers(len(self.masks), count)]
        if store.kind.family != "bridge":
            mask = torch.where((draws.often(keep, count) | strange).view(-1, 1, 1, 1, 1), mask, 1.0)
            mask[picture] = (torch.arange(self.frames, device=store.device) > 0).to(mask).view(1, -1, 1, 1)
        ids = store.ids[chosen, draws.weighted(self.wordings, count)]
        untold = draws.often(drop, count) | (strange & draws.often(STRANGE_UNTOLD, count))
        second = store.starts[chosen][:, 1:2]
        return Batch(
            latents=taken(store.latents[self.size], chosen, window).float(),
            cells=taken(store.cells[self.size], chosen, window).float(),
            mask=mask,
            ids=torch.where(untold[:, None, None], 0, ids).long(),
            late=(self.times[window] >= second).float(),
            variant=variant,
        )

    def _usual(self, chosen: Tensor, strange: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """The same clips, strange ones replaced: what is made whole looks as the caption says."""
        like = (~self.store.strange[: self.store.encoded]).float() + 1e-9
        other = draws.weighted(like, len(chosen))
        chosen = torch.where(strange, other, chosen)
        return chosen, torch.zeros_like(strange)

    def _starts(self, count: int, draws: Draws) -> tuple[Tensor, Tensor]:
        """The first latent frame of each clip and its variant: half begin mid-stream, bridges all; a still never; a
        ring begins anywhere, and is whole."""
        store = self.store
        if self.ring:
            first = draws.integers(store.latent_frames, count)
            return first, torch.zeros_like(first)
        if self.frames == 1 or not self.spare:
            first = torch.zeros(count, dtype=torch.int64, device=store.device)
            return first, first
        late = 1 + draws.integers(self.spare, count)
        mid = draws.often(1.0 if store.kind.family == "bridge" else 0.5, count)
        return torch.where(mid, late, 0), mid.long()


def taken(whole: Tensor, chosen: Tensor, window: Tensor) -> Tensor:
    """Frames `window` [n,T] of the clips `chosen` [n] of [N,C,T',H,W]: [n,C,T,H,W]."""
    return whole.transpose(1, 2)[chosen[:, None], window].transpose(1, 2)
