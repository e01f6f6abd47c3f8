"""An edit operation from files to a file: at a working size that the model was trained for, back at the clip's own.

Kept frames are the file's own, copied without decoding where that can be done (`media.splice`); what is made is
enlarged beside them, and alone carries the watermark. Frames are read and written in chunks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..claims import sweep
from ..editing import Clip, Edit, stitched
from ..editing.frames import Joined, Pending, Resampled, Resized, Window, pieces_of
from ..editing.sizes import fit_frames
from ..editing.sound import lay_sounds
from ..errors import InputError
from ..files import check_writable, size_text
from ..media import (
    FileSource,
    FrameSource,
    Sound,
    SoundFile,
    Splice,
    TensorSource,
    has_sound,
    publish,
    read_sound,
)
from ..refine import Refiner
from ..safety import check_prompt as review
from ..safety.doors import Protection, guards_for
from ..safety.provenance import Origin, can_sign
from ..settings import DEFAULTS, SamplingSettings
from ..types import Progress
from ..world.expand import expanded
from .drafts import BroughtUp
from .edits import edit_grid, sample_edit
from .generation import METADATA_KEY, warn_of_unknown_words
from .limits import check_memory, memory_estimate, time_estimate
from .model import SoraModel
from .stored import FOLDER, RunStore

__all__ = [
    "Material", "at", "edit_file", "enlarged", "enlarged_picture", "rated", "result_size", "working_clip",
    "working_size",
]  # fmt: skip

AREA = 64 * 112
"""pixels of the working size: the largest picture that the bundled weights make well"""
LEAST = 64
"""pixels of its shorter side at least"""
LARGEST = 1920 * 1080
"""pixels of the largest video that is made of a picture"""
REVIEWED = "frames are reviewed, so all of them are decoded and encoded again"


@dataclass(frozen=True, kw_only=True)
class Material:
    """A clip from a file: its own frames, and the same at the working size."""

    path: Path
    own: FileSource
    small: Clip

    @property
    def changed(self) -> bool:
        """Whether the working size is another than the file's."""
        return self.small.source is not self.own


def working_clip(path: Path, model: SoraModel, *, like: Material | None = None) -> Material:
    """The clip of a file for `model`, at the working size of its shape, or cut to that of another clip.

    Raises InputError for a file that is no video.
    """
    own = FileSource(path)
    if own.length < 2:
        raise InputError(f"{path} holds one picture and an edit operation takes a video; animate a picture instead.")
    height, width = working_size(own.height, own.width, model)
    change: Callable[[Tensor, int, int], Tensor] = resized
    if like is not None and like.small.source is not None:
        height, width, change = like.small.source.height, like.small.source.width, fit_frames
    source = at(own, height, width, change)
    return Material(path=path, own=own, small=Clip(source=source, fps=own.fps, notes=own.notes))


def at(
    source: FrameSource, height: int, width: int, change: Callable[[Tensor, int, int], Tensor] = fit_frames
) -> FrameSource:
    """A source at another size, by default cut to its shape and not squashed; itself where it has that size."""
    if (source.height, source.width) == (height, width):
        return source
    return Resized(source, height, width, lambda frames: change(frames, height, width))


def rated(source: FrameSource, fps: float) -> FrameSource:
    """A source at another rate, frames dropped or repeated; itself where it has that rate."""
    return source if source.fps == fps else Resampled(source, fps)


def working_size(height: int, width: int, model: SoraModel) -> tuple[int, int]:
    """Height and width, whole latent cells, of about AREA pixels in the shape asked for; smaller pictures stay."""
    step = 2 * model.geometry.space_factor
    scale = min(1.0, math.sqrt(AREA / (height * width)))
    scale = max(scale, min(1.0, LEAST / min(height, width)))
    tall, wide = (max(step, round(side * scale / step) * step) for side in (height, width))
    return tall, wide


def result_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the video that is made of a picture: the picture's own, or of LARGEST pixels in its shape."""
    scale = min(1.0, math.sqrt(LARGEST / (height * width)))
    return max(1, int(height * scale)), max(1, int(width * scale))


