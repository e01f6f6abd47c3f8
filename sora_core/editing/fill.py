"""Fill: any subset of a clip's frames is given (and, if wished, only a part of each picture), the rest is made."""

from __future__ import annotations

from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, latent_frames
from .coding import encode_clip, encode_mid_stream, pixels_of
from .edit import Clip, Codec, Edit, compose, made

__all__ = ["CONTEXT", "fill", "latent_mask"]

CONTEXT = 4
"""given frames on either side of what is missing that the network sees: with it no longer than the network has
learned"""


def fill(clip: Clip, codec: Codec, *, missing: Tensor) -> Edit:
    """The clip with what is `missing` made; the rest comes out untouched.

    missing: [F], or [F,H,W] at the clip's size, above 0.5 where it is to be made (ComfyUI's sense of a mask).
    The network keeps whole latent frames: one is kept only if all its pixel frames are given. Given frames that share a
    latent frame with missing ones are made along, then put back exactly.
    Each kept stretch is encoded on its own behind a mirrored preroll, so nothing of the missing frames leaks into it.
    Of a long clip the network sees what is missing and CONTEXT frames on either side.
    """
    whole = pixels_of(clip, codec)
    start, end = _stretch(missing := _checked(missing, whole), codec.geometry.time_factor)
    image, missing = whole[start:end], missing[start:end]
    mask = latent_mask(missing, (image.shape[1], image.shape[2]), codec.geometry)
    latent = _encode(image, mask, codec)
    state = compose([made(latent.shape[2], codec.geometry, first=True)], clip.fps, latent)
    total = int(state.spans.sum())
    given = F.pad(image, (0, 0, 0, 0, 0, 0, 0, total - len(image)))
    keep = F.pad(~missing, (0, 0) * (missing.ndim - 1) + (0, total - len(image)))
    return Edit(
        state=state.with_(clean=latent, mask=mask),
        fps=clip.fps,
        size=(image.shape[1], image.shape[2]),
        given=given,
        keep=keep,
        shown=(0, len(image)),
        before=whole[:start] if start else None,
        after=whole[end:] if end < len(whole) else None,
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


def _encode(image: Tensor, mask: Tensor, codec: Codec) -> Tensor:
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
        frames = image[torch.arange(first, stop).clamp(max=len(image) - 1)]
        out[:, :, start:end] = (
            encode_clip(frames, codec) if start == 0 else encode_mid_stream(frames, codec, end - start)
        ).to(out)
    return out


def _checked(missing: Tensor, image: Tensor) -> Tensor:
    """The mask as bool; raises InputError unless it fits the clip and leaves both something to make and something to
    keep."""
    if missing.shape not in (image.shape[:1], image.shape[:3]):
        raise InputError(
            f"the mask must be {list(image.shape[:1])} or {list(image.shape[:3])} for this clip, not"
            f" {list(missing.shape)}."
        )
    missing = missing > 0.5
    if not missing.any():
        raise InputError("nothing is missing: the mask has no frame or place to make.")
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
