"""The refiner over a stream of frames: drafts steadied and mended at their own size, then enlarged at most four times
in each pass, with crisp edges after each.

Frames go one by one, with the few beside them that the network sees, so memory is flat in the length of a video. A
draft of more than WINDOW pixels is mended in windows that overlap and are cross-faded.

Legend: B batch, F frames, H W height and width.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product

import torch
import torch.nn.functional as F
from torch import Tensor

from ..vae.tiling import Tiles, scaled, weights
from .network import CELL, Refiner
from .sharpen import ROWS, blurred, sharpened

__all__ = ["memory_need", "passes", "reach", "refined", "work_of"]

MOST = 4.0
"""times that a pass enlarges"""
DRAFT_STEPS, CLEAN_STEPS = 3.0, 0.9
"""steps of sharpening for each time that a draft, or a clean picture, is enlarged; a draft that is enlarged less than
twice has fewer: its edges are soft over a pixel alone, and lumps would become facets"""
WIDE = 3.0
"""times enlarged from which on edges are soft over more than a few pixels"""
BESIDE = 2
"""frames on either side whose still places a draft's frame is averaged with"""
NOISE = 0.04
"""a change (of -1..1) from which on a place counts as moving"""
WINDOW = 1 << 20
"""pixels that the network works on at once"""
OVERLAP = 16
"""cells of CELL pixels that windows share"""
AXIS = 16
"""windows in a row or column at most"""
WORK = 320
"""bytes for each pixel that the network works on at once"""
HELD, STRIP = 72, 360
"""bytes for each pixel of an enlarged picture, and of the rows of it that are sharpened at once"""


