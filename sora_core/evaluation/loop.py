"""Suite `loop`: is the wrap of a loop like any other step, and does it really move?"""

from __future__ import annotations

from statistics import median
from typing import Any

from torch import Tensor

from ..editing import Clip, loop_clip, loop_new
from ..grid import VideoSize
from ..media import image_to_video
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from . import measures
from .joins import Join, coded_frames, edited, measure_join, prompt_of, same_subject, second, sized
from .making import SIZE, Generator, batches, clip_of, held_out
from .statistics import MetricAccumulator, report

__all__ = ["run"]

MOTIONS = ("bounce", "spin")
"""what moves and stays where it is"""


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
) -> dict[str, Any]:
    """n loops from text and n clips closed into loops; the ceiling is a step of a true clip where two latent frames
    meet.

    `elsewhere_text` is the same step where other latent frames of the loop meet: the wrap is none if it is like these.
    """
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    chosen = held_out(
        n, family="single", seed=seed, accept=lambda scene: scene.things[0].motion in MOTIONS, cutouts=generator.cutouts
    )
    for numbers, scenes in batches(chosen, progress):
        prompts, seeds = [prompt_of(scene) for scene in scenes], [seed + i for i in numbers]
        truths = [clip_of(scene, size, generator.cutouts) for scene in scenes]
        new = loop_new(generator.codec, size=sized(size, size.frames - 1))
        made = edited(generator, [new] * len(scenes), prompts, seeds)
        closing = [
            loop_clip(Clip(image=truth, fps=size.fps), generator.codec, seconds=second(size) / size.fps)
            for truth in truths
        ]
        closed = edited(generator, closing, prompts, seeds)
        for scene, truth, frames, whole in zip(scenes, truths, made, closed, strict=True):
            measure_wrap(figures, classifier, frames, "_text")
            figures.value("elsewhere_text", elsewhere(frames, generator.codec.geometry.time_factor))
            measure_wrap(figures, classifier, whole, "_clip")
            measure_join(figures, classifier, whole, Join(start=len(truth), end=len(whole)), "_clip")
            figures.right("subject", same_subject(classifier, frames, size.fps, scene))
            ceiling.right("subject", same_subject(classifier, coded_frames(generator, truth), size.fps, scene))
            ordinary(ceiling, classifier, generator, truth)
    return report("loop", n, figures, ceiling)


def measure_wrap(metrics: MetricAccumulator, classifier: AttributeClassifier, frames: Tensor, name: str) -> None:
    """The wrap in picture and in speed, and the motion."""
    metrics.value(f"wrap{name}", measures.wrap_ratio(frames))
    metrics.value(f"wrap_speed{name}", measures.wrap_speed(classifier.follow(image_to_video(frames))[0]))
    if name == "_text":
        metrics.value("movement_text", measures.motion(frames))


def elsewhere(frames: Tensor, factor: int) -> float:
    """The step where other latent frames of a loop meet: what its wrap should not differ from."""
    return median(measures.wrap_ratio(frames.roll(-at, 0)) for at in range(factor, len(frames), factor))


def ordinary(metrics: MetricAccumulator, classifier: AttributeClassifier, generator: Generator, truth: Tensor) -> None:
    """The same figures in the middle of a true clip, where two latent frames meet, as they do at a wrap.

    All of it is sent through the codec for a loop from text; only what comes after or before that place for a closed
    clip.
    """
    factor = generator.codec.geometry.time_factor
    middle = 1 + len(truth) // (2 * factor) * factor
    kinds: tuple[tuple[str, str, list[slice]], ...] = (
        ("wrap_text", "wrap_speed_text", []),
        ("seam_clip", "speed_clip", [slice(0, middle)]),
        ("wrap_clip", "wrap_speed_clip", [slice(middle, None)]),
    )
    for picture, speed, kept in kinds:
        frames = coded_frames(generator, truth, kept)
        metrics.value(picture, measures.seam_ratio(frames, middle))
        metrics.value(speed, measures.speed_seam(classifier.follow(image_to_video(frames))[0], middle))
    for name in ("movement_text", "movement_clip"):
        metrics.value(name, measures.motion(coded_frames(generator, truth)))
