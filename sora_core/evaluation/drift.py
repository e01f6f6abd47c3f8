"""Suite `drift`: ten extensions in a row, kept as latents; do light, contrast, colour and subject hold?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..editing import Clip, continued, extend
from ..editing.coding import pixels_of
from ..editing.strides import bundled_overlap
from ..grid import VideoSize
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from ..world import Scene
from . import measures
from .joins import coded_frames, prompt_of, same_subject, second, sized
from .making import SIZE, Generator, batches, clip_of, held_out
from .statistics import MetricAccumulator, report

__all__ = ["run"]

TIMES = 10
MOTIONS = ("bounce", "spin", "still")
"""motions that stay in the picture for ever"""


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
    times: int = TIMES,
) -> dict[str, Any]:
    """n clips of bounded motion, extended `times` by a second; the ceiling is as long a true clip through the codec."""
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    chosen = held_out(
        n, family="single", seed=seed, accept=lambda scene: scene.things[0].motion in MOTIONS, cutouts=generator.cutouts
    )
    for numbers, scenes in batches(chosen, progress):
        truths = [
            clip_of(scene, sized(size, size.frames + times * second(size)), generator.cutouts) for scene in scenes
        ]
        given = [Clip(image=truth[: size.frames], fps=size.fps) for truth in truths]
        for scene, truth, clip in zip(
            scenes, truths, extended(generator, given, scenes, size, times, seed + numbers[0]), strict=True
        ):
            for metrics, shown in (
                (figures, pixels_of(clip, generator.codec)),
                (ceiling, coded_frames(generator, truth)),
            ):
                score(metrics, classifier, shown, scene, size)
    return report("drift", n, figures, ceiling)


def extended(
    generator: Generator, clips: list[Clip], scenes: Sequence[Scene], size: VideoSize, times: int, seed: int
) -> list[Clip]:
    """The clips after `times` extensions by a second; latents are kept, no pixel is encoded again."""
    prompts, codec = [prompt_of(scene) for scene in scenes], generator.codec
    overlap = bundled_overlap(size.fps, codec.geometry)
    for i in range(times):
        new = second(size) / size.fps
        edits = [extend(clip, codec, seconds=new, overlap=overlap) for clip in clips]
        latents = generator.edit(edits, prompts, [seed + 1000 * i + k for k in range(len(clips))])
        clips = [continued(edit, latent, generator.codec) for edit, latent in zip(edits, latents[:, None], strict=True)]
    return clips


def score(
    metrics: MetricAccumulator, classifier: AttributeClassifier, frames: Tensor, scene: Scene, size: VideoSize
) -> None:
    """Drift of the picture, whether the subject is still right, and that it still moves."""
    for name, value in zip(("brightness", "contrast", "saturation"), measures.drift(frames).tolist(), strict=True):
        metrics.value(name, value)
    metrics.right("subject", same_subject(classifier, frames, size.fps, scene))
    if scene.things[0].motion != "still":
        metrics.value("movement", measures.motion(frames[-2 * second(size) :]))
