"""The bundled causal codec: 4 frames x 8 x 8 pixels per latent frame, small enough for a CPU.

Choices: time is compressed at the door. Four frames of 4x4 pixel patches are one token of the quarter grid (the first
frame of a clip fills its group alone, repeated), so every layer runs at latent frame rate. Residual blocks pair a
spatial 3x3 and a causal temporal 3 convolution (after R(2+1)D, arXiv 1711.11248); RMS norm over channels keeps each
position independent, which is what makes streaming exact. Space is halved once by space-to-depth. The bottleneck is
Gaussian with a small KL weight.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width; activations are [B,C,T,H,W].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..layers import kernels
from ..layers.causal import CausalConv3d, StreamCache
from . import banded
from .base import CausalCodec
from .tiling import Need

__all__ = ["BundledCodec", "CodecConfig"]

PATCH = 4
TIME = 4
WORK = 9
"""feature maps of the quarter grid that are in memory at once at most, with the frames before those of a convolution"""
IN_BANDS = 2
"""the same, where rows go in bands and a block overwrites its input"""


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Sizes of the bundled codec."""

    channels: int = 16
    """latent channels"""
    widths: tuple[int, int] = (96, 192)
    """features on the quarter grid and on the eighth grid"""
    encoder_blocks: tuple[int, int] = (2, 2)
    """residual blocks on the quarter and the eighth grid"""
    decoder_blocks: tuple[int, int] = (4, 4)
    """residual blocks on the quarter and the eighth grid"""

    def __post_init__(self) -> None:
        if min(self.channels, *self.widths) < 1:
            raise InputError("codec channels and widths must be at least 1")


