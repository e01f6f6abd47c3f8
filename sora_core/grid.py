"""Sizes: from width, height, seconds and fps to the latent grid, its tokens and what it will cost.

Every factor comes from a codec's `Geometry`; nothing else in the project multiplies by 4, 8 or 16.
A clip is sampled at the next possible size up and trimmed on save; both sizes are named, nothing is floored in silence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import InputError
from .settings import MAX_FPS, MAX_SECONDS, MAX_SIDE, check_number, check_whole

__all__ = [
    "Geometry", "LatentGrid", "VideoSize", "check_fps", "frames_for", "latent_frames", "plan", "positions", "spans",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How a codec and the patch size of its transformer divide a video."""

    time_factor: int = 4
    """pixel frames per latent frame (the first latent frame stands for one)"""
    space_factor: int = 8
    """pixels per latent cell, in height and width"""
    channels: int = 16
    """latent channels"""
    patch: int = 2
    """latent cells per token, in height and width"""
    cycle: int = 0
    """latent frames after which the codec begins anew with one that stands for a single frame, and a clip ends with the
    second of a cycle (MiniMax H3: 5); 0: it never begins anew"""

    def __post_init__(self) -> None:
        for name in ("time_factor", "space_factor", "channels", "patch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def step(self) -> tuple[int, int]:
        """(latent frames, pixel frames) by which a clip can grow."""
        return (self.cycle, 1 + (self.cycle - 1) * self.time_factor) if self.cycle else (1, self.time_factor)


@dataclass(frozen=True, kw_only=True)
class VideoSize:
    """A clip in pixels."""

    frames: int
    height: int
    width: int
    fps: float

    def __post_init__(self) -> None:
        check_whole("frames", self.frames)
        if self.frames < 1:
            raise InputError(f"a video needs at least one frame, not {self.frames}")
        for name, value in (("width", self.width), ("height", self.height)):
            check_whole(name, value)
            if not 1 <= value <= MAX_SIDE:
                raise InputError(f"{name} must be between 1 and {MAX_SIDE} pixels, not {value}")
        check_fps(self.fps)
        for name in ("frames", "height", "width"):
            object.__setattr__(self, name, int(getattr(self, name)))
        object.__setattr__(self, "fps", float(self.fps))

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    def __str__(self) -> str:
        if self.frames == 1:
            return f"{self.width}x{self.height} still"
        return f"{self.width}x{self.height}, {self.frames} frames at {self.fps:g} fps ({self.seconds:.2f} s)"


@dataclass(frozen=True, kw_only=True)
class LatentGrid:
    """The grid that a clip is sampled on.

    `asked` is what the user wanted, `sampled` the next possible size up (trimmed on save).
    """

    asked: VideoSize
    sampled: VideoSize
    shape: tuple[int, int, int, int]
    """C, T, H, W of the latent"""
    tokens: int
    """tokens the transformer sees per clip"""

    @property
    def trimmed(self) -> bool:
        return self.asked != self.sampled

    def summary(self) -> str:
        """One line for a person: sizes and tokens."""
        trim = f", sampled as {self.sampled} and trimmed" if self.trimmed else ""
        return f"{self.asked}{trim}; {self.tokens:,} tokens"


def check_fps(fps: float) -> None:
    """Raises InputError for a rate that is no number above 0, or beyond what is worked on."""
    check_number("fps", fps)
    if not 0 < fps <= MAX_FPS:
        raise InputError(f"fps must be above 0 and at most {MAX_FPS:g}, not {fps}")


def frames_for(seconds: float, fps: float) -> int:
    """Whole frames in `seconds` at `fps`; zero seconds is a still of one frame."""
    check_number("seconds", seconds)
    if not math.isfinite(seconds) or seconds < 0 or seconds > MAX_SECONDS:
        raise InputError(f"seconds must be between 0 (a still) and {MAX_SECONDS:g}, not {seconds}")
    check_fps(fps)
    return max(1, round(seconds * fps))


def latent_frames(frames: int, geometry: Geometry, *, mid_stream: bool = False) -> int:
    """Latent frames that cover `frames` pixel frames.

    A clip begins with a latent frame that stands for one frame; mid-stream all of them stand for `time_factor`.
    """
    if mid_stream and not geometry.cycle:
        return math.ceil(frames / geometry.time_factor)
    if geometry.cycle and frames > 1:
        latents, pixels = geometry.step
        return 2 + latents * max(0, math.ceil((frames - 1 - geometry.time_factor) / pixels))
    return 1 + math.ceil((frames - 1) / geometry.time_factor)


def spans(latents: int, geometry: Geometry, *, mid_stream: bool = False) -> Tensor:
    """Pixel frames per latent frame, [T] int64."""
    out = torch.full((latents,), geometry.time_factor, dtype=torch.int64)
    if geometry.cycle or not mid_stream:
        out[:: geometry.cycle or latents] = 1
    return out


def positions(spans_T: Tensor, fps: float, *, start: float = 0.0) -> Tensor:
    """The time in seconds at the middle of each latent frame, [T] float32, from its spans."""
    ends = torch.cumsum(spans_T, 0).double()
    return (start + (ends - (spans_T.double() + 1) / 2) / fps).float()


def plan(size: VideoSize, geometry: Geometry) -> LatentGrid:
    """The latent grid for a clip of `size`, rounded up to what codec and patches can divide."""
    cell = geometry.space_factor * geometry.patch
    t = latent_frames(size.frames, geometry)
    h, w = math.ceil(size.height / cell) * geometry.patch, math.ceil(size.width / cell) * geometry.patch
    sampled = VideoSize(
        frames=int(spans(t, geometry).sum()),
        height=h * geometry.space_factor,
        width=w * geometry.space_factor,
        fps=size.fps,
    )
    tokens = t * (h // geometry.patch) * (w // geometry.patch)
    return LatentGrid(asked=size, sampled=sampled, shape=(geometry.channels, t, h, w), tokens=tokens)
