"""The mean of the weights of several runs, number by number.

    average({Path("sora_core/weights"): 0.3, Path("output/training/larger"): 0.7}, Path("output/training/average"))

Runs that went on from the same weights can be averaged (arXiv 2203.05482); averaged with those weights, they keep what
further training would have forgotten (arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .. import checkpoints
from ..checkpoints import Checkpoint
from ..errors import InputError
from ..files import make_folder
from .export import halved, trained_by
from .fields import object_in

__all__ = ["average", "read_shares"]

LARGEST = (1 << 24) - (1 << 18)
"""bytes of the tensors in a file of 16 MiB"""
NAMES = ("text", "transformer")
"""what is averaged"""
WORDS, EMBEDDING = "vocabulary", "embedding.weight"
"""of a text encoder: the words it knows, and a row for each"""


def read_shares(path: Path) -> dict[Path, float]:
    """Folders of weights and their shares, from the key `average` of a JSON file. Raises InputError."""
    given = object_in(path, "average")
    for folder, share in given.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise InputError(f"{path}: the share of {folder} must be a number above 0 and at most 1, not {share!r}")
    if abs(sum(given.values()) - 1) > 1e-6:
        raise InputError(f"{path}: the shares come to {sum(given.values()):g}; they must come to 1")
    return {Path(folder): float(share) for folder, share in given.items()}


def average(shares: Mapping[Path, float], out: Path) -> Path:
    """Average text encoder and transformer; returns `out`. A row for a word that not all know is of those that do; the
    codec, on whose latents all were trained, is that of the last run.

    Raises InputError where networks differ in size or words, CheckpointError for a damaged file.
    """
    runs = {name: [checkpoints.load_sharded(folder, name) for folder in shares] for name in NAMES}
    for name, parts in runs.items():
        for folder, part in zip(shares, parts, strict=True):
            check_alike(folder, name, part, parts[0])
    codec = checkpoints.load(list(shares)[-1] / "codec.safetensors")
    make_folder(out)
    metadata = trained_by(average={str(folder): share for folder, share in shares.items()})
    for name, parts in runs.items():
        tensors = {k: mean([part.tensors[k] for part in parts], list(shares.values())) for k in parts[0].tensors}
        config = max((part.config for part in parts), key=lambda config: len(config.get(WORDS, ())))
        checkpoints.save_sharded(out, name, halved(tensors), config=config, metadata=metadata, largest=LARGEST)
    checkpoints.save(out / "codec.safetensors", codec.tensors, config=codec.config, metadata=codec.metadata)
    return out


def check_alike(folder: Path, name: str, part: Checkpoint, first: Checkpoint) -> None:
    """Raises InputError where a network is not the first one but for its last words."""
    shapes, wanted = ({k: v.shape[k == EMBEDDING :] for k, v in c.tensors.items()} for c in (part, first))
    if shapes != wanted:
        raise InputError(f"the {name} in {folder} is of other sizes than the first; they cannot be averaged")
    if any(one != other for one, other in zip(part.config.get(WORDS, ()), first.config.get(WORDS, ()), strict=False)):
        raise InputError(f"the {name} in {folder} knows other words than the first; they cannot be averaged")


def mean(given: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The weighted mean of tensors, by row of those that have it."""
    longest = max(given, key=len)
    total, weight = torch.zeros_like(longest, dtype=torch.float32), torch.zeros(len(longest))
    for value, share in zip(given, shares, strict=True):
        total[: len(value)] += share * value.float()
        weight[: len(value)] += share
    return total / weight.view(-1, *[1] * (total.ndim - 1))
