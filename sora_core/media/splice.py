"""A finished clip of parts of files and new frames: what is kept of an H.264 file is copied where that can be done.

    splice = Splice.of([Piece(source=file, kept=True), Piece(source=made)], fps=24.0)
    splice.note                                    # what is copied, or why nothing is
    publish("out.mp4", splice)                     # frames that are not copied are encoded to fit

A part is cut where a decoder can end or begin: it ends behind any frame that no later one is shown before, and begins
at a key frame that nothing behind refers across. What lies between is decoded and encoded with the new frames. These
have parameter sets with numbers of their own (`h264`), the file's size, colours and range, and one even clock with the
copied ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from ..errors import InputError, MediaError, frame_count
from ..grid import VideoSize
from .colour import FULL, ToRgb
from .decode import opened, stored
from .h264 import AVCC, ParameterSets, begins_anew, sets_within
from .source import FileSource, FrameSource
from .tone import HLG, PQ
from .write import estimated_bytes

__all__ = ["Copy", "Form", "Piece", "Splice"]

REORDER = 2
"""frames that our encoder holds back to put them into another order"""
SQUARE = (None, 0, 1)
"""aspect ratios of pixels that need no word"""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Frames in a row of a finished clip: start..stop-1 of a source, by default all."""

    source: FrameSource
    start: int = 0
    stop: int = -1
    kept: bool = False
    """whether they are the user's own, which are not marked, and copied where that can be done"""

    def __post_init__(self) -> None:
        if self.stop < 0:
            object.__setattr__(self, "stop", self.source.length)
        if not 0 <= self.start < self.stop <= self.source.length:
            raise InputError(
                f"frames {self.start} to {self.stop} do not lie in a clip of {frame_count(self.source.length)}."
            )

    @property
    def length(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Piece:
        """Frames start..stop-1 of the source."""
        return Piece(source=self.source, start=start, stop=stop, kept=self.kept)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What all parts of one stream have in common."""

    height: int
    """as it is stored, even"""
    width: int
    crop: tuple[int, int] | None
    """height and width that are shown, where they are odd"""
    matrix: int
    full: bool
    tags: tuple[int, int, int, int]
    """colour space, primaries, transfer and range, as the stream states them"""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Packets first..stop-1 of a file, in the order of decoding: that many frames in a row."""

    source: FileSource
    first: int
    stop: int
    form: Form
    sets: ParameterSets
    delay: int
    """frames by which decoding must begin before showing"""

    @property
    def length(self) -> int:
        return self.stop - self.first


Run = Copy | tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True)
class Splice:
    """A clip in runs that are copied and runs that are encoded."""

    pieces: tuple[Piece, ...]
    fps: float
    runs: tuple[Run, ...] = field(default=())
    sets: ParameterSets | None = None
    """of all copied runs; None: nothing is copied"""
    note: str = ""

    @property
    def length(self) -> int:
        return sum(piece.length for piece in self.pieces)

    @property
    def form(self) -> Form | None:
        """Of the copied runs, None where there is none."""
        return next((run.form for run in self.runs if isinstance(run, Copy)), None)

    @property
    def delay(self) -> int:
        return max([REORDER, *(run.delay for run in self.runs if isinstance(run, Copy))])

    @property
    def estimated_bytes(self) -> int:
        """Room that the file takes on the disk, as far as it is known before it is written."""
        total = 0
        for run in self.runs or (self.pieces,):
            if isinstance(run, Copy):
                total += run.source.path.stat().st_size * run.length // run.source.length
            else:
                source, frames = run[0].source, sum(piece.length for piece in run)
                size = VideoSize(frames=frames, height=source.height, width=source.width, fps=self.fps)
                total += estimated_bytes(size)
        return total

    @staticmethod
    def of(pieces: Sequence[Piece], fps: float) -> Splice:
        """How to write pieces in a row. Raises InputError where their sizes differ."""
        if len({(piece.source.height, piece.source.width) for piece in pieces}) != 1:
            raise InputError("clips in a row need one size.")
        whole = tuple(pieces)
        files = [(piece, piece.source) for piece in whole if piece.kept and isinstance(piece.source, FileSource)]
        copies: dict[int, Copy] = {}
        sets, refused = None, []
        for piece, source in sorted(files, key=lambda file: -file[0].length):
            try:
                found = copy_of(piece, source, fps)
                first = next(iter(copies.values()), None)
                joined = found.sets if sets is None else sets.with_(found.sets)
                if joined is None or (first is not None and first.form != found.form):
                    raise MediaError("its encoder's settings are not those of the part that is copied")
                copies[id(piece)], sets = found, joined
            except MediaError as error:
                which = f"frames {piece.start} to {piece.stop - 1} of {source.path.name}"
                refused.append(f"{which} are encoded again, since {str(error).removesuffix('.')}")
        if sets is None:
            return Splice(pieces=whole, fps=fps, note="; ".join(dict.fromkeys(refused)))
        runs = tuple(runs_of(whole, copies))
        return Splice(pieces=whole, fps=fps, runs=runs, sets=sets, note="; ".join([said(runs), *refused]))


