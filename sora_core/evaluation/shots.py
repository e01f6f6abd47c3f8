"""Suite `shots`: is the cut where it was asked, each shot as told, and the subject the same?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..editing import Shot, stitch, storyboard
from ..grid import VideoSize
from ..perception.reader import Reader
from ..types import Progress
from ..world import Scene
from . import measures
from .joins import coded_frames, prompt_of, same_subject, sized
from .making import SIZE, Maker, batches, clip_of, held_out, video_of
from .restyle import other
from .statistics import Tally, report

__all__ = ["run"]


def run(
    n: int, *, maker: Maker, reader: Reader, seed: int = 0, progress: Progress | None = None, size: VideoSize = SIZE
) -> dict[str, Any]:
    """n storyboards of two shots: the same subject, another place after the cut. The floor is two true clips,
    joined."""
    figures, floor = Tally(), Tally()
    length = size.frames - 1
    for numbers, scenes in batches(held_out(n, family="single", seed=seed), progress):
        pairs = [(scene, other(scene, style=False)) for scene in scenes]
        boards = [
            storyboard([Shot(prompt=prompt_of(s), seconds=length / size.fps) for s in pair], maker.codec, size=size)
            for pair in pairs
        ]
        latents = maker.shots(boards, [seed + i for i in numbers])
        for pair, board, latent in zip(pairs, boards, latents[:, None], strict=True):
            frames = stitch(board.edit, latent, maker.codec)
            best = coded_frames(maker, torch.cat([clip_of(s, sized(size, length)) for s in pair]))
            for tally, shown in ((figures, frames), (floor, best)):
                tell(tally, reader, shown, pair, length, size.fps, maker.codec.geometry.time_factor)
    return report("shots", n, figures, floor)


def tell(
    tally: Tally, reader: Reader, frames: Tensor, pair: tuple[Scene, Scene], cut: int, fps: float, near: int
) -> None:
    """The cut within one latent frame of the time asked, each shot's place, the subject in both."""
    tally.right("cut", abs(measures.cut_at(frames) - cut) <= near)
    parts = frames[:cut], frames[cut:]
    right = []
    for part, scene in zip(parts, pair, strict=True):
        answers = reader.read(video_of(part), fps).answers
        right.append(answers["ground"] == [scene.setting.ground] and answers["light"] == [scene.setting.light])
    tally.right("shot_1", right[0])
    tally.right("shot_2", right[1])
    tally.right("shots", all(right))
    tally.right("subject", all(same_subject(reader, part, fps, pair[0]) for part in parts))
