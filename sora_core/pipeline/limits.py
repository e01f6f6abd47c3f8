"""What a run takes in memory and time, told before it begins (`benchmarks/planner.py` holds it against what is
measured), and what the machine has."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from ..diffusion import draw_noise
from ..errors import ResourceError
from ..files import size_text
from ..grid import LatentGrid
from ..layers import kernels
from ..layers.attention import attend
from ..layers.surroundings import unaffected
from ..memory import free_memory
from ..settings import DEFAULTS
from ..vae import CausalCodec, tiles_for
from .model import SoraModel, check_device
from .sampling import denoiser, empty_state

__all__ = [
    "check_device", "check_memory", "decode_estimate", "decoding_memory", "in_tiles", "memory_estimate",
    "sampling_memory", "time_estimate",
]  # fmt: skip

LATENTS = 8
"""latents that lie in memory at once while sampling"""
MAPS = 13
"""features that lie in memory at once, counting those of both halves of guidance: x, queries, keys, values, what
attention made and its product, and a share for what lies idle between"""
PROMPT = 128
"""text tokens for which keys and values are kept, where padding is not"""
WRITER = 2.2, 40
"""bytes per pixel, and frames, that the encoder of a file holds"""
LEAST = 3_500_000, 8_000_000
"""bytes that libraries take for themselves, however small the video: sampling, decoding and saving"""
TIMED = 1024
"""tokens at most of the step that is run to say how long sampling takes"""
TIMED_WORK = 5 * 10**11
"""multiplications at most of that step, down to an eighth of those tokens: a network of billions of weights is timed
on fewer"""
ATTENDED = 2048
"""tokens at most of the attention that is run beside it"""
DECODED = 12
"""height and width in cells, at most, of the latent that is decoded to say how long decoding takes"""
WRITE = 4e-8
"""seconds that a pixel takes to be written to a file"""
TRIES = 3
Clock = Callable[[], float]


def memory_estimate(model: SoraModel, grid: LatentGrid) -> int:
    """Bytes that sampling, decoding and saving a grid take beyond the weights, in the pieces that fit what is free."""
    return max(sampling_memory(model, grid), decoding_memory(model, grid))


def sampling_memory(model: SoraModel, grid: LatentGrid) -> int:
    """Bytes that sampling a grid takes beyond the weights."""
    config, fast = model.dit.config, kernels.for_device(model.device)
    unit, joined = model.dit.patch_embedding.weight.element_size(), fast.joined_tokens
    halves = 2 if joined is None or grid.tokens <= joined else 1
    hidden = min(512, grid.tokens) if fast.pads_by_weight else grid.tokens
    features = (halves * grid.tokens * MAPS // 2 * config.width + 2 * hidden * config.mlp_width) * unit
    tables = 8 * halves * grid.tokens * config.head_dim
    text = 4 * config.depth * min(config.text_tokens, PROMPT) * config.width * unit if fast.keeps_text else 0
    words = 4 * 4 * config.text_tokens * config.text_width  # of both halves, and joined
    return latents_memory(grid) + features + tables + text + words + LEAST[0]


def decoding_memory(model: SoraModel, grid: LatentGrid) -> int:
    """Bytes that decoding a grid and saving it takes beyond the weights; only the latents where another program
    decodes."""
    if not isinstance(model.codec, CausalCodec):  # a loader that brought the transformer alone
        return latents_memory(grid)
    _, t, h, w = grid.shape
    tiles = tiles_for(model.codec, h, w, encode=False)
    need = model.codec.need(encode=False).bytes(h, w, tiles, frames=t)
    per_pixel, frames = WRITER
    written = int(per_pixel * min(grid.asked.frames, frames) * grid.asked.height * grid.asked.width)
    return latents_memory(grid) // LATENTS + need + written + LEAST[1]


def latents_memory(grid: LatentGrid) -> int:
    return 4 * LATENTS * math.prod(grid.shape)


@unaffected
@torch.no_grad()
def time_estimate(
    model: SoraModel,
    grid: LatentGrid,
    *,
    steps: int = DEFAULTS.sampling.steps,
    guided: bool = True,
    clock: Clock = time.perf_counter,
) -> float:
    """Seconds that sampling a grid takes here and now: one step of as many tokens is run, with guidance or without.

    Beyond TIMED tokens, or TIMED_WORK, the step is shorter. What grows with the tokens is scaled by their number, and
    attention, which grows with its square, is timed by itself. clock: `time.process_time` tells the processor's time,
    which other programs change little.
    """
    config = model.dit.config
    weights = sum(weight.numel() for weight in model.dit.blocks.parameters())
    tokens = min(grid.tokens, TIMED, max(TIMED // 8, TIMED_WORK // weights))
    p, q, r = config.patch
    strip = replace(grid, shape=(config.channels, p, q, r * tokens))
    batch = 2 if guided else 1
    state = empty_state(strip, model.geometry, batch=batch).to(model.device)
    context = torch.ones(batch, config.text_tokens, config.text_width, device=model.device)
    context[:, PROMPT:] = 0
    network = denoiser(replace(model, team=None), state, grid.asked.fps)
    step = timed(lambda: network(state.latent, torch.ones(batch, device=model.device), state.mask, context), clock)
    if tokens == grid.tokens:
        return steps * step
    among = min(grid.tokens, ATTENDED)
    some = draw_noise((among, config.heads, config.head_dim), 0, count=batch).to(model.dit.patch_embedding.weight)
    pairs = config.depth * timed(lambda: attend(some.clone(), some, some), clock) / among**2
    others = max(0.0, step - pairs * tokens**2) / tokens
    return steps * (others * grid.tokens + pairs * grid.tokens**2)


@torch.no_grad()
def decode_estimate(model: SoraModel, grid: LatentGrid, *, clock: Clock = time.perf_counter) -> float:
    """Seconds that decoding a grid and saving it takes here and now, from a latent of two small frames; 0 where another
    program decodes."""
    if not isinstance(model.codec, CausalCodec):
        return 0.0
    channels, t, h, w = grid.shape
    high, wide = (min(side, DECODED) for side in (h, w))
    small = draw_noise((channels, min(2, t), high, wide), 0).to(model.device)
    cells = small.shape[2] * high * wide
    rows, columns = tiles_for(model.codec, h, w, encode=False).axes(h, w)
    covered = sum(row.stop - row.start for row in rows) * sum(column.stop - column.start for column in columns)
    size = grid.asked
    return timed(lambda: model.codec.decode(small), clock) * t * covered / cells + WRITE * (
        size.frames * size.height * size.width
    )


def in_tiles(model: SoraModel, grid: LatentGrid) -> str:
    """Words for how a grid is decoded, where that is not in whole pictures."""
    if not isinstance(model.codec, CausalCodec):
        return ""
    tiles = tiles_for(model.codec, *grid.shape[2:], encode=False)
    rows, columns = (len(axis) for axis in tiles.axes(*grid.shape[2:]))
    return f", decoded in {rows * columns} tiles" if tiles.size else ""


def timed(run: Callable[[], torch.Tensor], clock: Clock) -> float:
    """Seconds of a run: the least of some, of which the first prepares what later ones find."""
    taken = []
    for _ in range(TRIES):
        began = clock()
        run().sum().item()
        taken.append(clock() - began)
    return min(taken)


def check_memory(model: SoraModel, grid: LatentGrid) -> None:
    """Raises ResourceError, with the estimate, where a grid is beyond the machine; nothing has been allocated yet."""
    fast = kernels.for_device(model.device)
    weights = sum(fast.unpacked(dit.blocks) for dit in (model.dit, model.low) if dit)
    need, free = memory_estimate(model, grid) + weights, free_memory(str(model.device))
    if free is not None and need > free:
        of_weights = f", {size_text(weights)} for the weights" if weights else ""
        raise ResourceError(
            f"{grid.asked} needs about {size_text(need)} of memory ({grid.tokens:,} tokens{of_weights}) and"
            f" {size_text(free)} is free; choose a smaller size or fewer seconds"
        )
