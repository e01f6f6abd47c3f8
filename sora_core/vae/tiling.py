"""Pictures too large for memory go through a codec in tiles.

Only the part of a codec that sees no further than its convolutions reach runs in tiles (`CausalCodec.encode_tile`,
`decode_tile`); what sees the whole picture stays whole. Tiles overlap and are cross-faded, away from their borders,
where a tile sees zeros instead of its neighbour. Each tile has its own causal cache. Those caches are the larger part
of a codec's memory: where all of them together are too much, a tile that rests has its cache on disk, in a file without
a name that disappears with the process, and a tile runs over several latent frames before the next one comes.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width in latent cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise, product
from typing import IO

import torch
from torch import Tensor

from ..errors import InputError
from ..files import scratch_file
from ..layers.causal import StreamCache

__all__ = ["OVERLAP", "Need", "Tiles", "choose_tiles", "parts"]

OVERLAP = 7
"""latent cells that neighbouring tiles share"""
LEAST = 16
"""cells of a tile's side, at least"""
CHUNKS = (4, 2)
"""latent frames at a time that are tried, the most first"""
ROOMY = 1 << 30
"""bytes that a chunk of several latent frames may take: with larger ones, a CPU gains nothing"""
SPILLED = 4
"""latent frames that a tile runs over before its cache goes back to disk, if they fit"""
MOST = 32
"""tiles in a row or column"""

Part = Callable[[Tensor, StreamCache, bool], Tensor]
"""of a codec: from a chunk, with what it remembers of the chunks before; whether it is the first"""
Run = Callable[[Tensor, bool], Tensor]
"""the same over the chunks of one stream"""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """How a codec takes a video apart."""

    chunk: int
    """latent frames at a time"""
    size: tuple[int, int] | None = None
    """height and width of a tile in latent cells, overlap included; None: the whole picture at once"""
    overlap: int = OVERLAP
    """cells that neighbours share"""
    spill: bool = False
    """whether the caches of resting tiles lie on disk"""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"a chunk holds at least one latent frame, not {self.chunk}.")
        if self.size is not None and not 2 <= self.overlap < min(self.size):
            raise InputError(
                f"tiles of {self.size[1]}x{self.size[0]} latent cells cannot share {self.overlap}; they share at least"
                " 2 and are larger than that."
            )

    def axes(self, height: int, width: int) -> tuple[list[slice], list[slice]]:
        """The rows of each row of tiles and the columns of each column, of a latent of that height and width."""
        size = self.size or (height, width)
        return _windows(height, size[0], self.overlap), _windows(width, size[1], self.overlap)


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes that one direction of a codec takes beyond its weights, per latent cell of a picture where nothing else is
    said."""

    kept: int
    """what the tiled part remembers between chunks"""
    work: int
    """what the tiled part has in use at most, beside that"""
    whole: int
    """what the part that sees the whole picture takes while it runs"""
    held: int = 0
    """what of that it remembers between chunks"""
    handed: int = 0
    """what lies between the two parts, per latent frame of a chunk"""
    frame: int
    """of a latent frame's pixels"""
    work_grows: bool = False
    """whether `work` is per latent frame of a chunk; else they go one by one"""
    fixed: int = 0
    """bytes in use whatever the picture: weights laid out anew for the layer that runs"""

    def bytes(self, height: int, width: int, tiles: Tiles, *, frames: int | None = None) -> int:
        """Of a latent of that height and width in cells, taken apart so; `frames` latent frames, if they are few."""
        chunk = tiles.chunk if frames is None else min(frames, tiles.chunk)
        rows, columns = tiles.axes(height, width)
        part = length(rows[0]) * length(columns[0])
        kept = self.kept * part * (1 if tiles.spill else len(rows) * len(columns))
        work = self.work * part * (chunk if self.work_grows else 1)
        pixels = self.frame * chunk * (height * width + part * (tiles.size is not None))
        whole = self.whole * height * width + (0 if tiles.spill else kept)
        tiled = (self.held + self.handed * chunk) * height * width + kept + work
        return self.fixed + pixels + max(whole, tiled)


def choose_tiles(need: Need, height: int, width: int, budget: int | None = None) -> Tiles:
    """The pieces of a latent of that height and width in cells that keep within `budget` bytes (None: no end).

    The whole picture if it fits, with the longest chunk that does; else tiles with their caches in memory; else tiles
    with their caches on disk, with as little shared as may be. Where nothing fits: the smallest.
    """
    sizes = list(_sizes(height, width))
    spilled = [Tiles(chunk=chunk, size=size, spill=True) for size in sizes for chunk in (SPILLED, 1)]
    plans = [Tiles(chunk=1), *(Tiles(chunk=1, size=size) for size in sizes), *spilled]
    long = [Tiles(chunk=chunk) for chunk in CHUNKS]
    most = math.inf if budget is None else budget
    fits = [plan for plan in long if need.bytes(height, width, plan) <= min(ROOMY, most)]
    fits += [plan for plan in plans if need.bytes(height, width, plan) <= most]
    return fits[0] if fits else min(plans, key=lambda plan: need.bytes(height, width, plan))


