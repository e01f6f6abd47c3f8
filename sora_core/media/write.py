"""Video files out: frames stream through x264 into an mp4 that plays everywhere.

The picture is yuv420p tagged BT.709, the form browsers, phones and ComfyUI take. That form needs even sides: an odd one
is padded by repeating its last row or column, and the true size travels in the tag `crop`, which our reader applies.
Nothing is scaled. Lossless files hold RGB as it is.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from torch import Tensor

from ..errors import MediaError
from ..files import beside, check_writable, write_error
from ..grid import VideoSize
from ..layers.surroundings import unaffected
from .colour import BT709, LIMITED, FromRgb
from .convert import as_frames
from .metadata import CROP_KEY, PICTURES
from .sound import Sound, SoundFile, track_of

__all__ = [
    "CRF", "ENCODER", "MP4", "VideoWriter", "check_output", "encoding_error", "estimated_bytes", "evened",
    "rate_of", "write_video",
]  # fmt: skip

ENCODER = {"preset": "veryfast", "mbtree": "0"}
"""x264's macroblock tree reads past its data at many widths, so that two runs differ; without it the same frames are
the same file"""

CRF = 18
"""x264's quality: 18 looks like the original, larger is smaller"""
MP4 = {"movflags": "use_metadata_tags+faststart"}
"""any tags, and what a player needs first at the beginning"""


FAITHFUL = {"x264-params": "bframes=0:trellis=1:chroma-qp-offset=-3"}
"""frames of two others' mean are rounded up, and what is weak in chroma is dropped: red and blue of natural clips rise
by .3 to .7 levels. So, they move by less than .3, most of which is the rounding to 8 bits, in about as many bytes."""


def rate_of(fps: float) -> Fraction:
    """The exact rate a decimal fps stands for: 23.976 is 24000/1001."""
    broadcast = Fraction(round(fps * 1.001) * 1000, 1001)
    return broadcast if abs(broadcast - fps) < 1e-5 * fps else Fraction(fps).limit_denominator(1_000_000)


def estimated_bytes(size: VideoSize) -> int:
    """Room to look for before sampling: 2 bits per pixel, far above what real pictures take at crf 18 (noise takes
    6)."""
    return size.frames * size.height * size.width // 4


def check_output(path: str | Path, size: VideoSize, *, room: int | None = None) -> None:
    """Raise, before any work, where a file of `size` could not be saved: MediaError for its ending, ResourceError for
    its place. room: bytes that making it takes on the disk, where that is more than the file."""
    path = Path(path)
    endings = PICTURES if size.frames == 1 else {".mp4"}
    if path.suffix.lower() not in endings:
        raise MediaError(
            f"a {'still (one frame)' if size.frames == 1 else 'video'} is saved as {' or '.join(sorted(endings))}, not"
            f" as {path.name}{' alone: put a name before it' if path.name.lower() in endings else ''}."
        )
    check_writable(path, estimated_bytes(size) if room is None else room)


def evened(height: int, width: int) -> str:
    """What is to be said of a video whose file has larger sides than asked for; nothing where they are even."""
    if height % 2 == 0 and width % 2 == 0:
        return ""
    wide, high = width + width % 2, height + height % 2
    return f"saved as {wide}x{high}: H.264 has even sides, so the last row or column of {width}x{height} is there twice"


def encoding_error(path: Path, error: av.FFmpegError) -> Exception:
    """What an error of the encoder or the file means for the user."""
    if isinstance(error, OSError) or error.errno == errno.ENOSPC:
        return write_error(path, OSError(error.errno, error.strerror))
    return MediaError(f"{path} cannot be encoded: {error}.")


