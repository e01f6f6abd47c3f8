"""Writes a `Splice`: packets that are copied and frames that are encoded become one stream of an mp4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from torch import Tensor

from ..errors import MediaError
from ..files import beside
from .colour import FromRgb
from .convert import as_frames
from .decode import opened
from .h264 import MOST_SETS, ParameterSets, framed
from .metadata import CROP_KEY
from .sound import Sound, SoundFile, track_of
from .source import check_same
from .splice import Copy, Form, Piece, Splice
from .write import CRF, ENCODER, MP4, encoding_error, rate_of

__all__ = ["write_splice"]

CHUNK = 16
"""packets of pictures after which the sound follows"""
Frames = Callable[[Sequence[Piece]], Iterable[Tensor]]
"""the frames of pieces in a row, in chunks"""


def write_splice(
    path: Path,
    splice: Splice,
    frames: Frames,
    *,
    metadata: dict[str, str] | None = None,
    sound: Sound | SoundFile | None = None,
) -> int:
    """Write a splice that copies something as an mp4, whole or not at all; returns its frames.

    frames: gives those of the runs that are encoded. Raises what `VideoWriter` does.
    """
    form, sets = splice.form, splice.sets
    if form is None or sets is None:
        raise MediaError(f"{path} has no part that is copied.")
    number, all_sets = free_number(form, splice.fps, sets)
    tags = dict(metadata or {})
    if form.crop:
        tags[CROP_KEY] = f"{form.crop[1]}x{form.crop[0]}"
    options = MP4 | ({"movie_timescale": str(sound.rate)} if isinstance(sound, SoundFile) else {})  # when it begins
    with beside(path) as part:
        try:
            with av.open(str(part), "w", format="mp4", options=options) as container:
                container.metadata.update(tags)
                stream = Stream(container, splice, all_sets)
                track = track_of(container, sound)
                for run in splice.runs:
                    packets = copied(run) if isinstance(run, Copy) else encoded(frames(run), form, splice.fps, number)
                    for packet, place in packets:
                        stream.add(packet, place)
                        if track and stream.count % CHUNK == 0:
                            track.until(stream.count / stream.rate)
                    stream.end_run(run)
                    if track:
                        track.until(stream.begun / stream.rate)
                if track:
                    track.end()
        except av.FFmpegError as error:
            raise encoding_error(path, error) from error
    return stream.begun


class Stream:
    """The stream of pictures, on one even clock of frames."""

    def __init__(self, container: OutputContainer, splice: Splice, sets: ParameterSets) -> None:
        source = next(run.source for run in splice.runs if isinstance(run, Copy))
        with opened(source.path) as (_, given):
            self.stream = container.add_stream_from_template(given)
            self.stream.codec_context.extradata = sets.record()
        self.rate = rate_of(splice.fps)
        self.stream.time_base = 1 / self.rate
        self.container, self.delay = container, splice.delay
        self.count, self.begun = 0, 0

    def add(self, packet: av.Packet, place: int) -> None:
        """A packet, and the place of its frame in the run."""
        shown, decoded = self.begun + place, self.count - self.delay
        if shown < decoded:
            raise MediaError("the encoder holds more frames back than was planned; this is a fault of ours.")
        packet.stream, packet.time_base = self.stream, 1 / self.rate
        packet.pts, packet.dts, packet.duration = shown, decoded, 1
        self.container.mux(packet)
        self.count += 1

    def end_run(self, run: Copy | Sequence[Piece]) -> None:
        """What follows is shown behind this run. Raises MediaError where frames were missing from it."""
        length = run.length if isinstance(run, Copy) else sum(piece.length for piece in run)
        self.begun += length
        if self.count != self.begun:
            raise MediaError(f"a part of {length} frames ended after {self.count - self.begun + length}.")


def copied(run: Copy) -> Iterator[tuple[av.Packet, int]]:
    """The packets of a run, each with the place of its frame in it."""
    places = {stamp: place for place, stamp in enumerate(run.source.times.stamps)}
    check_same(run.source.path, run.source.state)
    with opened(run.source.path) as (container, stream):
        given = (packet for packet in container.demux(stream) if packet.size)
        for count, packet in enumerate(given):
            if count == run.stop:
                return
            if count >= run.first:
                place = places.get(packet.pts) if packet.pts is not None else None
                if place is None:
                    raise MediaError(f"{run.source.path} was changed while it was read.")
                yield packet, place - run.first


def encoded(chunks: Iterable[Tensor], form: Form, fps: float, number: int) -> Iterator[tuple[av.Packet, int]]:
    """The packets of frames that are encoded on their own, each with the place of its frame among them."""
    context = encoder(form, fps, number)
    to_yuv = FromRgb(form.height, form.width, matrix=form.matrix, full=form.full)
    given = 0

    def packets(frame: av.VideoFrame | None) -> Iterator[tuple[av.Packet, int]]:
        for packet in context.encode(frame):
            fresh = av.Packet(framed(bytes(packet)))
            fresh.is_keyframe = packet.is_keyframe
            yield fresh, int(packet.pts or 0)

    for chunk in chunks:
        for pixels in as_frames(chunk).numpy():
            below, right = form.height - pixels.shape[0], form.width - pixels.shape[1]
            padded = np.pad(pixels, ((0, below), (0, right), (0, 0)), "edge") if below or right else pixels
            frame = to_yuv(padded)
            frame.pts, frame.time_base = given, context.time_base
            given += 1
            yield from packets(frame)
    yield from packets(None)


def encoder(form: Form, fps: float, number: int) -> VideoCodecContext:
    """x264 for frames of a form, with parameter sets of that number."""
    context = cast(VideoCodecContext, av.CodecContext.create("libx264", "w"))
    context.width, context.height, context.pix_fmt = form.width, form.height, "yuv420p"
    context.time_base, context.framerate = 1 / rate_of(fps), rate_of(fps)
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = form.tags
    context.options = ENCODER | {"crf": str(CRF), "x264-params": f"sps-id={number}"}
    context.flags |= Flags.global_header
    context.open()
    return context


def free_number(form: Form, fps: float, sets: ParameterSets) -> tuple[int, ParameterSets]:
    """A number for the parameter sets of new frames, and those sets with the others."""
    for number in range(MOST_SETS):
        with suppress(MediaError):
            made = ParameterSets.of(bytes(encoder(form, fps, number).extradata or b""))
            joined = sets.with_(made)
            if joined is not None:
                return number, joined
    raise MediaError("the file's parameter sets leave no number free.")
