"""Clips as the transformer sees them: latents and captions, made once by the frozen codec.

A clip is encoded whole, so a later window of its latents is what a stream would give mid-way. Every clip carries several
captions as token ids, [N,V,P,S]: V wordings, P parts of its time (two where a scene is cut), with the second each part begins.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..text.tokenizer import WordTokenizer
from ..vae import CausalCodec
from .clips import ClipKind, save_shard, scenes_of
from .world import Scene, describe, describe_spans, render

__all__ = ["LEVELS", "captions", "encode_shard", "encode_video", "wordings"]

LEVELS = ("descriptive", "descriptive", "descriptive", "plain", "short")
"""the wordings of a clip"""
AT_ONCE = 8


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
    }
    save_shard(path, kind, first_seed, tensors)
    return path
