"""The scene classifier: the inverse of the renderer. A clip of the world in, what it shows out; it measures the
generated clips.

Choices: nine frames over two seconds, the short side brought to 64 pixels, so that any size and fps reads alike. A
small convolutional network looks at each frame; a map over its cells says where the main object is, which gives both
its track (the map's mean place) and its features; convolutions over time then see how it moves. One linear head per
attribute.

Legend: B batch, F pixel frames, K read frames, H W height and width, h w cells of the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .. import checkpoints
from ..errors import InputError
from ..world import words
from ..world.nouns import NOUNS

__all__ = [
    "ATTRIBUTES",
    "AttributeClassifier",
    "ClassifierConfig",
    "Reading",
    "load_classifier",
    "save_classifier",
    "to_read",
]

ATTRIBUTES: dict[str, tuple[str | int, ...]] = {
    "colour": tuple(words.COLOURS),
    "shape": (*words.SHAPE_WORDS, *NOUNS),
    "motion": tuple(words.MOTION_PHRASES),
    "relation": ("", "same", "beside", "orbit", "collide", *words.RELATION_PHRASES, "chase", "follow", "around"),
    "other": ("", *words.SHAPE_WORDS, *NOUNS),
    "ground": tuple(words.GROUND_PHRASES),
    "light": tuple(words.LIGHT_PHRASES),
    "style": tuple(words.STYLE_PHRASES),
    "camera": tuple(words.CAMERA_PHRASES),
    "count": tuple(words.COUNT_WORDS),
}
"""What is read, and every answer it can have; the answers a classifier was trained with travel in its config."""
_FIRST_MOTIONS = "left right closer away bounce spin fall still orbit collide behind return paint bite"
FIRST_ANSWERS: dict[str, tuple[str | int, ...]] = {
    "colour": tuple(words.COLOURS),
    "shape": tuple(words.SHAPE_WORDS),
    "motion": tuple(_FIRST_MOTIONS.split()),
    "ground": words.FIRST_GROUNDS,
    "light": words.FIRST_LIGHTS,
    "style": tuple(words.STYLE_PHRASES),
    "camera": tuple(words.CAMERA_PHRASES),
    "count": tuple(words.COUNT_WORDS),
}
"""The answers of a classifier whose config names none: those of the world of solids."""
FRAMES = 9
STEP = 0.25
"""Seconds between read frames."""


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Sizes of the classifier; all widths are multiples of eight."""

    widths: tuple[int, int, int] = (32, 64, 128)
    """features on the half, the quarter and the eighth grid"""
    tokens: int = 128
    """features per frame after the object and the scene have been read"""
    hidden: int = 192
    """features of the whole clip"""
    short_side: int = 64
    """pixels of a read frame's shorter side; the longer one is a multiple of 8, at most twice as long"""
    answers: Mapping[str, tuple[str | int, ...]] = field(default_factory=lambda: ATTRIBUTES)
    """every answer of each attribute"""

    def __post_init__(self) -> None:
        if self.short_side < 16 or self.short_side % 8:
            raise InputError(
                f"the classifier's frames need a short side that is a multiple of 8, not {self.short_side}"
            )
        if any(w < 8 or w % 8 for w in (*self.widths, self.tokens, self.hidden)):
            raise InputError("widths of the classifier must be multiples of 8")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the classifier says of B clips: an answer per attribute, how sure it is, and where the main object is.

    answers, sure: attribute -> B values; track [B,K,2] picture fractions (x right, y down) at seconds 0, 0.25, ... 2.
    """

    answers: dict[str, list[str | int]]
    sure: dict[str, list[float]]
    track: Tensor

    def __len__(self) -> int:
        return len(self.track)

    def matches(self, attribute: str, wanted: Sequence[str | int]) -> list[bool]:
        """Which clips show what was wanted."""
        return [a == b for a, b in zip(self.answers[attribute], wanted, strict=True)]


class Block(nn.Module):
    """x [N,C,h,w] + two 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.spaces = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for norm, space in zip(self.norms, self.spaces, strict=True):
            h = space(F.silu(norm(h)))
        return x + h


