"""Noise: the same from the same seed, on every device and for every batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["MAX_SEED", "check_seed", "draw_noise", "enlarge_noise"]

MAX_SEED = 2**64 - 1


def check_seed(seed: int) -> None:
    """Raises InputError for a seed that is not from 0 to MAX_SEED, all that a generator takes."""
    if not isinstance(seed, Integral) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"a seed is a whole number from 0 to {MAX_SEED}, not {seed!r}")


def draw_noise(shape: Sequence[int], seed: int, *, count: int = 1) -> Tensor:
    """Standard normal noise [count,C,T,H,W] float32 on the CPU for a latent of `shape` (C,T,H,W).

    The whole batch is one draw of a CPU generator, as in ComfyUI, so a seed means the same clip in both. Clip i does
    not depend on how many come after it, as long as C*T*H*W is a multiple of 16 (torch draws normals in blocks of 16),
    which holds for every latent of an even height and width with at least four channels.
    """
    check_seed(seed)
    if count < 1 or any(size < 1 for size in shape):
        raise InputError(f"noise needs sizes of at least one, not {count} of {list(shape)}")
    generator = torch.Generator(device="cpu").manual_seed(int(seed))
    return torch.randn(count, *shape, generator=generator, device="cpu", dtype=torch.float32)


def enlarge_noise(small: Tensor, shape: Sequence[int], seed: int) -> Tensor:
    """Noise [B,C,T,H,W] for a larger latent of `shape` (C,T,H,W) that has the coarse structure of `small` [B,C,t,h,w].

    A clip drafted small and rendered large then keeps its layout. The lowest frequencies (of an orthonormal cosine
    transform, which turns white noise into white noise) are those of `small`, the others are drawn from `seed`; so the
    result is standard normal, for any ratio of sizes. Raises InputError when an axis would shrink.
    """
    if (
        len(shape) != 4
        or shape[0] != small.shape[1]
        or any(big < low for big, low in zip(shape[1:], small.shape[2:], strict=True))
    ):
        raise InputError(f"noise of {list(small.shape[1:])} (C,T,H,W) cannot be enlarged to {list(shape)}")
    frequencies = _cosine(draw_noise(shape, seed, count=len(small)))
    t, h, w = small.shape[2:]
    frequencies[:, :, :t, :h, :w] = _cosine(small.float().cpu())
    return _cosine(frequencies, inverse=True)


def _cosine(x: Tensor, *, inverse: bool = False) -> Tensor:
    """The orthonormal cosine transform over the last three axes of [B,C,T,H,W], or its inverse."""
    for axis in (2, 3, 4):
        size = x.shape[axis]
        place = torch.arange(size, dtype=torch.float64)
        waves = torch.cos(math.pi / size * (place + 0.5) * place[:, None]) * math.sqrt(2 / size)
        waves[0] /= math.sqrt(2)
        matrix = (waves.T if inverse else waves).to(x)
        x = torch.tensordot(x, matrix, dims=([axis], [1])).movedim(-1, axis)
    return x.contiguous()
