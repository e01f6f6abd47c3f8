"""Sound of video files, in and out: a waveform on the time of the first frame."""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, cast

import av
import numpy as np
import torch
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream
from torch import Tensor

from ..errors import MediaError
from ..memory import check_memory_for
from .decode import decoded, opened
from .timing import stated_rate

__all__ = ["Sound", "SoundFile", "Track", "read_sound", "resampled", "track_of", "unheard_note"]

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""what AAC can hold, by channels"""
WIDER = {("libopus", "4.0"): "5.1"}
"""the layout in which each channel keeps its speaker, where a codec does not hold its own"""
SPEAKERS = ["FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"]
"""in the usual order of channels"""
RATES = {
    "aac": {96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350},
    "libopus": {48000, 24000, 16000, 12000, 8000},
}
"""samples a second that a codec takes"""
USUAL_RATE = 48000
"""samples a second that any other rate is turned into"""
TAIL = 0.3
"""seconds of sound behind the last frame that are worth a word: many encoders leave a tenth"""
GAP = 0.1
"""seconds between the stamps of sound from which silence is heard there"""
GUESSED = {"mpeg", "mpegts", "asf"}
"""containers whose streams' durations are guessed from the last bytes, often too short, or those of the whole file"""
LONGEST_GAP = 60
"""seconds; stamps that are further apart are of two clocks"""
MATROSKA_TIME = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)
"""how long a stream is, as Matroska's tag says it"""
HELD = {"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"}
"""codecs of sound that an mp4 holds"""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A waveform [C,S] float32 in -1..1, S samples at `rate` a second."""

    waveform: Tensor
    rate: int
    note: str = ""
    """what of it could not be read, in a sentence; empty where it is whole"""

    def __post_init__(self) -> None:
        if self.waveform.ndim != 2 or not len(self.waveform) or not 0 < self.rate <= 768_000:
            raise MediaError(f"sound is a waveform [C,S] at a rate, not {list(self.waveform.shape)} at {self.rate}.")
        check_numbers(self.waveform, self.rate)


@dataclass(frozen=True, kw_only=True)
class SoundFile:
    """The first sound stream of a video file, to be copied as it is."""

    path: Path
    start: float
    """second of the finished clip at which the file's first frame is shown"""
    rate: int
    """samples a second"""
    end: float | None = None
    """second of the clip at which the file's last frame ends, and what is heard of it; None: not before the clip"""

    @staticmethod
    def of(path: Path, start: float) -> SoundFile | None:
        """The sound of a file that begins at that second of the clip, or None where it cannot be copied into an mp4."""
        with opened(path) as (container, _):
            context = container.streams.audio[0].codec_context if container.streams.audio else None
            if context is None or context.name not in HELD or not context.rate:
                return None
        shown = shown_seconds(path, first_second(path))
        return SoundFile(path=path, start=start, rate=context.rate, end=None if shown is None else start + float(shown))


def check_numbers(waveform: Tensor, rate: float) -> None:
    """Raises MediaError where a waveform [...,S] holds NaN or infinity, which would be written as silence or noise."""
    if not waveform.numel() or all(bool(bound.isfinite()) for bound in waveform.aminmax()):
        return
    wrong = (~waveform.isfinite()).flatten(0, -2).any(0)
    raise MediaError(
        f"{int(wrong.sum())} of the {len(wrong)} samples of this sound are NaN or infinite, the first at"
        f" {int(wrong.nonzero()[0]) / rate:.2f} s; give other sound, or none."
    )


def first_second(path: str | Path) -> Fraction:
    """The second of a file's clock at which its first frame is shown. Where the first frames have no time stamp, it is
    counted back from the first one that has."""
    with opened(path) as (container, video):
        unit, rate = video.time_base or Fraction(0), stated_rate(video)
        start = (video.start_time or 0) * unit
        first = next((packet for packet in container.demux(video) if packet.size), None)
        if first is None or first.pts is not None or first.dts is not None or video.start_time is None or not rate:
            return start
    with opened(path) as (container, video):
        for count, frame in enumerate(decoded(container, video, keys=True, from_stamp=None)):
            if frame.pts is not None:
                return frame.pts * unit - count / Fraction(rate).limit_denominator(1001)
    return start


def unheard_note(path: Path) -> str:
    """What is to be said of a file whose sound begins before its frames, or goes on behind them; empty where it does
    not."""
    first = first_second(path)
    shown = shown_seconds(path, first)
    heard = heard_seconds(path, first)
    said = []
    if (early := early_seconds(path, first)) >= TAIL:
        said.append(f"begins {float(early):.1f} s before its first frame")
    if shown and heard and heard - shown >= TAIL:
        said.append(f"goes on for {float(heard - shown):.1f} s behind its last frame")
    return f"{path.name}: its sound {' and '.join(said)}, and is cut there." if said else ""


def early_seconds(path: str | Path, first: Fraction) -> Fraction:
    """How long before the first frame the sound of a file begins; 0 where it does not, or on a clock of its own."""
    with opened(path) as (container, _):
        streams = container.streams.audio
        begin = (streams[0].start_time or 0) * (streams[0].time_base or Fraction(0)) if streams else first
    return early if 0 < (early := first - begin) < LONGEST_GAP else Fraction(0)