class VideoWriter:
    """Writes an mp4 chunk by chunk, in memory that does not grow with its length.

    with VideoWriter("out.mp4", height, width, fps, metadata={"prompt": ...}) as writer:
        for chunk in chunks:          # uint8 [F,H,W,3] or float [1,3,F,H,W] in -1..1
            writer.write(chunk)

    The file appears under its name when the block ends and not at all when it raises. Raises ResourceError
    where the place cannot be written, MediaError for chunks of another size.

    sound: begins with the first frame, is heard as AAC, and is cut off where the frames end
    """

    ending, muxer, sound_codec = ".mp4", "mp4", "aac"
    muxing = MP4

    def __init__(
        self,
        path: str | Path,
        height: int,
        width: int,
        fps: float,
        *,
        metadata: dict[str, str] | None = None,
        lossless: bool = False,
        sound: Sound | SoundFile | None = None,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != self.ending:
            raise MediaError(f"a video is saved as {self.ending}, so {path} needs that ending.")
        size = VideoSize(frames=1, height=height, width=width, fps=fps)
        self.height, self.width, self.fps = size.height, size.width, size.fps
        self.lossless, self.sound = lossless, sound
        even = 1 if lossless else 2
        self.pad = (-height % even, -width % even)
        self.tags = dict(metadata or {})
        if any(self.pad):
            self.tags[CROP_KEY] = f"{width}x{height}"
        self.frames = 0
        self.to_yuv = FromRgb(height + self.pad[0], width + self.pad[1])

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            part = stack.enter_context(beside(self.path))
            self.container = av.open(str(part), "w", format=self.muxer, options=self.muxing)
            stack.callback(self.close_quietly)
            self.container.metadata.update(self.tags)
            self.stream = self.add_stream(self.container)
            self.track = track_of(self.container, self.sound, self.sound_codec)
            self.stack = stack.pop_all()
        return self

    def close_quietly(self) -> None:
        with suppress(av.FFmpegError):
            self.container.close()

    def add_stream(self, container: OutputContainer) -> VideoStream:
        codec, pixels = ("libx264rgb", "rgb24") if self.lossless else ("libx264", "yuv420p")
        quality = {"qp": "0"} if self.lossless else {"crf": str(CRF), **FAITHFUL}
        stream = cast(VideoStream, container.add_stream(codec, rate=rate_of(self.fps), options=ENCODER | quality))
        stream.height, stream.width = self.height + self.pad[0], self.width + self.pad[1]
        stream.pix_fmt = pixels
        if not self.lossless:
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED
        return stream

    def write(self, chunk: Tensor) -> None:
        """Append frames: uint8 [F,H,W,3] or float [1,3,F,H,W] in -1..1."""
        frames = as_frames(chunk).numpy()
        if frames.shape[1:3] != (self.height, self.width):
            given = f"{frames.shape[2]}x{frames.shape[1]}"
            raise MediaError(f"{self.path} is {self.width}x{self.height}, so it cannot take frames of {given}.")
        for pixels in frames:
            padded = np.pad(pixels, ((0, self.pad[0]), (0, self.pad[1]), (0, 0)), "edge") if any(self.pad) else pixels
            frame = self.frame_of(padded)
            frame.pts, frame.time_base = self.frames, 1 / rate_of(self.fps)
            self.encode(frame)
            self.frames += 1
            if self.track:
                self.track.until(self.frames / rate_of(self.fps))

    def frame_of(self, pixels: np.ndarray) -> av.VideoFrame:
        """RGB [H,W,3] as the encoder takes it."""
        return av.VideoFrame.from_ndarray(pixels, format="rgb24") if self.lossless else self.to_yuv(pixels)

    def encode(self, frame: av.VideoFrame | None) -> None:
        """One frame to the encoder, or None for what it still holds."""
        try:
            self.container.mux(self.stream.encode(frame))
        except av.FFmpegError as error:
            raise encoding_error(self.path, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.stack.__exit__(kind, error, trace)
            return
        with self.stack:
            if not self.frames:
                raise MediaError(f"{self.path} was given no frames.")
            self.encode(None)
            try:
                if self.track:
                    self.track.end()
                self.container.close()
            except av.FFmpegError as failed:
                raise encoding_error(self.path, failed) from failed


@unaffected
def write_video(
    path: str | Path,
    chunks: Tensor | Iterable[Tensor],
    fps: float,
    *,
    metadata: dict[str, str] | None = None,
    lossless: bool = False,
    sound: Sound | SoundFile | None = None,
) -> int:
    """Write one tensor, or an iterable of chunks, as an mp4; its size is that of the first chunk. Returns the frames
    written.

    sound: begins with the first frame; what is longer than the frames is cut off
    """
    parts = iter([chunks] if isinstance(chunks, Tensor) else chunks)
    first = next(parts, None)
    if first is None:
        raise MediaError(f"{path} was given no frames.")
    first = as_frames(first)
    height, width = first.shape[1:3]
    with VideoWriter(path, height, width, fps, metadata=metadata, lossless=lossless, sound=sound) as writer:
        writer.write(first)
        for chunk in parts:
            writer.write(chunk)
    return writer.frames
