"""Clips whose frames are read when they are needed, so that nothing holds a clip that could hold a chunk.

    source = FileSource("clip.mp4")
    for chunk in chunks(source, 16):          # uint8 [16,H,W,3], the last one shorter
        ...

A source knows its length, size and rate before a frame is decoded. Reading in order, some frames left out or none,
costs one pass over the file; a jump decodes from the key frame before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, MediaError, ResourceError, frame_count
from ..files import size_text
from ..memory import check_memory_for
from ..settings import MAX_FPS, MAX_SIDE
from .convert import said_of
from .decode import Display, Picture, opened, pictures, size_notes, stored
from .timing import timeline

__all__ = ["FileSource", "FrameSource", "MediaInfo", "TensorSource", "as_image", "check_limits", "chunks"]

LARGE = 256 << 20
"""bytes of frames that are asked for at once, beyond which free memory is looked at first"""
RECENT = 64 << 20
"""bytes of the frames read last that are kept for who asks for them again: a jump back decodes from a key frame"""


class FrameSource(Protocol):
    """Frames of one clip, all of one size, at a constant rate."""

    @property
    def length(self) -> int:
        """frames"""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def fps(self) -> float: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed on the way in, a sentence each; reading may add to them (damage is found when it is met)."""

    def read(self, start: int, stop: int) -> Tensor:
        """Frames start..stop-1 [F,H,W,3]: uint8 0..255, or float 0..1 where the source holds float.

        The same range gives the same frames, however often and in which order it is read. Raises InputError for a
        range that is empty or outside the clip, MediaError where the file cannot be read any more.
        """


class TensorSource:
    """Frames that are in memory: uint8 [F,H,W,3], or float [F,H,W,3] in 0..1 (ComfyUI's IMAGE); read without a copy."""

    def __init__(self, frames: Tensor, fps: float, *, notes: tuple[str, ...] = ()) -> None:
        known = isinstance(frames, Tensor) and (frames.dtype == torch.uint8 or frames.is_floating_point())
        if not known or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape[1:]:
            raise InputError(f"frames are uint8, or float in 0..1, [F,H,W,3], not {said_of(frames)}")
        if not len(frames):
            raise InputError("no frames are in this clip; give one at least.")
        self.frames, self.fps, self.notes = frames, fps, notes
        self.length, self.height, self.width = frames.shape[:3]

    def read(self, start: int, stop: int) -> Tensor:
        check_range(self, start, stop)
        return self.frames[start:stop]


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """A video file as it will be read."""

    frames: int
    height: int
    width: int
    fps: float
    rotation: int
    """degrees the stored picture is turned by, counter-clockwise; height and width are those after it"""
    has_audio: bool
    variable_rate: bool
    faults: tuple[str, ...] = ()
    """what is wrong with it: parts that are missing, time stamps that cannot be"""


