"""Clips that look unlike the world: other colours, blur, grain, the blocks of JPEG, a texture over everything.

A clip that a person brings never looks as the world does. A model that has seen the world's look alone takes what is
kept for a mistake and replaces it; so a share of the clips that are continued in training is altered as a whole, what
is kept and what is to be made alike.

Legend: B clips, F frames, H W pixels; videos are [B,3,F,H,W] in -1..1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as nn_f
from torch import Tensor

from .draws import Draws

__all__ = ["altered"]

BLOCK = 8
"""pixels of a block of JPEG"""


def altered(video: Tensor, draws: Draws) -> Tensor:
    """Each clip in a look of its own: other colours always, each of the rest in two clips of five."""
    video = recoloured(video, draws)
    for change in CHANGES:
        chosen = draws.often(0.4, len(video)).view(-1, 1, 1, 1, 1)
        video = torch.where(chosen, change(video, draws), video)
    return video.clamp(-1, 1)


def recoloured(video: Tensor, draws: Draws) -> Tensor:
    """A random mixture of the channels, and another tone curve for each."""
    n = len(video)
    mix = torch.eye(3, device=video.device) + 0.35 * draws.normal(n, 3, 3)
    mix = mix / mix.sum(2, keepdim=True).clamp(min=0.4)
    mixed = torch.einsum("nij,njfhw->nifhw", mix, video)
    power = (0.5 * draws.normal(n, 3)).clamp(-0.9, 0.9).exp().view(n, 3, 1, 1, 1)
    light = 0.15 * draws.normal(n, 3).view(n, 3, 1, 1, 1)
    return ((mixed.clamp(-1, 1) + 1) / 2).pow(power) * 2 - 1 + light


def blurred(video: Tensor, draws: Draws) -> Tensor:
    """Soft, as out of focus."""
    flat = nn_f.pad(video.transpose(1, 2).flatten(0, 1), (2, 2, 2, 2), mode="replicate")
    soft = nn_f.avg_pool2d(nn_f.avg_pool2d(flat, 3, 1), 3, 1)
    return soft.unflatten(0, (len(video), -1)).transpose(1, 2)


def grained(video: Tensor, draws: Draws) -> Tensor:
    """Grain of a film: another one in every frame."""
    n, _, frames, height, width = video.shape
    strength = 0.12 * draws.uniform(n, 1, 1, 1, 1)
    return video + strength * draws.normal(n, 1, frames, height, width)


def blocky(video: Tensor, draws: Draws) -> Tensor:
    """The cosines of blocks of 8x8 pixels, rounded coarsely."""
    k = torch.arange(BLOCK, device=video.device, dtype=torch.float32)
    cosines = ((2 * k + 1) * k[:, None] * torch.pi / (2 * BLOCK)).cos() * (2 / BLOCK) ** 0.5
    cosines[0] /= 2**0.5
    parts = video.unflatten(4, (-1, BLOCK)).unflatten(3, (-1, BLOCK))
    levels = torch.einsum("ua,ncfyaxb,vb->ncfyuxv", cosines, parts, cosines)
    coarse = 0.06 * (1 + (k[:, None] + k)[:, None]) * draws.uniform(len(video), 1, 1, 1, 1, 1, 1)
    back = torch.einsum("ua,ncfyuxv,vb->ncfyaxb", cosines, (levels / coarse).round() * coarse, cosines)
    return back.flatten(5, 6).flatten(3, 4)


def textured(video: Tensor, draws: Draws) -> Tensor:
    """Paper or cloth over the whole picture: noise of two sizes that stays where it is."""
    n, _, _, height, width = video.shape
    strength = 0.35 * draws.uniform(n, 1, 1, 1, 1)
    texture = sum(
        nn_f.interpolate(draws.normal(n, 1, height // size, width // size), (height, width), mode="bilinear")
        for size in (2, 8)
    )
    return video + strength * 0.5 * texture[:, :, None]  # type: ignore[index]


CHANGES: tuple[Callable[[Tensor, Draws], Tensor], ...] = (blurred, textured, grained, blocky)
