"""What the transformer makes wrong, so that it learns to go on from it.

A clip that is extended goes on from what was sampled before, and training on true clips has shown the network nothing
like it: what it
makes wrong it takes for the scene, keeps, and adds to. So the errors of an earlier state of it are measured (a true
clip is made again from
a moderate noise level; what has changed is the error) and put on the kept parts in training, while what is to be made
stays true.
After Stable Video Infinity (error-recycling fine-tuning, arXiv 2510.09212).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import pipeline
from ..data.clips import Shard
from ..diffusion import draw_noise
from ..grid import positions, spans
from ..types import LatentState

__all__ = ["errors_of", "sampled_again"]

LEVELS = (0.15, 0.6)
"""of the schedule that is run again, as `denoise`"""
STEPS = 4
AT_ONCE = 32


def errors_of(model: pipeline.SoraModel, shard: Shard, count: int) -> dict[str, Tensor]:
    """How latents of the transformer differ from the true ones of a shard, `error` [N,C,T,h,w]: of `count` clips,
    zeros for the rest.

    The shard's clips are whole streams of one text each.
    """
    latent, ids = shard.tensors["latent"], shard.tensors["ids"][:, 0, 0].long()
    errors = torch.zeros_like(latent)
    for start in range(0, min(count, len(latent)), AT_ONCE):
        part = slice(start, min(count, start + AT_ONCE))
        true, seed = latent[part].float(), shard.first_seed + start
        made = sampled_again(
            model, true, ids[part], fps=shard.kind.fps, seed=seed, levels=LEVELS, steps=STEPS, cfg=model.settings.cfg
        )
        errors[part] = (made - true).to(errors)
    return {"error": errors}


@torch.no_grad()
def sampled_again(
    model: pipeline.SoraModel,
    true: Tensor,
    ids: Tensor,
    *,
    fps: float,
    seed: int,
    levels: tuple[float, float],
    steps: int,
    cfg: float,
) -> Tensor:
    """Latents [n,C,T,h,w] of whole streams as the transformer makes them anew from a noise level between `levels`;
    ids [n,S]."""
    drawn = float(torch.rand((), generator=torch.Generator().manual_seed(seed)))
    clip_spans = spans(true.shape[2], model.geometry)
    state = LatentState(
        latent=true,
        clean=true,
        mask=torch.ones_like(true[:, :1]),
        positions=positions(clip_spans, fps),
        spans=clip_spans,
    )
    noise = draw_noise(true.shape[1:], seed, count=len(true))
    settings = model.settings.with_(steps=steps, cfg=cfg, denoise=levels[0] + (levels[1] - levels[0]) * drawn)
    return pipeline.sample(model, state, model.text(ids), noise=noise, fps=fps, settings=settings)
