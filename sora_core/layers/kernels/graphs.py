"""A forward recorded once as a CUDA graph and replayed: for few tokens launches are most of the time.

Only what is given anew at every call is copied in; everything else (weights, plan, text) must stay where it is for as
long as the recording is used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Recordings"]

Forward = Callable[[Tensor, Tensor], Tensor]
"""x, sigma -> output"""
WARM = 2
"""calls that run as they are: libraries set themselves up, kernels are compiled and chosen"""
KEPT = 4


class Recording:
    """One forward with what it was recorded for."""

    def __init__(self, holds: tuple[Any, ...], x: Tensor, sigma: Tensor) -> None:
        self.holds, self.calls = holds, 0
        self.x, self.sigma = torch.empty_like(x), torch.empty_like(sigma)
        self.graph: Any = None
        self.output: Any = None

    def fits(self, holds: tuple[Any, ...], x: Tensor) -> bool:
        return all(a is b for a, b in zip(self.holds, holds, strict=True)) and self.x.shape == x.shape

    def record(self, forward: Forward, pool: Any) -> None:
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            self.output = forward(self.x, self.sigma)

    def replay(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.x.copy_(x)
        self.sigma.copy_(sigma)
        self.graph.replay()
        return self.output.clone()  # the next replay writes over it


class Recordings:
    """`output = recordings(forward, holds, x, sigma)`: the third call of one kind records, later ones replay.

    holds: what the forward uses beside x and sigma; a call with other objects is of another kind. Where recording fails
    the forward runs as it is from then on, which is said once.
    """

    def __init__(self) -> None:
        self.known: list[Recording] = []
        self.pool: Any = None
        self.broken = False

    def __call__(self, forward: Forward, holds: tuple[Any, ...], x: Tensor, sigma: Tensor) -> Tensor:
        if self.broken:
            return forward(x, sigma)
        made = next((r for r in self.known if r.fits(holds, x)), None)
        if made is None:
            made = Recording(holds, x, sigma)
            self.known = [*self.known[1 - KEPT :], made]
        made.calls += 1
        if made.calls <= WARM:
            return forward(x, sigma)
        if made.graph is None and not self.recorded(made, forward):
            return forward(x, sigma)
        return made.replay(x, sigma)

    def recorded(self, made: Recording, forward: Forward) -> bool:
        self.pool = self.pool or torch.cuda.graph_pool_handle()
        try:
            made.record(forward, self.pool)
        except RuntimeError as error:
            self.broken, self.known = True, []
            logging.getLogger("sora_nodes").warning(
                "this card records no graphs (%s): each step launches its kernels one by one", str(error).split("\n")[0]
            )
        return not self.broken
