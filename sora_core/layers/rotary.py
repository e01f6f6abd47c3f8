"""Rotary positions in time, height and width (RoFormer, arXiv 2104.09864, one axis per share of the head).

Legend: L tokens, N heads, K head dim. Tables are float32 [L,1,K/2]; pairs are neighbouring features, as the Wan files
have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["Rotation", "apply_rotary", "axis_dims", "rotary_table"]


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The angle of each pair of features of each token, as cosine and sine [L,1,K/2]."""

    cos: Tensor
    sin: Tensor

    @cached_property
    def phase(self) -> Tensor:
        """The same as complex numbers."""
        return torch.complex(self.cos, self.sin)


def axis_dims(head_dim: int) -> tuple[int, int, int]:
    """How a head divides over time, height and width: 128 -> 44, 42, 42."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def rotary_table(coordinates: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine [L,1,K/2] from token coordinates [L,3] (time, height, width), computed in float64."""
    angles = []
    for axis, dim in enumerate(axis_dims(head_dim)):
        frequencies = theta ** (-torch.arange(0, dim, 2, dtype=torch.float64, device=coordinates.device) / dim)
        angles.append(coordinates[:, axis].double()[:, None] * frequencies)
    table = torch.cat(angles, 1)[:, None]
    return table.cos().float(), table.sin().float()


def apply_rotary(x_LNK: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of features by its angle, in float32."""
    even, odd = x_LNK.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1)
    return turned.flatten(-2).to(x_LNK.dtype)
