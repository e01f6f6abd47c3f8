"""What a set of tensors is, told by names and shapes alone, and the module that holds it.

Legend: a shape is what the file's header says; nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..dit.config import DiTConfig
from ..dit.model import DiT
from ..errors import CheckpointError
from ..text.umt5 import UMT5, UMT5Config
from ..vae.wan21 import Wan21Codec, Wan21Config
from ..vae.wan22 import Wan22Codec, Wan22Config
from .keys import REFUSED

__all__ = ["KINDS", "Kind", "Shapes", "detect"]

Shapes = Mapping[str, tuple[int, ...]]
MOST_BLOCKS = 512
HEAD_DIM = 128
"""of every Wan transformer"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of published model.

    marks: names that only it has; build(shapes, ops) gives the module, in the file's sizes.
    """

    name: str
    component: str
    """transformer, codec or text"""
    marks: tuple[str, ...]
    build: Callable[[Shapes, Any], nn.Module]


def transformer(shapes: Shapes, ops: Any) -> nn.Module:
    patch = shapes["patch_embedding.weight"]
    made = shapes["head.head.weight"][0] // (patch[2] * patch[3] * patch[4])
    if patch[1] != made:
        raise CheckpointError(
            f"this transformer takes {patch[1]} channels and makes {made}, so it is an image-to-video or editing model:"
            " animate an image with T2V or TI2V-5B weights instead."
        )
    width = patch[0]
    return DiT(
        DiTConfig(
            width=width,
            depth=count(shapes, r"^blocks\.(\d+)\."),
            heads=max(1, width // HEAD_DIM),
            mlp_width=shapes["blocks.0.ffn.0.weight"][0],
            channels=made,
            patch=(patch[2], patch[3], patch[4]),
            text_width=shapes["text_embedding.0.weight"][1],
            time_features=shapes["time_embedding.0.weight"][1],
            per_position_time=made == Wan22Config().channels,
        ),
        ops=ops,
    )


def codec_21(shapes: Shapes, ops: Any) -> nn.Module:
    return Wan21Codec(Wan21Config(width=shapes["encoder.conv1.weight"][0], channels=shapes["conv2.weight"][0]), ops=ops)


def codec_22(shapes: Shapes, ops: Any) -> nn.Module:
    width, decoder_width = shapes["encoder.conv1.weight"][0], shapes["decoder.head.0.gamma"][0]
    return Wan22Codec(
        Wan22Config(width=width, decoder_width=decoder_width, channels=shapes["conv2.weight"][0]), ops=ops
    )


def text(shapes: Shapes, ops: Any) -> nn.Module:
    first = "encoder.block.0.layer.0.SelfAttention."
    buckets, heads = shapes[first + "relative_attention_bias.weight"]
    return UMT5(
        UMT5Config(
            vocabulary=shapes["shared.weight"][0],
            width=shapes["shared.weight"][1],
            depth=count(shapes, r"^encoder\.block\.(\d+)\."),
            heads=heads,
            head_dim=shapes[first + "q.weight"][0] // heads,
            mlp_width=shapes["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"][0],
            buckets=buckets,
        ),
        ops=ops,
    )


def count(shapes: Shapes, pattern: str) -> int:
    """How many blocks there are. Raises CheckpointError where one is missing: no module is built for those that are
    named only."""
    found = {int(match[1]) for name in shapes if (match := re.match(pattern, name))}
    blocks = 1 + max(found)
    if blocks != len(found) or blocks > MOST_BLOCKS:
        raise CheckpointError(
            f"it has {len(found)} of {blocks} blocks (at most {MOST_BLOCKS} are read); fetch it again."
        )
    return blocks


KINDS = (
    Kind(
        name="Wan transformer",
        component="transformer",
        marks=(
            "patch_embedding.weight",
            "head.head.weight",
            "blocks.0.ffn.0.weight",
            "text_embedding.0.weight",
            "time_embedding.0.weight",
        ),
        build=transformer,
    ),
    Kind(
        name="Wan 2.1 codec",
        component="codec",
        marks=("encoder.conv1.weight", "conv2.weight", "encoder.downsamples.0.residual.2.weight"),
        build=codec_21,
    ),
    Kind(
        name="Wan 2.2 codec",
        component="codec",
        marks=(
            "encoder.conv1.weight",
            "conv2.weight",
            "decoder.head.0.gamma",
            "encoder.downsamples.0.downsamples.0.residual.2.weight",
        ),
        build=codec_22,
    ),
    Kind(
        name="umT5 text encoder",
        component="text",
        marks=(
            *(
                "shared.weight",
                "encoder.block.0.layer.0.SelfAttention.q.weight",
                "encoder.block.0.layer.1.DenseReluDense.wi_0.weight",
            ),
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        ),
        build=text,
    ),
)


def detect(shapes: Shapes, where: str, ops: Any = nn) -> tuple[Kind, nn.Module]:
    """The kind and an empty module (meta device) that has exactly these tensors.

    Raises CheckpointError for a LoRA, a kind that does not run here, or names that fit nothing (with the nearest kind).
    """
    for pattern, what in REFUSED:
        if any(re.search(pattern, name) for name in shapes):
            raise CheckpointError(f"{where} is {what}.")
    kind = next((k for k in KINDS if all(mark in shapes for mark in k.marks)), None)
    if kind is None:
        raise CheckpointError(f"{where} is no Wan transformer, codec or text encoder; {nearest(shapes)}.")
    if empty := next((name for name, shape in shapes.items() if 0 in shape), None):
        raise CheckpointError(f"{where} has a weight without numbers ({empty[:80]}); fetch it again.")
    try:
        with torch.device("meta"):
            module = kind.build(shapes, ops)
    except (ArithmeticError, AssertionError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{where} is named as a {kind.name}, but its shapes are of none; fetch it again."
        ) from error
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if misfit := differences(shapes, wanted):
        raise CheckpointError(f"{where} is almost a {kind.name}, but {misfit}.")
    return kind, module


def differences(shapes: Shapes, wanted: Shapes) -> str:
    """The first names that differ, or nothing."""
    missing = [n for n in wanted if n not in shapes and not n.endswith(".scale")]
    foreign = [n for n in shapes if n not in wanted]
    shaped = [f"{n} {list(shapes[n])} for {list(wanted[n])}" for n in wanted if n in shapes and shapes[n] != wanted[n]]
    found = {"missing": missing, "unknown": foreign, "of another shape": shaped}
    parts = [f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in found.items() if names]
    return ", ".join(parts)


def nearest(shapes: Shapes) -> str:
    """Which kind shares most marks, and what it would have."""
    best = max(KINDS, key=lambda kind: sum(mark in shapes for mark in kind.marks))
    shared = sum(mark in shapes for mark in best.marks)
    if not shared:
        return (
            f"it begins with {', '.join(list(shapes)[:3]) or 'nothing'}, where a {best.name} has"
            f" {', '.join(best.marks[:3])}"
        )
    missing = [mark for mark in best.marks if mark not in shapes]
    return f"the nearest is a {best.name}, which has {', '.join(missing[:3])} too"
