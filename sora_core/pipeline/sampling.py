"""From text features and a state to a latent, and from a latent to frames.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, S text tokens, D text width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..diffusion import (
    FeatureCache,
    SamplerState,
    draw_noise,
    flow_edit,
    renoise,
    ring,
    schedule,
    shift_for_grid,
    span_prompts,
)
from ..diffusion import cfg as guided
from ..diffusion import sample as run_sampler
from ..diffusion.loop import Preview
from ..dit.denoiser import DiTDenoiser, noise_level_experts
from ..dit.parallel import over_clips
from ..errors import CheckpointError, InputError, ResourceError
from ..grid import Geometry, LatentGrid, VideoSize, plan, positions, spans
from ..layers import kernels
from ..layers.surroundings import unaffected
from ..settings import DEFAULTS, SamplingSettings
from ..types import Denoiser, LatentState, Progress, PromptSchedule
from ..vae import CausalCodec, decode_bounded
from ..vae.bounded import out_of_memory
from .model import SoraModel
from .stored import RunStore, run_key

__all__ = [
    "decode_from",
    "decode_stream",
    "denoiser",
    "empty_state",
    "encode_text",
    "sample",
    "sample_video",
    "settings_of",
    "sigmas_of",
    "texts_of",
]

WHOLE_CHUNKS = 4
"""latent frames that decoding takes at once, or a divisor of them: begun between, it would give other bits"""


def texts_of(prompts: str | Iterable[str]) -> list[str]:
    """One text or several as a list. Raises InputError for anything else."""
    texts = [prompts] if isinstance(prompts, str) or not isinstance(prompts, Iterable) else list(prompts)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise InputError(f"a prompt is a text, not {wrong[0]!r}")
    return texts


@unaffected
@torch.no_grad()
def encode_text(model: SoraModel, prompts: str | Iterable[str]) -> Tensor:
    """Text features [B,S,D], those of each word times its weight (`emphasis`).

    Raises CheckpointError for a text encoder that gives no numbers.
    """
    prompts = texts_of(prompts)
    device = next(model.text.parameters()).device
    features = model.text(model.tokenizer(prompts).to(device))
    if not features.isfinite().all():
        raise CheckpointError(
            "the text encoder gives values that are not numbers (NaN or infinite): its weights are damaged; fetch them"
            " again"
        )
    weights = model.tokenizer.weights(prompts).to(features)
    features[:, : weights.shape[1]] *= weights[..., None]
    return features


@unaffected
def empty_state(grid: LatentGrid, geometry: Geometry, *, batch: int = 1) -> LatentState:
    """A grid on which everything is to be made."""
    latent = torch.zeros(batch, *grid.shape)
    grid_spans = spans(grid.shape[1], geometry)
    return LatentState(
        latent=latent,
        clean=latent,
        mask=torch.ones_like(latent[:, :1]),
        positions=positions(grid_spans, grid.asked.fps),
        spans=grid_spans,
    )


def denoiser(model: SoraModel, state: LatentState, fps: float, rows: Tensor | None = None) -> Denoiser:
    """The network on a state's grid, its weights prepacked; `rows` [T]: the prompt that each latent frame follows."""
    dits = [dit.prepacked() for dit in (model.dit, model.low) if dit]
    clips, tokens = model.team or (None, None)
    told: dict[str, Any] = {
        "positions": state.positions,
        "spans": state.spans,
        "fps": fps,
        "rows": rows,
        "team": tokens,
    }
    networks = [DiTDenoiser(dit, **told) for dit in dits]
    network = networks[0] if model.low is None else noise_level_experts(networks[0], networks[1], model.low_from)
    return over_clips(network, clips) if clips else network


