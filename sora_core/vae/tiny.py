"""A tiny decoder for previews of published models, in the layout of the published TAEHV weights (taew2_1, taew2_2).

Choices (those of the weights): 2-D convolutions on frames, each block sees its own input of the frame before; three
doublings of the picture, two of them of the frame rate. The first frames, which have too little before them, fall away.
All sizes are read from the file.

Legend: B batch, C channels, T latent frames, F pixel frames, h w sides; inside, frames of all clips are [B*T,C,h,w].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .. import checkpoints
from ..errors import CheckpointError, InputError

__all__ = ["TinyDecoder", "load_tiny"]

PREFIX = "decoder."
GROWTHS = (7, 13, 19)
"""places of the layers that double the frame rate, or do not, behind a doubling of the picture"""
CLAMP = 3.0
TYPES = (torch.float32, torch.bfloat16, torch.float16)


class Block(nn.Module):
    """relu(convolutions of its input and of the input one frame before, plus its input)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        sizes = ((2 * channels, channels), (channels, channels), (channels, channels))
        convs = [nn.Conv2d(i, o, 3, padding=1) for i, o in sizes]
        self.conv = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])

    def forward(self, x: Tensor, clips: int) -> Tensor:
        by_clip = x.unflatten(0, (clips, -1))
        before = F.pad(by_clip, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1].flatten(0, 1)
        return F.relu(self.conv(torch.cat([x, before], 1)) + x)


class Growth(nn.Module):
    """Each frame becomes `times` frames."""

    def __init__(self, channels: int, times: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels * times, 1, bias=False)
        self.channels, self.times = channels, times

    def forward(self, x: Tensor, clips: int) -> Tensor:
        return self.conv(x).reshape(-1, self.channels, *x.shape[2:])


class TinyDecoder(nn.Module):
    """`video = decoder(latent)`: normalised [B,C,T,h,w] -> [B,3,F,H,W] in about -1..1; F = 1 + 4 (T - 1)."""

    def __init__(self, channels: int, widths: tuple[int, ...], times: tuple[int, ...], patch: int) -> None:
        super().__init__()
        self.channels, self.patch, self.space_factor = channels, patch, patch * 2 ** len(times)
        self.trim = math.prod(times) - 1
        layers: dict[str, nn.Module] = {"1": nn.Conv2d(channels, widths[0], 3, padding=1)}
        for i, time in enumerate(times):
            at, width = 3 + 6 * i, widths[i]
            layers |= {str(at + j): Block(width) for j in range(3)}
            layers[str(at + 4)] = Growth(width, time)
            layers[str(at + 5)] = nn.Conv2d(width, widths[i + 1], 3, padding=1, bias=False)
        layers["22"] = nn.Conv2d(widths[-1], 3 * patch**2, 3, padding=1)
        self.decoder = nn.ModuleDict(layers)

    def forward(self, latent: Tensor) -> Tensor:
        if latent.ndim != 5 or latent.shape[1] != self.channels:
            raise InputError(f"this decoder takes latents [B,{self.channels},T,h,w], not {list(latent.shape)}")
        clips = len(latent)
        x = latent.to(self.decoder["1"].weight.dtype).transpose(1, 2).flatten(0, 1)  # type: ignore[arg-type]
        x = F.relu(self.decoder["1"](torch.tanh(x / CLAMP) * CLAMP))
        for name, layer in self.decoder.items():
            if isinstance(layer, Block):
                x = layer(x, clips)
            elif isinstance(layer, Growth):
                x = layer(F.interpolate(x, scale_factor=2.0), clips)
            elif name not in ("1", "22"):
                x = layer(x)
        x = F.pixel_shuffle(self.decoder["22"](F.relu(x)), self.patch)
        return 2 * x.unflatten(0, (clips, -1))[:, self.trim :].transpose(1, 2) - 1


def load_tiny(path: str | Path, *, device: torch.device | str = "cpu") -> TinyDecoder:
    """The decoder of a TAEHV file. Raises CheckpointError for a file of another kind."""
    opened = checkpoints.load(path)
    tensors = {n: opened.tensors[n] for n in opened.tensors if n.startswith(PREFIX)}
    if any(value.dtype not in TYPES for value in tensors.values()):
        raise CheckpointError(f"{path} holds weights of other types: take a float32, bfloat16 or float16 file.")
    shapes = {name.removeprefix(PREFIX): tuple(value.shape) for name, value in tensors.items()}
    with torch.device("meta"):
        made = of_shapes(shapes, path)
    checkpoints.load_into(made, tensors, what=f"the weights in {path}")
    return made.to(device).requires_grad_(False).eval()


def of_shapes(shapes: Mapping[str, tuple[int, ...]], path: str | Path) -> TinyDecoder:
    """An empty decoder of the sizes in a file."""
    wanted = ["1.weight", "22.weight", *(f"{place}.conv.weight" for place in GROWTHS)]
    missing = [PREFIX + name for name in wanted if len(shapes.get(name, ())) != 4 or 0 in shapes[name]]
    if missing:
        raise CheckpointError(f"{path} is no tiny decoder: it lacks {', '.join(missing[:3])}; take a taew2_1 file.")
    growths = [shapes[f"{place}.conv.weight"] for place in GROWTHS]
    patch = int((shapes["22.weight"][0] / 3) ** 0.5)
    return TinyDecoder(
        channels=shapes["1.weight"][1],
        widths=(*(growth[1] for growth in growths), shapes["22.weight"][1]),
        times=tuple(growth[0] // growth[1] for growth in growths),
        patch=patch,
    )