def resized(frames: Tensor, height: int, width: int) -> Tensor:
    """[F,H,W,3] float in 0..1 at another size."""
    pictures = frames.movedim(-1, 1).float()
    change = F.interpolate(pictures, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return change.clamp(0, 1).movedim(1, -1)


def enlarged(source: FrameSource, start: int, stop: int, like: FrameSource) -> FrameSource:
    """Frames start..stop-1 of a source at the size of another one."""
    return at(Window(source, start, stop), like.height, like.width, resized)


def enlarged_picture(source: FrameSource, picture: Tensor, refiner: Refiner | None) -> Sequence[FrameSource]:
    """A clip that begins with `picture` [1,H,W,3] in 0..1, made smaller, at the picture's own size: the picture, and
    the rest, brought up by the refiner if one is given and the picture is larger."""
    height, width = picture.shape[1:3]
    if (source.height, source.width) == (height, width):
        return [source]
    rest: FrameSource = Window(source, 1, source.length)
    if refiner is not None and height * width > source.height * source.width:
        tall = max(1, round(width * source.height / source.width))  # the shape at which it was made
        rest = BroughtUp(rest, refiner, tall, width)
    return [TensorSource(picture, source.fps), at(rest, height, width, resized)]


def edit_file(
    model: SoraModel,
    edit: Edit,
    prompt: str,
    out: Path,
    timeline: Callable[[FrameSource], Sequence[FrameSource]],
    *,
    sounds: Sequence[tuple[Path, float]] = (),
    seed: int = DEFAULTS.seed,
    settings: SamplingSettings | None = None,
    negative: str = "",
    expand: bool = True,
    parents: Sequence[Path] = (),
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda text: None,
    tell: Callable[[str], None] = lambda text: None,
) -> int:
    """Sample an edit and write its clip to `out`; returns the frames written.

    timeline: the finished clip in parts, of the result at the working size. sounds: files whose sound is kept, each
    with the second of the finished clip at which it begins. Raises ResourceError, before anything is sampled, where
    memory or the disk have no room for it.
    """
    review(prompt, warn=warn)
    for said in edit.notes:
        tell(said)
    caption = prompt
    if prompt.strip():
        warn_of_unknown_words(model, prompt, warn)
        if expand:
            made_of = expanded(prompt, seed)
            caption, negative = made_of.caption, ", ".join(filter(None, (negative, made_of.negative)))
            tell(f"caption: {caption}")
    made_with: dict[str, Any] = {
        "prompt": prompt,
        "caption": caption,
        "seed": seed,
        "edited": [p.name for p in parents],
    }
    origin = Origin(
        settings=made_with, parent=parents[0] if len(parents) == 1 else None, parts=tuple(parents[1:] and parents)
    )
    result = pending(model, edit)
    splice = Splice.of(pieces_of(Joined(timeline(result))), edit.fps)
    check_writable(out, splice.estimated_bytes * (2 if can_sign() else 1))  # signing writes the file once more
    guards = guards_for(Protection(), fps=edit.fps, origin=origin, warn=warn)
    if splice.note:
        tell(REVIEWED if splice.sets and guards.review else splice.note)
    estimate(model, edit, settings or model.settings, tell)
    sweep(out.absolute().parent)
    runs = RunStore(out.absolute().parent / FOLDER, warn=warn)
    try:
        latent = sample_edit(
            model, edit, caption, settings, seed, negative=negative, progress=progress, runs=runs
        ).cpu()
        result.source = stitched(edit, latent, model.codec)
        count = publish(
            out,
            splice,
            metadata={METADATA_KEY + "_edit": json.dumps(made_with)},
            guards=guards,
            sound=sound_for(splice, sounds, warn),
        )
        runs.finish()
    finally:
        runs.close()
    return count


def pending(model: SoraModel, edit: Edit) -> Pending:
    """The edit's clip at the working size, before it is made."""
    factor, (h, w) = model.geometry.space_factor, edit.state.latent.shape[3:]
    height, width = edit.size or (factor * h, factor * w)
    return Pending(edit.frames, height, width, edit.fps)


def sound_for(
    splice: Splice, sounds: Sequence[tuple[Path, float]], warn: Callable[[str], None]
) -> Sound | SoundFile | None:
    """The sound of a finished clip: that of one file copied as it is, that of several laid on one track."""
    heard = [(path, start) for path, start in sounds if has_sound(path)]
    copied = SoundFile.of(*heard[0]) if splice.sets is not None and len(heard) == 1 else None
    return copied or joined_sound(heard, splice.length / splice.fps, warn)


def estimate(model: SoraModel, edit: Edit, settings: SamplingSettings, tell: Callable[[str], None]) -> None:
    """Say what the run will take. Raises ResourceError where it does not fit the machine."""
    grid = edit_grid(model, edit)
    check_memory(model, grid)
    seconds = time_estimate(model, grid, steps=settings.steps)
    tell(f"sampling {grid.asked}: about {seconds:.0f} s and {size_text(memory_estimate(model, grid))} of memory")


def joined_sound(sounds: Sequence[tuple[Path, float]], seconds: float, warn: Callable[[str], None]) -> Sound | None:
    """The sounds of files on the finished clip's time; one of another rate than the first is left out, and said."""
    heard = [(path, sound, start) for path, start in sounds if (sound := read_sound(path)) is not None]
    if not heard:
        return None
    rate = heard[0][1].rate
    for path, sound, _ in heard:
        if sound.rate != rate:
            warn(f"the sound of {path.name} has {sound.rate} samples a second, not {rate}: it is left out")
    same = [(sound.waveform[None], start) for _, sound, start in heard if sound.rate == rate]
    return Sound(waveform=lay_sounds(same, rate=rate, seconds=seconds)[0], rate=rate)
