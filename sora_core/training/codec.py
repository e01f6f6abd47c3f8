"""Training of the codec: pixels in, the same pixels out, through a narrow latent.

Loss: squared and absolute error, and a small KL divergence to the unit Gaussian (VAE, arXiv 1312.6114) that keeps the
latent
smooth. Half of the clips begin mid-stream. At the end the latent's mean and deviation per channel are measured and
stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.clips import Shard
from ..vae import BundledCodec
from .loop import step_generator

__all__ = ["CodecLoss", "measure_latents", "psnr", "reconstruction"]

LEAST_STD = 0.25
"""a channel that carries little is not blown up"""


@dataclass(frozen=True, kw_only=True)
class CodecLoss:
    """The loss of one step, a pure function of the step."""

    codec: BundledCodec
    shards: Sequence[Shard]
    pixels: int = 16 * 17 * 64 * 64
    """pixels per batch: larger clips come fewer at a time"""
    kl: float = 3e-5
    """weight of the divergence, per latent value"""
    seed: int = 0
    """of everything random"""
    bfloat16: bool = True
    """compute in bfloat16; master weights stay float32"""

    def __call__(self, step: int) -> Tensor:
        generator = step_generator(self.seed, step)
        video, mid_stream = self.batch(generator)
        with torch.autocast(video.device.type, torch.bfloat16, enabled=self.bfloat16):
            mean, logvar = self.codec.moments(video, mid_stream=mid_stream)
            noise = torch.randn(mean.shape, generator=generator)
            frames = self.codec.decoder(mean + (0.5 * logvar).exp() * noise)
        error = (frames if mid_stream else frames[:, :, self.codec.geometry.time_factor - 1 :]).float() - video
        mean, logvar = mean.float(), logvar.float()
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return reconstruction(error) + self.kl * divergence

    def batch(self, generator: torch.Generator) -> tuple[Tensor, bool]:
        """Clips [n,3,F,H,W] in -1..1 of one shard, from a random frame on."""
        step = self.codec.geometry.time_factor
        shard = self.shards[int(torch.randint(len(self.shards), (), generator=generator))]
        video = shard.tensors["video"]
        mid_stream = bool(torch.randint(2, (), generator=generator))
        longest = (min(video.shape[1], 17) - (not mid_stream)) // step * step + (not mid_stream)
        start = int(torch.randint(video.shape[1] - longest + 1, (), generator=generator))
        n = max(1, round(self.pixels / (longest * video.shape[2] * video.shape[3])))
        chosen = torch.randint(len(video), (n,), generator=generator)
        clips = video[chosen, start : start + longest].permute(0, 4, 1, 2, 3)
        return clips.float() / 127.5 - 1, mid_stream


def reconstruction(error: Tensor) -> Tensor:
    """Squared and absolute error of frames in -1..1."""
    return error.square().mean() + 0.1 * error.abs().mean()


@torch.no_grad()
def measure_latents(codec: BundledCodec, videos: Sequence[Tensor]) -> None:
    """Set the codec's mean and deviation per channel from clips [B,3,F,H,W]."""
    codec.latent_mean.zero_()
    codec.latent_std.fill_(1)
    latents = torch.cat([codec.encode(video).movedim(1, 0).flatten(1) for video in videos], 1)
    codec.latent_mean.copy_(latents.mean(1))
    codec.latent_std.copy_(latents.std(1).clamp(min=LEAST_STD))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Decibels between videos in -1..1, per clip [B]."""
    error = (a.clamp(-1, 1) - b.clamp(-1, 1)).square().flatten(1).mean(1)
    return 10 * torch.log10(4 / error.clamp(min=1e-10))
