"""Sound beside the picture in ComfyUI's own models (LTX 2.x, MiniMax H3): which make it, and its encoders."""

from __future__ import annotations

from typing import Any

import comfy.sd
import torch
from torch import Tensor

from ...sora_core.errors import InputError
from ...sora_core.grid import Geometry, spans
from ..layouts.latents import Latent, info_of
from ..layouts.sounds import FORMATS, SoundFormat, format_of, is_nested, sound_in

__all__ = [
    "check_sound", "decode_sound", "encode_sound", "joined", "makes_sound", "resampled", "timed", "with_sound",
]  # fmt: skip

DEFAULT_RATE = 44100
"""samples a second that a VAE of sound takes where it does not say; ComfyUI's own rule"""


def makes_sound(model: Any) -> SoundFormat | None:
    """The layout of the sound that a MODEL makes with the picture; None for a model of pictures alone."""
    kinds = type(getattr(model, "model", None)).__mro__
    return next((FORMATS[kind.__name__] for kind in kinds if kind.__name__ in FORMATS), None)


def joined(picture: Tensor, sound: Tensor) -> Any:
    """The samples, or the mask, of a LATENT of both."""
    from comfy.nested_tensor import NestedTensor  # not in 0.3.64, which has no such models

    return NestedTensor((picture, sound))


def encode_sound(vae: Any, audio: dict[str, Any] | None) -> Tensor:
    """Latents of AUDIO by a VAE of sound, none of them where there is no AUDIO."""
    first, rate = _checked(vae), int(getattr(vae, "audio_sample_rate", DEFAULT_RATE))
    wave = torch.zeros(1, 2, rate) if audio is None else audio["waveform"][:1].float()
    wave = resampled(wave, rate if audio is None else int(audio["sample_rate"]), rate)
    if wave.shape[1] == 1:
        wave = wave.expand(-1, 2, -1)
    elif wave.shape[1] > 2:
        raise InputError(
            f"the sound has {wave.shape[1]} channels and {type(first).__name__} takes two; mix them down before"
        )
    latent = vae.encode(wave.movedim(1, -1)).float().cpu()
    return latent.narrow(format_of(latent).axis, 0, 0) if audio is None else latent


def decode_sound(vae: Any, latent: Tensor) -> dict[str, Any]:
    """AUDIO of latents of sound."""
    first = _checked(vae)
    rate = getattr(first, "output_sample_rate", getattr(vae, "audio_sample_rate_output", DEFAULT_RATE))
    return {"waveform": vae.decode(latent).movedim(-1, 1).float().cpu(), "sample_rate": int(rate)}


def check_sound(model: Any, latent: Latent) -> None:
    """Raises InputError where a LATENT of picture and sound, or its rate, is not what the MODEL makes."""
    known, info, name = makes_sound(model), info_of(latent), type(model.model).__name__
    sound = sound_in(latent["samples"])
    if sound is not None and (known is None or format_of(sound) is not known):
        made = "pictures alone" if known is None else f"another kind of sound ({known.model})"
        raise InputError(
            f"latent holds a picture and sound of {format_of(sound).model}, and the model ({name}) makes {made}; link"
            " the MODEL that it was sized for"
        )
    if known is not None and known.fps and info.fps and abs(info.fps - known.fps) > 1e-3:
        raise InputError(
            f"{known.model} makes {known.fps:g} frames a second and the latent is sized for {info.fps:g}; set the fps"
            f" of Sora Noise Grid to {known.fps:g}, or give a clip of that rate"
        )


def with_sound(model: Any, latent: Latent) -> Latent:
    """The LATENT with sound to be made, where the MODEL makes no picture without."""
    known, samples = makes_sound(model), latent["samples"]
    if known is None or not known.always or is_nested(samples):
        return latent
    info, mask = info_of(latent), latent.get("noise_mask")
    frames = int(info.edit.state.spans.sum()) if info.edit is not None else minimax_frames(samples.shape[2])
    sound = samples.new_zeros(len(samples), *known.shape(known.count(frames, known.fps or 1.0)))
    whole = {**latent, "samples": joined(samples, sound)}
    return whole if mask is None else {**whole, "noise_mask": joined(mask, torch.ones_like(sound[:, :1]))}


def minimax_frames(latents: int) -> int:
    """Frames of a clip of so many latent frames of MiniMax H3."""
    return int(spans(latents, Geometry(cycle=5)).sum())


def timed(model: Any, prompts: Any, latent: Latent) -> Any:
    """CONDITIONING with the rate that picture and sound share, where no node has said it. Raises InputError for
    prompts over time, whose masks do not reach a latent of both."""
    if any("mask" in settings for _, settings in prompts):
        raise InputError(
            f"{type(model.model).__name__} samples picture and sound as one, which no mask over time reaches: a"
            " storyboard runs on the picture alone (Separate AV Latent), or as one prompt"
        )
    fps = info_of(latent).fps
    return prompts if not fps else [[text, {"frame_rate": fps, **settings}] for text, settings in prompts]


def resampled(wave: Tensor, rate: int, to: int) -> Tensor:
    """A waveform [B,C,S] at another rate."""
    if rate == to:
        return wave
    from torchaudio.functional import resample

    return resample(wave, rate, to)


def _checked(vae: Any) -> Any:
    first = getattr(vae, "first_stage_model", None)
    if not isinstance(vae, comfy.sd.VAE) or vae.latent_dim == 3 or not hasattr(first, "latents_per_second"):
        kind = type(first if first is not None else vae).__name__
        raise InputError(f"audio_vae is one of sound, of LTX 2 or MiniMax H3, not {kind}; load it with its own loader")
    return first
