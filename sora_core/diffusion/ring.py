"""Ring time: the clip has no first frame, so it loops."""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import Denoiser

__all__ = ["ring"]

ROLL_STRIDE = 0.381966
"""Part of a turn per step: the golden angle, so that the cut visits every part of the clip early."""


def ring(denoiser: Denoiser, sigmas: Tensor) -> Denoiser:
    """The network sees the clip rolled along time by a different offset at every step; its estimate is rolled back.

    Where the network believes the clip to begin moves round the ring, so no place is left that it treats as a border
    (as in Mobius, arXiv 2502.20307). The offset follows from sigma's place in `sigmas`, the schedule of the
    run: resuming needs no memory, and nothing waits for the device.
    """
    table = sigmas.float()

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        nonlocal table
        table = table.to(sigma.device)
        frames = x.shape[2]
        step = (table > sigma[0] * (1 + 1e-6)).sum()
        offset = ((step * max(1, round(frames * ROLL_STRIDE))) % frames).to(x.device, non_blocking=True)
        place = torch.arange(frames, device=x.device)
        there, back = (place + offset) % frames, (place - offset) % frames
        return denoiser(x.index_select(2, there), sigma, mask.index_select(2, there), context).index_select(2, back)

    return denoise
