"""The diffusion transformer: noisy spacetime patches and text in, clean patches (or velocity) out.

One code for the bundled model and for the published Wan weights: both are configs. Choices: a token is a patch of the
latent grid; rotary positions over time, height and width; RMS norm on queries and keys over all heads; the noise level
modulates every block through six vectors shared by all blocks plus a learned table per block (in float32); text enters
by cross-attention with a norm of its own; gelu-tanh MLP. Parameter names are those of Wan's original files.

The bundled model also knows what a latent frame stands for (`grid_features`) and takes a noise level per position: kept
parts are told zero. Its output takes a share of its input (`input_gate`), so that details need not pass through a
narrow width. Clips of different sizes go through as one packed sequence (`layers.packing`).

Legend: L tokens of all clips, n clips of a group, B clips of the pack, S text tokens, D width, N heads, K head dim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..layers import kernels
from ..layers.attention import cross_attention, self_attention
from ..layers.drawn import drawn
from ..layers.modulation import sinusoid
from ..layers.packing import Group, Layout, patchify, tokens_of, unpatchify
from ..layers.rotary import Rotation, rotary_table
from .config import DiTConfig
from .positions import GRID_FEATURES, grid_features, index_coordinates, metric_coordinates

__all__ = ["ClipGrid", "DiT", "TextKV", "TokenPlan"]

PREPACKING = Lock()
"""held by the thread that prepacks weights"""


class BlockText(NamedTuple):
    """Keys and values [B,S,N,K] of the text for one block, and what is added to the scores of each token, [S] or
    None."""

    k: Tensor
    v: Tensor
    bias: Tensor | None = None


TextKV = Sequence[BlockText]
"""The text for every block: computed once per prompt."""


@dataclass(frozen=True, kw_only=True)
class ClipGrid:
    """A group of n clips of one size: what the network must know of their grid.

    shape: n, T, H, W in latent cells; positions [n,T] in seconds; spans [n,T] frames; seconds_per_frame [n]; mask
    [n,1,T,H,W] or None where everything is made; text_rows [n,T] which of the group's `texts` each latent frame
    follows, or None where each clip has one text.
    """

    shape: tuple[int, int, int, int]
    positions: Tensor
    spans: Tensor
    seconds_per_frame: Tensor
    mask: Tensor | None = None
    text_rows: Tensor | None = None
    texts: int = 0
    """texts of the group where `text_rows` is given"""


@dataclass(frozen=True, kw_only=True)
class TokenPlan:
    """What depends on sizes and mask alone: made once, used at every step."""

    layout: Layout
    cos: Tensor
    sin: Tensor
    features: Tensor | None

    @cached_property
    def rotation(self) -> Rotation:
        """Where each token is, as its queries and keys are turned."""
        return Rotation(cos=self.cos, sin=self.sin)

    # Below: how this process's tokens relate to all tokens. One process has all; `parallel.SharedPlan` has a share.

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of clips of all tokens."""
        return self.layout.groups

    def take(self, x_LD: Tensor) -> Tensor:
        """The share of all tokens [L,D] that this process works on."""
        return x_LD

    def give(self, x_LD: Tensor) -> Tensor:
        """The inverse of `take`: all tokens [L,D], gathered from the shares of all processes."""
        return x_LD

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Each clip attends to itself: [L,N,K] three times -> [L,N,K]."""
        return self_attention(q, k, v, self.layout.alike)


def padded_once(context_BSD: Tensor, tokens: int) -> tuple[Tensor, Tensor | None]:
    """The text with one token of padding, and the bias that lets it count for all that would fill it up to `tokens`."""
    said = (context_BSD != 0).any(-1).any(0)
    length = int(said.nonzero().max()) + 1 if said.any() else 0
    if length == tokens:
        return context_BSD, None
    bias = context_BSD.new_zeros(length + 1, dtype=torch.float32)
    bias[-1] = math.log(tokens - length)
    return F.pad(context_BSD[:, :length], (0, 0, 0, 1)), bias


def gated_input(output: Tensor, x: Tensor) -> Tensor:
    """The network's own numbers plus its share of its input's: halves of output [n,2C,T,H,W], x [n,C,T,H,W]."""
    own, share = output.chunk(2, 1)
    return own + share * x


class Attention(nn.Module):
    """Projections with normed queries and keys."""

    def __init__(self, config: DiTConfig, ops: Any) -> None:
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.q, self.k, self.v, self.o = (ops.Linear(d, d) for _ in range(4))
        self.norm_q, self.norm_k = (ops.RMSNorm(d, eps=config.eps) for _ in range(2))

    def split(self, x: Tensor) -> Tensor:
        """[...,D] -> [...,N,K]."""
        return x.unflatten(-1, (self.heads, -1))

    def normed(self, norm: nn.Module, x_LD: Tensor, plan: TokenPlan | None = None) -> Tensor:
        """Queries or keys behind their norm, and turned by position where a plan is given: [L,N,K]. x may be
        overwritten."""
        return kernels.of(x_LD).normed(norm, x_LD, self.heads, plan.rotation if plan else None)

    def over_itself(self, x_LD: Tensor, plan: TokenPlan) -> Tensor:
        """Each clip attends to itself."""
        q, k, v = kernels.of(x_LD).linears((self.q, self.k, self.v), x_LD)
        del x_LD  # else it waits for attention to end
        q, k, v = self.normed(self.norm_q, q, plan), self.normed(self.norm_k, k, plan), self.split(v)
        return self.o(plan.attend(q, k, v).flatten(1))

    def over_text(self, x_LD: Tensor, text: BlockText, plan: TokenPlan) -> Tensor:
        """Each clip attends to its text."""
        q = self.normed(self.norm_q, self.q(x_LD))
        return self.o(cross_attention(q, *text, plan.layout.alike).flatten(1))

    def text(self, context_BSD: Tensor, bias: Tensor | None) -> BlockText:
        return BlockText(self.split(self.norm_k(self.k(context_BSD))), self.split(self.v(context_BSD)), bias)


class Block(nn.Module):
    """Self-attention, cross-attention to the text, MLP."""

    def __init__(self, config: DiTConfig, ops: Any) -> None:
        super().__init__()
        self.eps = config.eps
        self.self_attn, self.cross_attn = Attention(config, ops), Attention(config, ops)
        self.norm3 = ops.LayerNorm(config.width, eps=config.eps)
        self.ffn = nn.Sequential(
            ops.Linear(config.width, config.mlp_width),
            nn.GELU(approximate="tanh"),
            ops.Linear(config.mlp_width, config.width),
        )
        self.modulation = nn.Parameter(drawn(1, 6, config.width, std=config.width**-0.5))

    def forward(self, x_LD: Tensor, time_R6D: Tensor, text: BlockText, plan: TokenPlan) -> Tensor:
        fast, layout = kernels.of(x_LD), plan.layout
        table = (self.modulation.to(time_R6D) + time_R6D).unbind(1)
        h = self.self_attn.over_itself(fast.modulated(x_LD, table[0], table[1], layout, self.eps), plan)
        x_LD = fast.gated(x_LD, h, table[2], layout)
        x_LD = x_LD + self.cross_attn.over_text(self.norm3(x_LD), text, plan)
        h = fast.mlp(self.ffn, fast.modulated(x_LD, table[3], table[4], layout, self.eps))
        return fast.gated(x_LD, h, table[5], layout)


class FreshText(Sequence[BlockText]):
    """The text for every block, made where it is used: on a card that costs less than the memory to keep it.

    embedded: [B,S,D], whose last token stands for all padding up to `tokens`.
    """

    def __init__(self, blocks: nn.ModuleList, embedded_BSD: Tensor, tokens: int) -> None:
        self.blocks, self.embedded, self.tokens = blocks, embedded_BSD, tokens

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, i: Any) -> Any:
        k, v, _ = self.blocks[i].cross_attn.text(self.embedded, None)
        return BlockText(self.filled(k), self.filled(v))

    def filled(self, x_BSNK: Tensor) -> Tensor:
        missing = self.tokens - x_BSNK.shape[1]
        return torch.cat([x_BSNK, x_BSNK[:, -1:].expand(-1, missing, -1, -1)], 1) if missing else x_BSNK


class Head(nn.Module):
    """Modulated norm and the projection to patches."""

    def __init__(self, config: DiTConfig, ops: Any) -> None:
        super().__init__()
        p, q, r = config.patch
        self.eps = config.eps
        self.head = ops.Linear(config.width, p * q * r * config.channels * (2 if config.input_gate else 1))
        self.modulation = nn.Parameter(drawn(1, 2, config.width, std=config.width**-0.5))

    def forward(self, x_LD: Tensor, time_RD: Tensor, plan: TokenPlan) -> Tensor:
        shift, scale = (self.modulation.to(time_RD) + time_RD[:, None]).unbind(1)
        return self.head(kernels.of(x_LD).modulated(x_LD, shift, scale, plan.layout, self.eps))


class DiT(nn.Module):
    """`outputs = dit(groups, sigma, plan, text)`; see the module's docstring."""

    def __init__(self, config: DiTConfig, *, ops: Any = nn) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.patch_embedding = ops.Conv3d(config.channels, d, config.patch, config.patch)
        self.text_embedding = nn.Sequential(
            ops.Linear(config.text_width, d), nn.GELU(approximate="tanh"), ops.Linear(d, d)
        )
        self.time_embedding = nn.Sequential(ops.Linear(config.time_features, d), nn.SiLU(), ops.Linear(d, d))
        self.time_projection = nn.Sequential(nn.SiLU(), ops.Linear(d, 6 * d))
        self.blocks = nn.ModuleList(Block(config, ops) for _ in range(config.depth))
        self.head = Head(config, ops)
        self.grid_embedding = ops.Linear(GRID_FEATURES, d) if config.grid_features else None

    def init_weights(self) -> None:
        """Small output, silent text path: the start of training."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        nn.init.zeros_(self.head.head.weight)
        nn.init.zeros_(self.time_projection[1].weight)  # type: ignore[arg-type]
        for block in self.blocks:
            nn.init.zeros_(block.cross_attn.o.weight)  # type: ignore[union-attr, arg-type]

    def prepacked(self) -> DiT:
        """Itself with the weights of its blocks as the device's products read them: else a CPU reorders bfloat16 at
        every call.

        They then lie in memory once, and a file they were mapped from is let go. Other threads wait meanwhile: none may
        read weights that are being moved.
        """
        with PREPACKING:
            if kernels.for_device(self.patch_embedding.weight.device).prepack(self.blocks):
                for weight in self.parameters():
                    weight.data = weight.data if weight.is_mkldnn else weight.data.clone()
        return self

    def plan(self, grids: Sequence[ClipGrid], *, device: torch.device | str = "cpu") -> TokenPlan:
        """Rotary tables, grid features and modulation rows for a pack."""
        p, q, r = self.config.patch
        groups: list[Group] = []
        coordinates, features, masks = [], [], []
        token = text = 0
        for grid in grids:
            n, t, h, w = grid.shape
            if t % p or h % q or w % r:
                raise InputError(f"a latent of {t}x{h}x{w} does not divide into patches of {p}x{q}x{r}")
            t, h, w = t // p, h // q, w // r
            rows = None if grid.text_rows is None else grid.text_rows.to(device)
            groups.append(Group(n, t, h, w, token, text, rows))
            token, text = token + n * t * h * w, text + (n if rows is None else grid.texts)
            if self.config.grid_features:
                coordinates.append(metric_coordinates(grid.positions, h, w))
                features.append(grid_features(grid.positions, grid.spans, grid.seconds_per_frame, h, w))
            else:
                coordinates.append(index_coordinates(n, t, h, w))
            masks.append(
                None if grid.mask is None else F.max_pool3d(grid.mask.float(), self.config.patch)[:, 0].to(device)
            )
        cos, sin = rotary_table(torch.cat(coordinates).to(device), self.config.head_dim, self.config.rope_theta)
        layout = Layout.of(groups, masks).to(device)
        return TokenPlan(layout=layout, cos=cos, sin=sin, features=torch.cat(features).to(device) if features else None)

    def text(self, context_BSD: Tensor) -> TextKV:
        """Keys and values of the text for every block; the text is zero-padded to `text_tokens`.

        Padding tokens are all alike, so for inference one stands for them all: with the logarithm of their number on
        its scores, or repeated where keys and values are made.
        """
        b, s, d = context_BSD.shape
        if d != self.config.text_width or s > self.config.text_tokens:
            raise InputError(
                f"text features must be [B, at most {self.config.text_tokens}, {self.config.text_width}], not"
                f" {list(context_BSD.shape)}; encode the prompt with the text encoder of the same model"
            )
        fast, tokens = kernels.of(context_BSD), self.config.text_tokens
        if fast.pads_by_weight or not fast.keeps_text:
            padded, bias = padded_once(context_BSD, tokens)
        else:
            padded, bias = F.pad(context_BSD, (0, 0, 0, tokens - s)), None
        embedded = self.text_embedding(padded)
        if not fast.keeps_text:
            return FreshText(self.blocks, embedded, tokens)
        return [block.cross_attn.text(embedded, bias) for block in self.blocks]  # type: ignore[union-attr, operator]

    def embed(self, groups: Sequence[Tensor]) -> Tensor:
        """Tokens [L,D] of groups of latents: patches do not overlap, so one matrix product does it."""
        x = torch.cat([patchify(group, self.config.patch) for group in groups])
        return F.linear(x, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)

    def forward(self, groups: Sequence[Tensor], sigma_B: Tensor, plan: TokenPlan, text: TextKV) -> list[Tensor]:
        """Groups of latents [n,C,T,H,W] at noise level sigma [B] -> the prediction for each group, same shapes."""
        x = plan.take(self.embed(groups))
        if self.grid_embedding is not None:
            x = x + self.grid_embedding(plan.features.to(x.dtype))  # type: ignore[union-attr]
        time = self.time_embedding(
            sinusoid(plan.layout.timesteps(sigma_B) * 1000, self.config.time_features).to(x.dtype)
        )
        time_R6D = self.time_projection(time).float().unflatten(1, (6, -1))
        for block, kv in zip(self.blocks, text, strict=True):
            x = block(x, time_R6D, kv, plan)
        out = plan.give(self.head(x, time.float(), plan))
        parts = zip(tokens_of(out, plan.groups), plan.groups, strict=True)
        outputs = [unpatchify(tokens, group, self.config.patch) for tokens, group in parts]
        return [gated_input(*pair) for pair in zip(outputs, groups, strict=True)] if self.config.input_gate else outputs
