"""An edit operation from files to a file: sampled at a size that the model draws well (`working`), back at the clip's
own.

Kept frames are the file's own, copied without decoding where that can be done (`media.splice`); what is made is brought
up beside them, and alone carries the watermark. Frames are read and written in chunks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..claims import sweep
from ..diffusion import schedule
from ..editing import Clip, Edit, outlined, stitched
from ..editing.frames import Pending, pieces_of
from ..editing.sound import lay_sounds
from ..errors import InputError, MediaError
from ..files import check_writable, size_text
from ..media import (
    FileSource,
    Sound,
    SoundFile,
    Splice,
    evened,
    publish,
    read_sound,
)
from ..media.sound import resampled, unheard_note
from ..media.source import check_limits, check_same, state_of
from ..safety.doors import Protection, guards_for
from ..safety.provenance import Origin, can_sign
from ..settings import DEFAULTS, SamplingSettings
from ..types import Progress
from ..world.captions import Facts
from .edits import edit_grid, edit_seconds, sample_edit
from .generation import METADATA_KEY
from .limits import check_memory, memory_estimate
from .model import SoraModel
from .sampling import settings_of
from .stored import FOLDER, RunStore
from .wording import review_both, worded
from .working import bringing_up, finished

__all__ = ["clip_of", "edit_file"]

REVIEWED = "frames are reviewed, so all of them are decoded and encoded again"


def clip_of(path: Path) -> Clip:
    """The clip of a file. Raises InputError for a file that is no video, or beyond what is edited."""
    own = FileSource(path)
    if own.length < 2:
        raise InputError(
            f"{path} holds one picture and an edit operation takes a video; save it as a picture and animate that."
        )
    check_limits(own)
    return Clip(source=own, fps=own.fps, notes=own.notes)


def edit_file(
    model: SoraModel,
    edit: Edit,
    prompt: str,
    out: Path,
    *,
    refined: bool = True,
    sounds: Sequence[tuple[Path, float]] = (),
    seed: int = DEFAULTS.seed,
    settings: SamplingSettings | None = None,
    negative: str = "",
    expand: bool = True,
    seen: Sequence[Facts | None] = (),
    parents: Sequence[Path] = (),
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda text: None,
    tell: Callable[[str], None] = lambda text: None,
) -> int:
    """Sample an edit and write its clip to `out`; returns the frames written.

    refined: what is made of a larger clip is brought up by the model's refiner, and not plainly enlarged. expand:
    sample a caption made of the prompt, what it leaves out as it is `seen` in the clips (`perception.seen`). sounds:
    files whose sound is kept, each with the second of the finished clip at which it begins. Raises ResourceError,
    before anything is sampled, where memory or the disk have no room for it.
    """
    review_both(prompt, negative, None, warn, expand=expand)
    states = {path: state_of(path) for path in (*parents, *(path for path, _ in sounds))}
    asked = edit.settings(settings_of(model, settings), model.settings)
    schedule(asked.scheduler, asked.steps, denoise=asked.denoise)  # raises for steps that cannot be
    for said in edit.notes:
        tell(said)
    caption, negative = worded(
        model, prompt, negative, asked, seed=seed, expand=expand, seen=seen, warn=warn, tell=tell
    )
    made_with: dict[str, Any] = {
        "prompt": prompt,
        "caption": caption,
        "negative": negative,
        "seed": seed,
        **{name: getattr(asked, name) for name in ("steps", "cfg", "denoise", "solver", "scheduler")},
        "edited": [p.name for p in parents],
    }
    origin = Origin(
        settings=made_with, parent=parents[0] if len(parents) == 1 else None, parts=tuple(parents[1:] and parents)
    )
    result = pending(model, edit)
    refiner = model.refiner if refined else None
    splice = Splice.of(pieces_of(finished(edit, outlined(edit, result), refiner)), edit.fps)
    check_writable(out, splice.estimated_bytes * (2 if can_sign() else 1))  # signing writes the file once more
    guards = guards_for(Protection(), fps=edit.fps, origin=origin, warn=warn)
    if splice.note:
        tell(REVIEWED if splice.sets and guards.review else splice.note)
    source = splice.pieces[0].source
    if splice.sets is None and (padded := evened(source.height, source.width)):
        tell(padded)
    foretell(model, edit, asked, tell, refined=refined)
    heard = [(path, start) for path, start in sounds if audible(path, splice, len(sounds), tell, warn)]
    sweep(out.absolute().parent)
    runs = RunStore(out.absolute().parent / FOLDER, warn=warn)
    try:
        latent = sample_edit(
            model, edit, caption, settings, seed, negative=negative, progress=progress, runs=runs
        ).cpu()
        for path, state in states.items():
            check_same(path, state)
        result.source = stitched(edit, latent, model.codec)
        count = publish(
            out,
            splice,
            metadata={METADATA_KEY + "_edit": json.dumps(made_with)},
            guards=guards,
            sound=sound_for(splice, heard),
        )
        runs.finish()
        for said in dict.fromkeys(note for piece in splice.pieces for note in piece.source.notes):
            if said not in edit.notes:  # damage is found when it is met
                warn(said)
    finally:
        runs.close()
    return count


def pending(model: SoraModel, edit: Edit) -> Pending:
    """The edit's clip at the working size, before it is made."""
    factor, (h, w) = model.geometry.space_factor, edit.state.latent.shape[3:]
    height, width = edit.size or (factor * h, factor * w)
    return Pending(edit.frames, height, width, edit.fps)


def sound_for(splice: Splice, sounds: Sequence[tuple[Path, float]]) -> Sound | SoundFile | None:
    """The sound of a finished clip: that of one file copied as it is, that of several laid on one track."""
    copied = SoundFile.of(*sounds[0]) if splice.sets is not None and len(sounds) == 1 else None
    return copied or joined_sound(sounds, splice.length / splice.fps)


def audible(path: Path, splice: Splice, files: int, tell: Callable[[str], None], warn: Callable[[str], None]) -> bool:
    """Whether one of some files has sound that can be kept, seen before anything is sampled; says what of it cannot."""
    copied = splice.sets is not None and files == 1 and SoundFile.of(path, 0.0) is not None
    try:
        sound = None if copied else read_sound(path)
    except MediaError as error:
        warn(f"the sound is dropped: {error}")
        return False
    if sound is None and not copied:
        return False
    for said in filter(None, (sound.note if sound else "", unheard_note(path))):
        tell(said)
    return True


def foretell(
    model: SoraModel, edit: Edit, settings: SamplingSettings, tell: Callable[[str], None], *, refined: bool
) -> None:
    """Say what the run will take. Raises ResourceError where it does not fit the machine."""
    grid = edit_grid(model, edit)
    check_memory(model, grid)
    seconds = edit_seconds(model, edit, steps=settings.steps, guided=settings.cfg != 1)
    tell(f"sampling {grid.asked}: about {seconds:.0f} s and {size_text(memory_estimate(model, grid))} of memory")
    if said := bringing_up(model, edit, refined=refined):
        tell(said)


def joined_sound(sounds: Sequence[tuple[Path, float]], seconds: float) -> Sound | None:
    """The sounds of files on the finished clip's time, at the highest of their rates, so that none becomes duller."""
    heard = [(sound, start) for path, start in sounds if (sound := read_sound(path)) is not None]
    if not heard:
        return None
    rate = max(sound.rate for sound, _ in heard)
    waves = [(resampled(sound.waveform, sound.rate, rate)[None], start) for sound, start in heard]
    return Sound(waveform=lay_sounds(waves, rate=rate, seconds=seconds)[0], rate=rate)
