"""What travels inside a file: the keys `prompt` and `workflow` as ComfyUI's interface reads them, and any others.

mp4 keeps them as container tags, png as text chunks (ComfyUI's animations in chunks `comf`), webp in EXIF, where
ComfyUI writes `prompt:...` into the tag Model and `workflow:...` and all further keys into the tags below Make.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import av
from av.container import InputContainer
from PIL import Image, PngImagePlugin

from ..errors import MediaError
from .containers import CONTAINERS, address

__all__ = ["CROP_KEY", "PICTURES", "exif_of", "png_text", "read_metadata", "tags_of", "user_tags"]

CROP_KEY = "crop"
"""the true size `WxH` of a video that was padded to even sides"""
TECHNICAL = {"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time", CROP_KEY}
PICTURES = {".png", ".webp"}
EXIF_MODEL, EXIF_MAKE = 0x0110, 0x010F


def read_metadata(path: str | Path) -> dict[str, str]:
    """The keys that were saved with an mp4, png or webp. Raises MediaError for a file that cannot be read."""
    path = Path(path)
    try:
        if path.suffix.lower() in PICTURES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is odd in a file is read or refused
                with Image.open(path) as image:
                    return picture_tags(image)
        with av.open(address(path), container_options=CONTAINERS) as container:
            return user_tags(tags_of(container))
    except Exception as error:  # a decoder of foreign bytes may fail in any way
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{path} cannot be read as a video or picture: {reason}.") from error


def tags_of(container: InputContainer) -> dict[str, str]:
    """The tags of an open file, under the keys they were saved with: Matroska writes them in capitals."""
    lower = "matroska" in container.format.name
    return {key.lower() if lower else key: value for key, value in container.metadata.items()}


def user_tags(tags: dict[str, str]) -> dict[str, str]:
    """Container tags without the ones every mp4 has."""
    return {key: value for key, value in tags.items() if key not in TECHNICAL}


def picture_tags(image: Image.Image) -> dict[str, str]:
    if isinstance(image, PngImagePlugin.PngImageFile):
        tags = {key: str(value) for key, value in image.text.items()}  # which reads the file to its end
        for kind, data, *_ in image.private_chunks:
            name, zero, held = data.partition(b"\0")
            if kind == b"comf" and zero:
                tags.setdefault(name.decode("latin-1"), held.decode("utf-8", "replace"))
        return tags
    tags = dict[str, str]()
    for number, value in sorted(image.getexif().items(), reverse=True):
        if EXIF_MAKE - 64 < number <= EXIF_MODEL and isinstance(value, str) and ":" in value:
            key, _, text = value.encode("latin-1", "replace").decode("utf-8", "replace").partition(":")
            tags[key] = text
    return tags


def png_text(metadata: dict[str, str] | None) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in (metadata or {}).items():
        info.add_text(key, value)
    return info


def exif_of(metadata: dict[str, str] | None) -> Image.Exif:
    """EXIF as ComfyUI lays it out; the text is UTF-8."""
    exif = Image.Exif()
    rest = EXIF_MAKE
    for key, value in (metadata or {}).items():
        tag = EXIF_MODEL if key == "prompt" else rest
        rest -= tag == rest
        exif[tag] = f"{key}:{value}".encode()
    return exif
