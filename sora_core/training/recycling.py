"""What the transformer makes wrong, so that it learns to go on from it.

A clip that is extended goes on from what was sampled before, and training on true clips has shown the network nothing like it: what it
makes wrong it takes for the scene, keeps, and adds to. So the errors of an earlier state of it are measured (a true clip is made again from
a moderate noise level; what has changed is the error) and put on the kept parts in training, while what is to be made stays true.
After Stable Video Infinity (error-recycling fine-tuning, arXiv 2510.09212).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import pipeline
from ..data.clips import Shard
from ..grid import positions, spans
from ..types import LatentState

__all__ = ["errors_of"]

LEVELS = (0.15, 0.6)
"""of the schedule that is run again, as `denoise`"""
STEPS = 4
AT_ONCE = 32


@torch.no_grad()
def errors_of(model: pipeline.SoraModel, shard: Shard, count: int) -> Tensor:
    """How latents of the transformer differ from the true ones of a shard, float16 [N,C,T,h,w]: of `count` clips, zeros for the rest.

    The shard's clips are whole streams of one text each.
    """
    latents, ids = shard.tensors["latent"][:count], shard.tensors["ids"][:count, 0, 0].long()
    clip_spans = spans(latents.shape[2], model.geometry)
    times = positions(clip_spans, shard.kind.fps)
    generator = torch.Generator().manual_seed(shard.first_seed)
    errors = []
    for true, words in zip(latents.split(AT_ONCE), ids.split(AT_ONCE), strict=True):
        true = true.float()
        state = LatentState(latent=true, clean=true, mask=torch.ones_like(true[:, :1]), positions=times, spans=clip_spans)
        level = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * float(torch.rand((), generator=generator))
        noise = torch.randn(true.shape, generator=generator)
        text = model.text(words)
        errors.append(pipeline.sample(model, state, text, noise=noise, steps=STEPS, denoise=level, fps=shard.kind.fps) - true)
    errors.append(torch.zeros_like(shard.tensors["latent"][count:], dtype=torch.float32))
    return torch.cat(errors).half()
