"""The same pictures in a new file with other tags: streams are copied, nothing is encoded again."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import av

from ..errors import MediaError
from ..files import beside

__all__ = ["remux"]


def remux(source: Path | BytesIO, target: Path, metadata: dict[str, str]) -> None:
    """Writes `target` (.mp4) with the streams of `source`, whose tags it keeps unless `metadata` has the same key.

    The file appears whole or not at all. Raises MediaError for a source that cannot be read or does not fit into an
    mp4.
    """
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r") as given, beside(target) as part:
            options = {"movflags": "use_metadata_tags+faststart"}
            with av.open(str(part), "w", format="mp4", options=options) as made:
                made.metadata.update({**given.metadata, **metadata})
                kept = [stream for stream in given.streams if stream.type in ("video", "audio")]
                copies = {stream.index: made.add_stream_from_template(stream, opaque=True) for stream in kept}
                for packet in given.demux(kept):
                    if packet.dts is not None:
                        packet.stream = copies[packet.stream.index]
                        made.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        name = source if isinstance(source, Path) else "the video"
        raise MediaError(f"{name} cannot be copied into {target}: {error}; convert it to H.264 first.") from error
