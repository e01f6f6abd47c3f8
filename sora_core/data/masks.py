"""Which part of a clip is kept, in training: 1 = make, 0 = keep. Legend: T latent frames, H W latent cells."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["both_ends", "keep_mask"]


def both_ends(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """A mask [T,H,W] that keeps latent frames at either end as clips to connect are given: two, at a quarter of the
    ends one."""
    head, tail = (1 + int(torch.randint(4, (), generator=generator) > 0) for _ in range(2))
    mask = torch.ones(shape)
    mask[:head], mask[-tail:] = 0, 0
    return mask


def keep_mask(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """A mask [T,H,W] with a kept part: a prefix, a suffix, both ends, some frames, or a block of space through time.

    Something is always made. Blocks begin and end at even cells, so that a patch of 2x2 is made or kept as a whole.
    Shares after Open-Sora 2.0 (arXiv 2503.09642) and the curriculum of Open-Sora Plan (arXiv 2412.00131).
    """
    t, h, w = shape

    def below(limit: int) -> int:
        return int(torch.randint(max(1, limit), (), generator=generator))

    mask = torch.ones(shape)
    choice = float(torch.rand((), generator=generator))
    if choice < 0.35:
        mask[: 1 + below(t - 1)] = 0
    elif choice < 0.63:
        mask[t - 1 - below(t - 1) :] = 0
    elif choice < 0.77 and t > 2:
        head = 1 + below(t - 2)
        mask[:head] = 0
        mask[t - 1 - below(t - 1 - head) :] = 0
    elif choice < 0.9:
        mask[torch.rand(t, generator=generator) < 0.5] = 0
        mask[below(t)] = 1
    else:
        rows, columns = below(h // 2) // 2 * 2, below(w // 2) // 2 * 2
        made = torch.zeros(shape)
        made[:, rows : rows + max(2, h // 4 * 2), columns : columns + max(2, w // 4 * 2)] = 1
        mask = made if float(torch.rand((), generator=generator)) < 0.7 or bool(made.all()) else 1 - made
    return mask
