"""Codecs for inference on a processor: band by band of rows, in channels-last memory.

The features of a large picture do not fit a core's cache, and what is allocated anew at every layer the system hands
out page by page. So a norm and its convolution go through a picture a few rows at a time, a residual block of the
bundled codec changes its input in place, and only what later frames need is kept. The same numbers as the layers
themselves.

Legend: B batch, C channels, T latent frames, H W height and width; activations are [B,T,H,W,C].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..layers.causal import StreamCache

__all__ = ["bands", "decode", "encode", "is_plain", "norm_conv"]

BAND = 1 << 19
"""numbers of a band at most, about: two megabytes of float32"""
EPS = 1e-6
"""of the codec's norms"""


def is_plain(half: nn.Module, x: Tensor) -> bool:
    """Whether an encoder or decoder has torch's own layers, with weights of the type and place of x."""
    layers = [layer for layer in half.modules() if hasattr(layer, "kernel_size")]
    alike = all(layer.weight.dtype == x.dtype and layer.weight.device == x.device for layer in layers)
    return alike and all(type(layer) is nn.Conv3d for layer in layers)


def decode(decoder: Any, latent: Tensor, cache: StreamCache, time: int, patch: int) -> Tensor:
    """Frames [B,3,T*time,8h,8w] of raw latents [B,C,T,h,w]."""
    x = product(decoder.start, latent.movedim(1, -1))
    for block in decoder.coarse:
        residual(block, x, cache)
    x = doubled(decoder.up, x)
    for block in decoder.fine:
        residual(block, x, cache)
    b, t, h, w, _ = x.shape
    out = x.new_empty(b, 3, t, time, h, patch, w, patch)
    for one, made in zip(x, out, strict=True):
        for rows, y in convolved(one, decoder.norm, decoder.pixels.conv):
            cells = y.unflatten(-1, (time, patch, patch, 3))  # t h w p q r c
            made[:, :, :, rows] = cells.permute(6, 0, 3, 1, 4, 2, 5)
    return out.view(b, 3, t * time, h * patch, w * patch)


