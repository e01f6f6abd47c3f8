"""Video files in: frames stream out at one constant rate, upright, at their true size.

A first pass over the packets (nothing is decoded) tells when each frame is shown. A file of variable rate is resampled
to the rate of its most common step: each moment shows the latest frame that had begun, and a note says so.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from statistics import median

import av
import numpy as np
import torch
from av.container import InputContainer
from torch import Tensor

from ..errors import InputError, MediaError, ResourceError
from ..files import size_text
from .metadata import CROP_KEY

__all__ = ["MediaInfo", "Video", "iter_frames", "probe", "read_video"]


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


@dataclass(frozen=True, kw_only=True)
class Video:
    """Frames in memory: uint8 [F,H,W,3] at `fps`; the notes say what was changed on the way in."""

    frames: Tensor
    fps: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When the stored frames are shown, and which of them each frame that we give out is."""

    times: list[int]
    """time stamps of the stored frames in the stream's unit, rising"""
    sources: list[int]
    """per frame given out, the stored frame it shows"""
    fps: float
    variable: bool


def probe(path: str | Path) -> MediaInfo:
    """What a video file holds. Raises MediaError for a file that is missing, broken or has no video."""
    with opened(path) as container:
        return info(container, timeline(path, container))


def read_video(path: str | Path, *, start: int = 0, frames: int | None = None) -> Video:
    """`frames` frames from frame `start` (all that are left by default), in memory at once; short where the file ends.

    Raises MediaError as `probe` does, InputError where the file ends before `start`.
    """
    with opened(path) as container:
        times = timeline(path, container)
        pictures = gathered(decoded(path, container, times, start, frames), len(times.sources[start:][:frames]))
    notes = (resampled_note(path, times.fps),) if times.variable else ()
    return Video(frames=pictures, fps=times.fps, notes=notes)


def resampled_note(path: str | Path, fps: float) -> str:
    return f"{path} has a variable frame rate and was resampled to {fps:g} fps."


def gathered(pictures: Iterator[np.ndarray], count: int) -> Tensor:
    """`count` pictures as uint8 [F,H,W,3], in memory once. Raises ResourceError where there is no room for them."""
    first = next(pictures)
    try:
        frames = torch.empty((count, *first.shape), dtype=torch.uint8)
    except RuntimeError as error:
        need = size_text(count * first.size)
        raise ResourceError(
            f"{count} frames of {first.shape[1]}x{first.shape[0]} need {need} of memory; read fewer at once."
        ) from error
    for i, picture in enumerate(chain([first], pictures)):
        frames[i] = torch.from_numpy(picture)
    return frames


def iter_frames(path: str | Path, chunk: int, *, start: int = 0, frames: int | None = None) -> Iterator[Tensor]:
    """The same frames in chunks uint8 [F,H,W,3] of `chunk` frames, the last one shorter; one chunk is in memory at a
    time."""
    if chunk < 1:
        raise InputError(f"a chunk holds at least one frame, not {chunk}.")
    with opened(path) as container:
        stream = decoded(path, container, timeline(path, container), start, frames)
        while pictures := list(islice(stream, chunk)):
            yield torch.from_numpy(np.stack(pictures))


def iter_pictures(path: str | Path, times: Timeline, start: int) -> Iterator[np.ndarray]:
    """The pictures [H,W,3] of a file whose timeline is known, from frame `start` to the end."""
    with opened(path) as container:
        yield from decoded(path, container, times, start, None)


@contextmanager
def opened(path: str | Path) -> Iterator[InputContainer]:
    """The container of a file that has video; what goes wrong inside becomes a MediaError."""
    if not Path(path).is_file():
        raise MediaError(f"there is no video file {path}.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path} holds no video.")
            container.streams.video[0].thread_type = "AUTO"
            yield container
    except (av.FFmpegError, OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path} cannot be read as a video: {reason}.") from error


