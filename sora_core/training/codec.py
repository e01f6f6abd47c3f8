"""Training of the codec: pixels in, the same pixels out, through a narrow latent.

What eyes look at is a small part of a picture: things, their edges and what moves count for more than ground and sky.
The error is Charbonnier's, sqrt(e^2 + eps^2), with one of the differences between neighbouring pixels (edges) beside
it, and a small KL divergence to the unit Gaussian (VAE, arXiv 1312.6114) keeps the latent smooth. Crops come out of
whole clips, most with a thing inside, half of them mid-stream. Two fifths of the latents carry noise: what is sampled
is never quite a latent of the encoder, and the decoder has to bear it.

Legend: B crops, F frames, H W pixels, T latent frames, h w latent cells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
import torch.nn.functional as nn_f
from torch import Tensor

from ..data.altered import altered
from ..data.draws import Draws
from ..data.store import ClipStore, fitted
from ..errors import InputError
from ..vae import BundledCodec
from ..vae.bundled import Encoder
from .channels_last import FastCodec

__all__ = ["BLOCK", "CodecLoss", "charbonnier", "measure_latents", "psnr"]

BLOCK = re.compile(r"(en|de)coder\.(fine|coarse)\.\d+\.")
"""names of a codec's residual blocks, of which weights to go on from may have fewer"""
LEAST_STD = 0.25
"""a channel that carries little is not blown up"""
FRAMES = 17
"""frames of a crop that begins with its clip; mid-stream it has 16"""


