"""Shots: one sample, several prompts, each for its own span of time, cut hard or blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from ..diffusion import span_weights
from ..errors import InputError
from ..grid import VideoSize, frames_for, latent_frames
from ..layers.surroundings import unaffected
from ..settings import check_number
from ..types import PromptSchedule
from .edit import Codec, Edit, check_even, compose, empty, made

__all__ = ["Shot", "Storyboard", "storyboard"]

CFG = 3.0
"""guidance of the bundled model: at 2, what suits one prompt, subjects after a cut are drawn less surely"""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What is seen, and for how long."""

    prompt: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Storyboard:
    """The edit (all make) and its prompts; `edit.prompt_schedule` says which prompt each latent frame follows."""

    edit: Edit
    prompts: tuple[str, ...]
    weights: Tensor
    """[P,T] float32, the share of each prompt in each latent frame, of hard cuts too"""


@unaffected
def storyboard(shots: Sequence[Shot], codec: Codec, *, size: VideoSize, fade: float = 0.0) -> Storyboard:
    """Shots in a row on one grid; `size.frames` is ignored, the shots say how long. `fade`: seconds of blending, 0
    cuts.

    A cut falls between latent frames, at most half of one away from the time asked (a note says where).
    Raises InputError for no shots, an empty prompt, zero seconds or a shot that is too short for a latent frame.
    """
    check_even(codec, "a storyboard")
    if not shots:
        raise InputError("a storyboard needs at least one shot.")
    check_number("fade", fade)
    if not 0 <= fade < float("inf"):
        raise InputError(f"a fade takes 0 seconds (a cut) or more, not {fade:g}.")
    for i, shot in enumerate(shots, 1):
        check_number(f"the seconds of shot {i}", shot.seconds)
        if not shot.prompt.strip() or not shot.seconds > 0:
            raise InputError(
                f"shot {i} needs a prompt and more than 0 seconds, not {shot.prompt!r} for {shot.seconds:g} s."
            )
    geometry, factor = codec.geometry, codec.geometry.time_factor
    frames = frames_for(sum(shot.seconds for shot in shots), size.fps)
    count = latent_frames(frames, geometry)
    asked = [round(sum(s.seconds for s in shots[:i]) * size.fps) for i in range(1, len(shots))]
    cuts = [0, *(1 + round((cut - 1) / factor) for cut in asked), count]
    lengths = [b - a for a, b in pairwise(cuts)]
    if min(lengths) < 1:
        short = lengths.index(min(lengths))
        raise InputError(
            f"shot {short + 1} of {shots[short].seconds:g} s is shorter than {factor} frames at {size.fps:g} fps; make"
            " it longer."
        )
    notes = []
    for i, (cut, want) in enumerate(zip(cuts[1:-1], asked, strict=True), 2):
        if (at := 1 + (cut - 1) * factor) != want:
            notes.append(
                f"shot {i} begins at {at / size.fps:.2f} s instead of {want / size.fps:.2f} s, between two latent"
                " frames."
            )
    state = compose([made(count, geometry, first=True)], size.fps, empty(size, geometry))
    weights = span_weights(lengths, fade=min(round(fade * size.fps / factor), min(lengths)))
    follow = PromptSchedule(weights=weights) if fade else PromptSchedule(rows=weights.argmax(0))
    edit = Edit(
        state=state,
        fps=size.fps,
        size=(size.height, size.width),
        shown=(0, frames),
        prompt_schedule=follow,
        cfg=CFG if getattr(codec, "takes_spans", False) else None,
        notes=tuple(notes),
    )
    return Storyboard(edit=edit, prompts=tuple(shot.prompt.strip() for shot in shots), weights=weights)
