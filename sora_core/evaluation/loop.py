"""Suite `loop`: is the wrap of a loop like any other step, and does it really move?"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..data.reader import Reader
from ..editing import Clip, loop_clip, loop_new
from ..grid import VideoSize
from ..types import Progress
from . import measures
from .joins import Join, coded_frames, edited, measure_join, prompt_of, same_subject, second, sized
from .making import SIZE, Maker, batches, clip_of, held_out, video_of
from .statistics import Tally, report

__all__ = ["run"]

MOTIONS = ("bounce", "spin")
"""what moves and stays where it is"""


def run(n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE) -> dict[str, Any]:
    """n loops from text and n clips closed into loops; the floor of the wrap is an ordinary last step of a true clip."""
    figures, floor = Tally(), Tally()
    chosen = held_out(n, family="single", seed=seed, accept=lambda scene: scene.things[0].motion in MOTIONS)
    for numbers, scenes in batches(chosen, progress):
        prompts, seeds = [prompt_of(scene) for scene in scenes], [seed + i for i in numbers]
        truths = [clip_of(scene, size) for scene in scenes]
        new = loop_new(maker.codec, size=sized(size, size.frames - 1))
        made = edited(maker, [new] * len(scenes), prompts, seeds)
        closing = [loop_clip(Clip(image=truth, fps=size.fps), maker.codec, seconds=second(size) / size.fps) for truth in truths]
        closed = edited(maker, closing, prompts, seeds)
        for scene, truth, frames, whole in zip(scenes, truths, made, closed, strict=True):
            best = coded_frames(maker, truth)
            measure_wrap(figures, reader, frames, "_text")
            measure_wrap(figures, reader, whole, "_clip")
            measure_join(figures, reader, whole, Join(start=len(truth), end=len(whole)), "_clip")
            for tally, shown in ((figures, frames), (floor, best)):
                tally.right("subject", same_subject(reader, shown, size.fps, scene))
            ordinary(floor, reader, best)
    return report("loop", n, figures, floor)


def measure_wrap(tally: Tally, reader: Reader, frames: Tensor, name: str) -> None:
    """The wrap in picture and in speed, and the motion."""
    tally.value(f"wrap{name}", measures.wrap_ratio(frames))
    tally.value(f"wrap_speed{name}", measures.wrap_speed(reader.follow(video_of(frames))[0]))
    if name == "_text":
        tally.value("movement_text", measures.motion(frames))


def ordinary(tally: Tally, reader: Reader, frames: Tensor) -> None:
    """The same figures at a step that is no wrap: the one in the middle of a true clip."""
    middle = len(frames) // 2
    track = reader.follow(video_of(frames))[0]
    for name in ("_text", "_clip"):
        tally.value(f"wrap{name}", measures.seam_ratio(frames, middle))
        tally.value(f"wrap_speed{name}", measures.speed_seam(track, middle))
        tally.value(f"movement{name}", measures.motion(frames))
    tally.value("seam_clip", measures.seam_ratio(frames, middle))
    tally.value("speed_clip", measures.speed_seam(track, middle))
