"""Suite `fill`: a second is missing in the middle; does the object take the path it took?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..editing import Clip, fill
from ..grid import VideoSize
from ..media import image_to_video
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from . import measures
from .joins import Join, coded_frames, edited, measure_join, prompt_of, second, sized, true_track
from .making import SIZE, Generator, batches, clip_of, held_out
from .statistics import MetricAccumulator, report

__all__ = ["run"]

MOTIONS = ("left", "right", "closer", "away", "spin")
"""motions whose middle follows from both ends"""
NEAR = 0.05
"""picture widths by which a path may be off"""


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
) -> dict[str, Any]:
    """n clips of which a second after the first half is made anew; the ceiling is the true second through the codec."""
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    start, new = size.frames // 2 + 1, second(size)
    total, hole = start + 2 * new, slice(start, start + new)
    missing = torch.zeros(total)
    missing[hole] = 1
    chosen = held_out(
        n,
        family="single",
        seed=seed,
        seconds=total / size.fps,
        accept=lambda scene: scene.things[0].motion in MOTIONS,
        cutouts=generator.cutouts,
    )
    for numbers, scenes in batches(chosen, progress):
        truths = [clip_of(scene, sized(size, total), generator.cutouts) for scene in scenes]
        gaps = [truth.index_fill(0, torch.arange(hole.start, hole.stop), 0.5) for truth in truths]
        edits = [fill(Clip(image=gap, fps=size.fps), generator.codec, missing=missing) for gap in gaps]
        made = edited(generator, edits, [prompt_of(scene) for scene in scenes], [seed + i for i in numbers])
        for scene, truth, frames in zip(scenes, truths, made, strict=True):
            figures.right("kept", torch.equal(frames[missing == 0], truth[missing == 0]))
            best = coded_frames(generator, truth, [slice(0, hole.start), slice(hole.stop, total)])
            path = true_track(scene, size, total)[hole]
            for metrics, shown in ((figures, frames), (ceiling, best)):
                measure_join(metrics, classifier, shown, Join(start=hole.start, end=hole.stop))
                score_path(metrics, classifier, shown[hole], path, size.width / size.height)
    return report("fill", n, figures, ceiling)


def score_path(
    metrics: MetricAccumulator, classifier: AttributeClassifier, frames: Tensor, path: Tensor, aspect: float
) -> None:
    """How far the object is from its true path, and whether that is near."""
    error = measures.track_error(classifier.follow(image_to_video(frames))[0], path, aspect)
    metrics.value("path_error", error)
    metrics.right("path", error < NEAR)