@unaffected
def sample(
    model: SoraModel,
    state: LatentState,
    cond: Tensor,
    *,
    noise: Tensor,
    fps: float,
    settings: SamplingSettings | None = None,
    negative: Tensor | None = None,
    prompt_schedule: PromptSchedule | None = None,
    progress: Progress | None = None,
    preview: Preview | None = None,
    resume: SamplerState | None = None,
    checkpoint: Callable[[SamplerState], None] | None = None,
    runs: RunStore | None = None,
) -> Tensor:
    """The sampled latent [B,C,T,H,W] of a state.

    cond: text features [B,S,D], or [B,P,S,D] for P prompts per clip, which `prompt_schedule` shares out over time.
    noise: [B,C,T,H,W]. settings: None takes the model's own. negative: text features [B,S,D] that guidance leads away
    from; None takes those of an empty prompt. resume, checkpoint: to go on with a run, and called after each step.
    runs: where the run's state is stored, and taken up if it was stopped (in the place of `resume` and `checkpoint`).
    Raises InputError for settings out of range.
    """
    settings = settings_of(model, settings)
    sigmas = sigmas_of(model, state, settings)
    if settings.step_range is not None and settings.step_range.noised:
        resume = SamplerState(step=0, x=state.latent.float(), sigmas=sigmas, solver=settings.solver)
    uncond = empty_prompt(model, cond, settings) if negative is None else negative
    if prompt_schedule is not None and prompt_schedule.rows is not None:
        uncond = uncond[:, None].expand(-1, cond.shape[1], -1, -1)
    if runs is not None:
        told = (prompt_schedule.rows, prompt_schedule.weights) if prompt_schedule else ()
        begins = (
            state.latent,
            state.clean,
            state.mask,
            state.positions,
            state.spans,
            noise,
            cond,
            uncond,
            sigmas,
            *told,
        )
        key = run_key(model, begins, (settings, fps))
        resume = runs.resume(key) or resume
        checkpoint = runs.keeper(key, len(sigmas) - 1, midway=not settings.cache)
    network = guided_denoiser(
        model, state, settings, fps=fps, noise=noise, sigmas=sigmas, uncond=uncond, prompt_schedule=prompt_schedule
    )
    run = partial(
        run_sampler, network, state.to(model.device), noise, sigmas, cond, solver=settings.solver,
        progress=progress, preview=preview,
    )  # fmt: skip
    return with_second_try(run, resume, checkpoint, cells=state.mask.numel() // math.prod(model.dit.config.patch))


def empty_prompt(model: SoraModel, cond: Tensor, settings: SamplingSettings) -> Tensor:
    """What guidance leads away from where no negative prompt is given; of a run without guidance zeros, since nothing
    reads it and the text encoder may not be there."""
    if not settings.leads_away:
        return cond.new_zeros(len(cond), *cond.shape[-2:])
    return encode_text(model, [""] * len(cond)).to(cond)


def with_second_try(
    run: Callable[..., Tensor],
    resume: SamplerState | None,
    checkpoint: Callable[[SamplerState], None] | None,
    *,
    cells: int,
) -> Tensor:
    """The result of `run(resume=, checkpoint=)`; where memory runs out, what is cached is let go and the run goes on
    from its last step.

    Raises ResourceError where that does not help; `checkpoint` has been given every step until then.
    """
    last, again = resume, True

    def keep(state: SamplerState) -> None:
        nonlocal last
        last = state
        if checkpoint:
            checkpoint(state)

    while True:
        try:
            return run(resume=last, checkpoint=keep)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        if not again:
            done = last.step if last else 0
            raise ResourceError(
                f"memory ran out behind step {done} of a video of {cells:,} tokens: choose a smaller size, fewer"
                " seconds, or weights in fp8, and close other programs that use this device"
            )
        again = False
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def settings_of(model: SoraModel, settings: SamplingSettings | None) -> SamplingSettings:
    """Those of a run: the model's own where none are given. Raises InputError for anything else."""
    if settings is None:
        return model.settings
    if not isinstance(settings, SamplingSettings):
        raise InputError(
            f"settings are SamplingSettings, such as model.settings.with_(steps=12), not {str(settings)[:80]}"
        )
    return settings


def sigmas_of(model: SoraModel, state: LatentState, settings: SamplingSettings) -> Tensor:
    """The noise levels of a run, float32 [steps+1]."""
    shift = settings.shift
    if shift is None:
        shift = shift_for_grid(state.latent.shape[2:], model.dit.config.patch)
    sigmas = schedule(settings.scheduler, settings.steps, shift=shift, denoise=settings.denoise)
    return sigmas if settings.step_range is None else settings.step_range.of(sigmas)


def runs_as_one_batch(model: SoraModel, state: LatentState) -> bool:
    """Whether both halves of guidance go through the network together: a card that is busy with one gains nothing."""
    if model.team:
        return True
    limit = kernels.for_device(model.device).joined_tokens
    cells = state.mask.numel() // math.prod(model.dit.config.patch)
    return limit is None or cells <= limit


def guided_denoiser(
    model: SoraModel,
    state: LatentState,
    settings: SamplingSettings,
    *,
    fps: float,
    noise: Tensor,
    sigmas: Tensor,
    uncond: Tensor,
    prompt_schedule: PromptSchedule | None = None,
) -> Denoiser:
    """The network on the grid of a state under all that `settings` ask for; arguments as in `sample`."""
    rows, weights = (prompt_schedule.rows, prompt_schedule.weights) if prompt_schedule else (None, None)
    plain = denoiser(model, state, fps, rows)
    if weights is not None:
        plain = span_prompts(plain, weights)
    batched = runs_as_one_batch(model, state)
    network = guided(plain, settings.cfg, uncond=uncond, interval=settings.cfg_interval, batched=batched)
    if settings.low_cfg is not None and settings.cfg != 1:
        low = guided(plain, settings.low_cfg, uncond=uncond, interval=settings.cfg_interval, batched=batched)
        network = noise_level_experts(network, low, model.low_from)
    if settings.flow_edit:
        network = flow_edit(network, plain, state.latent, noise, uncond)
    if settings.ring:
        network = ring(network, sigmas)
    if settings.cache:
        network = FeatureCache(network, settings.cache)
    if not model.dit.config.per_position_time:
        network = renoise(network, noise.to(state.latent))
    return network


@unaffected
@torch.no_grad()
def decode_stream(codec: CausalCodec, latent: Tensor, *, mid_stream: bool = False) -> Iterator[Tensor]:
    """Chunks [B,3,F,H,W] in -1..1 of a latent, in bounded memory."""
    yield from decode_bounded(codec, latent.to(codec.latent_mean.device), mid_stream=mid_stream)


def decode_from(codec: CausalCodec, latent: Tensor, start: int) -> Iterator[Tensor]:
    """The chunks of `decode_stream` from pixel frame `start` on, bit for bit.

    Of what comes before, no more is decoded than the codec must have seen.
    """
    reach, factor = getattr(codec, "reach", None), codec.geometry.time_factor
    begin = 0 if reach is None else max(0, (start + factor - 1) // factor - reach) // WHOLE_CHUNKS * WHOLE_CHUNKS
    skip = start - (1 + (begin - 1) * factor if begin else 0)
    for chunk in decode_stream(codec, latent[:, :, begin:], mid_stream=begin > 0):
        if skip < chunk.shape[2]:
            yield chunk[:, :, skip:]
        skip = max(0, skip - chunk.shape[2])


@unaffected
def sample_video(
    model: SoraModel,
    prompts: str | Iterable[str],
    size: VideoSize,
    *,
    seed: int = DEFAULTS.seed,
    settings: SamplingSettings | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Videos [B,3,F,H,W] in -1..1 of a batch of prompts, trimmed to `size`; settings: None takes the model's own."""
    prompts = texts_of(prompts)
    if not prompts:
        raise InputError("a video needs a prompt, and none is given")
    grid = plan(size, model.geometry)
    latent = sample(
        model,
        empty_state(grid, model.geometry, batch=len(prompts)),
        encode_text(model, prompts),
        noise=draw_noise(grid.shape, seed, count=len(prompts)),
        fps=size.fps,
        settings=settings,
        progress=progress,
    )
    video = torch.cat(list(decode_stream(model.codec, latent)), 2)
    return video[:, :, : size.frames, : size.height, : size.width]