def encode(encoder: Any, video: Tensor, cache: StreamCache, time: int, patch: int) -> Tensor:
    """Moments [B,2C,T,h,w] of whole groups of frames [B,3,T*time,8h,8w]."""
    b, _, f, height, width = video.shape
    t, h, w = f // time, height // patch, width // patch
    cells = video.reshape(b, 3, t, time, h, patch, w, patch)
    x = video.new_empty(b, t, h, w, encoder.patch.out_channels)
    for rows in bands(h, t * w * encoder.patch.in_channels):
        part = cells[:, :, :, :, rows].permute(0, 2, 4, 6, 3, 5, 7, 1)
        x[:, :, rows] = product(encoder.patch, part.flatten(4))
    for block in encoder.fine:
        residual(block, x, cache)
    x = product(encoder.down, x.view(b, t, h // 2, 2, w // 2, 2, -1).permute(0, 1, 2, 4, 3, 5, 6).flatten(4))
    for block in encoder.coarse:
        residual(block, x, cache)
    return product(encoder.moments, normed(x, encoder.norm)).movedim(-1, 1)


def residual(block: Any, x: Tensor, cache: StreamCache) -> None:
    """x + time(silu(norm(space(silu(norm(x)))))), written over x."""
    conv = block.time.conv
    before, now, last = (conv.weight[:, :, i, 0, 0].t().contiguous() for i in (1, 2, 0))
    history = cache.buffer(block.time, x.movedim(-1, 1), block.time.history).movedim(1, -1)
    for one, kept in zip(x, history, strict=True):
        for rows, y in convolved(one, block.norm_space, block.space.conv):
            seen = torch.cat([kept[:, rows], normed(y, block.norm_time)])
            kept[:, rows] = seen[-2:]
            flat = seen.flatten(1, 2)
            step = torch.addmm(conv.bias, flat[2:].flatten(0, 1), now)
            step.addmm_(flat[1:-1].flatten(0, 1), before).addmm_(flat[:-2].flatten(0, 1), last)
            one[:, rows] += step.view(y.shape)


def convolved(x: Tensor, norm: Any, conv: Any) -> Iterator[tuple[slice, Tensor]]:
    """conv(silu(norm(x))) of x [T,H,W,C] with a kernel of 3x3, some rows at a time; those of x may then be changed."""
    t, height, width, channels = x.shape
    kernel = conv.weight[:, :, 0].contiguous(memory_format=torch.channels_last)
    above = x.new_zeros(t, 1, width, channels)
    for rows in bands(height, t * width * channels):
        seen = normed(x[:, rows.start : rows.stop + 1], norm)
        below = [x.new_zeros(t, 1, width, channels)] * (rows.stop == height)
        seen = torch.cat([above, seen, *below], 1)
        above = seen[:, -2:-1].clone()
        y = F.conv2d(seen.permute(0, 3, 1, 2), kernel, conv.bias, padding=(0, 1))
        yield rows, y.permute(0, 2, 3, 1)


def norm_conv(norm: Callable[[Tensor], Tensor], conv: Any, x: Tensor, history: Tensor) -> Tensor:
    """conv(norm(x)) of x [B,T,H,W,C], causal, with a kernel of 3x3x3; history [B,2,H,W,C], the normed frames before
    it, is overwritten with the last of them.

    The frames that the kernel sees are channels of one picture: a processor has faster convolutions of pictures than
    of videos.
    """
    b, t, height, width, channels = x.shape
    taps = conv.kernel_size[0]
    kernel = conv.weight.permute(0, 3, 4, 2, 1).flatten(3).movedim(-1, 1)  # frames as channels, channels-last memory
    out = x.new_empty(b, t, height, width, conv.out_channels)
    for one, kept, made in zip(x, history, out, strict=True):
        above = x.new_zeros(taps - 1 + t, 1, width, channels)
        for rows in bands(height, t * width * channels * taps):
            end = min(rows.stop + 1, height)
            fresh = norm(one[:, rows.start : end])
            below = [x.new_zeros(len(above), 1, width, channels)] * (rows.stop == height)
            seen = torch.cat([above, torch.cat([kept[:, rows.start : end], fresh]), *below], 1)
            above = seen[:, -2:-1].clone()
            kept[:, rows] = seen[t:, 1:-1]
            pictures = torch.cat([seen[i : i + t] for i in range(taps)], -1).permute(0, 3, 1, 2)
            made[:, rows] = F.conv2d(pictures, kernel, conv.bias, padding=(0, 1)).permute(0, 2, 3, 1)
    return out


def normed(x: Tensor, norm: Any) -> Tensor:
    """silu of the RMS norm over channels, as new memory."""
    size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    scale = (size.mul_(size) / x.shape[-1]).add_(EPS).rsqrt_()
    return F.silu((x * scale).mul_(norm.weight), inplace=True)


def doubled(conv: Any, x: Tensor) -> Tensor:
    """A product over channels whose results are four cells: [B,T,H,W,C] -> [B,T,2H,2W,C']."""
    b, t, h, w, c = x.shape
    out = x.new_empty(b, t, h, 2, w, 2, conv.out_channels // 4)
    for rows in bands(h, t * w * conv.out_channels):
        out[:, :, rows] = product(conv, x[:, :, rows]).unflatten(-1, (2, 2, -1)).movedim(4, 3)
    return out.view(b, t, 2 * h, 2 * w, -1)


def product(conv: Any, x: Tensor) -> Tensor:
    """A convolution of one cell: a product over channels."""
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def bands(height: int, row: int) -> Iterator[slice]:
    """Rows from top to bottom, a band at a time; a row has so many numbers."""
    step = max(1, BAND // row)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
