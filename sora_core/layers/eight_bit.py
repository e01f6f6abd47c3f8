"""Weights kept in eight bits: fp8 files take their own size in memory, no more.

An `ops` namespace like `torch.nn`, whose Linear holds a weight of any float type with one scale, or with one for each
output. A card that multiplies eight-bit numbers computes them as they are; elsewhere they are dequantized where they
are used.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from . import kernels

__all__ = ["EightBitOps", "dequantized"]


class Linear(nn.Linear):
    """y = x (weight * scale)^T + bias; scale is [] or [O,1] float32."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float32), requires_grad=False)

        self.beside: tuple[Callable[[Tensor], Tensor], ...] = ()
        """what is added to the output, as functions of x"""

    def take_scales(self, count: int) -> bool:
        """Make room for so many scales; tells whether a layer can have that number."""
        if count not in (1, self.out_features):
            return False
        shape = () if count == 1 else (count, 1)
        self.scale = nn.Parameter(torch.ones(shape, device=self.scale.device), requires_grad=False)
        return True

    def forward(self, x: Tensor) -> Tensor:
        out = kernels.of(x).eight_bit(self, x)
        if out is None:
            out = F.linear(x, dequantized(self.weight, self.scale.to(x.dtype)), self.bias)
        for added in self.beside:
            out = out + added(x)
        return out


def dequantized(weight: Tensor, scale: Tensor) -> Tensor:
    """weight * scale in the type of the scale.

    On a CPU bfloat16 is put together from the bits of e4m3, several times as fast as the cast, which goes number by
    number: sign, 4 bits of exponent (bias 7) and 3 of mantissa, moved to where bfloat16 (bias 127) has its own, are
    2^-120 of the number.
    """
    if weight.device.type != "cpu" or (weight.dtype, scale.dtype) != (torch.float8_e4m3fn, torch.bfloat16):
        return weight.to(scale.dtype) * scale
    bits = weight.view(torch.int8).to(torch.int16).bitwise_left_shift_(4).bitwise_and_(-0x7810)
    return bits.view(torch.bfloat16).mul_(2.0**120).mul_(scale)


class EightBitOps:
    """`torch.nn`, but for Linear."""

    Linear = Linear
    Conv2d = nn.Conv2d
    Conv3d = nn.Conv3d
    LayerNorm = nn.LayerNorm
    RMSNorm = nn.RMSNorm
    Embedding = nn.Embedding
