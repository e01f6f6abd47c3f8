"""Suite `animate`: is the picture the first frame, and does it move at once, as told?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..data.reader import Reader
from ..data.world import Scene
from ..editing import Keyframe, animate, decode, stitch
from ..grid import VideoSize
from ..types import Progress
from . import measures
from .joins import coded_frames, prompt_of, same_subject
from .making import SIZE, Maker, clip_of, counted, held_out, video_of
from .statistics import Tally, report

__all__ = ["run"]

AWAKE = 0.5
"""the first step, in ordinary steps, from which on a clip moves at once"""


def run(n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE) -> dict[str, Any]:
    """n first frames with the captions of their clips; the floor is the true clip through the codec behind its true first frame."""
    figures, floor = Tally(), Tally()
    for i, scene in counted(held_out(n, family="single", seed=seed), progress):
        truth = clip_of(scene, size)
        first = truth[:1]
        edit = animate([Keyframe(image=first, frame_idx=0)], maker.codec, size=size)
        latent = maker.edit(edit, prompt_of(scene), seed + i)
        frames = stitch(edit, latent, maker.codec)
        best = coded_frames(maker, truth, [slice(0, 1)])
        figures.right("kept", torch.equal(frames[:1], first))
        figures.value("kept_psnr", measures.psnr(decode(edit, latent, maker.codec)[:1], first))
        floor.value("kept_psnr", measures.psnr(coded_frames(maker, first), first))
        tell(figures, reader, frames, scene, size)
        tell(floor, reader, best, scene, size)
    return report("animate", n, figures, floor)


def tell(tally: Tally, reader: Reader, frames: Tensor, scene: Scene, size: VideoSize) -> None:
    """How it starts, how much it moves, whether it moves as told and keeps its subject."""
    motion = scene.things[0].motion
    tally.right("motion", reader.read(video_of(frames), size.fps).answers["motion"] == [motion])
    tally.right("subject", same_subject(reader, frames, size.fps, scene))
    tally.value("movement", measures.motion(frames))
    if motion not in ("still", "fall"):
        start = measures.seam_ratio(frames, 1)
        tally.value("start", start)
        tally.right("at_once", start >= AWAKE)
