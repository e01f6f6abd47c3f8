"""The edits' part of `adapters`: clips out of VIDEO, IMAGE and LATENT, edits into LATENT and back.

A LATENT of ours carries its edit: {"samples", "noise_mask", "sora": {"fps", "edit": Edit, "sound"?}}.
Stock samplers hand it on.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..sora_core.errors import InputError, MediaError
from ..sora_core.settings import DEFAULTS
from . import adapters, host

if TYPE_CHECKING:
    from torch import Tensor

    from ..sora_core.editing import Clip, Edit, Keyframe, Shot, Storyboard
    from ..sora_core.grid import VideoSize

__all__ = [
    "begins", "clip_of", "edit_latent", "edit_of", "encode_shots", "keyframes_of", "mask_of", "ranges",
    "second_begins", "shots_of",
    "size_of", "stitched", "told_spans",
]  # fmt: skip

Sound = dict[str, Any]
"""ComfyUI's AUDIO: {"waveform" [B,C,S], "sample_rate"}"""


def rgb(image: Tensor) -> Tensor:
    """IMAGE [F,H,W,3]: grey becomes RGB, transparency is dropped."""
    return image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(-1, -1, -1, 3)


def clip_of(
    vae: Any, video: Any = None, samples: dict[str, Any] | None = None, *, what: str = "clip"
) -> tuple[Clip, Sound | None]:
    """The clip of a VIDEO or of a sampled LATENT (which keeps its latents), and its sound; raises InputError for
    neither."""
    if samples is not None:
        return latent_clip(vae, samples), samples.get("sora", {}).get("sound")
    if video is None:
        raise InputError(f"no {what} is given; link a video, or the latent of one that was just sampled")
    from ..sora_core.editing import Clip

    source = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
    if isinstance(source, str):
        return file_clip(video, source)
    parts = video.get_components()
    return Clip(image=rgb(parts.images), fps=float(parts.frame_rate)), parts.audio


def file_clip(video: Any, path: str) -> tuple[Clip, Sound | None]:
    """The clip of a file, read by our own reader, which sets phones' videos upright and their rate constant, with
    notes that say so; and its sound."""
    from dataclasses import replace

    from ..sora_core.editing import Clip
    from ..sora_core.media import probe, read_sound, read_video

    info = probe(path)
    first, count = window_frames(info.frames, info.fps, *host.video_window(video))
    clip = Clip.from_video(read_video(path, start=first, frames=count))
    try:
        sound = read_sound(path)
    except MediaError as error:
        return replace(clip, notes=(*clip.notes, f"the sound is dropped: {error}")), None
    if sound is None:
        return clip, None
    begin, end = (round(frame / info.fps * sound.rate) for frame in (first, first + count))
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


def latent_clip(vae: Any, samples: dict[str, Any]) -> Clip:
    """The clip that a sampled LATENT stands for."""
    from ..sora_core.editing import Clip, continued
    from ..sora_core.grid import spans

    asked, latent = samples.get("sora", {}), adapters.samples_of(samples, "samples")
    if "edit" in asked:
        return continued(asked["edit"], latent, adapters.codec_of(vae))
    if len(latent) != 1:
        raise InputError(
            f"samples is a batch of {len(latent)} and an edit goes on from one clip; choose one with Latent From Batch"
        )
    size = (asked["height"], asked["width"]) if "height" in asked else None
    return Clip(
        latent=latent,
        spans=spans(latent.shape[2], adapters.geometry_of(vae)),
        fps=asked.get("fps", DEFAULTS.fps),
        size=size,
    )