def said(runs: Sequence[Run]) -> str:
    """A sentence on what is copied."""
    copied = sum(run.length for run in runs if isinstance(run, Copy))
    encoded = [piece for run in runs if not isinstance(run, Copy) for piece in run]
    around = sum(piece.length for piece in encoded if piece.kept and isinstance(piece.source, FileSource))
    names = dict.fromkeys(run.source.path.name for run in runs if isinstance(run, Copy))
    again = f"; {around} beside the cut are encoded again" if around else ""
    kept = frame_count(copied)
    verb, them = ("is", "it") if copied == 1 else ("are", "them")
    return f"{kept} of {' and '.join(names)} {verb} copied without decoding {them}{again}"


def runs_of(pieces: Sequence[Piece], copies: dict[int, Copy]) -> Iterator[Run]:
    """Pieces in a row as runs: what is not copied between two copies is one run."""
    waiting: list[Piece] = []
    for piece in pieces:
        copy = copies.get(id(piece))
        if copy is None:
            waiting.append(piece)
            continue
        waiting += [piece.part(piece.start, copy.first)] if piece.start < copy.first else []
        if waiting:
            yield tuple(waiting)
        yield copy
        waiting = [piece.part(copy.stop, piece.stop)] if copy.stop < piece.stop else []
    if waiting:
        yield tuple(waiting)


def copy_of(piece: Piece, source: FileSource, fps: float) -> Copy:
    """What can be copied of a piece of a file. Raises MediaError, saying why, where that is nothing."""
    times = source.times
    if source.info.faults or source.info.variable_rate or times.counted or len(times.shown) != len(times.stamps):
        raise MediaError("its time stamps are uneven or faulty")
    if source.fps != fps:
        raise MediaError(f"it has {source.fps:g} frames a second, not {fps:g}")
    form, sets = form_of(source)
    order, fresh = decoding_order(source, sets)
    highest = list(accumulate(order, max))
    first = next((k for k in fresh if k >= piece.start and order[k] == k and (not k or highest[k - 1] < k)), piece.stop)
    stop = next((m for m in range(piece.stop, first, -1) if highest[m - 1] == m - 1), first)
    if stop <= first:
        raise MediaError("no part begins with a key frame there")
    delay = max(k - order[k] for k in range(first, stop))
    return Copy(source=source, first=first, stop=stop, form=form, sets=sets, delay=delay)


def form_of(source: FileSource) -> tuple[Form, ParameterSets]:
    """What frames must be like to stand in one stream with those of a file. Raises MediaError where ours cannot."""
    _, frame = next(stored(source.path, source.times, 0))
    display, colours = source.display, ToRgb(source.display.colours)
    with opened(source.path) as (_, stream):
        context = stream.codec_context
        if context.name != "h264":
            raise MediaError(f"it is {context.name} and new frames are H.264")
        if context.pix_fmt not in ("yuv420p", "yuvj420p"):
            raise MediaError(f"its pixels are {context.pix_fmt} and those of new frames yuv420p")
        if frame.interlaced_frame:
            raise MediaError("it is interlaced")
        if (
            display.turns
            or display.mirrored
            or stream.sample_aspect_ratio not in SQUARE
            or frame.height % 2
            or frame.width % 2
        ):
            raise MediaError("it is shown turned or mirrored, cropped to odd sides or with pixels that are not square")
        if display.colours.transfer in (PQ, HLG):
            raise MediaError("it has high dynamic range and new frames have not")
        tags = tuple(
            int(value)
            for value in (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        )
        record = bytes(context.extradata or b"")
        if record[:1] != AVCC:
            raise MediaError("its H.264 is stored as for broadcasting and not as in an mp4")
        sets = ParameterSets.of(record)
    full = colours.is_full(frame)
    return Form(
        height=frame.height, width=frame.width, crop=display.crop, matrix=colours.matrix_of(frame), full=full,
        tags=(tags[0], tags[1], tags[2], FULL if full else tags[3]),
    ), sets  # fmt: skip


def decoding_order(source: FileSource, sets: ParameterSets) -> tuple[list[int], list[int]]:
    """The place among the shown frames of each packet of a file, and the packets at which decoding can begin."""
    places = {stamp: place for place, stamp in enumerate(source.times.stamps)}
    known = {*sets.sps.values(), *sets.pps.values()}
    order: list[int] = []
    fresh: list[int] = []
    with opened(source.path) as (container, stream):
        for packet in container.demux(stream):
            if not packet.size:
                continue
            data = bytes(packet) if packet.is_keyframe else b""
            if begins_anew(data):
                fresh.append(len(order))
            if not {*sets_within(data)} <= known or packet.has_sidedata("new_extradata"):
                raise MediaError("its size or its encoder's settings change on the way")
            place = places.pop(packet.pts, None) if packet.pts is not None else None
            if place is None or packet.is_discard or packet.is_corrupt:
                raise MediaError("some of its packets are hidden or damaged")
            order.append(place)
    if places:
        raise MediaError("some of its packets are missing")
    return order, fresh
