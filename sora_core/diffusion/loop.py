"""The only sampling loop: a state, noise and sigmas become a clean latent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Denoiser, LatentState, Progress
from .guidance import blend, keep
from .solvers import Memory, get_solver

__all__ = ["Preview", "SamplerState", "sample", "start"]

Preview = Callable[[int, Tensor], None]
"""Called as `preview(done, denoised)` after each step with the latest clean estimate [B,C,T,H,W], on the loop's
device."""


@dataclass(frozen=True, kw_only=True)
class SamplerState:
    """A run between two steps: all that is needed to go on, bit for bit.

    step:   steps done
    x:      [B,C,T,H,W] float32
    sigmas: [steps+1] the schedule of the run
    solver: its name
    memory: what the solver remembers
    """

    step: int
    x: Tensor
    sigmas: Tensor
    solver: str
    memory: Memory = field(default_factory=dict)

    def to_tensors(self) -> dict[str, Tensor]:
        """As a flat dict of tensors, the form that safetensors stores."""
        name = torch.tensor(list(self.solver.encode()), dtype=torch.uint8)
        memory = {f"memory.{key}": value for key, value in self.memory.items()}
        return {"step": torch.tensor(self.step), "x": self.x, "sigmas": self.sigmas, "solver": name, **memory}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> SamplerState:
        """The inverse of `to_tensors`; raises InputError when a part is missing."""
        if missing := {"step", "x", "sigmas", "solver"} - set(tensors):
            raise InputError(f"this is no stored sampling run: it lacks {', '.join(sorted(missing))}")
        memory = {key.removeprefix("memory."): value for key, value in tensors.items() if key.startswith("memory.")}
        name = bytes(tensors["solver"].tolist()).decode()
        return cls(step=int(tensors["step"]), x=tensors["x"], sigmas=tensors["sigmas"], solver=name, memory=memory)


def start(state: LatentState, noise: Tensor, sigma: float) -> Tensor:
    """The noisy grid [B,C,T,H,W] float32 that sampling begins with: `latent` noised to `sigma` where made, `clean`
    where kept."""
    level = state.mask.float() * sigma
    base = blend(state.mask, state.latent.float(), state.clean.float())
    return (1 - level) * base + level * noise.to(base)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    state: LatentState,
    noise: Tensor,
    sigmas: Tensor,
    context: Tensor,
    *,
    solver: str = "euler",
    progress: Progress | None = None,
    preview: Preview | None = None,
    resume: SamplerState | None = None,
    checkpoint: Callable[[SamplerState], None] | None = None,
) -> Tensor:
    """Sample the state's grid; returns the latent [B,C,T,H,W] float32 on the state's device, kept positions unchanged.

    noise: [B,C,T,H,W], any device. sigmas: [steps+1] falling. context: what the denoiser takes, [B,S,D].
    Sigmas that end above 0 leave the result that noisy. Nothing in the loop waits for the device.
    `progress(done, total)` is called before the first and after every step and may raise `Cancelled` to stop.
    `checkpoint` receives a `SamplerState` after every step; given back as `resume`, the run goes on to the same bits.
    Raises InputError for an unknown solver, bad sigmas, noise of another shape or a foreign `resume`.
    """
    step_once = get_solver(solver)
    levels = _checked(sigmas)
    if noise.shape != state.latent.shape:
        raise InputError(f"noise {list(noise.shape)} and latent {list(state.latent.shape)} differ in shape")
    clean, mask, total = state.clean.float(), state.mask.float(), len(levels) - 1
    guarded, latest = keep(denoiser, clean), state.latent

    def evaluate(x: Tensor, sigma: float) -> Tensor:
        nonlocal latest
        latest = guarded(x, torch.full((len(x),), sigma), mask, context)
        return latest

    x, memory, done = _begin(start(state, noise, levels[0]), sigmas, solver, resume)
    if progress:
        progress(done, total)
    for i in range(done, total):
        x, memory = step_once(evaluate, x, levels[i], levels[i + 1], memory)
        if checkpoint:
            checkpoint(SamplerState(step=i + 1, x=x, sigmas=sigmas, solver=solver, memory=memory))
        if preview:
            preview(i + 1, latest)
        if progress:
            progress(i + 1, total)
    return x


def _checked(sigmas: Tensor) -> list[float]:
    """The sigmas as plain numbers on the host; raises InputError unless they fall within 1..0."""
    levels = [float(value) for value in sigmas.tolist()]
    falling = all(high > low for high, low in pairwise(levels))
    if len(levels) < 2 or not falling or levels[0] > 1 or levels[-1] < 0:
        raise InputError(f"sigmas must be at least two values falling from at most 1 to 0, not {levels}")
    return levels


def _begin(x: Tensor, sigmas: Tensor, solver: str, stored: SamplerState | None) -> tuple[Tensor, Memory, int]:
    """x, memory and steps done: of a fresh run from `x`, or of the stored run if it is one of the same kind."""
    if stored is None:
        return x, {}, 0
    if stored.solver != solver or not torch.equal(stored.sigmas.cpu(), sigmas.cpu()):
        raise InputError(
            f"the stored run used {stored.solver} and other sigmas; resume it with the same solver, steps and shift"
        )
    if stored.x.shape != x.shape or not 0 <= stored.step < len(sigmas):
        raise InputError(
            f"the stored run has a latent of {list(stored.x.shape)} at step {stored.step}, this one is {list(x.shape)}"
        )
    memory = {key: value.to(x.device) if value.ndim else value for key, value in stored.memory.items()}
    return stored.x.to(x), memory, stored.step
