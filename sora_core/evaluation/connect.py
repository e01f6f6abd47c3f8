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
from .joins import Join, coded_frames, edited, in_view, measure_join, prompt_of, second, shown, sized
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

    The ceiling is the world's own: of the seams a wipe from the first clip to the second within the second
    between them, through the codec (something new comes into the picture from its first frame on), of the residual its
    transitions, of the subjects true frames in which they are whole. jump: the share of all change between the clips
    that falls into one step.
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
            best = coded_frames(
                generator,
                true_transition(*pair, given, new, size, generator.cutouts),
                [slice(given), slice(given + new, None)],
            )
            for metrics, shows in ((figures, frames), (ceiling, best)):
                measure_join(metrics, classifier, shows, join)
                metrics.value("jump", measures.largest_step(shows[given - 1 : given + new + 1]))
            made, counted = whole_subjects(pair, size, new, generator.cutouts)
            score_subjects(ceiling, classifier, coded_frames(generator, made), pair, counted)
            counted = expected(pair, size, new, generator.cutouts)
            score_subjects(figures, classifier, frames[given : given + new], pair, counted)
            score_middle(figures, frames[given - 1 : given + new + 1])
            score_middle(ceiling, transition(generator, changes[numbers[k]], size))
    return report("connect", n, figures, ceiling)


def score_subjects(
    metrics: MetricAccumulator,
    classifier: AttributeClassifier,
    made: Tensor,
    pair: tuple[Scene, Scene],
    counted: Tensor,
) -> None:
    """The subjects in frames [made,H,W,3] between two clips, of which `counted` [made] should show one of them.

    subjects: the frames that show the first or the second subject in its own shape and colour; whole: the clips in
    which all do, the first subject before the second.
    """
    first, second = (torch.tensor(shown(classifier, made, scene)) for scene in pair)
    right = (first | second)[counted].tolist()
    metrics.right("subjects", *right)
    metrics.right("whole", all(right) and in_order(first & ~second, second & ~first))


def in_order(first: Tensor, second: Tensor) -> bool:
    """Whether no frame of `first` [F] comes behind one of `second` [F]."""
    begun = second.cumsum(0) > 0
    return not bool((first & begun).any())


def expected(pair: tuple[Scene, Scene], size: VideoSize, new: int, cutouts: Cutouts | None) -> Tensor:
    """The frames [new] between two clips in which one of their subjects is more than half in view: the first as it goes
    on in its own clip, the second as it begins."""
    goes_on = in_view(pair[0], size, new, start=size.frames, cutouts=cutouts)
    return goes_on | in_view(pair[1], size, 1, cutouts=cutouts)


def whole_subjects(
    pair: tuple[Scene, Scene], size: VideoSize, new: int, cutouts: Cutouts | None
) -> tuple[Tensor, Tensor]:
    """True frames [new,H,W,3], half of the first clip going on and half of the second's beginning, and which count: in
    them both subjects are whole, and what is not read so is the classifier's error. A wipe would cut them."""
    half = new // 2
    first = clip_of(pair[0], sized(size, size.frames + half), cutouts)[size.frames :]
    second = clip_of(pair[1], sized(size, new - half), cutouts)
    goes_on = in_view(pair[0], size, half, start=size.frames, cutouts=cutouts)
    return torch.cat([first, second]), torch.cat([goes_on, in_view(pair[1], size, new - half, cutouts=cutouts)])


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
