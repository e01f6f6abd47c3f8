"""The ends of a clip, ready to be kept in a grid: a tail is its last latents, a head is encoded behind a mirrored
preroll."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError, frame_count
from ..grid import Geometry, latent_frames
from ..grid import spans as grid_spans
from ..media import FrameSource
from ..settings import check_whole
from .coding import HISTORY, encode_clip, encode_mid_stream, encode_tail, frames_of
from .edit import Clip, Codec
from .frames import Placed, Window, window

__all__ = [
    "BOTH_ENDS",
    "OVERLAP",
    "Tail",
    "kept_head",
    "kept_tail",
    "longest",
    "overlap_latents",
    "padded",
]

OVERLAP = 8
"""frames of a given clip that a new part at one end of it sees, by default"""
BOTH_ENDS = 8
"""frames on either side of a new part between given ones, by default: one latent frame alone shows too little of the
speed"""


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The end of a clip, ready to be kept at the beginning of a grid."""

    latent: Tensor
    spans: Tensor
    history: Tensor | None
    history_spans: Tensor | None
    before: FrameSource | None
    """frames that come before all of these"""
    given: FrameSource | None
    """frames of history and tail as they were given; None where the latents are all there is"""
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames of history and tail."""
        return int(self.spans.sum()) + (0 if self.history_spans is None else int(self.history_spans.sum()))


def kept_tail(clip: Clip, codec: Codec, overlap: int, *, mid_stream: bool = True) -> Tail:
    """The last `overlap` frames of the clip as latents; those it was sampled as, where they are given."""
    factor = codec.geometry.time_factor
    if clip.latent is None and clip.source is not None and clip.source.length < factor + 1:
        raise InputError(
            f"a clip of {frame_count(clip.source.length)} shows no motion to go on with; give at least {factor + 1}, or"
            " animate a still."
        )
    count, notes = overlap_latents(overlap, codec.geometry)
    if not mid_stream:
        return _fresh_tail(clip, codec, count, notes)
    if clip.latent is not None and clip.spans is not None:
        latent, spans = clip.latent, clip.spans
    else:
        latent, spans = encode_tail(frames_of(clip, codec), codec, count)
    have = len(spans) - int(
        len(spans) > 1 and spans[0] == 1
    )  # a first latent frame of one pixel frame is history, if there is more
    if count > have:
        notes = (
            *notes,
            (
                f"the clip has {have * factor} frames to overlap with, fewer than the {overlap} asked for: all of them"
                " are used."
            ),
        )
        count = have
    return _split(clip, latent, spans, count, notes)


def _split(clip: Clip, latent: Tensor, spans: Tensor, count: int, notes: tuple[str, ...]) -> Tail:
    """The last `count` latents as tail; of those before them, no more than the decoder must hear where the frames are
    given."""
    cut, total = len(spans) - count, int(spans.sum())
    source = clip.source
    start = max(0, cut - HISTORY) if source is not None and source.length >= total else 0
    frames = int(spans[start:].sum())
    before = given = None
    if source is not None:
        split = max(0, source.length - frames) if source.length >= total else 0
        before, given = window(source, 0, split), window(source, split, source.length)
    return Tail(
        latent=latent[:, :, cut:],
        spans=spans[cut:],
        history=latent[:, :, start:cut] if cut > start else None,
        history_spans=spans[start:cut] if cut > start else None,
        before=before,
        given=given,
        notes=notes,
    )


def _fresh_tail(clip: Clip, codec: Codec, count: int, notes: tuple[str, ...]) -> Tail:
    """The tail encoded as a clip of its own, for networks that know clips only from their first frame on."""
    source, geometry = frames_of(clip, codec), codec.geometry
    count += 0 if geometry.cycle else 1
    most = longest(source.length, geometry)
    if count > most:
        has = int(grid_spans(most, geometry).sum())
        notes = (*notes, f"the clip has {has} frames to overlap with, fewer than asked for: all of them are used.")
    spans = grid_spans(min(count, most), geometry)
    frames = int(spans.sum())
    note = "this network is told no spans, so the tail is encoded anew as a clip of its own."
    given = Window(source, source.length - frames, source.length)
    return Tail(
        latent=encode_clip(given, codec),
        spans=spans,
        history=None,
        history_spans=None,
        before=window(source, 0, source.length - frames),
        given=given,
        notes=(*notes, note),
    )


def kept_head(
    clip: Clip, codec: Codec, overlap: int
) -> tuple[Tensor, FrameSource, FrameSource | None, tuple[str, ...]]:
    """The first `overlap` frames: their latents [1,C,k,h,w], the frames themselves, the frames after them, and
    notes."""
    geometry, source = codec.geometry, frames_of(clip, codec)
    count, notes = overlap_latents(overlap, geometry)
    have = longest(source.length, geometry) if geometry.cycle else source.length // geometry.time_factor
    least = geometry.time_factor + (1 if geometry.cycle else 0)
    if not have:
        raise InputError(
            f"a clip of {frame_count(source.length)} is too short to be kept at its beginning; give at least {least}"
            f"{''.join(f' ({note})' for note in clip.notes)}."
        )
    if count > have:
        has = int(grid_spans(have, geometry, mid_stream=True).sum())
        notes = (
            *notes,
            f"the clip has {has} frames to overlap with, fewer than the {overlap} asked for: all of them are used.",
        )
        count = have
    frames = int(grid_spans(count, geometry, mid_stream=True).sum())
    head, rest = Window(source, 0, frames), window(source, frames, source.length)
    latent = encode_clip(head, codec) if geometry.cycle else encode_mid_stream(source, codec, count)
    return latent, head, rest, notes


def overlap_latents(overlap: int, geometry: Geometry) -> tuple[int, tuple[str, ...]]:
    """Whole latent frames that cover `overlap` frames, with a note where that is more."""
    check_whole("overlap", overlap)
    if overlap < 1:
        raise InputError(f"an overlap needs at least one frame, not {overlap}.")
    count = latent_frames(overlap, geometry, mid_stream=not geometry.cycle)
    frames = int(grid_spans(count, geometry, mid_stream=True).sum())
    return count, () if frames == overlap else (f"an overlap of {overlap} frames is rounded up to {frames}.",)


def longest(frames: int, geometry: Geometry) -> int:
    """Latent frames of the longest clip of its own that has at most `frames` frames, 0 where none has."""
    latents, pixels = geometry.step
    ending, least = (2, 1 + geometry.time_factor) if geometry.cycle else (1, 1)
    return 0 if frames < least else ending + (frames - least) // pixels * latents


def padded(source: FrameSource | None, start: int, frames: int) -> tuple[FrameSource | None, Tensor | None]:
    """A clip laid at frame `start` of a timeline of `frames`, and which frames it fills, [frames] bool."""
    if source is None:
        return None, None
    keep = torch.zeros(frames, dtype=torch.bool)
    keep[start : start + source.length] = True
    return Placed(frames, [(start, source)]), keep
