"""From a video file to pictures: which stream, how its frames are shown, and the pass that decodes them.

A frame that cannot be decoded is replaced by the one before it, so that the others keep their time.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ..errors import MediaError
from .colour import Colours, ToRgb
from .containers import CONTAINERS, address
from .kinds import heic_note, not_a_video
from .metadata import CROP_KEY, tags_of
from .timing import Timeline

__all__ = ["Display", "Picture", "decoded", "opened", "pictures", "size_notes", "stored", "videos"]

ATTACHED_PICTURE = 0x400
EIGHT = 8
"""bits a colour of what is read"""
MAX_PIXELS = 1 << 28
"""per frame: 16384x16384"""
DAMAGED = "it is damaged: frames that cannot be decoded are replaced by the one before them"
MILD = 1.125
"""pixels nearer to square than that (those of 4:3 television) are not worth scaling every frame for"""
WIDEST_PIXEL = 8.0
"""an aspect ratio of pixels beyond this (or below its inverse) is a fault in the file"""
Picture = Callable[[], np.ndarray]
"""a decoded frame, turned into RGB uint8 [H,W,3] when it is asked for"""


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and the video stream of a file; what goes wrong inside becomes a MediaError."""
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        raise MediaError(f"there is no video file {path}.")
    if said := heic_note(path):
        raise MediaError(f"{path} cannot be read as a video: {said}.")
    try:
        with av.open(address(path), container_options=CONTAINERS) as container:
            stream = video_stream(path, container)
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError, UnicodeError) as error:
        raise MediaError(f"{path} cannot be read as a video: {not_a_video(path, error)}.") from error


def video_stream(path: str | Path, container: InputContainer) -> VideoStream:
    """The first stream of moving pictures."""
    stream = next(iter(videos(container)), None)
    if stream is None:
        raise MediaError(f"{path} holds no video.")
    context = stream.codec_context
    if context is None:
        raise MediaError(f"{path} has video of a kind that cannot be decoded here; convert it to H.264.")
    if context.width * context.height > MAX_PIXELS:
        size = f"{context.width}x{context.height}"
        raise MediaError(f"{path} has frames of {size}, and at most {MAX_PIXELS:,} pixels are read; scale it.")
    return stream


def videos(container: InputContainer) -> list[VideoStream]:
    """The streams of pictures: the cover of a song is none, nor is the one that stands for an AVIF that moves, or its
    transparency."""
    found = moving(container)
    return found[:1] if is_avif(container) else found


def moving(container: InputContainer) -> list[VideoStream]:
    """Those and the transparency of an AVIF."""
    found = [stream for stream in container.streams.video if not is_cover(stream)]
    return [stream for stream in found if stream.frames != 1] or found


def is_avif(container: InputContainer) -> bool:
    """Whether a file is an AVIF that moves, whose second stream is its transparency."""
    return tags_of(container).get("major_brand") == "avis"


def is_cover(stream: Stream) -> bool:
    """Whether a stream is the one picture that stands for a song or film."""
    disposition = getattr(stream, "disposition", 0)
    return bool(int(getattr(disposition, "value", disposition)) & ATTACHED_PICTURE)  # plain Flag before PyAV 16


