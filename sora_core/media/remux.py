"""The same pictures in a new file with other tags: streams are copied, so that nothing is encoded again where the file
is sound; where it is not, its frames are read and written anew, so that its faults go no further."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import av
import torch
from av.container import InputContainer

from ..encoding import FORMATS, Encoding
from ..errors import MediaError, ResourceError
from ..files import beside
from .containers import CONTAINERS, address
from .decode import opened, videos
from .encode import encode_video
from .metadata import tags_of, user_tags
from .sound import LAYOUTS, Sound, first_second, read_sound, shifted, track_of
from .source import FileSource, chunks
from .write import MP4

__all__ = ["copy_video", "recoded_note", "remux"]

EDITED = ("mp4", "mov")
"""containers that say which frames of a trimmed clip are not shown"""
CHUNK = 16
"""frames that are in memory of a file that is written anew"""


def copy_video(source: Path | BytesIO, target: Path, metadata: dict[str, str]) -> None:
    """Write `target`, of a container of `encoding.FORMATS`, with the streams of `source`, or what can be read of them
    where time stamps are faulty or missing, parts are missing, or the container does not hold the codec; tags as in
    `remux`.
    Raises MediaError where nothing can be read."""
    if not isinstance(source, Path):
        return remux(source, target, metadata)
    with FileSource(source) as frames:
        if not frames.info.faults and not frames.times.counted:
            try:
                remux(source, target, metadata)
                if len(FileSource(target).times.stamps) == len(frames.times.stamps):
                    return None
            except MediaError:
                pass  # not of a kind that the container holds
            target.unlink(missing_ok=True)
        with av.open(address(source), container_options=CONTAINERS) as given:
            tags = {**user_tags(tags_of(given)), **metadata}
        encode_video(target, chunks(frames, CHUNK), frames.fps, Encoding.of(target), metadata=tags, sound=heard(source))


def heard(source: Path) -> Sound | None:
    """The sound of a file, none where it is broken."""
    try:
        return read_sound(source)
    except MediaError:
        return None


def timed(packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
    """Packets with data, each with the time it is decoded at. Matroska does not store that, and the first ones of a
    stream, the key frame among them, may lack it: they are decoded a frame each before the first that has it. Raises
    ValueError for a stream without times."""
    waiting: dict[int, list[av.Packet]] = {}
    for packet in packets:
        held = waiting.setdefault(packet.stream.index, [])
        if packet.size:
            held.append(packet)
        if packet.dts is None:
            continue
        for before, early in enumerate(reversed(held[:-1]), start=1):
            early.dts = packet.dts - before * max(1, packet.duration or 1)
        yield from held
        held.clear()
    if any(waiting.values()):
        raise ValueError("its packets have no time stamps")


def plain_sound(source: Path | BytesIO, given: InputContainer) -> Sound | None:
    """The one sound track of a file, on the clock of the file, where it is PCM, as cameras record it: few players take
    that in an mp4, though one may hold it. None where it is copied all the same."""
    tracks = given.streams.audio
    if not isinstance(source, Path) or len(tracks) != 1 or not tracks[0].codec_context.name.startswith("pcm_"):
        return None
    try:
        sound = read_sound(source, whole=True)
    except (MediaError, ResourceError):  # it is broken, or fits into no memory
        return None
    if sound is None or len(sound.waveform) not in LAYOUTS:
        return None
    wave = shifted(sound.waveform.numpy(), round(float(first_second(source)) * sound.rate))
    return Sound(waveform=torch.from_numpy(wave), rate=sound.rate)


def recoded_note(source: Path, target: Path) -> str:
    """What is to be said of a copy whose sound is of another codec than that of its source; empty where it is not."""
    names = []
    for path in (source, target):
        with opened(path) as (container, _):
            names += [stream.codec_context.name for stream in container.streams.audio[:1]]
    before, after = names if len(names) == 2 else ("", "")
    return f"{source.name}: its sound is encoded as {after}; a mov or mkv keeps {before}." if before != after else ""


def remux(source: Path | BytesIO, target: Path, metadata: dict[str, str]) -> None:
    """Writes `target` with the streams of `source`, whose tags it keeps unless `metadata` has the same key. PCM becomes
    AAC in an mp4.

    The file appears whole or not at all. Raises MediaError for a source that cannot be read or does not fit into the
    container.
    """
    name = address(source) if isinstance(source, Path) else source
    try:
        with av.open(name, "r", container_options=CONTAINERS) as given, beside(target) as part:
            muxer = FORMATS[Encoding.of(target).format].muxer
            options = MP4 if muxer in ("mp4", "mov") else {}
            with av.open(address(part), "w", format=muxer, options=options) as made:
                made.metadata.update({**tags_of(given), **metadata})
                pictures = videos(given)
                plain = plain_sound(source, given) if muxer == "mp4" else None
                kept = [s for s in given.streams if s in pictures or (s.type == "audio" and plain is None)]
                copies = {stream.index: made.add_stream_from_template(stream, opaque=True) for stream in kept}
                track = track_of(made, plain)
                for packet in timed(given.demux(kept)):
                    if track and packet.time_base:
                        track.until(max(0.0, float((packet.dts or 0) * packet.time_base)))
                    if packet.is_discard and packet.stream.type == "video" and muxer not in EDITED:
                        raise ValueError("a part of it is hidden, which would be shown")
                    packet.stream = copies[packet.stream.index]
                    made.mux(packet)
                if track and plain is not None:
                    track.until(plain.waveform.shape[1] / plain.rate)
                    track.end()
    except (av.FFmpegError, ValueError) as error:
        what = source if isinstance(source, Path) else "the video"
        raise MediaError(f"{what} cannot be copied into {target}: {error}; convert it to H.264 first.") from error
