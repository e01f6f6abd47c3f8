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
STEP = 0.4
"""of the way to the neighbour that a step moves, at most"""
TINY = 1e-4
"""a slope that counts as none"""
TURN = 3
"""steps for which a direction holds"""


def sharpened(picture: Tensor, steps: int, *, wide: bool = False) -> Tensor:
    """Pictures [B,3,H,W] with crisp edges, after some steps; `wide`: edges are soft over more than a few pixels."""
    rounds, across = 2 + wide, torch.zeros(())
    for step in range(steps):
        x, y, xx, yy, xy = derivatives(blurred(picture, 3, rounds))
        if step % TURN == 0:
            across = direction(x, y, rounds)
        cos, sin = across.cos(), across.sin()
        slope = cos * x + sin * y
        bend = side_of(slope, cos * cos * xx + 2 * cos * sin * xy + sin * sin * yy)
        rise, fall = slopes(picture)
        picture = picture - STEP * torch.where(bend < 0, bend * rise, bend * fall)
    return picture


def side_of(slope: Tensor, second: Tensor) -> Tensor:
    """Below 0 on the bright side of an edge and above on the dark one, of first and second derivatives across it.

    All colours agree where an edge lies, or it would have coloured fringes: it is where the slope of all of them is
    largest. Each moves by its share of that slope.
    """
    joint = (slope * second).sum(1, keepdim=True) / (slope.square().sum(1, keepdim=True) + TINY).sqrt()
    return torch.tanh(STRENGTH * joint) * slope / (slope.abs().amax(1, keepdim=True) + TINY)


def blurred(picture: Tensor, side: int, rounds: int) -> Tensor:
    """The mean over squares of that side, several times over."""
    for _ in range(rounds):
        picture = F.avg_pool2d(picture, side, 1, side // 2, count_include_pad=False)
    return picture


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


def slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    """How far the neighbours rise above each pixel, and how far they fall below it."""
    p = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    around = (p[..., 1:-1, 2:], p[..., 1:-1, :-2], p[..., 2:, 1:-1], p[..., :-2, 1:-1])
    rise, fall = torch.zeros_like(picture), torch.zeros_like(picture)
    for neighbour in around:
        step = neighbour - picture
        rise += step.clamp(min=0).square()
        fall += step.clamp(max=0).square()
    return rise.sqrt(), fall.sqrt()
