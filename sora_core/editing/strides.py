"""What is made a little at a time, each stretch behind what is there by then.

    [keep keep keep | make] -> [keep keep | make | make] -> ...

The bundled network learned clips in which a thing is half way in their middle. All at once it begins such a way anew
beside the kept one, and the thing jumps back or becomes two; half a second behind a second and a half goes on.

Legend: B batch, C channels, T latent frames, h w the latent's height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, islice, takewhile

import torch
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, positions
from ..types import Progress
from .edit import Edit, Strides

__all__ = [
    "Stretch",
    "bundled_overlap",
    "bundled_strides",
    "in_stretches",
    "part_of",
    "seed_of",
    "stretch_edit",
    "stretches",
]

MADE = 0.5
"""seconds that are made at once"""
SEEN = 1.5
"""seconds beside them that the network sees"""
BEFORE = 2
"""times as much is made at once of what comes before a clip: less of it stutters"""
LEAST_SEEN = 3
"""latent frames"""
SEEDS = 1_000_003
"""from the seed of one stretch to that of the next"""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Latent frames of a grid: those that the network sees, and among them those that are made."""

    window: slice
    made: slice

    @property
    def inner(self) -> slice:
        """Those that are made, counted from the window's first."""
        return slice(self.made.start - self.window.start, self.made.stop - self.window.start)


def bundled_strides(fps: float, geometry: Geometry) -> Strides:
    """How the bundled model makes what goes on."""
    rate = fps / geometry.time_factor
    return Strides(length=max(1, int(MADE * rate)), context=max(LEAST_SEEN, int(SEEN * rate)))


def bundled_overlap(fps: float, geometry: Geometry) -> int:
    """Frames of a clip that it then sees at the seam."""
    return bundled_strides(fps, geometry).context * geometry.time_factor


def stretches(edit: Edit) -> list[Stretch]:
    """The stretches of an edit with strides, in the order in which they are made: away from what is kept; what lies
    between two kept parts, or beside none, at once."""
    if edit.strides is None:
        raise InputError("this edit is made at once")
    there = (edit.state.mask.amax((0, 1, 3, 4)) == 0).tolist()
    total, length, found = len(there), edit.strides.length, []
    for kept, group in groupby(range(total), key=[*there].__getitem__):
        places = list(group)
        start, stop = places[0], places[-1] + 1
        if kept:
            continue
        cuts = [(start, stop)]
        if start > 0 and stop == total:
            cuts = [(first, min(first + length, stop)) for first in range(start, stop, length)]
        elif start == 0 and stop < total:
            cuts = [(max(last - BEFORE * length, 0), last) for last in range(stop, 0, -BEFORE * length)]
        for first, last in cuts:
            before, after = takewhile(there.__getitem__, range(first - 1, -1, -1)), there[last:]
            seen = len(list(islice(before, edit.strides.context)))
            further = len(list(takewhile(bool, after[: edit.strides.context])))
            found.append(Stretch(window=slice(first - seen, last + further), made=slice(first, last)))
            there[first:last] = [True] * (last - first)
    return found


def in_stretches(edit: Edit, whole: Tensor, make: Callable[[Stretch, Tensor, int, int], Tensor]) -> Tensor:
    """A latent [B,C,T,h,w] with all stretches of its edit made. make: samples the window of one, given the stretch, the
    latent as it is by then, the stretch's number and how many there are."""
    parts = stretches(edit)
    for number, stretch in enumerate(parts):
        sampled = make(stretch, whole, number, len(parts))
        whole = whole.to(sampled, copy=True)
        whole[:, :, stretch.made] = sampled[:, :, stretch.inner]
    return whole


def stretch_edit(edit: Edit, whole: Tensor, stretch: Stretch) -> Edit:
    """The edit that makes a stretch, given the latent [B,C,T,h,w] as it is by then."""
    state, window, made = edit.state, stretch.window, stretch.made
    mask = torch.zeros_like(state.mask[:, :, window])
    mask[:, :, stretch.inner] = state.mask[:, :, made]
    count = len(whole)
    part = state.with_(
        latent=state.latent[:, :, window].expand(count, -1, -1, -1, -1),
        clean=whole[:, :, window].to(state.clean),
        mask=mask.expand(count, -1, -1, -1, -1),
        positions=positions(state.spans[window], edit.fps),
        spans=state.spans[window],
    )
    return Edit(state=part, fps=edit.fps, denoise=edit.denoise, cfg=edit.cfg)


def seed_of(seed: int, number: int) -> int:
    """The seed of a stretch's noise; that of the first is the edit's own."""
    return (int(seed) + SEEDS * number) % 2**63


def part_of(progress: Progress | None, number: int, count: int) -> Progress | None:
    """What tells of the steps of one of `count` runs as of the whole."""
    return progress and (lambda done, total: progress(number * total + done, count * total))
