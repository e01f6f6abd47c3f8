"""Inputs that the nodes which sample have in common."""

from __future__ import annotations

from typing import Any

from ..sora_core.settings import DEFAULTS
from . import host
from .host import io
from .inputs import SAMPLERS, SCHEDULERS

__all__ = ["settings_inputs"]


def settings_inputs(cfg: str) -> list[Any]:
    """steps, cfg, sampler_name and scheduler, in that order; `cfg` is the tooltip of the second."""
    sampling = DEFAULTS.sampling
    return [
        io.Int.Input("steps", default=sampling.steps, min=1, max=1000, tooltip="More steps are slower and finer."),
        io.Float.Input("cfg", default=sampling.cfg, min=1.0, max=100.0, step=0.1, tooltip=cfg),
        io.Combo.Input(
            "sampler_name",
            options=host.solvers(SAMPLERS),
            default=sampling.solver,
            tooltip="The solver of each step.",
        ),
        io.Combo.Input(
            "scheduler",
            options=host.schedulers(SCHEDULERS),
            default=sampling.scheduler,
            tooltip="How noise levels are spaced.",
        ),
    ]
