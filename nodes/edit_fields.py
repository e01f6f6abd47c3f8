"""Inputs and outputs that the nodes of edit operations have in common."""

from __future__ import annotations

from typing import Any

from . import models
from .calls import edit_cost
from .host import io, ui
from .layouts.edits import edit_latent

__all__ = [
    "CATEGORY", "audio_vae_input", "codec_of", "fit_input", "latent_output", "notes_output", "overlap_input", "shown",
    "vae_input", "working",
]  # fmt: skip

CATEGORY = "Sora/editing"


def codec_of(vae: Any) -> Any:
    """The codec of a VAE."""
    return models.current().codec_of(vae)


def working(vae: Any, clip: Any, *, like: Any = None, how: Any = "crop") -> Any:
    """A clip at the size at which it is edited: smaller, where the model of this VAE draws small pictures and has what
    brings them up; or at that of another clip."""
    from ..sora_core.pipeline.working import working_clip

    if models.current().refiner_of(vae) is None:
        return clip
    return working_clip(clip, codec_of(vae).geometry, like=like, how=how)


def vae_input() -> Any:
    return io.Vae.Input("vae", tooltip="The video compression network of the model.")


def fit_input(what: str) -> Any:
    return io.Combo.Input(
        "fit",
        options=["crop", "fit"],
        default="crop",
        tooltip=f"How {what} comes to size: crop cuts what hangs over, fit shows all of it. It is never squashed.",
    )


def overlap_input(default: int) -> Any:
    return io.Int.Input(
        "overlap",
        default=default,
        min=1,
        max=400,
        tooltip="Frames of the given clip that the model sees at the seam, so that motion goes on.",
    )


def latent_output() -> Any:
    return io.Latent.Output(tooltip="For a sampler, then for Sora Stitch Video.")


def notes_output() -> Any:
    return io.String.Output(display_name="notes", tooltip="What was changed or rounded on the way in.")


def audio_vae_input(what: str) -> Any:
    return io.Vae.Input(
        "audio_vae", optional=True, tooltip=f"For models that make sound with the picture: {what}, by its own loader."
    )


def shown(vae: Any, edit: Any, *sounds: tuple[Any, float], like: Any = None) -> tuple[Any, str, Any]:
    """LATENT and notes of an edit, and what the node shows: the notes, and what a long sampling will take. like: the
    grid whose sound, if it has any, is to be made."""
    latent, notes = edit_latent(edit, *sounds, like=like)
    return latent, notes, ui.PreviewText("\n".join(filter(None, (notes, edit_cost(vae, edit)))))