def passes(height: int, width: int, to: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width after each pass from a size to another one, by equal ratios; none where that is no larger."""
    ratio = max(to[0] / height, to[1] / width)
    if ratio <= 1:
        return []
    count = max(1, math.ceil(math.log(ratio) / math.log(MOST) - 0.02))
    between = (((a / b) ** (i / count) for a, b in zip(to, (height, width), strict=True)) for i in range(1, count))
    return [*((round(height * tall), round(width * wide)) for tall, wide in between), to]


@torch.no_grad()
def refined(
    refiner: Refiner,
    chunks: Iterable[Tensor],
    size: tuple[int, int],
    *,
    draft: bool = True,
    cut: bool = True,
    skip: int = 0,
) -> Iterator[Tensor]:
    """Frames [1,3,1,H,W] in -1..1, on the CPU, at a height and width, of chunks [1,3,F,h,w] of another size.

    draft: the video was sampled by the bundled transformer, so it is mended first; a clean one is only enlarged. cut:
    what has another shape is cut evenly to that of the wanted size, not stretched. skip: frames at the beginning that
    are there for those beside them alone.
    """
    frames = (frame for chunk in chunks for frame in chunk.unbind(2))
    for frame in islice(mended(refiner, steadied(frames)) if draft else frames, skip, None):
        picture = (shaped(frame, size) if cut else frame).cpu()
        for step in passes(picture.shape[2], picture.shape[3], size):
            picture = enlarged(picture, step, draft=draft)
        if picture.shape[2:] != size:
            picture = F.interpolate(picture, size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
        yield picture[:, :, None]


def reach(refiner: Refiner) -> int:
    """Frames before one that it is made of."""
    return BESIDE + refiner.config.context


def steadied(frames: Iterator[Tensor]) -> Iterator[Tensor]:
    """Frames [1,3,h,w] whose still places do not flicker: each is the mean of itself and the frames beside it, as far
    as they show the same there (a bilateral filter over time, Tomasi 1998)."""
    for near in neighbourhoods(frames, BESIDE):
        middle = near[BESIDE]
        total, weight = middle.clone(), torch.ones_like(middle[:, :1])
        for other in near[:BESIDE] + near[BESIDE + 1 :]:
            change = blurred((other - middle).abs().mean(1, keepdim=True), 5, 1)
            alike = torch.exp(-((change / NOISE) ** 2))
            total.addcmul_(alike, other)
            weight += alike
        yield total / weight


def mended(refiner: Refiner, frames: Iterator[Tensor]) -> Iterator[Tensor]:
    """Frames [1,3,h,w] without lumps and specks."""
    weight, count = refiner.enter.weight, refiner.config.frames
    for near in neighbourhoods(frames, refiner.config.context):
        picture = torch.cat(near, 1).to(weight)
        yield in_windows(lambda part: refiner(part.unflatten(1, (count, 3))), picture).clamp(-1, 1)


def enlarged(picture: Tensor, size: tuple[int, int], *, draft: bool) -> Tensor:
    """A picture [B,3,h,w] at a larger height and width, its edges made crisp."""
    ratio = max(size[0] / picture.shape[2], size[1] / picture.shape[3])
    larger = F.interpolate(picture, size, mode="bicubic", align_corners=False).clamp(-1, 1)
    steps = DRAFT_STEPS * min(1.0, ratio - 1) if draft else CLEAN_STEPS
    return sharpened(larger, round(steps * ratio), wide=ratio >= WIDE)


def shaped(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """[B,3,h,w] cut evenly to the shape of a height and width."""
    height, width = picture.shape[2:]
    tall, wide = min(height, round(width * size[0] / size[1])), min(width, round(height * size[1] / size[0]))
    y, x = (height - tall) // 2, (width - wide) // 2
    return picture[..., y : y + tall, x : x + wide]


def neighbourhoods(frames: Iterator[Tensor], context: int) -> Iterator[tuple[Tensor, ...]]:
    """Each frame with `context` frames on either side; the ends are held."""
    near: deque[Tensor] = deque(maxlen=2 * context + 1)
    for frame in frames:
        near.extend([frame] * (1 if near else context + 1))
        if len(near) == 2 * context + 1:
            yield tuple(near)
    missing = 2 * context + 1 - len(near)
    for i in range(context if near else 0):
        near.append(near[-1])
        if i >= missing - 1:
            yield tuple(near)


def in_windows(part: Callable[[Tensor], Tensor], picture: Tensor, *, window: int = WINDOW) -> Tensor:
    """The picture [B,3,H,W] that `part` makes of one [B,C,H,W] of any size, given whole or in windows of at most that
    many pixels, with sides of whole cells."""
    height, width = picture.shape[2:]
    whole = F.pad(picture, (0, -width % CELL, 0, -height % CELL), mode="replicate")
    rows, columns = windows(whole.shape[2], whole.shape[3], window)
    if len(rows) * len(columns) == 1:
        return part(whole)[..., :height, :width]
    out = picture.new_zeros(len(picture), 3, *whole.shape[2:])
    down, along = (weights(axis, CELL) for axis in (rows, columns))
    for i, j in product(range(len(rows)), range(len(columns))):
        place = (..., scaled(rows[i], CELL), scaled(columns[j], CELL))
        made = part(whole[place])
        out[place] += made * down[i].to(made)[:, None] * along[j].to(made)
    return out[..., :height, :width]


def windows(height: int, width: int, most: int) -> tuple[list[slice], list[slice]]:
    """Rows and columns of windows, in cells, of a picture that is worked on by at most that many pixels at once: those
    with the least to do, one for a small picture, the smallest where none is small enough."""
    tall, wide = height // CELL, width // CELL
    if height * width <= most:
        return [slice(0, tall)], [slice(0, wide)]
    best: tuple[float, Tiles] | None = None
    for counts in product(range(1, AXIS + 1), repeat=2):
        size = [math.ceil((side + (n - 1) * OVERLAP) / n) for side, n in zip((tall, wide), counts, strict=True)]
        if any(side < 2 * OVERLAP and n > 1 for side, n in zip(size, counts, strict=True)) or min(size) <= OVERLAP:
            continue
        over = max(0, size[0] * size[1] * CELL**2 - most)
        work = over * 1e6 + counts[0] * counts[1] * size[0] * size[1]
        if best is None or work < best[0]:
            best = work, Tiles(chunk=1, size=(size[0], size[1]), overlap=OVERLAP)
    return best[1].axes(tall, wide) if best else ([slice(0, tall)], [slice(0, wide)])


def memory_need(size: tuple[int, int], to: tuple[int, int]) -> int:
    """Bytes that bringing a video of one height and width to another takes."""
    network = WORK * min(size[0] * size[1], WINDOW)
    return max(network, *(HELD * h * w + STRIP * min(h, ROWS) * w for h, w in [size, *passes(*size, to)]))


def work_of(size: tuple[int, int], to: tuple[int, int]) -> float:
    """Pixels that are sharpened for each frame that is brought from one height and width to another, times the steps:
    time goes with them."""
    work, before = 0.0, size
    for height, width in passes(*size, to):
        work += max(height / before[0], width / before[1]) * height * width
        before = height, width
    return work
