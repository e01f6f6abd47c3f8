"""Modulation by noise level (adaLN, arXiv 2212.09748), stored once per run of tokens that share it.

Legend: L tokens, D width, R rows (clips x mask levels).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gated", "modulated", "sinusoid"]


def sinusoid(timesteps: Tensor, dim: int) -> Tensor:
    """Cosine, then sine features [R,dim] of timesteps [R] in 0..1000 (period 10000), float32."""
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64, device=timesteps.device) / half)
    angles = timesteps.double()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1).float()


def modulated(x_LD: Tensor, shift: Tensor, scale: Tensor, rows: Tensor, run: int, eps: float) -> Tensor:
    """Layer norm without weights, then x * (1 + scale) + shift, where token l takes row rows[l // run]; in float32."""
    h = F.layer_norm(x_LD.float(), x_LD.shape[-1:], eps=eps).unflatten(0, (-1, run))
    return (h * (1 + scale[rows][:, None]) + shift[rows][:, None]).flatten(0, 1).to(x_LD.dtype)


def gated(x_LD: Tensor, update: Tensor, gate: Tensor, rows: Tensor, run: int) -> Tensor:
    """x + gate * update, in float32."""
    step = update.float().unflatten(0, (-1, run)) * gate[rows][:, None]
    return (x_LD.float() + step.flatten(0, 1)).to(x_LD.dtype)
