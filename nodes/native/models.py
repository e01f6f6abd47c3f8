"""MODEL, CLIP and VAE without ComfyUI: each is a `SoraModel`. The names are those of `nodes.models.Models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...runtime.session import current
from ...sora_core.errors import InputError
from ...sora_core.settings import DEFAULTS
from ..layouts.conditioning import Conditioning, check_length, features_of, schedule_of
from ..layouts.latents import Latent, info_of, noise_for, samples_of, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ...sora_core.grid import Geometry
    from ...sora_core.pipeline import SoraModel
    from ...sora_core.pipeline.preview import EarlyLook
    from ...sora_core.refine import Refiner
    from ...sora_core.settings import SamplingSettings
    from ...sora_core.types import Progress
    from ...sora_core.vae import CausalCodec

__all__ = [
    "base_settings", "codec_of", "decode_sound", "encode", "encode_sound", "feature_cache", "follows_schedules",
    "for_latent", "geometry_of", "joined", "load", "makes_sound", "measurable", "refiner_of", "resampled",
    "ring_time", "sample", "unknown_words", "unread", "with_lora",
]  # fmt: skip


def _ours(thing: Any, socket: str) -> SoraModel:
    from ...sora_core.pipeline import SoraModel

    if not isinstance(thing, SoraModel):
        raise InputError(f"this node needs the {socket} of Sora Load Model, not {type(thing).__name__}")
    return thing


def load(model: SoraModel) -> tuple[SoraModel, SoraModel, SoraModel]:
    return model, model, model


def encode(clip: Any, text: str) -> Conditioning:
    from ...sora_core import pipeline

    return [[pipeline.encode_text(_ours(clip, "CLIP"), [text]), {}]]


def follows_schedules(clip: Any) -> bool:
    return True


def unknown_words(clip: Any, text: str) -> list[str]:
    return _ours(clip, "CLIP").unknown_words(text)


def unread(clip: Any, text: str) -> str:
    return _ours(clip, "CLIP").unread(text)


def geometry_of(vae: Any) -> Geometry:
    return _ours(vae, "VAE").geometry


def codec_of(vae: Any) -> CausalCodec:
    return _ours(vae, "VAE").codec


def makes_sound(model: Any) -> None:
    """No model of ours makes sound."""
    return None


def joined(picture: Tensor, sound: Tensor) -> Any:
    raise _soundless()


def encode_sound(vae: Any, audio: Any) -> Tensor:
    raise _soundless()


def decode_sound(vae: Any, latent: Any) -> dict[str, Any]:
    raise _soundless()


def resampled(wave: Tensor, rate: int, to: int) -> Tensor:
    raise _soundless()


def _soundless() -> InputError:
    return InputError("models that make sound with the picture run in ComfyUI alone; link no audio_vae here")


def refiner_of(vae: Any) -> Refiner | None:
    return getattr(vae, "refiner", None)


def measurable(vae: Any, model: Any) -> SoraModel | None:
    """A MODEL of another loader with the codec of the VAE: what decoding takes belongs to the run."""
    from dataclasses import replace

    from ...sora_core.pipeline import SoraModel
    from .parts import is_loaded

    known = model if isinstance(model, SoraModel) else vae
    if not isinstance(known, SoraModel) or not is_loaded(known.dit):
        return None
    decodes = isinstance(vae, SoraModel) and is_loaded(vae.codec) and not is_loaded(known.codec)
    return replace(known, codec=vae.codec) if decodes else known


def base_settings(model: Any) -> SamplingSettings:
    return _ours(model, "MODEL").settings


def sample(
    model: Any,
    positive: Conditioning,
    negative: Conditioning | None,
    latent: Latent,
    *,
    seed: int,
    settings: SamplingSettings,
    progress: Progress | None,
) -> Tensor:
    from ...sora_core import pipeline
    from .parts import is_loaded

    ours = _ours(model, "MODEL")
    if negative is None and settings.leads_away and not is_loaded(ours.text):
        raise InputError("published weights need a negative prompt here: link one, encoded by Load CLIP's CLIP")
    state = state_of(latent, ours.geometry, ring=ours.settings.ring)
    count, schedule = len(state.latent), schedule_of(positive)
    if schedule is not None:
        check_length(schedule.length, state.latent.shape[2])
    return pipeline.sample(
        ours,
        state,
        _for_each(features_of(positive), count),
        negative=None if negative is None else _for_each(features_of(negative), count),
        noise=noise_for(latent, seed),
        fps=info_of(latent).fps or DEFAULTS.fps,
        settings=settings,
        prompt_schedule=schedule,
        progress=progress,
        runs=current().runs,
        preview=early_look(ours, info_of(latent).fps),
    ).cpu()


def _for_each(features: Tensor, count: int) -> Tensor:
    """The features of a prompt [1,...] for every clip of a batch."""
    return features.expand(count, *features.shape[1:])


def early_look(model: SoraModel, fps: float | None) -> EarlyLook | None:
    """What writes the run's preview, where one is asked for; its colours are those of the model's codec, or of the
    one that another loader brought in this run."""
    from ...sora_core.pipeline.preview import EarlyLook
    from .parts import is_loaded

    session = current()
    path, warn = session.preview, session.warn
    codec = model.codec if is_loaded(model.codec) else session.codecs.get(model.geometry.channels)
    if path is not None and codec is None:
        warn("no early look is written: it needs the colours of the model's VAE, so load that too")
    return EarlyLook(path, codec, fps or DEFAULTS.fps, warn=warn) if path is not None and codec is not None else None


def ring_time(model: Any) -> SoraModel:
    return _ours(model, "MODEL").with_settings(ring=True)


def feature_cache(model: Any, threshold: float) -> SoraModel:
    return _ours(model, "MODEL").with_settings(cache=threshold)


def with_lora(model: Any, path: Path, strength: float) -> tuple[SoraModel, list[str]]:
    from dataclasses import replace

    from ...sora_core.open_weights import LoraUse, with_loras

    ours = _ours(model, "MODEL")
    dit, notes = with_loras(ours.dit, [LoraUse(path=path, strength=strength)])
    return replace(ours, dit=dit), notes


def for_latent(model: Any, latent: Latent) -> SoraModel:
    """The same model: our sampler reads all from the LATENT itself."""
    samples_of(latent)
    return _ours(model, "MODEL")
