"""What the layers of the Wan codecs need in memory, read off the layers."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["numbers", "run_up"]


def numbers(half: Any, *, in_bands: bool) -> tuple[int, int]:
    """Per latent cell, numbers that the tiled part of an encoder or decoder keeps of the frames before, and numbers
    in use at most, where frames go one by one on the grids behind the last (before the first) change of the frame rate.

    in_bands: pictures go through a convolution by bands of rows; else what it reads is there twice, as it is and
    reordered.
    """
    return _Walk(half, in_bands).numbers()


class _Walk:
    """Follows one latent frame through the tiled part and counts what is there at each layer."""

    def __init__(self, half: Any, in_bands: bool) -> None:
        self.half, self.in_bands, self.up = half, in_bands, hasattr(half, "upsamples")
        resamples = [layer for layer in half.modules() if hasattr(layer, "resample")]
        self.rate = 2 ** sum(layer.time_conv is not None for layer in resamples)
        self.places, self.frames = 1 if self.up else 4 ** len(resamples), 1
        self.channels = half.middle[0].residual["2"].in_channels if self.up else half.conv1.out_channels
        self.kept, self.most = 0, 1

    def numbers(self) -> tuple[int, int]:
        first, second, third = self.half.parts()
        if self.up:
            self.run(second, 0)
            held, self.frames = self.size, 1
            self.run(third, held - self.size)
            self.kept += 2 * self.half.head["2"].out_channels * self.places
        else:
            self.kept += 2 * self.half.conv1.in_channels * self.places
            self.run(first, 0)
            self.frames = self.rate
            self.most = max(self.most, 2 * self.size)  # the frames, and all of them as one
            self.run(second, 0)
        return self.kept, self.most

    @property
    def size(self) -> int:
        """Numbers that are handed from layer to layer."""
        return self.channels * self.places * self.frames

    def run(self, layers: list[Any], held: int) -> None:
        """Through layers, beside `held` numbers; the caller holds what goes in until the last one is done."""
        given = self.size
        for i, layer in enumerate(layers):
            beside, entered = held + (given if i else 0), self.size
            group = getattr(layer, "upsamples", None) or getattr(layer, "downsamples", None)
            if group is not None:
                self.run(list(group), beside)
                self.most = max(self.most, beside + entered + max(2 * self.size, entered + self.size))  # the shortcut
            elif hasattr(layer, "residual"):
                self.block(layer, beside)
            else:
                self.change(layer, beside)

    def block(self, layer: Any, held: int) -> None:
        """Its input and both results, and what its convolutions read: two frames more."""
        entered, convs = self.size, [layer.residual[name] for name in ("2", "6")]
        self.kept += sum(2 * conv.in_channels * self.places for conv in convs)
        self.channels = convs[0].out_channels
        read = 0 if self.in_bands else 2 * max(conv.in_channels for conv in convs) * self.places * (self.frames + 2)
        self.most = max(self.most, held + entered + 2 * self.size + read)

    def change(self, layer: Any, held: int) -> None:
        """Its input with a border, and its result; of a doubled picture one frame more."""
        if self.up and layer.time_conv is not None:
            self.kept += 2 * self.channels * self.places
            self.frames *= 2
        entered, self.channels = self.size, layer.resample["1"].out_channels
        self.places = self.places * 4 if self.up else self.places // 4
        copies = self.size + (self.size // self.frames if self.up else entered)
        self.most = max(self.most, held + entered + copies + (0 if self.in_bands else self.size))
        if not self.up and layer.time_conv is not None:
            self.kept += self.channels * self.places
            self.frames //= 2


def run_up(decoder: Any) -> int:
    """Latent frames that a decoder hears back: two frames for each convolution over time, at the rate where it is."""
    back, rate = 2.0, 1  # the first convolution
    for layer in [*decoder.middle.modules(), *decoder.upsamples.modules()]:
        if hasattr(layer, "residual"):
            back += 4 / rate
        elif getattr(layer, "time_conv", None) is not None:
            back, rate = back + 2 / rate, 2 * rate
    return math.ceil(back + 2 / rate)
