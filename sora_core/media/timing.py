"""When the frames of a file are shown, found from its packets: nothing is decoded.

Frames come out at one constant rate. A file of variable rate is set on the raster of its shortest common step; each
moment shows the latest frame that has begun, the last one for as long as the file says, and every stored frame is shown
at least once wherever there is room.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import frame_count
from ..settings import MAX_FPS
from .h264 import recovers_late, sequence_sets

__all__ = ["Timeline", "stated_rate", "timeline"]

MAX_RATE = MAX_FPS
"""frames per second beyond which a stated rate is no rate, such as the 90,000 of a stream that has only a clock"""
UNTOLD = {"avi", "h264", "hevc", "m4v"}
"""containers that know in which order frames are decoded, and not in which they are shown"""
ANIMATIONS = {"gif", "apng"}
"""containers that say of each picture how long it is shown, the last one too"""
CLEARLY_MISSING = 0.5
"""seconds between the end that a header states and the last packet beyond which a file is cut short"""
RESTART = 0.25
"""seconds; a decoding clock that falls back by more begins anew"""
LONGEST_HOLD = 60.0
"""seconds; a gap beyond, in a file whose other steps are far shorter, is a fault in the time stamps"""
NEAR = 16
"""frames that are sooner decoded than a file is opened anew"""
HEAD = 4096
"""bytes of a key frame that its parameters lie in"""
MOST_SIZES = 8
"""sets of parameters that are looked at"""
COMMON = [5, 6, 7.5, 8, 10, 12, 12.5, 15, 16, 20, 24000 / 1001, 24, 25, 30000 / 1001, 30, 36, 48, 50]
COMMON += [60000 / 1001, 60, 72, 75, 90, 100, 120000 / 1001, 120, 144, 240]
"""rates that cameras and screens have"""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Which stored frame each frame that we give out shows."""

    stamps: Sequence[int]
    """time stamp of each stored frame, in the order they are shown"""
    counted: bool
    """the stamps do not tell frames apart, so that they are counted from the beginning of the file"""
    slots: Sequence[int]
    """frames given out before each frame of `shown`; rising, the first 0"""
    shown: Sequence[int]
    """places in `stamps` of the frames that are given out, rising"""
    length: int
    """frames given out"""
    fps: float
    keys: Sequence[tuple[int, int]]
    """(place in `stamps`, decoding time stamp) of the key frames, rising"""
    variable: bool
    faults: tuple[str, ...]
    """what is wrong with the file"""
    notes: tuple[str, ...]
    """the faults, and what was changed besides"""
    anew: Sequence[bytes] = ()
    """key frames of H.264, as they are stored, that begin with parameters of their own: their size may be another"""

    def source(self, index: int) -> int:
        """The place in `stamps` of the frame that is given out as number `index`."""
        return self.shown[bisect_right(self.slots, index) - 1]

    def on_the_way(self, now: int, index: int) -> bool:
        """Whether decoding that has come to number `now` gets to number `index` sooner than from a key frame."""
        here, there = self.source(now), self.source(index)
        nearest = bisect_right(self.keys, there, key=lambda key: key[0]) - 1
        return now <= index and (there - here <= NEAR or nearest < 0 or self.keys[nearest][0] <= here)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A packet: one stored frame. `cut`: it is there for others to refer to and not shown, as trimming leaves it."""

    pts: int | None
    dts: int | None
    key: bool
    duration: int = 0
    """ticks for which it is shown; 0: not known"""
    cut: bool = False

    @property
    def stamp(self) -> int | None:
        return self.dts if self.pts is None else self.pts


def timeline(container: InputContainer, stream: VideoStream) -> Timeline | None:
    """Read the packets of a stream to their end. None where it has no frame."""
    notes: list[str] = []
    anew: dict[tuple[bytes, ...], bytes] = {}
    kept = decodable(packets(container, stream, notes, anew), notes)
    if not kept:
        return None
    unit = float(stream.time_base or 1)
    times, counted = ordered(kept, unit, notes)
    counted = counted or container.format.name in UNTOLD
    order = sorted(range(len(kept)), key=times.__getitem__)
    clock = closed([times[i] for i in order], unit, notes)
    faults = tuple(notes)
    hold = last_hold(clock, kept[order[-1]].duration, unit)
    ends = [clock[-1] + hold] if container.format.name in ANIMATIONS and tells(clock, hold) else []
    slots, shown, fps, variable = raster([*clock, *ends], unit, stated_rate(stream), notes)
    if ends:
        slots, shown = slots[:-1], shown[:-1]
    length = max(slots[-1] + 1, round((clock[-1] - clock[0] + hold) * unit * fps) if variable else 0)
    place = {i: n for n, i in enumerate(order)}
    keys = [(place[i], p.dts if p.dts is not None else times[i]) for i, p in enumerate(kept) if p.key]
    return Timeline(
        stamps=[times[i] for i in order], counted=counted, slots=slots, shown=shown,
        length=length, fps=fps, keys=[] if counted else sorted(keys), variable=variable,
        faults=faults, notes=tuple(notes), anew=tuple(anew.values())[1:],
    )  # fmt: skip


def packets(
    container: InputContainer, stream: VideoStream, notes: list[str], anew: dict[tuple[bytes, ...], bytes]
) -> list[Stored]:
    """The frames that a file stores, in the order they are decoded, as far as it can be read. anew: takes the first key
    frame with each set of parameters, of H.264."""
    found: list[Stored] = []
    total, whole, begun, reached = 0, 0, False, 0.0
    said = stated_end(container, stream)
    name, framed = stream.codec_context.name, bytes(stream.codec_context.extradata or b"")[:1] == b"\x01"
    hidden = name in ("vp8", "libvpx")
    try:
        for p in container.demux() if said else container.demux(stream):
            if said and p.size and p.pts is not None and not p.is_corrupt:
                reached = max(reached, float((p.pts + (p.duration or 0)) * p.time_base))
            if p.stream.index != stream.index:
                continue
            total += bool(p.size)
            if p.size and not (hidden and unseen(p)):
                late = p.is_keyframe and name == "h264" and recovers_late(bytes(memoryview(p)[:HEAD]), framed=framed)
                key = p.is_keyframe and not (late and begun)
                begun |= key
                found.append(Stored(pts=p.pts, dts=p.dts, key=key, duration=p.duration or 0, cut=p.is_discard))
                whole = whole if p.is_corrupt else len(found)
                if p.is_keyframe and name == "h264" and len(anew) < MOST_SIZES:
                    sets = sequence_sets(bytes(memoryview(p)[:HEAD]), framed=framed)
                    if sets and sets not in anew:
                        anew[sets] = bytes(p)
    except av.FFmpegError:
        notes.append("it breaks off in the middle")
    there = total - len(found) + whole
    if container.format.name == "avi" and whole:  # it counts the places, too, in which the frame before is shown on
        there = max(there, (found[whole - 1].pts or 0) + 1)
    if there < stream.frames:
        notes.append(f"it is cut short: {whole} of {stream.frames} frames are there")
    elif said - reached > max(CLEARLY_MISSING, 2 * reached / max(1, whole)):
        notes.append(f"it is cut short: {reached:.1f} of {said:.1f} s are there")
    return found[:whole] or found


def stated_end(container: InputContainer, stream: VideoStream) -> float:
    """The second at which the last of all streams ends, where only the header's duration tells it: in Matroska, unless
    it was recorded live; else 0. A stream has a duration there where both were guessed from the size of the file."""
    told = container.format.name.startswith("matroska") and not stream.frames and stream.duration is None
    return (container.duration or 0) / av.time_base if told else 0.0


def unseen(packet: av.Packet) -> bool:
    """Whether a frame of VP8 is there for others to refer to and never shown."""
    return not bytes(packet)[0] & 0x10


def decodable(found: list[Stored], notes: list[str]) -> list[Stored]:
    """Those that are shown, without the frames before the first key frame, and those decoded after it that are shown
    before it."""
    first = next((i for i, p in enumerate(found) if p.key), 0)
    begin = found[first].stamp if found else None
    rest = [p for p in found[first:] if not p.cut and (begin is None or p.stamp is None or p.stamp >= begin)]
    lost = sum(not p.cut for p in found) - len(rest)
    if lost:
        notes.append(f"it begins between key frames, so that its first {frame_count(lost)} cannot be decoded")
    return rest


def ordered(kept: list[Stored], unit: float, notes: list[str]) -> tuple[list[int], bool]:
    """A time stamp per frame, and whether they had to be made up or moved, so that frames can only be counted."""
    stamps = [p.stamp for p in kept if p.stamp is not None]
    if len(stamps) < len(kept):
        return list(range(len(kept))), True
    jumps, equal = restarts(kept, unit), len(stamps) - len(set(stamps))
    if not jumps and equal > len(stamps) // 10:
        notes.append(f"{frame_count(equal)} have the time stamp of another, so that all are shown at the stated rate")
        return list(range(len(kept))), True
    if jumps or equal or any(p.pts is None for p in kept):
        if jumps:
            notes.append(f"its time stamps begin anew {jumps} times, and were joined" if jumps > 1
                         else "its time stamps begin anew on the way, and were joined")  # fmt: skip
        return joined(kept, unit), True
    return stamps, False


def restarts(kept: list[Stored], unit: float) -> int:
    """How often the decoding clock jumps back."""
    clock = [p.dts for p in kept if p.dts is not None]
    return sum((a - b) * unit > RESTART for a, b in pairwise(clock))


def joined(kept: list[Stored], unit: float) -> list[int]:
    """Stamps with every restart moved behind what came before it, and equal ones a tick apart."""
    out: list[int] = []
    taken: set[int] = set()
    offset, last, step = 0, None, max(1, round(0.04 / unit))
    for p in kept:
        stamp = (p.stamp or 0) + offset
        if last is not None and p.dts is not None and (last - p.dts) * unit > RESTART:
            offset = max(out) + step - (p.stamp or 0)
            stamp = (p.stamp or 0) + offset
        last = p.dts if p.dts is not None else last
        while stamp in taken:
            stamp += 1
        taken.add(stamp)
        out.append(stamp)
    return out


def closed(clock: list[int], unit: float, notes: list[str]) -> list[int]:
    """The clock without gaps that nobody can have meant."""
    steps = [b - a for a, b in pairwise(clock)]
    if not steps:
        return clock
    usual = median(steps)
    gap = longest_gap(steps, unit)
    if max(steps) <= gap:
        return clock
    longest = max(steps) * unit
    notes.append(f"its time stamps jump by up to {longest:,.0f} s; the gap is closed")
    out = [clock[0]]
    for step in steps:
        out.append(out[-1] + (step if step <= gap else round(usual)))
    return out


def longest_gap(steps: list[int], unit: float) -> float:
    """Ticks beyond which a step is none that anybody can have meant."""
    return max(LONGEST_HOLD / unit, 20 * median(steps))


def last_hold(clock: list[int], duration: int, unit: float) -> int:
    """Ticks for which the last frame is shown: the duration of its packet, 0 where it is not known or cannot be."""
    steps = [b - a for a, b in pairwise(clock)]
    return duration if steps and 0 < duration <= longest_gap(steps, unit) else 0


def tells(clock: list[int], hold: int) -> bool:
    """Whether the time for which the last frame is shown is known and tells of the rate: it is not about the usual
    step, or as even as the others to the tick."""
    if hold <= 0:
        return False
    mean = (clock[-1] - clock[0] + hold) / len(clock)
    to_the_tick = all(abs(t - clock[0] - i * mean) <= 1 for i, t in enumerate(clock))
    return to_the_tick or not even(clock) or round(hold * (len(clock) - 1) / (clock[-1] - clock[0])) != 1


def even(clock: list[int]) -> bool:
    """Whether the times lie one step apart, but for what rounding moves them."""
    mean = (clock[-1] - clock[0]) / (len(clock) - 1)
    return all(abs(t - clock[0] - i * mean) <= max(mean / 3, 1) for i, t in enumerate(clock))


def stated_rate(stream: VideoStream) -> float | None:
    """The rate that the file states, the stream's own guess first, or None."""
    rates = [stream.guessed_rate, stream.average_rate]
    return next((float(rate) for rate in rates if rate and 0 < rate <= MAX_RATE), None)