class FileSource:
    """A video file, open from its first read until `close` or the end of a `with` block.

    owner: whatever the file goes away with; it is kept for as long as this source is
    Raises MediaError, when made, for a file that is missing, broken or has no video, and when read, for one that was
    changed or replaced since.
    """

    def __init__(self, path: str | Path, *, owner: object = None) -> None:
        self.path, self.owner = Path(path), owner
        self.state = state_of(self.path)
        with opened(path) as (container, stream):
            found = timeline(container, stream)
            has_audio = bool(container.streams.audio)
        first = next(stored(path, found, 0), None) if found else None
        if found is None or first is None:
            raise MediaError(f"{path} holds no frame that can be decoded.")
        with opened(path) as (container, stream):
            self.display = Display.of(container, stream, first[1])
            sizes = [*size_notes(stream, first[1], found)]
        self.times = found
        self.length, self.fps = found.length, found.fps
        self.height, self.width = self.display.size
        self.info = MediaInfo(
            frames=self.length, height=self.height, width=self.width, fps=self.fps, rotation=90 * self.display.turns,
            has_audio=has_audio, variable_rate=found.variable, faults=found.faults,
        )  # fmt: skip
        self._notes = dict.fromkeys([*found.notes, *self.display.notes, *sizes])
        self._pictures: Iterator[Picture] = iter(())
        self._next = -1
        self._recent = deque[np.ndarray](maxlen=max(1, RECENT // (3 * self.height * self.width)))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{self.path.name}: {note}." for note in self._notes)

    def read(self, start: int, stop: int) -> Tensor:
        check_range(self, start, stop)
        if not self._next - len(self._recent) <= start <= self._next:
            self.go_to(start)
        frames = self.scratch(stop - start)
        rows = frames.numpy()  # a copy by torch starts threads, which is dear on a busy machine
        known = islice(self._recent, len(self._recent) - (self._next - start), len(self._recent))
        count, end = min(stop, self._next) - start, max(stop, self._next)
        for i, picture in enumerate(islice(known, count)):
            rows[i] = picture
        fresh, self._next = stop - start - count, -1  # an error on the way leaves the file to be opened anew
        for i, shown in enumerate(islice(self._pictures, fresh), count):
            rows[i] = picture = shown()
            self._recent.append(picture)
        self._next = end
        return frames

    def go_to(self, start: int) -> None:
        """Make frame `start` the next one: on through what lies between, or from the key frame before it."""
        if self._next >= 0 and self.times.on_the_way(self._next, start):
            between, self._next = start - self._next, -1
            deque(islice(self._pictures, between), maxlen=0)
            self._recent.clear()
        else:
            self.close()
            check_same(self.path, self.state)
            note = lambda text: self._notes.setdefault(text)  # noqa: E731
            self._pictures = pictures(self.path, self.times, self.display, start, note)
        self._next = start

    def scratch(self, count: int) -> Tensor:
        """Space for `count` frames. Raises ResourceError where there is none."""
        need = count * self.height * self.width * 3
        what, advice = f"{count} frames of {self.width}x{self.height}", "read fewer at once"
        if need > LARGE:
            check_memory_for(need, what, advice)
        try:
            return torch.empty((count, self.height, self.width, 3), dtype=torch.uint8)
        except RuntimeError as error:
            raise ResourceError(f"{what} need {size_text(need)} of memory; {advice}.") from error

    def close(self) -> None:
        """Give the file and the decoder back; a later read opens them again."""
        with suppress(AttributeError):
            self._pictures.close()  # type: ignore[attr-defined]
        self._pictures, self._next = iter(()), -1
        self._recent.clear()

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def state_of(path: Path) -> tuple[int, int] | None:
    """Bytes of a file and when it was written last; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # the second for what the system cannot name
        return None
    return found.st_size, found.st_mtime_ns


def check_same(path: Path, state: tuple[int, int] | None) -> None:
    """Raises MediaError where a file is another one than in that state: its frames are not those that were looked
    at."""
    if state_of(path) != state:
        raise MediaError(f"{path} was changed or removed while it was read; run the same again.")


def chunks(source: FrameSource, size: int, *, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
    """The frames of a source in order, `size` at a time, the last chunk shorter."""
    if size < 1:
        raise InputError(f"a chunk holds at least one frame, not {size}.")
    end = source.length if stop is None else stop
    for begin in range(start, end, size):
        yield source.read(begin, min(begin + size, end))


def as_image(frames: Tensor) -> Tensor:
    """Frames of a source as ComfyUI's IMAGE: float [F,H,W,3] in 0..1."""
    if frames.is_floating_point():
        return frames
    image = torch.empty(frames.shape, dtype=torch.float32, device=frames.device)
    for picture, levels in zip(frames, image, strict=True):
        torch.div(picture, 255, out=levels)  # in place: fresh memory is what costs most
    return image


def check_limits(source: FileSource) -> None:
    """Raises InputError for a file of more frames a second, or larger ones, than are worked on."""
    if source.fps > MAX_FPS:
        raise InputError(
            f"{source.path} has {source.fps:g} frames a second and at most {MAX_FPS:g} are edited; save it at fewer."
        )
    if max(source.height, source.width) > MAX_SIDE:
        raise InputError(
            f"{source.path} has frames of {source.width}x{source.height} and sides of at most {MAX_SIDE} are edited;"
            " scale it."
        )


def check_range(source: FrameSource, start: int, stop: int) -> None:
    if not 0 <= start < stop <= source.length:
        raise InputError(f"frames {start} to {stop} do not lie in a clip of {frame_count(source.length)}.")
