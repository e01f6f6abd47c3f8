"""Training of the detector: clips of the bundled model against true ones of the same scenes, compressed alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import checkpoints
from ..grid import VideoSize
from ..pipeline import load_bundled, sample_video
from ..safety.detect import Detector, clip_features
from ..world import ClipShape, describe, render, sample_scene
from .attacks import x264
from .export import trained_by
from .pictures import clips

__all__ = ["DetectorTraining", "examples", "train"]

CRF = (18, 23, 28)


@dataclass(frozen=True, kw_only=True)
class DetectorTraining:
    """A run of a few minutes."""

    scenes: int = 240
    """scenes, each made and rendered once"""
    first_seed: int = 3_000_000
    sampling_steps: int = 12
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (96, 64), (64, 96), (128, 128), (192, 112))
    """width and height"""
    frames: int = 17
    steps: int = 600
    decay: float = 2e-3
    false_alarms: float = 0.01
    """share of true clips that may be called generated, measured on parts of the clips that were left out of a fit"""
    folds: int = 4
    """such parts, in the order of the scenes"""
    margin: float = 0.0
    """logits by which the threshold lies above that"""


def examples(
    run: DetectorTraining, progress: Callable[[int, int], None] | None = None, crf: tuple[int, ...] = CRF
) -> tuple[Tensor, Tensor]:
    """Statistics [n,N] and labels [n] (1: generated) of compressed clips."""
    model = load_bundled()
    rows, labels = [], []
    for index in range(run.scenes):
        seed = run.first_seed + index
        scene = sample_scene(seed)
        width, height = run.sizes[index % len(run.sizes)]
        size = VideoSize(frames=run.frames, height=height, width=width, fps=8.0)
        settings = model.settings.with_(steps=run.sampling_steps)
        made = sample_video(model, [describe(scene, "descriptive")], size, seed=seed, settings=settings)
        true = render([scene], ClipShape(frames=run.frames, height=height, width=width, fps=8.0))[0]
        drawn = clips(1, run.frames, min(width, height), torch.Generator().manual_seed(seed), torch.device("cpu"))[0]
        quality = crf[index % len(crf)]
        for video, label in (
            ((made[0] + 1).movedim(1, 0) / 2, 1.0),
            (true.permute(0, 3, 1, 2).float() / 255, 0.0),
            (drawn, 0.0),
        ):
            seen = (x264(video, quality).permute(0, 2, 3, 1) * 255).round().byte()
            rows.append(clip_features(seen))
            labels.append(label)
        if progress is not None:
            progress(index + 1, run.scenes)
    return torch.stack(rows), torch.tensor(labels)


def train(run: DetectorTraining, out: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fit and calibrate; returns the weights' file."""
    out.mkdir(parents=True, exist_ok=True)
    features, labels = examples(run, progress)
    return fit(run, features, labels, out)


def fit(run: DetectorTraining, features: Tensor, labels: Tensor, out: Path) -> Path:
    """Logistic regression on standardised statistics and their squares; the bias puts the threshold where true clips
    that were left out of a fit rarely reach."""
    fold = torch.arange(len(labels)) * run.folds // len(labels)
    scores = torch.zeros(len(labels))
    for part in range(run.folds):
        left_out = fold == part
        scores[left_out] = Detector(fitted(run, features[~left_out], labels[~left_out])).logit(features[left_out])
    tensors = fitted(run, features, labels)
    tensors["bias"] = tensors["bias"] - torch.quantile(scores[labels == 0], 1 - run.false_alarms) - run.margin
    path = out / "detector.safetensors"
    checkpoints.save(path, tensors, config=asdict(run), metadata=trained_by(detector=run))
    return path


def fitted(run: DetectorTraining, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The weights that tell two kinds of clips apart."""
    tensors = {"mean": features.mean(0), "std": features.std(0).clamp(min=0.05)}
    x = ((features - tensors["mean"]) / tensors["std"]).clamp(-4, 4)
    x = torch.cat([x, x.square()], 1)
    weight = torch.zeros(x.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=0.03)
    for _ in range(run.steps):
        loss = F.binary_cross_entropy_with_logits(x @ weight + bias, labels) + run.decay * weight.square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return tensors | {"weight": weight.detach(), "bias": bias.detach()}