def raster(
    clock: list[int], unit: float, stated: float | None, notes: list[str]
) -> tuple[Sequence[int], Sequence[int], float, bool]:
    """(slots, shown, fps, whether the rate varies) of frames at the times of `clock`."""
    every = range(len(clock))
    steps = [b - a for a, b in pairwise(clock)]
    if not steps:
        return every, every, stated or 1.0, False
    if stated and all(abs(t - clock[0] - i / (stated * unit)) <= 1 for i, t in enumerate(clock)):
        return every, every, stated, False
    if even(clock):
        exact = len(steps) / ((clock[-1] - clock[0]) * unit)
        if exact > MAX_RATE and stated:
            return every, every, stated, False
        return every, every, nearest(exact, [stated] if stated else [], 0.01), False
    fps = fitting(
        clock, unit, 1 / (shortest_step(steps, 1 / (MAX_RATE * unit)) * unit), [*COMMON, *([stated] if stated else [])]
    )
    slots, shown = placed(clock, 1 / (fps * unit))
    lost = len(clock) - len(shown)
    notes.append(f"it has a variable frame rate and was resampled to {fps:.6g} fps"
                 + (f", which leaves out {frame_count(lost)}" if lost else ""))  # fmt: skip
    return slots, shown, fps, True


def shortest_step(steps: list[int], least: float) -> float:
    """The mean of the shortest steps of at least `least`, if one in twenty is about as short."""
    rising = sorted(step for step in steps if step >= least) or [max(steps)]
    need = max(1, len(rising) // 20)
    for i, step in enumerate(rising):
        end = bisect_right(rising, 1.2 * step)
        if end - i >= need:
            return sum(rising[i:end]) / (end - i)
    return rising[-1]


def nearest(fps: float, rates: Sequence[float], tolerance: float) -> float:
    """The nearest of `rates` where it is within `tolerance` (a fraction) of fps, else fps."""
    best = min(rates, key=lambda rate: abs(rate - fps), default=fps)
    return best if abs(best - fps) < tolerance * fps else fps


def fitting(clock: list[int], unit: float, fps: float, rates: Sequence[float]) -> float:
    """Of the rates within 2 % of fps the one whose raster the times lie closest to; fps itself where there is none."""

    def miss(rate: float) -> float:
        places = [(time - clock[0]) * unit * rate for time in clock]
        return sum(abs(place - round(place)) for place in places)

    return min((rate for rate in rates if abs(rate - fps) < 0.02 * fps), key=miss, default=fps)


def placed(clock: list[int], step: float) -> tuple[list[int], list[int]]:
    """The nearest place on the raster for each time, the next one where it is taken and free; else it is left out."""
    slots: list[int] = []
    shown: list[int] = []
    nearest = [round((time - clock[0]) / step) for time in clock]
    for i, (slot, following) in enumerate(zip(nearest, [*nearest[1:], nearest[-1] + 2], strict=True)):
        if slots and slot <= slots[-1]:
            if slots[-1] > slot or slot + 1 >= following:
                continue
            slot += 1
        slots.append(slot)
        shown.append(i)
    return slots, shown
