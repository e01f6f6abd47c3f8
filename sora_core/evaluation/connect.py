"""Suite `connect`: are both clips kept, the seams smooth, and the middle more than a cross-fade?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..data.reader import Reader
from ..data.world import Scene
from ..editing import Clip, connect
from ..grid import VideoSize
from ..types import Progress
from . import measures
from .joins import SECOND, Join, coded_frames, edited, measure_join, prompt_of, sized
from .making import SIZE, Maker, clip_of, counted, held_out
from .statistics import Tally, report

__all__ = ["run"]

MIXED = 0.1
"""a middle frame of which less than this is unexplained by a mix of both ends is a mere cross-fade"""


def run(n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE) -> dict[str, Any]:
    """n pairs of clips with a second between them.

    The floor of the seams is a true next frame through the codec, that of the residual the world's own transitions.
    """
    figures, floor = Tally(), Tally()
    given, total = size.frames, 2 * size.frames + SECOND
    firsts = held_out(n, family="single", seed=seed)
    seconds = held_out(n, family="single", seed=seed + 1)
    changes = held_out(n, family="transition", seed=seed)
    for i, first in counted(firsts, progress):
        a, b = clip_of(first, size), clip_of(seconds[i], size)
        edit = connect(Clip(image=a, fps=size.fps), Clip(image=b, fps=size.fps), maker.codec, seconds=SECOND / size.fps)
        prompt = f"{prompt_of(first).rstrip('.')}, then {prompt_of(seconds[i])}"
        frames = edited(maker, edit, prompt, seed + i)
        figures.right("kept", torch.equal(frames[:given], a), torch.equal(frames[-given:], b))
        measure_join(figures, reader, frames, Join(start=given, end=total - given))
        tell_middle(figures, frames[given - 1 : total - given + 1])
        truth = clip_of(first, sized(size, given + SECOND))
        best = coded_frames(maker, truth, [slice(0, given)])
        measure_join(floor, reader, best, Join(start=given, end=given + SECOND))
        tell_middle(floor, transition(maker, changes[i], size))
    return report("connect", n, figures, floor)


def tell_middle(tally: Tally, frames: Tensor) -> None:
    """How much of the frames between the first and the last is no mix of these two."""
    rest = measures.crossfade_residual(frames[1:-1], frames[0], frames[-1])
    tally.value("residual", float(rest.median()))
    tally.right("no_crossfade", *(rest > MIXED).tolist())


def transition(maker: Maker, scene: Scene, size: VideoSize) -> Tensor:
    """The frames of a true transition and one on either side, through the codec."""
    frames = coded_frames(maker, clip_of(scene, size))
    middle = round(scene.change * size.fps)
    start = max(0, middle - SECOND // 2 - 1)
    return frames[start : middle + SECOND // 2 + 1]
