"""Suite `watermark`: is the mark invisible, does it survive, and is nothing called marked that is not?

Of n clips of 12 frames: the PSNR, the share of right channel bits per frame after x264 at crf 18, 23 and 28, whether
the number is read after crf 28, and after 0.75x scaling, a 10% crop and crf 28 together, the window found by search.
The ceiling column holds what is to be beaten: the dwtDctSvd method with votes over 12 frames. Clips are of the world,
or of files (`clips`), for which no scene was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..media import read_video
from ..safety.codeword import encode
from ..safety.marking import Marker, bundled_watermark, read_mark
from ..safety.watermark import PILOT
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
    n: int, *, seed: int = 0, progress: Progress | None = None, side: int = SIDE, clips: Sequence[Path] = ()
) -> dict[str, Any]:
    """Measure the bundled watermark on n clips, `side` pixels square, or on 12 frames of each file."""
    figures, asked = MetricAccumulator(), MetricAccumulator()
    total = len(clips) or n
    for index, frames in enumerate(files(clips) if clips else rendered(n, seed, side)):
        score(figures, frames, seed + index)
        if progress is not None:
            progress(index + 1, total)
    for name, value in TO_BEAT.items():
        asked.value(name, value)
    return report("watermark", total, figures, asked)


def rendered(n: int, seed: int, side: int) -> Iterator[Tensor]:
    """Clips of the world, uint8 [F,H,W,3]."""
    for index in range(n):
        shape = ClipShape(frames=FRAMES, height=side, width=side, fps=8.0)
        yield render([sample_scene(HELD_OUT_SEED + seed + index)], shape)[0]


def files(paths: Sequence[Path]) -> Iterator[Tensor]:
    """The first frames of files."""
    for path in paths:
        yield read_video(path, frames=FRAMES).frames


def score(metrics: MetricAccumulator, frames: Tensor, seed: int) -> None:
    """Mark one clip and see what is left after each treatment."""
    model = bundled_watermark()
    message = int(torch.randint(2**32, (), generator=torch.Generator().manual_seed(seed)))
    wanted = encode(message) > 0
    marked = torch.cat(list(Marker(model, message)([frames])))
    error = (marked.float() - frames.float()).square().mean().clamp(min=1e-6)
    metrics.value("psnr", float(10 * torch.log10(255**2 / error)))
    for crf in (18, 23, 28):
        seen = coded(marked, crf)
        with torch.no_grad():
            soft = torch.cat([model.read(picture(frame)) for frame in seen])
        right = ((soft[:, :PILOT] > 0) == wanted).float().mean()
        metrics.values.setdefault(f"bits_{crf}", []).append(float(right))
        if crf == 28:
            metrics.right("read_28", read_mark([seen]).message == message)
    metrics.right("read_attacked", read_mark([attacked(marked)]).message == message)
    for treated in (frames, coded(frames, 23), attacked(frames)):
        metrics.right("false_alarms", read_mark([treated]).found)


def picture(frame: Tensor) -> Tensor:
    """uint8 [H,W,3] to float [1,3,H,W] in 0..1."""
    return frame.permute(2, 0, 1)[None].float() / 255


def coded(frames: Tensor, crf: int) -> Tensor:
    """Frames through x264."""
    return (x264(frames.permute(0, 3, 1, 2).float() / 255, crf).permute(0, 2, 3, 1) * 255).round().byte()


def attacked(frames: Tensor) -> Tensor:
    """Scaled to 0.75, a tenth of each side cut off, coded at crf 28."""
    small = F.interpolate(frames.permute(0, 3, 1, 2).float() / 255, scale_factor=0.75, mode="bilinear", antialias=True)
    high, wide = (round(side * 0.05) for side in small.shape[2:])
    inner = small[..., high : small.shape[2] - high, wide : small.shape[3] - wide]
    return (x264(inner, 28).permute(0, 2, 3, 1) * 255).round().byte()
