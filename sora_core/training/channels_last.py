"""The bundled codec for training, channels last and on plain tensors: the same numbers, several times as fast.

A spatial convolution is one of pictures, a temporal one a product over three neighbours; both then run as the device
likes them, and one compiled residual block serves all sizes.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width; activations are [B,T,H,W,C].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..vae import BundledCodec
from ..vae.bundled import PATCH, TIME, Decoder, Encoder

__all__ = ["FastCodec", "residual"]

Residual = Callable[..., Tensor]


def norm_silu(x: Tensor, weight: Tensor) -> Tensor:
    """silu of the RMS norm over channels."""
    return F.silu(F.rms_norm(x.float(), (x.shape[-1],), weight.float(), 1e-6).to(x.dtype))


def residual(
    x: Tensor, norm1: Tensor, space: Tensor, bias1: Tensor, norm2: Tensor, time: Tensor, bias2: Tensor
) -> Tensor:
    """x + time(space(x)): space [C,C,3,3], time [C,3C] over the frame before the last, the last and this one."""
    b, t, h, w, c = x.shape
    y = norm_silu(x, norm1).view(b * t, h, w, c).permute(0, 3, 1, 2)
    y = F.conv2d(y, space, bias1, padding=1).permute(0, 2, 3, 1).reshape(b, t, h, w, c)
    y = F.pad(norm_silu(y, norm2), (0, 0, 0, 0, 0, 0, 2, 0))
    return x + F.linear(torch.cat([y[:, :-2], y[:, 1:-1], y[:, 2:]], -1), time, bias2)


class FastCodec:
    """Encode and decode with a codec's own weights, computed in `dtype`."""

    def __init__(self, codec: BundledCodec, dtype: torch.dtype, block: Residual = residual) -> None:
        self.codec, self.dtype, self.block = codec, dtype, block

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[B,3,F,H,W] -> normalised latents [B,C,T,h,w], float32."""
        return self.codec._normalise(self.moments(video, mid_stream=mid_stream)[0])

    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor:
        """Normalised latents [B,C,T,h,w] -> [B,3,F,H,W], float32."""
        return self.frames(self.codec._denormalise(latent), mid_stream=mid_stream)

    def moments(self, video: Tensor, *, mid_stream: bool, encoder: Encoder | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the raw latent, by the codec's own encoder or by another of the same form."""
        grouped = self.codec.group(video, not mid_stream)
        mean, logvar = self._moments(encoder or self.codec.encoder, grouped).float().chunk(2, 1)
        return mean, logvar.clamp(-20, 4)

    def frames(self, raw: Tensor, *, mid_stream: bool) -> Tensor:
        """Frames of raw latents."""
        frames = self._frames(self.codec.decoder, raw).float()
        return frames if mid_stream else frames[:, :, TIME - 1 :]

    def _moments(self, encoder: Encoder, grouped: Tensor) -> Tensor:
        b, _, f, h, w = grouped.shape
        t, h, w = f // TIME, h // PATCH, w // PATCH
        x = grouped.to(self.dtype).view(b, 3, t, TIME, h, PATCH, w, PATCH).permute(0, 2, 4, 6, 3, 5, 7, 1)
        x = self._product(encoder.patch, x.reshape(b, t, h, w, 3 * TIME * PATCH * PATCH))
        for block in encoder.fine:
            x = self._residual(block, x)
        c = x.shape[-1]
        x = x.view(b, t, h // 2, 2, w // 2, 2, c).permute(0, 1, 2, 4, 3, 5, 6)
        x = self._product(encoder.down, x.reshape(b, t, h // 2, w // 2, 4 * c))
        for block in encoder.coarse:
            x = self._residual(block, x)
        return self._product(encoder.moments, norm_silu(x, encoder.norm.weight)).permute(0, 4, 1, 2, 3)

    def _frames(self, decoder: Decoder, raw: Tensor) -> Tensor:
        x = self._product(decoder.start, raw.to(self.dtype).permute(0, 2, 3, 4, 1))
        for block in decoder.coarse:
            x = self._residual(block, x)
        x = self._product(decoder.up, x)
        b, t, h, w, c = x.shape
        x = x.view(b, t, h, w, 2, 2, c // 4).permute(0, 1, 2, 4, 3, 5, 6).reshape(b, t, 2 * h, 2 * w, c // 4)
        for block in decoder.fine:
            x = self._residual(block, x)
        b, t, h, w, c = x.shape
        x = norm_silu(x, decoder.norm.weight).view(b * t, h, w, c).permute(0, 3, 1, 2)
        conv = decoder.pixels.conv
        x = F.conv2d(x, self._kernel(conv.weight), conv.bias.to(self.dtype), padding=1)
        x = x.view(b, t, TIME, PATCH, PATCH, 3, h, w).permute(0, 5, 1, 2, 6, 3, 7, 4)
        return x.reshape(b, 3, TIME * t, PATCH * h, PATCH * w)

    def _residual(self, block: Any, x: Tensor) -> Tensor:
        space, time = block.space.conv, block.time.conv
        over_time = time.weight[:, :, :, 0, 0].to(self.dtype).permute(0, 2, 1).flatten(1)
        return self.block(
            x.clone() if x._is_view() else x,  # a compiler makes a block anew for views
            block.norm_space.weight,
            self._kernel(space.weight),
            space.bias.to(self.dtype),
            block.norm_time.weight,
            over_time,
            time.bias.to(self.dtype),
        )

    def _kernel(self, weight: Tensor) -> Tensor:
        """A spatial kernel [C',C,1,3,3] for pictures."""
        return weight[:, :, 0].to(self.dtype).contiguous(memory_format=torch.channels_last)

    def _product(self, conv: Any, x: Tensor) -> Tensor:
        """A convolution of one cell: a matrix product."""
        return F.linear(x, conv.weight.flatten(1).to(self.dtype), conv.bias.to(self.dtype))
