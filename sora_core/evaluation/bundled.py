"""The bundled model as the suites' `Maker`: the pipeline's sampling at its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    def edit(self, edit: Edit, prompt: str, seed: int) -> Tensor:
        """The sampled grid [1,C,T,h,w] of an edit."""
        return self._sample(edit, encode_text(self.model, [prompt]), seed)

    def shots(self, board: Storyboard, seed: int) -> Tensor:
        """The sampled grid [1,C,T,h,w] of a storyboard."""
        return self._sample(board.edit, encode_text(self.model, board.prompts)[None], seed, shots=board.rows)

    def _sample(self, edit: Edit, cond: Tensor, seed: int, shots: Tensor | None = None) -> Tensor:
        noise = draw_noise(edit.state.latent.shape[1:], seed)
        return sample(
            self.model, edit.state, cond, noise=noise, steps=self.steps, cfg=self.cfg,
            denoise=edit.denoise, fps=edit.fps, loop=edit.ring, shots=shots,
        )  # fmt: skip
