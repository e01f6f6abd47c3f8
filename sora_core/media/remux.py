"""The same pictures in a new file with other tags: streams are copied, so that nothing is encoded again where the file
is sound; where it is not, its frames are read and written anew, so that its faults go no further."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import av

from ..encoding import FORMATS, Encoding
from ..errors import MediaError
from ..files import beside
from .containers import CONTAINERS, address
from .decode import videos
from .encode import encode_video
from .metadata import tags_of, user_tags
from .sound import Sound, read_sound
from .source import FileSource, chunks
from .write import MP4

__all__ = ["copy_video", "remux"]

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


def remux(source: Path | BytesIO, target: Path, metadata: dict[str, str]) -> None:
    """Writes `target` with the streams of `source`, whose tags it keeps unless `metadata` has the same key.

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
                kept = [s for s in given.streams if s.type == "audio" or s in pictures]
                copies = {stream.index: made.add_stream_from_template(stream, opaque=True) for stream in kept}
                for packet in timed(given.demux(kept)):
                    if packet.is_discard and packet.stream.type == "video" and muxer not in EDITED:
                        raise ValueError("a part of it is hidden, which would be shown")
                    packet.stream = copies[packet.stream.index]
                    made.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        what = source if isinstance(source, Path) else "the video"
        raise MediaError(f"{what} cannot be copied into {target}: {error}; convert it to H.264 first.") from error
