"""Suite `loop`: is the wrap of a loop like any other step, and does it really move?"""

from __future__ import annotations

from statistics import median
from typing import Any

from torch import Tensor

from ..editing import Clip, loop_clip, loop_new
from ..grid import VideoSize
from ..perception.reader import Reader
from ..types import Progress
from . import measures
from .joins import Join, coded_frames, edited, measure_join, prompt_of, same_subject, second, sized
from .making import SIZE, Maker, batches, clip_of, held_out, video_of
from .statistics import Tally, report

__all__ = ["run"]

MOTIONS = ("bounce", "spin")
"""what moves and stays where it is"""


def run(
    n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE
) -> dict[str, Any]:
    """n loops from text and n clips closed into loops; the floor is a step of a true clip where two latent frames meet.

    `elsewhere_text` is the same step where other latent frames of the loop meet: the wrap is none if it is like these.
    """
    figures, floor = Tally(), Tally()
    chosen = held_out(n, family="single", seed=seed, accept=lambda scene: scene.things[0].motion in MOTIONS)
    for numbers, scenes in batches(chosen, progress):
        prompts, seeds = [prompt_of(scene) for scene in scenes], [seed + i for i in numbers]
        truths = [clip_of(scene, size) for scene in scenes]
        new = loop_new(maker.codec, size=sized(size, size.frames - 1))
        made = edited(maker, [new] * len(scenes), prompts, seeds)
        closing = [
            loop_clip(Clip(image=truth, fps=size.fps), maker.codec, seconds=second(size) / size.fps) for truth in truths
        ]
        closed = edited(maker, closing, prompts, seeds)
        for scene, truth, frames, whole in zip(scenes, truths, made, closed, strict=True):
            measure_wrap(figures, reader, frames, "_text")
            figures.value("elsewhere_text", elsewhere(frames, maker.codec.geometry.time_factor))
            measure_wrap(figures, reader, whole, "_clip")
            measure_join(figures, reader, whole, Join(start=len(truth), end=len(whole)), "_clip")
            figures.right("subject", same_subject(reader, frames, size.fps, scene))
            floor.right("subject", same_subject(reader, coded_frames(maker, truth), size.fps, scene))
            ordinary(floor, reader, maker, truth)
    return report("loop", n, figures, floor)


def measure_wrap(tally: Tally, reader: Reader, frames: Tensor, name: str) -> None:
    """The wrap in picture and in speed, and the motion."""
    tally.value(f"wrap{name}", measures.wrap_ratio(frames))
    tally.value(f"wrap_speed{name}", measures.wrap_speed(reader.follow(video_of(frames))[0]))
    if name == "_text":
        tally.value("movement_text", measures.motion(frames))


def elsewhere(frames: Tensor, factor: int) -> float:
    """The step where other latent frames of a loop meet: what its wrap should not differ from."""
    return median(measures.wrap_ratio(frames.roll(-at, 0)) for at in range(factor, len(frames), factor))


def ordinary(tally: Tally, reader: Reader, maker: Maker, truth: Tensor) -> None:
    """The same figures in the middle of a true clip, where two latent frames meet, as they do at a wrap.

    All of it is sent through the codec for a loop from text; only what comes after or before that place for a closed
    clip.
    """
    factor = maker.codec.geometry.time_factor
    middle = 1 + len(truth) // (2 * factor) * factor
    kinds: tuple[tuple[str, str, list[slice]], ...] = (
        ("wrap_text", "wrap_speed_text", []),
        ("seam_clip", "speed_clip", [slice(0, middle)]),
        ("wrap_clip", "wrap_speed_clip", [slice(middle, None)]),
    )
    for picture, speed, kept in kinds:
        frames = coded_frames(maker, truth, kept)
        tally.value(picture, measures.seam_ratio(frames, middle))
        tally.value(speed, measures.speed_seam(reader.follow(video_of(frames))[0], middle))
    for name in ("movement_text", "movement_clip"):
        tally.value(name, measures.motion(coded_frames(maker, truth)))
