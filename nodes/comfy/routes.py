"""What the pack's part of the interface asks the server for: `GET /sora/estimate`, before anything is queued."""

from __future__ import annotations

import asyncio
import logging
import sys
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...sora_core.errors import SoraError

if TYPE_CHECKING:
    from ...sora_core.pipeline import SoraModel

__all__ = ["add_routes", "estimate"]

ROUTE = "/sora/estimate"
PACK = Path(__file__).parents[2]
KNOWN = 2
"""models whose step has been timed, remembered"""
TIMING = Lock()
"""held while a step is timed: two at once would slow each other down"""


def add_routes() -> None:
    """Adds the pack's routes to ComfyUI's server, where there is one; says so in the log where another copy has."""
    from aiohttp import web

    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is None:
        return
    if any(getattr(route, "path", "") == ROUTE for route in server.routes):
        logging.getLogger(__name__).warning(
            "Sora Nodes is installed twice and the nodes of %s are used; remove one of the two", PACK
        )
        return

    @server.routes.get(ROUTE)
    async def answer(request: Any) -> Any:
        return web.json_response(await asyncio.to_thread(estimate, dict(request.query)))


def estimate(asked: dict[str, str]) -> dict[str, str]:
    """{"text"} or {"error"}, a sentence for a person, for the values of a Sora Noise Grid.

    asked: `aspect short_side width height seconds fps` as its widgets have them; `model`, the choice of the Sora Load
    Model that its VAE comes from, without which memory and time are not told; `steps` of the sampler, if known.
    """
    try:
        return {"text": _estimate(asked)}
    except (SoraError, ValueError, KeyError) as error:
        return {"error": str(error)}


def _estimate(asked: dict[str, str]) -> str:
    from ...sora_core.files import size_text
    from ...sora_core.grid import VideoSize, frames_for, plan
    from ...sora_core.pipeline import check_memory, memory_estimate
    from ...sora_core.settings import DEFAULTS
    from ..calls import time_text
    from ..inputs import size_for

    width, height = size_for(asked["aspect"], *(int(float(asked[name])) for name in ("short_side", "width", "height")))
    fps = float(asked["fps"])
    size = VideoSize(frames=frames_for(float(asked["seconds"]), fps), height=height, width=width, fps=fps)
    if not asked.get("model"):
        return str(size)
    model, pace = _timed(asked["model"])
    grid, steps = plan(size, model.geometry), int(asked.get("steps") or DEFAULTS.sampling.steps)
    check_memory(model, grid)
    memory, seconds = size_text(memory_estimate(model, grid)), pace * steps * step_work(model, grid.tokens)
    return f"{grid.summary()}; about {memory} of memory and {time_text(seconds)} for {steps} steps"


def _timed(name: str) -> tuple[SoraModel, float]:
    """As `_time` says."""
    with TIMING:
        return _time(name)


@lru_cache(maxsize=KNOWN)
def _time(name: str) -> tuple[SoraModel, float]:
    """A model of Sora Load Model, and how long one multiplication takes where ComfyUI samples, from one step."""
    import comfy.model_management as memory

    from ...sora_core.grid import VideoSize, plan
    from ...sora_core.pipeline import time_estimate
    from ..calls import weights_of

    model = weights_of(name)
    grid = plan(VideoSize(frames=17, height=64, width=64, fps=8.0), model.geometry)
    there = replace(model, dit=deepcopy(model.dit).to(memory.get_torch_device()))
    taken = time_estimate(there, grid, steps=1)
    return model, taken / step_work(model, grid.tokens)


def step_work(model: SoraModel, tokens: int) -> float:
    """Multiplications of a step of so many tokens, up to a factor: weights, and attention between tokens."""
    weights = sum(weight.numel() for weight in model.dit.blocks.parameters())
    return float(tokens) * (weights + 2 * tokens * model.dit.config.width * model.dit.config.depth)
