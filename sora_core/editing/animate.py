"""Animate: a picture becomes the first frame of a clip: [keep 1 frame | make]; further pictures may be keyframes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import InputError, frame_count
from ..grid import VideoSize, latent_frames
from ..layers.surroundings import unaffected
from ..media import TensorSource
from ..settings import check_number, check_whole
from .coding import encode_clip, encode_mid_stream
from .edit import Codec, Edit, check_even, check_image, compose, empty, made
from .ends import padded
from .sizes import Fit, fit_frames

__all__ = ["Keyframe", "animate"]

HELD = 0.9
"""`denoise` of a picture that is held"""


@dataclass(frozen=True, kw_only=True)
class Keyframe:
    """A picture [1,H,W,3] in 0..1 or uint8 for frame `frame_idx` of the clip; negative counts from the end (-1 is the
    last frame)."""

    image: Tensor
    frame_idx: int
    strength: float = 1.0
    """how firmly it is kept, 0..1"""


@unaffected
def animate(
    keyframes: Sequence[Keyframe], codec: Codec, *, size: VideoSize, how: Fit = "crop", hold: bool = False
) -> Edit:
    """A clip of `size` through the given pictures; one at frame 0 with strength 1 comes out exactly.

    Any later picture stands for the latent frame it falls into (as a still of its four frames), so it is met there but
    not held to the pixel. Below strength 1 a picture is a start that sampling may leave.
    hold: for a picture unlike what the model knows, of which it would make another thing. The clip is made anew from
    the pictures standing still (FlowEdit), so that what they show stays what it is and moves less.
    Raises InputError for no picture, a `frame_idx` outside the clip, or two pictures for one latent frame.
    """
    if not keyframes:
        raise InputError("animating needs at least one picture.")
    if size.frames < 2:
        raise InputError(f"an animated clip has at least 2 frames, not {size.frames}; make it longer or faster.")
    geometry = codec.geometry
    state = compose([made(latent_frames(size.frames, geometry), geometry, first=True)], size.fps, empty(size, geometry))
    clean, mask, taken = state.clean.clone(), state.mask.clone(), set[int]()
    given, keep = None, None
    for key in keyframes:
        index = frame_index(key, size.frames)
        if index:
            check_even(codec, "a clip with a later keyframe")
        place = latent_frames(index + 1, geometry) - 1
        if place in taken:
            raise InputError(
                f"two pictures fall into latent frame {place} (frames {_range(place, geometry.time_factor)}); move one"
                " of them."
            )
        taken.add(place)
        still = fit_frames(key.image, size.height, size.width, how)
        clean[:, :, place] = _latent(still, place, codec)[:, :, 0].to(clean)
        mask[:, :, place] = 1 - key.strength
        if index == 0 and key.strength == 1:
            given, keep = padded(TensorSource(still, size.fps), 0, int(state.spans.sum()))
    latent = clean
    if hold:
        latent = encode_clip(standing(keyframes, size, state.frames, how), codec).to(clean).expand_as(clean)
    return Edit(
        state=state.with_(clean=clean, latent=latent, mask=mask),
        fps=size.fps,
        size=(size.height, size.width),
        given=given,
        keep=keep,
        shown=(0, size.frames),
        flow_edit=hold,
        denoise=HELD if hold else 1.0,
        cfg=1.0 if hold else None,
        notes=_notes(keyframes, size, how),
    )


def standing(keyframes: Sequence[Keyframe], size: VideoSize, frames: int, how: Fit) -> Tensor:
    """`frames` frames [F,H,W,3], each the last picture up to it, or the first one."""
    ordered = sorted(keyframes, key=lambda key: frame_index(key, size.frames))
    begins = [0, *(frame_index(key, size.frames) for key in ordered[1:]), frames]
    stills = [fit_frames(key.image, size.height, size.width, how) for key in ordered]
    lengths = [after - begin for begin, after in pairwise(begins)]
    return torch.cat([still.expand(n, -1, -1, -1) for still, n in zip(stills, lengths, strict=True)])


def frame_index(key: Keyframe, frames: int) -> int:
    """Its place 0..frames-1; raises InputError for a place outside, a strength outside 0..1 or anything but one
    picture."""
    check_image(key.image)
    if len(key.image) != 1:
        raise InputError(f"a keyframe is one picture, not {len(key.image)}; give each its own frame_idx.")
    check_number("strength", key.strength)
    check_whole("frame_idx", key.frame_idx)
    if not 0 <= key.strength <= 1:
        raise InputError(f"strength must be from 0 to 1, not {key.strength:g}.")
    if not -frames <= key.frame_idx < frames:
        raise InputError(
            f"frame_idx {key.frame_idx} is outside this clip of {frame_count(frames)}; use {-frames} to {frames - 1}."
        )
    return key.frame_idx % frames


def _latent(still: Tensor, place: int, codec: Codec) -> Tensor:
    """[1,C,1,h,w]: the picture as a first frame, or standing still for a whole span."""
    return (
        encode_clip(still, codec)
        if place == 0
        else encode_mid_stream(TensorSource(still.expand(codec.geometry.time_factor, -1, -1, -1), 1.0), codec, 1)
    )


def _range(place: int, factor: int) -> str:
    return "0" if place == 0 else f"{(place - 1) * factor + 1} to {place * factor}"


def _notes(keyframes: Sequence[Keyframe], size: VideoSize, how: Fit) -> tuple[str, ...]:
    sizes = {(key.image.shape[2], key.image.shape[1]) for key in keyframes} - {(size.width, size.height)}
    done = "cropped" if how == "crop" else "fitted"
    return tuple(f"a picture of {w}x{h} is {done} to {size.width}x{size.height}." for w, h in sorted(sizes))
