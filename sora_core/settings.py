"""The settings of a run, and what they are where the user says nothing. Imports no torch, so nodes can read it too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DEFAULTS", "MAX_CFG", "MAX_FPS", "MAX_SECONDS", "MAX_SIDE", "Defaults", "SamplingSettings", "StepRange",
    "check_number", "check_whole",
]  # fmt: skip

MAX_CFG = 100.0
MAX_FPS = 240.0
MAX_SECONDS = 3600.0
MAX_SIDE = 8192
"""pixels"""


def check_number(name: str, value: object) -> None:
    """Raises InputError for anything but a number, of Python or numpy."""
    if not isinstance(value, Real):
        raise InputError(f"{name} must be a number, not {value!r}")


def check_whole(name: str, value: object) -> None:
    """Raises InputError for anything but a whole number, of Python or numpy."""
    if not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class StepRange:
    """Some of the steps of a schedule: several models can share one, as the experts of Wan 2.2 A14B do."""

    first: int = 0
    last: int = 1 << 30
    """the step before which it stops"""
    noised: bool = False
    """the latent has its noise already"""
    leave_noise: bool = False
    """what is left of the noise stays"""

    def of(self, sigmas: Tensor) -> Tensor:
        """The sigmas of these steps. Raises InputError where there is none."""
        end = min(self.last, len(sigmas) - 1)
        if not 0 <= self.first < end:
            raise InputError(
                f"steps {self.first} to {self.last} are none of the {len(sigmas) - 1} steps of this schedule"
            )
        part = sigmas[self.first : end + 1].clone()
        if not self.leave_noise:
            part[-1] = 0
        return part


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """Every setting of one sampling run; its defaults suit the bundled weights, `SoraModel.settings` a model's own."""

    steps: int = 25
    cfg: float = 2.0
    """guidance scale; 1 is off"""
    cfg_interval: tuple[float, float] = (0.1, 1.0)
    """lowest and highest sigma at which guidance acts (arXiv 2404.07724)"""
    low_cfg: float | None = None
    """guidance scale of a second network, for low noise levels; None: `cfg`"""
    solver: str = "dpmpp_2m"
    """a name in `diffusion.SOLVERS`"""
    scheduler: str = "simple"
    """a name in `diffusion.SCHEDULES`"""
    shift: float | None = None
    """shift of the schedule towards noise; None: by the number of tokens"""
    denoise: float = 1.0
    """the fraction of the schedule that runs, above 0; below 1 sampling starts from the state's latent (SDEdit)"""
    step_range: StepRange | None = None
    """some of the steps alone; None: all"""
    ring: bool = False
    """the time axis is a ring: the clip is sampled as a loop"""
    flow_edit: bool = False
    """FlowEdit correction towards the state's latent (`diffusion.flow_edit`)"""
    cache: float = 0.0
    """threshold of the feature cache; 0 runs the network at every step"""

    def __post_init__(self) -> None:
        for value in (self.cfg, self.cfg if self.low_cfg is None else self.low_cfg):
            check_number("cfg", value)
            if not 0 <= value <= MAX_CFG:
                raise InputError(f"cfg must be between 0 and {MAX_CFG:g}, not {value:g}")

    @property
    def leads_away(self) -> bool:
        """Whether a negative prompt has a say."""
        return self.cfg != 1 or self.flow_edit

    def with_(self, **changes: Any) -> SamplingSettings:
        """A copy with some settings changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What is made where the user says nothing."""

    negative: str = ""
    seconds: float = 2.0
    size: tuple[int, int] = (64, 64)
    """width and height in pixels"""
    fps: float = 8.0
    seed: int = 0
    sampling: SamplingSettings = field(default_factory=SamplingSettings)


DEFAULTS = Defaults()