@dataclass(frozen=True, kw_only=True)
class Display:
    """How stored frames become the pictures that are shown."""

    scaled: tuple[int, int]
    """height and width with square pixels"""
    crop: tuple[int, int] | None
    """height and width inside the padding that our writer adds to odd sides"""
    turns: int
    """quarter turns counter-clockwise"""
    mirrored: bool
    """whether it is turned upside down in a mirror before"""
    colours: Colours
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        height, width = self.crop or self.scaled
        return (width, height) if self.turns % 2 else (height, width)

    def picture(self, frame: av.VideoFrame, to_rgb: ToRgb) -> np.ndarray:
        """RGB uint8 [H,W,3], upright, of the same size for every frame."""
        pixels = to_rgb(frame, self.scaled)
        if self.crop:
            pixels = pixels[: self.crop[0], : self.crop[1]]
        return np.ascontiguousarray(np.rot90(pixels[::-1] if self.mirrored else pixels, self.turns))

    @staticmethod
    def of(container: InputContainer, stream: VideoStream, first: av.VideoFrame) -> Display:
        """As the container and the first frame, which alone knows its rotation, say."""
        colours = Colours.of(first, stream.codec_context)
        notes = colours.notes
        bits = max((part.bits for part in first.format.components), default=8)
        if bits > EIGHT and not any("dynamic range" in note for note in notes):
            notes.append(f"its {bits} bits a colour are read as {EIGHT}")
        notes += left_out(container, stream, first)
        scaled = square(first, stream, notes)
        crop = None
        if tag := tags_of(container).get(CROP_KEY):
            crop = true_size(tag, scaled, notes)
        rotation = getattr(first, "rotation", 0) or 0
        if rotation % 90:
            notes.append(f"its turn by {rotation} degrees is rounded to a quarter turn")
        return Display(
            colours=colours, scaled=scaled, crop=crop, turns=round(rotation / 90) % 4, mirrored=is_mirrored(first),
            notes=tuple(notes),
        )  # fmt: skip


def is_mirrored(frame: av.VideoFrame) -> bool:
    """Whether a frame is shown in a mirror, as some front cameras have it: left and right are exchanged in its display
    matrix of 3x3 integers."""
    matrix = cast("Buffer | None", frame.side_data.get("DISPLAYMATRIX"))
    if matrix is None:
        return False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return bool(a * d - b * c < 0)


def left_out(container: InputContainer, stream: VideoStream, first: av.VideoFrame) -> Iterator[str]:
    """What a file holds beside the frames and the sound that are read."""
    for count, what in ((len(videos(container)), "videos"), (len(container.streams.audio), "sound tracks")):
        if count > 1:
            yield f"the first of its {count} {what} is the one that is read"
    chapters = hasattr(container, "chapters") and container.chapters()  # PyAV 14 and later
    if gone := [what for what, there in (("subtitles", container.streams.subtitles), ("chapters", chapters)) if there]:
        yield f"its {' and '.join(gone)} are left out"
    see_through = any(part.is_alpha for part in first.format.components) and stream.codec_context.name != "gif"
    see_through |= is_avif(container) and len(moving(container)) > 1
    if see_through or {name.lower(): value for name, value in stream.metadata.items()}.get("alpha_mode") == "1":
        yield "its transparency is not read"
    if first.interlaced_frame:
        yield "it is interlaced and read as it is; deinterlace it first where moving edges look like combs"


def square(frame: av.VideoFrame, stream: VideoStream, notes: list[str]) -> tuple[int, int]:
    """Height and width of a frame with square pixels: the side that would shrink stays as it is, so does a frame whose
    pixels are nearly square."""
    height, width = frame.height, frame.width
    ratio = float(stream.sample_aspect_ratio or 1)
    if ratio == 1 or ratio <= 0:
        return height, width
    shown = (height, round(width * ratio)) if ratio > 1 else (round(height / ratio), width)
    if not 1 / WIDEST_PIXEL <= ratio <= WIDEST_PIXEL or shown[0] * shown[1] > MAX_PIXELS:
        notes.append(f"it states pixels of {ratio:.4g}:1, which is ignored")
        return height, width
    if max(ratio, 1 / ratio) < MILD:
        notes.append(f"its pixels are {ratio:.4g}:1 and are shown as square ones, untouched")
        return height, width
    if shown != (height, width):
        notes.append(f"its pixels are {ratio:.4g}:1, so {width}x{height} is shown as {shown[1]}x{shown[0]}")
    return shown


def true_size(tag: str, stored: tuple[int, int], notes: list[str]) -> tuple[int, int] | None:
    """The size `WxH` in the tag of our writer, which pads each side by at most one; None for any other tag."""
    width, _, height = tag.partition("x")
    if all(side.isascii() and side.isdigit() and len(side) < 7 for side in (width, height)):
        size = int(height), int(width)
        if all(side > 0 and padded - side in (0, 1) for side, padded in zip(size, stored, strict=True)):
            return size
    notes.append(f"its tag {CROP_KEY!r} says {tag[:20]!r}, which cannot be of {stored[1]}x{stored[0]} and is ignored")
    return None


