"""Suite `detector`: are the bundled model's clips recognised, and nothing else?

Of n held-out scenes one clip each is generated and published as a user's would be (marked, encoded); then the label is
stripped: it is decoded and encoded again at crf 28. `recognised_28` is the share that is detected, `by_mark_28` by the
watermark alone, `unmarked_28` the same of clips that never had one, by the classifier. `false_alarms` are of true
clips: rendered ones of the same scenes and of as many others, drawn ones, at crf 18, 23 and 28 in turn, and the files
given (`clips`). The ceiling column holds what is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from ..grid import VideoSize
from ..media import probe, publish, read_video, video_to_frames
from ..pipeline import load_bundled, sample_video
from ..safety.detect import Detection, bundled_detector, clip_features, detect
from ..safety.doors import Protection, guards_for
from ..training.pictures import clips as drawn_clips
from ..types import Progress
from ..world import ClipShape, describe, render, sample_scene
from .statistics import MetricAccumulator, report
from .watermark import coded

__all__ = ["run"]

HELD_OUT_SEED = 7_000_000
FRAMES, FPS = 17, 8.0
SIZES = ((64, 64), (96, 64), (64, 96))
"""width and height, unless a size is given"""
STEPS = (12, 20, 8)
"""sampling steps, in turn"""
CRF = (18, 23, 28)
RECOGNISED, FALSE_ALARMS = 0.95, 0.01


def run(
    n: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    size: VideoSize | None = None,
    clips: Sequence[Path] = (),
) -> dict[str, Any]:
    """Measure the bundled watermark and detector on clips of the bundled model."""
    for path in clips:
        probe(path)  # what cannot be read is said before the work
    figures, asked = MetricAccumulator(), MetricAccumulator()
    for index in range(n):
        width, height = (size.width, size.height) if size is not None else SIZES[index % len(SIZES)]
        shape = ClipShape(frames=FRAMES, height=height, width=width, fps=FPS)
        judge(figures, generated(HELD_OUT_SEED + seed + index, shape, STEPS[index % len(STEPS)]))
        for true in true_clips(HELD_OUT_SEED + seed + index, n, shape):
            figures.right("false_alarms", detect([coded(true, CRF[index % len(CRF)])]).generated)
        if progress is not None:
            progress(index + 1, n)
    for path in clips:
        figures.right("false_files", detect([read_video(path, frames=48).frames]).generated)
    for name, value in {"recognised_28": RECOGNISED, "false_alarms": FALSE_ALARMS}.items():
        asked.value(name, value)
    return report("detector", n, figures, asked)


def generated(seed: int, shape: ClipShape, steps: int) -> Tensor:
    """A clip of the bundled model, uint8 [F,H,W,3]."""
    model = load_bundled()
    size = VideoSize(frames=shape.frames, height=shape.height, width=shape.width, fps=shape.fps)
    caption = describe(sample_scene(seed), "descriptive")
    made = sample_video(model, [caption], size, seed=seed, settings=model.settings.with_(steps=steps))
    return video_to_frames(made)


def true_clips(seed: int, n: int, shape: ClipShape) -> Iterator[Tensor]:
    """The same scene rendered, another one, and a drawn clip, uint8 [F,H,W,3]."""
    yield from render([sample_scene(seed), sample_scene(seed + n)], shape)
    drawn = drawn_clips(
        1, shape.frames, min(shape.height, shape.width), torch.Generator().manual_seed(seed), torch.device("cpu")
    )
    yield (drawn[0].permute(0, 2, 3, 1) * 255).round().byte()


def judge(metrics: MetricAccumulator, frames: Tensor) -> None:
    """Publish a clip, strip its label, and see whether it is recognised."""
    found = detect([coded(published(frames), 28)])
    metrics.right("recognised_28", found.generated)
    metrics.right("by_mark_28", by_mark(found))
    score = bundled_detector().logit(clip_features(coded(frames, 28)))
    metrics.right("unmarked_28", float(score) >= 0)


def by_mark(found: Detection) -> bool:
    return found.by == "watermark"


def published(frames: Tensor) -> Tensor:
    """Frames as the file has them that a user saves."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made.mp4"
        publish(path, frames, fps=FPS, guards=guards_for(Protection(review=False, sign=False), fps=FPS))
        return read_video(path).frames
