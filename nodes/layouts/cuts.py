"""A part of a video file, thinned out and scaled, as Sora Load Video gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...sora_core.errors import InputError

if TYPE_CHECKING:
    from ...sora_core.media import FrameSource

__all__ = ["UNITS", "Cut", "cut_sound"]

UNITS = ["seconds", "frames"]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What is taken of a file. Zero is always "as it is"."""

    start: float = 0.0
    length: float = 0.0
    unit: str = UNITS[0]
    """of start and length"""
    frame_cap: int = 0
    every_nth: int = 1
    width: int = 0
    height: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is changed."""
        return self == Cut(unit=self.unit)

    def frames(self, count: int, fps: float) -> range:
        """The frames of a file that are taken; raises InputError where there is none."""
        rate = fps if self.unit == UNITS[0] else 1.0
        first = round(self.start * rate)
        stop = min(count, first + max(1, round(self.length * rate))) if self.length else count
        if first >= count:
            has = f"{count / fps:.3g} seconds" if self.unit == UNITS[0] else f"{count} frames"
            raise InputError(f"start is {self.start:g} {self.unit} and the video has {has}; begin earlier")
        if self.every_nth < 1:
            raise InputError(f"every_nth is 1 or more, not {self.every_nth}")
        taken = range(first, stop, self.every_nth)
        return taken[: self.frame_cap] if self.frame_cap else taken

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width; where one is asked for, the other follows, even."""
        if self.width and self.height:
            return self.height, self.width
        if self.width:
            return max(2, round(self.width * height / width / 2) * 2), self.width
        if self.height:
            return self.height, max(2, round(self.height * width / height / 2) * 2)
        return height, width

    def of(self, source: FrameSource) -> tuple[FrameSource, float]:
        """(frames, their rate) of a file's frames; pictures of another shape are cut evenly, never squashed."""
        import torch

        from ...sora_core.editing.frames import Picked, Resized
        from ...sora_core.editing.sizes import fit_frames

        taken = self.frames(source.length, source.fps)
        out: FrameSource = source
        if len(taken) < source.length:
            out = Picked(source, torch.tensor(taken))
        height, width = self.size(source.height, source.width)
        if (height, width) != (source.height, source.width):
            out = Resized(out, height, width, lambda image: fit_frames(image, height, width, "crop"))
        return out, source.fps / self.every_nth

    def seconds(self, count: int, fps: float) -> tuple[float, float]:
        """(first, end) second of the file's sound that goes with them."""
        taken = self.frames(count, fps)
        return taken[0] / fps, (taken[0] + len(taken) * self.every_nth) / fps


def cut_sound(audio: dict[str, Any] | None, begin: float, end: float) -> dict[str, Any] | None:
    """AUDIO between two seconds of it."""
    if audio is None:
        return None
    rate = audio["sample_rate"]
    return {**audio, "waveform": audio["waveform"][..., round(begin * rate) : round(end * rate)]}