def pictures(
    path: str | Path, times: Timeline, display: Display, start: int, note: Callable[[str], None]
) -> Iterator[Picture]:
    """The pictures that are given out from number `start` on."""
    want, held, place, to_rgb = start, None, -1, ToRgb(display.colours)
    for index, frame in stored(path, times, times.source(start)):
        if want < times.length and times.source(want) < index:  # what lies before is not turned into colours
            shown = cache(partial(display.picture, frame if held is None else held, to_rgb))
            while want < times.length and times.source(want) < index:
                if times.source(want) != place:
                    note(DAMAGED)
                yield shown
                want += 1
        if want == times.length:
            return
        if held is not None and (frame.height, frame.width) != (held.height, held.width):
            note(resized_note(frame))
        held, place = frame, index
    if held is None:
        raise MediaError(f"{path} is damaged: no frame from number {start} on can be decoded.")
    shown = cache(partial(display.picture, held, to_rgb))
    while want < times.length:
        if times.source(want) != place:
            note(DAMAGED)
        yield shown
        want += 1


def resized_note(frame: av.VideoFrame) -> str:
    """What is said of a frame of another size than those before it."""
    return f"its frames change size to {frame.width}x{frame.height} on the way, and are scaled"


def size_notes(stream: VideoStream, first: av.VideoFrame, times: Timeline) -> Iterator[str]:
    """What is said of the sizes that a file of H.264 changes to, seen from the key frames where that can happen."""
    for packet in times.anew:
        context = cast(VideoCodecContext, av.CodecContext.create("h264", "r"))
        context.extradata = stream.codec_context.extradata
        with suppress(av.FFmpegError):
            for frame in [*context.decode(av.Packet(packet)), *context.decode(None)]:
                if (frame.height, frame.width) != (first.height, first.width):
                    yield resized_note(frame)


def stored(path: str | Path, times: Timeline, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decoded frames with their place, from one at or before `first` on: from the key frame, or the beginning."""
    keys = [place for place, _ in times.keys]
    nearest = bisect_right(keys, first) - 1
    for seek in [times.keys[nearest][1], None] if nearest > 0 else [None]:
        with opened(path) as (container, stream):
            if seek is not None:
                container.seek(seek, stream=stream)
            begun = False
            for place, frame in placed(container, stream, times, first):
                if not begun and seek is not None and place > first:
                    break  # the container's index led behind it
                begun = True
                yield place, frame
            else:
                return


def placed(
    container: InputContainer, stream: VideoStream, times: Timeline, first: int
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decoded frames with their place, from where the container stands; of those before `first` the ones that others
    need."""
    last, from_stamp = -1, None if times.counted else times.stamps[first]
    for frame in decoded(container, stream, bool(times.keys), from_stamp):
        if times.counted or frame.pts is None:
            place = last + 1
        else:
            place = bisect_left(times.stamps, frame.pts)
            if place == len(times.stamps) or times.stamps[place] != frame.pts:
                continue
        if last < place < len(times.stamps):
            yield place, frame
            last = place


def decoded(
    container: InputContainer, stream: VideoStream, keys: bool, from_stamp: int | None
) -> Iterator[av.VideoFrame]:
    """What can be decoded from here on; with `keys`, what comes before the first key frame is left out. Of H.264, so
    are frames before a time stamp that no other one refers to."""
    context = stream.codec_context
    begin = from_stamp if context.name == "h264" else None
    for packet in whole(container.demux(stream)):
        if keys and not packet.is_keyframe:
            continue
        keys = False
        if begin is not None:
            context.skip_frame = "NONREF" if packet.pts is not None and packet.pts < begin else "DEFAULT"
        with suppress(av.FFmpegError):
            yield from context.decode(packet)
    with suppress(av.FFmpegError):
        yield from context.decode(None)


def whole(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """The packets with data up to where the file breaks off: half a frame at the end would take those with it that the
    decoder still holds."""
    doubtful: list[av.Packet] = []
    with suppress(av.FFmpegError):
        for packet in packets:
            if packet.size:
                doubtful.append(packet)
            if packet.size and not packet.is_corrupt:
                yield from doubtful
                doubtful = []
