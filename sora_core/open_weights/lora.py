"""LoRA files put on a published transformer: small changes of its weights, several at once, each with a strength.

    changed, notes = with_loras(dit, [LoraUse(path=Path("style.safetensors"), strength=0.8)])

Three ways to write one are read: kohya's (`lora_unet_blocks_0_self_attn_q.lora_down.weight`, with `.alpha`), diffusers'
(`transformer.blocks.0.attn1.to_q.lora_A.weight`) and that of extracted differences (`.diff`, `.diff_b` of a bias,
`.diff_m` of a modulation). The transformer that is given stays as it is and shares what is not changed. Weights are
changed in float32 and keep their type; eight-bit weights stay as they are and the change is computed beside them.

Legend: O outputs, I inputs of a layer, r the rank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..dit.config import DiTConfig
from ..dit.model import DiT
from ..errors import CheckpointError, InputError
from ..layers import eight_bit
from .files import Source, open_source
from .keys import LORA_PREFIXES, renamed

__all__ = ["LoraUse", "check_lora", "with_loras"]

ENDINGS = {
    **{".lora_down.weight": "down", ".lora_up.weight": "up", ".lora_A.weight": "down", ".lora_B.weight": "up"},
    **{".lora_A.default.weight": "down", ".lora_B.default.weight": "up", ".lora.down.weight": "down"},
    **{".lora.up.weight": "up", ".alpha": "alpha", ".diff": "diff", ".diff_b": "diff_b", ".diff_m": "diff_m"},
}
"""of a name in the file: what the tensor is"""
OTHER_WAYS = re.compile(r"lokr_|hada_|lora_mid|\.oft_|dora_scale|lora_magnitude_vector|\.glora|\.boft")
PARAMETERS = {"diff_b": "bias", "diff_m": "modulation"}
"""what changes another parameter of a layer than its weight"""
STRONGEST = 100.0
SHOWN = 3
"""names given in an error"""


@dataclass(frozen=True, kw_only=True)
class LoraUse:
    """One LoRA file and how much of it is added."""

    path: Path
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not abs(self.strength) <= STRONGEST:
            raise InputError(f"the strength of a LoRA is between -{STRONGEST:g} and {STRONGEST:g}, not {self.strength}")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is added to one parameter: scale * up [O,r] down [r,I]; without `down`, `up` is the whole difference."""

    scale: float
    up: Tensor
    down: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.up.shape) if self.down is None else (len(self.up), self.down[0].numel())

    @property
    def parts(self) -> tuple[Tensor, ...]:
        return (self.up,) if self.down is None else (self.up, self.down)

    @property
    def finite(self) -> bool:
        """Whether all its numbers are numbers."""
        return all(bool(part.float().isfinite().all()) for part in self.parts)

    def of(self, like: Tensor) -> Tensor:
        """The difference in float32, shaped and placed as the weight."""
        up = self.up.to(like.device, torch.float32)
        if self.down is not None:
            up = up.flatten(1) @ self.down.to(like.device, torch.float32).flatten(1)
        return self.scale * up.reshape(like.shape)

    def __call__(self, x: Tensor) -> Tensor:
        """What it adds to the output of a linear layer."""
        inner = x if self.down is None else F.linear(x, self.down.to(x).flatten(1))
        return self.scale * F.linear(inner, self.up.to(x).flatten(1))


Changes = dict[str, list[Change]]
"""name of a parameter of ours -> what is added to it"""


def with_loras(dit: DiT, uses: Sequence[LoraUse]) -> tuple[DiT, list[str]]:
    """A transformer with these LoRAs on it, and a line on each; `dit` itself does not change.

    Raises CheckpointError for a file that is no LoRA, one of another family or size (with the first names that differ),
    or one in a form that is not read here.
    """
    changes: Changes = {}
    notes = []
    for use in uses:
        made = read_lora(use, dit)
        for name, change in made.items():
            changes.setdefault(name, []).extend(change)
        count = sum(any(change.scale for change in several) for several in made.values())
        notes.append(f"{use.path.name} at {use.strength:g}: {count} weight{'s' * (count != 1)} changed")
    return rebuilt(dit, changes), notes


