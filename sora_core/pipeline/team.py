"""Several processes for one file: they share sampling, and decode windows of the latent beside one another.

    dist.init_process_group("gloo")                  # in each of the processes that torchrun started; "nccl" on cards
    model = shared(load_bundled())
    latent = sample(model, ...)                      # all make the same calls
    frames = decode_shared(model, latent)            # the first gets the frames and writes them

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor

from ..layers.team import Team
from ..media.convert import as_frames
from ..vae import decode_bounded
from .model import SoraModel

__all__ = ["decode_shared", "shared"]


def shared(model: SoraModel, *, guidance: bool = True) -> SoraModel:
    """The same model for all processes of torch.distributed's default group.

    guidance: its two halves go to two teams, where the number of processes is even; each team shares out its tokens.
    """
    everyone = Team.of_all()
    return replace(model, team=everyone.split(2 if guidance and everyone.size % 2 == 0 else 1))


@torch.no_grad()
def decode_shared(model: SoraModel, latent: Tensor, *, mid_stream: bool = False) -> Iterator[Tensor]:
    """Frames uint8 [F,H,W,3] of a latent [1,C,T,h,w] that all processes have, chunk by chunk, in the first of them;
    nothing in the others.

    Windows of the latent go to the processes in turn. Each begins so many latent frames early that its own are what
    they are in one stream; a window is twice as long, so that half as much again is decoded as there is.
    """
    team, window = Team.of_all(), 2 * model.codec.run_up
    sent: list[tuple[Tensor, dist.Work]] = []
    for i, start in enumerate(range(0, latent.shape[2], window)):
        owner = i % team.size
        if team.rank == 0 and owner:
            yield from received(owner, model.device)
        if team.rank != owner:
            continue
        chunks = window_of(model, latent, start, start + window, mid_stream=mid_stream)
        if owner == 0:
            yield from chunks
            continue
        finish(sent)
        for chunk in chunks:
            send(chunk.to(model.device), sent)
        send(torch.empty(0, 0, 0, 0, dtype=torch.uint8, device=model.device), sent)
    finish(sent)


def window_of(model: SoraModel, latent: Tensor, start: int, stop: int, *, mid_stream: bool) -> Iterator[Tensor]:
    """Frames of the latent frames start..stop-1 alone."""
    begin = max(0, start - model.codec.run_up)
    first = not mid_stream and begin == 0
    factor = model.codec.geometry.time_factor
    skip = (start - begin) * factor - (factor - 1) * (first and start > 0)
    for chunk in decode_bounded(model.codec, latent[:, :, begin:stop], mid_stream=not first):
        fresh = chunk[:, :, skip:]
        skip = max(0, skip - chunk.shape[2])
        if fresh.shape[2]:
            yield as_frames(fresh)


def send(frames: Tensor, sent: list[tuple[Tensor, dist.Work]]) -> None:
    """To the first process, without waiting; `sent` holds what is on its way."""
    for x in (torch.tensor(frames.shape, device=frames.device), frames.contiguous()):
        if x.numel():
            sent.append((x, dist.isend(x, 0)))  # type: ignore[arg-type]


def finish(sent: list[tuple[Tensor, dist.Work]]) -> None:
    while sent:
        sent.pop(0)[1].wait()


def received(owner: int, device: torch.device) -> Iterator[Tensor]:
    """The frames of a window of another process."""
    while True:
        shape = torch.empty(4, dtype=torch.int64, device=device)
        dist.recv(shape, owner)
        if not shape.any():
            return
        frames = torch.empty(*shape.tolist(), dtype=torch.uint8, device=device)
        dist.recv(frames, owner)
        yield frames.cpu()
