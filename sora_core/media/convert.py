"""The three layouts of pixels: frames uint8 [F,H,W,3], video [B,C,F,H,W] in -1..1, image [F,H,W,C] in 0..1."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import MediaError

__all__ = ["DARKEST", "as_frames", "frames_to_video", "image_to_video", "said_of", "video_to_frames", "video_to_image"]

DARKEST = -0.5
"""that frames in 0..1 reach, those of a wider gamut among them; a video in -1..1 is below"""
STRIP = 64
"""rows that are turned into bytes at a time, so that they stay in the processor's cache"""


def frames_to_video(frames: Tensor) -> Tensor:
    """uint8 frames [F,H,W,3] of one clip, or [B,F,H,W,3] of several, to [B,3,F,H,W] in -1..1."""
    clips = frames if frames.ndim == 5 else frames[None]
    return clips.permute(0, 4, 1, 2, 3).to(torch.float32) / 127.5 - 1


def video_to_frames(video_BCFHW: Tensor) -> Tensor:
    """[B,3,F,H,W] in -1..1 to uint8 [B*F,H,W,3], one clip after the other; what lies outside is clipped.

    Raises MediaError for values that are not numbers: they would become black frames without a word.
    """
    return rounded(video_BCFHW.permute(0, 2, 3, 4, 1).flatten(0, 1), 1, 127.5)


def rounded(pixels: Tensor, plus: float, times: float) -> Tensor:
    """(pixels + plus) * times of float [F,H,W,3] to the nearest of 0..255, uint8 on the CPU; raises as
    `video_to_frames` does."""
    out = torch.empty(pixels.shape, dtype=torch.uint8)
    strip = STRIP if pixels.device.type == "cpu" else max(1, pixels.shape[1])
    for picture, made in zip(pixels.detach(), out, strict=True):
        for part, rows in zip(picture.split(strip), made.split(strip), strict=True):
            levels = torch.empty(part.shape, dtype=torch.float32, device=part.device).copy_(part).add_(plus).mul_(times)
            if levels.sum().isnan():
                raise MediaError(
                    "the video holds values that are not numbers (NaN), so it cannot be shown; sample it again in"
                    " float32."
                )
            rows.copy_(levels.round_().clamp_(0, 255).to(torch.uint8))
    return out


def image_to_video(image_FHWC: Tensor) -> Tensor:
    """ComfyUI's IMAGE [F,H,W,C] in 0..1 to [1,3,F,H,W] in -1..1: grey becomes RGB, transparency is dropped."""
    channels = image_FHWC.shape[-1]
    rgb = image_FHWC[..., :1].expand(-1, -1, -1, 3) if channels < 3 else image_FHWC[..., :3]
    return rgb.permute(3, 0, 1, 2)[None] * 2 - 1


def video_to_image(video_BCFHW: Tensor) -> Tensor:
    """[B,3,F,H,W] in -1..1 to ComfyUI's IMAGE [B*F,H,W,3] in 0..1, clipped."""
    return ((video_BCFHW.float() + 1) / 2).clamp(0, 1).permute(0, 2, 3, 4, 1).flatten(0, 1)


def said_of(pixels: object) -> str:
    """What was given for pixels, and how a tensor is made of what is none."""
    if isinstance(pixels, Tensor):
        return f"{pixels.dtype} {list(pixels.shape)}."
    return f"{type(pixels).__name__}: torch.from_numpy makes a tensor of an array, numpy.array an array of a picture."


def as_frames(pixels: Tensor) -> Tensor:
    """uint8 [F,H,W,3] of any of the three layouts. Raises MediaError for anything else, and for an image in -1..1."""
    if not isinstance(pixels, Tensor) or 0 in pixels.shape[1:]:
        raise MediaError(f"pixels are a tensor with a width and a height, not {said_of(pixels)}")
    if pixels.dtype == torch.uint8 and pixels.ndim == 4 and pixels.shape[-1] == 3:
        return pixels.cpu().contiguous()
    if pixels.is_floating_point() and pixels.ndim == 5 and pixels.shape[1] == 3:
        return video_to_frames(pixels)
    if pixels.is_floating_point() and pixels.ndim == 4 and pixels.shape[-1] == 3:
        if len(pixels) and (least := float(pixels.detach().amin())) < DARKEST:
            raise MediaError(
                f"frames [F,H,W,3] in floating point lie in 0..1, and the least of these is {least:g}; add 1 and divide"
                " by 2."
            )
        return rounded(pixels, 0, 255)
    raise MediaError(
        f"pixels are uint8 [F,H,W,3], float [F,H,W,3] in 0..1 or float [B,3,F,H,W] in -1..1, not {said_of(pixels)}"
    )
