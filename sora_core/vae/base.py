"""What every causal codec does alike: whole clips, streams, normalised latents.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width.
A codec is this class with `geometry`, its chunk functions and two buffers. The first latent frame of a clip stands for
one pixel frame; a mid-stream clip begins with a full span. Streamed = one-shot, since both run the same chunks through
one cache. Each direction has a part that sees no further than its convolutions reach, which can run in tiles, and a
part on the latent's grid that sees the whole picture (`tiling`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn as nn
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..layers.causal import StreamCache
from .tiling import Need, Tiles, parts

__all__ = ["CausalCodec"]


class CausalCodec(nn.Module):
    """Encode video [B,3,F,H,W] in -1..1 to normalised latents [B,C,T,h,w] and back."""

    geometry: Geometry
    run_up: int
    """latent frames to decode before a frame so that it comes out as in one stream, but for rounding"""
    takes_spans = False
    """whether its transformer is told the span of each latent frame, so that clips may begin mid-stream"""
    reach: int | None = None
    """the same, where it comes out bit for bit; None: not known, so that such a decode begins with the first frame"""
    latent_mean: Tensor
    latent_std: Tensor

    def encode_tile(self, video: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """Features [B,D,T,h,w] of a chunk of a tile of a video; `first`: its first frame fills a latent frame alone."""
        raise NotImplementedError

    def encode_whole(self, features: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """Raw latent [B,C,T,h,w] of the features of a chunk of whole pictures."""
        return features

    def decode_whole(self, latent: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """Features [B,D,T,h,w] of a chunk of raw latents of whole pictures."""
        return latent

    def decode_tile(self, features: Tensor, cache: StreamCache, first: bool) -> Tensor:
        """Pixels of a chunk of features of a tile; `first`: its first latent frame stands for one pixel frame."""
        raise NotImplementedError

    def need(self, *, encode: bool) -> Need:
        """What encoding or decoding takes in memory."""
        raise NotImplementedError

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[B,3,F,H,W] -> [B,C,T,h,w]. F is 4n+1, or 4n for a `mid_stream` clip; H and W multiples of the space
        factor."""
        return next(self.encode_stream([video], mid_stream=mid_stream))

    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[B,C,T,h,w] -> [B,3,F,H,W] in about -1..1 (clamp on save)."""
        return next(self.decode_stream([latent], mid_stream=mid_stream))

    def encode_stream(
        self, chunks: Iterable[Tensor], *, mid_stream: bool = False, tiles: Tiles | None = None
    ) -> Iterator[Tensor]:
        """Latent chunks of a stream of pixel chunks of any lengths; memory holds one chunk, or less in `tiles`."""
        first, step, factor = not mid_stream, self.geometry.time_factor, self.geometry.space_factor
        waiting: Tensor | None = None
        with parts(self.encode_whole, self.encode_tile, tiles, given=factor, made=1) as (whole, part):
            for chunk in chunks:
                self._check_video(chunk)
                waiting = chunk if waiting is None else torch.cat([waiting, chunk], 2)
                del chunk
                usable = (waiting.shape[2] - first) // step * step + first
                if usable > 0:
                    features = part(waiting[:, :, :usable], first)
                    waiting = waiting[:, :, usable:].clone()  # the rest of it is freed
                    yield self._normalise(whole(features, first))
                    first = False
        if waiting is not None and waiting.shape[2]:
            form = f"{step}n" if mid_stream else f"{step}n+1"
            raise InputError(
                f"this codec encodes clips of {form} frames; {waiting.shape[2]} frames are left over: pad or trim the"
                " clip"
            )

    def decode_stream(
        self, latents: Iterable[Tensor], *, mid_stream: bool = False, tiles: Tiles | None = None
    ) -> Iterator[Tensor]:
        """Pixel chunks of a stream of latent chunks of any lengths; in `tiles`, in less memory."""
        first, factor = not mid_stream, self.geometry.space_factor
        with parts(self.decode_whole, self.decode_tile, tiles, given=1, made=factor) as (whole, part):
            for latent in latents:
                if latent.ndim != 5 or latent.shape[1] != self.geometry.channels:
                    raise InputError(
                        f"this codec decodes latents [B,{self.geometry.channels},T,H,W], not {list(latent.shape)}"
                    )
                yield part(whole(self._denormalise(latent), first), first)
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
