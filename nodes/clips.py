"""Finished clips between nodes and files: stitched, loaded, shown and saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.video import sound_of
from ..sora_core.errors import InputError
from ..sora_core.settings import DEFAULTS
from . import doors, host
from .calls import CHUNK, decode_image, edited
from .layouts.cuts import Cut, cut_sound
from .layouts.edits import clip_of, file_clip
from .layouts.latents import Latent, info_of
from .layouts.pictures import EXACT, SHOWN, is_made_here, save_video, to_be_marked, video_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..sora_core.editing import Clip
    from ..sora_core.encoding import Encoding
    from ..sora_core.grid import VideoSize
    from ..sora_core.media import FrameSource

__all__ = ["loaded", "preview_file", "save", "stitched"]

COPIED = {"mp4", "mov", "mkv"}
"""containers that hold what our own files and those of most others are coded in"""
LARGE = 1 << 30
"""bytes of frames in floating point from which on a finished clip becomes a file"""


def frames_in(clip: Clip) -> FrameSource:
    """The frames of a clip that was given as such."""
    if clip.source is None:
        raise InputError("this clip has latents only, no frames")
    return clip.source


def save(
    video: Any, path: Path, metadata: dict[str, str], encoding: Encoding, *, hidden: Any = None, sign: bool = True
) -> list[str]:
    """A VIDEO as a file, its streams copied where the encoding leaves that open; returns what is to be said of it.
    hidden: the saving node's own, by which the files are found that it was made from."""
    from ..sora_core.media import chunks
    from ..sora_core.media.publish import publish
    from ..sora_core.media.remux import recoded_note
    from ..sora_core.safety.provenance import FORMATS as SIGNED
    from ..sora_core.safety.provenance import can_sign

    said = []
    if sign and encoding.ending not in SIGNED and can_sign():
        said.append(f"{encoding.format} cannot carry C2PA provenance, so the file is not signed.")
    sign = sign and encoding.ending in SIGNED
    if encoding.plain and encoding.format in COPIED:
        save_video(video, path, metadata, hidden=hidden, sign=sign)
        copied = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
        note = recoded_note(Path(copied), path) if isinstance(copied, str) else ""
        return [*said, note] if note else said
    clip, heard = clip_of(None, video)
    if encoding.animation and heard.audio is not None:
        said.append(f"a {encoding.format} has no sound: it is left out.")
    if encoding.format == "gif" and metadata:
        said.append("a gif carries no workflow: keep a copy of it, or take webp.")
    given = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
    made = is_made_here(video)
    opened = Path(given) if isinstance(given, str) and not made else None
    behind = doors.files_behind(hidden) if sign else []
    guards = doors.signing(
        opened, sign=sign, generated=made, reviewed=doors.is_decoded(video), behind=behind,
        watermark=to_be_marked(video, hidden),
    )  # fmt: skip
    sound = None if encoding.animation else sound_of(heard.audio)
    publish(
        path,
        chunks(getattr(video, SHOWN, None) or frames_in(clip), CHUNK),
        fps=clip.fps,
        metadata=metadata,
        guards=guards,
        sound=sound,
        encoding=encoding,
    )
    return [*said, *clip.notes]


def stitched(
    vae: Any,
    samples: Latent,
    *,
    colour_match: bool,
    in_memory: bool,
    sound: dict[str, Any] | None = None,
    watermark: bool = True,
) -> tuple[Any, Any, float, str]:
    """(VIDEO, IMAGE, fps, note) of a sampled edit, with its `sound`, AUDIO; kept frames as they were given. A LATENT
    of no edit is decoded. watermark: what was made is marked in the VIDEO, and in the VIDEO alone.

    A clip of more than LARGE bytes becomes a file, streamed, and has no IMAGE where it need not be `in_memory`; the
    note says what of it was copied without decoding, and what of a file turned out to be damaged.
    """
    from ..sora_core.editing.frames import Made

    info, unknown = info_of(samples), ""
    edit = info.edit
    if edit is None:
        fps = info.fps or DEFAULTS.fps
        source: FrameSource = Made(decode_image(vae, samples), fps)
        if info.fps is None:
            unknown = (
                f"this latent says nothing of an edit, so it is decoded alone, at {fps:g} fps; a node that makes"
                " latents anew, as Rebatch Latents does, drops what an edit knows: leave it out."
            )
    else:
        fps, source = edit.fps, edited(vae, samples, colour_match=colour_match)
    video, image, note = of_frames(source, fps, sound, in_memory=in_memory, watermark=watermark)
    known = () if edit is None else edit.notes
    said = (unknown, note, *(said for said in source.notes if said not in known))
    return video, image, fps, "\n".join(filter(None, said))


