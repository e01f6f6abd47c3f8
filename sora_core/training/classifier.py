"""Training of the classifier: rendered clips in, what their scenes say out.

Half of the clips are sent through the codec on the way, and all are corrupted a little (blur, noise, blocks, light), so
that the classifier bears what a codec and a generator do.

Legend: B batch, K read frames, A attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as nn_f
from torch import Tensor

from ..data.draws import Draws
from ..data.labels import UNASKED
from ..data.store import ClipStore, fitted
from ..perception.classifier import ATTRIBUTES, FRAMES, STEP, AttributeClassifier, to_read
from ..world import JOINED
from .channels_last import FastCodec

__all__ = ["ClassifierLoss", "corrupted", "track_loss"]

TRACK_WEIGHT = 4.0


@dataclass(frozen=True, kw_only=True)
class ClassifierLoss:
    """The loss of one step, a pure function of the step."""

    classifier: AttributeClassifier
    stores: Sequence[ClipStore]
    codec: FastCodec | None = None
    """what half of the clips are sent through"""
    clips: int = 48
    """of a batch"""
    batches: int = 2
    """of a step, each of one kind and size: rare styles and cameras are then in most steps"""
    seed: int = 0
    """of everything random"""
    bfloat16: bool = False
    """compute in bfloat16; master weights stay float32"""

    def backward(self, step: int, share: float) -> Tensor:
        """Add the gradients of a step; returns the mean loss of its batches."""
        draws = Draws(self.seed, step, self.stores[0].device)
        ready = [s for s in self.stores if s.count and s.kind.family not in JOINED]
        total = torch.zeros((), device=draws.device)
        for _ in range(self.batches):
            frames, answers, track = self.batch(draws.one_of(ready, [s.count for s in ready]), draws)
            loss = self.loss(frames, answers, track) / self.batches
            loss.backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach()
        return total

    def loss(self, frames: Tensor, answers: Tensor, track: Tensor) -> Tensor:
        """Cross entropy of every question that is asked, and the distance of the tracks."""
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, found, map_ = self.classifier(frames)
        loss = track_loss(found, map_, track)
        for i, name in enumerate(ATTRIBUTES):
            asked = (answers[:, i] != UNASKED).sum().clamp(min=1)
            entropy = nn_f.cross_entropy(logits[name], answers[:, i], ignore_index=UNASKED, reduction="sum")
            loss = loss + entropy / asked
        return loss

    @torch.no_grad()
    def batch(self, store: ClipStore, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Frames [B,K,3,H,W], answers [B,A] and tracks [B,K,2] (NaN where unknown) of clips of one size."""
        kind, length = store.kind, store.video.shape[1]
        chosen = draws.integers(store.count, self.clips)
        size = kind.sizes[draws.below(len(kind.sizes))]
        video = fitted(store.clips(chosen), *size)
        if self.codec is not None and draws.chance(0.5):
            whole = (length - 1) // 4 * 4 + 1
            video = self.codec.decode(self.codec.encode(video[:, :, :whole])).clamp(-1, 1)
        late = draws.below(max(0, video.shape[2] - 1 - round((FRAMES - 1) * STEP * kind.fps)) + 1)
        frames = to_read(video, kind.fps, late / kind.fps, self.classifier.config.short_side)
        seen = [min(video.shape[2] - 1, late + round(i * STEP * kind.fps)) for i in range(FRAMES)]
        track, answers = store.track[chosen][:, seen], store.answers[chosen].long()
        stop = draws.below(10)
        if stop <= 1:
            frames, track = stopped(frames, track, (0, FRAMES // 2)[stop])
            for name in ("motion", "camera"):
                answers[:, list(ATTRIBUTES).index(name)] = UNASKED
        return corrupted(frames, draws), answers, track


def track_loss(found: Tensor, map_: Tensor, track: Tensor) -> Tensor:
    """Distance of the tracks [B,K,2], and cross entropy of the map [B,K,h,w] against the true cell, where the object is
    in the picture."""
    inside = ((track > 0) & (track < 1)).all(-1).float()
    height, width = map_.shape[-2:]
    x, y = track.nan_to_num().clamp(0, 0.999).unbind(-1)
    index = (y * height).long() * width + (x * width).long()
    entropy = nn_f.cross_entropy(map_.flatten(0, 1).flatten(1), index.flatten(), reduction="none").view_as(inside)
    distance = (found - track.nan_to_num()).abs().mean(-1)
    return ((TRACK_WEIGHT * distance + 0.1 * entropy) * inside).sum() / inside.sum().clamp(min=1)


def stopped(frames: Tensor, track: Tensor, last: int) -> tuple[Tensor, Tensor]:
    """Clips whose picture stands still after frame `last`: stills and clips that are too short."""
    order = torch.arange(FRAMES, device=frames.device).clamp(max=last)
    return frames[:, order], track[:, order]


def corrupted(frames: Tensor, draws: Draws) -> Tensor:
    """Frames [B,K,3,H,W], a little blurred, blocky, noisy and off in light; each clip in its own measure."""
    batch = len(frames)

    def draw(share: float, largest: float) -> Tensor:
        return (draws.uniform(batch) * largest * draws.often(share, batch)).view(-1, 1, 1, 1, 1)

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
    return (frames + draw(0.5, 0.08) * draws.normal(*frames.shape)).clamp(-1, 1)
