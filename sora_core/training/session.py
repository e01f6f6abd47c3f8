"""What the stages of a training run share: clips on their way to the device, time, reports and checks."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..data.renderers import Renderers
from ..data.store import ClipStore
from ..errors import ResourceError
from ..text.tokenizer import WordTokenizer
from .channels_last import FastCodec
from .compiled import Blocks, graphs
from .loop import Step, Trainer
from .muon import computes_bfloat16
from .plan import Stage, TrainingConfig

__all__ = ["SAID_EVERY", "Say", "Session", "Supply", "Watch"]

Say = Callable[[str], None]

SAID_EVERY, SAVED_EVERY = 20.0, 100.0
"""seconds between lines of a report, and between exports of the transformer"""
LOOKED = 0.33
"""share of a stage after which its loss must be as expected"""
SETTLED = 60.0
"""seconds of a stage after which its speed must be as expected"""


@dataclass(kw_only=True)
class Supply:
    """Clips on their way from the renderers to the stores."""

    renderers: Renderers
    stores: dict[str, ClipStore]
    say: Say = lambda _: None
    stream: torch.cuda.Stream | None = None
    """on which clips are copied to a card: on the one that trains each copy would wait for all that is queued"""
    codec: FastCodec | None = None
    """which encodes what comes in, once it is trained"""
    beside: threading.Thread | None = None
    """which brings clips to a card: the thread that trains has the card's launches to see to"""
    fault: ResourceError | None = None
    """what ended that thread"""

    def bring_beside(self) -> None:
        """Bring clips on a thread of its own from now on."""
        self.beside = threading.Thread(target=self._bring, daemon=True)
        self.beside.start()

    def _bring(self) -> None:
        try:
            while not self.full:
                self._collect(1.0, wait=0.5)
        except ResourceError as fault:
            self.fault = fault

    @property
    def count(self) -> int:
        return sum(store.count for store in self.stores.values())

    def take(self, limit: float = 0.4, wait: float = 0.0) -> None:
        """Bring what is ready, for at most `limit` seconds, beside what the device still has to do; where there is no
        more room, the renderers end: they would go on for nothing, on the cores that train."""
        if self.full:
            self.renderers.close()
            return
        if self.fault is not None:
            raise self.fault
        if self.beside is None:
            self._collect(limit, wait=wait)
        else:
            time.sleep(min(limit, wait))
        while self.renderers.notes:
            self.say(self.renderers.notes.pop())

    @property
    def full(self) -> bool:
        return all(store.full for store in self.stores.values())

    def _collect(self, limit: float, *, wait: float) -> None:
        with torch.cuda.stream(self.stream):
            for clip in self.renderers.collect(limit, wait=wait):
                self.stores[clip.kind].add(clip)

    def encode(self) -> None:
        """Latents of all that has come in."""
        if self.codec is not None:
            for store in self.stores.values():
                store.encode(self.codec.encode, self.codec.codec.geometry.channels)


@dataclass(kw_only=True)
class Session:
    """What the stages of a run share."""

    plan: TrainingConfig
    device: torch.device
    folder: Path
    supply: Supply
    tokenizer: WordTokenizer
    blocks: Blocks
    say: Say
    deadline: float | None = None
    """on the monotonic clock; None where steps end the stages"""
    seconds: float = 0.0
    """of the whole run, where the clock ends it"""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def bfloat16(self) -> bool:
        return computes_bfloat16(self.device)

    @property
    def stores(self) -> list[ClipStore]:
        return list(self.supply.stores.values())

    def stage_seconds(self, share: float) -> float | None:
        """Seconds of a stage that takes a share of the run; None where steps end it."""
        return None if self.deadline is None else self.seconds * share

    def trainer(self, name: str, model: torch.nn.Module, stage: Stage, seconds: float | None, **more: Any) -> Trainer:
        """A stage's trainer, taken up where it stopped."""
        path = self.folder / f"{name}-run.safetensors"
        recipe = replace(stage.recipe, seed=self.plan.seed)
        trainer = Trainer(model, recipe, path, seconds=seconds, **more)
        if trainer.resume():
            self.say(f"{name}: goes on from step {trainer.step}")
        return trainer


class Watch:
    """Reports a stage, brings in clips, and stops a run by the clock that is not as expected."""

    def __init__(
        self, session: Session, name: str, stage: Stage, *, save: Callable[[], None] = lambda: None, db: bool = False
    ) -> None:
        self.session, self.name, self.stage, self.save, self.db = session, name, stage, save, db
        self.began = self.said = self.saved = time.monotonic()
        self.first, self.losses, self.looked, self.settled = -1, [], False, False  # type: ignore[var-annotated]

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        self.losses = [*self.losses[-49:], step.loss]
        if self.first < 0:
            self.first, self.began = step.step, now
        if step.step % 10 == 0:
            self.session.supply.take()
        if step.step % 100 == 0:
            self.session.supply.encode()
        if step.step in (1, 5, 25) or now - self.said > SAID_EVERY:
            self.said = now
            self.report(step, now)
        if now - self.saved > SAVED_EVERY:
            self.saved = now
            self.save()
        if self.session.deadline is not None:
            self.check(step, now)

    def loss(self) -> float:
        """Mean of the last losses; waits for the device."""
        return float(torch.stack(self.losses).mean())

    def report(self, step: Step, now: float) -> None:
        """One line of how it goes."""
        loss = self.loss()
        shown = f"PSNR {10 * math.log10(4 / max(loss, 1e-10)):.2f}" if self.db else f"loss {loss:.4f}"
        pace = (step.step - self.first) / max(1e-6, now - self.began)
        self.session.say(
            f"{self.name}: step {step.step} ({100 * step.share:.0f}%), {shown}, norm {float(step.norm):.3f}, rate"
            f" {step.rate:.2f}, {pace:.2f} steps/s, {self.session.supply.count} clips, {graphs()} graphs"
        )

    def check(self, step: Step, now: float) -> None:
        """Raises ResourceError where speed or loss are not as expected."""
        if not self.settled and now - self.began > SETTLED:
            self.settled = True
            pace = (step.step - self.first) / (now - self.began)
            if pace < self.stage.least_rate:
                raise ResourceError(f"{self.name} runs at {pace:.2f} steps a second, not {self.stage.least_rate}")
        if not self.looked and step.share > LOOKED:
            self.looked = True
            loss = self.loss()
            if not loss <= self.stage.largest_loss:
                raise ResourceError(
                    f"the loss of the {self.name} is {loss:.4f} after {100 * step.share:.0f}% of its time, above"
                    f" {self.stage.largest_loss}"
                )
