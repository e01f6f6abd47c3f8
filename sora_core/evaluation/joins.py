"""What the suites of edit operations share: run an edit, measure a join, ask for the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..editing import Edit, stitch
from ..grid import VideoSize
from ..media import image_to_video, video_to_image
from ..perception.classifier import AttributeClassifier
from ..world import ClipShape, Cutouts, Scene, describe, track_of, truth
from . import measures
from .making import Generator, coded
from .statistics import MetricAccumulator

__all__ = [
    "Join",
    "coded_frames",
    "edited",
    "in_view",
    "measure_join",
    "prompt_of",
    "same_subject",
    "second",
    "shown",
    "sized",
    "true_track",
]


IN_VIEW = 0.5
"""share of an object's pixels that are in the picture and not hidden, above which it should be seen whole"""


@dataclass(frozen=True, kw_only=True)
class Join:
    """Where frames were made: `start` to `end` of a clip; the seams are its inner ends."""

    start: int
    end: int

    def seams(self, frames: int) -> list[int]:
        """First frames after a seam."""
        return [at for at in (self.start, self.end) if 0 < at < frames]


def prompt_of(scene: Scene) -> str:
    """The plain caption."""
    return describe(scene, "plain")


def second(size: VideoSize, factor: int = 4) -> int:
    """Frames that edits make in their suites: a second, in whole latent frames."""
    return max(1, round(size.fps / factor)) * factor


def edited(generator: Generator, edits: Sequence[Edit], prompts: Sequence[str], seeds: Sequence[int]) -> list[Tensor]:
    """The frames [F,H,W,3] that a user sees of each edit."""
    latents = generator.edit(edits, prompts, seeds)
    return [stitch(edit, latent[None], generator.codec) for edit, latent in zip(edits, latents, strict=True)]


def coded_frames(generator: Generator, frames: Tensor, kept: Sequence[slice] = ()) -> Tensor:
    """True frames [F,H,W,3] as the codec gives them back, those of `kept` as they were: what a perfect model would
    make."""
    out = video_to_image(coded(generator.codec, image_to_video(frames)))
    for part in kept:
        out[part] = frames[part]
    return out


def measure_join(
    metrics: MetricAccumulator, classifier: AttributeClassifier, frames: Tensor, join: Join, name: str = ""
) -> None:
    """Seams in picture and in speed, and the motion of what was made; `name` tells directions apart."""
    track = classifier.follow(image_to_video(frames))[0]
    for seam in join.seams(len(frames)):
        metrics.value(f"seam{name}", measures.seam_ratio(frames, seam))
        metrics.value(f"speed{name}", measures.speed_seam(track, seam))
    metrics.value(f"movement{name}", measures.motion(frames[join.start : join.end]))


def same_subject(classifier: AttributeClassifier, frames: Tensor, fps: float, scene: Scene) -> bool:
    """Whether the last two seconds (or all of a shorter clip) show the colour and shape, or the noun, of the scene's
    object."""
    reading = classifier.read(image_to_video(frames), fps, start=max(0.0, len(frames) / fps - 2))
    thing = scene.things[0]
    (colour,), (shape,) = reading.answers["colour"], reading.answers["shape"]
    return shape == thing.shape and colour == (thing.colour or colour)


def shown(classifier: AttributeClassifier, frames: Tensor, scene: Scene) -> list[bool]:
    """Which frames [F,H,W,3], each read as a still by itself, show the scene's object in its own shape and colour:
    noise does not, nor do two things that melt into each other."""
    thing, answers = scene.things[0], classifier.read(frames.permute(0, 3, 1, 2)[:, :, None] * 2 - 1, 1.0).answers
    return [
        shape == thing.shape and colour == (thing.colour or colour)
        for shape, colour in zip(answers["shape"], answers["colour"], strict=True)
    ]


def in_view(scene: Scene, size: VideoSize, frames: int, *, start: int = 0, cutouts: Cutouts | None = None) -> Tensor:
    """In which of `frames` frames of the true clip, from frame `start` on, more than half of the scene's object is in
    view, [F] bool."""
    shape = ClipShape(frames=frames, height=size.height, width=size.width, fps=size.fps, start=start / size.fps)
    return truth(scene, shape, cutouts).visible[:, 0] > IN_VIEW


def true_track(scene: Scene, size: VideoSize, frames: int) -> Tensor:
    """Where the scene's object really is, [F,2] picture fractions."""
    return track_of(scene, torch.arange(frames, dtype=torch.float64) / size.fps, size.width / size.height)


def sized(size: VideoSize, frames: int) -> VideoSize:
    """The same picture and rate for another number of frames."""
    return VideoSize(frames=frames, height=size.height, width=size.width, fps=size.fps)