class TimeBlock(nn.Module):
    """x [B,C,K] + two convolutions over 3 frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.times = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for norm, time in zip(self.norms, self.times, strict=True):
            h = time(F.silu(norm(h)))
        return x + h


class AttributeClassifier(nn.Module):
    """Clips to answers; see the module's docstring."""

    def __init__(self, config: ClassifierConfig = ClassifierConfig()) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth = config.widths
        self.stem = nn.Conv2d(5, half, 4, stride=2, padding=1)
        self.down = nn.Conv2d(half, quarter, 4, stride=2, padding=1)
        self.fine = Block(quarter)
        self.where = nn.Conv2d(quarter, 1, 1)
        self.deep = nn.Conv2d(quarter, eighth, 4, stride=2, padding=1)
        self.coarse = Block(eighth)
        self.token = nn.Linear(2 * quarter + 2 * eighth + 2, config.tokens)
        self.times = nn.Sequential(TimeBlock(config.tokens), TimeBlock(config.tokens))
        self.clip = nn.Linear(FRAMES * config.tokens, config.hidden)
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(config.hidden + 2 * quarter + 2 * eighth, len(values))
                for name, values in config.answers.items()
            }
        )

    def forward(self, frames: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Frames [B,K,3,H,W] in -1..1 -> logits per attribute [B,values], track [B,K,2] and the map's logits
        [B,K,h,w]."""
        shape = (len(frames), FRAMES)
        seen, track, map_ = self.look(frames.flatten(0, 1))
        token = self.token(torch.cat([seen, 4 * track.to(seen.dtype) - 2], 1)).unflatten(0, shape)
        token = F.silu(self.times(token.mT).mT)
        clip = torch.cat([F.silu(self.clip(token.flatten(1))), seen.unflatten(0, shape).mean(1)], 1)
        logits = {name: head(clip).float() for name, head in self.heads.items()}
        return logits, track.unflatten(0, shape), map_.unflatten(0, shape)

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Single frames [N,3,H,W] -> features [N,...], the main object's place [N,2] and the map's logits [N,h,w]."""
        x = F.silu(self.stem(torch.cat([x, _places(x)], 1)))
        fine = self.fine(self.down(x))
        shown = F.silu(fine)
        map_ = self.where(shown).float()[:, 0]
        weights = map_.flatten(1).softmax(1)
        thing = torch.einsum("np,ncp->nc", weights.to(shown.dtype), shown.flatten(2))
        coarse = F.silu(self.coarse(self.deep(shown)))
        seen = torch.cat([thing, shown.mean((2, 3)), coarse.mean((2, 3)), coarse.amax((2, 3))], 1)
        return seen, _mean_place(weights.view_as(map_)), map_

    @torch.no_grad()
    def read(self, video: Tensor, fps: float, *, start: float = 0.0, batch: int = 16) -> Reading:
        """What clips [B,3,F,H,W] in -1..1 show in the two seconds from `start` on; a shorter clip's last frame
        stays."""
        parts = [self(to_read(part, fps, start, self.config.short_side)) for part in video.split(batch)]
        answers, sure = {}, {}
        for name, values in self.config.answers.items():
            best = torch.cat([logits[name] for logits, _, _ in parts]).softmax(1).max(1)
            answers[name] = [values[i] for i in best.indices.tolist()]
            sure[name] = best.values.tolist()
        return Reading(answers=answers, sure=sure, track=torch.cat([track for _, track, _ in parts]))

    @torch.no_grad()
    def follow(self, video: Tensor, *, batch: int = 128) -> Tensor:
        """Where the main object is in every frame of clips [B,3,F,H,W], each frame read by itself: [B,F,2] picture
        fractions."""
        frames = video.movedim(1, 2).flatten(0, 1).split(batch)
        return torch.cat([self.look(_resized(part, self.config.short_side))[1] for part in frames]).unflatten(
            0, (len(video), video.shape[2])
        )


def to_read(video: Tensor, fps: float, start: float = 0.0, short_side: int = 64) -> Tensor:
    """The frames that are read: [B,3,F,H,W] -> [B,K,3,h,w] with a short side of 64, long side a multiple of 8 up to
    128."""
    if video.ndim != 5 or video.shape[1] != 3 or not video.shape[2]:
        raise InputError(f"the classifier reads videos [B,3,F,H,W], not {list(video.shape)}")
    chosen = [min(video.shape[2] - 1, round((start + i * STEP) * fps)) for i in range(FRAMES)]
    frames = video[:, :, chosen].movedim(1, 2)
    return _resized(frames.flatten(0, 1), short_side).unflatten(0, frames.shape[:2])


def _resized(frames: Tensor, short_side: int) -> Tensor:
    """Frames [N,3,H,W] at the classifier's size."""
    frames = frames.float().clamp(-1, 1)
    height, width = frames.shape[-2:]
    scale = short_side / min(height, width)
    size = [min(2 * short_side, 8 * round(scale * side / 8)) for side in (height, width)]
    if size == [height, width]:
        return frames
    return F.interpolate(frames, size=size, mode="bilinear", antialias=True, align_corners=False)


def _places(like: Tensor) -> Tensor:
    """Where each pixel is, [N,2,H,W]: the middle is 0 and the shorter side -1..1."""
    height, width = like.shape[-2:]
    short = min(height, width)
    y = (torch.arange(height, device=like.device) + 0.5 - height / 2) * (2 / short)
    x = (torch.arange(width, device=like.device) + 0.5 - width / 2) * (2 / short)
    return torch.stack(torch.meshgrid(y, x, indexing="ij")).to(like.dtype).expand(len(like), -1, -1, -1)


def _mean_place(weights: Tensor) -> Tensor:
    """The mean place [N,2] (x, y as picture fractions) of maps [N,h,w] that sum to 1."""
    height, width = weights.shape[-2:]
    x = (torch.arange(width, device=weights.device) + 0.5) / width
    y = (torch.arange(height, device=weights.device) + 0.5) / height
    return torch.stack([weights.sum(1) @ x, weights.sum(2) @ y], 1)


def save_classifier(
    path: Path, classifier: AttributeClassifier, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a classifier's weights in half precision with its config and where they came from."""
    half = {name: tensor.half() for name, tensor in tensors.items()}
    checkpoints.save(path, half, config=asdict(classifier.config), metadata=metadata)


def load_classifier(path: Path | None = None) -> AttributeClassifier:
    """The classifier with the bundled weights (or those of `path`), ready to read."""
    path = path or checkpoints.BUNDLED / "reader.safetensors"
    checkpoint = checkpoints.load(path)
    with torch.random.fork_rng(devices=[]):  # the numbers that it begins with are the user's draws otherwise
        classifier = AttributeClassifier(ClassifierConfig(**{"answers": FIRST_ANSWERS, **checkpoint.config}))
    checkpoints.load_into(classifier, {name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    return classifier.eval()
