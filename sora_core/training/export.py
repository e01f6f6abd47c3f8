"""Weights as they are shipped: matrices in bfloat16, in files of at most 15 MiB, with licence and recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checkpoints
from ..vae import BundledCodec
from .forward import TextToVideo

__all__ = ["LARGEST", "halved", "save_codec", "save_transformer", "trained_by"]

LARGEST = 15 << 20
"""bytes of a file of the transformer"""


def trained_by(**recipe: Any) -> dict[str, str]:
    """What a file of weights says of itself: `trained_by(refiner=run)` has the run's settings, as its configuration."""
    return {"licence": checkpoints.LICENCE, "recipe": json.dumps(recipe, default=plain)}


def plain(value: Any) -> Any:
    """A configuration as JSON has it."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices in bfloat16; vectors and tables stay float32."""
    return {k: v.detach().to(torch.bfloat16 if v.ndim > 1 else torch.float32).contiguous() for k, v in tensors.items()}


def save_codec(folder: Path, codec: BundledCodec, metadata: Mapping[str, str]) -> None:
    """codec.safetensors."""
    tensors = halved(codec.state_dict())
    checkpoints.save(folder / "codec.safetensors", tensors, config=asdict(codec.config), metadata=metadata)


def save_transformer(
    folder: Path, model: TextToVideo, averaged: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """text.safetensors, and transformer.safetensors in as many files as its size asks for."""
    parts = {
        name: halved({k.removeprefix(f"{name}."): v for k, v in averaged.items() if k.startswith(f"{name}.")})
        for name in ("text", "dit")
    }
    text = asdict(model.text.config)
    checkpoints.save(folder / "text.safetensors", parts["text"], config=text, metadata=metadata)
    checkpoints.save_sharded(
        folder, "transformer", parts["dit"], config=asdict(model.dit.config), metadata=metadata, largest=LARGEST
    )
