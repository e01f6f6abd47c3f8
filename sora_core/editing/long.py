"""Long videos: segments that each go on from the latents of the one before, in one latent without seams.

    [make] -> [keep tail | make] -> [keep tail | make] ...        one segment anew: [keep tail | make | keep head]

Nothing is encoded again between segments, so colour and contrast do not drift; time is linear in the length, and the
frames stream out of one decode.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, frames_for, latent_frames, spans
from .edit import Edit, Strides, compose, kept, made
from .ends import OVERLAP
from .shots import Shot
from .strides import bundled_strides

__all__ = ["long_frames", "segment_counts", "segment_edit", "segment_strides", "with_segment"]


def segment_counts(shots: Sequence[Shot], fps: float, geometry: Geometry) -> list[int]:
    """Latent frames of each segment, rounded up. Raises InputError where there is none."""
    if not shots:
        raise InputError("a long video needs at least one segment.")
    frames = [frames_for(shot.seconds, fps) for shot in shots]
    return [latent_frames(count, geometry, mid_stream=i > 0) for i, count in enumerate(frames)]


def long_frames(counts: Sequence[int], geometry: Geometry) -> int:
    """Pixel frames of all segments."""
    return int(spans(sum(counts), geometry).sum())


def segment_strides(shots: Sequence[Shot], index: int, fps: float, geometry: Geometry) -> Strides | None:
    """How the bundled model makes a segment: in stretches where it says the same as the one before, all at once (None)
    where something else begins, which half a second behind a second and a half of what was is too little for: a ball
    that bounced and is to stand still stays as two. Raises InputError for a segment that there is not."""
    check_index(len(shots), index)
    goes_on = index > 0 and shots[index].prompt == shots[index - 1].prompt
    return bundled_strides(fps, geometry) if goes_on else None


def segment_edit(
    whole: Tensor,
    counts: Sequence[int],
    index: int,
    fps: float,
    geometry: Geometry,
    *,
    ahead: bool = False,
    overlap: int = OVERLAP,
    strides: Strides | None = None,
) -> Edit:
    """The edit that makes segment `index` of a long latent [1,C,T,h,w], T the sum of `counts`.

    It sees `overlap` frames of the segment before and, with `ahead`, of the one after, which is there already then.
    strides: made in stretches behind the one before, not all at once.
    Raises InputError for a latent of another length or a segment that there is not.
    """
    check_segments(whole, counts, index)
    start = sum(counts[:index])
    end, seen = start + counts[index], seen_beside(overlap, geometry)
    first, last = max(0, start - seen), min(end + seen, whole.shape[2]) if ahead else end
    grid = spans(whole.shape[2], geometry)
    parts = [
        kept(whole[:, :, first:start], grid[first:start]),
        made(counts[index], geometry, first=start == 0),
        kept(whole[:, :, end:last], grid[end:last]),
    ]
    return Edit(state=compose([part for part in parts if len(part.spans)], fps, whole), fps=fps, strides=strides)


def with_segment(
    whole: Tensor, counts: Sequence[int], index: int, sampled: Tensor, geometry: Geometry, *, overlap: int = OVERLAP
) -> Tensor:
    """A copy of the long latent with a segment as it was sampled by its edit; nothing else changes."""
    check_segments(whole, counts, index)
    start = sum(counts[:index])
    at = min(start, seen_beside(overlap, geometry))
    made_part = sampled[:, :, at : at + counts[index]].to(whole)
    return torch.cat([whole[:, :, :start], made_part, whole[:, :, start + counts[index] :]], 2)


def seen_beside(overlap: int, geometry: Geometry) -> int:
    """Latent frames of a neighbour that a segment sees: as many as cover `overlap` frames."""
    return -(-overlap // geometry.time_factor)


def check_segments(whole: Tensor, counts: Sequence[int], index: int) -> None:
    if whole.ndim != 5 or whole.shape[2] != sum(counts):
        raise InputError(
            f"segments of {list(counts)} latent frames are {sum(counts)} together, and this latent is"
            f" {list(whole.shape)}; give the list that it was made with."
        )
    check_index(len(counts), index)


def check_index(count: int, index: int) -> None:
    """Raises InputError for a segment that there is not, of `count`; index: from 0."""
    if not 0 <= index < count:
        raise InputError(f"there are segments 1 to {count}, and none {index + 1}.")
