"""Time windows: a clip longer than the network was trained for, in overlapping pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Denoiser

__all__ = ["window_starts", "window_weights", "windows"]


def windows(
    denoiser: Denoiser, *, length: int, overlap: int, at: Callable[[slice], Denoiser] | None = None
) -> Denoiser:
    """Runs the network on windows of `length` latent frames that share at least `overlap`, cross-faded linearly.

    `at(slice)` gives the denoiser of one window, for networks that are told times or spans; without it every window is
    treated as a clip of its own. A clip of at most `length` runs whole.
    """
    if not 0 <= overlap < length:
        raise InputError(f"a window of {length} latent frames cannot overlap by {overlap}; use 0 to {length - 1}")

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        frames = x.shape[2]
        if frames <= length:
            return denoiser(x, sigma, mask, context)
        weights = window_weights(frames, length, overlap)
        out = torch.zeros_like(x, dtype=torch.float32)
        for start, weight in zip(window_starts(frames, length, overlap), weights, strict=True):
            part = slice(start, start + length)
            run = at(part) if at else denoiser
            piece = run(x[:, :, part], sigma, mask[:, :, part], context)
            out[:, :, part] += piece * weight[part].view(1, 1, -1, 1, 1).to(x.device, non_blocking=True)
        return out

    return denoise


def window_starts(frames: int, length: int, overlap: int) -> list[int]:
    """First frames of the windows: as few as cover the clip, spread evenly, the last one ending with it."""
    count = max(1, math.ceil((frames - overlap) / (length - overlap)))
    return [round(i * (frames - length) / max(1, count - 1)) for i in range(count)]


def window_weights(frames: int, length: int, overlap: int) -> Tensor:
    """How much each window counts at each frame, [windows,T] float32, summing to 1 over the windows."""
    starts = window_starts(frames, length, overlap)
    shared = max([1, *(a + length - b for a, b in pairwise(starts))])
    weights = torch.zeros(len(starts), frames)
    for row, start in zip(weights, starts, strict=True):
        place = torch.arange(length)
        rise = place + 1 if start > 0 else torch.full((length,), frames)
        fall = length - place if start + length < frames else torch.full((length,), frames)
        row[start : start + length] = torch.minimum(rise, fall).clamp(max=shared + 1) / (shared + 1)
    return weights / weights.sum(0)
