"""Suite `loop`: is the wrap of a loop like any other step, and does it really move?"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..data.reader import Reader
from ..editing import Clip, loop_clip, loop_new
from ..grid import VideoSize
from ..types import Progress
from . import measures
from .joins import SECOND, Join, coded_frames, edited, measure_join, prompt_of, same_subject, sized
from .making import SIZE, Maker, clip_of, counted, held_out, video_of
from .statistics import Tally, report

__all__ = ["run"]

MOTIONS = ("bounce", "spin")
"""what moves and stays where it is"""


def run(n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE) -> dict[str, Any]:
    """n loops from text and n clips closed into loops; the floor of the wrap is an ordinary last step of a true clip."""
    figures, floor = Tally(), Tally()
    scenes = held_out(n, family="single", seed=seed, accept=lambda scene: scene.things[0].motion in MOTIONS)
    ring = sized(size, size.frames - 1)
    for i, scene in counted(scenes, progress):
        truth = clip_of(scene, size)
        best = coded_frames(maker, truth)
        frames = edited(maker, loop_new(maker.codec, size=ring), prompt_of(scene), seed + i)
        measure_wrap(figures, reader, frames, "_text")
        figures.right("subject", same_subject(reader, frames, size.fps, scene))
        closed = edited(
            maker, loop_clip(Clip(image=truth, fps=size.fps), maker.codec, seconds=SECOND / size.fps), prompt_of(scene), seed + i
        )
        measure_wrap(figures, reader, closed, "_clip")
        measure_join(figures, reader, closed, Join(start=len(truth), end=len(closed)), "_clip")
        floor.right("subject", same_subject(reader, best, size.fps, scene))
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
