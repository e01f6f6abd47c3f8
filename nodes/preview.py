"""What is made so far as a small picture that moves: by a tiny decoder where there is one, else latents turned into
colours by a linear rule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from ..sora_core.vae.tiny import TinyDecoder

__all__ = ["moving_preview"]

SIDE = 256
"""longer side in pixels"""
FRAMES = 24
"""frames at most"""


class MovingPicture:
    """All frames of a preview. ComfyUI's server saves what it sends; this saves itself as an animated png."""

    def __init__(self, frames: list[Any], fps: float) -> None:
        self.frames, self.fps = frames, fps

    def save(self, file: BinaryIO, format: str = "PNG", **_: Any) -> None:
        first, *others = self.frames
        first.save(
            file, format="PNG", save_all=bool(others), append_images=others, duration=round(1000 / self.fps), loop=0
        )


def moving_preview(
    clean: Tensor, layout: Any, fps: float, decoder: TinyDecoder | None = None
) -> tuple[str, MovingPicture, None] | None:
    """A small moving picture of a clean estimate, where the latents of this model have a decoder or known colours."""
    if decoder is not None:
        return "PNG", decoded_preview(clean, fps, decoder), None
    if layout.latent_rgb_factors is None:
        return None
    every = math.ceil(clean.shape[2] / FRAMES)
    cells = clean[0, :, ::every].float().cpu().movedim(0, -1)
    colours = cells @ torch.tensor(layout.latent_rgb_factors) + torch.tensor(
        layout.latent_rgb_factors_bias or [0.0, 0.0, 0.0]
    )
    frames = ((colours + 1) * 127.5).clamp(0, 255).byte().numpy()
    scale = SIDE / max(frames.shape[1:3])
    size = round(frames.shape[2] * scale), round(frames.shape[1] * scale)
    pictures = [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in frames]
    return "PNG", MovingPicture(pictures, max(1.0, fps / 4 / every)), None


@torch.no_grad()
def decoded_preview(clean: Tensor, fps: float, decoder: TinyDecoder) -> MovingPicture:
    """The same by a decoder, which is given no more cells than the picture has room for."""
    cells = max(1, SIDE // decoder.space_factor)
    small = clean[:1].float()
    if max(clean.shape[3:]) > cells:
        factor = cells / max(clean.shape[3:])
        size = [max(1, round(side * factor)) for side in clean.shape[3:]]
        small = F.interpolate(small, (clean.shape[2], *size), mode="area")
    video = decoder(small.to(next(decoder.parameters()).device))[0]
    every = math.ceil(video.shape[1] / FRAMES)
    frames = ((video[:, ::every] + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 3, 0).cpu().numpy()
    return MovingPicture([Image.fromarray(frame) for frame in frames], max(1.0, fps / every))
