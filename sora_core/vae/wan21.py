"""The Wan 2.1 codec: 4 frames x 8 x 8 pixels per latent frame, 16 channels.

Choices (those of the published weights): residual blocks of two causal 3x3x3 convolutions with RMS norm over channels;
space is halved three times and time twice, by strided convolutions; the first frame of a clip goes past every
convolution that changes the frame rate, so it fills a latent frame alone; one attention over the picture in the middle.
Parameter names are those of the original files. Activations are kept channels-last, where norm and convolution both run
at full speed.

Legend: B batch, C channels, F pixel frames, T frames of a layer, H W height and width; activations are [B,C,T,H,W].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any, ClassVar

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..layers import kernels
from ..layers.causal import StreamCache, causal_conv
from . import banded
from .base import CausalCodec
from .tiling import Need
from .wan_need import numbers, run_up

__all__ = [
    "Attention2d", "Layers", "RMSNorm", "Resample", "ResidualBlock", "Wan21Codec", "Wan21Config", "by_frame", "final",
    "middle", "norm_conv",
    "norm_conv_out", "run",
]  # fmt: skip

MEAN = (
    *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
    *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
)
STD = (
    *(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743),
    *(3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
)
"""of every latent channel, as published"""
Part = Callable[[Tensor, StreamCache, bool], Tensor]
Layers = list[nn.Module]


@dataclass(frozen=True, kw_only=True)
class Wan21Config:
    """Sizes of the codec; the defaults are the published ones."""

    width: int = 96
    """features on the pixel grid"""
    growth: tuple[int, ...] = (1, 2, 4, 4)
    """times `width`, per halving of the grid"""
    blocks: int = 2
    """residual blocks per grid in the encoder (the decoder has one more)"""
    channels: int = 16
    """latent channels"""
    time_strides: tuple[bool, ...] = (False, True, True)
    """which halvings of the picture halve the frame rate too"""
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD

    def __post_init__(self) -> None:
        if len(self.growth) != len(self.time_strides) + 1:
            raise InputError("a codec needs one entry of growth more than of time_strides")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise InputError(
                f"a codec of {self.channels} channels needs as many means and deviations, not {len(self.mean)}"
            )

    @property
    def geometry(self) -> Geometry:
        return Geometry(
            time_factor=2 ** sum(self.time_strides), space_factor=2 ** len(self.time_strides), channels=self.channels
        )


class RMSNorm(nn.Module):
    """RMS norm over the channels of x [B,C,...]; `axes` trailing axes, as the files have it."""

    def __init__(self, channels: int, axes: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * axes))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * (math.sqrt(x.shape[1]) * self.gamma).to(x.dtype)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))))))."""

    def __init__(self, channels: int, out: int, ops: Any) -> None:
        super().__init__()
        conv = {"kernel_size": 3, "padding": (0, 1, 1)}
        self.residual = nn.ModuleDict(
            {
                "0": RMSNorm(channels, 3),
                "2": ops.Conv3d(channels, out, **conv),
                "3": RMSNorm(out, 3),
                "6": ops.Conv3d(out, out, **conv),
            }
        )
        self.shortcut = ops.Conv3d(channels, out, 1) if channels != out else None

    def forward(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        layers = self.residual
        h = norm_conv(layers["3"], layers["6"], norm_conv(layers["0"], layers["2"], x, cache), cache)
        return h.add_(x if self.shortcut is None else self.shortcut(x))


class Attention2d(nn.Module):
    """One head over the picture of each frame."""

    def __init__(self, channels: int, ops: Any) -> None:
        super().__init__()
        self.norm = RMSNorm(channels, 2)
        self.to_qkv = ops.Conv2d(channels, 3 * channels, 1)
        self.proj = ops.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        frames = pictures(x)
        qkv = self.to_qkv(self.norm(frames)).flatten(2).transpose(1, 2)
        q, k, v = qkv.contiguous().unsqueeze(1).chunk(3, -1)  # else torch forms the whole matrix
        h = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2).view(frames.shape)
        return x + clip(self.proj(h), x.shape[2])


