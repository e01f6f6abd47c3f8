"""Clips as the transformer sees them: latents and captions, made once by the frozen codec.

A clip is encoded whole, so a later window of its latents is what a stream would give mid-way. Every clip carries several
captions as token ids, [N,V,P,S]: V wordings, P parts of its time (two where a scene is cut), with the second each part begins,
and the cells in which a thing is seen, so that the loss can weigh the little that the words are about against the much around it.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import Geometry, latent_frames
from ..text.tokenizer import WordTokenizer
from ..vae import CausalCodec
from .clips import ClipKind, save_shard, scenes_of
from .world import ClipShape, Scene, describe, describe_spans, render, truth
from .world.truth import FIRST

__all__ = ["LEVELS", "captions", "cells_with_things", "encode_shard", "encode_video", "wordings"]

LEVELS = ("descriptive", "descriptive", "descriptive", "plain", "short")
"""the wordings of a clip"""
AT_ONCE = 8
LOOKS = 2
"""places in a cell, along each side and through its time, where a thing is looked for"""


def wordings(scene: Scene) -> list[tuple[str, int]]:
    """Level and seed of each wording of a scene: every scene is told in words of its own."""
    return [(level, scene.seed * len(LEVELS) + i) for i, level in enumerate(LEVELS)]


def captions(scene: Scene, tokenizer: WordTokenizer, parts: int) -> tuple[Tensor, Tensor]:
    """Token ids [V,P,S] and the seconds [P] at which the parts begin."""
    if parts == 1:
        return tokenizer([describe(scene, level, seed) for level, seed in wordings(scene)])[:, None], torch.zeros(1)
    spans = [describe_spans(scene, level, seed) for level, seed in wordings(scene)]
    ids = torch.stack([tokenizer([text for _, text in span]) for span in spans])
    return ids, torch.tensor([start for start, _ in spans[0]])


@torch.no_grad()
def encode_video(codec: CausalCodec, video: Tensor) -> Tensor:
    """uint8 [B,F,H,W,3] -> normalised latents [B,C,T,h,w]."""
    clips = [part.permute(0, 4, 1, 2, 3).float() / 127.5 - 1 for part in video.split(AT_ONCE)]
    with torch.autocast(video.device.type, torch.bfloat16):
        return torch.cat([codec.encode(clip).float() for clip in clips])


def cells_with_things(scene: Scene, kind: ClipKind, geometry: Geometry) -> Tensor:
    """uint8 [T,h,w]: 1 for the latent cells of a clip in which a thing is seen."""
    look = ClipShape(
        frames=1 + (latent_frames(kind.frames, geometry) - 1) * LOOKS,
        height=kind.height // geometry.space_factor * LOOKS,
        width=kind.width // geometry.space_factor * LOOKS,
        fps=kind.fps * LOOKS / geometry.time_factor,
    )
    seen = (truth(scene, look).ids >= FIRST).float()
    return F.max_pool3d(F.pad(seen, (0, 0, 0, 0, LOOKS - 1, 0))[None], LOOKS)[0].byte()


def encode_shard(folder: Path, codec: CausalCodec, tokenizer: WordTokenizer, kind: ClipKind, first_seed: int, count: int) -> Path:
    """Render, encode and caption `count` clips into a shard unless it is there already; returns its path."""
    path = folder / f"{kind.name}-{first_seed}.safetensors"
    if path.exists():
        return path
    scenes = scenes_of(kind, first_seed, count)
    latents = [
        encode_video(codec, torch.cat([render([scene], kind.shape) for scene in scenes[i : i + AT_ONCE]])) for i in range(0, count, AT_ONCE)
    ]
    parts = 2 if kind.family in ("shots", "transition") else 1
    texts = [captions(scene, tokenizer, parts) for scene in scenes]
    tensors = {
        "latent": torch.cat(latents).half(),
        "ids": torch.stack([ids for ids, _ in texts]).short(),
        "starts": torch.stack([starts for _, starts in texts]),
        "things": torch.stack([cells_with_things(scene, kind, codec.geometry) for scene in scenes]),
    }
    save_shard(path, kind, first_seed, tensors)
    return path