def timeline(path: str | Path, container: InputContainer) -> Timeline:
    """Read the packets of the video stream, then go back to the beginning."""
    stream = container.streams.video[0]
    packets = [p for p in container.demux(stream) if p.size and not p.is_discard]
    times = sorted(t for p in packets if (t := p.pts if p.pts is not None else p.dts) is not None)
    if len(times) < len(packets):
        times = list(range(len(packets)))
    if not times:
        raise MediaError(f"{path} holds no frames.")
    container.seek(0)
    known = float(stream.average_rate or stream.guessed_rate or 0)
    if len(times) == 1:
        return Timeline(times=times, sources=[0], fps=known or 1.0, variable=False)
    steps = [b - a for a, b in pairwise(times)]
    mean = (times[-1] - times[0]) / len(steps)
    steady = all(abs(t - times[0] - i * mean) <= max(mean / 2, 1) for i, t in enumerate(times))
    unit = float(stream.time_base or 1)
    if steady:
        exact = 1 / (mean * unit)
        fps = known if abs(known - exact) < 0.01 * exact else exact
        return Timeline(times=times, sources=list(range(len(times))), fps=fps, variable=False)
    step = median(s for s in steps if s > 0)
    count = round((times[-1] - times[0]) / step) + 1
    sources = [bisect_right(times, times[0] + (i + 0.01) * step) - 1 for i in range(count)]
    return Timeline(times=times, sources=sources, fps=round(1 / (step * unit), 3), variable=True)


def info(container: InputContainer, times: Timeline) -> MediaInfo:
    """Decodes the first frame, which alone knows its rotation."""
    first = next(container.decode(video=0), None)
    if first is None:
        raise MediaError(f"{container.name} holds no frame that can be decoded.")
    height, width = upright(first, true_size(container)).shape[:2]
    return MediaInfo(
        frames=len(times.sources),
        height=height,
        width=width,
        fps=times.fps,
        rotation=first.rotation,
        has_audio=bool(container.streams.audio),
        variable_rate=times.variable,
    )


def decoded(
    path: str | Path, container: InputContainer, times: Timeline, start: int, frames: int | None
) -> Iterator[np.ndarray]:
    """The frames given out from `start` on, each [H,W,3]; decodes from the last keyframe before it."""
    if not 0 <= start < len(times.sources):
        raise InputError(f"{path} has {len(times.sources)} frames, so none can be read from frame {start} on.")
    if frames is not None and frames < 1:
        raise InputError(f"at least one frame can be read, not {frames}.")
    wanted = times.sources[start : None if frames is None else start + frames]
    size, given = true_size(container), 0
    for index, frame in stored(container, times, wanted[0]):
        repeats = bisect_right(wanted, index) - bisect_left(wanted, index)
        if repeats:
            yield from [upright(frame, size)] * repeats
            given += repeats
        if given == len(wanted):
            return
    raise MediaError(f"{path} is damaged: {given} of {len(wanted)} frames could be decoded.")


def stored(container: InputContainer, times: Timeline, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Stored frames with their index, from a keyframe at or before `first`."""
    stream = container.streams.video[0]
    if first:
        container.seek(times.times[first], stream=stream)
    index = None if first else 0
    for frame in container.decode(stream):
        if index is None:
            index = bisect_left(times.times, frame.pts) if frame.pts is not None else 0
        yield index, frame
        index += 1


def true_size(container: InputContainer) -> tuple[int, int] | None:
    """Height and width inside the padding that our writer adds to odd sides."""
    width, _, height = container.metadata.get(CROP_KEY, "").partition("x")
    return (int(height), int(width)) if width.isdigit() and height.isdigit() else None


def upright(frame: av.VideoFrame, size: tuple[int, int] | None) -> np.ndarray:
    """RGB [H,W,3] without padding, turned as the file asks.

    The target's colour matrix means nothing for RGB, but older PyAV ignores the frame's own unless another is named.
    """
    pixels = frame.reformat(format="rgb24", dst_colorspace="ITU601").to_ndarray()
    if size:
        pixels = pixels[: size[0], : size[1]]
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
