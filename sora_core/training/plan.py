"""A training configuration: one JSON file with a part per stage.

`clips` lists the kinds that are rendered, `codec`, `transformer` and `classifier` say what is trained and how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..data.clips import ClipKind
from ..errors import InputError
from ..headers import with_tuples
from ..perception.classifier import ClassifierConfig
from .loop import Recipe
from .transformer import Curriculum

__all__ = ["Clips", "Stage", "TrainingConfig", "read_config"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Clips:
    """What is rendered."""

    kinds: tuple[ClipKind, ...]
    seed: int = 0
    """of the first scene"""
    least: int = 64
    """clips before training begins; a run by the clock stops where they are not there in time"""
    room: int = 1024
    """clips that are held in all"""
    unlike: float = 0.15
    """share of the clips that are encoded looking unlike the world"""
    share: float = 0.12
    """of a run by the clock, before training begins"""
    on_card: float = 0.35
    """share of the processes that render on the card in that time"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One network's training."""

    recipe: Recipe
    model: Mapping[str, Any] = field(default_factory=dict)
    """fields of the network's config"""
    text: Mapping[str, Any] = field(default_factory=dict)
    """fields of the text encoder's config (transformer)"""
    loss: Mapping[str, Any] = field(default_factory=dict)
    """fields of the stage's loss"""
    curriculum: Curriculum = field(default_factory=Curriculum)
    """which sizes when (transformer)"""
    share: float = 0.0
    """of a run by the clock; the transformer takes what the others leave"""
    least_rate: float = 0.0
    """steps a second under which a run by the clock stops"""
    largest_loss: float = float("inf")
    """mean loss after a third of the stage above which a run by the clock stops"""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A whole configuration."""

    clips: Clips
    codec: Stage
    transformer: Stage
    classifier: Stage | None = None
    seed: int = 0


def read_config(path: Path) -> TrainingConfig:
    """Read a JSON configuration; raises InputError that names the file and what is wrong with it."""
    try:
        given = json.loads(path.read_text())
        clips = {**given.pop("clips")}
        kinds = tuple(made(ClipKind, {**kind, "fps": float(kind["fps"])}) for kind in clips.pop("kinds"))
        stages = {name: stage_of(given.pop(name)) for name in ("codec", "transformer", "classifier") if name in given}
        if "classifier" in stages:
            made(ClassifierConfig, stages["classifier"].model)
        return TrainingConfig(clips=Clips(kinds=kinds, **clips), **stages, **given)  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(f"cannot read the configuration {path}: {error.strerror}") from error
    except KeyError as error:
        raise InputError(f"{path} is not a training configuration: it lacks {error}") from error
    except (ValueError, TypeError, AttributeError, InputError) as error:
        raise InputError(f"{path} is not a training configuration: {error}") from error


def stage_of(given: Mapping[str, Any]) -> Stage:
    """One stage's part of the file."""
    nested = {"recipe": made(Recipe, given["recipe"]), "curriculum": made(Curriculum, given.get("curriculum", {}))}
    return Stage(**{**given, **nested})


def made(kind: type[T], given: Mapping[str, Any]) -> T:
    """A configuration from what JSON gives; raises TypeError for a field there is not."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    foreign = [name for name in given if name not in known]
    if foreign:
        raise TypeError(f"{kind.__name__} has no field {foreign[0]!r}; it has {', '.join(sorted(known))}")
    return kind(**with_tuples(given))
