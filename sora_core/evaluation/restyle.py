"""Suite `restyle`: is the setting or style as asked, and the motion kept?"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..editing import Clip, restyle
from ..editing.restyle import DENOISE
from ..grid import VideoSize
from ..media import contact_sheet, image_to_video
from ..perception.classifier import AttributeClassifier
from ..safety.doors import save_sheet
from ..types import Progress
from ..world import Scene, elsewhere, words
from . import measures
from .joins import coded_frames, edited, prompt_of, true_track
from .making import SIZE, Generator, batches, clip_of, held_out
from .statistics import MetricAccumulator, report

__all__ = ["run"]

NEAR = 0.05
"""picture widths by which a track may be off"""
SWEEP = (0.3, 0.6, 0.8, 0.9, 1.0)


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
    denoise: float = DENOISE,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """n clips, every other one put into a new setting, the rest into a new style.

    sheet: where a picture goes that shows a clip over `denoise`. The ceiling is the true clip in the new setting or
    style.
    """
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    chosen = held_out(n, family="single", seed=seed, cutouts=generator.cutouts)
    if sheet is not None:
        draw_sweep(sheet, generator, chosen[:2], size, seed)
    for numbers, scenes in batches(chosen, progress):
        wanted = [other(scene, style=i % 2 == 1) for i, scene in zip(numbers, scenes, strict=True)]
        edits = [
            restyle(Clip(image=clip_of(scene, size, generator.cutouts), fps=size.fps), generator.codec, denoise=denoise)
            for scene in scenes
        ]
        made = edited(generator, edits, [prompt_of(after) for after in wanted], [seed + i for i in numbers])
        for scene, after, frames in zip(scenes, wanted, made, strict=True):
            track = true_track(scene, size, size.frames)
            for metrics, shown in (
                (figures, frames),
                (ceiling, coded_frames(generator, clip_of(after, size, generator.cutouts))),
            ):
                score(metrics, classifier, shown, after, size, track)
    return report("restyle", n, figures, ceiling)


def other(scene: Scene, *, style: bool) -> Scene:
    """The same scene in another style, or on another ground in another light."""
    rng = random.Random(f"restyle/{scene.seed}")  # noqa: S311
    was = scene.setting
    if style:
        return replace(
            scene, setting=replace(was, style=rng.choice([s for s in words.STYLE_PHRASES if s != was.style]))
        )
    return replace(scene, setting=elsewhere(was, rng))


def score(
    metrics: MetricAccumulator,
    classifier: AttributeClassifier,
    frames: Tensor,
    wanted: Scene,
    size: VideoSize,
    track: Tensor,
) -> None:
    """Whether what was asked for is there, and the track is still the same."""
    answers = classifier.read(image_to_video(frames), size.fps).answers
    setting = wanted.setting
    if setting.style != "natural":
        right = answers["style"] == [setting.style]
        metrics.right("style", right)
    else:
        right = answers["ground"] == [setting.ground] and answers["light"] == [setting.light]
        metrics.right("setting", right)
    metrics.right("asked", right)
    error = measures.track_error(classifier.follow(image_to_video(frames))[0], track, size.width / size.height)
    metrics.value("track_error", error)
    metrics.right("track", error < NEAR)


def draw_sweep(path: Path, generator: Generator, scenes: list[Scene], size: VideoSize, seed: int) -> None:
    """A contact sheet: each clip, then made anew with more and more `denoise`."""
    rows, captions = [], []
    for i, scene in enumerate(scenes):
        source, prompt = clip_of(scene, size, generator.cutouts), prompt_of(other(scene, style=i % 2 == 1))
        rows.append(image_to_video(source))
        captions.append(f"given: {prompt_of(scene)}")
        for denoise in SWEEP:
            edit = restyle(Clip(image=source, fps=size.fps), generator.codec, denoise=denoise)
            rows.append(image_to_video(edited(generator, [edit], [prompt], [seed])[0]))
            captions.append(f"denoise {denoise:g}: {prompt}")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_sheet(path, contact_sheet(rows, 8, captions=captions))
