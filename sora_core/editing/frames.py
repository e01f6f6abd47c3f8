"""Frames that are read when they are needed: parts of clips, clips in a row, clips at another size or rate.

Each class here is a `media.FrameSource`; none but `Made` holds frames of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from ..errors import InputError, frame_count
from ..media import FrameSource, Piece, TensorSource, as_image
from ..media.convert import as_frames
from ..types import Progress

__all__ = [
    "Derived", "Joined", "Made", "Pending", "Picked", "Placed", "Resampled", "Resized", "Shrunk", "Window", "held",
    "is_made", "lengthened", "marked", "pieces_of", "read_image", "restored", "window",
]  # fmt: skip

PIXELS = 1 << 23
"""of frames of a large size that are in memory at once while they are brought to a smaller one"""
RECENT = 16 << 20
"""bytes of frames of the smaller size that are kept"""
STEP = 16
"""made frames that are worked on at once"""


class Made(TensorSource):
    """Frames that a model made, in memory; `own` [F,H,W] bool: pixels among them that are the user's."""

    def __init__(self, frames: Tensor, fps: float, own: Tensor | None = None) -> None:
        super().__init__(frames, fps)
        self.own = own


class Derived:
    """What is read from another clip; with the same length, rate and size unless a subclass says otherwise."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.length, self.fps = source.length, source.fps
        self.height, self.width = source.height, source.width

    @property
    def notes(self) -> tuple[str, ...]:
        return self.source.notes


class Window(Derived):
    """Frames start..stop-1 of a source."""

    def __init__(self, source: FrameSource, start: int, stop: int) -> None:
        if not 0 <= start < stop <= source.length:
            raise InputError(f"frames {start} to {stop} do not lie in a clip of {frame_count(source.length)}.")
        super().__init__(source)
        self.start, self.length = start, stop - start

    def read(self, start: int, stop: int) -> Tensor:
        return self.source.read(self.start + start, self.start + stop)


class Joined:
    """Clips of one size in a row, at the rate of the first."""

    def __init__(self, parts: Sequence[FrameSource]) -> None:
        if len({(part.height, part.width) for part in parts}) != 1:
            sizes = ", ".join(f"{part.width}x{part.height}" for part in parts)
            raise InputError(f"clips in a row need one size, not {sizes or 'none at all'}.")
        self.parts = tuple(parts)
        self.starts = [0, *accumulate(part.length for part in parts)]
        self.length = self.starts[-1]
        self.height, self.width, self.fps = parts[0].height, parts[0].width, parts[0].fps

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for part in self.parts for note in part.notes))

    def read(self, start: int, stop: int) -> Tensor:
        found, at = [], start
        while at < stop:
            i = bisect_right(self.starts, at) - 1
            end = min(stop, self.starts[i + 1])
            found.append(self.parts[i].read(at - self.starts[i], end - self.starts[i]))
            at = end
        return found[0] if len(found) == 1 else torch.cat(_alike(found))


class Pending:
    """A clip that is still to be made, so that what is built on it can be planned; its frames are those of `source`."""

    def __init__(self, length: int, height: int, width: int, fps: float) -> None:
        self.length, self.height, self.width, self.fps = length, height, width, fps
        self.source: FrameSource | None = None
        self.notes: tuple[str, ...] = ()

    def read(self, start: int, stop: int) -> Tensor:
        if self.source is None:
            raise InputError("these frames are still to be made.")
        return self.source.read(start, stop)


class Placed:
    """Clips laid at frames of a timeline, black where none lies; `parts`: (first frame, clip), not overlapping."""

    def __init__(self, length: int, parts: Sequence[tuple[int, FrameSource]]) -> None:
        self.length, self.parts = length, tuple(parts)
        first = parts[0][1]
        self.height, self.width, self.fps = first.height, first.width, first.fps
        self.notes: tuple[str, ...] = ()

    def read(self, start: int, stop: int) -> Tensor:
        found = []
        for at, part in self.parts:
            first, end = max(start, at), min(stop, at + part.length)
            if first < end:
                frames = part.read(first - at, end - at)
                if (first, end) == (start, stop):
                    return frames
                found.append((first, frames))
        out = torch.zeros(stop - start, self.height, self.width, 3)
        for first, frames in found:
            out[first - start : first - start + len(frames)] = as_image(frames)
        return out


class Resized(Derived):
    """A clip whose pictures are brought to another size by `change`, [F,H,W,3] as the clip holds them to
    [F,height,width,3]."""

    def __init__(self, source: FrameSource, height: int, width: int, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(source)
        self.height, self.width, self.change = height, width, change

    def read(self, start: int, stop: int) -> Tensor:
        step = max(1, PIXELS // (self.source.height * self.source.width))
        parts = range(start, stop, step)
        found = [self.change(self.source.read(i, min(i + step, stop))) for i in parts]
        return found[0] if len(found) == 1 else torch.cat(found)


class Shrunk(Resized):
    """The user's own clip, made smaller for a model; `restored` gives its frames back as they were.

    The small frames read last are kept: it is dear to go back in a large clip, and who encodes its end looks at it too.
    """

    def __init__(self, source: FrameSource, height: int, width: int, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(source, height, width, change)
        self.recent: dict[int, Tensor] = {}

    def read(self, start: int, stop: int) -> Tensor:
        if all(place in self.recent for place in range(start, stop)):
            return torch.stack([self.recent[place] for place in range(start, stop)])
        fresh = super().read(start, stop)
        most = max(1, RECENT // (fresh[0].numel() * fresh.element_size()))
        self.recent |= {place: fresh[place - start].clone() for place in range(max(start, stop - most), stop)}
        for place in list(self.recent)[:-most]:
            del self.recent[place]
        return fresh


class Resampled(Derived):
    """A clip at another rate: each moment shows the frame that had begun; no frame is mixed of two."""

    def __init__(self, source: FrameSource, fps: float) -> None:
        super().__init__(source)
        self.fps, self.length = fps, max(1, round(source.length * fps / source.fps))
        self.places = [min(source.length - 1, int((i + 0.5) * source.fps / fps)) for i in range(self.length)]

    def read(self, start: int, stop: int) -> Tensor:
        return read_places(self.source, self.places[start:stop])


class Picked(Derived):
    """Some frames of a source, at `places` that rise."""

    def __init__(self, source: FrameSource, places: Tensor) -> None:
        super().__init__(source)
        self.places, self.length = places.tolist(), len(places)

    def read(self, start: int, stop: int) -> Tensor:
        return read_places(self.source, self.places[start:stop])


def read_places(source: FrameSource, places: Sequence[int]) -> Tensor:
    """The frames [F,H,W,3] of a source at places that do not fall; each is read once, and none between them."""
    wanted = sorted(set(places))
    if wanted[-1] - wanted[0] == len(wanted) - 1:
        frames = source.read(wanted[0], wanted[-1] + 1)
    else:
        frames = torch.cat([source.read(place, place + 1) for place in wanted])
    return frames if len(wanted) == len(places) else frames[[wanted.index(place) for place in places]]


def window(source: FrameSource, start: int, stop: int) -> FrameSource | None:
    """Frames start..stop-1 of a source, or None where there is none."""
    return Window(source, start, stop) if start < stop else None


def read_image(source: FrameSource, start: int = 0, stop: int | None = None) -> Tensor:
    """Frames of a source as IMAGE, float [F,H,W,3] in 0..1."""
    return as_image(source.read(start, source.length if stop is None else stop))


def pieces_of(source: FrameSource, start: int = 0, stop: int | None = None) -> list[Piece]:
    """Frames start..stop-1 of a clip as the parts that it is made of; what no model made, at whatever size and rate,
    is kept."""
    stop = source.length if stop is None else stop
    if isinstance(source, Window):
        return pieces_of(source.source, source.start + start, source.start + stop)
    laid: list[tuple[int, FrameSource]] = []
    if isinstance(source, Joined):
        laid = list(zip(source.starts, source.parts, strict=False))
    elif isinstance(source, Placed):
        laid = list(source.parts)
    found: list[Piece] = []
    for at, part in laid:
        first, end = max(0, start - at), min(part.length, stop - at)
        for piece in pieces_of(part, first, end) if first < end else []:
            last = found[-1] if found else None
            if last is not None and last.source is piece.source and last.stop == piece.start:
                piece = Piece(source=piece.source, start=found.pop().start, stop=piece.stop, kept=piece.kept)
            found.append(piece)
    if sum(piece.length for piece in found) < stop - start:  # of one piece, or with gaps
        return [Piece(source=source, start=start, stop=stop, kept=not is_made(source))]
    return found


def is_made(source: FrameSource) -> bool:
    """Whether a model made any of the frames, or is to make them."""
    match source:
        case Made() | Pending():
            return True
        case Derived():
            return is_made(source.source)
        case Joined():
            return any(is_made(part) for part in source.parts)
        case Placed():
            return any(is_made(part) for _, part in source.parts)
        case _:
            return False


def restored(clip: FrameSource, enlarge: Callable[[FrameSource], FrameSource]) -> FrameSource:
    """A finished clip with its kept frames as they were before they were `Shrunk`, and the others as `enlarge` makes
    them of the clip, at the size of those."""
    larger, parts, at = enlarge(clip), list[FrameSource](), 0
    for piece in pieces_of(clip):
        own = unshrunk(piece.source)
        start = at if own is None else piece.start
        parts.append(Window(larger if own is None else own, start, start + piece.length))
        at += piece.length
    return Joined(parts)


def unshrunk(source: FrameSource) -> FrameSource | None:
    """The clip of which a source is a smaller one, at the source's rate; None for any other."""
    if isinstance(source, Shrunk):
        return source.source
    if isinstance(source, Resampled):
        own = unshrunk(source.source)
        return None if own is None else Resampled(own, source.fps)
    return None