def _sizes(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Tiles that cover a picture evenly, nearly square, those with the least work in all first; none is mostly
    overlap."""
    found: dict[tuple[int, int], int] = {}
    for rows, columns in product(range(1, MOST + 1), repeat=2):
        high, wide = (math.ceil((s + (n - 1) * OVERLAP) / n) for s, n in ((height, rows), (width, columns)))
        if rows * columns > 1 and min(high, wide) >= LEAST and max(high, wide) <= 2 * min(high, wide):
            found.setdefault((high, wide), rows * columns * high * wide)
    yield from sorted(found, key=lambda size: (found[size], -size[0] * size[1]))


def _windows(side: int, size: int, overlap: int) -> list[slice]:
    """Windows of `size` over an axis, as few as cover it, spread evenly."""
    size = min(size, side)
    count = 1 if size == side else math.ceil((side - overlap) / (size - overlap))
    starts = (round(i * (side - size) / max(1, count - 1)) for i in range(count))
    return [slice(start, start + size) for start in starts]


def length(window: slice) -> int:
    return int(window.stop - window.start)


def scaled(window: slice, by: int) -> slice:
    return slice(window.start * by, window.stop * by)


def weights(windows: list[slice], scale: int) -> list[Tensor]:
    """How much each window of an axis counts at each of its places, `scale` to a cell; the sum over windows is 1.

    It changes smoothly over the middle quarter of what two neighbours share: either sees zeros for what lies beyond
    its border, and the further from there, the less that counts.
    """
    out = [torch.ones(length(window) * scale) for window in windows]
    for i, (before, after) in enumerate(pairwise(windows)):
        shared = (before.stop - after.start) * scale
        place = (4 * (torch.arange(shared) + 0.5) / shared - 1.5).clamp(0, 1)
        ramp = 0.5 - 0.5 * torch.cos(math.pi * place)
        out[i][-shared:] *= 1 - ramp
        out[i + 1][:shared] *= ramp
    return out


@contextmanager
def parts(whole: Part, tile: Part, tiles: Tiles | None, *, given: int, made: int) -> Iterator[tuple[Run, Run]]:
    """Both parts of a codec over the chunks of one stream: the one on whole pictures, the other in `tiles`, if any.

    given, made: places per latent cell, in height and in width, of what `tile` takes and of what it gives.
    """
    cache = StreamCache()

    def on_whole(x: Tensor, first: bool) -> Tensor:
        return whole(x, cache, first)

    if tiles is None or tiles.size is None:
        yield on_whole, lambda x, first: tile(x, cache, first)
        return
    with closing(Shelf(spill=tiles.spill)) as shelf:
        yield on_whole, Tiled(tile, tiles, shelf, given=given, made=made)


class Tiled:
    """A part of a codec, run tile by tile over the chunks of one stream."""

    def __init__(self, part: Part, tiles: Tiles, shelf: Shelf, *, given: int, made: int) -> None:
        self.part, self.tiles, self.shelf, self.given, self.made = part, tiles, shelf, given, made

    def __call__(self, x: Tensor, first: bool) -> Tensor:
        """What the part gives of the next chunk of whole pictures [B,C,T,H*given,W*given]."""
        height, width = (side // self.given for side in x.shape[3:])
        rows, columns = self.tiles.axes(height, width)
        down, along = weights(rows, self.made), weights(columns, self.made)
        out = x.new_empty(0)
        for i, j in product(range(len(rows)), range(len(columns))):
            with self.shelf.cache((i, j)) as cache:
                tile = self.part(x[..., scaled(rows[i], self.given), scaled(columns[j], self.given)], cache, first)
            if not out.numel():
                out = tile.new_zeros(*tile.shape[:3], height * self.made, width * self.made)
            tile.mul_(down[i].to(tile)[:, None]).mul_(along[j].to(tile))
            out[..., scaled(rows[i], self.made), scaled(columns[j], self.made)] += tile
            del tile  # before the next one is made
        return out


class Shelf:
    """The causal caches of the tiles of one stream, in memory, or each in a nameless file while its tile rests."""

    def __init__(self, *, spill: bool) -> None:
        self._spill, self._open = spill, ExitStack()
        self._caches: dict[tuple[int, int], StreamCache] = {}
        self._files: dict[tuple[int, int], IO[bytes]] = {}

    @contextmanager
    def cache(self, tile: tuple[int, int]) -> Iterator[StreamCache]:
        """The cache of a tile, to be used and changed within the block."""
        cache = self._caches.setdefault(tile, StreamCache())
        if not self._spill:
            yield cache
            return
        if tile not in self._files:
            self._files[tile] = self._open.enter_context(scratch_file())
        file = self._files[tile]
        file.seek(0)
        cache.load(file)
        yield cache
        file.seek(0)
        cache.unload(file)

    def close(self) -> None:
        self._open.close()
        self._caches.clear()
