"""The bundled model as the suites' `Maker`: the pipeline's sampling at its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion import draw_noise
from ..editing import Codec, Edit, Storyboard
from ..grid import VideoSize
from ..pipeline import DEFAULTS, SoraModel, encode_text, sample, sample_video

__all__ = ["BundledMaker"]


@dataclass(frozen=True, kw_only=True)
class BundledMaker:
    """A loaded model with the settings that are measured."""

    model: SoraModel
    steps: int = DEFAULTS.steps
    cfg: float = DEFAULTS.cfg

    @property
    def codec(self) -> Codec:
        return self.model.codec

    def generate(self, prompts: Sequence[str], size: VideoSize, seed: int) -> Tensor:
        """Clips [B,3,F,H,W] in -1..1, one per prompt."""
        return sample_video(self.model, prompts, size, seed=seed, steps=self.steps, cfg=self.cfg, fps=size.fps)

    def edit(self, edits: Sequence[Edit], prompts: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """The sampled grids [B,C,T,h,w] of edits of one shape."""
        return self._sample(edits, encode_text(self.model, prompts), seeds)

    def shots(self, boards: Sequence[Storyboard], seeds: Sequence[int]) -> Tensor:
        """The sampled grids [B,C,T,h,w] of storyboards of one shape."""
        cond = torch.stack([encode_text(self.model, board.prompts) for board in boards])
        return self._sample([board.edit for board in boards], cond, seeds, shots=boards[0].rows)

    def _sample(self, edits: Sequence[Edit], cond: Tensor, seeds: Sequence[int], shots: Tensor | None = None) -> Tensor:
        first, states = edits[0], [edit.state for edit in edits]
        latent, clean, mask = (
            torch.cat([getattr(state, name) for state in states]) for name in ("latent", "clean", "mask")
        )
        noise = torch.cat([draw_noise(latent.shape[1:], seed) for seed in seeds])
        return sample(
            self.model, first.state.with_(latent=latent, clean=clean, mask=mask), cond, noise=noise, steps=self.steps,
            cfg=first.cfg or self.cfg, denoise=first.denoise, fps=first.fps, loop=first.ring,
            anchored=first.anchored, shots=shots,
        )  # fmt: skip
