"""Long and large files in segments: what was decoded and encoded before a process was stopped is not made again.

Each segment is a small mp4 in a folder, whole or not there at all; the file is what their packets in a row give. Where
segments begin depends on the clip's size alone, so a run that was stopped and one that was not give the same file.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ..errors import MediaError
from ..files import shown_as, write_text
from ..grid import VideoSize
from .convert import as_frames
from .sound import Sound, SoundFile
from .source import FileSource
from .splice import Piece, Splice
from .splicing import write_splice
from .write import estimated_bytes, write_video

__all__ = ["Segmented", "room_for", "segment_frames", "write_segmented"]

PIXELS = 50_000_000
"""of a segment: a second of 1920x1080 at 24 frames a second"""
LEAST = 8
"""frames of a segment"""
SUFFIX = ".mp4"
SUM = ".sum"
"""ending of the file beside a segment that holds the checksum of its bytes"""


def segment_frames(size: VideoSize) -> int:
    """Frames of a segment of a clip of that size; a clip of fewer is one piece."""
    return max(LEAST, PIXELS // (size.height * size.width))


def room_for(size: VideoSize) -> int:
    """Bytes on the disk that making a clip of that size takes: its file, and the segments of a longer one."""
    return estimated_bytes(size) * (2 if size.frames > segment_frames(size) else 1)


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """A clip whose frames can be had from any place on."""

    folder: Path
    """where its segments are kept; whoever gives the file its name removes it then"""
    size: VideoSize
    frames: Callable[[int], Iterable[Tensor]]
    """the frames from that number on, in chunks, at least to the clip's end"""

    @property
    def every(self) -> int:
        return segment_frames(self.size)

    @property
    def starts(self) -> range:
        """The first frame of each segment."""
        return range(0, self.size.frames, self.every)

    @property
    def estimated_bytes(self) -> int:
        """Room that the file and the segments that are not there yet take on the disk."""
        there = sum(self.path(number).is_file() for number in range(len(self.starts)))
        return room_for(self.size) - estimated_bytes(self.size) * there // len(self.starts)

    def path(self, number: int) -> Path:
        return self.folder / f"{number:06}{SUFFIX}"

    def there(self, number: int) -> bool:
        """Whether a segment is there, whole: one that a disk has spoilt since is made again."""
        path = self.path(number)
        try:
            if path.with_suffix(SUM).read_bytes() != sum_of(path).encode():
                return False
        except OSError:
            return False
        try:
            with FileSource(path) as source:
                frames = min(self.every, self.size.frames - self.starts[number])
                return source.length == frames and not source.info.faults
        except MediaError:
            return False


def sum_of(path: Path) -> str:
    """The checksum of a segment, which is small: a flipped bit of a picture decodes to another one without a fault."""
    return f"{zlib.crc32(path.read_bytes()):08x}"


def write_segmented(
    path: Path,
    clip: Segmented,
    guarded: Callable[[Iterable[Tensor]], Iterable[Tensor]],
    *,
    metadata: dict[str, str] | None = None,
    sound: Sound | SoundFile | None = None,
) -> int:
    """Write a clip as an mp4 by way of its segments, those that are there as they are; returns its frames.

    guarded: the frames of one segment as they pass review and mark. Raises what `VideoWriter` does.
    """
    clip.folder.mkdir(parents=True, exist_ok=True)
    total, every, starts = clip.size.frames, clip.every, clip.starts
    first = next((i for i in range(len(starts)) if not clip.there(i)), len(starts))
    if first < len(starts):
        frames = Frames(clip.frames(starts[first]))
        for i in range(first, len(starts)):
            part = guarded(frames.take(min(every, total - starts[i])))
            with shown_as(clip.path(i), path):
                write_video(clip.path(i), part, clip.size.fps)
                write_text(clip.path(i).with_suffix(SUM), sum_of(clip.path(i)))
    pieces = [Piece(source=FileSource(clip.path(i)), kept=True) for i in range(len(starts))]
    splice = Splice.of(pieces, clip.size.fps)
    if splice.sets is None or len(splice.runs) != len(pieces) or splice.length != total:
        raise MediaError(f"the segments in {clip.folder} do not fit together; remove that folder and run again.")
    return write_splice(path, splice, lambda run: (), metadata=metadata, sound=sound)


class Frames:
    """Chunks of frames, to be taken in other lengths."""

    def __init__(self, chunks: Iterable[Tensor]) -> None:
        self.chunks: Iterator[Tensor] = (as_frames(chunk) for chunk in chunks)
        self.rest = torch.empty(0)

    def take(self, count: int) -> Iterator[Tensor]:
        """The next `count` frames. Raises MediaError where there are fewer."""
        while count:
            if not len(self.rest):
                found = list(islice(self.chunks, 1))
                if not found:
                    raise MediaError(f"{count} frames of this clip are missing; this is a fault of ours.")
                self.rest = found.pop()
            part, self.rest = self.rest[:count], self.rest[count:]
            count -= len(part)
            yield part
