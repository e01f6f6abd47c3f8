"""Frames to latents and back, so that kept parts fit into the middle of a stream.

A picture that fits no whole tokens is continued by its edges at the right and below, and cut again after decoding.

A causal codec's first latent frame stands for one pixel frame. What is kept at the end of a clip is therefore its
last latents,
encoded with the frames before them; what is kept at a beginning is encoded behind a preroll, the clip mirrored in
time, whose
latents are dropped. Frames are decoded behind the latents that came before them, and the frames of those are dropped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry
from ..media import image_to_video, video_to_image
from ..vae import decode_bounded, encode_bounded
from .edit import Clip, Codec

__all__ = [
    "HISTORY",
    "PREROLL",
    "decode_frames",
    "encode_clip",
    "encode_mid_stream",
    "encode_tail",
    "latents_of",
    "pixels_of",
    "size_of",
]

HISTORY = 8
"""latent frames that decoder and encoder hear before what counts"""
PREROLL = 4
"""latent frames of mirrored preroll, after the first"""


@torch.no_grad()
def encode_clip(image: Tensor, codec: Codec) -> Tensor:
    """[F,H,W,3] with F = 4n+1 to latents [1,C,n+1,h,w] of a clip that begins here, on the CPU."""
    cell = codec.geometry.space_factor * codec.geometry.patch
    video = image_to_video(image)
    below, right = (-side % cell for side in video.shape[3:])
    padded = F.pad(video, (0, right, 0, below, 0, 0), mode="replicate")
    return torch.cat([latent.cpu() for latent in encode_bounded(codec, [_on(padded, codec)])], 2)


def encode_tail(image: Tensor, codec: Codec, count: int) -> tuple[Tensor, Tensor]:
    """The last `count` latents of a clip [F,H,W,3] and up to HISTORY before them, [1,C,K+count,h,w], with their spans
    [K+count].

    They end with its last frame; frames that fit no whole latent are left out at the beginning.
    """
    factor = codec.geometry.time_factor
    latents = min((len(image) - 1) // factor, count + HISTORY) + 1
    latent = encode_clip(image[len(image) - 1 - (latents - 1) * factor :], codec)
    spans = torch.full((latents,), factor, dtype=torch.int64)
    spans[0] = 1
    return latent, spans


def encode_mid_stream(image: Tensor, codec: Codec, count: int) -> Tensor:
    """The first `count` latents [1,C,count,h,w] of [F,H,W,3] as if the stream had begun earlier, behind a mirrored
    preroll."""
    factor = codec.geometry.time_factor
    place = torch.arange(PREROLL * factor + 1, 0, -1) % max(1, 2 * (len(image) - 1))
    mirrored = torch.where(place < len(image), place, 2 * (len(image) - 1) - place)
    return encode_clip(torch.cat([image[mirrored.to(image.device)], image[: count * factor]]), codec)[
        :, :, PREROLL + 1 :
    ]


@torch.no_grad()
def decode_frames(latent: Tensor, spans: Tensor, codec: Codec) -> Tensor:
    """Latents [1,C,T,h,w] with their spans to frames [F,H,W,3] in 0..1, on the CPU; streamed where the codec can."""
    chunks = decode_bounded(codec, _on(latent, codec), mid_stream=bool(spans[0] > 1))
    return torch.cat([video_to_image(chunk).cpu() for chunk in chunks])


def pixels_of(clip: Clip, codec: Codec) -> Tensor:
    """The clip's frames [F,H,W,3]: as given, else decoded."""
    if clip.image is not None:
        return clip.image
    latent, spans = latents_of(clip)
    height, width = size_of(clip, codec.geometry)
    return decode_frames(latent, spans, codec)[:, :height, :width]


def size_of(clip: Clip, geometry: Geometry) -> tuple[int, int]:
    """Height and width in pixels that are shown."""
    if clip.image is not None:
        return clip.image.shape[1], clip.image.shape[2]
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
