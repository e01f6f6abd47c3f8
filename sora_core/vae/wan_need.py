"""What the layers of the Wan codecs need in memory, read off the layers."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["numbers", "run_up"]


def numbers(half: Any, *, in_bands: bool) -> tuple[int, int]:
    """Per latent cell, numbers that the tiled part of an encoder or decoder keeps of the frames before, and numbers
    in use at most.

    A block holds its input, what its convolution reads (two frames more) as it is and reordered, and results; with
    pictures in bands of rows, input and results alone. A change of the grid holds four of its results, or two and a
    half. Where the frame rate does not change any more, frames go one by one.
    """
    tiled = getattr(half, "upsamples", None) or half.downsamples
    layers: list[Any] = [layer for layer in tiled.modules() if hasattr(layer, "residual") or hasattr(layer, "resample")]
    grids = [layer for layer in layers if hasattr(layer, "resample")]
    rates = [i for i, layer in enumerate(layers) if getattr(layer, "time_conv", None) is not None]
    up = grids[0].up
    places = 1 if up else 4 ** len(grids)
    kept, most, frames = 0 if up else 2 * half.conv1.in_channels * places, 0, 1
    for i, layer in enumerate(layers):
        if hasattr(layer, "residual"):
            sizes = [layer.residual[name].in_channels * places for name in ("2", "6")]
            kept += 2 * sum(sizes)
            most = max(most, (3 * frames if in_bands else 6 * frames + 6) * max(sizes))
            continue
        places = places * 4 if up else places // 4
        if layer.time_conv is not None:
            kept += layer.time_conv.in_channels * (places // 2 if up else places)
            frames = 2 ** (1 + rates.index(i) if up else len(rates) - rates.index(i))
        most = max(most, int((2.5 if in_bands else 4) * frames * layer.resample["1"].out_channels * places))
        if layer.time_conv is not None:
            frames = (1 if i == rates[-1] else frames) if up else frames // 2
    return kept + (2 * half.head["2"].out_channels * places if up else 0), most


def run_up(decoder: Any) -> int:
    """Latent frames that a decoder hears back: two frames for each convolution over time, at the rate where it is."""
    back, rate = 2.0, 1  # the first convolution
    for layer in [*decoder.middle.modules(), *decoder.upsamples.modules()]:
        if hasattr(layer, "residual"):
            back += 4 / rate
        elif getattr(layer, "time_conv", None) is not None:
            back, rate = back + 2 / rate, 2 * rate
    return math.ceil(back + 2 / rate)