class Resample(nn.Module):
    """Halve or double the picture, and the frame rate too where `time` says so.

    The first frame of a clip passes by the convolution over time; halving remembers it, doubling does not.
    """

    def __init__(self, channels: int, out: int, ops: Any, *, up: bool, time: bool) -> None:
        super().__init__()
        self.up = up
        self.resample = nn.ModuleDict(
            {"1": ops.Conv2d(channels, out, 3, stride=1 if up else 2, padding=1 if up else 0)}
        )
        self.time_conv = None
        if time:
            self.time_conv = ops.Conv3d(
                channels, 2 * channels if up else channels, (3, 1, 1), stride=(1 if up else 2, 1, 1)
            )

    def forward(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        if self.up:
            x = self.double_time(x, cache, first)
            return clip(doubled(self.resample["1"], pictures(x)), x.shape[2])
        x = clip(self.resample["1"](F.pad(pictures(x), (0, 1, 0, 1))), x.shape[2])
        return self.halve_time(x, cache, first)

    def halve_time(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        if self.time_conv is None:
            return x
        head, rest = x[:, :, :first], x[:, :, first:]
        if first:
            cache.remember(self.time_conv, head)
        return torch.cat([head, causal_conv(self.time_conv, rest, cache)], 2) if rest.shape[2] else head

    def double_time(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        if self.time_conv is None:
            return x
        head, rest = x[:, :, :first], x[:, :, first:]
        if not rest.shape[2]:
            return head
        rest = rearrange(causal_conv(self.time_conv, rest, cache), "b (p c) t h w -> b c (t p) h w", p=2)
        return torch.cat([head, rest], 2)


def norm_conv(norm: Any, conv: Any, x: Tensor, cache: StreamCache) -> Tensor:
    """conv(silu(norm(x))), causal; the norm is written where the convolution reads it, if the device can."""
    fast = kernels.of(x)
    if not fast.writes_norms:
        return causal_conv(conv, F.silu(norm(x)), cache)
    plain = type(conv) is nn.Conv3d
    lone = plain and x.shape[2] == 1 and cache.is_new(conv)
    if plain and fast.in_bands and not lone:
        kept = cache.buffer(conv, x, conv.kernel_size[0] - 1).movedim(1, -1)
        return banded.norm_conv(partial(normed, norm), conv, x.movedim(1, -1), kept).movedim(-1, 1)
    history = 0 if lone else conv.kernel_size[0] - 1
    padded = cache.scratch(conv, x, history)
    fast.norm_silu(x, norm.gamma.flatten(), padded[:, :, history:])
    del x  # it may be the last who holds it, and the convolution needs room
    if lone:  # only silence before it: one slice of the kernel sees anything
        out = clip(F.conv2d(pictures(padded), conv.weight[:, :, -1], conv.bias, padding=conv.padding[1:]), 1)
    else:
        out = fast.convolved(conv, padded)
    cache.remember(conv, padded[:, :, -history:])  # behind the convolution, whose room is then free again
    return out


def normed(norm: Any, x_THWC: Tensor) -> Tensor:
    """silu of the norm, as new memory."""
    out = torch.empty_like(x_THWC, memory_format=torch.contiguous_format)
    given, made = (x.movedim(-1, 0)[None] for x in (x_THWC, out))
    kernels.of(x_THWC).norm_silu(given, norm.gamma.flatten(), made)
    return out


def norm_conv_out(norm: Any, conv: Any, x: Tensor, cache: StreamCache) -> Tensor:
    """`norm_conv` to few channels; of a lone frame what it adds to the next two is remembered instead of the frame."""
    fast = kernels.of(x)
    if not (fast.writes_norms and fast.by_frame and type(conv) is nn.Conv3d and x.shape[2] == 1):
        return norm_conv(norm, conv, x, cache)
    frame, taps = torch.empty_like(x), conv.kernel_size[0]
    fast.norm_silu(x, norm.gamma.flatten(), frame)
    kernel = torch.cat(conv.weight.flip(2).unbind(2))  # the tap of now first
    shares = F.conv2d(pictures(frame), kernel, padding=conv.padding[1:]).float().unflatten(1, (taps, -1))
    before = cache.recall(conv)
    if before is not None:
        shares[:, : taps - 1] += before
    cache.remember(conv, shares[:, 1:])
    now = shares[:, 0]
    return clip((now if conv.bias is None else now + conv.bias.float().view(-1, 1, 1)).to(x.dtype), 1)


def doubled(conv: Any, frames: Tensor) -> Tensor:
    """A 3x3 convolution of pictures [n,C,H,W] twice as large (every pixel four times): [n,C',2H,2W].

    Each of the four pixels sees 2x2 different ones, so four 2x2 kernels can run on the small picture: 4/9 of the
    products.
    """
    if not kernels.of(frames).writes_norms or type(conv) is not nn.Conv2d:
        return conv(F.interpolate(frames, scale_factor=2.0, mode="nearest-exact"))
    cells = list(product(range(2), repeat=2))  # x and y of a pixel within its four
    kernel = frames.new_empty(4, conv.out_channels, 2, 2, conv.in_channels)
    for i, (x, y) in enumerate(cells):
        rows = of_two(conv.weight.float(), 2, late=y == 1)
        kernel[i] = of_two(rows, 3, late=x == 1).movedim(1, -1)
    kernel, bias = kernel.flatten(0, 1).movedim(-1, 1), None if conv.bias is None else conv.bias.repeat(4)
    n, _, h, w = frames.shape
    out = frames.new_empty(n, 2 * h, 2 * w, conv.out_channels).movedim(-1, 1)
    for frame, place in zip(frames.split(1), out.split(1), strict=True):  # what lies between is as large as the result
        made = F.conv2d(F.pad(frame, (1, 1, 1, 1)), kernel, bias)
        for (x, y), cell in zip(cells, made.chunk(4, 1), strict=True):
            place[:, :, y::2, x::2] = cell[:, :, y : y + h, x : x + w]
    return out


def of_two(kernel: Tensor, axis: int, *, late: bool) -> Tensor:
    """What the three taps of an axis are on a picture half as large, where two of them fall on one pixel."""
    a, b, c = kernel.unbind(axis)
    return torch.stack([a + b, c] if late else [a, b + c], axis)


def by_frame(layer: Callable[[Tensor, bool], Tensor], x: Tensor, first: bool) -> Tensor:
    """A part of the codec that keeps the frame rate, frame by frame where memory counts: the finest grids need most."""
    if not kernels.of(x).by_frame:
        return layer(x, first)
    return torch.cat([layer(frame, first and i == 0) for i, frame in enumerate(x.split(1, 2))], 2)


def pictures(x: Tensor) -> Tensor:
    """[B,C,T,H,W] -> [B*T,C,H,W]; a view of channels-last memory."""
    return x.transpose(1, 2).flatten(0, 1)


def clip(frames: Tensor, time: int) -> Tensor:
    """[B*T,C,H,W] -> [B,C,T,H,W]."""
    return frames.unflatten(0, (-1, time)).transpose(1, 2)


def middle(channels: int, ops: Any) -> nn.ModuleList:
    """What lies between the two halves of encoder and decoder."""
    return nn.ModuleList(
        [ResidualBlock(channels, channels, ops), Attention2d(channels, ops), ResidualBlock(channels, channels, ops)]
    )


def final(channels: int, out: int, ops: Any) -> nn.ModuleDict:
    """The last norm and convolution."""
    return nn.ModuleDict({"0": RMSNorm(channels, 3), "2": ops.Conv3d(channels, out, 3, padding=(0, 1, 1))})


def changes_rate(layer: Any) -> bool:
    return isinstance(layer, Resample) and layer.time_conv is not None


def run(layers: Any, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
    for layer in layers:
        x = layer(x, cache, first)
    return x


class Encoder(nn.Module):
    """Pixels [B,3,F,H,W] -> moments [B,2C,T,H/8,W/8] (before `conv1`): `tile`, then `whole`, on the latent's grid."""

    def __init__(self, config: Wan21Config, ops: Any) -> None:
        super().__init__()
        widths = [config.width * g for g in (1, *config.growth)]
        self.conv1 = ops.Conv3d(3, widths[0], 3, padding=(0, 1, 1))
        layers: list[nn.Module] = []
        for i, (width, out) in enumerate(pairwise(widths)):
            layers += [ResidualBlock(width if j == 0 else out, out, ops) for j in range(config.blocks)]
            if i < len(config.time_strides):
                layers.append(Resample(out, out, ops, up=False, time=config.time_strides[i]))
        self.downsamples = nn.ModuleList(layers)
        self.on_latent = config.blocks
        self.last = len(layers) - config.blocks
        self.fine = min([i for i, layer in enumerate(layers) if changes_rate(layer)], default=self.last)
        self.middle = middle(widths[-1], ops)
        self.head = final(widths[-1], 2 * config.channels, ops)

    def parts(self) -> tuple[Layers, Layers, Layers]:
        """The layers frame by frame, those until the latent's grid, and those on it."""
        layers = list(self.downsamples)
        return layers[: self.fine], layers[self.fine : self.last], layers[self.last :]

    def tile(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        fine, coarse, _ = self.parts()
        x = by_frame(lambda frame, begins: run(fine, causal_conv(self.conv1, frame, cache), cache, begins), x, first)
        return run(coarse, x, cache, first)

    def whole(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        x = run(self.middle, run(self.parts()[2], x, cache, first), cache, first)
        return norm_conv(self.head["0"], self.head["2"], x, cache)


class Decoder(nn.Module):
    """Raw latents [B,C,T,h,w] (after `conv2`) -> pixels [B,3,F,8h,8w]: `whole`, on the latent's grid, then `tile`."""

    def __init__(self, config: Wan21Config, ops: Any) -> None:
        super().__init__()
        widths = [config.width * g for g in (config.growth[-1], *config.growth[::-1])]
        self.conv1 = ops.Conv3d(config.channels, widths[0], 3, padding=(0, 1, 1))
        self.middle = middle(widths[0], ops)
        layers: list[nn.Module] = []
        for i, (width, out) in enumerate(pairwise(widths)):
            width = width if i == 0 else width // 2
            layers += [ResidualBlock(width if j == 0 else out, out, ops) for j in range(config.blocks + 1)]
            if i < len(config.time_strides):
                layers.append(Resample(out, out // 2, ops, up=True, time=config.time_strides[::-1][i]))
        self.upsamples = nn.ModuleList(layers)
        self.on_latent = config.blocks + 1
        self.coarse = max([i + 1 for i, layer in enumerate(layers) if changes_rate(layer)], default=self.on_latent)
        self.head = final(widths[-1], 3, ops)

    def parts(self) -> tuple[Layers, Layers, Layers]:
        """The layers on the latent's grid, those until the last change of the frame rate, and those frame by frame."""
        layers = list(self.upsamples)
        return layers[: self.on_latent], layers[self.on_latent : self.coarse], layers[self.coarse :]

    def whole(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        x = run(self.middle, causal_conv(self.conv1, x, cache), cache, first)
        return run(self.parts()[0], x, cache, first)

    def tile(self, x: Tensor, cache: StreamCache, first: bool) -> Tensor:
        (_, coarse, fine), last = self.parts(), self.head
        x = run(coarse, x, cache, first)
        return by_frame(
            lambda frame, begins: norm_conv_out(last["0"], last["2"], run(fine, frame, cache, begins), cache), x, first
        )


class Wan21Codec(CausalCodec):
    """The codec of Wan 2.1 and of Wan 2.2 A14B; see the module's docstring."""

    halves: ClassVar[tuple[Any, Any]] = (Encoder, Decoder)

    def __init__(self, config: Wan21Config, *, ops: Any = nn) -> None:
        super().__init__()
        self.config = config
        self.geometry = config.geometry
        encoder, decoder = self.halves
        self.encoder = encoder(config, ops)
        self.conv1 = ops.Conv3d(2 * config.channels, 2 * config.channels, 1)
        self.conv2 = ops.Conv3d(config.channels, config.channels, 1)
        self.decoder = decoder(config, ops)
        self.run_up = run_up(self.decoder)
        self.register_buffer("latent_mean", torch.tensor(config.mean, device="cpu"), persistent=False)
        self.register_buffer("latent_std", torch.tensor(config.std, device="cpu"), persistent=False)

    def prepacked(self) -> Wan21Codec:
        """Itself with weights in channels-last memory, as activations are: else a CPU reorders them at every call."""
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d | nn.Conv3d):
                form = torch.channels_last if conv.weight.ndim == 4 else torch.channels_last_3d
                conv.weight.data = conv.weight.data.contiguous(memory_format=form)
        return self

    def encode_tile(self, video: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """One latent frame at a time: memory does not grow with the clip."""
        head, rest = video[:, :, :first], video[:, :, first:]
        pieces = [head] * first + list(rest.split(self.geometry.time_factor, 2)) * bool(rest.shape[2])
        return self._by_piece(self.encoder.tile, pieces, cache, first)

    def encode_whole(self, features: Tensor, cache: StreamCache, first: bool) -> Tensor:
        moments = self._by_piece(self.encoder.whole, features.split(1, 2), cache, first)
        return self.conv1(moments).chunk(2, 1)[0].float()

    def decode_whole(self, latent: Tensor, cache: StreamCache, first: bool) -> Tensor:
        raw = self.conv2(latent.to(self.conv2.weight.dtype))
        return self._by_piece(self.decoder.whole, raw.split(1, 2), cache, first)

    def decode_tile(self, features: Tensor, cache: StreamCache, first: bool) -> Tensor:
        return self._by_piece(self.decoder.tile, features.split(1, 2), cache, first).float()

    def need(self, *, encode: bool) -> Need:
        half, unit = self.encoder if encode else self.decoder, self.conv1.weight.element_size()
        fast = kernels.for_device(self.conv1.weight.device)
        kept, work = numbers(half, in_bands=fast.in_bands)
        channels = half.middle[0].residual["2"].in_channels
        pixels = 3 * self.geometry.time_factor * self.geometry.space_factor**2
        frames = 1 if fast.by_frame else self.geometry.time_factor
        kernel = max((weight.numel() for weight in half.parameters()), default=0)
        return Need(
            kept=unit * kept, work=unit * work * frames, whole=unit * (24 + 4 * half.on_latent) * channels,
            held=unit * (8 + 4 * half.on_latent) * channels, handed=2 * unit * channels, frame=4 * pixels,
            fixed=unit * kernel,
        )  # fmt: skip

    def _by_piece(self, part: Part, pieces: Sequence[Tensor], cache: StreamCache, first: bool) -> Tensor:
        """One part of the codec on one latent frame after the other."""
        dtype = self.conv1.weight.dtype
        out = [part(channels_last(p.to(dtype)), cache, first and i == 0) for i, p in enumerate(pieces)]
        return out[0] if len(out) == 1 else torch.cat(out, 2)


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last_3d)
