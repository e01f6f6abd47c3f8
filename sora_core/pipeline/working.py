"""An edit operation at the size at which the bundled transformer draws well, and its clip at that of what was given.

    clip = working_clip(clip, model.geometry)      # smaller, where it is larger than that
    edit = extend(clip, model.codec, seconds=2)
    finished(edit, stitched(edit, latent, model.codec), model.refiner)

Kept frames come out as they were given; what is made is brought up beside them.
"""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from ..editing import Clip, Edit
from ..editing.frames import Placed, Resized, Shrunk, restored
from ..editing.sizes import Fit, fit_frames, resized
from ..grid import Geometry, VideoSize
from ..media import FrameSource, TensorSource
from ..refine import Refiner
from ..settings import MAX_SIDE
from .drafts import BroughtUp, check_refine_memory, refine_seconds, small_size
from .edits import edit_grid
from .model import SoraModel

__all__ = ["bringing_up", "enlarged", "finished", "from_picture", "result_size", "working_clip"]

LARGEST = 1920 * 1080
"""pixels of the largest video that is made of a picture"""


def working_clip(clip: Clip, geometry: Geometry, *, like: Clip | None = None, how: Fit = "crop") -> Clip:
    """A clip at the size at which it is edited: its own, that of `small_size`, or cut or fitted to that of another
    clip.

    One that was just sampled has the size of its latents.
    """
    source = clip.source
    if source is None or clip.latent is not None:
        return clip
    if like is None:
        height, width = small_size(source.height, source.width, geometry)
        if (height, width) == (source.height, source.width):
            return clip
        return replace(clip, source=shrunk(source, height, width), full=(source.height, source.width))
    if like.full is None or like.source is None:
        return clip
    tall, wide = like.full
    if (source.height, source.width) != like.full:
        done = "cropped" if how == "crop" else "fitted"
        note = f"{source.width}x{source.height} is {done} to {wide}x{tall}."
        source = Resized(source, tall, wide, lambda frames: fit_frames(frames, tall, wide, how))
        clip = replace(clip, notes=(*clip.notes, note))
    return replace(clip, source=shrunk(source, like.source.height, like.source.width), full=like.full)


def shrunk(source: FrameSource, height: int, width: int) -> Shrunk:
    """The user's own clip made smaller, in nearly its shape."""
    return Shrunk(source, height, width, lambda frames: resized(frames, height, width))


def from_picture(edit: Edit, picture: Tensor) -> Edit:
    """The edit of a clip that begins with a picture [1,H,W,3] in 0..1, made smaller, at the picture's own size."""
    height, width = picture.shape[1:3]
    if edit.given is None or (edit.given.height, edit.given.width) == (height, width):
        return edit
    first = shrunk(TensorSource(picture, edit.fps), edit.given.height, edit.given.width)
    return replace(edit, full=(height, width), given=Placed(edit.given.length, [(0, first)]))


def finished(edit: Edit, result: FrameSource, refiner: Refiner | None) -> FrameSource:
    """The clip of an edit, its `result` at the working size, at the size of what was given. refiner: brings up what was
    made; without one it is enlarged plainly."""
    if edit.full is None:
        return result
    height, width = edit.full
    return restored(result, lambda clip: enlarged(clip, height, width, refiner))


def bringing_up(model: SoraModel, edit: Edit, *, refined: bool = True) -> str:
    """Words for how the made frames of an edit come to their size, and the time it takes; empty where they have it.
    Raises ResourceError where memory is short."""
    if edit.full is None or edit.full == edit.size:
        return ""
    grid, (height, width) = edit_grid(model, edit), edit.full
    small, asked = grid.asked, VideoSize(frames=edit.made, height=height, width=width, fps=edit.fps)
    count = "1 frame is" if edit.made == 1 else f"{edit.made} frames are"
    said = f"{count} made at {small.width}x{small.height} and brought to {width}x{height}"
    if refined and model.refiner is not None and height * width > small.height * small.width:
        check_refine_memory(model, (small.height, small.width), asked)
        said += f" by the refiner: about {refine_seconds(model, grid, asked):.0f} s"
    return said


def enlarged(source: FrameSource, height: int, width: int, refiner: Refiner | None) -> FrameSource:
    """A clip that was made at another size, in nearly its shape."""
    if refiner is not None and height * width > source.height * source.width:
        return BroughtUp(source, refiner, height, width)
    if (source.height, source.width) == (height, width):
        return source
    return Resized(source, height, width, lambda frames: resized(frames, height, width))


def result_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the video that is made of a picture: the picture's own, or of LARGEST pixels and sides of
    MAX_SIDE at most in its shape."""
    scale = min(1.0, math.sqrt(LARGEST / (height * width)), MAX_SIDE / max(height, width))
    return max(1, int(height * scale)), max(1, int(width * scale))