def edit_latent(edit: Edit, *sounds: tuple[Sound | None, float]) -> tuple[dict[str, Any], str]:
    """(LATENT, notes) of an edit. `sounds`: each with the second of the finished clip at which it begins."""
    from ..sora_core.diffusion import blend

    state, notes = edit.state, list(edit.notes)
    about: dict[str, Any] = {"fps": edit.fps, "edit": edit}
    sound = laid(sounds, edit, notes)
    if sound is not None:
        about["sound"] = sound
    latent = {"samples": blend(state.mask, state.latent, state.clean), "noise_mask": state.mask, "sora": about}
    return latent, "\n".join(notes) or f"{edit.frames} frames at {edit.fps:g} fps."


def laid(sounds: tuple[tuple[Sound | None, float], ...], edit: Edit, notes: list[str]) -> Sound | None:
    """All sounds on the finished clip's time; those of another rate than the first are dropped with a note."""
    from ..sora_core.editing.sound import lay_sounds

    heard = [(sound, start) for sound, start in sounds if sound is not None]
    if not heard:
        return None
    rate = heard[0][0]["sample_rate"]
    same = [(sound["waveform"], start) for sound, start in heard if sound["sample_rate"] == rate]
    if len(same) < len(heard):
        notes.append(f"sounds of different rates cannot be joined: only those of {rate} samples a second are kept.")
    notes.append("the sound is kept where frames are kept; what is made is silent.")
    return {"waveform": lay_sounds(same, rate=rate, seconds=edit.frames / edit.fps), "sample_rate": rate}


def edit_of(samples: dict[str, Any]) -> Edit:
    """The edit that a LATENT carries; raises InputError for a LATENT without one."""
    edit = samples.get("sora", {}).get("edit")
    if edit is None:
        raise InputError(
            "this latent is not of an edit (or was saved and loaded since); decode it with Sora Decode Video"
        )
    return edit


def stitched(vae: Any, samples: dict[str, Any], *, colour_match: bool) -> tuple[Any, Tensor, float]:
    """(VIDEO, IMAGE, fps) of a sampled edit, with its sound; kept frames as they were given."""
    from ..sora_core.editing import stitch

    edit = edit_of(samples)
    image = stitch(edit, adapters.sampled(vae, samples), adapters.codec_of(vae), colour_match=colour_match)
    rate = Fraction(edit.fps).limit_denominator(100_000)
    parts = host.VideoComponents(images=image, audio=samples["sora"].get("sound"), frame_rate=rate)
    return host.VideoFromComponents(parts), image, edit.fps


def begins(edit: Edit) -> float:
    """The second of the finished clip at which the given clip begins."""
    if edit.before is not None or edit.keep is None:
        return 0.0
    return (int(edit.keep.nonzero()[0]) - (edit.shown or (0, 0))[0]) / edit.fps


def second_begins(edit: Edit) -> float:
    """The second of the finished clip at which the second of two connected clips begins."""
    made = 0 if edit.keep is None else int((~edit.keep).nonzero().max()) + 1
    return (made + (0 if edit.before is None else len(edit.before))) / edit.fps


def keyframes_of(
    image: Tensor, strength: float, end_image: Tensor | None, keyframes: Tensor | None, frame_idx: str
) -> list[Keyframe]:
    """The pictures of an animation with their places; raises InputError where pictures and places differ in number."""
    from ..sora_core.editing import Keyframe

    keys = [Keyframe(image=rgb(image), frame_idx=0, strength=strength)]
    places = [first for first, _ in ranges(frame_idx)]
    pictures = [] if keyframes is None else list(rgb(keyframes).split(1))
    if len(places) != len(pictures):
        raise InputError(f"{len(pictures)} keyframes need as many frame_idx, such as '8, 16', not {frame_idx!r}")
    keys += [Keyframe(image=picture, frame_idx=place) for picture, place in zip(pictures, places, strict=True)]
    return keys if end_image is None else [*keys, Keyframe(image=rgb(end_image), frame_idx=-1)]


