"""Schedules: pure functions from a number of steps to the noise levels that are visited.

Every schedule returns `sigmas`, float32 [steps+1], falling from 1 to a last 0. The names and numbers are those that
ComfyUI's users know for a flow model: levels are read from a table of a thousand, shifted towards noise by `shift`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import InputError
from ..settings import check_number, check_whole

__all__ = ["SCHEDULES", "get_schedule", "schedule", "shift_for_grid", "shift_sigma"]

LEVELS = 1000
"""Levels in the table that flow models are trained and scheduled on."""

Schedule = Callable[[int, float], Tensor]
"""`sigmas = schedule(steps, shift)`."""


def shift_sigma(sigma: Tensor, shift: float) -> Tensor:
    """Levels moved towards noise: t' = a*t / (1 + (a-1)*t). A shift of 1 changes nothing; 0 and 1 stay where they
    are, whatever float32 makes of the quotient."""
    return (shift * sigma / (1 + (shift - 1) * sigma)).clamp(max=1)


def simple(steps: int, shift: float) -> Tensor:
    """Every (1000/steps)-th level of the table, from the top."""
    table = _table(shift)
    return _end(torch.stack([table[LEVELS - 1 - int(i * (LEVELS / steps))] for i in range(steps)]))


def normal(steps: int, shift: float) -> Tensor:
    """Even timesteps from the top of the table to its lowest level, then 0.

    As in the host, the lowest timestep is already shifted once when the levels are shifted.
    """
    return _even(steps, shift, _lowest(shift), includes_lowest=True)


def sgm_uniform(steps: int, shift: float) -> Tensor:
    """Even timesteps like `normal`, but the lowest level of the table is left out."""
    return _even(steps, shift, _lowest(shift), includes_lowest=False)


def beta(steps: int, shift: float) -> Tensor:
    """Levels at the quantiles of a Beta(0.6, 0.6): dense at both ends (arXiv 2407.12173).

    With very many steps neighbours fall on one level of the table; they are visited once, so fewer steps come back.
    """
    quantiles = 1 - torch.arange(steps, dtype=torch.float64) / steps
    indices = torch.searchsorted(_beta_cdf(0.6), quantiles).clamp(max=LEVELS - 1)
    return _end(_table(shift)[torch.unique_consecutive(indices)])


SCHEDULES: dict[str, Schedule] = {"simple": simple, "normal": normal, "sgm_uniform": sgm_uniform, "beta": beta}


def get_schedule(name: str) -> Schedule:
    """The schedule of that name; raises InputError with the list of choices."""
    if name not in SCHEDULES:
        raise InputError(f"there is no schedule '{name}'; choose one of: {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def schedule(name: str, steps: int, *, shift: float = 1.0, denoise: float = 1.0) -> Tensor:
    """Sigmas of the named schedule, float32 [steps+1].

    `denoise` below 1 runs the last `steps` of a schedule of int(steps / denoise) steps, as ComfyUI does, so sampling
    starts from content at sigma < 1. Raises InputError for an unknown name or values out of range.
    """
    make = get_schedule(name)
    check_whole("steps", steps)
    check_number("shift", shift)
    check_number("denoise", denoise)
    if not (math.isfinite(shift) and shift > 0):
        raise InputError(f"shift must be above 0, not {shift}")
    if not 0 < denoise <= 1:
        raise InputError(f"denoise must be above 0 and at most 1, not {denoise}")
    total = steps if denoise > 0.9999 else int(steps / denoise)
    if not 1 <= steps <= total <= LEVELS:
        if total == steps:
            raise InputError(f"steps must be between 1 and {LEVELS}, not {steps}")
        raise InputError(f"steps must be at least 1 and steps / denoise at most {LEVELS}, not {steps} / {denoise:g}")
    return make(total, shift)[-(steps + 1) :]


def shift_for_grid(latent: Sequence[int], patch: Sequence[int]) -> float:
    """The bundled model's shift for a latent of (T,H,W) cut into patches of (t,h,w); a cut patch counts as a whole.

    Three times the square root of the tokens of one frame over 16: more tokens hide more noise, and this is the exact
    rule for a picture that is only enlarged (simple diffusion, arXiv 2301.11093).
    """
    height, width = (math.ceil(size / side) for size, side in zip(latent[-2:], patch[-2:], strict=True))
    return 3 * max(1.0, math.sqrt(height * width / 16))


def _table(shift: float) -> Tensor:
    """The levels of the table, rising to 1, [LEVELS]."""
    return shift_sigma(torch.arange(1, LEVELS + 1, dtype=torch.float32) / LEVELS, shift)


def _lowest(shift: float) -> float:
    return float(_table(shift)[0])


def _end(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def _even(steps: int, shift: float, lowest: float, *, includes_lowest: bool) -> Tensor:
    times = torch.linspace(1.0, lowest, steps) if includes_lowest else torch.linspace(1.0, lowest, steps + 1)[:-1]
    return _end(shift_sigma(times, shift))


def _beta_cdf(a: float) -> Tensor:
    """The cumulative Beta(a, a) at the upper border of each level's cell, [LEVELS-1] float64.

    Integrated over x = sin(angle)^2, where the integrand 2*(sin*cos)^(2a-1) has no pole.
    """
    cells, fine = LEVELS - 1, 64
    borders = torch.asin(((torch.arange(cells, dtype=torch.float64) + 0.5) / cells).sqrt())
    edges = torch.cat([borders.new_zeros(1), borders, borders.new_full((1,), math.pi / 2)])
    width = (edges[1:] - edges[:-1]) / fine
    middle = edges[:-1, None] + width[:, None] * (torch.arange(fine, dtype=torch.float64) + 0.5)
    mass = ((middle.sin() * middle.cos()) ** (2 * a - 1)).sum(1) * width
    return (mass.cumsum(0) / mass.sum())[:-1]
