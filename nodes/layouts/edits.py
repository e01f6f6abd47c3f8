"""Clips out of VIDEO and LATENT with their sound, and edits into LATENT."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.images import FileImages
from ...sora_core.errors import InputError, MediaError
from ...sora_core.settings import DEFAULTS
from .. import host, models
from .latents import KEY, Latent, LatentInfo, check_edit, decoded_size, info_of, single
from .pictures import EXACT, check_video, rgb
from .sounds import Heard, Track, check_sound, format_of, mixed, sound_in

if TYPE_CHECKING:
    from ...sora_core.editing import Clip, Edit
    from ...sora_core.grid import VideoSize

__all__ = ["clip_of", "edit_latent", "file_clip", "sound_for"]

Sound = dict[str, Any]
"""ComfyUI's AUDIO"""
UNHEARD = 0.1
"""seconds without sound that need no word: encoders leave as much"""


def clip_of(
    vae: Any, video: Any = None, samples: Latent | None = None, *, what: str = "clip", audio_vae: Any = None
) -> tuple[Clip, Heard]:
    """The clip of a VIDEO or of a sampled LATENT (which keeps its latents), and its sound; raises InputError for
    neither. audio_vae: encodes the sound of a VIDEO, for a model that makes sound with the picture."""
    if samples is not None:
        clip = latent_clip(vae, samples)
        if video is not None:
            clip = replace(clip, notes=(*clip.notes, "video is linked too and not used: samples goes before it."))
        return clip, heard_of(samples)
    if video is None:
        raise InputError(f"no {what} is given; link a video, or the latent of one that was just sampled")
    from ...sora_core.editing import Clip

    check_video(video)
    source = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
    if isinstance(source, str):
        clip, sound = file_clip(video, source)
    else:
        parts = video.get_components()
        held = parts.images.source if isinstance(parts.images, FileImages) else getattr(video, EXACT, None)
        frames = {"image": rgb(parts.images, "video")} if held is None else {"source": held}
        clip, sound = Clip(**frames, fps=float(parts.frame_rate)), parts.audio
        check_sound(sound)
    if audio_vae is None:
        return clip, Heard(audio=sound)
    if sound is None:
        note = "audio_vae is linked and the video has no sound: all of it is made."
        return replace(clip, notes=(*clip.notes, note)), Heard(latent=models.current().encode_sound(audio_vae, None))
    return clip, Heard(audio=sound, latent=models.current().encode_sound(audio_vae, sound))


def heard_of(samples: Latent) -> Heard:
    """The sound of a sampled LATENT."""
    info, latent = info_of(samples), sound_in(samples["samples"])
    if latent is not None and info.track is not None:
        latent = info.track.sampled(latent).clip()
    return Heard(audio=info.sound, spans=info.heard if info.sound is not None else None, latent=latent)


def file_clip(video: Any, path: str) -> tuple[Clip, Sound | None]:
    """The clip of a file, read by our own reader, which sets phones' videos upright and their rate constant, with
    notes that say so; and its sound."""
    from ...sora_core.editing import Clip
    from ...sora_core.editing.frames import Window
    from ...sora_core.media import FileSource, read_sound
    from ...sora_core.media.sound import unheard_note
    from ...sora_core.media.source import check_limits

    source = getattr(video, EXACT, None)
    if source is None:
        source = FileSource(path, owner=video)
        check_limits(source)
    first, count = window_frames(source.length, source.fps, *host.video_window(video))
    clip = Clip(source=Window(source, first, first + count), fps=source.fps, notes=source.notes)
    try:
        sound = read_sound(path)
    except MediaError as error:
        return replace(clip, notes=(*clip.notes, f"the sound is dropped: {error}")), None
    if sound is None:
        return clip, None
    unheard = unheard_note(Path(path)) if first + count == source.length else ""
    clip = replace(clip, notes=(*clip.notes, *filter(None, (sound.note, unheard))))
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

    geometry = models.current().geometry_of(vae)
    latent = single(samples, geometry.channels, "an edit goes on from one clip")
    info, sound = info_of(samples), sound_in(samples["samples"])
    if info.edit is not None:
        check_edit(samples)
        return continued(info.edit, latent, models.current().codec_of(vae))
    latent_spans, fps = spans(latent.shape[2], geometry), info.fps or DEFAULTS.fps
    if sound is not None and not info.fps:  # of a stock node: the sound says how long it is
        known = format_of(sound)
        fps = known.fps or round(float(latent_spans.sum()) * known.rate / sound.shape[known.axis], 1)
    size = decoded_size(samples, geometry)
    if size is None:
        return Clip(latent=latent, spans=latent_spans, fps=fps)
    return Clip(latent=latent, spans=latent_spans, fps=fps, size=(size.height, size.width), frames=size.frames)


