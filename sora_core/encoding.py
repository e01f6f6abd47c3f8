"""What a video file can be: containers, codecs, qualities, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

__all__ = ["AUTO", "CODECS", "FORMATS", "PIXEL_FORMATS", "Encoding"]

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Codec:
    """An encoder and what it takes."""

    encoder: str
    crf: int | None
    """its usual quality; None: it has none to choose"""
    most: int
    """the worst quality of its scale"""
    pixels: tuple[str, ...]
    """formats of pixels, the usual one first"""
    options: tuple[tuple[str, str], ...] = ()
    least: int = 1
    """pixels a side that a picture has"""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A container and what it holds."""

    muxer: str
    codecs: tuple[str, ...]
    """the usual one first; none: an animation without sound"""
    sound: str = "aac"


EIGHT = ("yuv420p", "yuv422p", "yuv444p")
TEN = tuple(f"{name}10le" for name in EIGHT)
CODECS = {
    "h264": Codec(
        encoder="libx264", crf=18, most=51, pixels=EIGHT + TEN, options=(("preset", "veryfast"), ("mbtree", "0"))
    ),
    "h265": Codec(
        encoder="libx265",
        crf=22,
        most=51,
        pixels=("yuv420p", "yuv420p10le"),
        options=(("preset", "fast"),),
        least=64,
    ),  # other formats, and narrow pictures of ten bits, end x265 4.1 with spoilt memory, now and then
    "vp9": Codec(
        encoder="libvpx-vp9",
        crf=28,
        most=63,
        pixels=("yuv420p", "yuv444p"),
        options=(("b", "0"), ("cpu-used", "4")),
    ),
    "av1": Codec(
        encoder="libsvtav1",
        crf=28,
        most=63,
        pixels=("yuv420p", "yuv420p10le"),
        options=(("preset", "8"),),
        least=32,
    ),  # with long pictures of 16 rows it never ends
    "prores": Codec(encoder="prores_ks", crf=None, most=0, pixels=("yuv422p10le", "yuv444p10le")),
}
FORMATS = {
    "mp4": Format(muxer="mp4", codecs=("h264", "h265", "av1", "vp9")),
    "mov": Format(muxer="mov", codecs=("h264", "h265", "prores")),
    "mkv": Format(muxer="matroska", codecs=("h264", "h265", "av1", "vp9", "prores")),
    "webm": Format(muxer="webm", codecs=("vp9", "av1"), sound="libopus"),
    "gif": Format(muxer="gif", codecs=()),
    "webp": Format(muxer="webp", codecs=()),
}
PIXEL_FORMATS = EIGHT + TEN


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a video is saved. Raises InputError for what does not go together.

    format: a name of FORMATS
    codec: of CODECS; auto copies streams where the container holds them, else takes its usual one
    crf: quality on the codec's own scale, lower is better; -1 copies, or takes the codec's usual one
    pixel_format: of PIXEL_FORMATS; auto likewise
    """

    format: str = "mp4"
    codec: str = AUTO
    crf: int = -1
    pixel_format: str = AUTO

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"format is one of {', '.join(FORMATS)}, not {self.format!r}")
        held = FORMATS[self.format].codecs
        if not held and not self.plain:
            raise InputError(
                f"a {self.format} is an animation with its own way of coding; leave codec and pixel_format at auto and"
                " crf at -1, or take another format"
            )
        if self.codec not in (AUTO, *CODECS):
            raise InputError(f"codec is auto or one of {', '.join(CODECS)}, not {self.codec!r}")
        if self.codec != AUTO and self.codec not in held:
            fits = [name for name, form in FORMATS.items() if self.codec in form.codecs]
            raise InputError(
                f"{self.format} holds {', '.join(held)}, not {self.codec}; take one of them as codec, or"
                f" {' or '.join(fits)}"
            )
        if held:
            self._check_quality()

    def _check_quality(self) -> None:
        name, chosen = self.name, self.chosen
        if self.crf != -1 and chosen.crf is None:
            raise InputError(f"{name} has no crf; leave it at -1")
        if self.crf != -1 and not 0 <= self.crf <= chosen.most:
            raise InputError(
                f"crf of {name} is from 0 to {chosen.most}, or -1 for its usual {chosen.crf}, not {self.crf}"
            )
        if self.pixel_format not in (AUTO, *chosen.pixels):
            raise InputError(
                f"{name} takes pixel_format {', '.join(chosen.pixels)}, not {self.pixel_format}; or leave it at auto"
            )

    @staticmethod
    def of(path: Path) -> Encoding:
        """The usual one of a file's ending."""
        return Encoding(format=path.suffix.lower().removeprefix("."))

    @property
    def plain(self) -> bool:
        """Whether streams may be copied as they are."""
        return (self.codec, self.crf, self.pixel_format) == (AUTO, -1, AUTO)

    @property
    def animation(self) -> bool:
        """Whether it is a picture file that moves, without sound."""
        return not FORMATS[self.format].codecs

    @property
    def name(self) -> str:
        """Of the codec that encodes."""
        return FORMATS[self.format].codecs[0] if self.codec == AUTO else self.codec

    @property
    def chosen(self) -> Codec:
        """The codec that encodes."""
        return CODECS[self.name]

    @property
    def pixels(self) -> str:
        """The format of pixels that it writes."""
        return self.chosen.pixels[0] if self.pixel_format == AUTO else self.pixel_format

    @property
    def ending(self) -> str:
        return f".{self.format}"
