"""VIDEO without ComfyUI: a file, or frames in memory, with the methods that nodes use of ComfyUI's own."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

__all__ = ["VideoComponents", "VideoFromComponents", "VideoFromFile", "memory_video"]


@dataclass
class VideoComponents:
    """Frames [F,H,W,C] in 0..1, their rate, and sound where there is any."""

    images: Any
    frame_rate: Fraction
    audio: Any = None
    metadata: dict[str, str] | None = None


class VideoFromFile:
    """A video file. A file made for this object alone goes away with it."""

    def __init__(self, file: str, *, owned: bool = False) -> None:
        self._path = Path(file)
        if owned:
            weakref.finalize(self, self._path.unlink, missing_ok=True)

    def get_stream_source(self) -> str | BytesIO:
        return str(self._path)

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height."""
        from ..sora_core.media.read import probe

        info = probe(self._path)
        return info.width, info.height

    def get_duration(self) -> float:
        """Seconds."""
        from ..sora_core.media.read import probe

        info = probe(self._path)
        return info.frames / info.fps

    def get_components(self) -> VideoComponents:
        """All frames in memory."""
        from ..sora_core.media.read import read_video

        video = read_video(self._path)
        return VideoComponents(
            images=video.frames.float() / 255, frame_rate=Fraction(video.fps).limit_denominator(100_000)
        )


class VideoFromComponents:
    """A video that is in memory."""

    def __init__(self, components: VideoComponents) -> None:
        self._components = components

    def get_components(self) -> VideoComponents:
        return self._components

    def get_dimensions(self) -> tuple[int, int]:
        return self._components.images.shape[2], self._components.images.shape[1]

    def get_duration(self) -> float:
        return float(len(self._components.images) / self._components.frame_rate)

    def get_stream_source(self) -> str | BytesIO:
        """The file that saving these frames gives, in memory."""
        return memory_video(self._components.images, float(self._components.frame_rate))


def memory_video(image: Any, fps: float) -> BytesIO:
    """An mp4 of frames [F,H,W,C] in 0..1, in memory."""
    from tempfile import TemporaryDirectory

    from ..sora_core.media.convert import image_to_video
    from ..sora_core.media.write import write_video

    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, (image_to_video(frame[None]) for frame in image), fps)
        return BytesIO(path.read_bytes())
