"""Training of text encoder and transformer together, on frozen latents.

After JiT (arXiv 2511.13720): the network gives the clean latent and the loss weighs it as a velocity, 1/sigma^2,
clamped;
sigma = sigmoid(N(0.2, 1.3)), shifted as sampling shifts it (by 3 and more): in a latent of few, rich tokens what
moves where is
decided above sigma = 0.85, where JiT's N(0.8, 0.8) leaves too few samples for words to steer motion. The loss is on
made tokens
only, and more on those that show a thing. Kept parts are told sigma 0; some are slightly noisy, and some carry the
errors of an
earlier transformer (`recycling`), so that a clip may be extended many times without drifting.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from ..data.packs import Pack, PackSource
from ..diffusion import shift_for_tokens, shift_sigma
from ..dit import DiT
from ..text.encoder import TextEncoder
from .loop import step_generator

__all__ = ["TextToVideo", "TransformerLoss"]


class TextToVideo(nn.Module):
    """Text encoder and transformer, as they are trained."""

    def __init__(self, text: TextEncoder, dit: DiT) -> None:
        super().__init__()
        self.text, self.dit = text, dit


@dataclass(frozen=True, kw_only=True)
class TransformerLoss:
    """The loss of one step, a pure function of the step."""

    model: TextToVideo
    source: PackSource
    keep: tuple[float, float] = (0.2, 0.35)
    """share of clips with a kept part, at the first and from half of the steps on"""
    steps: int = 1
    """of the whole run, for the curriculum"""
    mean: float = 0.2
    """of the normal distribution behind sigma"""
    deviation: float = 1.3
    """of the normal distribution behind sigma"""
    least_sigma: float = 0.05
    """where the weight stops growing"""
    emphasis: float = 6.0
    """how much more a cell counts in which a thing is seen: they are few, and what the words are about"""
    kept_noise: float = 0.1
    """largest noise on kept parts; a third of the clips have some"""
    kept_error: float = 1.5
    """largest share of a transformer's own error on kept parts, where it was measured; three of five clips have some"""
    seed: int = 0
    """of everything random"""
    bfloat16: bool = True
    """compute in bfloat16; master weights stay float32"""

    def __call__(self, step: int) -> Tensor:
        generator = step_generator(self.seed, step)
        grown = min(1.0, 2 * step / self.steps)
        pack = self.source.pack(generator, self.keep[0] + grown * (self.keep[1] - self.keep[0]))
        sigmas = [self._sigma(latent, generator) for latent in pack.latents]
        noisy = [self._noised(i, pack, sigmas[i], generator) for i in range(len(sigmas))]
        plan = self.model.dit.plan(pack.grids)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            text = self.model.dit.text(self.model.text(pack.ids))
            outputs = self.model.dit(noisy, torch.cat(sigmas), plan, text)
        total = torch.zeros(())
        count = torch.zeros(())
        for output, latent, grid, things, sigma in zip(
            outputs, pack.latents, pack.grids, pack.things, sigmas, strict=True
        ):
            share = grid.mask * (1 + self.emphasis * things)  # type: ignore[operator]
            weight = share / sigma.clamp(min=self.least_sigma).square().view(-1, 1, 1, 1, 1)
            total = total + (weight * (output.float() - latent).square()).sum()
            count = count + share.sum() * latent.shape[1]
        return total / count

    def _sigma(self, latent: Tensor, generator: torch.Generator) -> Tensor:
        """A noise level per clip [n], shifted as sampling shifts it for the size of the picture."""
        drawn = torch.sigmoid(self.mean + self.deviation * torch.randn(len(latent), generator=generator))
        _, q, r = self.model.dit.config.patch
        return shift_sigma(drawn, shift_for_tokens("picture", latent.shape[3] // q * (latent.shape[4] // r)))

    def _noised(self, i: int, pack: Pack, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """The network's input: noise at sigma where made; clean, or nearly, where kept."""
        latent, mask = pack.latents[i], pack.grids[i].mask
        n = len(latent)
        wrong = (torch.rand(n, generator=generator) < 0.6) * torch.rand(n, generator=generator) * self.kept_error
        shown = torch.where(mask > 0, latent, latent + wrong.view(-1, 1, 1, 1, 1) * pack.errors[i])  # type: ignore[operator, arg-type]
        disturbed = (torch.rand(n, generator=generator) < 1 / 3) * torch.rand(n, generator=generator) * self.kept_noise
        level = torch.where(mask > 0, sigma.view(-1, 1, 1, 1, 1), disturbed.view(-1, 1, 1, 1, 1))  # type: ignore[operator, arg-type]
        return (1 - level) * shown + level * torch.randn(latent.shape, generator=generator)
