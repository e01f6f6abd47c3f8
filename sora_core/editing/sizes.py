"""Sizes and rates: given pictures brought to what a grid can have, cropped or fitted by choice, never squashed, never
in silence."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, VideoSize, frames_for
from ..media import as_image
from ..settings import check_number
from .coding import frames_of, size_of
from .edit import Clip, Codec, check_image
from .frames import Resampled, Resized

__all__ = ["Fit", "at_size", "fit_frames", "latents_for", "reconcile", "resized"]

Fit = Literal["crop", "fit"]
"""crop: fill the size and cut what hangs over, evenly; fit: show all of it and go on with the colours of its edges."""


def latents_for(
    seconds: float, fps: float, geometry: Geometry, *, between: bool = False
) -> tuple[int, tuple[str, ...]]:
    """Whole latent frames for `seconds` of new frames beside given ones, or `between` two, rounded up, with a note
    where that is longer."""
    check_number("seconds", seconds)
    if not seconds > 0:
        raise InputError(f"seconds must be above 0, not {seconds:g}: nothing would be made.")
    asked = frames_for(seconds, fps)
    latents, pixels = geometry.step
    used, filled = (2, 1 + geometry.time_factor) if between and geometry.cycle else (0, 0)  # by the end before it
    count = math.ceil((asked + filled) / pixels)
    count, frames = count * latents - used, count * pixels - filled
    if frames == asked:
        return count, ()
    return count, (
        (
            f"{asked} new frame{'s were' if asked > 1 else ' was'} asked for, {frames} ({frames / fps:.3g} s) are made:"
            " the next length the codec can have."
        ),
    )


def fit_frames(image: Tensor, height: int, width: int, how: Fit = "crop") -> Tensor:
    """[F,H,W,3], float in 0..1 or bytes, at another size, its proportions kept: cut evenly (`crop`), or whole and
    continued by its edges (`fit`)."""
    check_image(image)
    if how not in ("crop", "fit"):
        raise InputError(f"a picture is brought to size by 'crop' or 'fit', not {how!r}.")
    h, w = image.shape[1:3]
    bound = max if how == "crop" else min
    scale = bound(height / h, width / w)
    tall, wide = (max(1, bound(size, round(side * scale))) for side, size in ((h, height), (w, width)))
    if (tall, wide) != (h, w):
        image = resized(image, tall, wide)
    if how == "crop":
        return _cut(image, height, width)
    rows, columns = (
        (torch.arange(side, device=image.device) - (side - inner) // 2).clamp(0, inner - 1)
        for side, inner in ((height, tall), (width, wide))
    )
    return image[:, rows][:, :, columns]


def resized(frames: Tensor, height: int, width: int) -> Tensor:
    """[F,H,W,3], float in 0..1 or bytes, at another size. Bytes stay bytes, which takes far less time."""
    exact = frames.dtype == torch.uint8 and frames.device.type == "cpu"  # elsewhere torch does it for floats alone
    pictures = (frames if exact else as_image(frames).float()).movedim(-1, 1)
    change = F.interpolate(pictures, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return (change if exact else change.clamp(0, 1)).movedim(1, -1)


def _cut(image: Tensor, height: int, width: int) -> Tensor:
    """The middle of each frame, [F,height,width,C]; no pixel is computed anew."""
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width].contiguous()


def at_size(clip: Clip, height: int, width: int, how: Fit, codec: Codec) -> Clip:
    """The clip's frames at another size, with a note; latents fit only the size they have, so they are left behind.

    Raises InputError for a side that is none."""
    VideoSize(frames=1, height=height, width=width, fps=clip.fps)
    source = frames_of(clip, codec)
    if (source.height, source.width) == (height, width):
        return clip
    note = f"{source.width}x{source.height} is {'cropped' if how == 'crop' else 'fitted'} to {width}x{height}."
    fitted = Resized(source, height, width, lambda image: fit_frames(image, height, width, how))
    return Clip(source=fitted, fps=clip.fps, notes=(*clip.notes, note))


def reconcile(first: Clip, second: Clip, codec: Codec, *, how: Fit = "crop") -> Clip:
    """The second clip at the size and rate of the first; its notes say what was changed."""
    b = second
    if b.fps != first.fps:
        change = "dropped" if b.fps > first.fps else "repeated"
        note = f"the second clip's {b.fps:g} fps become the first one's {first.fps:g}: frames are {change}."
        b = Clip(source=Resampled(frames_of(b, codec), first.fps), fps=first.fps, notes=(*b.notes, note))
    return at_size(b, *size_of(first, codec.geometry), how, codec)
