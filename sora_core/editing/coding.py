"""Frames to latents and back, so that kept parts fit into the middle of a stream.

A picture that fits no whole tokens is continued by its edges at the right and below, and cut again after decoding.

A causal codec's first latent frame stands for one pixel frame. What is kept at the end of a clip is therefore its last
latents, encoded with the frames before them; what is kept at a beginning is encoded behind a preroll, the clip mirrored
in time, whose latents are dropped. Frames are decoded behind the latents that came before them, and the frames of those
are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..media import FrameSource, TensorSource, as_image, chunks, image_to_video, video_to_image
from ..vae import decode_bounded, encode_bounded
from .edit import Clip, Codec
from .frames import Joined, Made, Window, read_image

__all__ = [
    "HISTORY",
    "PREROLL",
    "decode_chunks",
    "decode_frames",
    "encode_clip",
    "encode_mid_stream",
    "encode_tail",
    "frames_of",
    "latents_of",
    "pixels_of",
    "size_of",
]

HISTORY = 8
"""latent frames that decoder and encoder hear before what counts"""
READ = 1 << 23
"""pixels of a source that are read at once, and at least one frame"""
PREROLL = 4
"""latent frames of mirrored preroll, after the first"""


def encode_clip(frames: FrameSource | Tensor, codec: Codec) -> Tensor:
    """4n+1 frames, a source or IMAGE [F,H,W,3], to latents [1,C,n+1,h,w] of a clip that begins here, on the CPU."""
    source = frames if not isinstance(frames, Tensor) else TensorSource(frames, 1.0)
    cell = codec.geometry.space_factor * codec.geometry.patch
    below, right = -source.height % cell, -source.width % cell

    def videos() -> Iterator[Tensor]:
        for chunk in chunks(source, max(1, READ // (source.height * source.width))):
            video = image_to_video(as_image(chunk))
            yield _on(F.pad(video, (0, right, 0, below, 0, 0), mode="replicate"), codec)

    return torch.cat([latent.cpu() for latent in encode_bounded(codec, videos())], 2)


def encode_tail(source: FrameSource, codec: Codec, count: int) -> tuple[Tensor, Tensor]:
    """The last `count` latents of a clip and up to HISTORY before them, [1,C,K+count,h,w], with their spans [K+count].

    They end with its last frame; frames that fit no whole latent are left out at the beginning.
    """
    factor = codec.geometry.time_factor
    latents = min((source.length - 1) // factor, count + HISTORY) + 1
    latent = encode_clip(Window(source, source.length - 1 - (latents - 1) * factor, source.length), codec)
    spans = torch.full((latents,), factor, dtype=torch.int64)
    spans[0] = 1
    return latent, spans


def encode_mid_stream(source: FrameSource, codec: Codec, count: int) -> Tensor:
    """The first `count` latents [1,C,count,h,w] of a clip as if the stream had begun earlier, behind a mirrored
    preroll."""
    factor = codec.geometry.time_factor
    place = torch.arange(PREROLL * factor + 1, 0, -1) % max(1, 2 * (source.length - 1))
    mirrored = torch.where(place < source.length, place, 2 * (source.length - 1) - place)
    first = source.read(0, int(mirrored.max()) + 1)
    preroll = TensorSource(first[mirrored.to(first.device)], source.fps)
    latent = encode_clip(Joined([preroll, Window(source, 0, count * factor)]), codec)
    return latent[:, :, PREROLL + 1 :]


def decode_chunks(latent: Tensor, spans: Tensor, codec: Codec) -> Iterator[Tensor]:
    """Latents [1,C,T,h,w] with their spans to chunks of frames [F,H,W,3] in 0..1, on the CPU."""
    for chunk in decode_bounded(codec, _on(latent, codec), mid_stream=bool(spans[0] > 1)):
        yield video_to_image(chunk).cpu()


def decode_frames(latent: Tensor, spans: Tensor, codec: Codec) -> Tensor:
    """Latents [1,C,T,h,w] with their spans to frames [F,H,W,3] in 0..1, on the CPU, all in memory."""
    return torch.cat(list(decode_chunks(latent, spans, codec)))


def frames_of(clip: Clip, codec: Codec) -> FrameSource:
    """The clip's frames: as given, else decoded."""
    if clip.source is not None:
        return clip.source
    latent, spans = latents_of(clip)
    height, width = size_of(clip, codec.geometry)
    return Made(decode_frames(latent, spans, codec)[:, :height, :width], clip.fps)


def pixels_of(clip: Clip, codec: Codec) -> Tensor:
    """The clip's frames as IMAGE [F,H,W,3], all in memory."""
    return read_image(frames_of(clip, codec))


def size_of(clip: Clip, geometry: Geometry) -> tuple[int, int]:
    """Height and width in pixels that are shown."""
    if clip.source is not None:
        return clip.source.height, clip.source.width
    latent, _ = latents_of(clip)
    return clip.size or (latent.shape[3] * geometry.space_factor, latent.shape[4] * geometry.space_factor)


def latents_of(clip: Clip) -> tuple[Tensor, Tensor]:
    """The latents that the clip was given with, and their spans; raises InputError where there are none."""
    if clip.latent is None or clip.spans is None:
        raise InputError("this clip has frames only, no latents.")
    return clip.latent, clip.spans


def _on(x: Tensor, codec: Codec) -> Tensor:
    """x where and as precise as the codec's weights are."""
    weights = getattr(codec, "parameters", None)
    first = next(weights(), None) if weights else None
    return x if first is None else x.to(first)
