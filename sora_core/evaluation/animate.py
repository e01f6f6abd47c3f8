"""Suite `animate`: is the picture the first frame, and does it move at once, as told?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..editing import Keyframe, animate, decode, stitch
from ..grid import VideoSize
from ..media import image_to_video
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from ..world import Scene
from . import measures
from .joins import coded_frames, prompt_of, same_subject
from .making import SIZE, Generator, batches, clip_of, held_out
from .statistics import MetricAccumulator, report

__all__ = ["run"]

AWAKE = 0.5
"""the first step, in ordinary steps, from which on a clip moves at once"""


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
) -> dict[str, Any]:
    """n first frames with the captions of their clips; the ceiling is the true clip through the codec behind its true
    first frame."""
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    for numbers, scenes in batches(held_out(n, family="single", seed=seed, cutouts=generator.cutouts), progress):
        truths = [clip_of(scene, size, generator.cutouts) for scene in scenes]
        edits = [animate([Keyframe(image=truth[:1], frame_idx=0)], generator.codec, size=size) for truth in truths]
        latents = generator.edit(edits, [prompt_of(scene) for scene in scenes], [seed + i for i in numbers])
        for scene, truth, edit, latent in zip(scenes, truths, edits, latents[:, None], strict=True):
            first, frames = truth[:1], stitch(edit, latent, generator.codec)
            figures.right("kept", torch.equal(frames[:1], first))
            figures.value("kept_psnr", measures.psnr(decode(edit, latent, generator.codec)[:1], first))
            ceiling.value("kept_psnr", measures.psnr(coded_frames(generator, first), first))
            score(figures, classifier, frames, scene, size)
            score(ceiling, classifier, coded_frames(generator, truth, [slice(0, 1)]), scene, size)
    return report("animate", n, figures, ceiling)


def score(
    metrics: MetricAccumulator, classifier: AttributeClassifier, frames: Tensor, scene: Scene, size: VideoSize
) -> None:
    """How it starts, how much it moves, whether it moves as told and keeps its subject."""
    motion = scene.things[0].motion
    metrics.right("motion", classifier.read(image_to_video(frames), size.fps).answers["motion"] == [motion])
    metrics.right("subject", same_subject(classifier, frames, size.fps, scene))
    metrics.value("movement", measures.motion(frames))
    if motion not in ("still", "fall"):
        start = measures.seam_ratio(frames, 1)
        metrics.value("start", start)
        metrics.right("at_once", start >= AWAKE)
