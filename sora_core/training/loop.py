"""The one training loop: a pure batch for every step, so that a resumed run is bit-identical to one that never stopped.

Everything random in a step comes from a generator seeded by (seed, step); what must survive a stop is the model, its
moving
average, the optimizers and the step, all in one safetensors file that is replaced whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor

from .. import checkpoints
from ..errors import InputError
from ..types import Progress

__all__ = ["Recipe", "Trainer", "matrices_in", "step_generator"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast to train."""

    steps: int
    """steps in all"""
    learning_rate: float = 1e-3
    """of AdamW, at its peak"""
    muon_rate: float = 0.0
    """of Muon for the matrices inside blocks (arXiv 2502.16982); 0 leaves them to AdamW"""
    weight_decay: float = 0.01
    """decoupled, on matrices"""
    warmup: int = 200
    """steps to the peak"""
    decay: float = 0.4
    """share of the run over which the rate falls to a fiftieth"""
    ema: float = 0.999
    """of the moving average that is shipped, itself warmed up"""
    clip: float = 1.0
    """largest norm of the gradient"""
    seed: int = 0
    """of everything random"""
    save_every: int = 200
    """steps between checkpoints"""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.save_every < 1:
            raise InputError(f"steps and save_every must be at least 1, not {self.steps} and {self.save_every}")

    def rate(self, step: int) -> float:
        """Share of the peak rate at a step: linear warm-up, flat, linear decay to 0.02."""
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return min(1.0, (step + 1) / self.warmup) * max(0.02, min(1.0, left))

    def average(self, step: int) -> float:
        """Decay of the moving average at a step; short at first."""
        return min(self.ema, 1 - 1 / (step / 10 + 1.1))


def step_generator(seed: int, step: int) -> torch.Generator:
    """Everything random in one step."""
    return torch.Generator().manual_seed((seed << 32) + step)


class Trainer:
    """Model, moving average and optimizers, from step to step.

    `matrices` names the parameters that Muon takes (where the recipe gives it a rate); a convolution is the matrix of
    its
    flattened kernels, a view of the same memory.
    """

    def __init__(
        self, model: nn.Module, recipe: Recipe, path: Path, *, matrices: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.model, self.recipe, self.path = model, recipe, path
        self.step = 0
        self.average = {name: p.detach().clone() for name, p in model.named_parameters()}
        named = dict(model.named_parameters())
        muon = [p for name, p in named.items() if recipe.muon_rate and p.ndim >= 2 and matrices(name)]
        chosen = {id(p) for p in muon}
        decayed = [p for p in named.values() if id(p) not in chosen and p.ndim >= 2]
        plain = [p for p in named.values() if id(p) not in chosen and p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                [g for g in groups if g["params"]], lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True
            )
        ]
        self.flat = [(p, nn.Parameter(p.detach().view(len(p), -1))) for p in muon]
        if muon:
            self.optimizers.append(
                torch.optim.Muon(
                    [view for _, view in self.flat],
                    lr=recipe.muon_rate,
                    weight_decay=recipe.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    def train(
        self, loss_at: Callable[[int], Tensor], progress: Progress | None = None, until: int | None = None
    ) -> list[float]:
        """Run to the end of the recipe (or `until`); returns the losses. `progress(step, steps)` may raise
        Cancelled."""
        losses = []
        while self.step < min(self.recipe.steps, until or self.recipe.steps):
            losses.append(self._step(loss_at))
            if self.step % self.recipe.save_every == 0 or self.step == self.recipe.steps:
                self.save()
            if progress is not None:
                progress(self.step, self.recipe.steps)
        return losses

    def _step(self, loss_at: Callable[[int], Tensor]) -> float:
        rate = self.recipe.rate(self.step)
        for optimizer, peaks in zip(self.optimizers, self.peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
        loss = loss_at(self.step)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        if not math.isfinite(float(norm)):
            raise InputError(
                f"training diverged at step {self.step} (gradient norm {float(norm)}): lower the learning rate and"
                " resume"
            )
        for parameter, view in self.flat:
            view.grad = parameter.grad.flatten(1) if parameter.grad is not None else None
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.model.zero_grad(set_to_none=True)
        with torch.no_grad():
            names, parameters = zip(*self.model.named_parameters(), strict=True)
            torch._foreach_lerp_([self.average[n] for n in names], list(parameters), 1 - self.recipe.average(self.step))
        self.step += 1
        return float(loss.detach())

    def averaged(self) -> dict[str, Tensor]:
        """The state dict with averaged parameters: what is shipped."""
        return {**self.model.state_dict(), **self.average}

    def save(self) -> None:
        """Replace the checkpoint, whole or not at all."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{i}.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
        checkpoints.save(self.path, {k: v.contiguous() for k, v in tensors.items()}, config={"step": self.step})

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one."""
        if not self.path.exists():
            return False
        checkpoint = checkpoints.load(self.path)
        self.step = int(checkpoint.config["step"])
        self.model.load_state_dict({k[6:]: v for k, v in checkpoint.tensors.items() if k.startswith("model.")})
        self.average = {k: checkpoint.tensors[f"average.{k}"].clone() for k in self.average}
        for i, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(
                {"state": self._states(checkpoint, i), "param_groups": optimizer.state_dict()["param_groups"]}
            )
        return True

    @staticmethod
    def _states(checkpoint: checkpoints.Checkpoint, which: int) -> dict[int, dict[str, Tensor]]:
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in checkpoint.tensors.items():
            kind, *rest = name.split(".")
            if kind == "optimizer" and int(rest[0]) == which:
                states.setdefault(int(rest[1]), {})[rest[2]] = value
        return states


def matrices_in(prefixes: Sequence[str]) -> Callable[[str], bool]:
    """Names Muon takes: weights inside blocks, not tables of modulation."""
    return lambda name: name.startswith(tuple(prefixes)) and name.endswith("weight") and "modulation" not in name
