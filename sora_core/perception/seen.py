"""What a clip shows, as the facts of a caption: so that a prompt about it need not say again what is to be seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..media import FrameSource, as_image
from ..world.captions import Facts, ThingFacts
from ..world.nouns import NOUNS
from .classifier import FRAMES, STEP, AttributeClassifier, load_classifier

__all__ = ["seen_in"]

SIDE = 128
"""pixels of a read frame's shorter side, at most"""
SURE = 0.8
"""least product of how sure the classifier is of each answer; below it the clip is not one of its world"""
EDGE = 0.05
"""of each side, cut away for a second reading: of a strange clip it tells something else"""
LASTING = frozenset(["left", "right", "closer", "away", "bounce", "spin", "still"])
"""motions of one thing that go on; of the others, which end or need something else, nothing is told"""
TOLD = ("colour", "shape", "ground", "light", "style", "count")
"""answers that both readings have in common"""


def seen_in(
    source: FrameSource | None, *, at_end: bool = True, classifier: AttributeClassifier | None = None
) -> Facts | None:
    """The thing, the place and the look of a clip's last two seconds, or of its first; None where there is no clip, and
    where they cannot be told for sure, as of one that shows what the classifier never saw."""
    if source is None or not source.length:
        return None
    step = STEP * source.fps
    start = max(0, source.length - 1 - round((FRAMES - 1) * step)) if at_end else 0
    wanted = [min(source.length - 1, start + round(i * step)) for i in range(FRAMES)]
    places = sorted(set(wanted))
    frames = [small(source.read(place, place + 1)) for place in places]
    video = torch.cat([frames[places.index(place)] for place in wanted], 2)
    classifier = classifier or load_classifier()
    readings = [classifier.read(part, 1 / STEP) for part in (video, without_edge(video))]
    seen, again = (reading.answers for reading in readings)
    one = {name: str(answers[0]) for name, answers in seen.items()}
    told = TOLD if one["shape"] not in NOUNS else TOLD[1:]  # a noun has no colour
    sure = math.prod(min(reading.sure[name][0] for reading in readings) for name in told)
    if sure < SURE or any(seen[name] != again[name] for name in told):
        return None
    motion = one["motion"] if one["motion"] in LASTING else "still"
    colour = "" if one["shape"] in NOUNS else one["colour"]
    thing = ThingFacts(colour=colour, shape=one["shape"], motion=motion, count=int(seen["count"][0]))
    moves = min(reading.sure["camera"][0] for reading in readings) > SURE
    camera = one["camera"] if moves and seen["camera"] == again["camera"] else "static"
    return Facts(things=(thing,), ground=one["ground"], light=one["light"], style=one["style"], camera=camera)


def small(frame: Tensor) -> Tensor:
    """A frame [1,H,W,3] as a video [1,3,1,h,w] of a size to be read."""
    picture = as_image(frame).movedim(-1, 1)
    scale = min(1.0, SIDE / min(picture.shape[2:]))
    size = [max(1, round(scale * side)) for side in picture.shape[2:]]
    return F.interpolate(picture, size, mode="bilinear", antialias=True)[:, :, None] * 2 - 1


def without_edge(video: Tensor) -> Tensor:
    """The middle of a video [1,3,F,H,W]."""
    top, left = (max(1, int(EDGE * side)) for side in video.shape[-2:])
    middle = video[..., top:-top, left:-left]
    return middle if middle.numel() else video
