"""Soft edges made crisp: a coherence-enhancing shock filter (Weickert 2003, DAGM).

A regression draws an edge whose place it cannot know as a soft one. Each step moves every pixel towards the brightest
or the darkest of its neighbours, as it lies on the bright or the dark side of an edge, which the sign of the second
derivative across the edge tells; the edge's direction comes from a smoothed structure tensor, so that contours become
smooth lines. Where nothing bends, nothing moves.

Legend: B batch, H W height and width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["sharpened"]

STRENGTH = 60.0
"""how surely a second derivative decides; small ones move a pixel by little"""
STEP = 0.55
"""of the way to the neighbour that a step moves, at most"""
TINY = 1e-4
"""a slope that counts as none"""
EVERY = 4
"""steps after which it is found anew on which side of an edge each pixel lies"""
ROWS = 128
"""of a picture that are worked on at once"""


def sharpened(picture: Tensor, steps: int, *, wide: bool = False) -> Tensor:
    """Pictures [B,3,H,W] with crisp edges, after some steps; `wide`: edges are soft over more than a few pixels.

    A step goes by strips of rows, which stay in a core's cache: the same numbers as in one piece.
    """
    rounds, height = 2 + wide, picture.shape[2]
    bend, moved, spare = (torch.empty_like(picture) for _ in range(3))
    for step in range(steps):
        for top in range(0, height, ROWS):
            own = slice(top, min(top + ROWS, height))
            if step % EVERY == 0:
                bend[:, :, own] = bent(picture, own, rounds)
            beside, middle = with_reach(own, height, 1)
            step_by = steepest(picture[:, :, beside], -bend[:, :, own].sign(), middle).mul_(bend[:, :, own])
            torch.sub(picture[:, :, own], step_by.mul_(STEP), out=moved[:, :, own])
        picture, moved, spare = moved, spare, moved
    return picture


def with_reach(own: slice, height: int, reach: int) -> tuple[slice, slice]:
    """Rows with `reach` more on either side, where there are, and where the rows lie among these."""
    seen = slice(max(0, own.start - reach), min(height, own.stop + reach))
    return seen, slice(own.start - seen.start, own.stop - seen.start)


def bent(picture: Tensor, own: slice, rounds: int) -> Tensor:
    """On which side of an edge the pixels of these rows lie, and how surely: `side_of` across the edges' directions."""
    seen, inner = with_reach(own, picture.shape[2], 1 + 3 * rounds)
    x, y, *second = derivatives(blurred(picture[:, :, seen], 3, rounds))
    across = direction(x, y, rounds)[:, :, inner]
    x, y, xx, yy, xy = (values[:, :, inner] for values in (x, y, *second))
    c, s = across.cos(), across.sin()
    return side_of(c * x + s * y, c * c * xx + 2 * c * s * xy + s * s * yy)


def side_of(slope: Tensor, second: Tensor) -> Tensor:
    """Below 0 on the bright side of an edge and above on the dark one, of first and second derivatives across it.

    All colours agree where an edge lies, or it would have coloured fringes: it is where the slope of all of them is
    largest. Each moves by its share of that slope.
    """
    joint = (slope * second).sum(1, keepdim=True) / (slope.square().sum(1, keepdim=True) + TINY).sqrt()
    return torch.tanh(STRENGTH * joint) * slope / (slope.abs().amax(1, keepdim=True) + TINY)


def blurred(picture: Tensor, side: int, rounds: int) -> Tensor:
    """The mean over squares of that side, several times over; at the border over what there is of them."""
    for axis in (-2, -1):
        for _ in range(rounds):
            picture = mean_along(picture, side, axis)
    return picture


def mean_along(values: Tensor, side: int, axis: int) -> Tensor:
    """The mean of `side` neighbours along an axis. Sums of shifted views take far less time than a pooling."""
    total, length = values.clone(), values.shape[axis]
    count = torch.ones(length)
    for shift in range(1, min(side // 2 + 1, length)):
        rest = length - shift
        for to, from_ in ((shift, 0), (0, shift)):
            total.narrow(axis, to, rest).add_(values.narrow(axis, from_, rest))
            count[to : to + rest] += 1
    return total.mul_((1 / count).view(-1, *[1] * (-1 - axis)).to(total))


def derivatives(picture: Tensor) -> tuple[Tensor, ...]:
    """First and second derivatives: x, y, xx, yy, xy."""
    p = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    left, right, up, down = p[..., 1:-1, :-2], p[..., 1:-1, 2:], p[..., :-2, 1:-1], p[..., 2:, 1:-1]
    corners = p[..., 2:, 2:] + p[..., :-2, :-2] - p[..., 2:, :-2] - p[..., :-2, 2:]
    return (right - left) / 2, (down - up) / 2, left + right - 2 * picture, up + down - 2 * picture, corners / 4


def direction(x: Tensor, y: Tensor, rounds: int) -> Tensor:
    """The angle across the edges of pictures with these first derivatives, [B,1,H,W]."""
    products = torch.cat([(a * b).sum(1, keepdim=True) for a, b in ((x, x), (y, y), (x, y))], 1)
    xx, yy, xy = blurred(products, 5, rounds).split(1, 1)
    return torch.atan2(2 * xy, xx - yy) / 2


def steepest(picture: Tensor, way: Tensor, rows: slice) -> Tensor:
    """How far the neighbours of the pixels in these rows rise above them, where `way` is 1, or fall below, where -1."""
    p = F.pad(picture, (1, 1, 1, 1), mode="replicate")[:, :, rows.start : rows.stop + 2]
    total, middle = torch.zeros_like(way), p[..., 1:-1, 1:-1]
    for neighbour in (p[..., 1:-1, 2:], p[..., 1:-1, :-2], p[..., 2:, 1:-1], p[..., :-2, 1:-1]):
        step = torch.sub(neighbour, middle).mul_(way).clamp_(min=0)
        total.addcmul_(step, step)
    return total.sqrt_()
