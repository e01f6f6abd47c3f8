"""Whole videos through a codec in the memory that is free: in chunks, in tiles where a frame is too large, and again in
smaller ones where memory ran short after all.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, h w the latent's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..errors import ResourceError
from ..files import size_text
from ..memory import free_memory
from .base import CausalCodec
from .tiling import Tiles, choose_tiles

__all__ = ["decode_bounded", "encode_bounded", "out_of_memory", "tiles_for"]

SHARE = 0.7
"""of the memory that is free, the part that a codec plans with"""
ENOUGH = 1_800_000_000
"""bytes that it plans with at most on a processor, whose memory other programs share"""
TRIES = 4
"""times that a decode is begun, each with half the memory of the one before"""


def tiles_for(codec: CausalCodec, height: int, width: int, *, encode: bool, budget: int | None = None) -> Tiles:
    """How to take a video of a latent height and width apart; `budget` bytes, by default most of what is free, and
    on a processor no more than ENOUGH."""
    if budget is None:
        device = codec.latent_mean.device
        free = free_memory(str(device))
        limits = [] if free is None else [int(SHARE * free)]
        budget = min(limits + [ENOUGH] * (device.type == "cpu"), default=None)
    return choose_tiles(codec.need(encode=encode), height, width, budget)


@torch.no_grad()
def decode_bounded(
    codec: CausalCodec | Any, latent: Tensor, *, mid_stream: bool = False, budget: int | None = None
) -> Iterator[Tensor]:
    """Chunks [B,3,F,H,W] in -1..1 of a latent [B,C,T,h,w], within `budget` bytes (by default most of what is free).

    Where memory runs short all the same, decoding begins again in smaller pieces behind the frames already given.
    Raises ResourceError where the smallest are too large. A codec of another kind decodes in its own way, at once.
    """
    if not isinstance(codec, CausalCodec):
        yield codec.decode(latent, mid_stream=mid_stream).clamp(-1, 1)
        return
    height, width = latent.shape[3:]
    tiles, given = tiles_for(codec, height, width, encode=False, budget=budget), 0
    weights = next(codec.parameters())
    for _ in range(TRIES):
        skip = given
        try:
            pieces = (piece.to(weights.device) for piece in latent.split(tiles.chunk, 2))
            for chunk in codec.decode_stream(pieces, mid_stream=mid_stream, tiles=tiles):
                fresh = chunk[:, :, skip:].clamp_(-1, 1)
                skip = max(0, skip - chunk.shape[2])
                given += fresh.shape[2]
                del chunk
                if fresh.shape[2]:
                    yield fresh
                del fresh  # before the next one is made
            return
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        spent = codec.need(encode=False).bytes(height, width, tiles)
        tiles = tiles_for(codec, height, width, encode=False, budget=spent // 2)
    needed = codec.need(encode=False).bytes(height, width, tiles)
    raise ResourceError(
        f"decoding frames of {codec.geometry.space_factor * width}x"
        f"{codec.geometry.space_factor * height} in the smallest pieces takes {size_text(needed)} of memory,"
        " and there is less; close other programs, or decode on a larger machine."
    )


@torch.no_grad()
def encode_bounded(
    codec: CausalCodec | Any, chunks: Iterable[Tensor], *, mid_stream: bool = False, budget: int | None = None
) -> Iterator[Tensor]:
    """Latent chunks of a stream of chunks [B,3,F,H,W] of any lengths, within `budget` bytes beside a chunk.

    A codec of another kind encodes in its own way, all at once.
    """
    if not isinstance(codec, CausalCodec):
        yield codec.encode(torch.cat(list(chunks), 2), mid_stream=mid_stream)
        return
    source = iter(chunks)
    first = next(source, None)
    if first is None:
        return
    height, width = (side // codec.geometry.space_factor for side in first.shape[3:])
    tiles = tiles_for(codec, height, width, encode=True, budget=budget)
    step = tiles.chunk * codec.geometry.time_factor
    yield from codec.encode_stream(_pieces(first, source, step, codec), mid_stream=mid_stream, tiles=tiles)


def _pieces(first: Tensor, rest: Iterator[Tensor], step: int, codec: CausalCodec) -> Iterator[Tensor]:
    """The chunks in pieces of at most `step` frames, where the codec is."""
    weights = next(codec.parameters())
    chunk: Tensor | None = first
    del first
    while chunk is not None:
        for piece in chunk.split(step, 2):
            yield piece.to(weights)
        chunk = next(rest, None)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run short: torch has an error of its own for it on a card only."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        words in str(error) for words in ("not enough memory", "out of memory", "DefaultCPUAllocator")
    )
