"""Modulation by noise level (adaLN, arXiv 2212.09748), stored once per run of tokens that share it.

Legend: L tokens, D width, R rows (clips x mask levels).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from . import fused
from .packing import Layout

__all__ = ["gated", "modulated", "sinusoid"]


def sinusoid(timesteps: Tensor, dim: int) -> Tensor:
    """Cosine, then sine features [R,dim] of timesteps [R] in 0..1000 (period 10000), float32."""
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64, device=timesteps.device) / half)
    angles = timesteps.double()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1).float()


def modulated(x_LD: Tensor, shift: Tensor, scale: Tensor, layout: Layout, eps: float) -> Tensor:
    """Layer norm without weights, then x * (1 + scale) + shift, each token with its row of the layout; in float32."""
    if fused.usable(x_LD) and layout.segments:
        return fused.modulated(x_LD, shift, scale, layout.segments, eps)
    rows = layout.rows
    h = F.layer_norm(x_LD.float(), x_LD.shape[-1:], eps=eps).unflatten(0, (-1, layout.run))
    return (h * (1 + scale[rows][:, None]) + shift[rows][:, None]).flatten(0, 1).to(x_LD.dtype)


def gated(x_LD: Tensor, update: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """x + gate * update, in float32; x may be overwritten."""
    if fused.usable(x_LD) and layout.segments:
        return fused.gated(x_LD, update, gate, layout.segments)
    step = update.float().unflatten(0, (-1, layout.run)) * gate[layout.rows][:, None]
    return (x_LD.float() + step.flatten(0, 1)).to(x_LD.dtype)
