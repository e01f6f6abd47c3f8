"""Suite `text`: do generated clips show what their prompts say?

Held-out single things before a static camera: colour (of solids), shape (nouns also on their own), motion, setting
(ground and light), all of them. Camera motions, numbers of things, styles and, with cut-outs, two things in a relation
have prompts of their own, a quarter as many. The ceiling is the classifier on the true clips sent through the codec.
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
from ..safety.doors import save_sheet
from ..types import Progress
from ..world import Scene, attributes, describe
from ..world.captions import vocabulary
from ..world.describe import MAIN
from ..world.expand import expanded
from ..world.nouns import NOUNS
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
    "style": ("style",),
    "relation": ("shape", "other", "relation"),
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
    """The suite over n prompts of one thing, and n/4 of a moving camera, of several things, of a style and, with
    cut-outs, of a relation.

    level: how the prompts are worded: plain, descriptive, or expanded (short, through `world.expanded`; then what the
    expanded prompt says is asked for). sheet: where a picture of the first clips goes.
    """
    quarter = max(1, n // 4)
    cutouts = generator.cutouts
    work = [
        (family, held_out(n if family == "single" else quarter, family=family, seed=seed, cutouts=cutouts))
        for family in ("single", "camera", "things", "style")
    ]
    if cutouts is not None:
        if lacking := set(ASKED["relation"]) - classifier.config.answers.keys():
            raise InputError(f"this classifier reads no {', '.join(sorted(lacking))}: it must be trained with cut-outs")
        told = held_out(quarter, family="things", seed=seed, cutouts=cutouts, accept=lambda s: s.relation in MAIN)
        work.append(("relation", told))
    total, done = sum(len(scenes) for _, scenes in work), 0
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    for family, scenes in work:
        for start in range(0, len(scenes), BATCH):
            part = scenes[start : start + BATCH]
            asked = [ask(scene, level, nouns=cutouts is not None) for scene in part]
            video = generator.generate([prompt for prompt, _ in asked], size, seed + start)
            score(figures, family, classifier, video, size.fps, [wanted for _, wanted in asked])
            truth = coded(generator.codec, true_clips(part, size, cutouts))
            score(ceiling, family, classifier, truth, size.fps, [attributes(scene) for scene in part])
            if sheet is not None and family == "single" and start == 0:
                draw(sheet, video, [prompt for prompt, _ in asked])
            done += len(part)
            if progress is not None:
                progress(done, total)
    return report("text", n, figures, ceiling)


def ask(scene: Scene, level: str, *, nouns: bool = False) -> tuple[str, Wanted]:
    """The prompt of a scene, and what a clip of it should show. nouns: the model that is asked knows them."""
    if level not in LEVELS:
        raise InputError(f"prompts are worded {', '.join(LEVELS)}, not {level!r}")
    if level != "expanded":
        return describe(scene, level, scene.seed), attributes(scene)
    short = describe(scene, "short", scene.seed)
    prompt = expanded(short, scene.seed, vocabulary=vocabulary(nouns=nouns)).caption
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
    if family == "relation":
        metrics.right("relation", *(all(each) for each in zip(*right.values(), strict=True)))
        return
    if family != "single":
        for name, answers in right.items():
            metrics.right(name, *answers)
        return
    nouns = [facts["shape"] in NOUNS for facts in wanted]
    metrics.right("noun", *(answer for answer, noun in zip(right["shape"], nouns, strict=True) if noun))
    colours = right.pop("colour")
    metrics.right("colour", *(answer for answer, noun in zip(colours, nouns, strict=True) if not noun))
    right["setting"] = [a and b for a, b in zip(right.pop("ground"), right.pop("light"), strict=True)]
    for name, answers in right.items():
        metrics.right(name, *answers)
    right["colour"] = [answer or noun for answer, noun in zip(colours, nouns, strict=True)]
    metrics.right("all", *(all(each) for each in zip(*right.values(), strict=True)))


def draw(path: Path, video: Tensor, prompts: Sequence[str]) -> None:
    """A contact sheet of clips under their prompts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_sheet(path, contact_sheet([clip[None] for clip in video], 8, captions=list(prompts)))
