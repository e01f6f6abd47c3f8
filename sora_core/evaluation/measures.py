"""What is measured on frames alone: pure functions, nothing of a model or of the world.

Frames are an IMAGE [F,H,W,3] in 0..1, tracks [F,2] picture fractions. A `seam` is the index of the first frame after
it. Ratios compare a place with the ordinary steps of the same clip, so 1 means: like any other step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError

__all__ = [
    "appearance",
    "crossfade_residual",
    "cut_at",
    "drift",
    "largest_step",
    "motion",
    "psnr",
    "seam_ratio",
    "speed_seam",
    "steps",
    "track_error",
    "wrap_ratio",
    "wrap_speed",
]

STILL = 0.5 / 255
"""the least difference between frames that counts: half a level"""
PART = 0.15
"""of a clip, at either end, between which drift is measured"""
RESTING = 0.004
"""the least change of speed that counts, in picture widths per frame: what reading a track is uncertain by"""


def steps(frames: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring frames, [F-1]."""
    if len(frames) < 2:
        raise InputError(f"differences need at least two frames, not {len(frames)}")
    return (frames[1:] - frames[:-1]).abs().flatten(1).mean(1)


def motion(frames: Tensor) -> float:
    """How much a clip moves: the median step."""
    return float(steps(frames).median())


def largest_step(frames: Tensor) -> float:
    """The share of all change that falls into one step: 1 for a cut between stills, 1/(F-1) where all steps are
    alike."""
    step = steps(frames) + STILL
    return float(step.max() / step.sum())


def seam_ratio(frames: Tensor, seam: int) -> float:
    """The step into frame `seam`, in ordinary steps of the clip."""
    step = steps(frames)
    _check_seam(seam, len(frames))
    return float((step[seam - 1] + STILL) / (step.median() + STILL))


def wrap_ratio(frames: Tensor) -> float:
    """The step from the last frame back to the first, in ordinary steps."""
    around = (frames[0] - frames[-1]).abs().mean()
    return float((around + STILL) / (steps(frames).median() + STILL))


def speed_seam(track: Tensor, seam: int) -> float:
    """The change of the object's speed at a seam, in ordinary changes between neighbouring steps.

    Speed is the track's displacement per frame; its change at the seam is the largest of the three that see the seam.
    """
    _check_seam(seam, len(track))
    change = _changes(track)
    near = change[max(0, seam - 2) : seam + 1]
    return float((near.max() + RESTING) / (_usual_largest(change, len(near)) + RESTING))


def wrap_speed(track: Tensor) -> float:
    """The change of the object's speed where a loop wraps, in ordinary changes."""
    around = _changes(torch.cat([track[-2:], track[:2]]))
    change = _changes(track)
    return float((around.max() + RESTING) / (_usual_largest(change, len(around)) + RESTING))


def _changes(track: Tensor) -> Tensor:
    """Length of the second difference, [F-2]."""
    if len(track) < 3:
        raise InputError(f"a change of speed needs at least three frames, not {len(track)}")
    return track.diff(dim=0).diff(dim=0).norm(dim=1)


def _usual_largest(change: Tensor, width: int) -> Tensor:
    """The median over the clip of the largest change among `width` neighbours, so that like is compared with like."""
    return change.unfold(0, min(width, len(change)), 1).amax(1).median()


def _check_seam(seam: int, frames: int) -> None:
    if not 1 <= seam < frames:
        raise InputError(f"a seam lies between frame 1 and {frames - 1} of {frames} frames, not at {seam}")


def appearance(frames: Tensor) -> Tensor:
    """Brightness (mean gray), contrast (its deviation) and saturation (mean of largest minus smallest channel), [3]."""
    gray = frames @ frames.new_tensor((0.299, 0.587, 0.114))
    saturation = frames.amax(-1) - frames.amin(-1)
    return torch.stack([gray.mean(), gray.flatten(1).std(1).mean(), saturation.mean()])


def drift(frames: Tensor) -> Tensor:
    """|M(first part) - M(last part)| for brightness, contrast and saturation [3], absolute in 0..1; a part is PART of
    the clip."""
    count = max(1, round(PART * len(frames)))
    return (appearance(frames[:count]) - appearance(frames[-count:])).abs()


def crossfade_residual(middle: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """What of each middle frame [F,H,W,3] is no mix of two frames [H,W,3]: 0 for a cross-fade, 1 for all of its
    variation, [F].

    The least-squares fit a*first + b*second + c; the rest as a share of the frame's own deviation.
    """
    mix = torch.stack([first.flatten(), second.flatten(), torch.ones_like(first.flatten())], 1).double()
    wanted = middle.flatten(1).T.double()
    gram = mix.T @ mix + 1e-9 * torch.eye(3, dtype=torch.float64)
    fitted = mix @ torch.linalg.solve(gram, mix.T @ wanted)
    rest = (wanted - fitted).square().mean(0).sqrt()
    return (rest / wanted.std(0).clamp(min=STILL)).float()


def psnr(a: Tensor, b: Tensor) -> float:
    """Decibels between frames in 0..1."""
    return float(-10 * torch.log10((a.clamp(0, 1) - b.clamp(0, 1)).square().mean().clamp(min=1e-10)))


def cut_at(frames: Tensor) -> int:
    """The first frame after the clip's largest step."""
    return int(steps(frames).argmax()) + 1


def track_error(track: Tensor, wanted: Tensor, aspect: float) -> float:
    """Median distance of two tracks [F,2] in picture widths; `aspect` is width over height. Frames where it is out of
    view do not count."""
    inside = ((wanted > 0) & (wanted < 1)).all(1)
    if not inside.any():
        return float("nan")
    away = (track - wanted)[inside] * track.new_tensor((1.0, 1 / aspect))
    return float(away.norm(dim=1).median())