def preview_file(video: Any) -> Path:
    """A VIDEO as an mp4 of the temp folder, reviewed as any other, for the eye alone."""
    from ..sora_core.encoding import Encoding

    path = host.temp_path(".mp4")
    save(video, path, {}, Encoding(), sign=False)
    return path


def of_frames(
    source: FrameSource, fps: float, sound: dict[str, Any] | None, *, in_memory: bool, watermark: bool = False
) -> tuple[Any, Any, str]:
    """(VIDEO, IMAGE, note) of frames and their sound, AUDIO; see `stitched` for what `in_memory` and `watermark`
    decide."""
    from ..sora_core.editing.frames import read_image

    shown, note = doors.marked(source) if watermark else source, ""
    small = 12 * source.length * source.height * source.width <= LARGE
    if in_memory or small:
        image = read_image(source)
    else:
        image = host.absent("this clip is long and its frames were linked to nothing when it was made")
    if small:
        video = video_of(read_image(shown) if watermark else image, fps, sound)
    else:
        video, note = written(shown, fps, sound)
    setattr(video, EXACT, source)
    setattr(video, SHOWN, shown)
    return video, image, note


def written(source: FrameSource, fps: float, sound: dict[str, Any] | None) -> tuple[Any, str]:
    """A VIDEO of frames as a file of the temp folder, streamed; what is a file's own is copied where that can be done,
    and the note says so."""
    from ..sora_core.editing.frames import pieces_of
    from ..sora_core.grid import VideoSize
    from ..sora_core.media import Splice, chunks, publish

    path, splice = host.temp_path(".mp4"), Splice.of(pieces_of(source), fps)
    size = VideoSize(frames=source.length, height=source.height, width=source.width, fps=fps)

    def read() -> Iterator[Tensor]:
        tell, done = host.progress(), 0
        for frames in chunks(source, CHUNK):
            yield frames
            done += len(frames)
            tell(done, source.length)

    publish(path, read() if splice.sets is None else splice, fps=fps, sound=sound_of(sound), size=size)
    return host.owned_video(path), splice.note


def all_frames(path: Path) -> Any:
    """IMAGE of a video file; without ComfyUI, of a long one what reads frames as they are asked for."""
    from ..runtime.images import images_of
    from ..sora_core.editing.frames import read_image
    from ..sora_core.media import FileSource

    source = FileSource(path)
    return read_image(source) if host.IN_COMFYUI else images_of(source)


def loaded(path: Path, cut: Cut, *, in_memory: bool) -> tuple[Any, Any, VideoSize, list[str]]:
    """(VIDEO, IMAGE, size, notes) of a video file, or of the part of it that is asked for. The IMAGE of a whole file is
    read where it is linked (`in_memory`)."""
    from ..sora_core.grid import VideoSize
    from ..sora_core.media import FileSource
    from ..sora_core.media.source import check_limits

    video = host.VideoFromFile(str(path))
    if cut.whole:
        with FileSource(path) as file:
            check_limits(file)
            info, notes = file.info, list(file.notes)
        image = all_frames(path) if in_memory else host.absent("the frames were linked to nothing")
        size = VideoSize(frames=info.frames, height=info.height, width=info.width, fps=info.fps)
        return video, image, size, notes
    clip, heard = file_clip(video, str(path))
    whole = frames_in(clip)
    source, fps = cut.of(whole)
    sound = cut_sound(heard, *cut.seconds(whole.length, whole.fps))
    made, image, note = of_frames(source, fps, sound, in_memory=in_memory)
    size = VideoSize(frames=source.length, height=source.height, width=source.width, fps=fps)
    return made, image, size, [*clip.notes, *filter(None, [note])]