def edit_latent(edit: Edit, *sounds: tuple[Heard, float], like: Latent | None = None) -> tuple[Latent, str]:
    """(LATENT, notes) of an edit. `sounds`: each with the second of the finished clip at which it begins. like: the
    grid of Sora Noise Grid; where it has sound to make, so has this one."""
    from ...sora_core.diffusion import blend

    state, notes = edit.state, list(edit.notes)
    tracks = [(sound.latent, start) for sound, start in sounds if sound.latent is not None]
    wanted = tracks[0][0] if tracks else sound_in(like["samples"]) if like is not None else None
    track = None if wanted is None else Track.of(tracks, edit, format_of(wanted))
    sound, heard = laid(sounds, edit, notes, made=track is not None)
    picture, mask, joined = blend(state.mask, state.latent, state.clean), state.mask, models.current().joined
    latent: Latent = {"samples": picture, "noise_mask": mask}
    if track is not None:
        latent = {"samples": joined(picture, track.grid()), "noise_mask": joined(mask, track.mask())}
    latent[KEY] = LatentInfo(edit=edit, sound=sound, heard=heard, track=track)
    return latent, "\n".join(notes) or f"{edit.frames} frames at {edit.fps:g} fps."


def sound_for(samples: Latent, audio_vae: Any, size: VideoSize | None) -> tuple[Sound | None, str]:
    """(AUDIO of the finished clip, what is to be said of it) of a sampled LATENT, that of a clip of `size`."""
    heard = heard_of(samples)
    if heard.latent is None or not heard.latent.numel():
        return heard.audio, "audio_vae is linked and this latent holds no sound." if audio_vae is not None else ""
    if audio_vae is None:
        return heard.audio, "the sound of this latent is not decoded: link the audio VAE of its model to audio_vae."
    made = models.current().decode_sound(audio_vae, heard.latent)
    if size is not None:
        made = {**made, "waveform": made["waveform"][..., : round(size.seconds * made["sample_rate"])]}
    if heard.audio is None:
        return made, ""
    rate, resampled = max(heard.audio["sample_rate"], made["sample_rate"]), models.current().resampled
    given, other = (
        {"waveform": resampled(audio["waveform"], audio["sample_rate"], rate), "sample_rate": rate}
        for audio in (heard.audio, made)
    )
    return mixed(given, heard.spans or (), other), ""


def laid(
    sounds: tuple[tuple[Heard, float], ...], edit: Edit, notes: list[str], *, made: bool = False
) -> tuple[Sound | None, tuple[tuple[float, float], ...]]:
    """All sounds on the finished clip's time at the highest of their rates, and where they lie in it. made: the
    rest is sampled with the picture."""
    import torch

    from ...sora_core.editing.sound import lay_sounds
    from ...sora_core.media.sound import resampled

    heard = [(sound, sound.audio, start) for sound, start in sounds if sound.audio is not None]
    if not heard:
        return None, ()
    rate, seconds = max(audio["sample_rate"] for _, audio, _ in heard), edit.frames / edit.fps
    waves = [
        (torch.stack([resampled(clip, audio["sample_rate"], rate) for clip in audio["waveform"]]), start)
        for _, audio, start in heard
    ]
    lies = [
        (max(0.0, start + begin), min(seconds, start + end))
        for sound, audio, start in heard
        for begin, end in (
            ((0.0, audio["waveform"].shape[-1] / audio["sample_rate"]),) if sound.spans is None else sound.spans
        )
    ]
    if not made and all(end - begin < seconds - UNHEARD for begin, end in lies):
        notes.append("the sound is kept where frames are kept; what is made is silent.")
    audio = {"waveform": lay_sounds(waves, rate=rate, seconds=seconds), "sample_rate": rate}
    return audio, tuple(span for span in lies if span[0] < span[1])
