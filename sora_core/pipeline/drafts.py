"""What is sampled small and brought up by the refiner, and what that takes.

The bundled transformer draws one subject where the shorter side has about 64 pixels; on larger grids it draws lumps,
and a woven grid over all of them. So a larger picture is a draft of that size, in about its shape, and the refiner's
work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import torch
from torch import Tensor

from ..errors import ResourceError
from ..files import size_text
from ..grid import LatentGrid, VideoSize
from ..memory import free_memory
from ..refine import Refiner, load_refiner, memory_need, refined, work_of
from .model import WEIGHTS, SoraModel

__all__ = ["brought_up", "bundled_refiner", "draft_size", "refine_memory", "refine_seconds"]

SHORT = 64
"""pixels of a draft's shorter side"""
DIRECT = 64 * 128
"""pixels of the largest picture that is sampled as it is"""
TIMED = (24, 24), (96, 96)
"""height and width of the pictures that are refined to say how long it takes"""


@cache
def bundled_refiner(device: torch.device | str = "cpu") -> Refiner:
    """The refiner of the bundled weights, loaded once."""
    return load_refiner(WEIGHTS / "refiner.safetensors", device=device)


def draft_size(model: SoraModel, asked: VideoSize) -> VideoSize | None:
    """The size at which a clip of `asked` is sampled for the refiner, in whole tokens of about its shape; None where it
    is sampled as it is, since it is small or the model has no refiner.

    Raises ResourceError where the refiner needs more memory than there is.
    """
    short = min(asked.height, asked.width)
    if model.refiner is None or asked.height * asked.width <= DIRECT or short <= SHORT:
        return None
    step = model.geometry.space_factor * model.geometry.patch
    height, width = (max(step, round(side * SHORT / short / step) * step) for side in (asked.height, asked.width))
    draft = replace(asked, height=height, width=width)
    need = memory_need((height, width), (asked.height, asked.width))
    free = free_memory(str(model.device))
    if free is not None and need > free:
        raise ResourceError(
            f"bringing {asked} up from {width}x{height} needs about {size_text(need)} of memory and {size_text(free)}"
            " is free; choose a smaller size"
        )
    return draft


def brought_up(
    refiner: Refiner, frames: Callable[[int], Iterator[Tensor]], size: tuple[int, int], start: int = 0
) -> Iterator[Tensor]:
    """Frames [1,3,1,H,W] at a height and width from frame `start` on; frames: the draft's chunks from a frame on."""
    before = min(start, refiner.config.context)
    yield from islice(refined(refiner, frames(start - before), size), before, None)


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
    given, to = TIMED
    picture, taken = torch.zeros(1, 3, 1, *given), 0.0
    for _ in range(2):  # the first call prepares what later ones find
        began = time.perf_counter()
        next(refined(model.refiner, [picture], to))
        taken = time.perf_counter() - began
    work = work_of((grid.asked.height, grid.asked.width), (asked.height, asked.width))
    return asked.frames * taken * work / work_of(given, to)
