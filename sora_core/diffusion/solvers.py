"""Solvers: one step of dx/dsigma = (x - denoised) / sigma, each a small function that knows no model.

`x, memory = solver(evaluate, x, sigma, sigma_next, memory)`

`evaluate(x, sigma)` returns the clean estimate; `memory` is what the solver remembers from earlier steps, a dict of
tensors, empty at the start, so a run can be stored and resumed. Updates are written as denoised + ratio*(x - denoised):
where the estimate equals x (a kept position) x comes back bit for bit, and a step to sigma 0 returns the estimate
itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["SOLVERS", "Evaluate", "Memory", "Solver", "get_solver"]

Evaluate = Callable[[Tensor, float], Tensor]
Memory = dict[str, Tensor]


class Solver(Protocol):
    """One step from `sigma` down to `sigma_next`; x and the result float32 [B,C,T,H,W]."""

    def __call__(
        self, evaluate: Evaluate, x: Tensor, sigma: float, sigma_next: float, memory: Memory
    ) -> tuple[Tensor, Memory]: ...


def euler(evaluate: Evaluate, x: Tensor, sigma: float, sigma_next: float, memory: Memory) -> tuple[Tensor, Memory]:
    """First order, one evaluation."""
    return _towards(evaluate(x, sigma), x, sigma_next / sigma), memory


def heun(evaluate: Evaluate, x: Tensor, sigma: float, sigma_next: float, memory: Memory) -> tuple[Tensor, Memory]:
    """Second order, two evaluations: the slope is averaged over both ends of the step. The last step is Euler's."""
    denoised = evaluate(x, sigma)
    guess = _towards(denoised, x, sigma_next / sigma)
    if sigma_next == 0:
        return guess, memory
    slope = (x - denoised) / sigma + (guess - evaluate(guess, sigma_next)) / sigma_next
    return x + slope * ((sigma_next - sigma) / 2), memory


def dpmpp_2m(evaluate: Evaluate, x: Tensor, sigma: float, sigma_next: float, memory: Memory) -> tuple[Tensor, Memory]:
    """Second order, one evaluation: the estimate is extrapolated from the last one in t = -log sigma (arXiv
    2211.01095)."""
    denoised = evaluate(x, sigma)
    ahead = denoised
    if memory and sigma_next > 0:
        before = math.log(float(memory["sigma"]) / sigma)
        ahead = denoised + (denoised - memory["denoised"]) * (math.log(sigma / sigma_next) / (2 * before))
    return _towards(ahead, x, sigma_next / sigma), {
        "denoised": denoised,
        "sigma": torch.tensor(sigma, dtype=torch.float64),
    }


SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun, "dpmpp_2m": dpmpp_2m}


def get_solver(name: str) -> Solver:
    """The solver of that name; raises InputError with the list of choices."""
    if name not in SOLVERS:
        raise InputError(f"there is no solver '{name}'; choose one of: {', '.join(SOLVERS)}")
    return SOLVERS[name]


def _towards(denoised: Tensor, x: Tensor, ratio: float) -> Tensor:
    """x carried along the straight line to `denoised` until `ratio` of the way is left."""
    return denoised + ratio * (x - denoised)
