"""Stills and animated webp through Pillow."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import MediaError
from ..files import beside
from .convert import as_frames
from .metadata import exif_of, png_text

__all__ = ["pictures", "read_image", "write_image", "write_webp"]


def pictures(pixels: Tensor) -> list[Image.Image]:
    """A Pillow image per frame of uint8 [F,H,W,3] or video [B,3,F,H,W]."""
    return [Image.fromarray(frame) for frame in as_frames(pixels).numpy()]


def read_image(path: str | Path) -> Tensor:
    """A picture as one frame, uint8 [1,H,W,3], turned upright; transparency lies on black. Raises MediaError."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except FileNotFoundError as error:
        raise MediaError(f"there is no picture {path}.") from error
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path} cannot be read as a picture: {error}.") from error
    black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
    return torch.from_numpy(np.array(Image.alpha_composite(black, upright).convert("RGB")))[None]


def write_image(path: str | Path, pixels: Tensor, *, metadata: dict[str, str] | None = None) -> None:
    """One frame, uint8 [1,H,W,3] or video [1,3,1,H,W], as .png or .webp, both lossless, whole or not at all."""
    path = Path(path)
    images = pictures(pixels)
    if len(images) != 1:
        raise MediaError(f"{path} is a still, so it takes one frame, not {len(images)}; name an .mp4 for a video.")
    match path.suffix.lower():
        case ".png":
            with beside(path) as part:
                images[0].save(part, format="PNG", pnginfo=png_text(metadata))
        case ".webp":
            with beside(path) as part:
                images[0].save(part, format="WEBP", lossless=True, exif=exif_of(metadata))
        case other:
            raise MediaError(f"a still is saved as .png or .webp, not {other or 'a name without an ending'} ({path}).")


def write_webp(
    path: str | Path, pixels: Tensor, fps: float, *, quality: int = 85, metadata: dict[str, str] | None = None
) -> None:
    """An animated webp that repeats for ever, whole or not at all; pixels as for `write_image`, any number of
    frames."""
    path = Path(path)
    if path.suffix.lower() != ".webp":
        raise MediaError(f"an animation is saved as .webp, so {path} needs that ending.")
    first, *rest = pictures(pixels)
    ends = [round(1000 * i / fps) for i in range(len(rest) + 2)]
    durations = [end - start for start, end in pairwise(ends)]
    with beside(path) as part:
        first.save(
            part,
            format="WEBP",
            save_all=True,
            append_images=rest,
            duration=durations if rest else durations[0],
            loop=0,
            quality=quality,
            exif=exif_of(metadata),
        )
