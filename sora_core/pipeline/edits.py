"""From an edit to its latent and its frames: the one way for the library, the suites and the headless nodes.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, P prompts, S text tokens, D text
width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..diffusion import draw_noise
from ..diffusion.noise import check_seed
from ..editing import Edit, stitch
from ..editing.strides import Stretch, in_stretches, part_of, seed_of, stretch_edit, stretches
from ..errors import InputError
from ..grid import LatentGrid, VideoSize, plan
from ..layers.surroundings import unaffected
from ..settings import DEFAULTS, SamplingSettings
from ..types import Progress
from .limits import time_estimate
from .model import SoraModel
from .sampling import encode_text, sample, settings_of, texts_of
from .stored import RunStore

__all__ = ["edit_grid", "edit_seconds", "edit_video", "encode_prompts", "sample_edit", "sample_edits"]


def edit_grid(model: SoraModel, edit: Edit) -> LatentGrid:
    """The grid that an edit samples, to say what it takes."""
    factor, (h, w) = model.geometry.space_factor, edit.state.latent.shape[3:]
    size = VideoSize(frames=int(edit.state.spans.sum()), height=h * factor, width=w * factor, fps=edit.fps)
    return plan(size, model.geometry)


def edit_seconds(model: SoraModel, edit: Edit, *, steps: int, guided: bool = True) -> float:
    """Seconds that sampling an edit takes here and now."""
    grid = edit_grid(model, edit)
    if edit.strides is None:
        return time_estimate(model, grid, steps=steps, guided=guided)
    parts = stretches(edit)
    longest = max(part.window.stop - part.window.start for part in parts)
    channels, count, height, width = grid.shape
    one = replace(grid, shape=(channels, longest, height, width), tokens=grid.tokens // count * longest)
    return len(parts) * time_estimate(model, one, steps=steps, guided=guided)


@unaffected
def sample_edit(
    model: SoraModel,
    edit: Edit,
    prompts: str | Sequence[str],
    settings: SamplingSettings | None = None,
    seed: int = DEFAULTS.seed,
    *,
    negative: str = DEFAULTS.negative,
    progress: Progress | None = None,
    runs: RunStore | None = None,
) -> Tensor:
    """The sampled latent [1,C,T,h,w] of an edit.

    prompts: one text, or as many as a storyboard has shots. settings: None takes the model's own; the edit's cfg and
    denoise replace those that are left as the model has them (see `Edit.settings`). runs: as in `sample`.
    """
    return sample_edits(model, [edit], [prompts], settings, [seed], negative=negative, progress=progress, runs=runs)


@unaffected
def sample_edits(
    model: SoraModel,
    edits: Sequence[Edit],
    prompts: Sequence[str | Sequence[str]],
    settings: SamplingSettings | None = None,
    seeds: Sequence[int] = (DEFAULTS.seed,),
    *,
    negative: str = DEFAULTS.negative,
    progress: Progress | None = None,
    runs: RunStore | None = None,
) -> Tensor:
    """The sampled latents [B,C,T,h,w] of B edits of one kind and shape, as one batch; prompts and a seed for each.

    Each clip has the noise that its seed gives it alone.
    """
    for seed in seeds:
        check_seed(seed)
    if edits[0].strides is not None:

        def make(stretch: Stretch, whole: Tensor, number: int, count: int) -> Tensor:
            parts = [stretch_edit(edit, whole[k : k + 1], stretch) for k, edit in enumerate(edits)]
            each = [seed_of(seed, number) for seed in seeds]
            told = part_of(progress, number, count)
            return sample_edits(model, parts, prompts, settings, each, negative=negative, progress=told, runs=runs)

        return in_stretches(edits[0], torch.cat([edit.state.clean for edit in edits]), make)
    first, states = edits[0], [edit.state for edit in edits]
    joined = {name: torch.cat([getattr(state, name) for state in states]) for name in ("latent", "clean", "mask")}
    return sample(
        model,
        first.state.with_(**joined),
        encode_prompts(model, edits, prompts),
        noise=torch.cat([draw_noise(first.state.latent.shape[1:], seed) for seed in seeds]),
        fps=first.fps,
        settings=first.settings(settings_of(model, settings), model.settings),
        negative=encode_text(model, texts_of([negative]) * len(edits)),
        prompt_schedule=first.prompt_schedule,
        progress=progress,
        runs=runs,
    )


def encode_prompts(model: SoraModel, edits: Sequence[Edit], prompts: Sequence[str | Sequence[str]]) -> Tensor:
    """Text features [B,S,D] of edits that follow one prompt each, or [B,P,S,D] of storyboards.

    Raises InputError where an edit has another number of prompts than it follows.
    """
    texts = [texts_of(text) for text in prompts]
    for edit, given in zip(edits, texts, strict=True):
        count = 1 if edit.prompt_schedule is None else edit.prompt_schedule.count
        if len(given) != count:
            raise InputError(f"this edit follows {count} prompts, not {len(given)}; give one for each shot")
    if edits[0].prompt_schedule is None:
        return encode_text(model, [given[0] for given in texts])
    return torch.stack([encode_text(model, given) for given in texts])


@unaffected
def edit_video(
    model: SoraModel,
    edit: Edit,
    prompts: str | Sequence[str],
    settings: SamplingSettings | None = None,
    seed: int = DEFAULTS.seed,
    *,
    negative: str = DEFAULTS.negative,
    progress: Progress | None = None,
) -> Tensor:
    """The finished frames [F,H,W,3] in 0..1 of an edit, with kept frames as they were given.

    Arguments as in `sample_edit`.
    """
    latent = sample_edit(model, edit, prompts, settings, seed, negative=negative, progress=progress)
    return stitch(edit, latent.cpu(), model.codec)
