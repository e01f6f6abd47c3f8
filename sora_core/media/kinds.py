"""What a file is that cannot be read as what it was taken for."""

from __future__ import annotations

import warnings
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

from .containers import CONTAINERS, address

__all__ = ["known_formats", "not_a_picture", "not_a_video"]

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "QOI")
"""pictures that are read, whatever a file is called: others of Pillow's run programs (EPS) or stand for other files"""
EMPTY = "it is empty"


def known_formats() -> list[str]:
    """Those of FORMATS that this Pillow reads."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def not_a_video(path: str | Path, error: Exception) -> str:
    """Why a file cannot be read as a video, in a few words."""
    if is_empty(path):
        return EMPTY
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=known_formats()) as image:
                moving = getattr(image, "n_frames", 1) > 1
                return f"it is an animated {image.format}; save it as .gif or .mp4" if moving else "it is a picture"
    except Exception:  # a decoder of foreign bytes may fail in any way
        if isinstance(error, (av.InvalidDataError, av.ArgumentError)):
            return "it is damaged, cut short or of no kind that is read; save it as .mp4"
        return getattr(error, "strerror", None) or str(error)


def not_a_picture(path: str | Path, error: Exception) -> str:
    """Why a file cannot be read as a picture, in a few words."""
    if is_empty(path):
        return EMPTY
    try:
        with av.open(address(path), container_options=CONTAINERS) as container:
            if container.format.name not in ("gif", "apng") and container.streams.video:
                return "it is a video"
    except Exception:  # noqa: S110  a decoder of foreign bytes may fail in any way
        pass
    if isinstance(error, UnidentifiedImageError):
        return "it is damaged or of no kind that is read; save it as .png or .jpg"
    if "truncated" in str(error):
        return "it is cut short; fetch or save it again"
    return str(error)


def is_empty(path: str | Path) -> bool:
    try:
        return not Path(path).stat().st_size
    except OSError:
        return False
