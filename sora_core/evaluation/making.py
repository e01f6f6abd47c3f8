"""What the suites need of a model, and how they come by scenes, true clips and the ceiling.

Frames are an IMAGE [F,H,W,3] in 0..1, as edits have them; a video is [B,3,F,H,W] in -1..1, as the classifier has
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..editing import Codec, Edit, Storyboard
from ..errors import InputError
from ..grid import VideoSize, check_fps
from ..media import as_image, frames_to_video
from ..settings import DEFAULTS
from ..types import Progress
from ..world import ClipShape, Cutouts, Scene, render, sample_scene

__all__ = ["Generator", "batches", "clip_of", "coded", "held_out", "shape_of", "true_clips", "two_seconds"]

FIRST_SEED = 900_000_000
"""held-out scenes are drawn from here on; no training comes this far"""


def two_seconds(size: tuple[int, int] = DEFAULTS.size, fps: float = DEFAULTS.fps) -> VideoSize:
    """A clip of that width and height, two seconds with both ends, in whole latent frames."""
    check_fps(fps)
    return VideoSize(frames=max(1, round(fps / 2)) * 4 + 1, height=size[1], width=size[0], fps=fps)


SIZE = two_seconds()
"""what the suites ask for"""
BATCH, CODED = 16, 8
"""scenes whose clips are sampled at once, and clips that go through the codec at once"""


class Generator(Protocol):
    """What makes clips: the bundled model, or a stand-in."""

    @property
    def cutouts(self) -> Cutouts | None:
        """Pictures of the world's nouns, for prompts and true clips that have them; None: solids alone."""
        ...

    @property
    def codec(self) -> Codec:
        """What turns its latents into frames; what true clips are sent through."""
        ...

    def generate(self, prompts: Sequence[str], size: VideoSize, seed: int) -> Tensor:
        """Clips [B,3,F,H,W] in -1..1, one per prompt."""
        ...

    def edit(self, edits: Sequence[Edit], prompts: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """The sampled grids [B,C,T,h,w] of edits of one shape."""
        ...

    def shots(self, boards: Sequence[Storyboard], seeds: Sequence[int]) -> Tensor:
        """The sampled grids [B,C,T,h,w] of storyboards of one shape."""
        ...


def held_out(
    n: int,
    *,
    family: str,
    seed: int = 0,
    seconds: float = 2.0,
    accept: Callable[[Scene], bool] = lambda _: True,
    cutouts: Cutouts | None = None,
) -> list[Scene]:
    """n scenes whose combination of attributes no training has seen; the same for the same seed."""
    nouns = cutouts.nouns if cutouts is not None else ()
    scenes: list[Scene] = []
    at = FIRST_SEED + seed * 1_000_000
    while len(scenes) < n:
        scene = sample_scene(at, family=family, held_out=True, seconds=seconds, nouns=nouns)
        at += 1
        if accept(scene):
            scenes.append(scene)
    return scenes


def shape_of(size: VideoSize, frames: int | None = None) -> ClipShape:
    """The same size for the renderer."""
    return ClipShape(frames=frames or size.frames, height=size.height, width=size.width, fps=size.fps)


def clip_of(scene: Scene, size: VideoSize, cutouts: Cutouts | None = None) -> Tensor:
    """The true frames [F,H,W,3] in 0..1."""
    return as_image(render([scene], shape_of(size), cutouts=cutouts)[0])


def true_clips(scenes: Sequence[Scene], size: VideoSize, cutouts: Cutouts | None = None) -> Tensor:
    """The true video [B,3,F,H,W] in -1..1."""
    return frames_to_video(render(scenes, shape_of(size), cutouts=cutouts))


@torch.no_grad()
def coded(codec: Codec, video: Tensor) -> Tensor:
    """Clips [B,3,F,H,W] as the codec gives them back; the last frame is held up to the next whole latent frame, and
    cut off again."""
    count, step, factor = video.shape[2], codec.geometry.time_factor, codec.geometry.space_factor
    if video.shape[3] % factor or video.shape[4] % factor:
        raise InputError(
            f"width and height must be multiples of {factor} to be measured, not {video.shape[4]}x{video.shape[3]}"
        )
    held = video[:, :, -1:].expand(-1, -1, -(count - 1) % step, -1, -1)
    whole = torch.cat([video, held], 2)
    return torch.cat([codec.decode(codec.encode(part))[:, :, :count].clamp(-1, 1) for part in whole.split(CODED)])


def batches(scenes: Sequence[Scene], progress: Progress | None) -> Iterator[tuple[list[int], Sequence[Scene]]]:
    """The scenes, some at a time, with their numbers, telling how far it has come after each batch."""
    for start in range(0, len(scenes), BATCH):
        part = scenes[start : start + BATCH]
        yield list(range(start, start + len(part))), part
        if progress is not None:
            progress(start + len(part), len(scenes))
