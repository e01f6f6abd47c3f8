"""What our nodes ask of ComfyUI's MODEL, CLIP and VAE. With the other files of this folder this alone imports
`comfy.*`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .model import sora_patcher
from .sampling import for_latent, patched, progress_bar, ring_time, sample
from .text import encode, is_sora_clip, sora_clip, unknown_words
from .vae import SoraVAE, checked, codec_of, geometry_of

if TYPE_CHECKING:
    from ...sora_core.pipeline import SoraModel

__all__ = [
    "codec_of", "encode", "for_latent", "geometry_of", "is_sora_clip", "native", "patched", "progress_bar",
    "ring_time", "sample", "unknown_words",
]  # fmt: skip


def native(model: SoraModel) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of a model of ours."""
    return sora_patcher(model), sora_clip(model), checked(SoraVAE(model))
