"""Training of the scene reader: rendered clips in, what their scenes say out.

Clips are spoilt a little on the way (blur, noise, blocks, light), so that the reader bears what a codec and a
generator do.
Shards that were sent through the codec (`decode_shard`) are mixed in like any others: the truth follows from the seeds.

Legend: N clips of a shard, B batch, K read frames, A attributes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nn_f
from torch import Tensor

from ..data.clips import Shard, save_shard, scenes_of
from ..perception.reader import ATTRIBUTES, FRAMES, STEP, Reader, ReaderConfig, save_reader, to_read
from ..types import Progress
from ..vae.base import CausalCodec
from ..world import Scene, attributes, track_of
from .loop import Recipe, Trainer, step_generator

__all__ = ["ReaderLoss", "decode_shard", "train_reader"]

UNASKED = -100
"""the answer of a question that is not asked; the loss passes over it"""
TRACK_WEIGHT = 4.0
SHARDS = 4
"""that the clips of one step come from: rare styles and cameras are then in most steps"""


@dataclass(frozen=True, kw_only=True)
class ReaderLoss:
    """The loss of one step, a pure function of the step."""

    reader: Reader
    shards: Sequence[Shard]
    pixels: int = 24 * 64 * 64
    """pixels of one frame over the whole batch: wider clips come fewer at a time"""
    seed: int = 0
    """of everything random"""
    bfloat16: bool = True
    """compute in bfloat16; master weights stay float32"""
    truths: dict[Path, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)
    """answers and tracks by shard, filled as they are needed"""

    def __call__(self, step: int) -> Tensor:
        frames, answers, track = self.batch(step_generator(self.seed, step))
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, found, map_ = self.reader(frames)
        loss = track_loss(found, map_, track)
        for i, name in enumerate(ATTRIBUTES):
            if (answers[:, i] != UNASKED).any():
                loss = loss + nn_f.cross_entropy(logits[name], answers[:, i], ignore_index=UNASKED)
        return loss

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Frames [B,K,3,H,W], answers [B,A] and tracks [B,K,2] (NaN where unknown) of clips of one size from several
        shards."""
        counts = torch.tensor([float(len(shard.tensors["video"])) for shard in self.shards])
        first = self.shards[int(torch.multinomial(counts, 1, generator=generator))].kind
        alike = torch.tensor([(s.kind.height, s.kind.width) == (first.height, first.width) for s in self.shards])
        chosen = torch.multinomial(counts * alike, SHARDS, replacement=True, generator=generator).tolist()
        n = max(1, round(self.pixels / (first.height * first.width) / SHARDS))
        parts = [self._clips(self.shards[i], n, generator) for i in chosen]
        frames, answers, tracks = (torch.cat(part) for part in zip(*parts, strict=True))
        return spoilt(frames, generator), answers, tracks

    def _clips(self, shard: Shard, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """n clips of a shard, all read from one moment on: frames, answers and tracks."""
        video, kind = shard.tensors["video"], shard.kind
        chosen = torch.randint(len(video), (n,), generator=generator)
        spare = video.shape[1] - 1 - round((FRAMES - 1) * STEP * kind.fps)
        late = int(torch.randint(max(0, spare) + 1, (), generator=generator))
        clips = video[chosen].permute(0, 4, 1, 2, 3)
        frames = to_read(clips.float() / 127.5 - 1, kind.fps, late / kind.fps)
        if shard.path not in self.truths:
            self.truths[shard.path] = truths_of(shard)
        answers, tracks = self.truths[shard.path]
        answers, track = answers[chosen].clone(), tracks[chosen, late]
        cut = int(torch.randint(10, (), generator=generator)) if spare >= 0 else 1
        if cut <= 1:
            frames, track = stopped(frames, track, (0, FRAMES // 2)[cut])
            answers[:, [list(ATTRIBUTES).index("motion"), list(ATTRIBUTES).index("camera")]] = UNASKED
        return frames, answers, track


def track_loss(found: Tensor, map_: Tensor, track: Tensor) -> Tensor:
    """Distance of the tracks, and cross entropy of the map against the true cell, where the object is in the
    picture."""
    inside = ((track > 0) & (track < 1)).all(-1)
    if not inside.any():
        return found.sum() * 0
    height, width = map_.shape[-2:]
    cell = (track.nan_to_num() * torch.tensor([width, height])).long()
    index = (cell[..., 1] * width + cell[..., 0])[inside]
    entropy = nn_f.cross_entropy(map_.flatten(2)[inside], index)
    return TRACK_WEIGHT * (found - track)[inside].abs().mean() + 0.1 * entropy


def stopped(frames: Tensor, track: Tensor, last: int) -> tuple[Tensor, Tensor]:
    """Clips whose picture stands still after frame `last`: stills and clips that are too short."""
    order = torch.arange(FRAMES).clamp(max=last)
    return frames[:, order], track[:, order]


def spoilt(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Frames [B,K,3,H,W], a little blurred, blocky, noisy and off in light; each clip in its own measure."""
    batch = len(frames)

    def draw(share: float, largest: float) -> Tensor:
        amount = torch.rand(batch, 1, 1, 1, 1, generator=generator) * largest
        return amount * (torch.rand(batch, 1, 1, 1, 1, generator=generator) < share)

    flat = frames.flatten(0, 1)
    soft = nn_f.avg_pool2d(nn_f.pad(flat, (1, 1, 1, 1), mode="replicate"), 3, 1).view_as(frames)
    frames = frames + (soft - frames) * draw(0.6, 1.3)
    height, width = frames.shape[-2:]
    coarse = nn_f.interpolate(
        nn_f.avg_pool2d(flat, 2), size=(height, width), mode="bilinear", align_corners=False
    ).view_as(frames)
    frames = frames + (coarse - frames) * draw(0.3, 1.0)
    blocks = nn_f.interpolate(nn_f.avg_pool2d(flat, 8), size=(height, width), mode="nearest").view_as(frames)
    frames = frames + (blocks - frames) * draw(0.2, 0.35)
    gray = frames.mean(2, keepdim=True)
    frames = gray + (frames - gray) * (1 + draw(0.5, 0.3) - 0.15)
    frames = frames * (1 + draw(0.5, 0.2) - 0.1) + draw(0.5, 0.12) - 0.03
    return (frames + draw(0.5, 0.08) * torch.randn(frames.shape, generator=generator)).clamp(-1, 1)


def truths_of(shard: Shard) -> tuple[Tensor, Tensor]:
    """Answers [N,A] and tracks [N,starts,K,2] of a shard's clips, for every frame that reading can begin at."""
    kind = shard.kind
    scenes = scenes_of(kind, shard.first_seed, len(shard.tensors["video"]))
    spare = max(0, kind.frames - 1 - round((FRAMES - 1) * STEP * kind.fps))
    starts = torch.arange(spare + 1, dtype=torch.float64) / kind.fps
    times = (starts[:, None] + torch.arange(FRAMES, dtype=torch.float64) * STEP).clamp(max=(kind.frames - 1) / kind.fps)
    answers = torch.tensor([answers_of(scene) for scene in scenes])
    tracks = torch.stack(
        [track_of(scene, times.flatten(), kind.width / kind.height).view(spare + 1, FRAMES, 2) for scene in scenes]
    )
    return answers, tracks


def answers_of(scene: Scene) -> list[int]:
    """The index of each attribute's answer; what the picture does not settle is not asked."""
    facts = attributes(scene)
    unasked = {name for name in ATTRIBUTES if facts[name] not in ATTRIBUTES[name]}
    if scene.setting.style == "charcoal":
        unasked.add("colour")
    if scene.relation in ("orbit", "collide"):
        unasked |= {"colour", "shape"}
    if scene.next_view is not None:
        unasked |= {"camera", "motion"}
    if scene.next_setting is not None:
        unasked |= {"colour", "ground", "light", "style"}
    return [UNASKED if name in unasked else values.index(facts[name]) for name, values in ATTRIBUTES.items()]


@torch.no_grad()
def decode_shard(codec: CausalCodec, shard: Shard, folder: Path, count: int, *, batch: int = 8) -> Path:
    """The first `count` clips of a latent shard as the codec gives them back, in a pixel shard; made unless it is
    there already."""
    path = folder / f"coded-{shard.path.name}"
    if path.exists():
        return path
    videos = [codec.decode(part.float()).clamp(-1, 1) for part in shard.tensors["latent"][:count].split(batch)]
    frames = [((video + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 4, 1) for video in videos]
    video = torch.cat(frames).contiguous()
    save_shard(path, replace(shard.kind, frames=video.shape[1]), shard.first_seed, {"video": video})
    return path


def train_reader(
    stage: dict[str, Any], shards: Sequence[Shard], folder: Path, *, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Train a reader on pixel shards, rendered and decoded ones alike; returns the path of `reader.safetensors` in
    `folder`.

    stage: {"model": fields of ReaderConfig, "recipe": fields of Recipe, "pixels_per_step"}, all but the recipe
    optional.
    """
    torch.manual_seed(seed)
    model: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stage.get("model", {}).items()}
    reader = Reader(ReaderConfig(**model))
    reader.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = ReaderLoss(reader=reader, shards=shards, pixels=stage.get("pixels_per_step", ReaderLoss.pixels), seed=seed)
    trainer = Trainer(reader, Recipe(**stage["recipe"], seed=seed), folder / "reader-run.safetensors")
    trainer.resume()
    trainer.train(loss, progress)
    path = folder / "reader.safetensors"
    save_reader(path, reader, trainer.averaged(), {"licence": "GPL-3.0-only", "recipe": json.dumps(stage)})
    return path