@dataclass(frozen=True, kw_only=True)
class CodecLoss:
    """The loss of one step, a pure function of the step."""

    codec: FastCodec
    stores: Sequence[ClipStore]
    crop: int = 128
    """pixels of a crop's sides"""
    clips: int = 32
    """crops of a step"""
    things: float = 3.0
    """how much more a pixel counts in whose cell a thing is seen"""
    motion: float = 3.0
    """how much more a pixel counts at most where the picture changes"""
    edges: float = 0.5
    """weight of the differences between neighbours"""
    eps: float = 0.02
    """error below which it counts as its square"""
    kl: float = 2e-5
    """weight of the divergence, per latent value"""
    noise: float = 0.3
    """largest noise on latents, in their deviations"""
    noisy: float = 0.4
    """share of the latents with noise"""
    quiet: float = 0.2
    """share of the run before there is any"""
    whole: float = 0.5
    """share of the steps that see the whole picture made smaller before it is cropped"""
    unlike: float = 0.2
    """share of the crops that look unlike the world: what a person brings goes through the codec too"""
    decoder_alone: bool = False
    """the encoder stays as it is, and with it all that was trained on its latents"""
    anchor: float = 0.0
    """weight of the squared distance, in deviations, of latents from those of the encoder as it was: the latents become
    better ones and stay near those that a transformer knows"""
    seed: int = 0
    """of everything random"""
    before: Encoder | None = field(init=False, default=None)
    """the encoder as it was, where it is an anchor"""

    def __post_init__(self) -> None:
        if self.anchor:
            object.__setattr__(self, "before", deepcopy(self.codec.codec.encoder).requires_grad_(False))

    def backward(self, step: int, share: float) -> Tensor:
        """Add the gradients of a step; returns the mean squared error of its frames."""
        draws = Draws(self.seed, step, self.stores[0].device)
        return self._backward(*self.crops(draws), share, draws)

    def rehearse(self) -> None:
        """Crops of noise forward and backward, many and few clips sent through, so that all that is compiled is."""
        draws = Draws(self.seed, 0, self.stores[0].device)
        for mid_stream in (False, True):
            video = draws.uniform(self.clips, 3, FRAMES - mid_stream, self.crop, self.crop)
            self._backward(video, video[:, :1].round(), mid_stream, 1.0, draws)
        with torch.no_grad():
            for count in (len(video), 2):
                self.codec.decode(self.codec.encode(video[:count, :, :13]))

    def _backward(self, video: Tensor, seen: Tensor, mid_stream: bool, share: float, draws: Draws) -> Tensor:
        with torch.set_grad_enabled(not self.decoder_alone):
            mean, logvar = self.codec.moments(video, mid_stream=mid_stream)
        latent = mean if self.decoder_alone else mean + (0.5 * logvar).exp() * draws.normal(*mean.shape)
        if share >= self.quiet:
            level = self.noise * draws.uniform(len(latent)) * draws.often(self.noisy, len(latent))
            spread = mean.detach().std((0, 2, 3, 4), keepdim=True)
            latent = latent + level.view(-1, 1, 1, 1, 1) * spread * draws.normal(*latent.shape)
        error = self.codec.frames(latent, mid_stream=mid_stream) - video
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss = self.reconstruction(error, self.weight(video, seen)) + self.kl * divergence
        if self.before is not None:
            with torch.no_grad():
                known = self.codec.moments(video, mid_stream=mid_stream, encoder=self.before)[0]
            away = (mean - known) / self.codec.codec.latent_std.view(-1, 1, 1, 1)
            loss = loss + self.anchor * away.square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return error.detach().square().mean()

    def reconstruction(self, error: Tensor, weight: Tensor) -> Tensor:
        """The weighed error [B,3,F,H,W] of pixels and of edges; weight [B,1,F,H,W] has a mean of about 1."""
        loss = (weight * charbonnier(error, self.eps)).mean()
        for axis in (3, 4):
            across = weight.narrow(axis, 1, weight.shape[axis] - 1)
            loss = loss + self.edges * (across * charbonnier(error.diff(dim=axis), self.eps)).mean()
        return loss

    def weight(self, video: Tensor, seen: Tensor) -> Tensor:
        """How much each pixel counts, [B,1,F,H,W]: video [B,3,F,H,W], seen [B,1,F,H,W] 0 or 1."""
        change = nn_f.pad(video.diff(dim=2).abs().mean(1, keepdim=True), (0, 0, 0, 0, 1, 0))
        weight = 1 + self.things * seen + self.motion * (4 * change).clamp(max=1)
        return weight / weight.mean()

    def crops(self, draws: Draws) -> tuple[Tensor, Tensor, bool]:
        """Crops [B,3,F,size,size] of clips of one kind, cells with things as pixels [B,1,F,size,size], and whether they
        are mid-stream."""
        size = self.crop
        ready = [s for s in self.stores if s.count >= 2 and min(s.kind.height, s.kind.width) >= size]
        if not ready:
            raise InputError(f"there are no clips of at least {size}x{size} pixels to crop from")
        store = draws.one_of(ready, [s.count for s in ready])
        length, mid_stream = store.video.shape[1], draws.chance(0.5)
        frames = (min(FRAMES, length) - 1) // 4 * 4 + (not mid_stream)
        first = draws.below(length - frames + 1)
        chosen = draws.integers(store.count, self.clips)
        video, cells = store.clips(chosen, first, frames), seen_cells(store, chosen, first, frames)
        sides = (store.kind.height, store.kind.width)
        if draws.chance(self.whole):
            ratio = size / min(sides)
            sides = (max(size, round(sides[0] * ratio / 8) * 8), max(size, round(sides[1] * ratio / 8) * 8))
            video = fitted(video, *sides)
        y, x = self._corners(cells, sides, draws)
        seen = nn_f.interpolate(cells, sides, mode="nearest")[:, None]
        video, other = cropped(video, y, x, size), round(self.unlike * self.clips)
        video = torch.cat([altered(video[:other], draws), video[other:]]) if other else video
        return video, cropped(seen, y, x, size), mid_stream

    def _corners(self, cells: Tensor, sides: tuple[int, int], draws: Draws) -> tuple[Tensor, Tensor]:
        """The upper left corner [B] of each crop: about a cell in which a thing is seen, if there is one."""
        n, _, h, w = cells.shape
        likely = (cells.mean(1) + 1e-3).flatten(1)
        cell = torch.multinomial(likely, 1, generator=draws.tensors)[:, 0]
        corners = []
        for place, count, side in ((cell // w, h, sides[0]), (cell % w, w, sides[1])):
            middle = (place + draws.uniform(n)) / count * side + (draws.uniform(n) - 0.5) * self.crop * 0.75
            corners.append((middle - self.crop / 2).long().clamp(0, side - self.crop))
        return corners[0], corners[1]


def seen_cells(store: ClipStore, chosen: Tensor, first: int, frames: int) -> Tensor:
    """Cells with things [B,F,h,w] of the frames from `first` on."""
    turn_before = store.video.shape[1] - (1 + 4 * (store.latent_frames - 1)) if store.kind.family == "loop" else 0
    index = (torch.arange(first, first + frames, device=store.device) - turn_before + 3) // 4
    return store.things[chosen][:, index.clamp(0, store.latent_frames - 1)].float()


def cropped(video: Tensor, y: Tensor, x: Tensor, size: int) -> Tensor:
    """[B,C,F,H,W] -> [B,C,F,size,size], each clip from its own corner."""
    side = torch.arange(size, device=video.device)
    clip = torch.arange(len(video), device=video.device)[:, None, None]
    return video.movedim((3, 4), (1, 2))[clip, (y[:, None] + side)[:, :, None], (x[:, None] + side)[:, None]].movedim(
        (1, 2), (3, 4)
    )


def charbonnier(error: Tensor, eps: float) -> Tensor:
    """sqrt(e^2 + eps^2) - eps."""
    return (error.square() + eps * eps).sqrt() - eps


@torch.no_grad()
def measure_latents(codec: BundledCodec, latents: Sequence[Tensor]) -> None:
    """Set the codec's mean and deviation per channel from raw latents [B,C,T,h,w]."""
    flat = torch.cat([latent.movedim(1, 0).flatten(1) for latent in latents], 1)
    codec.latent_mean.copy_(flat.mean(1))
    codec.latent_std.copy_(flat.std(1).clamp(min=LEAST_STD))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Decibels between videos in -1..1, per clip [B]."""
    error = (a.clamp(-1, 1) - b.clamp(-1, 1)).square().flatten(1).mean(1)
    return 10 * torch.log10(4 / error.clamp(min=1e-10))
