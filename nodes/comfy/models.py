"""ComfyUI's MODEL, CLIP and VAE, ours and its own. The names are those of `nodes.models.Models`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfy.model_patcher import ModelPatcher
from comfy.sd import load_lora_for_models
from comfy.utils import load_torch_file

from ...sora_core.diffusion import CachePerCall
from ...sora_core.settings import DEFAULTS
from ..layouts.latents import Latent, samples_of
from . import sampling
from .model import sora_patcher
from .sampling import CACHE, patched, ring_time, sample
from .sound import decode_sound, encode_sound, joined, makes_sound, resampled
from .text import encode, is_sora_clip, sora_clip, unknown_words, unread
from .vae import SoraVAE, checked, codec_of, geometry_of

if TYPE_CHECKING:
    from pathlib import Path

    from ...sora_core.pipeline import SoraModel
    from ...sora_core.refine import Refiner
    from ...sora_core.settings import SamplingSettings

__all__ = [
    "base_settings", "codec_of", "decode_sound", "encode", "encode_sound", "feature_cache", "follows_schedules",
    "for_latent", "geometry_of", "joined", "load", "makes_sound", "measurable", "refiner_of", "resampled",
    "ring_time", "sample", "unknown_words", "unread", "with_lora",
]  # fmt: skip

follows_schedules = is_sora_clip


def load(model: SoraModel) -> tuple[Any, Any, Any]:
    return sora_patcher(model), sora_clip(model), checked(SoraVAE(model))


def refiner_of(vae: Any) -> Refiner | None:
    return vae.sora.refiner if isinstance(vae, SoraVAE) else None


def measurable(vae: Any, model: Any) -> SoraModel | None:
    """Of a VAE of ours, with its transformer where ComfyUI samples; a MODEL of ComfyUI's tells nothing."""
    if not isinstance(vae, SoraVAE):
        return None
    ours = vae.sora
    return ours if ours.device == vae.device else replace(ours, dit=deepcopy(ours.dit).to(vae.device))


def base_settings(model: ModelPatcher) -> SamplingSettings:
    """The shared defaults: shift and the interval of guidance are the MODEL's own."""
    return DEFAULTS.sampling


def feature_cache(model: ModelPatcher, threshold: float) -> ModelPatcher:
    cache = CachePerCall(threshold)
    return patched(model, CACHE, lambda network, options: cache(network, options["sample_sigmas"]))


def with_lora(model: ModelPatcher, path: Path, strength: float) -> tuple[ModelPatcher, list[str]]:
    """By ComfyUI's own loader, which says itself what it does not know."""
    made, _ = load_lora_for_models(model, None, load_torch_file(str(path), safe_load=True), strength, 0)
    return made, []


def for_latent(model: ModelPatcher, latent: Latent) -> ModelPatcher:
    samples_of(latent)
    return sampling.for_latent(model, latent)
