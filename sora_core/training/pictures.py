"""Pictures without a data set: what natural ones have in common, drawn on any device.

`leaves` draws the dead-leaves model (Lee, Mumford and Huang 2001): discs and rectangles that cover one another, with a
power law of sizes, each with its own shade and grain. `clips` pans over such pictures, so that they move.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["clips", "grain", "leaves"]


def grain(shape: tuple[int, ...], slope: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:
    """Noise [N,C,H,W] of deviation 1 whose spectrum falls as frequency to the power -slope [N]."""
    n, c, h, w = shape
    white = torch.fft.rfft2(torch.randn(shape, generator=generator).to(device))
    rows, columns = torch.fft.fftfreq(h, device=device), torch.fft.rfftfreq(w, device=device)
    frequency = (rows[:, None].square() + columns.square()).sqrt().clamp(min=1 / max(h, w))
    made = torch.fft.irfft2(white * frequency ** -slope.to(device)[:, None, None, None], s=(h, w))
    return made / made.flatten(1).std(1)[:, None, None, None].clamp(min=1e-6)


def leaves(n: int, side: int, generator: torch.Generator, device: torch.device, count: int = 80) -> Tensor:
    """n pictures [n,3,side,side] in 0..1."""

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    axis = torch.linspace(0, 1, side, device=device)
    y, x = axis[:, None], axis[None]
    picture = draw(n, 3, 1, 1).expand(n, 3, side, side)
    texture = grain((n, 3, side, side), 0.8 + 1.2 * torch.rand(n, generator=generator), generator, device)
    for _ in range(count):
        centre, colour, rough = draw(2, n, 1, 1), draw(n, 3, 1, 1), draw(n, 1, 1, 1).square() * 0.12
        radius = (0.02 / draw(n, 1, 1).clamp(min=0.02) ** 0.75).clamp(max=0.5)
        stretch, tilt = 0.4 + draw(n, 1, 1), draw(n, 1, 1) * 3.14
        dy, dx = y - centre[0], x - centre[1]
        across, along = dx * tilt.cos() + dy * tilt.sin(), (dy * tilt.cos() - dx * tilt.sin()) * stretch
        round_ = (across.square() + along.square()).sqrt()
        square = torch.maximum(across.abs(), along.abs())
        inside = ((torch.where(draw(n, 1, 1) < 0.6, round_, square) - radius) * -side).sigmoid()[:, None]
        shade = colour + 0.3 * (draw(n, 1, 1, 1) - 0.5) * (across / radius)[:, None].clamp(-1, 1) + rough * texture
        picture = inside * shade + (1 - inside) * picture
    return picture.clamp(0, 1)


def clips(n: int, frames: int, side: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """n clips [n,frames,3,side,side] in 0..1: half still, half pans of up to 4 pixels a frame."""
    margin = 4 * frames
    wide = leaves(n, side + margin, generator, device)
    out = []
    for clip in wide:
        step = torch.randint(-4, 5, (2,), generator=generator) * int(torch.rand((), generator=generator) < 0.5)
        places = [((margin // 2 + step * (i - frames // 2)).clamp(0, margin)).tolist() for i in range(frames)]
        out.append(torch.stack([clip[:, top : top + side, left : left + side] for top, left in places]))
    made = torch.stack(out)
    if torch.rand((), generator=generator) < 0.3:
        soft = F.avg_pool2d(made.flatten(0, 1), 3, 1, 1, count_include_pad=False)
        made = soft.view_as(made)
    return made
