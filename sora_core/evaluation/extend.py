"""Suite `extend`: does a clip go on across the seam, forward and backward, in picture and in speed?"""

from __future__ import annotations

from typing import Any

import torch

from ..data.reader import Reader
from ..editing import Clip, decode, extend, stitch
from ..editing.extend import Direction
from ..grid import VideoSize
from ..types import Progress
from . import measures
from .joins import SECOND, Join, coded_frames, measure_join, prompt_of, same_subject, sized
from .making import SIZE, Maker, clip_of, counted, held_out
from .statistics import Tally, report

__all__ = ["run"]


def run(n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE) -> dict[str, Any]:
    """n clips, each extended forward and backward by a second; the floor is the true second sent through the codec.

    kept: given frames come out identical; kept_psnr: the plain decode of the kept frames against the given ones.
    """
    figures, floor = Tally(), Tally()
    given = size.frames
    total = given + SECOND
    scenes = held_out(n, family="single", seed=seed, seconds=total / size.fps)
    for i, scene in counted(scenes, progress):
        truth = clip_of(scene, sized(size, total))
        for direction, kept, join in ways(given, total):
            edit = extend(Clip(image=truth[kept], fps=size.fps), maker.codec, seconds=SECOND / size.fps, direction=direction)
            latent = maker.edit(edit, prompt_of(scene), seed + i)
            frames = stitch(edit, latent, maker.codec)
            best = coded_frames(maker, truth, [kept])
            figures.right("kept", torch.equal(frames[kept], truth[kept]))
            figures.right("subject", same_subject(reader, frames, size.fps, scene))
            floor.right("subject", same_subject(reader, best, size.fps, scene))
            measure_join(figures, reader, frames, join, f"_{direction}")
            measure_join(floor, reader, best, join, f"_{direction}")
            if direction == "forward":
                plain = decode(edit, latent, maker.codec)[:-SECOND]
                figures.value("kept_psnr", measures.psnr(plain, truth[kept][-len(plain) :]))
                floor.value("kept_psnr", measures.psnr(coded_frames(maker, truth[kept]), truth[kept]))
    return report("extend", n, figures, floor)


def ways(given: int, total: int) -> tuple[tuple[Direction, slice, Join], ...]:
    """Both directions: which frames of the whole are given, and which are made."""
    return (
        ("forward", slice(0, given), Join(start=given, end=total)),
        ("backward", slice(SECOND, total), Join(start=0, end=SECOND)),
    )
