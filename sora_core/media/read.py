"""Video files in: what they hold, and their frames at once or in chunks, upright, at their true size and one rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..errors import InputError, frame_count
from ..layers.surroundings import unaffected
from .source import FileSource, MediaInfo, chunks

__all__ = ["MediaInfo", "Video", "iter_frames", "probe", "read_video"]


@dataclass(frozen=True, kw_only=True)
class Video:
    """Frames in memory: uint8 [F,H,W,3] at `fps`; the notes say what was changed on the way in."""

    frames: Tensor
    fps: float
    notes: tuple[str, ...] = ()


def probe(path: str | Path) -> MediaInfo:
    """What a video file holds. Raises MediaError for a file that is missing, broken or has no video."""
    return FileSource(path).info


@unaffected
def read_video(path: str | Path, *, start: int = 0, frames: int | None = None) -> Video:
    """`frames` frames from frame `start` (all that are left by default), in memory at once; short where the file ends.

    Raises MediaError as `probe` does, InputError where the file ends before `start`, ResourceError where there is no
    room for them.
    """
    with FileSource(path) as source:
        stop = end_of(source, start, frames)
        return Video(frames=source.read(start, stop), fps=source.fps, notes=source.notes)


def iter_frames(path: str | Path, chunk: int) -> Iterator[Tensor]:
    """All frames in chunks uint8 [F,H,W,3] of `chunk` frames, the last one shorter; one chunk is in memory at a
    time."""
    with FileSource(path) as source:
        yield from chunks(source, chunk)


def end_of(source: FileSource, start: int, frames: int | None) -> int:
    """The frame behind the last of a part; raises InputError where there is no such part."""
    if not 0 <= start < source.length:
        raise InputError(f"{source.path} has {frame_count(source.length)}, so none can be read from frame {start} on.")
    if frames is not None and frames < 1:
        raise InputError(f"at least one frame can be read, not {frames}.")
    return source.length if frames is None else min(source.length, start + frames)
