"""Noise: the same from the same seed, on every device and for every batch size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["MAX_SEED", "draw_noise"]

MAX_SEED = 2**64 - 1


def draw_noise(shape: Sequence[int], seed: int, *, count: int = 1) -> Tensor:
    """Standard normal noise [count,C,T,H,W] float32 on the CPU for a latent of `shape` (C,T,H,W).

    The whole batch is one draw of a CPU generator, as in ComfyUI, so a seed means the same clip in both. Clip i does not
    depend on how many come after it, as long as C*T*H*W is a multiple of 16 (torch draws normals in blocks of 16), which
    holds for every latent of an even height and width with at least four channels.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"a seed is a whole number from 0 to {MAX_SEED}, not {seed}")
    if count < 1 or any(size < 1 for size in shape):
        raise InputError(f"noise needs sizes of at least one, not {count} of {list(shape)}")
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(count, *shape, generator=generator, device="cpu", dtype=torch.float32)
