"""An early look: what is sampled so far as a small video, written again every few seconds while the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import SoraError
from ..media import publish
from ..safety.doors import Protection, guards_for
from ..vae import CausalCodec
from ..vae.colours import rgb_factors

__all__ = ["EarlyLook"]

EVERY = 5.0
"""seconds between two looks"""
SIDE = 256
"""longer side in pixels"""


class EarlyLook:
    """Called as a sampler's `preview`: writes its clean estimate to `path`, reviewed and marked like any file.

    Latents are turned into colours by a linear rule, a picture for each, which costs next to nothing and is blurred. A
    look that cannot be written is said once and stops no run.
    """

    def __init__(
        self,
        path: Path,
        codec: CausalCodec,
        fps: float,
        *,
        every: float = EVERY,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.path, self.codec, self.every, self.warn = path, codec, every, warn
        self.fps = max(1.0, fps / codec.geometry.time_factor)
        self.factors: tuple[Tensor, Tensor] | None = None
        self.last = -every

    def __call__(self, done: int, denoised: Tensor) -> None:
        if time.monotonic() - self.last < self.every:
            return
        guards = guards_for(Protection(sign=False), fps=self.fps)
        try:
            publish(self.path, self.frames(denoised), fps=self.fps, guards=guards)
        except SoraError as error:
            self.warn(f"no early look was written: {error}")
            self.every = float("inf")
        self.last = time.monotonic()

    def frames(self, denoised: Tensor) -> Tensor:
        """[T,H,W,3] in 0..1 of the first of a batch of latents [B,C,T,h,w], even sides, the longer one of SIDE."""
        if self.factors is None:
            rule = rgb_factors(self.codec)
            self.factors = torch.tensor(rule[0]), torch.tensor(rule[1])
        weight, bias = self.factors
        cells = denoised[0].float().cpu().movedim(0, -1) @ weight + bias
        scale = SIDE / max(cells.shape[1:3])
        size = [max(2, 2 * round(side * scale / 2)) for side in cells.shape[1:3]]
        pictures = F.interpolate(cells.movedim(-1, 1), size, mode="bicubic", align_corners=False)
        return ((pictures.movedim(1, -1) + 1) / 2).clamp(0, 1)
