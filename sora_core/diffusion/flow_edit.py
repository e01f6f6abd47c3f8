"""FlowEdit correction: the network's error on a given clip is added back, so that only what the prompt changes changes.

Legend: B batch, C channels, T latent frames, H W height and width, S text tokens, D text width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import Denoiser

__all__ = ["flow_edit"]


def flow_edit(
    denoiser: Denoiser, network: Denoiser, source: Tensor, noise: Tensor, source_context: Tensor | None = None
) -> Denoiser:
    """`denoiser` with a correction: its estimate plus what `network` loses of `source` at the same noise level.

    This is FlowEdit (arXiv 2412.08629) with one fixed noise, written as a denoiser. A run that starts from the source
    at that noise (SDEdit) and steps along the difference of both velocities takes ordinary steps towards this estimate.

    source: [B,C,T,H,W] the given clip; noise: [B,C,T,H,W] the noise of the run; source_context: [B,S,D] the text
    features that `network` gets with the source, None for zeros. Cond and uncond receive the same correction, so it
    may stand outside or inside of `cfg`; x may hold a multiple of B clips.
    """

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        copies = (len(x) // len(source), 1, 1, 1, 1)
        clean, level = source.to(x).repeat(copies), sigma.to(x).view(-1, 1, 1, 1, 1)
        noised = (1 - level) * clean + level * noise.to(x).repeat(copies)
        text = torch.zeros_like(context) if source_context is None else source_context.to(context)
        return denoiser(x, sigma, mask, context) + clean - network(noised, sigma, mask, text)

    return denoise
