"""The bundled text encoder: a small bidirectional transformer over words, trained together with the diffusion
transformer.

Pre-norm blocks with learned positions. Padding is neither attended to nor passed on: its features are zero, so an empty
prompt is all zeros, which is also what dropped captions are in training.

Legend: B texts, S tokens, D width, N heads, K head dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..layers.attention import attend
from ..layers.drawn import drawn
from .tokenizer import PAD

__all__ = ["TextConfig", "TextEncoder"]


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Sizes of the bundled text encoder."""

    vocabulary: tuple[str, ...]
    """known words, without the special tokens"""
    width: int = 256
    """features per token"""
    depth: int = 2
    """blocks"""
    heads: int = 4
    """attention heads"""
    mlp_width: int = 768
    """hidden features of the MLP"""
    tokens: int = 64
    """longest text"""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(f"text width {self.width} must divide into {self.heads} heads")


class TextBlock(nn.Module):
    """Self-attention and MLP, pre-norm."""

    def __init__(self, config: TextConfig, ops: Any) -> None:
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.norm1, self.norm2 = ops.RMSNorm(d, eps=1e-6), ops.RMSNorm(d, eps=1e-6)
        self.qkv, self.o = ops.Linear(d, 3 * d), ops.Linear(d, d)
        self.up, self.down = ops.Linear(d, config.mlp_width), ops.Linear(config.mlp_width, d)

    def forward(self, x_BSD: Tensor, known_BS: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x_BSD)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        x_BSD = x_BSD + self.o(attend(q, k, v, known_BS).flatten(2))
        return x_BSD + self.down(F.gelu(self.up(self.norm2(x_BSD)), approximate="tanh"))


class TextEncoder(nn.Module):
    """Token ids [B,S] -> features [B,S,D], zero where the text has ended."""

    def __init__(self, config: TextConfig, *, ops: Any = nn) -> None:
        super().__init__()
        self.config = config
        words = len(config.vocabulary) + 2
        start = {"_weight": drawn(words, config.width)} if ops is nn else {}  # ComfyUI's operations draw none
        self.embedding = ops.Embedding(words, config.width, **start)
        self.positions = nn.Parameter(torch.zeros(config.tokens, config.width))
        self.blocks = nn.ModuleList(TextBlock(config, ops) for _ in range(config.depth))
        self.norm = ops.RMSNorm(config.width, eps=1e-6)

    def init_weights(self) -> None:
        """The start of training."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.normal_(
                    parameter,
                    std=0.5 if "embedding" in name else 0.02 if name == "positions" else parameter.shape[1] ** -0.5,
                )
        for block in self.blocks:
            nn.init.zeros_(block.o.weight)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(block.down.weight)  # type: ignore[union-attr, arg-type]

    def forward(self, ids_BS: Tensor) -> Tensor:
        known = ids_BS != PAD
        attended = known | ~known.any(1, keepdim=True)
        x = self.embedding(ids_BS)
        x = x + self.positions[: ids_BS.shape[1]].to(x)
        for block in self.blocks:
            x = block(x, attended)
        return self.norm(x) * known[..., None]
