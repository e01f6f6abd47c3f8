"""IMAGE, MASK and VIDEO: read, made and saved."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.images import FileImages
from ...runtime.video import sound_of
from ...sora_core.errors import InputError, frame_count
from .. import doors, host
from ..inputs import finite, ranges

if TYPE_CHECKING:
    from torch import Tensor

    from ...sora_core.editing import Keyframe

__all__ = [
    "EXACT", "SHOWN", "check_video", "is_made_here", "keyframes_of", "load_image", "missing_mask", "places_of", "rgb",
    "save_image", "save_video", "to_be_marked", "video_of",
]  # fmt: skip

EXACT, SHOWN = "sora_source", "sora_shown"
"""attributes of a VIDEO of ours: its frames as they were before they were marked and encoded, for what is made of them
next, and before they were encoded"""


def rgb(image: Any, name: str = "image") -> Any:
    """IMAGE [F,H,W,3]: grey becomes RGB, transparency is dropped. Raises InputError for what is no IMAGE, holds nothing
    or holds values that are not numbers. name: the input it came by."""
    if isinstance(image, FileImages):
        return image
    check_image(image, name)
    if image.shape[-1] == 3:
        return image
    return image[..., :3] if image.shape[-1] > 3 else image[..., :1].expand(-1, -1, -1, 3)


def check_image(image: Any, name: str) -> None:
    """Raises InputError as `rgb` does."""
    import torch

    if not isinstance(image, torch.Tensor) or image.ndim != 4 or not image.is_floating_point():
        given = f"{image.dtype} {list(image.shape)}" if isinstance(image, torch.Tensor) else type(image).__name__
        raise InputError(f"{name} is to be an IMAGE, floats [F,H,W,C] in 0..1, and is {given}")
    if not image.numel():
        raise InputError(f"{name} is {list(image.shape)}, which holds nothing; link at least one picture")
    if not finite(image):
        raise InputError(f"{name} holds values that are not numbers (NaN or infinite); make it again in float32")


def check_video(video: Any, name: str = "video") -> None:
    """Raises InputError for what is no VIDEO, as nodes with outputs of any type may give it, and for one whose file is
    gone, as when somebody empties the temp folder while a result is kept."""
    if not hasattr(video, "get_components"):
        raise InputError(f"{name} is to be a VIDEO and is {type(video).__name__}; Create Video makes one of frames")
    source = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
    if isinstance(source, str) and not Path(source).is_file():
        raise InputError(
            f"{name} was in the file {source}, which is there no more; change any input of the node that made it, and"
            " run again"
        )


def load_image(path: Path) -> tuple[Tensor, Tensor]:
    """IMAGE and MASK (1 = transparent) of a picture, all frames of an animation; colours under transparency stay."""
    from ...sora_core.media.images import read_pictures
    from ...sora_core.media.source import as_image

    found = read_pictures(path)
    return as_image(found.frames), 1 - found.alpha.float() / 255


def save_image(image: Tensor, path: Path, metadata: dict[str, str], *, hidden: Any = None) -> None:
    """One frame [H,W,C] in 0..1 as png: reviewed, marked where a sampler made it, and signed. hidden: see
    `save_video`."""
    from ...sora_core.media.publish import publish

    guards = doors.signing(sign=True, behind=doors.files_behind(hidden), watermark=doors.sampled_behind(hidden))
    publish(path, rgb(image[None]), metadata=metadata, guards=guards)


def save_video(
    video: Any, path: Path, metadata: dict[str, str], *, hidden: Any = None, sign: bool = True, **chosen: Any
) -> None:
    """A VIDEO as mp4 with its streams copied, so that nothing is encoded twice; signed where that can be done. hidden:
    the saving node's own, by which the files are found that it was made from, and whether a sampler made it. chosen:
    see `doors.signing`."""
    from ...sora_core.media.convert import image_to_video
    from ...sora_core.media.publish import publish

    behind = doors.files_behind(hidden) if sign else []
    if to_be_marked(video, hidden):
        parts, guards = video.get_components(), doors.signing(sign=sign, behind=behind, watermark=True, **chosen)
        chunks = (image_to_video(frame[None]) for frame in parts.images)
        fps, sound = float(parts.frame_rate), sound_of(parts.audio)
        publish(path, chunks, fps=fps, sound=sound, metadata=metadata, guards=guards)
        return
    source = host.stream_source(video)
    content, seen = source if isinstance(source, BytesIO) else Path(source), doors.is_decoded(video)
    made = is_made_here(video)
    opened = None if isinstance(content, BytesIO) or made else content
    guards = doors.signing(opened, sign=sign, generated=made, reviewed=seen, behind=behind, **chosen)
    publish(path, content, metadata=metadata, guards=guards)


def is_made_here(video: Any) -> bool:
    """Whether a model made frames of a VIDEO. Of frames in memory that do not say, as other nodes give them: yes; of a
    file that our decoder did not write: no."""
    from ...sora_core.editing.frames import is_made

    source = getattr(video, EXACT, None)
    if source is not None:
        return is_made(source)
    in_file = isinstance(video, host.VideoFromFile) and isinstance(video.get_stream_source(), str)
    return doors.is_decoded(video) or not in_file


def to_be_marked(video: Any, hidden: Any) -> bool:
    """Whether a VIDEO holds frames that came by way of an IMAGE from a sampler, which nobody marked."""
    in_memory = isinstance(video, host.VideoFromComponents)
    return in_memory and not hasattr(video, SHOWN) and doors.sampled_behind(hidden)


def video_of(images: Tensor, fps: float, audio: Any) -> Any:
    """A VIDEO of frames in memory."""
    rate = Fraction(fps).limit_denominator(100_000)
    return host.VideoFromComponents(host.VideoComponents(images=images, audio=audio, frame_rate=rate))


def keyframes_of(
    image: Tensor, strength: float, end_image: Tensor | None, keyframes: Tensor | None, frame_idx: str
) -> list[Keyframe]:
    """The pictures of an animation with their places; raises InputError where pictures and places differ in number."""
    from ...sora_core.editing import Keyframe

    keys = [Keyframe(image=one_picture(image, "image", "first"), frame_idx=0, strength=strength)]
    places = places_of(frame_idx)
    pictures = [] if keyframes is None else list(rgb(keyframes, "keyframes").split(1))
    if len(places) != len(pictures):
        raise InputError(f"{len(pictures)} keyframes need as many frame_idx, such as '8, 16', not {frame_idx!r}")
    keys += [Keyframe(image=picture, frame_idx=place) for picture, place in zip(pictures, places, strict=True)]
    if end_image is not None:
        keys.append(Keyframe(image=one_picture(end_image, "end_image", "last"), frame_idx=-1))
    return keys


def one_picture(image: Any, name: str, place: str) -> Tensor:
    """The one picture [1,H,W,3] of an IMAGE; raises InputError for several. name, place: the input and its frame."""
    picture: Tensor = rgb(image, name)
    if len(picture) != 1:
        raise InputError(f"{name} holds {len(picture)} pictures and the {place} frame is one; choose one of them")
    return picture


def places_of(text: str) -> list[int]:
    """`8, 16, -1` as places of keyframes; raises InputError for ranges, since each picture has one place."""
    for first, last in (found := ranges(text, "frame_idx")):
        if first != last:
            raise InputError(f"frame_idx is one number for each keyframe, such as '8, 16', not '{first}-{last}'")
    return [first for first, _ in found]


def missing_mask(shape: Sequence[int], frames: str, mask: Tensor | None) -> Tensor:
    """What is missing of a clip of (frames, height, width), [F] or [F,H,W], 1 = missing: the frames named, and where
    the MASK [F,H,W] (or one picture of it, for all frames) is white."""
    import torch
    import torch.nn.functional as F

    count, height, width = shape
    missing = torch.zeros(count)
    for first, last in ranges(frames):
        if not (-count <= first < count and -count <= last < count and first % count <= last % count):
            raise InputError(
                f"frames {first} to {last} are not in this clip of {frame_count(count)}; use 0 to {count - 1}, or"
                f" -{count} to -1"
            )
        missing[first % count : last % count + 1] = 1
    if mask is None:
        return missing
    given = list(mask.shape)
    mask = mask.reshape(-1, *given[-2:]) if mask.numel() else mask  # [H,W] and [F,1,H,W] are met with too
    if not mask.numel() or len(mask) not in (1, count):
        raise InputError(
            f"the mask has {len(mask)} frames and the clip {count}; give [1,H,W] for all frames or [{count},H,W], one"
            f" for each, not {given}"
        )
    if mask.shape[1:] != (height, width):
        mask = F.interpolate(mask[:, None].float(), (height, width), mode="nearest")[:, 0]
    return torch.maximum(mask.cpu().float().expand(count, -1, -1), missing[:, None, None])
