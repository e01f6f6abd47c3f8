"""The door of every file: what is made gets its name here, after it was reviewed, marked, written and signed.

    publish(path, chunks, fps=8.0, guards=guards)      # frames: reviewed, marked, encoded, signed
    publish(path, Path("made.mp4"), guards=guards)     # a file that is copied: reviewed and signed
    publish(path, Splice.of(pieces, 8.0), guards=guards)   # parts of files and new frames (`splice`)

The order is fixed, everything is streamed, and the name appears when all of it is done or not at all. What the guards
do is decided by `safety`; without guards a file is only written. Of a splice every frame is reviewed, so that with a
reviewer nothing is copied undecoded; only frames that are not the user's own are marked.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path

from torch import Tensor

from ..encoding import Encoding
from ..errors import MediaError
from ..files import beside, check_writable, shown_as
from ..grid import VideoSize
from .convert import as_frames
from .encode import encode_video
from .images import write_image
from .metadata import PICTURES
from .read import iter_frames
from .remux import copy_video
from .segments import Segmented, write_segmented
from .sound import Sound, SoundFile
from .source import chunks
from .splice import Piece, Splice
from .splicing import write_splice
from .write import estimated_bytes, write_video

__all__ = ["Guards", "publish"]

CHUNK = 16
"""frames that are reviewed at once of a file that is copied"""
FrameFilter = Callable[[Iterable[Tensor]], Iterator[Tensor]]
"""chunks of frames uint8 [F,H,W,3] in, chunks of as many frames out; it may raise to stop the file"""
Content = Tensor | Iterable[Tensor] | Path | BytesIO | Splice | Segmented


@dataclass(frozen=True, kw_only=True)
class Guards:
    """What stands at the door. Each may be missing."""

    review: FrameFilter | None = None
    """sees every frame before it is written: passes it, changes it, or raises PolicyError"""
    mark: FrameFilter | None = None
    """hides the watermark in the frames"""
    sign: Callable[[Path, Path, str], None] | None = None
    """called as sign(written, signed, name): the last thing done to a file"""


def publish(
    path: str | Path,
    content: Content,
    *,
    fps: float = 0.0,
    metadata: dict[str, str] | None = None,
    guards: Guards | None = None,
    sound: Sound | SoundFile | None = None,
    encoding: Encoding | None = None,
    size: VideoSize | None = None,
) -> int:
    """Give a file its name; returns the frames written (0 for a copy whose frames nobody looked at).

    content: frames uint8 [F,H,W,3] or video [1,3,F,H,W] in -1..1, one tensor or chunks; or a video file, whose streams
    are copied and cannot be marked; or a splice, or a clip in segments, which have their own fps. An ending of .png
    or .webp takes one frame.
    encoding: of frames, where they are to be another file than our own mp4. size: of chunks of frames, so that room
    for them is looked for. Raises ResourceError, before a frame is asked for, where the disk has no room for the file,
    and what the guards and writers do.
    """
    path, guards = Path(path), guards or Guards()
    check_writable(path, room(content, size) * (1 if guards.sign is None else 2))  # signing writes the file once more
    with beside(path) as part:
        written = part.with_name(part.name + path.suffix.lower())
        try:
            with shown_as(written, path):
                count = write(
                    written, content, guards, fps=fps, metadata=metadata, sound=sound,
                    encoding=encoding,
                )  # fmt: skip
                if guards.sign is not None:
                    guards.sign(written, part, path.name)
                else:
                    os.replace(written, part)
        finally:
            with suppress(OSError):
                written.unlink(missing_ok=True)
    return count


def room(content: Content, size: VideoSize | None) -> int:
    """Bytes that writing a file takes on the disk, as far as it is known before; `size` of frames in chunks."""
    match content:
        case Path():
            return content.stat().st_size if content.is_file() else 0
        case BytesIO():
            return content.getbuffer().nbytes
        case Splice() | Segmented():
            return content.estimated_bytes
        case _:
            return 0 if size is None else estimated_bytes(size)


def write(
    path: Path,
    content: Content,
    guards: Guards,
    *,
    fps: float,
    metadata: dict[str, str] | None,
    sound: Sound | SoundFile | None,
    encoding: Encoding | None,
) -> int:
    """Write a file, reviewed and marked, and not yet signed; arguments and result as of `publish`."""
    match content:
        case Path() | BytesIO():
            return copied(content, path, metadata or {}, guards)
        case Splice():
            return spliced(content, path, metadata, guards, sound=sound)
        case Segmented():
            filters = lambda frames: guarded(frames, fresh(guards))  # noqa: E731
            return write_segmented(path, content, filters, metadata=metadata, sound=sound)
    frames = guarded(content, guards)
    if encoding is not None:
        return encode_video(path, frames, fps, encoding, metadata=metadata, sound=sound)
    return made(frames, path, fps, metadata, sound=sound)


def fresh(guards: Guards) -> Guards:
    """The same with a mark that has seen no frame, so that a segment does not depend on those before it."""
    return replace(guards, mark=copy(guards.mark))


def guarded(content: Tensor | Iterable[Tensor], guards: Guards) -> Iterator[Tensor]:
    """Frames as they pass review and mark, chunk by chunk."""
    parts = [content] if isinstance(content, Tensor) else content
    frames: Iterator[Tensor] = (as_frames(part) for part in parts)
    for guard in (guards.review, guards.mark):
        if guard is not None:
            frames = guard(frames)
    return frames


def spliced(
    splice: Splice,
    path: Path,
    metadata: dict[str, str] | None,
    guards: Guards,
    *,
    sound: Sound | SoundFile | None,
) -> int:
    """Write a splice, copying what can be copied unless every frame is to be reviewed."""
    if splice.sets is not None and guards.review is None:
        return write_splice(path, splice, lambda run: marked(run, guards), metadata=metadata, sound=sound)
    return write_video(path, marked(splice.pieces, guards), splice.fps, metadata=metadata, sound=sound)


def marked(pieces: Sequence[Piece], guards: Guards) -> Iterator[Tensor]:
    """The frames of pieces in a row, reviewed; those that are not the user's own marked."""
    kept: deque[bool] = deque()

    def frames() -> Iterator[Tensor]:
        for piece in pieces:
            for chunk in chunks(piece.source, CHUNK, start=piece.start, stop=piece.stop):
                kept.append(piece.kept)
                yield as_frames(chunk)

    for chunk in guards.review(frames()) if guards.review is not None else frames():
        if kept.popleft() or guards.mark is None:
            yield chunk
        else:
            yield from guards.mark([chunk])


def made(
    frames: Iterator[Tensor],
    path: Path,
    fps: float,
    metadata: dict[str, str] | None,
    *,
    sound: Sound | SoundFile | None,
) -> int:
    """Write frames as a video or a still; the number of frames."""
    if path.suffix in PICTURES:
        write_image(path, next(frames)[:1], metadata=metadata)
        return 1
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path} was given no frames.")
    return write_video(path, chain([first], frames), fps, metadata=metadata, sound=sound)


def copied(source: Path | BytesIO, path: Path, metadata: dict[str, str], guards: Guards) -> int:
    """Copy a video's streams. A reviewer that changes frames cannot: then the file is stopped."""
    copy_video(source, path, metadata)
    if guards.review is None:
        return 0
    count = 0
    given = list[Tensor]()

    def seen() -> Iterator[Tensor]:
        for chunk in iter_frames(path, CHUNK):
            given.append(chunk)
            yield chunk

    for passed in guards.review(seen()):
        count += len(passed)
        if given and passed is not given.pop(0):
            raise MediaError(
                f"{path.name} has frames that the policy wants changed, and a copied video cannot be: save its frames."
            )
    return count
