"""A model as the suites' `Generator`: the pipeline's sampling at its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..editing import Codec, Edit, Storyboard
from ..grid import VideoSize
from ..pipeline import SamplingSettings, SoraModel, sample_edits, sample_video
from ..world import Cutouts

__all__ = ["BundledGenerator"]


@dataclass(frozen=True, kw_only=True)
class BundledGenerator:
    """A loaded model with the settings that are measured; None: its own."""

    model: SoraModel
    settings: SamplingSettings | None = None
    cutouts: Cutouts | None = None
    """pictures of the world's nouns; None measures on solids alone"""

    @property
    def codec(self) -> Codec:
        return self.model.codec

    def generate(self, prompts: Sequence[str], size: VideoSize, seed: int) -> Tensor:
        """Clips [B,3,F,H,W] in -1..1, one per prompt."""
        return sample_video(self.model, prompts, size, seed=seed, settings=self.settings)

    def edit(self, edits: Sequence[Edit], prompts: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """The sampled grids [B,C,T,h,w] of edits of one shape."""
        return sample_edits(self.model, edits, prompts, self.settings, seeds)

    def shots(self, boards: Sequence[Storyboard], seeds: Sequence[int]) -> Tensor:
        """The sampled grids [B,C,T,h,w] of storyboards of one shape."""
        edits, prompts = [board.edit for board in boards], [board.prompts for board in boards]
        return sample_edits(self.model, edits, prompts, self.settings, seeds)
