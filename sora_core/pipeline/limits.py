"""What a run takes in memory and time, and what the machine has."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from ..errors import InputError, ResourceError
from ..files import size_text
from ..grid import LatentGrid
from ..memory import free_memory
from ..settings import DEFAULTS
from ..vae import CausalCodec, tiles_for
from .model import SoraModel
from .sampling import denoiser, empty_state

__all__ = ["check_device", "check_memory", "memory_estimate", "time_estimate"]

LATENTS = 8
"""latents that lie in memory at once while sampling"""
TIMED = 1024
"""tokens at most of the step that is run to say how long sampling takes"""
TIMED_WORK = 5 * 10**11
"""multiplications at most of that step, down to an eighth of those tokens: a network of billions of weights is timed
on fewer"""


def memory_estimate(model: SoraModel, grid: LatentGrid) -> int:
    """Bytes that sampling and decoding a grid take beyond the weights, in the pieces that fit what is free."""
    config = model.dit.config
    bytes_each = model.dit.patch_embedding.weight.element_size()
    step = grid.tokens * (config.width * 12 + config.mlp_width * 2) * bytes_each  # both halves of guidance
    channels, t, h, w = grid.shape
    latents = channels * t * h * w * 4 * LATENTS
    if not isinstance(model.codec, CausalCodec):  # a loader that brought the transformer alone
        return latents + step
    tiles = tiles_for(model.codec, h, w, encode=False)
    return latents + max(step, model.codec.need(encode=False).bytes(h, w, tiles))


@torch.no_grad()
def time_estimate(model: SoraModel, grid: LatentGrid, *, steps: int = DEFAULTS.sampling.steps) -> float:
    """Seconds that sampling a grid takes here and now: one guided step of as many tokens is run.

    Beyond TIMED tokens, or TIMED_WORK, the step is shorter, and scaled by the multiplications that it leaves out.
    """
    config = model.dit.config
    weights = sum(weight.numel() for weight in model.dit.blocks.parameters())
    tokens = min(grid.tokens, TIMED, max(TIMED // 8, TIMED_WORK // weights))
    p, q, r = config.patch
    strip = replace(grid, shape=(config.channels, p, q, r * tokens))
    state = empty_state(strip, model.geometry, batch=2).to(model.device)
    context = torch.ones(2, config.text_tokens, config.text_width, device=model.device)
    network = denoiser(model, state, grid.asked.fps)
    taken = 0.0
    for _ in range(2):  # the first call prepares what later ones find
        began = time.perf_counter()
        network(state.latent, torch.ones(2, device=model.device), state.mask, context).sum().item()
        taken = time.perf_counter() - began
    work, timed = (n * (weights + 2 * n * config.width * config.depth) for n in (grid.tokens, tokens))
    return steps * taken * work / timed


def check_memory(model: SoraModel, grid: LatentGrid) -> None:
    """Raises ResourceError, with the estimate, where a grid is beyond the machine; nothing has been allocated yet."""
    need = memory_estimate(model, grid)
    free = free_memory(str(model.device))
    if free is not None and need > free:
        raise ResourceError(
            f"{grid.asked} needs about {size_text(need)} of memory ({grid.tokens:,} tokens) and {size_text(free)} is"
            " free; choose a smaller size or fewer seconds"
        )


def check_device(name: str) -> torch.device:
    """The device of that name. Raises InputError for one that is not here, or that this torch was not built for."""
    try:
        return torch.empty(1, device=name).device
    except (AssertionError, RuntimeError) as error:  # torch has no error of its own for it
        here = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(f"there is no device {name!r} here; this torch can use {here}") from error