def held(source: FrameSource, progress: Progress) -> FrameSource:
    """A finished clip whose made frames are worked out once, in memory as bytes; kept ones, and those that are in
    memory already, are read as they were."""
    pieces, done = pieces_of(source), 0
    ready = [piece.kept or isinstance(piece.source, TensorSource) for piece in pieces]
    total = sum(piece.length for piece, there in zip(pieces, ready, strict=True) if not there)

    def told(frames: Tensor) -> Tensor:
        nonlocal done
        done += len(frames)
        progress(done, total)
        return as_frames(frames)

    parts: list[FrameSource] = []
    for piece, there in zip(pieces, ready, strict=True):
        window = Window(piece.source, piece.start, piece.stop)
        parts.append(window if there else Made(in_turn(piece, told), source.fps))
    return Joined(parts)


def marked(source: FrameSource, mark: Callable[[Tensor], Tensor]) -> FrameSource:
    """A finished clip with its made frames as `mark` changes them, uint8 [F,H,W,3], in memory; the others are read as
    they were. mark: takes frames as a source gives them, in turn."""

    def new(piece: Piece) -> FrameSource:
        frames = in_turn(piece, mark)
        if isinstance(piece.source, Made) and piece.source.own is not None:
            own = piece.source.own[piece.start : piece.stop, ..., None]
            frames = torch.where(own, as_image(piece.source.read(piece.start, piece.stop)), as_image(frames))
        return TensorSource(frames, piece.source.fps)

    pieces = pieces_of(source)
    return Joined([Window(piece.source, piece.start, piece.stop) if piece.kept else new(piece) for piece in pieces])


def in_turn(piece: Piece, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The frames of a piece as `change` gives them, uint8 [F,H,W,3], STEP at a time."""
    frames = torch.empty(piece.length, piece.source.height, piece.source.width, 3, dtype=torch.uint8)
    for i in range(piece.start, piece.stop, STEP):
        stop = min(i + STEP, piece.stop)
        frames[i - piece.start : stop - piece.start] = change(piece.source.read(i, stop))
    return frames


def lengthened(source: FrameSource, length: int) -> FrameSource:
    """A source with its last frame held until it has `length` frames."""
    missing = length - source.length
    if missing <= 0:
        return source
    return Joined([source, *[Window(source, source.length - 1, source.length)] * missing])


def _alike(pieces: list[Tensor]) -> list[Tensor]:
    """Frames of one type: bytes only where all are."""
    return pieces if all(x.dtype == torch.uint8 for x in pieces) else [as_image(x).float() for x in pieces]
