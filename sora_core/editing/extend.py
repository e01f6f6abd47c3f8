"""Extend: a clip goes on after its end, or begins earlier.

forward   [keep tail | make]      backward  [make | keep head]      both  [make | keep the clip | make]
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..errors import InputError, frame_count
from ..layers.surroundings import unaffected
from .coding import encode_clip, encode_mid_stream, frames_of, size_of
from .edit import Clip, Codec, Edit, compose, kept, knows_spans, made
from .ends import OVERLAP, kept_head, kept_tail, longest, padded
from .frames import Window
from .sizes import latents_for
from .strides import bundled_strides

__all__ = ["Direction", "extend"]

Direction = Literal["forward", "backward", "both"]


@unaffected
def extend(
    clip: Clip,
    codec: Codec,
    *,
    seconds: float,
    direction: Direction = "forward",
    overlap: int = OVERLAP,
    mid_stream: bool | None = None,
) -> Edit:
    """New frames after the clip, before it, or both (`seconds` each); the old ones come out untouched.

    overlap: frames of the clip at the seam that the network sees, rounded up to whole latent frames; for `both` all of
    the clip is on the grid.
    mid_stream: whether the network knows latents from the middle of a stream; None: as that of the codec does (the
    bundled one, no published one). If so, it makes the new part in `strides`; if not, at once, and the tail is encoded
    as a clip of its own.

    Raises InputError for a clip shorter than 5 frames, zero seconds or an unknown direction.
    """
    mid_stream = knows_spans(codec, mid_stream)
    strides = bundled_strides(clip.fps, codec.geometry) if mid_stream else None
    count, notes = latents_for(seconds, clip.fps, codec.geometry)
    notes = (*clip.notes, *notes)
    if direction == "forward":
        return replace(_forward(clip, codec, count, overlap, mid_stream, notes), strides=strides)
    if direction == "backward":
        return replace(_backward(clip, codec, count, overlap, notes), strides=strides)
    if direction == "both":
        return replace(_both(clip, codec, count, notes), strides=strides)
    raise InputError(f"a clip is extended forward, backward or both, not {direction!r}.")


def _forward(clip: Clip, codec: Codec, count: int, overlap: int, mid_stream: bool, notes: tuple[str, ...]) -> Edit:
    tail = kept_tail(clip, codec, overlap, mid_stream=mid_stream)
    new = made(count, codec.geometry, at=len(tail.spans))
    state = compose([kept(tail.latent, tail.spans), new], clip.fps, tail.latent)
    given, keep = padded(tail.given, 0, tail.frames + int(new.spans.sum()))
    return Edit(
        state=state,
        fps=clip.fps,
        history=tail.history,
        history_spans=tail.history_spans,
        size=size_of(clip, codec.geometry),
        full=clip.full,
        given=given,
        keep=keep,
        before=tail.before,
        notes=(*notes, *tail.notes),
    )


def _backward(clip: Clip, codec: Codec, count: int, overlap: int, notes: tuple[str, ...]) -> Edit:
    latent, head, rest, more = kept_head(clip, codec, overlap)
    over = 0 if codec.geometry.cycle else 1  # one frame more than whole spans is made: a clip begins with a single one
    new, old = made(count + over, codec.geometry, first=True), made(latent.shape[2], codec.geometry)
    frames = int(new.spans.sum())
    given, keep = padded(head, frames, frames + head.length)
    state = compose([new, kept(latent, old.spans)], clip.fps, latent)
    shown = (over, frames + head.length)
    size = size_of(clip, codec.geometry)
    return Edit(
        state=state, fps=clip.fps, size=size, full=clip.full, given=given, keep=keep, after=rest, shown=shown,
        notes=(*notes, *more),
    )  # fmt: skip


def _both(clip: Clip, codec: Codec, count: int, notes: tuple[str, ...]) -> Edit:
    source, geometry = frames_of(clip, codec), codec.geometry
    step, pixels = geometry.step
    whole = longest(source.length, geometry) if geometry.cycle else source.length // geometry.time_factor
    if not whole:
        raise InputError(
            f"a clip of {frame_count(source.length)} is too short to extend; give at least {geometry.time_factor}."
        )
    old = made(whole, geometry).spans
    rest = source.length - int(old.sum())
    seen = Window(source, rest, source.length)
    latent = encode_clip(seen, codec) if geometry.cycle else encode_mid_stream(seen, codec, whole)
    over = 0 if geometry.cycle else 1
    head, tail = made(count + over + step * int(rest > 0), geometry, first=True), made(count, geometry, at=whole)
    state = compose([head, kept(latent, old), tail], clip.fps, latent)
    start, end = int(head.spans.sum()) - rest, int(state.spans.sum())
    given, keep = padded(source, start, end)
    first = start - count // step * pixels
    if rest:
        notes = (
            *notes,
            (
                f"the clip's first {rest} frames fill no whole latent frame: the network does not see them, the result"
                " keeps them."
            ),
        )
    size = size_of(clip, codec.geometry)
    return Edit(
        state=state, fps=clip.fps, size=size, full=clip.full, given=given, keep=keep, shown=(first, end), notes=notes
    )
