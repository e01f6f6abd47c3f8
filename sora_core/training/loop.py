"""The one training loop, by steps or by the clock.

Everything random in a step comes from a generator seeded by (seed, step), so that a run by steps that is taken up from
its checkpoint is bit for bit one that never stopped; what must survive a stop is the model, its moving average, the
optimizers and the step, all in one safetensors file that is replaced whole. A run by the clock is one shot and keeps
no checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.nn as nn
from torch import Tensor

from .. import checkpoints
from ..errors import InputError
from .muon import Muon

__all__ = ["Loss", "Recipe", "Step", "Trainer", "matrices_in", "ready_card"]

CHECKED = 20
"""steps between two looks at the gradient's norm on a card, which waits for it"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How long and how fast to train."""

    steps: int
    """steps in all, where it is not the clock that ends a run"""
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

    def rate(self, step: int, share: float) -> float:
        """Part of the peak rate at a step, `share` of the run gone: linear warm-up, flat, linear decay to 0.02."""
        left = (1 - share) / self.decay if self.decay else 1.0
        return min(1.0, (step + 1) / self.warmup) * max(0.02, min(1.0, left))

    def average(self, step: int) -> float:
        """Decay of the moving average at a step; short at first."""
        return min(self.ema, 1 - 1 / (step / 10 + 1.1))


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a watcher is told after a step; loss and norm are tensors, so that looking at them is what costs time."""

    step: int
    share: float
    """of the run that is done"""
    rate: float
    loss: Tensor
    norm: Tensor


class Loss(Protocol):
    """The loss of a step, a pure function of the step and of the share of the run that is done."""

    def backward(self, step: int, share: float) -> Tensor:
        """Add the gradients of a step to the parameters; returns the loss."""
        ...


class Trainer:
    """Model, moving average and optimizers, from step to step.

    `matrices` names the parameters that Muon takes (where the recipe gives it a rate). With `seconds` the run ends by
    the clock and writes no checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        path: Path,
        *,
        matrices: Callable[[str], bool] = lambda _: False,
        seconds: float | None = None,
    ) -> None:
        self.model, self.recipe, self.path, self.seconds = model, recipe, path, seconds
        self.step, self.share, self.began = 0, 0.0, time.monotonic()
        named = dict(model.named_parameters())
        self.parameters: list[Tensor] = list(named.values())
        self.average = {name: p.detach().clone() for name, p in named.items()}
        muon = [p for name, p in named.items() if recipe.muon_rate and p.ndim >= 2 and matrices(name)]
        chosen = {id(p) for p in muon}
        decayed = [p for p in named.values() if id(p) not in chosen and p.ndim >= 2]
        plain = [p for p in named.values() if id(p) not in chosen and p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True
        )
        self.muon = Muon(muon, weight_decay=recipe.weight_decay)

    def done(self) -> bool:
        """Whether the run has come to its end."""
        if self.seconds is not None:
            return self.share >= 1
        return self.step >= self.recipe.steps

    def train(self, loss: Loss, *, watch: Callable[[Step], None] = lambda _: None, until: int | None = None) -> None:
        """Run to the end (or to the step `until`); `watch` is called after every step and may raise."""
        self.began = time.monotonic() - self.share * (self.seconds or 0)
        while not self.done() and (until is None or self.step < until):
            watch(self._step(loss))
            if self.seconds is None and (self.step % self.recipe.save_every == 0 or self.done()):
                self.save()

    def _step(self, loss: Loss) -> Step:
        self.share = self._share()
        rate = self.recipe.rate(self.step, self.share)
        for group in self.adam.param_groups:
            group["lr"] = self.recipe.learning_rate * rate
        value = loss.backward(self.step, self.share)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip, foreach=True)
        if (norm.device.type == "cpu" or self.step % CHECKED == 0) and not math.isfinite(float(norm)):
            raise InputError(
                f"training diverged at step {self.step} (gradient norm {float(norm)}): lower the learning rate and"
                " resume"
            )
        self.adam.step()
        self.muon.step(self.recipe.muon_rate * rate)
        self.model.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), self.parameters, 1 - self.recipe.average(self.step))
        self.step += 1
        self.share = self._share()
        return Step(step=self.step, share=self.share, rate=rate, loss=value, norm=norm)

    def _share(self) -> float:
        """How much of the run is done, 0..1."""
        if self.seconds is not None:
            return min(1.0, (time.monotonic() - self.began) / self.seconds)
        return self.step / self.recipe.steps

    def averaged(self) -> dict[str, Tensor]:
        """The state dict with averaged parameters: what is shipped."""
        return {**self.model.state_dict(), **self.average}

    def save(self) -> None:
        """Replace the checkpoint, whole or not at all."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= {f"muon.{k}": v for k, v in self.muon.state().items()}
        for index, state in self.adam.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
        checkpoints.save(self.path, {k: v.contiguous() for k, v in tensors.items()}, config={"step": self.step})

    def resume(self) -> bool:
        """Go on from the checkpoint if there is one."""
        if self.seconds is not None or not self.path.exists():
            return False
        checkpoint = checkpoints.load(self.path)
        self.step = int(checkpoint.config["step"])
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in checkpoint.tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value
        self.model.load_state_dict(parts["model"])
        for name, average in self.average.items():
            average.copy_(parts["average"][name])
        self.muon.restore(parts.get("muon", {}))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in parts.get("adam", {}).items():
            index, _, kind = name.partition(".")
            states.setdefault(int(index), {})[kind] = value
        self.adam.load_state_dict({"state": states, "param_groups": self.adam.state_dict()["param_groups"]})
        return True


def matrices_in(prefixes: Sequence[str]) -> Callable[[str], bool]:
    """Names Muon takes: weights inside blocks, not tables of modulation nor norms."""
    return lambda name: (
        name.startswith(tuple(prefixes)) and name.endswith("weight") and "modulation" not in name and "norm" not in name
    )


def ready_card(device: torch.device) -> None:
    """Set a card up for training: products of float32 in the shorter form, and attention that is not planned anew for
    every size."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cuda.enable_cudnn_sdp(False)
