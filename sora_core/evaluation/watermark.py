"""Suite `watermark`: is the mark invisible, does it survive, and is nothing called marked that is not?

Of n clips of 12 frames: the PSNR of the default number, the share of right channel bits per frame of one drawn at
random after x264 at crf 18, 23 and 28, and after every treatment of `TREATMENTS` whether that number is read
(`read_*`), whether the default number is found (`found_*`), and whether the unmarked clip is called marked
(`false_alarms`). The ceiling column holds what is to be beaten: the dwtDctSvd method with votes over 12 frames. Clips
are of the world at `size`, or of files (`clips`), for which no scene was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import VideoSize
from ..media import read_video
from ..safety.codeword import encode
from ..safety.marking import MESSAGE, Marker, bundled_watermark, read_mark
from ..safety.watermark import PILOT, Watermark
from ..training.attacks import x264
from ..types import Progress
from ..world import ClipShape, render, sample_scene
from .statistics import MetricAccumulator, report

__all__ = ["attacked", "run"]

FRAMES = 12
SIDE = 256
HELD_OUT_SEED = 6_000_000
TO_BEAT = {"psnr": 38.9, "bits_18": 0.995, "bits_23": 0.924, "bits_28": 0.79, "read_attacked": 1.0}


def run(
    n: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize | None = None,
    clips: Sequence[Path] = (),
) -> dict[str, Any]:
    """Measure the bundled watermark on n clips (256 pixels square unless `size` says otherwise; its length and rate do
    not count), or on 12 frames of each file."""
    figures, asked = MetricAccumulator(), MetricAccumulator()
    total = len(clips) or n
    width, height = (size.width, size.height) if size is not None else (SIDE, SIDE)
    for index, frames in enumerate(files(clips) if clips else rendered(n, seed, width, height)):
        score(figures, frames, seed + index)
        if progress is not None:
            progress(index + 1, total)
    for name, value in TO_BEAT.items():
        asked.value(name, value)
    return report("watermark", total, figures, asked)


def rendered(n: int, seed: int, width: int, height: int) -> Iterator[Tensor]:
    """Clips of the world, uint8 [F,H,W,3]."""
    for index in range(n):
        shape = ClipShape(frames=FRAMES, height=height, width=width, fps=8.0)
        yield render([sample_scene(HELD_OUT_SEED + seed + index)], shape)[0]


def files(paths: Sequence[Path]) -> Iterator[Tensor]:
    """The first frames of files."""
    for path in paths:
        yield read_video(path, frames=FRAMES).frames


def score(metrics: MetricAccumulator, frames: Tensor, seed: int) -> None:
    """Mark one clip and see what is left after each treatment."""
    model = bundled_watermark()
    drawn = int(torch.randint(2**32, (), generator=torch.Generator().manual_seed(seed)))
    marked, usual = (torch.cat(list(Marker(model, message)([frames]))) for message in (drawn, MESSAGE))
    error = (usual.float() - frames.float()).square().mean().clamp(min=1e-6)
    metrics.value("psnr", float(10 * torch.log10(255**2 / error)))
    for crf in (18, 23, 28):
        with torch.no_grad():
            soft = frame_bits(model, coded(marked, crf))
        right = ((soft[:, :PILOT] > 0) == (encode(drawn) > 0)).float().mean()
        metrics.values.setdefault(f"bits_{crf}", []).append(float(right))
    for name, treat in TREATMENTS.items():
        search = name in CROPPED
        metrics.right(f"read_{name}", read_mark([treat(marked)], search=search).message == drawn)
        metrics.right(f"found_{name}", read_mark([treat(usual)], search=search).message == MESSAGE)
        metrics.right("false_alarms", read_mark([treat(frames)], search=search).found)


def frame_bits(model: Watermark, frames: Tensor) -> Tensor:
    """Soft values [F,65] of every frame by itself: those of the luma, or of luma and blue, whose pilot stands out."""
    soft = torch.cat([model.read_layers(model.layers(picture(frame)), *frames.shape[1:3]) for frame in frames])
    return soft[:, int(soft[..., PILOT].sum(0).argmax())]


def picture(frame: Tensor) -> Tensor:
    """uint8 [H,W,3] to float [1,3,H,W] in 0..1."""
    return frame.permute(2, 0, 1)[None].float() / 255


def coded(frames: Tensor, crf: int) -> Tensor:
    """Frames through x264."""
    return (x264(frames.permute(0, 3, 1, 2).float() / 255, crf).permute(0, 2, 3, 1) * 255).round().byte()


def smaller(frames: Tensor) -> Tensor:
    """Frames uint8 [F,H,W,3] at 0.75 of their size, [F,3,h,w] in 0..1."""
    pictures = frames.permute(0, 3, 1, 2).float() / 255
    return F.interpolate(pictures, scale_factor=0.75, mode="bilinear", antialias=True)


def scaled(frames: Tensor) -> Tensor:
    """Scaled to 0.75 and coded at crf 28."""
    return coded((smaller(frames).permute(0, 2, 3, 1) * 255).round().byte(), 28)


def attacked(frames: Tensor) -> Tensor:
    """Scaled to 0.75, a tenth of each side cut off, coded at crf 28."""
    small = smaller(frames)
    high, wide = (round(side * 0.05) for side in small.shape[2:])
    inner = small[..., high : small.shape[2] - high, wide : small.shape[3] - wide]
    return (x264(inner, 28).permute(0, 2, 3, 1) * 255).round().byte()


def cropped(frames: Tensor) -> Tensor:
    """A tenth of each side cut off, coded at crf 23."""
    high, wide = (round(side * 0.05) for side in frames.shape[1:3])
    return coded(frames[:, high : frames.shape[1] - high, wide : frames.shape[2] - wide], 23)


TREATMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "23": lambda frames: coded(frames, 23),
    "28": lambda frames: coded(frames, 28),
    "scaled": scaled,
    "cropped": cropped,
    "attacked": attacked,
}
"""what a clip goes through"""
CROPPED = ("cropped", "attacked")
"""treatments after which a window of the frame is searched for, which takes seconds"""
