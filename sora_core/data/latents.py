"""Clips as the transformer sees them: latents and captions, made once by the frozen codec.

A clip is encoded whole, so a later window of its latents is what a stream would give mid-way. Every clip carries
several
captions as token ids, [N,V,P,S]: V wordings, P parts of its time (two where a scene is cut), with the second each
part begins,
and the cells in which a thing is seen, so that the loss can weigh the little that the words are about against the
much around it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, latent_frames
from ..text.tokenizer import WordTokenizer
from ..vae import CausalCodec
from ..world import (
    JOINED,
    ClipShape,
    Cutouts,
    Joined,
    Scene,
    describe,
    describe_spans,
    join_captions,
    render,
    render_joined,
    sample_joined,
    things_joined,
    truth,
)
from ..world.truth import FIRST
from .clips import ClipKind, save_shard, scenes_of, seeds_of

__all__ = [
    "LEVELS",
    "captions",
    "cells_with_things",
    "encode_shard",
    "encode_video",
    "parts_of",
    "stream_of",
    "wordings",
]

LEVELS = ("descriptive", "descriptive", "descriptive", "plain", "short")
"""the wordings of a clip"""
SHORTER = ("plain", "plain", "short", "plain", "short")
"""those of a bridge, which tells of two scenes"""
AT_ONCE = 8
LOOKS = 2
"""places in a cell, along each side and through its time, where a thing is looked for"""


def wordings(scene: Scene | Joined) -> list[tuple[str, int]]:
    """Level and seed of each wording of a scene: every scene is told in words of its own."""
    levels = SHORTER if scene.family == "bridge" else LEVELS
    return [(level, scene.seed * len(levels) + i) for i, level in enumerate(levels)]


def captions(scene: Scene | Joined, tokenizer: WordTokenizer, parts: int) -> tuple[Tensor, Tensor]:
    """Token ids [V,P,S] and the seconds [P] at which the parts begin."""
    if isinstance(scene, Scene) and parts == 1:
        return tokenizer([describe(scene, level, seed) for level, seed in wordings(scene)])[:, None], torch.zeros(1)
    spans = [
        join_captions(scene, level, seed) if isinstance(scene, Joined) else describe_spans(scene, level, seed)
        for level, seed in wordings(scene)
    ]
    ids = torch.stack([tokenizer([text for _, text in span]) for span in spans])
    return ids, torch.tensor([start for start, _ in spans[0]])


@torch.no_grad()
def encode_video(codec: CausalCodec, video: Tensor) -> Tensor:
    """uint8 [B,F,H,W,3] -> normalised latents [B,C,T,h,w]."""
    clips = [part.permute(0, 4, 1, 2, 3).float() / 127.5 - 1 for part in video.split(AT_ONCE)]
    with torch.autocast(video.device.type, torch.bfloat16):
        return torch.cat([codec.encode(clip).float() for clip in clips])


def cells_with_things(
    scene: Scene | Joined, shape: ClipShape, geometry: Geometry, cutouts: Cutouts | None = None
) -> Tensor:
    """uint8 [T,h,w]: 1 for the latent cells of a clip in which a thing is seen."""
    look = ClipShape(
        frames=1 + (latent_frames(shape.frames, geometry) - 1) * LOOKS,
        height=shape.height // geometry.space_factor * LOOKS,
        width=shape.width // geometry.space_factor * LOOKS,
        fps=shape.fps * LOOKS / geometry.time_factor,
    )
    if isinstance(scene, Joined):
        seen = things_joined(scene, look, cutouts).float()
    else:
        seen = (truth(scene, look, cutouts).ids >= FIRST).float()
    return F.max_pool3d(F.pad(seen, (0, 0, 0, 0, LOOKS - 1, 0))[None], LOOKS)[0].byte()


def encode_shard(
    folder: Path,
    codec: CausalCodec,
    tokenizer: WordTokenizer,
    kind: ClipKind,
    first_seed: int,
    count: int,
    *,
    cutouts: Cutouts | None = None,
) -> Path:
    """Render, encode and caption `count` clips into a shard unless it is there already; returns its path."""
    path = folder / f"{kind.name}-{first_seed}.safetensors"
    if path.exists():
        return path
    scenes = _scenes(kind, first_seed, count, codec.geometry)
    shape, length = stream_of(kind, codec.geometry)
    latents = [
        encode_video(codec, torch.cat([_pixels(scene, shape, cutouts) for scene in scenes[i : i + AT_ONCE]]))
        for i in range(0, count, AT_ONCE)
    ]
    texts = [captions(scene, tokenizer, parts_of(kind)) for scene in scenes]
    tensors = {
        "latent": torch.cat(latents)[:, :, -length:].half().contiguous(),
        "ids": torch.stack([ids for ids, _ in texts]).short(),
        "starts": torch.stack([starts for _, starts in texts]),
        "things": torch.stack([cells_with_things(scene, shape, codec.geometry, cutouts)[-length:] for scene in scenes]),
    }
    save_shard(path, kind, first_seed, tensors)
    return path


def _scenes(kind: ClipKind, first_seed: int, count: int, geometry: Geometry) -> list[Scene | Joined]:
    if kind.family in JOINED:
        return [
            sample_joined(seed, kind.family, kind.shape, geometry.time_factor, kind.nouns)
            for seed in seeds_of(first_seed, count)
        ]
    return list(scenes_of(kind, first_seed, count))


def _pixels(scene: Scene | Joined, shape: ClipShape, cutouts: Cutouts | None) -> Tensor:
    if isinstance(scene, Joined):
        return render_joined(scene, shape, cutouts=cutouts)
    return render([scene], shape, cutouts=cutouts)


def parts_of(kind: ClipKind) -> int:
    """Captions that follow each other in a clip of this kind."""
    return 2 if kind.family in ("shots", "transition", "storyboard") else 1


def stream_of(kind: ClipKind, geometry: Geometry) -> tuple[ClipShape, int]:
    """What is encoded of a kind, and how many of its last latent frames are kept: a loop is encoded behind its own
    turn before."""
    if kind.family != "loop":
        return kind.shape, latent_frames(kind.frames, geometry)
    if kind.frames % geometry.time_factor:
        raise InputError(f"a loop has whole latent frames of {geometry.time_factor} frames, not {kind.frames} frames")
    return replace(kind.shape, frames=1 + 2 * kind.frames), kind.frames // geometry.time_factor
