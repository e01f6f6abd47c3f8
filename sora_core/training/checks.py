"""What a training run needs is looked at before any process starts: arguments, sizes, folders, memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from .. import checkpoints
from ..dit import DiT, DiTConfig
from ..errors import InputError
from ..files import check_folder, make_folder
from ..memory import check_memory_for
from ..perception.classifier import AttributeClassifier, ClassifierConfig
from ..text.encoder import TextConfig, TextEncoder
from ..text.tokenizer import WordTokenizer
from ..vae import BundledCodec, CodecConfig
from ..world import load_cutouts
from .codec import BLOCK
from .forward import TextToVideo
from .plan import TrainingConfig

__all__ = ["BLOCK_OF_TRANSFORMER", "check_calls", "check_networks"]

BLOCK_OF_TRANSFORMER = re.compile(r"blocks\.(\d+)\.(.+)")
"""names of a transformer's blocks, of which weights to go on from may have fewer"""
MOST_WORKERS = 512
MORE = {"codec": BLOCK, "transformer": BLOCK_OF_TRANSFORMER}
"""what weights to go on from may lack, by the name of their file"""
BYTES_PER_WEIGHT = 20
"""of its value, gradient, moving average and the optimizer's two"""


def check_calls(*, workers: int, seconds: float | None, cutouts: Path | None) -> None:
    """Raises InputError for arguments that no run can have."""
    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"1 to {MOST_WORKERS} processes can render clips, not {workers}")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InputError(f"a run by the clock takes some time, not {seconds / 60:.3g} minutes")
    if cutouts is not None:
        load_cutouts(cutouts)


def check_networks(
    plan: TrainingConfig, tokenizer: WordTokenizer, folder: Path, *, device: torch.device, start: Path | None
) -> None:
    """Make the folder of a run, unless the networks of the plan are not those that it has, or not those of the weights
    to go on from, or do not fit into memory. Raises InputError or ResourceError."""
    networks = networks_on_meta(plan, tokenizer)
    weights = sum(p.numel() for network in networks.values() for p in network.parameters())
    if device.type == "cpu":
        check_memory_for(weights * BYTES_PER_WEIGHT, "training networks of these sizes", "choose smaller ones")
    for key, what in (("decoder_alone", "a decoder is trained alone on"), ("anchor", "an encoder is held near")):
        if start is None and plan.codec.loss.get(key):
            raise InputError(f"{what} the latents of weights that are there; name them with --start")
    if start is not None:
        known = checkpoints.read_header(start / "text.safetensors").config["vocabulary"]
        model: Any = networks_on_meta(plan, WordTokenizer(known, tokenizer.length))["transformer"]
        for name, network in (("codec", networks["codec"]), ("text", model.text), ("transformer", model.dit)):
            path = start / f"{name}.safetensors"  # or in several files
            check_same(path, name, network, f"the weights in {start}", prefix="", more=MORE.get(name))
    for name, network in networks.items():
        path = folder / f"{name}-run.safetensors"
        check_same(path, name, network, f"the run in {folder}", prefix="model.")
    make_folder(folder)
    check_folder(folder, 0)


def networks_on_meta(plan: TrainingConfig, tokenizer: WordTokenizer) -> dict[str, torch.nn.Module]:
    """Every network of a plan without memory for its numbers, by the name of its checkpoint."""
    with torch.device("meta"):
        codec = BundledCodec(CodecConfig(**plan.codec.model))
        text = TextEncoder(TextConfig(vocabulary=tokenizer.vocabulary, **plan.transformer.text))
        transformer = TextToVideo(text, DiT(DiTConfig(**{"patch": (1, 2, 2), **plan.transformer.model})))
        found: dict[str, torch.nn.Module] = {"codec": codec, "transformer": transformer}
        if plan.classifier is not None:
            found["reader"] = AttributeClassifier(ClassifierConfig(**plan.classifier.model))
    return found


def check_same(
    path: Path, name: str, network: torch.nn.Module, what: str, *, prefix: str, more: re.Pattern[str] | None = None
) -> None:
    """Raises InputError where a file, if it is there, holds a network of other sizes. more: names of what it may
    lack."""
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        return
    shapes = checkpoints.read_header(path).shapes
    here = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    there = {key.removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)}
    for key in sorted(here.keys() | there.keys()):
        if more is not None and key not in there and more.match(key):
            continue
        if here.get(key) != there.get(key):
            raise InputError(
                f"{what} has a {name} of other sizes than the configuration ({key}: {there.get(key, 'none')} there,"
                f" {here.get(key, 'none')} here); name another folder, or give the configuration its sizes"
            )
