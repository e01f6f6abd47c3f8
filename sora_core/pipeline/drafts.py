"""What is sampled small and brought up by the refiner, and what that takes.

The bundled transformer draws well what has at most as many pixels as its training had; on larger grids it draws lumps,
and a woven grid over all of them. So a larger picture is a draft of that size, in about its shape, and the refiner's
work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import torch
from torch import Tensor

from ..checkpoints import BUNDLED
from ..editing.frames import Derived
from ..errors import ResourceError
from ..files import size_text
from ..grid import Geometry, LatentGrid, VideoSize
from ..media import FrameSource, as_image, chunks, image_to_video, video_to_image
from ..memory import free_memory
from ..refine import Refiner, load_refiner, memory_need, reach, refined, work_of
from .model import SoraModel

__all__ = [
    "BroughtUp",
    "brought_up",
    "bundled_refiner",
    "check_refine_memory",
    "draft_size",
    "refine_memory",
    "refine_seconds",
    "small_size",
]

DIRECT = 112 * 208
"""pixels of the largest picture that is sampled as it is: 16:9 with a shorter side of 112, in whole tokens"""
DRAFT = 112 * 192
"""pixels of a draft, about"""
SHORT = 64
"""pixels of a draft's shorter side at least"""
CHUNK = 8
"""frames of a draft that are read at once"""
TIMED = ((24, 24), (96, 96)), ((64, 64), (256, 256))
"""height and width, before and after, of the pictures that are refined to say how long it takes: the second where that
is the smaller part of the work"""


@cache
def bundled_refiner(device: torch.device | str = "cpu") -> Refiner:
    """The refiner of the bundled weights, loaded once."""
    return load_refiner(BUNDLED / "refiner.safetensors", device=device)


def draft_size(model: SoraModel, asked: VideoSize) -> VideoSize | None:
    """The size at which a clip of `asked` is sampled for the refiner, in whole tokens of about its shape; None where it
    is sampled as it is, since it is small or the model has no refiner.

    Raises ResourceError where the refiner needs more memory than there is.
    """
    height, width = small_size(asked.height, asked.width, model.geometry)
    if model.refiner is None or (height, width) == (asked.height, asked.width):
        return None
    check_refine_memory(model, (height, width), asked)
    return replace(asked, height=height, width=width)


def small_size(height: int, width: int, geometry: Geometry) -> tuple[int, int]:
    """Height and width, whole tokens in about the shape given, at which the bundled transformer draws well; a picture
    that is no larger keeps its size."""
    scale = max(math.sqrt(DRAFT / (height * width)), SHORT / min(height, width))
    if height * width <= DIRECT or scale >= 1:
        return height, width
    step = geometry.space_factor * geometry.patch
    tall, wide = (max(step, round(side * scale / step) * step) for side in (height, width))
    return tall, wide


def check_refine_memory(model: SoraModel, draft: tuple[int, int], asked: VideoSize) -> None:
    """Raises ResourceError where bringing a draft of a height and width up to what is asked for needs more memory than
    there is."""
    need = memory_need(draft, (asked.height, asked.width))
    free = free_memory(str(model.device))
    if free is not None and need > free:
        raise ResourceError(
            f"bringing {asked} up from {draft[1]}x{draft[0]} needs about {size_text(need)} of memory and"
            f" {size_text(free)} is free; choose a smaller size"
        )


def brought_up(
    refiner: Refiner,
    frames: Callable[[int], Iterator[Tensor]],
    size: tuple[int, int],
    start: int = 0,
    *,
    cut: bool = True,
) -> Iterator[Tensor]:
    """Frames [1,3,1,H,W] at a height and width from frame `start` on; frames: the draft's chunks from a frame on. cut:
    as `refined` has it."""
    before = min(start, reach(refiner))
    yield from refined(refiner, frames(start - before), size, cut=cut, skip=before)


class BroughtUp(Derived):
    """A clip that the model made of one that was `Shrunk`, brought up by its refiner to the height and width of that
    one; the frames are made when they are read."""

    def __init__(self, source: FrameSource, refiner: Refiner, height: int, width: int) -> None:
        super().__init__(source)
        self.refiner, self.height, self.width = refiner, height, width

    def read(self, start: int, stop: int) -> Tensor:
        """Frames [F,H,W,3] in 0..1."""
        frames = brought_up(self.refiner, self._drafts, (self.height, self.width), start, cut=False)
        return torch.cat([video_to_image(frame) for frame in islice(frames, stop - start)])

    def _drafts(self, start: int) -> Iterator[Tensor]:
        return (image_to_video(as_image(frames)) for frames in chunks(self.source, CHUNK, start=start))


def refine_memory(model: SoraModel, grid: LatentGrid, asked: VideoSize) -> int:
    """Bytes that bringing a grid's video up to a size takes beside its decoding."""
    if model.refiner is None:
        return 0
    return memory_need((grid.asked.height, grid.asked.width), (asked.height, asked.width))


@torch.no_grad()
def refine_seconds(model: SoraModel, grid: LatentGrid, asked: VideoSize) -> float:
    """Seconds that bringing a grid's video up to a size takes here and now: a small picture is brought up."""
    if model.refiner is None:
        return 0.0
    work = asked.frames * work_of((grid.asked.height, grid.asked.width), (asked.height, asked.width))
    given, to = TIMED[work > 100 * work_of(*TIMED[1])]
    picture, taken = torch.zeros(1, 3, 1, *given), 0.0
    for _ in range(2):  # the first call prepares what later ones find
        began = time.perf_counter()
        next(refined(model.refiner, [picture], to))
        taken = time.perf_counter() - began
    return taken * work / work_of(given, to)
