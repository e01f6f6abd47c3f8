"""Videos in other containers and codecs than our own mp4, and animations: the same writers, with a choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image
from torch import Tensor

from ..encoding import FORMATS, Encoding
from ..errors import MediaError
from ..files import beside
from ..memory import check_memory_for
from .colour import BT709, LIMITED
from .convert import as_frames
from .metadata import CROP_KEY, exif_of
from .sound import Sound, SoundFile
from .write import MP4, VideoWriter, rate_of

__all__ = ["EncodedWriter", "encode_video"]

FASTEST_GIF = 50.0
"""frames a second; shorter ones are shown for a tenth of a second by browsers"""
QUALITY = 85
"""of an animated webp"""


class EncodedWriter(VideoWriter):
    """A VideoWriter for any Encoding of a video; see `write.VideoWriter`."""

    def __init__(
        self,
        path: str | Path,
        height: int,
        width: int,
        fps: float,
        encoding: Encoding,
        *,
        metadata: dict[str, str] | None = None,
        sound: Sound | SoundFile | None = None,
    ) -> None:
        self.encoding, form = encoding, FORMATS[encoding.format]
        self.ending, self.muxer, self.sound_codec = encoding.ending, form.muxer, form.sound
        self.muxing = MP4 if form.muxer in ("mp4", "mov") else {}
        super().__init__(path, height, width, fps, metadata=metadata, sound=sound)
        if min(height, width) < encoding.chosen.least:
            raise MediaError(
                f"{encoding.name} is for pictures of at least {encoding.chosen.least} pixels a side, not"
                f" {width}x{height}; take {form.codecs[0]}"
            )
        halved = "444" not in encoding.pixels
        self.pad = (-height % 2 * halved, -width % 2 * halved)
        if not any(self.pad):
            self.tags.pop(CROP_KEY, None)

    def add_stream(self, container: OutputContainer) -> VideoStream:
        chosen, crf = self.encoding.chosen, self.encoding.crf
        quality = {} if chosen.crf is None else {"crf": str(crf if crf >= 0 else chosen.crf)}
        if chosen.encoder == "libx265":
            quality["x265-params"] = "log-level=error:weightp=0"  # weights of narrow pictures are of unset memory
        stream = cast(
            VideoStream,
            container.add_stream(chosen.encoder, rate=rate_of(self.fps), options=dict(chosen.options) | quality),
        )
        stream.height, stream.width = self.height + self.pad[0], self.width + self.pad[1]
        stream.pix_fmt = self.encoding.pixels
        if self.encoding.name == "h265" and self.muxer in ("mp4", "mov"):
            stream.codec_context.codec_tag = "hvc1"  # the one that Apple's players take
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        return stream

    def frame_of(self, pixels: np.ndarray) -> av.VideoFrame:
        if self.encoding.pixels == "yuv420p":
            return super().frame_of(pixels)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        made = frame.reformat(
            format=self.encoding.pixels, dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
        )
        made.colorspace, made.color_range = BT709, LIMITED
        return made


def encode_video(
    path: Path,
    frames: Iterable[Tensor],
    fps: float,
    encoding: Encoding,
    *,
    metadata: dict[str, str] | None = None,
    sound: Sound | SoundFile | None = None,
) -> int:
    """Write chunks of frames in any encoding; the number of frames. An animation has no sound, a gif no metadata."""
    parts = iter(frames)
    first = next(parts, None)
    if first is None:
        raise MediaError(f"{path} was given no frames.")
    first = as_frames(first)
    if encoding.animation:
        return write_animation(path, chain([first], parts), fps, encoding.format, metadata=metadata)
    height, width = first.shape[1:3]
    with EncodedWriter(path, height, width, fps, encoding, metadata=metadata, sound=sound) as writer:
        writer.write(first)
        for chunk in parts:
            writer.write(chunk)
    return writer.frames


def write_animation(
    path: Path, frames: Iterable[Tensor], fps: float, kind: str, *, metadata: dict[str, str] | None = None
) -> int:
    """Write a gif or webp that repeats for ever, all frames in memory. Raises MediaError for a gif of too many frames a
    second, ResourceError where they do not fit."""
    if kind == "gif" and fps > FASTEST_GIF:
        raise MediaError(
            f"a gif shows at most {FASTEST_GIF:g} frames a second and this video has {fps:g}; take every second one, or"
            " webp"
        )
    images = list(_pictures(path, frames))
    unit = 10 if kind == "gif" else 1  # milliseconds
    ends = [round(1000 * i / fps / unit) * unit for i in range(len(images) + 1)]
    durations = [end - start for start, end in pairwise(ends)]
    about = {"quality": QUALITY, "exif": exif_of(metadata)} if kind == "webp" else {"optimize": False}
    with beside(path) as part:
        images[0].save(
            part, format=kind.upper(), save_all=True, append_images=images[1:], loop=0,
            duration=durations if len(images) > 1 else durations[0], **about,
        )  # fmt: skip
    return len(images)


def _pictures(path: Path, frames: Iterable[Tensor]) -> Iterator[Image.Image]:
    for chunk in frames:
        pixels = as_frames(chunk).numpy()
        check_memory_for(4 * pixels.nbytes, f"the animation {path.name}", "cut it shorter, scale it down or take mp4")
        yield from (Image.fromarray(frame) for frame in pixels)
