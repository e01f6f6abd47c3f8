"""A training configuration: one JSON file with a part per stage.

`clips` lists the kinds that are rendered, `codec`, `transformer` and `classifier` say what is trained and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..data.clips import GEOMETRY, ClipKind
from ..dit import DiTConfig
from ..errors import InputError
from ..perception.classifier import ClassifierConfig
from ..text.encoder import TextConfig
from ..vae import CodecConfig
from ..world import FAMILIES, JOINED
from .classifier import ClassifierLoss
from .codec import CodecLoss
from .fields import checked, made, object_in, part_of
from .loop import Recipe
from .transformer import Curriculum, TransformerLoss

__all__ = ["Clips", "Stage", "TrainingConfig", "read_config"]

CELL = GEOMETRY.space_factor * GEOMETRY.patch
"""pixels of a token's side"""
LEAST_FRAMES = 5
"""frames that a crop takes from the middle of a clip, with the one before them"""
GIVEN = ("seed", "stores", "bfloat16")
"""fields of every loss that the run sets"""
STAGES: dict[str, tuple[type[Any], type[Any], tuple[str, ...]]] = {
    "codec": (CodecConfig, CodecLoss, (*GIVEN, "codec")),
    "transformer": (DiTConfig, TransformerLoss, (*GIVEN, "model", "curriculum", "block", "sources")),
    "classifier": (ClassifierConfig, ClassifierLoss, (*GIVEN, "classifier", "codec")),
}
"""a stage's network, its loss, and the fields of that which the run sets"""


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
    named: bool = True
    """whether words that the weights to go on from lack are learned; else clips told with such words are what a person
    brings: always with a kept part"""
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
    """Read a JSON configuration, every part of it. Raises InputError that names the file and what is wrong with it."""
    given = object_in(path)
    try:
        known = {field.name for field in fields(TrainingConfig)}
        if foreign := [name for name in given if name not in known]:
            raise InputError(f"it has no part {foreign[0][:60]!r}; it has {', '.join(sorted(known))}")
        stages = {name: stage_of(name, part_of(given, name)) for name in ("codec", "transformer")}
        if given.get("classifier") is not None:
            stages["classifier"] = stage_of("classifier", given["classifier"])
        seed = checked(TrainingConfig, {"seed": given.get("seed", 0)}, "it", without=[*known - {"seed"}])["seed"]
        plan = TrainingConfig(
            clips=clips_of(part_of(given, "clips")), codec=stages["codec"], transformer=stages["transformer"],
            classifier=stages.get("classifier"), seed=seed,
        )  # fmt: skip
        check_together(plan)
        return plan
    except InputError as error:
        raise InputError(f"{path} is not a training configuration: {error}") from error


def clips_of(given: Any) -> Clips:
    """What is rendered; a kind's rate may be a whole number."""
    clips = made(Clips, given, "clips")
    if not clips.kinds:
        raise InputError("clips.kinds must name at least one kind of clip")
    if not any(kind.weight for kind in clips.kinds):
        raise InputError("clips.kinds must give a weight above 0 to at least one kind")
    if clips.room < clips.least:
        raise InputError(f"clips.room ({clips.room}) must be at least clips.least ({clips.least})")
    for index, kind in enumerate(clips.kinds):
        where = f"clips.kinds[{index}]"
        if kind.family is not None and kind.family not in (known := {*FAMILIES, *JOINED}):
            raise InputError(f"{where}.family must be one of {', '.join(sorted(known))}, not {kind.family[:40]!r}")
        if kind.name in [other.name for other in clips.kinds[:index]]:
            raise InputError(f"{where} is the same as one before it; give that one more weight")
        for height, width in kind.sizes:
            if height % CELL or width % CELL or height > kind.height or width > kind.width:
                raise InputError(
                    f"{where} is encoded at {width}x{height}, which must be multiples of {CELL} and no larger than its"
                    f" {kind.width}x{kind.height}"
                )
    return clips


def stage_of(name: str, given: Any) -> Stage:
    """One stage's part of the file, with its network's config and the fields of its loss checked."""
    stage = made(Stage, given, name)
    network, loss, set_by_us = STAGES[name]
    model = {"patch": (1, 2, 2), **stage.model} if name == "transformer" else stage.model
    made(network, model, f"{name}.model", without=("answers",))
    if stage.text and name != "transformer":
        raise InputError(f"{name}.text is of no use: the transformer alone has a text encoder")
    text = checked(TextConfig, stage.text, f"{name}.text", without=("vocabulary",))
    TextConfig(vocabulary=(), **text)
    return replace(
        stage,
        model=checked(network, stage.model, f"{name}.model", without=("answers",)),
        text=text,
        loss=checked(loss, stage.loss, f"{name}.loss", without=set_by_us),
    )


def check_together(plan: TrainingConfig) -> None:
    """Raises InputError where parts that are right alone do not fit together."""
    text = TextConfig(vocabulary=(), **plan.transformer.text)
    dit = DiTConfig(**{"patch": (1, 2, 2), **plan.transformer.model})
    codec = CodecConfig(**plan.codec.model)
    for name, value, other, wanted in (
        ("channels", dit.channels, "codec.model.channels", codec.channels),
        ("text_width", dit.text_width, "transformer.text.width", text.width),
        ("text_tokens", dit.text_tokens, "transformer.text.tokens", text.tokens),
    ):
        if value != wanted:
            raise InputError(f"transformer.model.{name} is {value} and {other} is {wanted}; they must be the same")
    if dit.patch != (1, 2, 2):
        raise InputError(f"transformer.model.patch must be [1, 2, 2], not {list(dit.patch)}")
    shares = plan.clips.share + plan.codec.share + (plan.classifier.share if plan.classifier else 0)
    if shares >= 1:
        raise InputError(
            f"the shares of clips, codec and classifier are {shares:.3g}, which leaves the transformer none"
        )
    crop = plan.codec.loss.get("crop", CodecLoss.crop)
    if crop < CELL or crop % CELL:
        raise InputError(f"codec.loss.crop must be a multiple of {CELL}, not {crop}")
    cropped = [kind for kind in plan.clips.kinds if min(kind.height, kind.width) >= crop]
    if not cropped:
        raise InputError(f"no kind of clip is as large as codec.loss.crop, {crop}x{crop} pixels")
    if short := [kind.name for kind in cropped if kind.shape.frames < LEAST_FRAMES]:
        raise InputError(f"clips of at least {LEAST_FRAMES} frames are needed, and {short[0]} has fewer")
