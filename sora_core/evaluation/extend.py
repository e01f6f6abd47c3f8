"""Suite `extend`: does a clip go on across the seam, forward and backward, in picture and in speed?"""

from __future__ import annotations

from typing import Any

import torch

from ..editing import Clip, decode, extend, stitch
from ..editing.extend import Direction
from ..grid import VideoSize
from ..perception.reader import Reader
from ..types import Progress
from . import measures
from .joins import Join, coded_frames, measure_join, prompt_of, same_subject, second, sized
from .making import SIZE, Maker, batches, clip_of, held_out
from .statistics import Tally, report

__all__ = ["run"]


def run(
    n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE
) -> dict[str, Any]:
    """n clips, each extended forward and backward by a second; the floor is the true second sent through the codec.

    kept: given frames come out identical; kept_psnr: the plain decode of the kept frames against the given ones.
    """
    figures, floor = Tally(), Tally()
    given, total = size.frames, size.frames + second(size)
    for numbers, scenes in batches(held_out(n, family="single", seed=seed, seconds=total / size.fps), progress):
        truths = [clip_of(scene, sized(size, total)) for scene in scenes]
        for direction, kept, join in ways(given, total):
            edits = [
                extend(
                    Clip(image=truth[kept], fps=size.fps),
                    maker.codec,
                    seconds=(total - given) / size.fps,
                    direction=direction,
                )
                for truth in truths
            ]
            latents = maker.edit(edits, [prompt_of(scene) for scene in scenes], [seed + i for i in numbers])
            for scene, truth, edit, latent in zip(scenes, truths, edits, latents[:, None], strict=True):
                frames, best = stitch(edit, latent, maker.codec), coded_frames(maker, truth, [kept])
                figures.right("kept", torch.equal(frames[kept], truth[kept]))
                for tally, shown in ((figures, frames), (floor, best)):
                    tally.right("subject", same_subject(reader, shown, size.fps, scene))
                    measure_join(tally, reader, shown, join, f"_{direction}")
                if direction == "forward":
                    plain = decode(edit, latent, maker.codec)[: given - total]
                    figures.value("kept_psnr", measures.psnr(plain, truth[kept][-len(plain) :]))
                    floor.value("kept_psnr", measures.psnr(coded_frames(maker, truth[kept]), truth[kept]))
    return report("extend", n, figures, floor)


def ways(given: int, total: int) -> tuple[tuple[Direction, slice, Join], ...]:
    """Both directions: which frames of the whole are given, and which are made."""
    new = total - given
    return (
        ("forward", slice(0, given), Join(start=given, end=total)),
        ("backward", slice(new, total), Join(start=0, end=new)),
    )
