"""The ends of a clip, ready to be kept in a grid: a tail is its last latents, a head is encoded behind a mirrored
preroll."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..media import FrameSource
from .coding import HISTORY, encode_clip, encode_mid_stream, encode_tail, frames_of
from .edit import Clip, Codec
from .frames import Placed, Window, window

__all__ = ["BOTH_ENDS", "OVERLAP", "Tail", "kept_head", "kept_tail", "overlap_latents", "padded"]

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
            f"a clip of {clip.source.length} frames shows no motion to go on with; give at least {factor + 1}, or"
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
    source, factor = frames_of(clip, codec), codec.geometry.time_factor
    most = (source.length - 1) // factor
    if count > most:
        notes = (
            *notes,
            f"the clip has {most * factor + 1} frames to overlap with, fewer than asked for: all of them are used.",
        )
    frames = min(count, most) * factor + 1
    note = "this network is told no spans, so the tail is encoded anew as a clip of its own."
    given = Window(source, source.length - frames, source.length)
    spans = torch.full((min(count, most) + 1,), factor, dtype=torch.int64)
    spans[0] = 1
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
    factor, source = codec.geometry.time_factor, frames_of(clip, codec)
    count, notes = overlap_latents(overlap, codec.geometry)
    have = source.length // factor
    if not have:
        raise InputError(
            f"a clip of {source.length} frames is too short to be kept at its beginning; give at least {factor}."
        )
    if count > have:
        notes = (
            *notes,
            (
                f"the clip has {have * factor} frames to overlap with, fewer than the {overlap} asked for: all of them"
                " are used."
            ),
        )
        count = have
    head, rest = Window(source, 0, count * factor), window(source, count * factor, source.length)
    return encode_mid_stream(source, codec, count), head, rest, notes


def overlap_latents(overlap: int, geometry: Geometry) -> tuple[int, tuple[str, ...]]:
    """Whole latent frames that cover `overlap` frames, with a note where that is more."""
    if overlap < 1:
        raise InputError(f"an overlap needs at least one frame, not {overlap}.")
    count = -(-overlap // geometry.time_factor)
    frames = count * geometry.time_factor
    return count, () if frames == overlap else (f"an overlap of {overlap} frames is rounded up to {frames}.",)


def padded(source: FrameSource | None, start: int, frames: int) -> tuple[FrameSource | None, Tensor | None]:
    """A clip laid at frame `start` of a timeline of `frames`, and which frames it fills, [frames] bool."""
    if source is None:
        return None, None
    keep = torch.zeros(frames, dtype=torch.bool)
    keep[start : start + source.length] = True
    return Placed(frames, [(start, source)]), keep
