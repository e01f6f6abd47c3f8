"""VIDEO without ComfyUI: a file, or frames in memory, with the methods that nodes use of ComfyUI's own."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from ..sora_core.errors import MediaError
from .images import images_of

__all__ = ["VideoComponents", "VideoFromComponents", "VideoFromFile", "memory_video", "sound_of"]


@dataclass
class VideoComponents:
    """Frames [F,H,W,C] in 0..1, their rate, and sound where there is any."""

    images: Any
    frame_rate: Fraction
    audio: Any = None
    notes: tuple[str, ...] = ()
    """what went wrong while they were read"""


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

    def get_components(self) -> VideoComponents:
        """Its frames and sound. Raises ResourceError where they do not fit into memory and are not many enough to be
        read one by one."""
        from ..sora_core.media import FileSource, read_sound

        with FileSource(self._path, owner=self) as source:
            known = source.notes
            images = images_of(source)
            rate = Fraction(source.fps).limit_denominator(100_000)
            notes = [note for note in source.notes if note not in known]  # what was met on the way
        audio = None
        try:
            sound = read_sound(self._path, whole=True)
            audio = sound and {"waveform": sound.waveform[None], "sample_rate": sound.rate}
            notes += [sound.note] if sound and sound.note else []
        except MediaError as error:
            notes.append(f"its sound is dropped: {error}")
        return VideoComponents(images=images, frame_rate=rate, audio=audio, notes=tuple(notes))


class VideoFromComponents:
    """A video that is in memory."""

    def __init__(self, components: VideoComponents) -> None:
        self._components = components

    def get_components(self) -> VideoComponents:
        return self._components

    def get_dimensions(self) -> tuple[int, int]:
        return self._components.images.shape[2], self._components.images.shape[1]

    def get_stream_source(self) -> str | BytesIO:
        """The file that saving these frames gives, in memory."""
        parts = self._components
        return memory_video(parts.images, float(parts.frame_rate), parts.audio)


def memory_video(image: Any, fps: float, audio: Any = None) -> BytesIO:
    """An mp4 of frames [F,H,W,C] in 0..1, in memory, with the sound {"waveform" [B,C,S], "sample_rate"} if given."""
    from tempfile import TemporaryDirectory

    from ..sora_core.media.convert import image_to_video
    from ..sora_core.media.write import write_video

    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, (image_to_video(frame[None]) for frame in image), fps, sound=sound_of(audio))
        return BytesIO(path.read_bytes())


def sound_of(audio: dict[str, Any] | None) -> Any:
    """The core's `Sound` of ComfyUI's AUDIO {"waveform" [B,C,S], "sample_rate"}, or None where nothing is heard."""
    from ..sora_core.media.sound import Sound

    if audio is None or not audio["waveform"].numel():
        return None
    return Sound(waveform=audio["waveform"][0], rate=int(audio["sample_rate"]))