def encode_shots(clip: Any, board: Storyboard) -> list[list[Any]]:
    """CONDITIONING of the prompts of a storyboard.

    Our CLIP: [1,P,S,D] with the prompt (or the shares) of each latent frame. Another: a prompt each, with its share
    as ComfyUI's
    own mask over the latent, which any sampler of its follows.
    """
    import torch

    parts = [adapters.encode_text(clip, prompt) for prompt in board.prompts]
    if adapters.is_ours(clip) or adapters.host_models("CLIP", clip).is_sora_clip(clip):
        features, about = torch.cat([part[0][0] for part in parts])[None], parts[0][0][1]
        return [[features, {**about, "sora_shots": board.edit.prompt_schedule}]]
    t, h, w = board.edit.state.latent.shape[2:]
    masks = board.weights.view(-1, 1, t, 1, 1).expand(-1, 1, t, h, w)
    return [
        [text, {**about, "mask": mask, "mask_strength": 1.0}]
        for part, mask in zip(parts, masks, strict=True)
        for text, about in part
    ]


def size_of(latent: dict[str, Any]) -> VideoSize:
    """The size that Sora Noise Grid was asked for; raises InputError for another LATENT."""
    from ..sora_core.grid import VideoSize

    asked = latent.get("sora", {})
    if "frames" not in asked:
        raise InputError("this latent does not say its size; link the one of Sora Noise Grid")
    return VideoSize(frames=asked["frames"], height=asked["height"], width=asked["width"], fps=asked["fps"])


def told_spans(vae: Any) -> bool:
    """Whether the model of this VAE knows latents from the middle of a stream: the bundled one does."""
    from ..sora_core.vae import BundledCodec

    return isinstance(adapters.codec_of(vae), BundledCodec)


def ranges(text: str) -> list[tuple[int, int]]:
    """`5, 12-20, -1` as (first, last) places; raises InputError for anything else."""
    out = []
    for part in filter(None, re.split(r"[,\s]+", text.strip())):
        match = re.fullmatch(r"(-?\d+)(?:-(-?\d+))?", part)
        if match is None:
            raise InputError(f"frames are numbers and ranges such as '5, 12-20, -1', not {part!r}")
        first = int(match[1])
        out.append((first, int(match[2]) if match[2] is not None else first))
    return out


def mask_of(clip: Clip, vae: Any, frames: str, mask: Tensor | None) -> Tensor:
    """What is missing of a clip: the frames named, and where the MASK [F,H,W] (or one picture of it, for all frames)
    is white."""
    import torch
    import torch.nn.functional as F

    from ..sora_core.editing.coding import pixels_of

    count, height, width = pixels_of(clip, adapters.codec_of(vae)).shape[:3]
    missing = torch.zeros(count)
    for first, last in ranges(frames):
        if not (-count <= first < count and -count <= last < count and first % count <= last % count):
            raise InputError(
                f"frames {first} to {last} are not in this clip of {count} frames; use 0 to {count - 1}, or -{count}"
                " to -1"
            )
        missing[first % count : last % count + 1] = 1
    if mask is None:
        return missing
    if mask.ndim != 3 or len(mask) not in (1, count):
        raise InputError(
            f"the mask has {len(mask)} frames and the clip {count}; give one for all frames or one for each"
        )
    if mask.shape[1:] != (height, width):
        mask = F.interpolate(mask[:, None].float(), (height, width), mode="nearest")[:, 0]
    return torch.maximum(mask.cpu().float().expand(count, -1, -1), missing[:, None, None])


def shots_of(text: str) -> list[Shot]:
    """One shot a line, `seconds: prompt`; raises InputError that names the line."""
    from ..sora_core.editing import Shot

    shots = []
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        seconds, colon, prompt = line.partition(":")
        try:
            shots.append(Shot(prompt=prompt.strip(), seconds=float(seconds.strip().removesuffix("s"))))
        except ValueError:
            raise InputError(
                f"shot {number} is written 'seconds: prompt', such as '2.5: a red ball rolls', not {line!r}"
            ) from None
    return shots
