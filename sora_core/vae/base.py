"""What every causal codec does alike: whole clips, streams, normalised latents.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width.
A codec is this class with `geometry`, two chunk functions and two buffers. The first latent frame of a clip stands
for one
pixel frame; a mid-stream clip begins with a full span. Streamed = one-shot, since both run the same chunks through
one cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn as nn
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..layers.causal import StreamCache

__all__ = ["CausalCodec"]


class CausalCodec(nn.Module):
    """Encode video [B,3,F,H,W] in -1..1 to normalised latents [B,C,T,h,w] and back."""

    geometry: Geometry
    latent_mean: Tensor
    latent_std: Tensor

    def _encode_chunk(self, video: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """Raw latent of one chunk; `first`: its first frame fills a latent frame alone."""
        raise NotImplementedError

    def _decode_chunk(self, latent: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """Pixels of one chunk of raw latents; `first`: its first latent frame stands for one pixel frame."""
        raise NotImplementedError

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[B,3,F,H,W] -> [B,C,T,h,w]. F is 4n+1, or 4n for a `mid_stream` clip; H and W multiples of the space
        factor."""
        return next(self.encode_stream([video], mid_stream=mid_stream))

    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[B,C,T,h,w] -> [B,3,F,H,W] in about -1..1 (clamp on save)."""
        return next(self.decode_stream([latent], mid_stream=mid_stream))

    def encode_stream(self, chunks: Iterable[Tensor], *, mid_stream: bool = False) -> Iterator[Tensor]:
        """Latent chunks of a stream of pixel chunks of any lengths; memory holds one chunk."""
        cache, first, step = StreamCache(), not mid_stream, self.geometry.time_factor
        waiting: Tensor | None = None
        for chunk in chunks:
            self._check_video(chunk)
            waiting = chunk if waiting is None else torch.cat([waiting, chunk], 2)
            usable = (waiting.shape[2] - first) // step * step + first
            if usable > 0:
                yield self._normalise(self._encode_chunk(waiting[:, :, :usable], cache, first))
                waiting, first = waiting[:, :, usable:], False
        if waiting is not None and waiting.shape[2]:
            form = f"{step}n" if mid_stream else f"{step}n+1"
            raise InputError(
                f"this codec encodes clips of {form} frames; {waiting.shape[2]} frames are left over: pad or trim the"
                " clip"
            )

    def decode_stream(self, latents: Iterable[Tensor], *, mid_stream: bool = False) -> Iterator[Tensor]:
        """Pixel chunks of a stream of latent chunks of any lengths."""
        cache, first = StreamCache(), not mid_stream
        for latent in latents:
            if latent.ndim != 5 or latent.shape[1] != self.geometry.channels:
                raise InputError(
                    f"this codec decodes latents [B,{self.geometry.channels},T,H,W], not {list(latent.shape)}"
                )
            yield self._decode_chunk(self._denormalise(latent), cache, first)
            first = False

    def _check_video(self, video: Tensor) -> None:
        factor = self.geometry.space_factor
        if video.ndim != 5 or video.shape[1] != 3:
            raise InputError(f"a video is [B,3,F,H,W], not {list(video.shape)}")
        if video.shape[3] % factor or video.shape[4] % factor:
            raise InputError(f"width and height must be multiples of {factor}, not {video.shape[4]}x{video.shape[3]}")

    def _normalise(self, raw: Tensor) -> Tensor:
        return (raw - self._broadcast(self.latent_mean, raw)) / self._broadcast(self.latent_std, raw)

    def _denormalise(self, latent: Tensor) -> Tensor:
        return latent * self._broadcast(self.latent_std, latent) + self._broadcast(self.latent_mean, latent)

    @staticmethod
    def _broadcast(per_channel: Tensor, like: Tensor) -> Tensor:
        return per_channel.to(like)[:, None, None, None]
