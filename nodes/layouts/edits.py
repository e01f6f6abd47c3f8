"""Clips out of VIDEO and LATENT with their sound, and edits into LATENT."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...runtime.images import FileImages
from ...sora_core.errors import InputError, MediaError
from ...sora_core.settings import DEFAULTS
from .. import host, models
from .latents import KEY, Latent, LatentInfo, info_of, samples_of
from .pictures import rgb

if TYPE_CHECKING:
    from ...sora_core.editing import Clip, Edit

__all__ = ["EXACT", "begins", "clip_of", "edit_latent", "second_begins"]

Sound = dict[str, Any]
"""ComfyUI's AUDIO"""
EXACT = "sora_source"
"""attribute of a VIDEO of ours that is a file: its frames as they were before the file was encoded"""


def clip_of(
    vae: Any, video: Any = None, samples: Latent | None = None, *, what: str = "clip"
) -> tuple[Clip, Sound | None]:
    """The clip of a VIDEO or of a sampled LATENT (which keeps its latents), and its sound; raises InputError for
    neither."""
    if samples is not None:
        clip = latent_clip(vae, samples)
        if video is not None:
            clip = replace(clip, notes=(*clip.notes, "video is linked too and not used: samples goes before it."))
        return clip, info_of(samples).sound
    if video is None:
        raise InputError(f"no {what} is given; link a video, or the latent of one that was just sampled")
    from ...sora_core.editing import Clip

    source = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
    if isinstance(source, str):
        return file_clip(video, source)
    parts = video.get_components()
    if isinstance(parts.images, FileImages):
        return Clip(source=parts.images.source, fps=float(parts.frame_rate)), parts.audio
    return Clip(image=rgb(parts.images), fps=float(parts.frame_rate)), parts.audio


def file_clip(video: Any, path: str) -> tuple[Clip, Sound | None]:
    """The clip of a file, read by our own reader, which sets phones' videos upright and their rate constant, with
    notes that say so; and its sound."""
    from ...sora_core.editing import Clip
    from ...sora_core.editing.frames import Window
    from ...sora_core.media import FileSource, read_sound

    source = getattr(video, EXACT, None) or FileSource(path, owner=video)
    first, count = window_frames(source.length, source.fps, *host.video_window(video))
    clip = Clip(source=Window(source, first, first + count), fps=source.fps, notes=source.notes)
    try:
        sound = read_sound(path)
    except MediaError as error:
        return replace(clip, notes=(*clip.notes, f"the sound is dropped: {error}")), None
    if sound is None:
        return clip, None
    begin, end = (round(frame / source.fps * sound.rate) for frame in (first, first + count))
    return clip, {"waveform": sound.waveform[None, :, begin:end], "sample_rate": sound.rate}


def window_frames(frames: int, fps: float, start: float, length: float) -> tuple[int, int]:
    """(first frame, how many) of a file's `frames` at `fps` that are shown within a window in seconds; a `length` of 0
    is to the end. Raises InputError where none is."""
    first = math.ceil(round(start * fps, 3))
    stop = min(frames, math.ceil(round((start + length) * fps, 3))) if length else frames
    if first >= stop:
        raise InputError(
            f"the video is trimmed to {length:g} seconds from second {start:g} of its file of {frames / fps:g} seconds,"
            " where there is no frame; trim less of it away"
        )
    return first, stop - first


def latent_clip(vae: Any, samples: Latent) -> Clip:
    """The clip that a sampled LATENT stands for."""
    from ...sora_core.editing import Clip, continued
    from ...sora_core.grid import spans

    info, latent = info_of(samples), samples_of(samples, "samples")
    if info.edit is not None:
        return continued(info.edit, latent, models.current().codec_of(vae))
    if len(latent) != 1:
        raise InputError(
            f"samples is a batch of {len(latent)} and an edit goes on from one clip; choose one with Latent From Batch"
        )
    return Clip(
        latent=latent,
        spans=spans(latent.shape[2], models.current().geometry_of(vae)),
        fps=info.fps or DEFAULTS.fps,
        size=None if info.size is None else (info.size.height, info.size.width),
    )


def edit_latent(edit: Edit, *sounds: tuple[Sound | None, float]) -> tuple[Latent, str]:
    """(LATENT, notes) of an edit. `sounds`: each with the second of the finished clip at which it begins."""
    from ...sora_core.diffusion import blend

    state, notes = edit.state, list(edit.notes)
    info = LatentInfo(edit=edit, sound=laid(sounds, edit, notes))
    latent = {"samples": blend(state.mask, state.latent, state.clean), "noise_mask": state.mask, KEY: info}
    return latent, "\n".join(notes) or f"{edit.frames} frames at {edit.fps:g} fps."


def laid(sounds: tuple[tuple[Sound | None, float], ...], edit: Edit, notes: list[str]) -> Sound | None:
    """All sounds on the finished clip's time; those of another rate than the first are dropped with a note."""
    from ...sora_core.editing.sound import lay_sounds

    heard = [(sound, start) for sound, start in sounds if sound is not None]
    if not heard:
        return None
    rate = heard[0][0]["sample_rate"]
    same = [(sound["waveform"], start) for sound, start in heard if sound["sample_rate"] == rate]
    if len(same) < len(heard):
        notes.append(f"sounds of different rates cannot be joined: only those of {rate} samples a second are kept.")
    notes.append("the sound is kept where frames are kept; what is made is silent.")
    return {"waveform": lay_sounds(same, rate=rate, seconds=edit.frames / edit.fps), "sample_rate": rate}


def begins(edit: Edit) -> float:
    """The second of the finished clip at which the given clip begins."""
    if edit.before is not None or edit.keep is None:
        return 0.0
    return (int(edit.keep.nonzero()[0]) - (edit.shown or (0, 0))[0]) / edit.fps


def second_begins(edit: Edit) -> float:
    """The second of the finished clip at which the second of two connected clips begins."""
    made = 0 if edit.keep is None else int((~edit.keep).nonzero().max()) + 1
    return (made + (0 if edit.before is None else edit.before.length)) / edit.fps
