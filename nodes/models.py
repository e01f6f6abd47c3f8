"""MODEL, CLIP and VAE as the program that the nodes run in has them: `native/models.py` without ComfyUI, where each is
a `SoraModel`, and `comfy/models.py` within it. Both have the names of `Models`; which it is, is decided once."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from .host import IN_COMFYUI

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ..sora_core.grid import Geometry
    from ..sora_core.pipeline import SoraModel
    from ..sora_core.refine import Refiner
    from ..sora_core.settings import SamplingSettings
    from ..sora_core.types import Progress
    from .layouts.conditioning import Conditioning
    from .layouts.latents import Latent
    from .layouts.sounds import SoundFormat

__all__ = ["Models", "current"]


@cache
def current() -> Models:
    """The one of the two modules that belongs here, loaded when it is first asked for: listing nodes costs nothing."""
    name = ".comfy.models" if IN_COMFYUI else ".native.models"
    return cast(Models, import_module(name, __package__))


class Models(Protocol):
    """What nodes ask of MODEL, CLIP and VAE. Each raises InputError for an object of another kind than it takes."""

    def load(self, model: SoraModel) -> tuple[Any, Any, Any]:
        """MODEL, CLIP and VAE of a model of ours."""

    def encode(self, clip: Any, text: str) -> Conditioning:
        """CONDITIONING of a prompt."""

    def follows_schedules(self, clip: Any) -> bool:
        """Whether the model of this CLIP takes several prompts with their schedule over time, as ours does."""

    def unknown_words(self, clip: Any, text: str) -> list[str]:
        """The words of a prompt that mean nothing to this CLIP; an encoder of word pieces reads any word."""

    def unread(self, clip: Any, text: str) -> str:
        """What is to be said of a prompt that is longer than what this CLIP reads; else empty."""

    def geometry_of(self, vae: Any) -> Geometry:
        """How a VAE divides a video."""

    def codec_of(self, vae: Any) -> Any:
        """The codec of a VAE, ready to run."""

    def makes_sound(self, model: Any) -> SoundFormat | None:
        """The layout of the sound that a MODEL makes with the picture; None for a model of pictures alone."""

    def joined(self, picture: Tensor, sound: Tensor) -> Any:
        """The samples, or the mask, of a LATENT of picture and sound."""

    def encode_sound(self, vae: Any, audio: dict[str, Any] | None) -> Tensor:
        """Latents of AUDIO by a VAE of sound, none of them where there is no AUDIO."""

    def decode_sound(self, vae: Any, latent: Tensor) -> dict[str, Any]:
        """AUDIO of latents of sound."""

    def resampled(self, wave: Tensor, rate: int, to: int) -> Tensor:
        """A waveform [B,C,S] at another rate."""

    def refiner_of(self, vae: Any) -> Refiner | None:
        """What brings up the small pictures that the model of this VAE draws well; None for one that is sampled at any
        size."""

    def measurable(self, vae: Any, model: Any) -> SoraModel | None:
        """The model of ours whose time and memory can be told before sampling, of a VAE or a MODEL, where there is
        one."""

    def base_settings(self, model: Any) -> SamplingSettings:
        """The settings that a MODEL brings."""

    def sample(
        self,
        model: Any,
        positive: Conditioning,
        negative: Conditioning | None,
        latent: Latent,
        *,
        seed: int,
        settings: SamplingSettings,
        progress: Progress | None,
    ) -> Tensor:
        """The sampled [B,C,T,H,W] of a LATENT."""

    def ring_time(self, model: Any) -> Any:
        """The MODEL that samples loops."""

    def feature_cache(self, model: Any, threshold: float) -> Any:
        """The MODEL that leaves out steps in which its output would move by less than `threshold`."""

    def with_lora(self, model: Any, path: Path, strength: float) -> tuple[Any, list[str]]:
        """The MODEL with a LoRA file on it, and lines on what was changed."""

    def for_latent(self, model: Any, latent: Latent) -> Any:
        """The MODEL informed of what a LATENT of ours says, for samplers that do not read it."""
