"""Weights kept in eight bits and widened where they are used: fp8 files take their own size in memory, no more.

An `ops` namespace like `torch.nn`, whose Linear holds a weight of any float type with one scale.
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

__all__ = ["EightBitOps"]


class Linear(nn.Linear):
    """y = x (weight * scale)^T + bias, the weight widened to the type of x at every call."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float32), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype) * self.scale.to(x.dtype), self.bias)


class EightBitOps:
    """`torch.nn`, but for Linear."""

    Linear = Linear
    Conv2d = nn.Conv2d
    Conv3d = nn.Conv3d
    LayerNorm = nn.LayerNorm
    RMSNorm = nn.RMSNorm
    Embedding = nn.Embedding
