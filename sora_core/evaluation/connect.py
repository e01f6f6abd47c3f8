"""Suite `connect`: are both clips kept, the seams smooth, the subjects whole, and the middle more than a cross-fade?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..editing import Clip, connect
from ..grid import VideoSize
from ..media import as_image
from ..perception.classifier import AttributeClassifier
from ..types import Progress
from ..world import Cutouts, Joined, Scene, render_joined
from . import measures
from .joins import Join, coded_frames, edited, in_view, measure_join, prompt_of, second, shown
from .making import SIZE, Generator, batches, clip_of, held_out, shape_of
from .statistics import MetricAccumulator, report

__all__ = ["run"]

MIXED = 0.1
"""a middle frame of which less than this is unexplained by a mix of both ends is a mere cross-fade"""


def run(
    n: int,
    *,
    generator: Generator,
    classifier: AttributeClassifier,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
) -> dict[str, Any]:
    """n pairs of clips with a second between them.

    The ceiling is the world's own: of the seams a front that leaves the first clip for the second within the second
    between them, through the codec (something new comes into the picture from its first frame on), of the residual its
    transitions. What is asked of the subjects: `score_made`.
    """
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    given, new = size.frames, second(size)
    firsts, others = (held_out(n, family="single", seed=seed + k, cutouts=generator.cutouts) for k in (0, 1))
    changes = held_out(n, family="transition", seed=seed, cutouts=generator.cutouts)
    for numbers, scenes in batches(firsts, progress):
        nexts = [others[i] for i in numbers]
        a, b = ([clip_of(scene, size, generator.cutouts) for scene in group] for group in (scenes, nexts))
        edits = [
            connect(Clip(image=x, fps=size.fps), Clip(image=y, fps=size.fps), generator.codec, seconds=new / size.fps)
            for x, y in zip(a, b, strict=True)
        ]
        prompts = [f"{prompt_of(x).rstrip('.')}, then {prompt_of(y)}" for x, y in zip(scenes, nexts, strict=True)]
        for k, frames in enumerate(edited(generator, edits, prompts, [seed + i for i in numbers])):
            figures.right("kept", torch.equal(frames[:given], a[k]), torch.equal(frames[-given:], b[k]))
            pair, join = (scenes[k], nexts[k]), Join(start=given, end=given + new)
            counted = expected(pair, size, new, generator.cutouts)
            score_middle(figures, frames[given - 1 : given + new + 1])
            best = coded_frames(
                generator,
                true_transition(scenes[k], nexts[k], given, new, size, generator.cutouts),
                [slice(given), slice(given + new, None)],
            )
            for metrics, shows in ((figures, frames), (ceiling, best)):
                measure_join(metrics, classifier, shows, join)
                score_made(metrics, classifier, shows, join, pair, counted)
            score_middle(ceiling, transition(generator, changes[numbers[k]], size))
    return report("connect", n, figures, ceiling)


def score_made(
    metrics: MetricAccumulator, classifier: AttributeClassifier, frames: Tensor, join: Join, pair: tuple[Scene, Scene],
    counted: Tensor,
) -> None:  # fmt: skip
    """The subjects in the made frames of a connected clip, of which `counted` [made] should show one of them.

    subjects: the frames that show the first or the second subject in its own shape and colour; whole: the clips in which
    all do, the first subject before the second; jump: the largest step between frames, in ordinary steps of the clip.
    """
    made = frames[join.start : join.end]
    first, second = (torch.tensor(shown(classifier, made, scene)) for scene in pair)
    whole = (first | second)[counted].tolist()
    metrics.right("subjects", *whole)
    metrics.right("whole", all(whole) and in_order(first & ~second, second & ~first))
    metrics.value("jump", max(measures.seam_ratio(frames, at) for at in range(join.start, join.end + 1)))


def in_order(first: Tensor, second: Tensor) -> bool:
    """Whether no frame of `first` [F] comes behind one of `second` [F]."""
    begun = second.cumsum(0) > 0
    return not bool((first & begun).any())


def expected(pair: tuple[Scene, Scene], size: VideoSize, new: int, cutouts: Cutouts | None) -> Tensor:
    """The frames [new] between two clips in which one of their subjects is more than half in view: the first as it goes
    on in its own clip, the second as it begins."""
    goes_on = in_view(pair[0], size, new, start=size.frames, cutouts=cutouts)
    return goes_on | in_view(pair[1], size, 1, cutouts=cutouts)


def score_middle(metrics: MetricAccumulator, frames: Tensor) -> None:
    """How much of the frames between the first and the last is no mix of these two."""
    rest = measures.crossfade_residual(frames[1:-1], frames[0], frames[-1])
    metrics.value("residual", float(rest.median()))
    metrics.right("no_crossfade", *(rest > MIXED).tolist())


def true_transition(
    first: Scene, second: Scene, given: int, new: int, size: VideoSize, cutouts: Cutouts | None
) -> Tensor:
    """The true frames of a clip of `given` frames that turns into another one within `new` frames, and `given` frames
    of that."""
    joined = Joined(family="bridge", first=first, second=second, change=(given + new / 2) / size.fps)
    return as_image(render_joined(joined, shape_of(size, 2 * given + new), cutouts=cutouts)[0])


def transition(generator: Generator, scene: Scene, size: VideoSize) -> Tensor:
    """The frames of a true transition and one on either side, through the codec."""
    frames = coded_frames(generator, clip_of(scene, size, generator.cutouts))
    middle, half = round(scene.change * size.fps), second(size) // 2
    return frames[max(0, middle - half - 1) : middle + half + 1]
