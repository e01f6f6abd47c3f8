"""Anchor: what the network loses of a given clip at a noise level is given back, so that only what the words change
does change."""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import Denoiser

__all__ = ["anchor"]


def anchor(
    denoiser: Denoiser, network: Denoiser, source: Tensor, noise: Tensor, told: Tensor | None = None
) -> Denoiser:
    """`denoiser`'s estimate plus what `network` misses of `source` [B,C,T,H,W] under the `noise` [B,C,T,H,W] of the
    run.

    This is FlowEdit (arXiv 2412.08629) with one fixed noise, written as a denoiser: started from the source at that
    noise (SDEdit),
    a step along the difference of both velocities is an ordinary step towards this estimate. told: the words the
    network hears of
    the source, [B,S,D]; None is no text. The same is added to both branches of guidance, so it may stand outside of
    `cfg` or inside.
    """

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        copies = (len(x) // len(source), 1, 1, 1, 1)
        clean, level = source.to(x).repeat(copies), sigma.to(x).view(-1, 1, 1, 1, 1)
        noised = (1 - level) * clean + level * noise.to(x).repeat(copies)
        words = torch.zeros_like(context) if told is None else told.to(context)
        return denoiser(x, sigma, mask, context) + clean - network(noised, sigma, mask, words)

    return denoise
