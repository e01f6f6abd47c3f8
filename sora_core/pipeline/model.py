"""A model ready to sample, and loading it from files.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, S text tokens, D text width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .. import checkpoints, open_weights
from ..dit import DiT, DiTConfig
from ..emphasis import plain
from ..errors import CheckpointError, InputError
from ..grid import Geometry
from ..layers.surroundings import unaffected
from ..layers.team import Team
from ..refine import Refiner, load_refiner
from ..settings import DEFAULTS, SamplingSettings
from ..text.encoder import TextConfig, TextEncoder
from ..text.tokenizer import WordTokenizer
from ..vae import BundledCodec, CausalCodec, CodecConfig
from ..world.expand import unknown_words

__all__ = ["SoraModel", "check_device", "load_bundled", "load_codec", "load_open", "with_few_steps"]

EXPERT = re.compile(r"(high|low)[ _-]?noise")
"""which of two experts a published file is, in its path"""


class Tokenizer(Protocol):
    """Prompts to tokens, and the weights that a prompt gives them."""

    def __call__(self, prompts: Sequence[str], /) -> Tensor:
        """Token ids [B,S] int64."""

    def weights(self, prompts: Sequence[str], /) -> Tensor:
        """The weight [B,S] of each, 1 where none is given."""


@dataclass(frozen=True, kw_only=True)
class SoraModel:
    """A model ready to sample: the bundled one, or published weights."""

    codec: CausalCodec
    text: nn.Module
    """[B,S] tokens -> [B,S,D] features"""
    tokenizer: Tokenizer
    dit: DiT
    low: DiT | None = None
    """a second network, for noise levels below `low_from` (Wan 2.2 A14B)"""
    low_from: float = 0.0
    """a sigma"""
    refiner: Refiner | None = None
    """brings what was sampled small up to larger sizes, where these weights have one"""
    settings: SamplingSettings = DEFAULTS.sampling
    """how these weights are meant to be sampled; every run starts from them"""
    team: tuple[Team, Team] | None = None
    """(clips, tokens): the processes that share the clips of a batch, and those that share the tokens of each"""

    @property
    def geometry(self) -> Geometry:
        return self.codec.geometry

    @property
    def device(self) -> torch.device:
        return self.dit.patch_embedding.weight.device

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The words that this text encoder knows; None for an encoder of word pieces, which reads any word."""
        return self.tokenizer.vocabulary if isinstance(self.tokenizer, WordTokenizer) else None

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that mean nothing to this text encoder."""
        return [] if self.vocabulary is None else unknown_words(plain(prompt), self.vocabulary)

    def unread(self, prompt: str) -> str:
        """What is to be said of a prompt that is longer than what this text encoder reads; else empty."""
        return self.tokenizer.unread(prompt) if isinstance(self.tokenizer, WordTokenizer) else ""

    def with_settings(self, **changes: Any) -> SoraModel:
        """The same weights with some of their settings changed."""
        return replace(self, settings=self.settings.with_(**changes))


def check_device(name: torch.device | str) -> torch.device:
    """The device of that name. Raises InputError for one that is not here, or that this torch was not built for."""
    try:
        device = torch.empty(1, device=name).device
        if device.type == "meta":
            raise RuntimeError("a device without memory")
        return device
    except (AssertionError, RuntimeError) as error:  # torch has no error of its own for it
        here = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(f"there is no device {name!r} here; this torch can use {here}") from error


@unaffected
def load_bundled(
    folder: str | Path | None = None, *, device: torch.device | str = "cpu", fast: bool = False
) -> SoraModel:
    """The bundled weights (or another set of the same kind in `folder`).

    fast: with the LoRA of few steps on the transformer, and the settings it is made for: few steps, no guidance. Raises
    CheckpointError for a damaged file.
    """
    folder, device = Path(folder or checkpoints.BUNDLED), check_device(device)
    codec = load_codec(folder / "codec.safetensors", device=device)
    words, network = (checkpoints.load_sharded(folder, name) for name in ("text", "transformer"))
    with torch.device("meta"):
        text = TextEncoder(TextConfig(**words.config))
        dit = DiT(DiTConfig(**network.config))
    _fill(text, words, device)
    _fill(dit, network, device)
    refiner = folder / "refiner.safetensors"
    model = SoraModel(
        codec=codec,
        text=text,
        tokenizer=WordTokenizer(text.config.vocabulary, text.config.tokens),
        dit=dit,
        refiner=load_refiner(refiner, device=device) if refiner.is_file() else None,
    )
    return with_few_steps(model, folder / "few_steps.safetensors") if fast else model


def with_few_steps(model: SoraModel, lora: Path) -> SoraModel:
    """The model with a LoRA of few steps on its transformer, and as many Euler steps without guidance as it asks
    for."""
    steps = int(checkpoints.read_header(lora).config["steps"])
    dit, _ = open_weights.with_loras(model.dit, [open_weights.LoraUse(path=lora)])
    return replace(model, dit=dit, settings=SamplingSettings(steps=steps, cfg=1.0, solver="euler"))


@unaffected
def load_open(
    *,
    transformer: str | Path,
    codec: str | Path,
    text: str | Path,
    low: str | Path | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> SoraModel:
    """Published weights (the Wan family) from their files; `low` is the low-noise expert of Wan 2.2 A14B.

    Raises CheckpointError or ResourceError, naming the file, for what does not fit or does not fit into memory, and
    InputError for experts that are swapped or of which one is missing.
    """
    device = check_device(device)
    check_experts(Path(transformer), Path(low) if low else None)
    open_weights.check_fits([path for path in (transformer, low, text, codec) if path], device, dtype=dtype)
    dit = open_weights.load_transformer(transformer, dtype=dtype, device=device)
    published = open_weights.published(dit.config, two_experts=low is not None)
    if low and published.boundary is None:
        raise InputError(f"low is the second expert of Wan 2.2 A14B, and {transformer} is no expert; leave it out")
    expert = open_weights.load_transformer(low, dtype=dtype, device=device) if low else None
    vae = open_weights.load_codec(codec, dtype=dtype, device=device)
    encoder, table = open_weights.load_text_encoder(text, dtype=dtype, device=device)
    for path, has, wanted in (
        (codec, f"{vae.geometry.channels} channels", f"{dit.config.channels} channels"),
        (text, f"{encoder.shared.embedding_dim} features", f"{dit.config.text_width} features"),
        (low, sizes(expert or dit), sizes(dit)),
    ):
        if has != wanted:
            raise CheckpointError(f"{path} is of another model than {transformer}: {has}, where that has {wanted}.")
    return SoraModel(
        codec=vae,
        text=open_weights.OpenText(encoder),
        tokenizer=open_weights.OpenTokens(table),
        dit=dit,
        low=expert,
        low_from=published.boundary or 0.0,
        settings=published.settings,
    )


def check_experts(transformer: Path, low: Path | None) -> None:
    """Raises InputError where the names of the experts of Wan 2.2 A14B say that one is given twice, that they are
    swapped, or that the other is missing: their sizes tell nothing."""
    if low == transformer:
        raise InputError(f"transformer and low are both {low}; low is the low-noise expert of Wan 2.2 A14B")
    first, second = (EXPERT.findall(str(path).lower())[-1:] for path in (transformer, low))
    if (first == ["low"] and low is not None) or second == ["high"]:
        raise InputError(f"{transformer} and {low} are swapped: transformer is the high-noise expert, low the other")
    if first == ["high"] and low is None:
        raise InputError(f"{transformer} is the high-noise expert alone; give the low-noise one as low")


def sizes(dit: DiT) -> str:
    """What tells transformers apart, for a person."""
    return f"width {dit.config.width}, {dit.config.depth} blocks and {dit.config.channels} channels"


@unaffected
def load_codec(path: Path, *, device: torch.device | str = "cpu") -> BundledCodec:
    """A codec of the bundled kind."""
    checkpoint = checkpoints.load(path)
    with torch.device("meta"):
        codec = BundledCodec(CodecConfig(**checkpoint.config))
    _fill(codec, checkpoint, device)
    return codec


def _fill(module: torch.nn.Module, checkpoint: checkpoints.Checkpoint, device: torch.device | str) -> None:
    """Weights into a module made on the meta device, float32, ready for use."""
    checkpoints.load_into(module, checkpoint.tensors)
    module.to(device, torch.float32).eval().requires_grad_(False)
