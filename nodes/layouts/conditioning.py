"""CONDITIONING: the features of prompts, one or several over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...sora_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from ...sora_core.editing import Storyboard
    from ...sora_core.types import PromptSchedule

__all__ = [
    "Conditioning",
    "check_length",
    "check_prompts",
    "features_of",
    "is_empty",
    "joined_shots",
    "marked_empty",
    "masked_shots",
    "schedule_of",
]

Conditioning = list[list[Any]]
"""ComfyUI's CONDITIONING"""
EMPTY = "sora_empty"
"""the key of the mark of a prompt without words"""
SCHEDULE = "sora_shots"
"""the key of a storyboard's PromptSchedule"""


def features_of(conditioning: Conditioning) -> Tensor:
    """The text features of a CONDITIONING of one prompt, or of one storyboard; raises InputError for several."""
    if len(conditioning) != 1:
        raise InputError(
            f"this sampler takes one prompt per socket, not {len(conditioning)} combined; use one Sora Text Encode"
        )
    return conditioning[0][0]


def marked_empty(conditioning: Conditioning) -> Conditioning:
    """The same, with the mark of a prompt without words."""
    return [[features, {**about, EMPTY: True}] for features, about in conditioning]


def is_empty(conditioning: Conditioning) -> bool:
    """Whether every prompt of it is marked as one without words."""
    return all(about.get(EMPTY) for _, about in conditioning)


def schedule_of(conditioning: Conditioning) -> PromptSchedule | None:
    """Which of a storyboard's prompts each latent frame follows, where there are several."""
    return conditioning[0][1].get(SCHEDULE)


def check_length(known: int, frames: int) -> None:
    """Raises InputError where the prompts of a storyboard over `known` latent frames meet a LATENT of other length."""
    if known != frames:
        raise InputError(
            f"the prompts are a storyboard's over {known} latent frames and the latent has {frames}; link the LATENT of"
            " the same Sora Storyboard to the sampler"
        )


def check_prompts(schedule: PromptSchedule, features: Tensor) -> None:
    """Raises InputError where the features [1,P,S,D] hold more prompts than a storyboard's schedule, as Conditioning
    (Concat) of two storyboards makes them: none would follow the second."""
    if features.shape[1] != schedule.count:
        raise InputError(
            f"the prompts are a storyboard's of {schedule.count} shots and this CONDITIONING has {features.shape[1]},"
            " as Conditioning (Concat) of two makes them; write all shots in one Sora Storyboard"
        )


def joined_shots(parts: list[Conditioning], board: Storyboard) -> Conditioning:
    """The prompts of a storyboard as one [1,P,S,D] with their schedule, for a model of ours."""
    import torch

    features, about = torch.cat([part[0][0] for part in parts])[None], parts[0][0][1]
    return [[features, {**about, SCHEDULE: board.edit.prompt_schedule}]]


def masked_shots(parts: list[Conditioning], board: Storyboard) -> Conditioning:
    """A prompt each, with its share as ComfyUI's own mask over the latent, which any sampler of its follows."""
    t, h, w = board.edit.state.latent.shape[2:]
    masks = board.weights.view(-1, 1, t, 1, 1).expand(-1, 1, t, h, w)
    return [
        [text, {**about, "mask": mask, "mask_strength": 1.0}]
        for part, mask in zip(parts, masks, strict=True)
        for text, about in part
    ]
