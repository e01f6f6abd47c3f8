"""Suite `text`: do generated clips show what their prompts say?

Held-out single objects before a static camera: colour, shape, motion, setting (ground and light), all four. Camera
motions and numbers of objects have prompts of their own, a quarter as many. The ceiling is the classifier on the true
clips sent through the codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..grid import VideoSize
from ..media import contact_sheet
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from ..world import Scene, attributes, describe
from ..world.expand import expand
from ..world.understand import understand
from .making import SIZE, Generator, coded, held_out, true_clips
from .statistics import MetricAccumulator, report

__all__ = ["LEVELS", "ask", "run", "score"]

LEVELS = ("plain", "descriptive", "expanded")
BATCH = 8
ASKED: dict[str, tuple[str, ...]] = {
    "single": ("colour", "shape", "motion", "ground", "light"),
    "camera": ("camera",),
    "things": ("count",),
}
"""What the prompts of each family are asked for."""

Wanted = dict[str, str | int]


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    level: str = "plain",
    size: VideoSize = SIZE,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """The suite over n prompts of one object, n/4 of a moving camera and n/4 of several objects.

    level: how the prompts are worded: plain, descriptive, or expanded (short, through `text.expand`; then what the
    expanded prompt says is asked for). sheet: where a picture of the first clips goes.
    """
    quarter = max(1, n // 4)
    work = [
        (family, held_out(count, family=family, seed=seed))
        for family, count in zip(ASKED, (n, quarter, quarter), strict=True)
    ]
    total, done = sum(len(scenes) for _, scenes in work), 0
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    for family, scenes in work:
        for start in range(0, len(scenes), BATCH):
            part = scenes[start : start + BATCH]
            asked = [ask(scene, level) for scene in part]
            video = generator.generate([prompt for prompt, _ in asked], size, seed + start)
            score(figures, family, classifier, video, size.fps, [wanted for _, wanted in asked])
            truth = coded(generator.codec, true_clips(part, size))
            score(ceiling, family, classifier, truth, size.fps, [attributes(scene) for scene in part])
            if sheet is not None and family == "single" and start == 0:
                draw(sheet, video, [prompt for prompt, _ in asked])
            done += len(part)
            if progress is not None:
                progress(done, total)
    return report("text", n, figures, ceiling)


def ask(scene: Scene, level: str) -> tuple[str, Wanted]:
    """The prompt of a scene, and what a clip of it should show."""
    if level not in LEVELS:
        raise InputError(f"prompts are worded {', '.join(LEVELS)}, not {level!r}")
    if level != "expanded":
        return describe(scene, level, scene.seed), attributes(scene)
    prompt = expand(describe(scene, "short", scene.seed), scene.seed)
    said = understand(prompt)
    first = said.things[0]
    told: dict[str, str | int | None] = {
        "colour": first.colour,
        "shape": first.shape,
        "motion": first.motion,
        "ground": said.ground,
        "light": said.light,
    }
    told |= {"camera": said.camera, "count": sum(thing.count for thing in said.things)}
    return prompt, attributes(scene) | {name: value for name, value in told.items() if value is not None}


def score(
    metrics: MetricAccumulator,
    family: str,
    classifier: AttributeClassifier,
    video: Tensor,
    fps: float,
    wanted: Sequence[Wanted],
) -> None:
    """Count what the classifier finds right in clips."""
    reading = classifier.read(video, fps)
    right = {name: reading.matches(name, [facts[name] for facts in wanted]) for name in ASKED[family]}
    if family != "single":
        for name, answers in right.items():
            metrics.right(name, *answers)
        return
    right["setting"] = [a and b for a, b in zip(right.pop("ground"), right.pop("light"), strict=True)]
    for name, answers in right.items():
        metrics.right(name, *answers)
    metrics.right("all", *(all(each) for each in zip(*right.values(), strict=True)))


def draw(path: Path, video: Tensor, prompts: Sequence[str]) -> None:
    """A contact sheet of clips under their prompts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet([clip[None] for clip in video], 8, captions=list(prompts)).save(path)
