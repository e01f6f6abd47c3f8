"""Suite `extend`: does a clip go on across the seam, forward and backward, in picture and in speed?"""

from __future__ import annotations

from typing import Any

import torch

from ..editing import Clip, decode, extend, stitch
from ..editing.extend import Direction
from ..editing.strides import bundled_overlap
from ..grid import VideoSize
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from . import measures
from .joins import Join, coded_frames, measure_join, prompt_of, same_subject, second, sized
from .making import SIZE, Generator, batches, clip_of, held_out
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
    """n clips, each extended forward and backward by a second; the ceiling is the true second sent through the codec.

    kept: given frames come out identical; kept_psnr: the plain decode of the kept frames against the given ones.
    """
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    given, total = size.frames, size.frames + second(size)
    for numbers, scenes in batches(
        held_out(n, family="single", seed=seed, seconds=total / size.fps, cutouts=generator.cutouts), progress
    ):
        truths = [clip_of(scene, sized(size, total), generator.cutouts) for scene in scenes]
        for direction, kept, join in ways(given, total):
            edits = [
                extend(
                    Clip(image=truth[kept], fps=size.fps),
                    generator.codec,
                    seconds=(total - given) / size.fps,
                    direction=direction,
                    overlap=bundled_overlap(size.fps, generator.codec.geometry),
                )
                for truth in truths
            ]
            latents = generator.edit(edits, [prompt_of(scene) for scene in scenes], [seed + i for i in numbers])
            for scene, truth, edit, latent in zip(scenes, truths, edits, latents[:, None], strict=True):
                frames, best = stitch(edit, latent, generator.codec), coded_frames(generator, truth, [kept])
                figures.right("kept", torch.equal(frames[kept], truth[kept]))
                for metrics, shown in ((figures, frames), (ceiling, best)):
                    metrics.right("subject", same_subject(classifier, shown, size.fps, scene))
                    measure_join(metrics, classifier, shown, join, f"_{direction}")
                if direction == "forward":
                    plain = decode(edit, latent, generator.codec)[: given - total]
                    figures.value("kept_psnr", measures.psnr(plain, truth[kept][-len(plain) :]))
                    ceiling.value("kept_psnr", measures.psnr(coded_frames(generator, truth[kept]), truth[kept]))
    return report("extend", n, figures, ceiling)


def ways(given: int, total: int) -> tuple[tuple[Direction, slice, Join], ...]:
    """Both directions: which frames of the whole are given, and which are made."""
    new = total - given
    return (
        ("forward", slice(0, given), Join(start=given, end=total)),
        ("backward", slice(new, total), Join(start=0, end=new)),
    )
