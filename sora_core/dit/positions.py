"""Where each token is: rotary coordinates and, for the bundled model, features of the grid.

Legend: n clips, T latent frames, H W in tokens, L = T*H*W.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["GRID_FEATURES", "grid_features", "index_coordinates", "metric_coordinates"]

UNITS_PER_SECOND = 4.0
UNITS_PER_SIDE = 8.0
WAVES = (0.5, 1.0, 2.0, 4.0)
GRID_FEATURES = 4 * len(WAVES) + 4


def index_coordinates(n: int, t: int, h: int, w: int) -> Tensor:
    """[n*L,3] counting tokens, as published models are trained."""
    grid = torch.stack(torch.meshgrid(*(torch.arange(k, dtype=torch.float32) for k in (t, h, w)), indexing="ij"), -1)
    return grid.reshape(1, -1, 3).expand(n, -1, -1).reshape(-1, 3)


def _centres(h: int, w: int) -> tuple[Tensor, Tensor]:
    """Token centres from the middle of the picture, in units of the height and of the width, -0.5..0.5."""
    return (torch.arange(h) + 0.5) / h - 0.5, (torch.arange(w) + 0.5) / w - 0.5


def metric_coordinates(positions_nT: Tensor, h: int, w: int) -> Tensor:
    """[n*L,3] in seconds and in picture sides (the shorter side is one), so that fps and resolution do not matter."""
    n, t = positions_nT.shape
    y, x = _centres(h, w)
    short = min(h, w)
    out = torch.empty(n, t, h, w, 3)
    out[..., 0] = positions_nT[:, :, None, None] * UNITS_PER_SECOND
    out[..., 1] = (y * h / short * UNITS_PER_SIDE)[:, None]
    out[..., 2] = x * w / short * UNITS_PER_SIDE
    return out.reshape(-1, 3)


def grid_features(positions_nT: Tensor, spans_nT: Tensor, seconds_per_frame: Tensor, h: int, w: int) -> Tensor:
    """[n*L,GRID_FEATURES]: waves over the picture, whether a latent frame stands for one frame, its length, shape and
    scale."""
    n, t = positions_nT.shape
    y, x = _centres(h, w)
    waves = torch.tensor(WAVES) * 2 * math.pi
    tall, wide = y[:, None] * waves, x[:, None] * waves
    out = torch.zeros(n, t, h, w, GRID_FEATURES)
    k = len(WAVES)
    out[..., :k], out[..., k : 2 * k] = tall.sin()[:, None], tall.cos()[:, None]
    out[..., 2 * k : 3 * k], out[..., 3 * k : 4 * k] = wide.sin(), wide.cos()
    out[..., -4] = (spans_nT == 1).float()[:, :, None, None]
    out[..., -3] = torch.log2(seconds_per_frame * 8).clamp(-4, 4)[:, None, None, None]
    out[..., -2] = math.log2(w / h)
    out[..., -1] = math.log2(min(h, w) / 4)
    return out.reshape(-1, GRID_FEATURES)
