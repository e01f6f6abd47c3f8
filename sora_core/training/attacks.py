"""What happens to marked frames on their way, differentiable or straight through: coding, scaling, crops, noise, light.

Frames are float [K,F,3,H,W] in 0..1, K clips of F frames. Every attack returns frames of the size it was given, or of
another; `attack` draws a chain of them and says which window of the frame is left.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..safety.watermark import Window

__all__ = ["Attacks", "attack", "coded", "x264"]

BLOCK = 8
PASSED = 0.1
"""share of the gradient that a coefficient quantised to zero lets through"""
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@dataclass(frozen=True, kw_only=True)
class Attacks:
    """How hard frames are treated in training."""

    quality: tuple[int, int] = (14, 34)
    """quantisers of the simulated codec and crf of x264"""
    real: float = 0.3
    """share of clips that go through x264 itself rather than its simulation"""
    clean: float = 0.1
    """share of clips that are not coded at all"""
    scale: tuple[float, float] = (0.5, 1.0)
    """sides after scaling; half of the clips are scaled"""
    crop: float = 0.2
    """largest share cut off each side in all; half of the clips are cropped"""
    noise: float = 0.02
    """largest deviation of added noise, a share of white"""


@cache
def dct(size: int = BLOCK) -> Tensor:
    """The orthonormal cosine transform [size,size]."""
    place = (torch.arange(size) + 0.5) * math.pi / size
    basis = torch.cos(torch.arange(size)[:, None] * place) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    return basis


class Quantise(torch.autograd.Function):
    """Rounding with a dead zone; the gradient passes where something is left."""

    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, offset: float) -> Tensor:  # type: ignore[no-untyped-def, override]
        level = (x.abs() / step + offset).floor()
        ctx.save_for_backward(level)
        return level * step * x.sign()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def, override]
        (level,) = ctx.saved_tensors
        return grad * torch.where(level > 0, 1.0, PASSED), None, None


def rounded(x: Tensor) -> Tensor:
    """To eight bits; the gradient passes."""
    return x + ((x.clamp(0, 1) * 255).round() / 255 - x).detach()


def quantised(plane: Tensor, step: Tensor, offset: float) -> Tensor:
    """A plane [F,C,H,W], sides multiples of 8, as its quantised blocks give it back."""
    f, c, h, w = plane.shape
    basis = dct().to(plane)
    blocks = plane.reshape(f, c, h // BLOCK, BLOCK, w // BLOCK, BLOCK)
    spectrum = torch.einsum("fcaxby,ix,jy->fcaibj", blocks, basis, basis)
    kept = Quantise.apply(spectrum, step, offset)
    return torch.einsum("fcaibj,ix,jy->fcaxby", kept, basis, basis).reshape(plane.shape)


def coded(clips: Tensor, quality: float) -> Tensor:
    """What a block codec makes of clips: the first frame by itself, each later one as what differs from the last.

    4:2:0 colour, blocks of 8x8, the quantiser step of H.264 at `quality`; a block is predicted from the last frame or
    from its own mean, whichever is nearer.
    """
    k, count, _, h, w = clips.shape
    padded = F.pad(clips.flatten(0, 1), (0, -w % 16, 0, -h % 16), mode="replicate")
    planes = torch.einsum("fchw,dc->fdhw", padded, clips.new_tensor(TO_YCC))
    luma, chroma = planes[:, :1].unflatten(0, (k, count)), F.avg_pool2d(planes[:, 1:], 2).unflatten(0, (k, count))
    step = clips.new_tensor(0.625 * 2 ** (quality / 6) / 255)
    decoded: list[tuple[Tensor, Tensor]] = []
    for index in range(count):
        parts = []
        for which, plane in enumerate((luma[:, index], chroma[:, index])):
            own = F.interpolate(F.avg_pool2d(plane, BLOCK), scale_factor=BLOCK, mode="nearest")
            predicted = own
            if decoded:
                last = decoded[-1][which]
                errors = [F.avg_pool2d((plane - p).square().mean(1, keepdim=True), BLOCK) for p in (last, own)]
                better = F.interpolate((errors[0] < errors[1]).to(plane), scale_factor=BLOCK, mode="nearest")
                predicted = better * last + (1 - better) * own
            parts.append(predicted + quantised(plane - predicted, step, 1 / 6 if decoded else 1 / 3))
        decoded.append((parts[0], parts[1]))
    luma = torch.stack([a for a, _ in decoded], 1).flatten(0, 1)
    chroma = F.interpolate(torch.stack([b for _, b in decoded], 1).flatten(0, 1), scale_factor=2, mode="bilinear")
    back = torch.linalg.inv(torch.tensor(TO_YCC)).to(clips)
    whole = torch.einsum("fchw,dc->fdhw", torch.cat([luma, chroma], 1), back)[..., :h, :w].clamp(0, 1)
    return whole.unflatten(0, (k, count))


def x264(frames: Tensor, crf: int, preset: str = "veryfast") -> Tensor:
    """A clip [F,3,H,W] as x264 gives it back; the gradient passes straight through."""
    import av  # here: a run without shares of it needs no video library

    h, w = frames.shape[-2:]
    pixels = F.pad(frames.detach().float(), (0, w % 2, 0, h % 2), mode="replicate").cpu()
    pictures = (pixels.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().byte().numpy()
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": preset, "crf": str(crf), "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = pictures.shape[1], pictures.shape[2], "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        decoded = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    back = (torch.stack(decoded).permute(0, 3, 1, 2)[..., :h, :w].float() / 255).to(frames)
    return frames + (back - frames).detach()


def attack(clips: Tensor, attacks: Attacks, generator: torch.Generator) -> tuple[Tensor, Window]:
    """Clips after a drawn chain of attacks, the same for all, and the window of them that is left."""

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    window: Window = (0.0, 1.0, 0.0, 1.0)
    if draw(0, 1) < 0.5:
        clips, window = cropped(clips, attacks.crop, draw)
    if draw(0, 1) < 0.5:
        scale = draw(*attacks.scale)
        small = F.interpolate(clips.flatten(0, 1), scale_factor=scale, mode="bilinear", antialias=True)
        clips = small.unflatten(0, clips.shape[:2])
    if draw(0, 1) < 0.3:
        clips = ((clips - 0.5) * draw(0.8, 1.2) + 0.5 + draw(-0.1, 0.1)).clamp(0, 1)
    if draw(0, 1) < 0.3:
        noise = torch.randn(clips.shape, generator=generator).to(clips)
        clips = (clips + draw(0, attacks.noise) * noise).clamp(0, 1)
    clips = rounded(clips)
    kind, quality = draw(0, 1), draw(*attacks.quality)
    if kind < attacks.real:
        clips = torch.stack([x264(clip, round(quality)) for clip in clips])
    elif kind < 1 - attacks.clean:
        clips = rounded(coded(clips, quality))
    return clips, window


def cropped(clips: Tensor, most: float, draw: Callable[[float, float], float]) -> tuple[Tensor, Window]:
    """Clips with up to `most` of each side cut off, and what is left as a window."""
    ends = []
    for side in clips.shape[-2:]:
        cut = round(side * draw(0, most))
        first = round(cut * draw(0, 1))
        ends.append((first, first + side - cut, side))
    (top, bottom, h), (left, right, w) = ends
    return clips[..., top:bottom, left:right], (top / h, bottom / h, left / w, right / w)
