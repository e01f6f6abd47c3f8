"""Decorators that steer a denoiser: by its prompt (`cfg`) and by what is kept (`keep`, `renoise`).

Order, outermost first: keep (the loop adds it) > renoise > feature cache > ring > FlowEdit correction > cfg (of each
expert, where there are two) > span prompts > network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import InputError
from ..settings import MAX_CFG
from ..types import Denoiser
from .parametrization import level_at

__all__ = ["blend", "cfg", "keep", "renoise"]


def blend(mask: Tensor, made: Tensor, kept: Tensor) -> Tensor:
    """made*mask + kept*(1-mask), exact where the mask is 0 or 1: there the other side is not read, whatever it
    holds."""
    mixed = torch.lerp(kept, made, mask.expand_as(made))
    return torch.where(mask >= 1, made, torch.where(mask > 0, mixed, kept))


def keep(denoiser: Denoiser, clean: Tensor) -> Denoiser:
    """Returns `clean` [B,C,T,H,W] where the mask is 0, whatever the network says there, so solvers never move it."""

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        return blend(mask, denoiser(x, sigma, mask, context).float(), clean)

    return denoise


def renoise(denoiser: Denoiser, noise: Tensor) -> Denoiser:
    """For a network with one noise level for the whole clip: every position is brought up to `sigma` before each call.

    A position of x stands at mask*sigma; what it lacks is added of the same `noise` [B,C,T,H,W] each time, so the kept
    part is (1-sigma)*clean + sigma*noise and moves on a straight line, as the network knows it. Where the mask is 1 x
    is untouched.
    """

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        nonlocal noise
        noise = noise.to(x.device)  # once: later calls find it there
        everywhere = torch.ones_like(mask)
        level, here = level_at(sigma, everywhere), level_at(sigma, mask)
        gain = torch.where(mask >= 1, everywhere, (1 - level) / (1 - here))
        noised = gain * x + (level - here * gain) * noise
        return denoiser(noised, sigma, everywhere, context)

    return denoise


def cfg(
    denoiser: Denoiser,
    scale: float,
    *,
    uncond: Tensor | None,
    interval: tuple[float, float] = (0.0, 1.0),
    batched: bool = True,
) -> Denoiser:
    """Classifier-free guidance: uncond + scale*(cond - uncond), only while sigma is within `interval` (low, high).

    uncond: [B,S,D] or [1,S,D]. With scale 1, and outside the interval, the network runs once, for cond alone.
    `batched` runs both as one batch where their contexts have one shape; the result is the same, it costs memory. An
    interval narrower than (0, 1) reads sigma on the host once per call. What is joined of contexts and masks is joined
    once for as long as they are the same.
    """
    low, high = interval
    if not 0 <= low <= high <= 1:
        raise InputError(f"a guidance interval needs 0 <= low <= high <= 1, not {interval}")
    if not 0 <= scale <= MAX_CFG:
        raise InputError(f"cfg must be between 0 and {MAX_CFG:g}, not {scale:g}")
    if scale == 1.0:
        return denoiser
    if uncond is None:
        raise InputError(f"guidance of {scale:g} needs a negative prompt (it may be empty); without one use cfg 1")
    always = (low, high) == (0.0, 1.0)
    contexts = once(lambda context: torch.cat([context, uncond.expand(len(context), *uncond.shape[1:])]))
    masks = once(lambda mask: mask.repeat(2, 1, 1, 1, 1))

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        if not always and not low <= float(sigma[0]) <= high:
            return denoiser(x, sigma, mask, context)
        if batched and uncond.shape[1:] == context.shape[1:]:
            cond, bare = denoiser(x.repeat(2, 1, 1, 1, 1), sigma.repeat(2), masks(mask), contexts(context)).chunk(2)
        else:
            negative = uncond.expand(len(x), *uncond.shape[1:])
            cond, bare = denoiser(x, sigma, mask, context), denoiser(x, sigma, mask, negative)
        return bare + scale * (cond - bare)

    return denoise


def once(make: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What `make` gives for a tensor, made anew only when it is given another one."""
    known: list[Tensor] = []

    def made(x: Tensor) -> Tensor:
        if not known or known[0] is not x:
            known[:] = [x, make(x)]
        return known[1]

    return made
