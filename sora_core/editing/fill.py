"""Fill: any subset of a clip's frames is given (and, if wished, only a part of each picture), the rest is made."""

from __future__ import annotations

from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, latent_frames
from ..layers.surroundings import unaffected
from ..media import FrameSource
from ..media.convert import said_of
from .coding import encode_clip, encode_mid_stream, frames_of
from .edit import Clip, Codec, Edit, check_even, compose, made
from .frames import Placed, Window, lengthened, window

__all__ = ["CONTEXT", "fill", "latent_mask"]

CONTEXT = 4
"""given frames on either side of what is missing that the network sees: with it no longer than the network has
learned"""


@unaffected
def fill(clip: Clip, codec: Codec, *, missing: Tensor) -> Edit:
    """The clip with what is `missing` made; the rest comes out untouched.

    missing: [F], or [F,H,W] at the clip's size, above 0.5 where it is to be made (ComfyUI's sense of a mask).
    The network keeps whole latent frames: one is kept only if all its pixel frames are given. Given frames that share a
    latent frame with missing ones are made along, then put back exactly.
    Each kept stretch is encoded on its own behind a mirrored preroll, so nothing of the missing frames leaks into it.
    Of a long clip the network sees what is missing and CONTEXT frames on either side.
    """
    check_even(codec, "a clip with missing frames")
    whole = frames_of(clip, codec)
    start, end = _stretch(missing := _checked(missing, whole), codec.geometry.time_factor)
    seen, missing = Window(whole, start, end), missing[start:end]
    mask = latent_mask(missing, (whole.height, whole.width), codec.geometry)
    latent = _encode(seen, mask, codec)
    state = compose([made(latent.shape[2], codec.geometry, first=True)], clip.fps, latent)
    total = int(state.spans.sum())
    keep = F.pad(~missing, (0, 0) * (missing.ndim - 1) + (0, total - seen.length))
    return Edit(
        state=state.with_(clean=latent, mask=mask),
        fps=clip.fps,
        size=(whole.height, whole.width),
        full=clip.full,
        given=Placed(total, [(0, seen)]),
        keep=keep,
        shown=(0, seen.length),
        before=window(whole, 0, start),
        after=window(whole, end, whole.length),
        notes=(*clip.notes, *_note(missing, mask, codec.geometry)),
    )


def _stretch(missing: Tensor, factor: int) -> tuple[int, int]:
    """First frame and end of what the network sees: the first missing frame begins a latent frame, given ones end
    with a whole one."""
    places = missing.reshape(len(missing), -1).any(1).nonzero()[:, 0]
    first, last = int(places[0]), int(places[-1])
    start = first - 1 - min(CONTEXT, first - 1) // factor * factor if first else 0
    along = (
        start + 1 + -(-(last - start) // factor) * factor
    )  # the end of the latent frame that the last missing frame falls into
    end = min(len(missing), along + CONTEXT)
    aligned = end - (end - start - 1) % factor
    return start, aligned if aligned > last else end


def latent_mask(missing: Tensor, size: tuple[int, int], geometry: Geometry) -> Tensor:
    """[F] or [F,H,W] bool to a state's mask [1,1,T,h,w]: 1 wherever a token holds anything missing; frames after the
    end are missing."""
    count = latent_frames(len(missing), geometry)
    whole = missing.float() if missing.ndim == 3 else missing.float()[:, None, None].expand(-1, *size)
    token = geometry.space_factor * geometry.patch
    below, right = (-side % token for side in size)
    whole = F.pad(whole[:, None], (0, right, 0, below), mode="replicate")[:, 0]
    frames = F.pad(whole, (0, 0, 0, 0, 0, 1 + (count - 1) * geometry.time_factor - len(missing)), value=1.0)
    rest = frames[1:].split(geometry.time_factor) if count > 1 else ()
    groups = [frames[:1].amax(0), *(group.amax(0) for group in rest)]
    cells = F.max_pool2d(torch.stack(groups)[:, None], token)
    return F.interpolate(cells, scale_factor=float(geometry.patch), mode="nearest").movedim(0, 1)[None]


def _encode(source: FrameSource, mask: Tensor, codec: Codec) -> Tensor:
    """[1,C,T,h,w]: each stretch of latent frames with anything kept, encoded by itself; zeros elsewhere."""
    factor, geometry = codec.geometry.time_factor, codec.geometry
    used = (mask[0, 0].amin((1, 2)) < 1).tolist()
    out = torch.zeros(1, geometry.channels, *mask.shape[2:])
    for kept, run in groupby(range(len(used)), key=lambda i: used[i]):
        places = list(run)
        if not kept:
            continue
        start, end = places[0], places[-1] + 1
        first, stop = max(0, 1 + (start - 1) * factor), 1 + (end - 1) * factor
        frames = lengthened(Window(source, first, min(stop, source.length)), stop - first)
        out[:, :, start:end] = (
            encode_clip(frames, codec) if start == 0 else encode_mid_stream(frames, codec, end - start)
        ).to(out)
    return out


def _checked(missing: Tensor, source: FrameSource) -> Tensor:
    """The mask as bool; raises InputError unless it fits the clip and leaves both something to make and something to
    keep."""
    if not isinstance(missing, Tensor):
        raise InputError(f"the mask is a tensor, not {said_of(missing)}")
    shape = [source.length, source.height, source.width]
    if list(missing.shape) not in (shape[:1], shape):
        raise InputError(f"the mask must be {shape[:1]} or {shape} for this clip, not {list(missing.shape)}.")
    missing = missing > 0.5
    if not missing.any():
        raise InputError("nothing is missing: name frames, such as '5, 12-20', or give a mask that is white somewhere.")
    if missing.all():
        raise InputError("everything is missing: the mask keeps no frame to go by.")
    return missing


def _note(missing: Tensor, mask: Tensor, geometry: Geometry) -> tuple[str, ...]:
    """How many given frames are made along, because they share a latent frame with missing ones."""
    if missing.ndim != 1:
        return ()
    kept = (mask[0, 0, :, 0, 0] == 0).repeat_interleave(geometry.time_factor)[geometry.time_factor - 1 :][
        : len(missing)
    ]
    along = int((~missing & ~kept).sum())
    if not along:
        return ()
    return (
        (
            f"{along} given frames share a latent frame with missing ones: the network does not see them, the result"
            " keeps them exactly."
        ),
    )
