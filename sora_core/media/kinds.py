"""What a file is that cannot be read as what it was taken for."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

from .containers import CONTAINERS, address

__all__ = ["heic_note", "is_picture", "known_formats", "not_a_picture", "not_a_video"]

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "QOI")
"""pictures that are read, whatever a file is called: others of Pillow's run programs (EPS) or stand for other files"""
EMPTY = "it is empty"
HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1")
"""brands of pictures as phones take them, which ffmpeg takes for videos of one frame, or of one part of it"""


def known_formats() -> list[str]:
    """Those of FORMATS that this Pillow reads."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def kind_of(path: str | Path) -> tuple[str, bool] | None:
    """The format of a picture file and whether it holds several; None for anything else."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=known_formats()) as image:
                return str(image.format), getattr(image, "n_frames", 1) > 1
    except Exception:  # a decoder of foreign bytes may fail in any way
        return None


def is_picture(path: str | Path) -> bool:
    """Whether a file is of pictures, whatever it is called; animations that are read as videos are not."""
    kind, moving = kind_of(path) or ("", True)
    return bool(kind) and kind != "GIF" and not (moving and kind in ("PNG", "AVIF"))


def heic_note(path: str | Path) -> str:
    """What is said of a picture of the kind HEIC; empty for any other file."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(64)
    except OSError:
        return ""
    size = int.from_bytes(head[:4], "big")
    still = head[4:8] == b"ftyp" and head[8:12] in HEIC and b"avif" not in head[12:size]
    return "it is a picture of the kind HEIC, which is not read; save it as .png or .jpg" if still else ""


def not_a_video(path: str | Path, error: Exception) -> str:
    """Why a file cannot be read as a video, in a few words."""
    if is_empty(path):
        return EMPTY
    if kind := kind_of(path):
        return f"it is an animated {kind[0]}; save it as .gif or .mp4" if kind[1] else "it is a picture"
    if isinstance(error, (av.InvalidDataError, av.ArgumentError)):
        return "it is damaged, cut short or of no kind that is read; save it as .mp4"
    return getattr(error, "strerror", None) or str(error)


def not_a_picture(path: str | Path, error: Exception) -> str:
    """Why a file cannot be read as a picture, in a few words."""
    if is_empty(path):
        return EMPTY
    if said := heic_note(path):
        return said
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
    return getattr(error, "strerror", None) or str(error)


def is_empty(path: str | Path) -> bool:
    try:
        return not Path(path).stat().st_size
    except OSError:
        return False