def check_lora(path: Path) -> None:
    """Raise CheckpointError where a file is no LoRA, lacks a part, or knows no layer of any transformer that runs here,
    by its header alone. Whether it fits a certain transformer is known once that is there."""
    given = grouped(open_source(path))
    for module, tensors in given.items():
        check_halves(tensors, path, module)
    with torch.device("meta"):
        targets = parameters_of(DiT(DiTConfig(depth=1)))
    first = {re.sub(r"(blocks[._])\d+", r"\g<1>0", module): tensors for module, tensors in given.items()}
    if not any(targets(name, PARAMETERS.get(kind, "weight")) for name, tensors in first.items() for kind in tensors):
        raise CheckpointError(
            f"{path} is a LoRA of another kind of model: none of its {len(given)} layers is one of a Wan transformer"
            f" ({', '.join(list(given)[:SHOWN])}); take one made for it."
        )


def check_halves(tensors: Mapping[str, str], path: Path, module: str) -> None:
    """Raises CheckpointError where a layer has only one of the two that are multiplied, or a factor of nothing."""
    if ("down" in tensors) != ("up" in tensors) or tensors.keys() == {"alpha"}:
        raise CheckpointError(f"{path} lacks one half of {module}: fetch it again.")


def read_lora(use: LoraUse, dit: DiT) -> Changes:
    """What one file adds, under our names."""
    source = open_source(use.path)
    given = grouped(source)
    targets = parameters_of(dit)
    found: Changes = {}
    unknown = []
    for module, tensors in given.items():
        for parameter, change in changes_of(tensors, use, module, source):
            name = targets(module, parameter)
            if name is None:
                unknown.append(f"{module} ({parameter})")
            else:
                found.setdefault(name, []).append(change)
    if unknown:
        raise CheckpointError(
            f"{use.path} is a LoRA of another kind of model: {len(unknown)} of its {len(given)} layers are not in this"
            f" transformer ({', '.join(unknown[:SHOWN])}); take one made for it."
        )
    check_shapes(use, found, dict(dit.named_parameters()))
    return found


def grouped(source: Source) -> dict[str, dict[str, str]]:
    """Layer in the file -> what is there of it -> name of the tensor. Raises CheckpointError where it is no LoRA."""
    out: dict[str, dict[str, str]] = {}
    strange = []
    for name in source:
        ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if name.endswith(e)), None)
        if ending is None or OTHER_WAYS.search(name):
            strange.append(name)
        else:
            out.setdefault(name.removesuffix(ending), {})[ENDINGS[ending]] = name
    if strange or not out:
        form = OTHER_WAYS.search(" ".join(strange))
        what = "a LoRA in a form that is not read here" if form or out else "no LoRA"
        what += f" ({form[0]})" if form else ""
        raise CheckpointError(
            f"{source.path} is {what}: it has {', '.join(strange[:SHOWN]) or 'no tensors'}; names that end in"
            " .lora_down.weight, .lora_A.weight or .diff are read."
        )
    return out


def changes_of(tensors: Mapping[str, str], use: LoraUse, module: str, source: Source) -> list[tuple[str, Change]]:
    """(parameter of the layer, what is added to it)."""
    out = []
    for kind in ("diff", "diff_b", "diff_m"):
        if kind in tensors:
            change = Change(scale=use.strength, up=source[tensors[kind]])
            out.append((PARAMETERS.get(kind, "weight"), change))
    check_halves(tensors, use.path, module)
    if "down" in tensors:
        down, up = source[tensors["down"]], source[tensors["up"]]
        if min(down.ndim, up.ndim) < 2 or not 0 < len(down) == up.shape[1:].numel():
            raise CheckpointError(
                f"{use.path} is damaged at {module}: {list(up.shape)} and {list(down.shape)} do not multiply."
            )
        alpha = source[tensors["alpha"]] if "alpha" in tensors else torch.tensor(len(down))
        if alpha.numel() != 1 or not alpha.isfinite().all():
            raise CheckpointError(f"{use.path} is damaged at {module}: its alpha is no number; fetch it again.")
        out.append(("weight", Change(scale=use.strength * float(alpha) / len(down), down=down, up=up)))
    if not all(change.finite for _, change in out):
        raise CheckpointError(f"{use.path} is damaged at {module}: it holds what is no number; fetch it again.")
    return out


