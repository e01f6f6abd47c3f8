"""Span prompts: each span of time follows a prompt of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from ..types import Denoiser

__all__ = ["span_prompts", "span_weights"]


def span_prompts(denoiser: Denoiser, weights: Tensor) -> Denoiser:
    """The network sees the whole clip once per prompt; each latent frame takes the estimates by `weights` [K,T].

    A context of [B,K,S,D] holds K prompts. A context of [B,S,D] (no guidance) is passed on as it is. A frame that no
    weight asks for a prompt costs nothing less: every prompt is one run, all of one clip, so subjects persist over
    cuts.
    """

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        if context.ndim == 3:
            return denoiser(x, sigma, mask, context)
        if tuple(weights.shape) != (context.shape[1], x.shape[2]):
            raise InputError(
                f"{context.shape[1]} prompts over {x.shape[2]} latent frames do not fit weights {list(weights.shape)}"
            )
        share = weights.to(x.device, non_blocking=True).view(len(weights), 1, 1, -1, 1, 1)
        out = torch.zeros_like(x, dtype=torch.float32)
        for part, prompt in zip(share, context.unbind(1), strict=True):
            out += denoiser(x, sigma, mask, prompt) * part
        return out

    return denoise


def span_weights(lengths: Sequence[int], *, fade: int = 0) -> Tensor:
    """Weights [K,T] float32 for K spans of `lengths` latent frames: hard cuts, or cross-fades over about `fade`
    frames."""
    if not lengths or min(lengths) < 1:
        raise InputError(f"every span needs at least one latent frame, not {list(lengths)}")
    if not 0 <= fade <= min(lengths):
        raise InputError(f"a fade of {fade} latent frames does not fit spans of {list(lengths)}")
    place = torch.arange(sum(lengths), dtype=torch.float32) + 0.5
    cuts = torch.tensor(lengths[:-1], dtype=torch.float32).cumsum(0)
    if fade:
        begun = ((place - cuts[:, None]) / fade + 0.5).clamp(0, 1)
    else:
        begun = (place > cuts[:, None]).float()
    ones, zeros = torch.ones(1, len(place)), torch.zeros(1, len(place))
    return torch.cat([ones, begun]) - torch.cat([begun, zeros])
