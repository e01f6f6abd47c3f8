"""Suite `shots`: is the cut where it was asked, each shot as told, and the subject the same?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..editing import Shot, Storyboard, stitch, storyboard
from ..errors import InputError
from ..grid import VideoSize
from ..media import image_to_video
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from ..world import Scene
from . import measures
from .joins import coded_frames, in_view, prompt_of, same_subject, shown, sized
from .making import SIZE, Generator, batches, clip_of, held_out
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
    """n storyboards of two shots: of every two the first shows the same subject in another place after the cut, the
    second another subject. The ceiling is two true clips, joined. Shots are read where the edit says that it cuts,
    up to half a latent frame from the time asked: a frame of the first shot is none of the second."""
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    length = size.frames - 1
    cutouts = generator.cutouts
    others = held_out(n, family="single", seed=seed + 1, cutouts=cutouts)
    for numbers, scenes in batches(held_out(n, family="single", seed=seed, cutouts=cutouts), progress):
        pairs = [
            (scene, others[i] if i % 2 else other(scene, style=False)) for i, scene in zip(numbers, scenes, strict=True)
        ]
        boards = [
            storyboard([Shot(prompt=prompt_of(s), seconds=length / size.fps) for s in pair], generator.codec, size=size)
            for pair in pairs
        ]
        latents = generator.shots(boards, [seed + i for i in numbers])
        for pair, board, latent in zip(pairs, boards, latents[:, None], strict=True):
            frames = stitch(board.edit, latent, generator.codec)
            best = coded_frames(generator, torch.cat([clip_of(s, sized(size, length), cutouts) for s in pair]))
            for metrics, shows, cut in ((figures, frames, first_frames(board)), (ceiling, best, length)):
                near = generator.codec.geometry.time_factor
                score(metrics, classifier, shows, pair, size.fps, cut=cut, asked=length, near=near)
                parts = shows[:cut], shows[cut:]
                counted = [in_view(s, size, len(part), cutouts=cutouts) for s, part in zip(pair, parts, strict=True)]
                score_subjects(metrics, classifier, parts, pair, counted)
    return report("shots", n, figures, ceiling)


def first_frames(board: Storyboard) -> int:
    """Frames of the first shot."""
    schedule = board.edit.prompt_schedule
    if schedule is None or schedule.rows is None:
        raise InputError("this storyboard has no cut.")
    return int(board.edit.state.spans[schedule.rows == 0].sum())


def score(
    metrics: MetricAccumulator,
    classifier: AttributeClassifier,
    frames: Tensor,
    pair: tuple[Scene, Scene],
    fps: float,
    *,
    cut: int,
    asked: int,
    near: int,
) -> None:
    """The cut, of which the edit says that it is at frame `cut`, within one latent frame of the time asked; each shot's
    place, each shot's subject."""
    metrics.right("cut", abs(measures.cut_at(frames) - asked) <= near)
    parts = frames[:cut], frames[cut:]
    right = []
    for part, scene in zip(parts, pair, strict=True):
        answers = classifier.read(image_to_video(part), fps).answers
        right.append(answers["ground"] == [scene.setting.ground] and answers["light"] == [scene.setting.light])
    metrics.right("shot_1", right[0])
    metrics.right("shot_2", right[1])
    metrics.right("shots", all(right))
    same = pair[0].things[0] == pair[1].things[0]
    right = [same_subject(classifier, part, fps, scene) for part, scene in zip(parts, pair, strict=True)]
    metrics.right("subject" if same else "two_subjects", all(right))


def score_subjects(
    metrics: MetricAccumulator,
    classifier: AttributeClassifier,
    parts: Sequence[Tensor],
    pair: Sequence[Scene],
    counted: Sequence[Tensor],
) -> None:
    """The frames of each shot, each read by itself, that show its subject in its own shape and colour, of those in
    which it should be in view; of second shots apart those of another subject."""
    same = pair[0].things[0] == pair[1].things[0]
    for name, part, scene, frames in zip(
        ("own_1", "own_2" if same else "own_2_new"), parts, pair, counted, strict=True
    ):
        metrics.right(name, *torch.tensor(shown(classifier, part, scene))[frames].tolist())
