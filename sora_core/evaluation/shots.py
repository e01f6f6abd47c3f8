"""Suite `shots`: is the cut where it was asked, each shot as told, and the subject the same?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..editing import Shot, stitch, storyboard
from ..grid import VideoSize
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from ..world import Scene
from . import measures
from .joins import coded_frames, prompt_of, same_subject, sized
from .making import SIZE, Generator, batches, clip_of, held_out, video_of
from .restyle import other
from .statistics import MetricAccumulator, report

__all__ = ["run"]


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
) -> dict[str, Any]:
    """n storyboards of two shots: the same subject, another place after the cut. The ceiling is two true clips,
    joined."""
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    length = size.frames - 1
    for numbers, scenes in batches(held_out(n, family="single", seed=seed, cutouts=generator.cutouts), progress):
        pairs = [(scene, other(scene, style=False)) for scene in scenes]
        boards = [
            storyboard([Shot(prompt=prompt_of(s), seconds=length / size.fps) for s in pair], generator.codec, size=size)
            for pair in pairs
        ]
        latents = generator.shots(boards, [seed + i for i in numbers])
        for pair, board, latent in zip(pairs, boards, latents[:, None], strict=True):
            frames = stitch(board.edit, latent, generator.codec)
            best = coded_frames(
                generator, torch.cat([clip_of(s, sized(size, length), generator.cutouts) for s in pair])
            )
            for metrics, shown in ((figures, frames), (ceiling, best)):
                score(metrics, classifier, shown, pair, length, size.fps, generator.codec.geometry.time_factor)
    return report("shots", n, figures, ceiling)


def score(
    metrics: MetricAccumulator,
    classifier: AttributeClassifier,
    frames: Tensor,
    pair: tuple[Scene, Scene],
    cut: int,
    fps: float,
    near: int,
) -> None:
    """The cut within one latent frame of the time asked, each shot's place, the subject in both."""
    metrics.right("cut", abs(measures.cut_at(frames) - cut) <= near)
    parts = frames[:cut], frames[cut:]
    right = []
    for part, scene in zip(parts, pair, strict=True):
        answers = classifier.read(video_of(part), fps).answers
        right.append(answers["ground"] == [scene.setting.ground] and answers["light"] == [scene.setting.light])
    metrics.right("shot_1", right[0])
    metrics.right("shot_2", right[1])
    metrics.right("shots", all(right))
    metrics.right("subject", all(same_subject(classifier, part, fps, pair[0]) for part in parts))