def parameters_of(dit: DiT) -> Callable[[str, str], str | None]:
    """A function (layer in a file, parameter) -> our name of that parameter, or None."""
    ours = {name for name, _ in dit.named_parameters()}
    flat = {alias.replace(".", "_"): name for name in ours for alias in aliases(name)}

    def find(module: str, parameter: str) -> str | None:
        short = module
        for prefix in LORA_PREFIXES:
            short = short.removeprefix(prefix)
        if short in ("", "diffusion_model"):  # a difference of what the whole network owns
            return parameter if parameter in ours else None
        if parameter == "weight" and short in ours:  # a difference of what is no layer: `blocks.0.modulation.diff`
            return short
        # the mark tells diffusers' names from ours
        mark = "condition_embedder.time_proj.weight"
        name = f"{short}.{parameter}"
        for candidate in (name, renamed([name, mark])[name]):
            if candidate in ours:
                return candidate
        return flat.get(f"{short}_{parameter}".replace(".", "_"))

    return find


DIFFUSERS = (
    *((rf"\.{ours}\.", f".{theirs}.") for ours, theirs in (("self_attn", "attn1"), ("cross_attn", "attn2"))),
    *((rf"\.(attn[12])\.{x}\.", rf".\1.to_{x}.") for x in "qkv"),
    (r"\.(attn[12])\.o\.", r".\1.to_out.0."),
    (r"\.ffn\.0\.", ".ffn.net.0.proj."),
    (r"\.ffn\.2\.", ".ffn.net.2."),
    *(
        (rf"^{kind}_embedding\.{at}\.", f"condition_embedder.{kind}_embedder.linear_{number}.")
        for kind in ("time", "text")
        for at, number in ((0, 1), (2, 2))
    ),
    (r"^time_projection\.1\.", "condition_embedder.time_proj."),
)
"""our names -> diffusers', for files that join the parts of a name by underscores"""


def aliases(name: str) -> tuple[str, str]:
    """Our name and diffusers'."""
    other = name
    for pattern, replacement in DIFFUSERS:
        other = re.sub(pattern, replacement, other)
    return name, other


def check_shapes(use: LoraUse, found: Changes, ours: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where a change is not of the size of its weight."""
    wrong = []
    for name, changes in found.items():
        whole = tuple(ours[name].shape)
        flat = (whole[0], torch.Size(whole[1:]).numel())
        for change in changes:
            if change.shape != (whole if change.down is None else flat):
                wrong.append(f"{name} {list(change.shape)} for {list(whole)}")
    if wrong:
        raise CheckpointError(
            f"{use.path} is a LoRA for a model of another size: {len(wrong)} of {len(found)} weights differ"
            f" ({', '.join(wrong[:SHOWN])}); take one made for this transformer."
        )


def rebuilt(dit: DiT, changes: Changes) -> DiT:
    """The transformer again, sharing every tensor that is not changed."""
    layers = dict(dit.named_modules())
    eight = {name: layer for name, layer in layers.items() if isinstance(layer, eight_bit.Linear)}
    with torch.device("meta"):
        made = DiT(dit.config, ops=eight_bit.EightBitOps if eight else nn)
    state: dict[str, Tensor] = {}
    for name, value in dit.state_dict().items():
        owner, _, parameter = name.rpartition(".")
        plain = value.to_dense() if value.is_mkldnn else value
        if name in changes and not (owner in eight and parameter == "weight"):
            plain = (plain.float() + sum(change.of(plain) for change in changes[name])).to(plain.dtype)
        state[name] = plain
    for name, layer in eight.items():
        same: Any = made.get_submodule(name)
        same.take_scales(layer.scale.numel())
        same.beside = (*layer.beside, *changes.get(f"{name}.weight", ()))
    made.load_state_dict(state, assign=True)
    return made.requires_grad_(False).eval()
