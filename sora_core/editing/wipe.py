"""Wipe: a soft edge runs over the picture from the left and leaves the second stretch of frames behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Wipe", "wipe_over", "wiped"]

EDGE = 0.24
"""width of the edge, in picture widths"""


@dataclass(frozen=True, kw_only=True)
class Wipe:
    """Frames `first` to `first` + `count` - 1 of a decoded grid are wiped away by as many that follow them: what is
    shown is so much shorter."""

    first: int
    count: int


def wiped(chunks: Iterable[Tensor], wipe: Wipe) -> Iterator[Tensor]:
    """The same frames [F,H,W,3], in chunks, with both stretches of the wipe laid over each other; they are held until
    then."""
    end, at, held = wipe.first + 2 * wipe.count, 0, []
    for chunk in chunks:
        start, stop = (min(max(edge - at, 0), len(chunk)) for edge in (wipe.first, end))
        at += len(chunk)
        yield chunk[:start]
        held += [chunk[start:stop]] if start < stop else []
        if held and at >= end:
            yield wipe_over(*torch.cat(held).chunk(2))
            held = []
        yield chunk[stop:]


def wipe_over(first: Tensor, second: Tensor) -> Tensor:
    """Frames [F,H,W,3] that begin as `first` and end as `second`."""
    count, _, width, _ = first.shape
    reach = (torch.arange(count) + 0.5) / count * (1 + EDGE)
    place = (torch.arange(width) + 0.5) / width
    share = ((reach[:, None] - place) / EDGE).clamp(0, 1)
    return torch.lerp(first, second, share[:, None, :, None].to(first))
