"""Pictures in, one or all of an animation, and stills out, through Pillow; `encode` writes animations."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageCms, ImageOps
from torch import Tensor

from ..errors import MediaError, ResourceError, SoraError
from ..files import beside
from ..layers.surroundings import unaffected
from ..memory import check_memory_for
from .convert import as_frames
from .kinds import known_formats, not_a_picture
from .metadata import exif_of, png_text

__all__ = ["Pictures", "pictures", "read_image", "read_pictures", "write_image"]

BYTES_PER_PIXEL = 20
"""of a frame: RGB and alpha, both once more in float, as nodes take them"""
ROUNDED = 2
"""levels by which a profile may change colours and count as sRGB"""
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""beyond which Pillow takes a file for an attack"""


def pictures(pixels: Tensor) -> list[Image.Image]:
    """A Pillow image per frame of uint8 [F,H,W,3] or video [B,3,F,H,W]."""
    return [Image.fromarray(frame) for frame in as_frames(pixels).numpy()]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A picture file: one frame, or those of an animation."""

    frames: Tensor
    """uint8 [F,H,W,3], upright; colours under transparency as they are stored"""
    alpha: Tensor
    """uint8 [F,H,W], 255 = opaque"""


@unaffected
def read_image(path: str | Path) -> Tensor:
    """A picture, or the first frame of an animation, as uint8 [1,H,W,3], upright and without its transparency, in the
    colours of screens where its profile tells other ones, as photos of phones do.

    Raises MediaError for a file that is missing, broken or too large, ResourceError where memory is short.
    """
    return read_pictures(path, most=1, profiles=True).frames


def read_pictures(path: str | Path, *, most: int | None = None, profiles: bool = False) -> Pictures:
    """All frames of a picture (gif, webp, apng and tiff have several), at most `most`; raises as `read_image` does.

    Levels of more than 8 bits are scaled to 8. Frames of another size than the first are left out and, without
    `profiles`, colour profiles are not read, both as in ComfyUI.
    """
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        raise MediaError(f"there is no picture {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size is checked below, and what is odd in a file is read or refused
            with Image.open(path, formats=known_formats()) as image:
                return decoded(path, image, most, profiles=profiles)
    except SoraError:
        raise
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path} has too many pixels to be read; scale it to at most {MOST_PIXELS:,}.") from error
    except MemoryError as error:
        raise ResourceError(f"there is not enough memory to read {path}; scale it down.") from error
    except Exception as error:  # a decoder of foreign bytes may fail in any way
        raise MediaError(f"{path} cannot be read as a picture: {not_a_picture(path, error)}.") from error


def decoded(path: str | Path, image: Image.Image, most: int | None, *, profiles: bool) -> Pictures:
    count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    count = min(count, most or count)
    what, size = f"{path} ({count} of {image.width}x{image.height})", image.width * image.height
    check_memory_for(count * size * BYTES_PER_PIXEL + 8 * size, what, "scale it down or shorten it")
    colours: list[np.ndarray] = []
    alphas: list[np.ndarray | None] = []
    for index in range(count):
        image.seek(index)
        upright = turned(image)
        if not colours or colours[0].shape[:2] == (upright.height, upright.width):
            seen = in_srgb(upright) if profiles else upright
            colours.append(np.array(eight_bits(seen).convert("RGB")))
            clear = upright.has_transparency_data
            alphas.append(np.array(upright.convert("RGBA").getchannel("A")) if clear else None)
    opaque = np.full(colours[0].shape[:2], 255, np.uint8)
    alpha = np.stack([opaque if values is None else values for values in alphas])
    return Pictures(frames=torch.from_numpy(np.stack(colours)), alpha=torch.from_numpy(alpha))


def turned(image: Image.Image) -> Image.Image:
    """A picture upright; where its EXIF is broken, as it is stored."""
    image.load()
    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def in_srgb(image: Image.Image) -> Image.Image:
    """A picture in sRGB by its colour profile; as it is where it has none, or none that can be read, or sRGB's own."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode.startswith(("I", "F")):
        return image
    with suppress(Exception):
        plain = image if image.mode in ("L", "CMYK") else image.convert("RGB")
        known, screen = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        seen = ImageCms.profileToProfile(plain, known, screen, outputMode="RGB")
        if seen and np.asarray(ImageChops.difference(seen, plain.convert("RGB"))).max() > ROUNDED:
            return seen
    return image


def eight_bits(image: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits scaled to 8, any other as it is.

    Integers are of 16 bits (of 32 where they are larger). Float is 0..1; where it is far larger, it is of 8 or 16 bits.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.array(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    highest = values.max(initial=0.0)
    if image.mode == "F":
        white = next((level for level, top in ((1, 16), (255, 255), (65535, 65535)) if highest <= top), highest)
    else:
        white = 65535 if highest <= 65535 else (1 << 31) - 1
    return Image.fromarray(np.rint(values / white * 255).clip(0, 255).astype(np.uint8))


@unaffected
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
