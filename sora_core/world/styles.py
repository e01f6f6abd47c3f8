"""Looks: what a style does to the ground while it is painted and to the finished picture."""

import torch
import torch.nn.functional as nn_f
from torch import Tensor

from .setting import RGB, planes
from .shapes import Vec

PIXEL_ROWS = 32


def surface(style: str, land: Tensor, g: Vec, reach: Tensor, glows: list[tuple[Tensor, float, RGB]]) -> Tensor:
    """The ground's colour [3,F,h,W] under a style; `g` are its points, `glows` middle [F,3], radius and colour of what
    stands there."""
    if style == "neon":
        soft = (reach / 40).clamp(min=0.035)
        lines = torch.zeros_like(reach)
        for a in (g.x, g.z):
            lines = torch.maximum(
                lines, (1 - (torch.remainder(a + 0.5, 1.0) - 0.5).abs() / soft).clamp(0, 1) * (0.05 / soft).clamp(max=1)
            )
        glow = 0.26 * land + lines * (0.25 * land + 0.6 * planes((0.1, 0.75, 0.95), reach))
        for c, radius, colour in glows:
            flat = (
                (g.x - c[:, 0].view(-1, 1, 1)) ** 2
                + (g.z - c[:, 2].view(-1, 1, 1)) ** 2
                + (c[:, 1].view(-1, 1, 1) - radius) ** 2
            )
            glow = glow + planes(colour, reach) * (0.55 * torch.exp(-flat / (1.1 * radius) ** 2 / 1.6))
        return glow
    if style == "clay":
        dent = torch.sin(g.x * 6.1 + torch.sin(g.z * 4)) * torch.sin(g.z * 5.7 + 1)
        return (0.75 * land + 0.25 * land.mean((2, 3), keepdim=True)) * (1 + 0.10 * dent * torch.exp(-reach / 9))
    return land


def finish(style: str, colour: Tensor) -> Tensor:
    """The finished picture [3,F,H,W] in a style."""
    match style:
        case "natural" | "clay":
            return colour
        case "charcoal":
            return _charcoal(colour)
        case "pixel":
            return _pixel(colour)
        case "neon":
            return colour
    raise ValueError(f"unknown style {style!r}")


def _charcoal(colour: Tensor) -> Tensor:
    """Gray paper, hatching where it is dark, dark outlines."""
    height, width = colour.shape[-2:]
    gray = (colour * planes((0.30, 0.59, 0.11), colour[0])).sum(0)
    step = max(1, round(height / 64))
    padded = nn_f.pad(gray[:, None], (step, step, step, step), mode="replicate")[:, 0]
    dx = padded[:, step:-step, 2 * step :] - padded[:, step:-step, : -2 * step]
    dy = padded[:, 2 * step :, step:-step] - padded[:, : -2 * step, step:-step]
    edge = torch.sqrt(dx * dx + dy * dy)
    y = torch.arange(height, device=colour.device).view(-1, 1) / height
    x = torch.arange(width, device=colour.device) / height
    hatch = torch.sin((x + y) * 130) * 0.5 + torch.sin((1.7 * x - 0.6 * y) * 157) * 0.25
    tone = 0.96 - 0.85 * (1 - gray.clamp(0, 1)) ** 1.3 + 0.10 * hatch * (1 - gray).clamp(0, 1)
    return (tone - 0.9 * (edge - 0.06).clamp(min=0)).clamp(0.03, 1).expand(3, -1, -1, -1)


def _pixel(colour: Tensor) -> Tensor:
    """Large pixels, few levels."""
    height, width = colour.shape[-2:]
    rows = min(PIXEL_ROWS, height)
    columns = max(1, round(width * rows / height))
    small = nn_f.adaptive_avg_pool2d(colour, (rows, columns))
    small = torch.round(small.clamp(0, 1) * 6) / 6
    return nn_f.interpolate(small, size=(height, width), mode="nearest")
