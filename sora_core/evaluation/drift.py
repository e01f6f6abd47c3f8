"""Suite `drift`: ten extensions in a row, kept as latents; do light, contrast, colour and subject hold?"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..data.reader import Reader
from ..data.world import Scene
from ..editing import Clip, continued, extend
from ..editing.coding import pixels_of
from ..grid import VideoSize
from ..types import Progress
from . import measures
from .joins import SECOND, coded_frames, prompt_of, same_subject, sized
from .making import SIZE, Maker, clip_of, counted, held_out
from .statistics import Tally, report

__all__ = ["run"]

TIMES = 10
MOTIONS = ("bounce", "spin", "still")
"""motions that stay in the picture for ever"""


def run(
    n: int,
    *,
    maker: Maker,
    reader: Reader,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize = SIZE,
    times: int = TIMES,
) -> dict[str, Any]:
    """n clips of bounded motion, extended `times` by a second; the floor is as long a true clip through the codec."""
    figures, floor = Tally(), Tally()
    scenes = held_out(n, family="single", seed=seed, accept=lambda scene: scene.things[0].motion in MOTIONS)
    for i, scene in counted(scenes, progress):
        truth = clip_of(scene, sized(size, size.frames + times * SECOND))
        frames = extended(maker, truth[: size.frames], scene, size.fps, times, seed + i)
        tell(figures, reader, frames, scene, size.fps)
        tell(floor, reader, coded_frames(maker, truth), scene, size.fps)
    return report("drift", n, figures, floor)


def extended(maker: Maker, image: Tensor, scene: Scene, fps: float, times: int, seed: int) -> Tensor:
    """The frames after `times` extensions by a second; latents are kept, no pixel is encoded again."""
    clip = Clip(image=image, fps=fps)
    for i in range(times):
        edit = extend(clip, maker.codec, seconds=SECOND / fps)
        clip = continued(edit, maker.edit(edit, prompt_of(scene), seed + 1000 * i), maker.codec)
    return pixels_of(clip, maker.codec)


def tell(tally: Tally, reader: Reader, frames: Tensor, scene: Scene, fps: float) -> None:
    """Drift of the picture, whether the subject is still right, and that it still moves."""
    for name, value in zip(("brightness", "contrast", "saturation"), measures.drift(frames).tolist(), strict=True):
        tally.value(name, value)
    tally.right("subject", same_subject(reader, frames, fps, scene))
    if scene.things[0].motion != "still":
        tally.value("movement", measures.motion(frames[-2 * SECOND :]))