def shown_seconds(path: str | Path, first: Fraction) -> Fraction | None:
    """How long the frames of a file are shown; `first`: the second at which they begin. None where nothing tells."""
    with opened(path) as (container, video):
        if video.duration and video.time_base and container.format.name not in GUESSED:
            return video.duration * video.time_base
        return seconds_until_end(container, video, first)


def heard_seconds(path: str | Path, first: Fraction) -> Fraction | None:
    """How long after the first frame the sound of a file ends; None where there is none, or nothing tells."""
    with opened(path) as (container, _):
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        if stream.duration and stream.time_base and container.format.name not in GUESSED:
            return ((stream.start_time or 0) + stream.duration) * stream.time_base - first
        return seconds_until_end(container, stream, first)


def seconds_until_end(container: InputContainer, stream: VideoStream | AudioStream, first: Fraction) -> Fraction | None:
    """The end of a stream that states no duration: as Matroska's tag says it, else that of its last packet."""
    if said := MATROSKA_TIME.fullmatch(stream.metadata.get("DURATION", "")):
        until = 3600 * int(said[1]) + 60 * int(said[2]) + Fraction(said[3])
        return max(until - first, Fraction(0)) or None  # the tag is an end: it counts from second 0 of the clock
    last = None
    with suppress(av.FFmpegError):  # a file that breaks off: what came before counts
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                last = max(last or packet.pts, packet.pts + (packet.duration or 0))
    return None if last is None else last * (stream.time_base or Fraction(0)) - first


def read_sound(path: str | Path, *, whole: bool = False) -> Sound | None:
    """The first sound stream of a video file from its first frame to the end of its last, where the header says when
    that is; None where there is none.

    whole: and what is heard when the frames have ended. Raises MediaError for sound that cannot be decoded,
    ResourceError where it does not fit into memory.
    """
    with opened(path) as (container, _):
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        if stream.codec_context is None or not stream.codec_context.rate:
            raise MediaError(f"{path} has sound of a kind that cannot be decoded here.")
        rate = stream.codec_context.rate
        parts, begin, lost = samples(path, container, stream)
        if not parts:
            raise MediaError(f"{path} has sound that cannot be decoded.")
        wave = np.concatenate(parts, 1)
        first = first_second(path)
        late = begin - float(first)
        heard = torch.from_numpy(shifted(wave, round(late * rate)))
        shown = None if whole else shown_seconds(path, first)
        note = f"{Path(path).name}: {lost:.1f} s of its sound cannot be read, and are silent." if lost > GAP else ""
        return Sound(waveform=heard if shown is None else heard[:, : round(shown * rate)], rate=rate, note=note)


def samples(path: str | Path, container: InputContainer, stream: AudioStream) -> tuple[list[np.ndarray], float, float]:
    """Decoded parts [C,S], all of the form of the first, the second at which they begin, and how many seconds are
    broken or missing. Those are silent, so that what follows keeps its place; so is what is no number."""
    context, unit = stream.codec_context, stream.time_base or Fraction(0)
    form, order = channels_of(context)
    if not form.nb_channels:
        raise MediaError(f"{path} has sound of a kind that cannot be decoded here.")
    seconds = (container.duration or 0) / av.time_base
    check_memory_for(round(8 * seconds * context.rate * form.nb_channels), f"the sound of {path}", "cut the file")
    resampler = av.AudioResampler(format="flt", layout=form, rate=context.rate)
    parts: list[np.ndarray] = []
    begin, count = 0.0, 0
    stop, broken = Fraction(0), Fraction(0)
    try:
        for packet in container.demux(stream):
            length = (packet.duration or 0) * unit
            stop = max(stop, (packet.pts or 0) * unit + length)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                broken += length
                continue
            for frame in frames:
                if frame.pts is not None and frame.time_base:
                    second = float(frame.pts * frame.time_base)
                    if not parts:
                        begin = second
                    elif GAP < (gap := second - begin - count / context.rate) < LONGEST_GAP:
                        parts.append(np.zeros((len(parts[0]), round(gap * context.rate)), np.float32))
                        count += parts[-1].shape[1]
                frame.pts = None
                count += frame.samples
                parts += [waveform_of(part)[order] for part in resampler.resample(frame)]
    except av.FFmpegError:
        pass  # a file that breaks off: what came before is kept
    parts += [waveform_of(part)[order] for part in resampler.resample(None)]
    stated = ((stream.start_time or 0) + stream.duration) * unit if stream.duration else stop
    cut = stated - stop if stated - stop > TAIL else 0
    return [np.nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0) for part in parts], begin, float(broken + cut)


