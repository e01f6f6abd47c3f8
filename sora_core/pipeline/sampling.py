"""From text features and a state to a latent, and from a latent to frames.

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, S text tokens, D text width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..diffusion import (
    FeatureCache,
    SamplerState,
    Stretch,
    anchor,
    draw_noise,
    renoise,
    ring,
    schedule,
    shift_for_tokens,
    span_prompts,
)
from ..diffusion import cfg as guided
from ..diffusion import sample as run_sampler
from ..diffusion.loop import Preview
from ..dit.denoiser import DiTDenoiser, experts
from ..grid import Geometry, LatentGrid, VideoSize, plan, positions, spans
from ..types import Denoiser, LatentState, Progress
from ..vae import CausalCodec
from .model import SoraModel
from .settings import DEFAULTS

__all__ = ["CHUNK", "decode_stream", "denoiser", "empty_state", "encode_text", "sample", "sample_video"]

CHUNK = 4
"""latent frames decoded at once: memory stays the same for a clip of any length"""


@torch.no_grad()
def encode_text(model: SoraModel, prompts: Sequence[str]) -> Tensor:
    """Text features [B,S,D]; an empty prompt is all zeros."""
    device = next(model.text.parameters()).device
    return model.text(model.tokenizer(prompts).to(device))


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
    """The network on the grid of a state, its weights laid out; `rows` [T]: which prompt of several each latent frame
    follows."""
    dits = [dit.laid_out() for dit in (model.dit, model.low) if dit]
    networks = [DiTDenoiser(dit, positions=state.positions, spans=state.spans, fps=fps, rows=rows) for dit in dits]
    return networks[0] if model.low is None else experts(networks[0], networks[1], model.low_from)


def sample(
    model: SoraModel,
    state: LatentState,
    cond: Tensor,
    *,
    noise: Tensor,
    negative: Tensor | None = None,
    steps: int = DEFAULTS.steps,
    cfg: float = DEFAULTS.cfg,
    solver: str = DEFAULTS.solver,
    scheduler: str = DEFAULTS.scheduler,
    denoise: float = 1.0,
    fps: float = DEFAULTS.fps,
    loop: bool = False,
    anchored: bool = False,
    shots: Tensor | None = None,
    stretch: Stretch | None = None,
    progress: Progress | None = None,
    preview: Preview | None = None,
    resume: SamplerState | None = None,
    checkpoint: Callable[[SamplerState], None] | None = None,
) -> Tensor:
    """A sampled latent [B,C,T,H,W] from a state and text features [B,S,D]; without `negative` guidance is against no
    text.

    loop: the clip is a ring. anchored: what is lost of `state.latent` on the way is given back (`diffusion.anchor`).
    shots: features
    are [B,P,S,D] for P prompts, and these are the prompt of each latent frame, [T] int64, or the share of each prompt
    in each, [P,T]
    float (as many runs of the network). stretch: some of the steps alone.
    """
    _, t, h, w = state.latent.shape[1:]
    p, q, r = model.dit.config.patch
    shift = shift_for_tokens("picture", t // p * (h // q) * (w // r), t // p) if model.shift is None else model.shift
    sigmas = schedule(scheduler, steps, shift=shift, denoise=denoise)
    if stretch is not None:
        sigmas = stretch.of(sigmas)
        if stretch.noised:
            resume = SamplerState(step=0, x=state.latent.float(), sigmas=sigmas, solver=solver)
    uncond = encode_text(model, [""] * len(cond)).to(cond) if negative is None else negative
    if shots is not None and shots.ndim == 2:
        network: Denoiser = span_prompts(denoiser(model, state, fps), shots)
    else:
        network = denoiser(model, state, fps, shots)
        uncond = uncond if cond.ndim == 3 else uncond[:, None].expand(-1, cond.shape[1], -1, -1)
    plain, network = network, guided(network, cfg, uncond=uncond, interval=model.cfg_interval)
    if model.low_cfg is not None and cfg != 1:
        network = experts(
            network, guided(plain, model.low_cfg, uncond=uncond, interval=model.cfg_interval), model.low_from
        )
    if anchored:
        network = anchor(network, plain, state.latent, noise, uncond)
    if loop or model.ring:
        network = ring(network, sigmas)
    if model.cache:
        network = FeatureCache(network, model.cache)
    if not model.dit.config.per_position_time:
        network = renoise(network, noise.to(state.latent))
    return run_sampler(
        network, state.to(model.device), noise, sigmas, cond, solver=solver,
        progress=progress, preview=preview, resume=resume, checkpoint=checkpoint,
    )  # fmt: skip


@torch.no_grad()
def decode_stream(codec: CausalCodec, latent: Tensor, *, mid_stream: bool = False) -> Iterator[Tensor]:
    """Chunks [B,3,F,H,W] in -1..1 of a latent, in bounded memory."""
    for chunk in codec.decode_stream(latent.to(codec.latent_mean.device).split(CHUNK, 2), mid_stream=mid_stream):
        yield chunk.clamp(-1, 1)


def sample_video(
    model: SoraModel, prompts: Sequence[str], size: VideoSize, *, seed: int = 0, **settings: Any
) -> Tensor:
    """Videos [B,3,F,H,W] in -1..1 of a batch of prompts, trimmed to `size`. `settings` are those of `sample`."""
    grid = plan(size, model.geometry)
    noise = draw_noise(grid.shape, seed, count=len(prompts))
    latent = sample(
        model,
        empty_state(grid, model.geometry, batch=len(prompts)),
        encode_text(model, prompts),
        noise=noise,
        **settings,
    )
    video = torch.cat(list(decode_stream(model.codec, latent)), 2)
    return video[:, :, : size.frames, : size.height, : size.width]
