"""Clips on disk: what the world renders, what the codec makes of it, in shards that are written once and mapped.

A shard is one safetensors file of clips of one kind. Pixels are `video` uint8 [N,F,H,W,3]; latents are `latent` float16
[N,C,T,h,w] with the text of each clip as token ids. The seed of every clip is kept: everything else follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .. import checkpoints
from ..errors import InputError
from ..world import ClipShape, Cutouts, Scene, render, sample_scene

__all__ = ["ClipKind", "Shard", "open_shards", "render_shard", "scenes_of", "seeds_of"]


@dataclass(frozen=True, kw_only=True)
class ClipKind:
    """One size of clip and the families of scenes it is filled from."""

    height: int
    width: int
    frames: int
    fps: float
    family: str | None = None
    """one family of the world, or None for its own mix"""
    nouns: tuple[str, ...] = ()
    """the cut-outs that its scenes are drawn from; none is the world of solids"""

    def __post_init__(self) -> None:
        if self.frames < 1 or self.height < 8 or self.width < 8:
            raise InputError(
                f"a clip needs at least one frame of 8x8 pixels, not {self.frames} of {self.width}x{self.height}"
            )

    @property
    def name(self) -> str:
        """For file names: family, size, frames, fps."""
        return f"{self.family or 'mix'}-{self.width}x{self.height}-{self.frames}f-{self.fps:g}fps"

    @property
    def shape(self) -> ClipShape:
        return ClipShape(frames=self.frames, height=self.height, width=self.width, fps=self.fps)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """An open shard: mapped tensors and where they came from."""

    path: Path
    kind: ClipKind
    first_seed: int
    tensors: dict[str, Tensor]


def seeds_of(first_seed: int, count: int) -> range:
    """The scene seeds of a shard."""
    return range(first_seed, first_seed + count)


def scenes_of(kind: ClipKind, first_seed: int, count: int) -> list[Scene]:
    """The scenes of a shard: training attributes only."""
    return [
        sample_scene(seed, family=kind.family, held_out=False, nouns=kind.nouns) for seed in seeds_of(first_seed, count)
    ]


def render_shard(folder: Path, kind: ClipKind, first_seed: int, count: int, *, cutouts: Cutouts | None = None) -> Path:
    """Render `count` clips into a shard unless it is there already; returns its path. `cutouts` are needed by a kind
    with nouns."""
    path = folder / f"{kind.name}-{first_seed}.safetensors"
    if not path.exists():
        video = torch.cat(
            [render([scene], kind.shape, cutouts=cutouts) for scene in scenes_of(kind, first_seed, count)]
        )
        save_shard(path, kind, first_seed, {"video": video})
    return path


def save_shard(path: Path, kind: ClipKind, first_seed: int, tensors: dict[str, Tensor]) -> None:
    """Write a shard, whole or not at all."""
    checkpoints.save(path, tensors, config={"kind": asdict(kind), "first_seed": first_seed})


def open_shards(paths: Sequence[Path]) -> Iterator[Shard]:
    """Open shards in order."""
    for path in paths:
        checkpoint = checkpoints.load(path)
        said = checkpoint.config["kind"]
        kind = ClipKind(**(said | {"nouns": tuple(said.get("nouns", ()))}))
        yield Shard(path=path, kind=kind, first_seed=checkpoint.config["first_seed"], tensors=dict(checkpoint.tensors))