def channels_of(context: AudioCodecContext) -> tuple[av.AudioLayout, list[int] | slice]:
    """The layout in which sound is read, and the channels of it in the usual order.

    The layout is the file's own where channels of that number are written so, else a wider one in which each keeps its
    speaker. A mov may have any order; what it says of it is read once here, and then replaced: every reading makes
    PyAV 18 free it.
    """
    own = context.layout
    name, count = own.name, own.nb_channels
    if "+" in name:
        speakers = [channel.name for channel in own.channels]
        known = {*speakers} <= {*SPEAKERS}
        order = sorted(range(count), key=lambda i: SPEAKERS.index(speakers[i])) if known else [*range(count)]
        context.layout = "+".join(speakers[i] for i in order) if known else f"{count} channels"
        return context.layout, order
    usual = name.removesuffix("(side)") in LAYOUTS.values() or "channels" in name or count > 8
    return own if usual else av.AudioLayout("5.1" if count <= 6 else "7.1"), slice(None)


def waveform_of(frame: av.AudioFrame) -> np.ndarray:
    """[C,S] of a frame in float, channels side by side: PyAV 18 reads beyond the planes of eight channels."""
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T


def shifted(wave: np.ndarray, late: int) -> np.ndarray:
    """[C,S] with `late` samples of silence before it, or without its first ones where it begins early."""
    if abs(late) > LONGEST_GAP * USUAL_RATE:
        return wave  # stamps of two clocks
    return np.pad(wave, ((0, 0), (late, 0))) if late > 0 else np.ascontiguousarray(wave[:, -late:])


def resampled(wave: Tensor, rate: int, to: int) -> Tensor:
    """A waveform [C,S] of `rate` samples a second at another rate."""
    if rate == to or not wave.shape[1]:
        return wave
    channels = []
    for channel in wave.detach().cpu().float().numpy():
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channel[None]), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=to)
        parts = [*resampler.resample(frame), *resampler.resample(None)]
        channels.append(np.concatenate([part.to_ndarray() for part in parts], 1))
    return torch.from_numpy(np.concatenate(channels))


class Track(Protocol):
    """The sound of a file that is being written."""

    def until(self, seconds: Fraction | float) -> None:
        """Hand over what is heard before that second of the clip."""

    def end(self) -> None:
        """Hand over what is left of that."""


def track_of(container: OutputContainer, sound: Sound | SoundFile | None, codec: str = "aac") -> Track | None:
    """The track of a file that is being written, for its sound."""
    if isinstance(sound, SoundFile):
        return CopiedTrack(container, sound)
    return None if sound is None else SoundTrack(container, sound, codec)


class CopiedTrack:
    """Sound whose packets are copied, cut where the frames end, those of the clip or those that it came with."""

    def __init__(self, container: OutputContainer, sound: SoundFile) -> None:
        self.container, self.last = container, float("inf") if sound.end is None else sound.end
        self.open = ExitStack()
        given, _ = self.open.enter_context(opened(sound.path))
        source = given.streams.audio[0]
        self.stream = container.add_stream_from_template(source)
        self.unit = source.time_base or Fraction(1, source.codec_context.rate)
        begin = Fraction(sound.start).limit_denominator(1_000_000) - first_second(sound.path)
        self.late = round(begin / self.unit)
        self.packets = (packet for packet in given.demux(source) if packet.size and packet.dts is not None)
        self.waiting = next(self.packets, None)

    def until(self, seconds: Fraction | float) -> None:
        while self.waiting is not None:
            stamp = self.waiting.dts if self.waiting.pts is None else self.waiting.pts
            if ((stamp or 0) + self.late) * self.unit >= min(seconds, self.last):
                return
            packet, self.waiting = self.waiting, next(self.packets, None)
            packet.pts, packet.dts = (stamp or 0) + self.late, (packet.dts or 0) + self.late
            packet.stream = self.stream
            self.container.mux(packet)

    def end(self) -> None:
        self.open.close()


class SoundTrack:
    """The sound of a file that is being written: AAC, or what the container holds, handed over as the frames come, cut
    where they end."""

    def __init__(self, container: OutputContainer, sound: Sound, codec: str = "aac") -> None:
        wave = sound.waveform.detach().float().cpu().clamp(-1, 1)
        if len(wave) not in LAYOUTS:
            wave = wave.mean(0, keepdim=True)
        self.wave, self.rate = wave.contiguous().numpy(), sound.rate
        self.layout = LAYOUTS[len(wave)]
        rate = self.rate if self.rate in RATES[codec] else USUAL_RATE
        self.stream = cast(AudioStream, container.add_stream(codec, rate=rate))
        self.stream.codec_context.layout = WIDER.get((codec, self.layout), self.layout)
        self.container, self.given = container, 0

    def until(self, seconds: Fraction | float) -> None:
        end = min(self.wave.shape[1], round(seconds * self.rate))
        if end <= self.given:
            return
        packed = np.ascontiguousarray(self.wave[:, self.given : end].T).reshape(1, -1)  # see `waveform_of`
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=self.layout)
        frame.rate, frame.pts, frame.time_base = self.rate, self.given, Fraction(1, self.rate)
        self.container.mux(self.stream.encode(frame))
        self.given = end

    def end(self) -> None:
        self.container.mux(self.stream.encode(None))
