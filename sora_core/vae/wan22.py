"""The Wan 2.2 codec (TI2V-5B): 4 frames x 16 x 16 pixels per latent frame, 48 channels.

Choices (those of the published weights): the layers of Wan 2.1 on patches of 2x2 pixels, with a wider decoder, and a
shortcut without weights around every halving (averages of cells) and doubling (copies of cells).

Legend: B batch, C channels, F pixel frames, T frames of a layer, H W height and width; activations are [B,C,T,H,W].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from ..grid import Geometry
from ..layers.causal import StreamCache, causal_conv
from .wan21 import (
    Layers,
    Resample,
    ResidualBlock,
    Wan21Codec,
    Wan21Config,
    by_frame,
    final,
    middle,
    norm_conv,
    norm_conv_out,
    run,
)

__all__ = ["Wan22Codec", "Wan22Config"]

MEAN = (
    *(-0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557),
    *(-0.1382, 0.0542, 0.2813, 0.0891, 0.1570, -0.0098, 0.0375, -0.1825),
    *(-0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502),
    *(-0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230),
    *(-0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748),
    *(0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667),
)
STD = (
    *(0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013),
    *(0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454, 0.4978),
    *(0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659),
    *(0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093),
    *(0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887),
    *(0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744),
)
"""of every latent channel, as published"""
PATCH = 2


@dataclass(frozen=True, kw_only=True)
class Wan22Config(Wan21Config):
    """Sizes of the codec; the defaults are the published ones."""

    width: int = 160
    """features of the encoder on the grid of patches"""
    decoder_width: int = 256
    """the same of the decoder"""
    channels: int = 48
    """latent channels"""
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    @property
    def geometry(self) -> Geometry:
        plain = super().geometry
        return Geometry(time_factor=plain.time_factor, space_factor=PATCH * plain.space_factor, channels=self.channels)


def averages(x: Tensor, out: int, time: int, space: int) -> Tensor:
    """Halve the grid without weights: cells become channels, groups of channels are averaged. A lone first frame
    counts half."""
    x = F.pad(x, (0, 0, 0, 0, -x.shape[2] % time, 0))
    x = rearrange(x, "b c (t p) (h q) (w r) -> b (c p q r) t h w", p=time, q=space, r=space)
    return x if x.shape[1] == out else rearrange(x, "b (c g) t h w -> b c g t h w", c=out).mean(2)


def copies(x: Tensor, out: int, time: int, space: int, first: bool) -> Tensor:
    """Double the grid without weights: repeated channels become cells; the first frame of a clip stays one frame."""
    new = out * time * space * space // x.shape[1]  # cells that show one channel: over width first, then height, time
    k = min(new, space)
    j = min(new // k, space)
    i = new // k // j
    shape = "b (c p q r) t h w -> b c (t p i) (h q j) (w r k)"
    x = repeat(x, shape, p=time // i, q=space // j, r=space // k, i=i, j=j, k=k)
    return x[:, :, time - 1 :] if first else x


class Down(nn.Module):
    """Residual blocks, then a halving, with a shortcut around all of it."""

    def __init__(self, channels: int, out: int, config: Wan22Config, ops: Any, *, halve: bool, time: bool) -> None:
        super().__init__()
        self.out, self.time, self.space = out, 1 + time, 1 + halve
        layers: list[nn.Module] = [ResidualBlock(channels if j == 0 else out, out, ops) for j in range(config.blocks)]
        self.downsamples = nn.ModuleList([*layers, Resample(out, out, ops, up=False, time=time)] if halve else layers)

    def forward(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        return run(self.downsamples, x, cache, first).add_(averages(x, self.out, self.time, self.space))


class Up(nn.Module):
    """Residual blocks, then a doubling, with a shortcut around all of it (the last has neither)."""

    def __init__(self, channels: int, out: int, config: Wan22Config, ops: Any, *, double: bool, time: bool) -> None:
        super().__init__()
        self.out, self.time, self.doubles = out, 1 + time, double
        layers: list[nn.Module] = [
            ResidualBlock(channels if j == 0 else out, out, ops) for j in range(config.blocks + 1)
        ]
        self.upsamples = nn.ModuleList([*layers, Resample(out, out, ops, up=True, time=time)] if double else layers)

    def forward(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        if not self.doubles:
            return run(self.upsamples, x, cache, first)
        return self.doubled(run(self.upsamples[:-1], x, cache, first), x, cache, first)

    def doubled(self, h: Tensor, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """What the residual blocks made of x, doubled, with the shortcut."""
        return self.upsamples[-1](h, cache, first).add_(copies(x, self.out, self.time, 2, first))


class Encoder(nn.Module):
    """Pixels [B,3,F,H,W] -> moments [B,2C,T,H/16,W/16] (before `conv1`): `tile`, then `whole`, on the latent's
    grid."""

    def __init__(self, config: Wan22Config, ops: Any) -> None:
        super().__init__()
        widths = [config.width * g for g in (1, *config.growth)]
        times = (*config.time_strides, False)
        self.conv1 = ops.Conv3d(3 * PATCH**2, widths[0], 3, padding=(0, 1, 1))
        self.downsamples = nn.ModuleList(
            Down(widths[i], widths[i + 1], config, ops, halve=i < len(times) - 1, time=times[i])
            for i in range(len(times))
        )
        self.fine = min([i for i, time in enumerate(times) if time], default=len(times) - 1)
        self.on_latent = config.blocks
        self.middle = middle(widths[-1], ops)
        self.head = final(widths[-1], 2 * config.channels, ops)

    def parts(self) -> tuple[Layers, Layers, Layers]:
        """The layers frame by frame, those until the latent's grid, and the one on it."""
        layers = list(self.downsamples)
        return layers[: self.fine], layers[self.fine : -1], layers[-1:]

    def tile(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        x = rearrange(x, "b c f (h q) (w r) -> b (c r q) f h w", q=PATCH, r=PATCH)
        fine, coarse, _ = self.parts()
        x = by_frame(lambda frame, begins: run(fine, causal_conv(self.conv1, frame, cache), cache, begins), x, first)
        return run(coarse, x, cache, first)

    def whole(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        x = run(self.middle, run(self.parts()[2], x, cache, first), cache, first)
        return norm_conv(self.head["0"], self.head["2"], x, cache)


class Decoder(nn.Module):
    """Raw latents [B,C,T,h,w] (after `conv2`) -> pixels [B,3,F,16h,16w]: `whole`, on the latent's grid, then `tile`.

    The first `Up` is divided: its blocks run on whole pictures, and hand on what they made beside what they were given.
    """

    def __init__(self, config: Wan22Config, ops: Any) -> None:
        super().__init__()
        widths = [config.decoder_width * g for g in (config.growth[-1], *config.growth[::-1])]
        times = (*config.time_strides[::-1], False)
        self.conv1 = ops.Conv3d(config.channels, widths[0], 3, padding=(0, 1, 1))
        self.middle = middle(widths[0], ops)
        self.upsamples = nn.ModuleList(
            Up(widths[i], widths[i + 1], config, ops, double=i < len(times) - 1, time=times[i])
            for i in range(len(times))
        )
        self.coarse = max([i + 1 for i, time in enumerate(times) if time], default=1)
        self.on_latent = config.blocks + 1
        self.head = final(widths[-1], 3 * PATCH**2, ops)

    def parts(self) -> tuple[Layers, Layers, Layers]:
        """The layers on the latent's grid, those until the last change of the frame rate, and those frame by frame."""
        begun: Any = self.upsamples[0]
        *blocks, doubling = begun.upsamples
        return blocks, [doubling, *self.upsamples[1 : self.coarse]], list(self.upsamples[self.coarse :])

    def whole(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        x = run(self.middle, causal_conv(self.conv1, x, cache), cache, first)
        return torch.cat([run(self.parts()[0], x, cache, first), x], 1)

    def tile(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        (_, (_, *coarse), fine), last = self.parts(), self.head
        begun: Any = self.upsamples[0]
        x = run(coarse, begun.doubled(*x.chunk(2, 1), cache, first), cache, first)
        x = by_frame(
            lambda frame, begins: norm_conv_out(last["0"], last["2"], run(fine, frame, cache, begins), cache), x, first
        )
        return rearrange(x, "b (c r q) f h w -> b c f (h q) (w r)", q=PATCH, r=PATCH)


class Wan22Codec(Wan21Codec):
    """The codec of Wan 2.2 TI2V-5B; see the module's docstring."""

    halves = (Encoder, Decoder)
