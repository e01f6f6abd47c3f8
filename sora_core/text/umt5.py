"""The umT5 encoder: the text side of the Wan family (umT5-XXL by default).

Choices (those of the published weights): T5 blocks without biases, RMS norm before each part, a learned bias by
relative position in every block, attention scores that are not scaled, a gated gelu-tanh MLP. Parameter names are those
of the published safetensors files. A prompt is run at its own length, so nothing is masked and no padding is computed;
the sum over blocks is kept in float32, the products in the weights' own type.

Legend: B prompts, S text tokens, D width, N heads, K head dim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..layers.drawn import drawn

__all__ = ["UMT5", "UMT5Config"]


@dataclass(frozen=True, kw_only=True)
class UMT5Config:
    """Sizes of the encoder; the defaults are umT5-XXL."""

    vocabulary: int = 256384
    """rows of the table of word pieces"""
    width: int = 4096
    """features per token"""
    depth: int = 24
    """blocks"""
    heads: int = 64
    """attention heads"""
    head_dim: int = 64
    """features per head"""
    mlp_width: int = 10240
    """hidden features of the MLP"""
    buckets: int = 32
    """kinds of relative position"""
    reach: int = 128
    """distance beyond which all positions are one kind"""
    eps: float = 1e-6
    """of every norm"""

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.depth, self.heads, self.head_dim, self.mlp_width) < 1:
            raise InputError("every size of a text encoder must be at least 1")


class Norm(nn.Module):
    """RMS norm of float32 features, given in the weights' type."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x_SD: Tensor, dtype: torch.dtype) -> Tensor:
        return F.rms_norm(x_SD, x_SD.shape[-1:], self.weight.float(), self.eps).to(dtype)


class Attention(nn.Module):
    """Self-attention over one prompt with a bias by relative position."""

    def __init__(self, config: UMT5Config, ops: Any) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.q, self.k, self.v = (ops.Linear(config.width, inner, bias=False) for _ in range(3))
        self.o = ops.Linear(inner, config.width, bias=False)
        self.relative_attention_bias = nn.Embedding(
            config.buckets, config.heads, _weight=drawn(config.buckets, config.heads)
        )

    def forward(self, x_SD: Tensor, kinds: Tensor) -> Tensor:
        q, k, v = (p(x_SD).unflatten(-1, (self.heads, -1)).transpose(0, 1)[None] for p in (self.q, self.k, self.v))
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias(kinds).to(q.dtype)[None], scale=1.0)
        return self.o(h[0].transpose(0, 1).flatten(1))

    def bias(self, kinds: Tensor) -> Tensor:
        """[N,S,S] from the kind of each distance -(S-1) .. S-1: row i is a window on the distances, from -i on."""
        by_distance = self.relative_attention_bias.weight.t()[:, kinds]
        return by_distance.unfold(1, (len(kinds) + 1) // 2, 1).flip(1)


class MLP(nn.Module):
    """wo(gelu(wi_0(x)) * wi_1(x))."""

    def __init__(self, config: UMT5Config, ops: Any) -> None:
        super().__init__()
        self.wi_0, self.wi_1 = (ops.Linear(config.width, config.mlp_width, bias=False) for _ in range(2))
        self.wo = ops.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x_SD: Tensor) -> Tensor:
        return self.wo(F.gelu(self.wi_0(x_SD), approximate="tanh") * self.wi_1(x_SD))


class Block(nn.Module):
    """Attention and MLP, each behind a norm; `layer.0` and `layer.1` in the files."""

    def __init__(self, config: UMT5Config, ops: Any) -> None:
        super().__init__()
        attention = nn.ModuleDict(
            {"SelfAttention": Attention(config, ops), "layer_norm": Norm(config.width, config.eps)}
        )
        mlp = nn.ModuleDict({"DenseReluDense": MLP(config, ops), "layer_norm": Norm(config.width, config.eps)})
        self.layer = nn.ModuleList([attention, mlp])

    def forward(self, x_SD: Tensor, kinds: Tensor, dtype: torch.dtype) -> Tensor:
        attention, mlp = self.layer
        x_SD = x_SD + attention["SelfAttention"](attention["layer_norm"](x_SD, dtype), kinds)  # type: ignore[index]
        return x_SD + mlp["DenseReluDense"](mlp["layer_norm"](x_SD, dtype))  # type: ignore[index]


class Stack(nn.Module):
    """The blocks and the last norm."""

    def __init__(self, config: UMT5Config, ops: Any) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(config, ops) for _ in range(config.depth))
        self.final_layer_norm = Norm(config.width, config.eps)


class UMT5(nn.Module):
    """`features = encoder(tokens)`: [S] int64 -> [S,D]; `encode` takes several prompts."""

    def __init__(self, config: UMT5Config, *, ops: Any = nn) -> None:
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocabulary, config.width, _weight=drawn(config.vocabulary, config.width))
        self.encoder = Stack(config, ops)

    def forward(self, tokens_S: Tensor) -> Tensor:
        if tokens_S.ndim != 1 or not len(tokens_S):
            raise InputError(f"a prompt is a row of at least one token, not {list(tokens_S.shape)}")
        dtype = self.shared.weight.dtype
        kinds = relative_kinds(len(tokens_S), self.config).to(tokens_S.device)
        x = self.shared(tokens_S).float()
        for block in self.encoder.block:
            x = block(x, kinds, dtype)
        return self.encoder.final_layer_norm(x, dtype)

    def encode(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Token rows of any lengths -> [B,S,D], zero behind the end of each prompt."""
        device = self.shared.weight.device
        rows = [self(torch.tensor(row, dtype=torch.int64, device=device)) for row in prompts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def relative_kinds(tokens: int, config: UMT5Config) -> Tensor:
    """The kind, 0 .. buckets-1, of each distance -(S-1) .. S-1 between a token and the one it looks at, [2S-1].

    Half of the kinds look ahead; of each half, half are single distances and the rest grow with the logarithm up to
    `reach`.
    """
    distance = torch.arange(1 - tokens, tokens)
    half = config.buckets // 2
    near = half // 2
    steps = torch.log(distance.abs().clamp(min=1).float() / near) / math.log(config.reach / near) * (half - near)
    far = (near + steps.to(torch.int64)).clamp(max=half - 1)
    return torch.where(distance.abs() < near, distance.abs(), far) + half * (distance > 0)