class ChannelNorm(nn.Module):
    """RMS norm over channels at each position, x [B,C,T,H,W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.movedim(1, -1), (x.shape[1],), self.weight.to(x.dtype), 1e-6).movedim(-1, 1)


class ResidualBlock(nn.Module):
    """x + time(space(x)): spatial 3x3, then causal temporal 3."""

    def __init__(self, width: int, ops: Any) -> None:
        super().__init__()
        self.norm_space, self.norm_time = ChannelNorm(width), ChannelNorm(width)
        self.space = CausalConv3d(width, width, (1, 3, 3), ops=ops)
        self.time = CausalConv3d(width, width, (3, 1, 1), ops=ops)

    def forward(self, x: Tensor, cache: StreamCache | None = None) -> Tensor:
        h = self.space(F.silu(self.norm_space(x)))
        return x + self.time(F.silu(self.norm_time(h)), cache)


class Encoder(nn.Module):
    """Grouped frames [B,3,4T,H,W] -> moments [B,2C,T,H/8,W/8]."""

    def __init__(self, config: CodecConfig, ops: Any) -> None:
        super().__init__()
        fine, coarse = config.widths
        self.patch = ops.Conv3d(3 * TIME * PATCH * PATCH, fine, 1)
        self.fine = nn.ModuleList(ResidualBlock(fine, ops) for _ in range(config.encoder_blocks[0]))
        self.down = ops.Conv3d(4 * fine, coarse, 1)
        self.coarse = nn.ModuleList(ResidualBlock(coarse, ops) for _ in range(config.encoder_blocks[1]))
        self.norm = ChannelNorm(coarse)
        self.moments = ops.Conv3d(coarse, 2 * config.channels, 1)

    def forward(self, x: Tensor, cache: StreamCache | None = None) -> Tensor:
        x = self.patch(rearrange(x, "b c (t p) (h q) (w r) -> b (p q r c) t h w", p=TIME, q=PATCH, r=PATCH))
        for block in self.fine:
            x = block(x, cache)
        x = self.down(rearrange(x, "b c t (h q) (w r) -> b (q r c) t h w", q=2, r=2))
        for block in self.coarse:
            x = block(x, cache)
        return self.moments(F.silu(self.norm(x)))


class Decoder(nn.Module):
    """Raw latents [B,C,T,h,w] -> frames [B,3,4T,8h,8w]."""

    def __init__(self, config: CodecConfig, ops: Any) -> None:
        super().__init__()
        fine, coarse = config.widths
        self.start = ops.Conv3d(config.channels, coarse, 1)
        self.coarse = nn.ModuleList(ResidualBlock(coarse, ops) for _ in range(config.decoder_blocks[1]))
        self.up = ops.Conv3d(coarse, 4 * fine, 1)
        self.fine = nn.ModuleList(ResidualBlock(fine, ops) for _ in range(config.decoder_blocks[0]))
        self.norm = ChannelNorm(fine)
        self.pixels = CausalConv3d(fine, 3 * TIME * PATCH * PATCH, (1, 3, 3), ops=ops)

    def forward(self, x: Tensor, cache: StreamCache | None = None) -> Tensor:
        x = self.start(x)
        for block in self.coarse:
            x = block(x, cache)
        x = rearrange(self.up(x), "b (q r c) t h w -> b c t (h q) (w r)", q=2, r=2)
        for block in self.fine:
            x = block(x, cache)
        x = self.pixels(F.silu(self.norm(x)))
        return rearrange(x, "b (p q r c) t h w -> b c (t p) (h q) (w r)", p=TIME, q=PATCH, r=PATCH)


class BundledCodec(CausalCodec):
    """The codec of the bundled weights; see the module's docstring."""

    takes_spans = True

    def __init__(self, config: CodecConfig, *, ops: Any = nn) -> None:
        super().__init__()
        self.config = config
        self.reach = 2 * sum(config.decoder_blocks)
        self.geometry = Geometry(time_factor=TIME, space_factor=2 * PATCH, channels=config.channels)
        self.run_up = 2 * sum(config.decoder_blocks)
        self.encoder = Encoder(config, ops)
        self.decoder = Decoder(config, ops)
        self.register_buffer("latent_mean", torch.zeros(config.channels))
        self.register_buffer("latent_std", torch.ones(config.channels))

    @staticmethod
    def group(video: Tensor, first: bool) -> Tensor:
        """Whole groups of four: the first frame of a clip is repeated to fill a group of its own."""
        if not first:
            return video
        return torch.cat([video[:, :, :1].expand(-1, -1, TIME - 1, -1, -1), video], 2)

    def moments(self, video: Tensor, *, mid_stream: bool = False) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the raw latent, each [B,C,T,h,w]; what training needs."""
        mean, logvar = self.encoder(self.group(video, not mid_stream)).chunk(2, 1)
        return mean, logvar.clamp(-20, 4)

    def encode_tile(self, video: Tensor, cache: StreamCache, first: bool) -> Tensor:
        grouped = self.group(video, first)
        if kernels.of(video).in_bands and banded.is_plain(self.encoder, grouped):
            return banded.encode(self.encoder, grouped, cache, TIME, PATCH).chunk(2, 1)[0]
        return self.encoder(grouped, cache).chunk(2, 1)[0]

    def decode_tile(self, features: Tensor, cache: StreamCache, first: bool) -> Tensor:
        if kernels.of(features).in_bands and banded.is_plain(self.decoder, features):
            frames = banded.decode(self.decoder, features, cache, TIME, PATCH)
        else:
            frames = self.decoder(features, cache)
        return frames[:, :, TIME - 1 :] if first else frames

    def need(self, *, encode: bool) -> Need:
        fine, coarse = (width * places for width, places in zip(self.config.widths, (4, 1), strict=True))
        blocks = self.config.encoder_blocks if encode else self.config.decoder_blocks
        kept = 2 * (blocks[0] * fine + blocks[1] * coarse)
        pixels = 3 * TIME * (2 * PATCH) ** 2
        work = IN_BANDS if kernels.for_device(self.latent_mean.device).in_bands else WORK
        return Need(
            kept=4 * kept, work=4 * work * fine, whole=4 * self.config.channels, handed=4 * self.config.channels,
            frame=4 * 2 * pixels, work_grows=True,
        )  # fmt: skip
