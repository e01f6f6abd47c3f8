"""The shapes and the one state that everything passes around.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from .errors import InputError

__all__ = ["Denoiser", "LatentState", "Progress", "PromptSchedule"]

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)`; it may raise `Cancelled` to stop the work."""


@dataclass(frozen=True, kw_only=True)
class LatentState:
    """A latent grid with what is kept of it: every edit operation returns a new one.

    latent:    [B,C,T,H,W] the start of sampling when it is not pure noise (SDEdit), else zeros
    clean:     [B,C,T,H,W] what is kept; only read where mask < 1
    mask:      [B,1,T,H,W] 1 = make this, 0 = keep this
    positions: [T] float32, the time in seconds at the middle of each latent frame
    spans:     [T] int64, pixel frames each latent frame stands for (1 for the first of a clip, else the time factor)
    """

    latent: Tensor
    clean: Tensor
    mask: Tensor
    positions: Tensor
    spans: Tensor

    def __post_init__(self) -> None:
        if self.latent.ndim != 5:
            raise InputError(f"a latent has five dimensions [B,C,T,H,W], not {list(self.latent.shape)}")
        b, _, t, h, w = self.latent.shape
        if self.clean.shape != self.latent.shape:
            raise InputError(f"clean {list(self.clean.shape)} and latent {list(self.latent.shape)} differ in shape")
        if tuple(self.mask.shape) != (b, 1, t, h, w):
            raise InputError(f"the mask must be {[b, 1, t, h, w]} for this latent, not {list(self.mask.shape)}")
        if tuple(self.positions.shape) != (t,) or tuple(self.spans.shape) != (t,):
            raise InputError(f"positions and spans need one value per latent frame ({t})")

    @property
    def frames(self) -> int:
        """Pixel frames the whole grid stands for."""
        return int(self.spans.sum())

    def with_(self, **changes: Tensor) -> LatentState:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def to(self, device: torch.device | str) -> LatentState:
        """The same state on another device (spans and positions stay on the CPU)."""
        return replace(self, latent=self.latent.to(device), clean=self.clean.to(device), mask=self.mask.to(device))


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptSchedule:
    """Which of P prompts each of T latent frames follows: exactly one of the two fields is given."""

    rows: Tensor | None = None
    """[T] int64, the number of the prompt of each latent frame: hard cuts, one run of the network"""
    weights: Tensor | None = None
    """[P,T] float32, the share of each prompt in each latent frame, summing to 1: one run of the network per prompt"""

    @property
    def count(self) -> int:
        """How many prompts there are."""
        return int(self.rows.max()) + 1 if self.rows is not None else len(self.weights)  # type: ignore[arg-type]

    @property
    def length(self) -> int:
        """How many latent frames they are for."""
        return len(self.rows) if self.rows is not None else self.weights.shape[1]  # type: ignore[union-attr]

    def __post_init__(self) -> None:
        given = [x for x in (self.rows, self.weights) if x is not None]
        if len(given) != 1 or given[0].ndim != (1 if self.weights is None else 2):
            raise InputError(f"prompts follow either rows [T] or weights [P,T], not {[list(x.shape) for x in given]}")


class Denoiser(Protocol):
    """`denoised = denoiser(x, sigma, mask, context)`.

    x [B,C,T,H,W] noisy at `sigma` where mask is 1; sigma [B] float32 in [0,1], on the host where our
    loop gives it, so that reading it waits for no device; mask [B,1,T,H,W]; context [B,S,D].
    Returns the clean estimate [B,C,T,H,W]; where mask is 0 it returns what is kept.
    """

    def __call__(self, x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor: ...
