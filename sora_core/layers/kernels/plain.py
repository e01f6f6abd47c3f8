"""The plain formulas between matrix products and convolutions: what is differentiated and compiled, and what the
kernels of a device must equal.

Legend: L tokens, D width, N heads, K head dim, R rows of modulation, n clips, S text tokens, B C T H W of a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..packing import Layout
from ..rotary import Rotation, apply_rotary

__all__ = ["EightBit", "Kernels"]

SHORT = 1024
"""tokens up to which a compiled CPU graph fuses the plain formula faster than it calls the flash kernel (measured in
training)"""


@runtime_checkable
class EightBit(Protocol):
    """A linear layer whose weight [O,D] is kept in eight bits, with one scale or one for each output."""

    weight: Any
    scale: Any
    bias: Any
    beside: tuple[Any, ...]
    """what is added to its output"""


class Kernels:
    """One implementation of each part; a device overrides what it does faster. Chosen by `kernels.of`."""

    name = "plain"
    pads_by_weight = False
    """one padding token stands for all, with the logarithm of their number as a bias of attention"""
    keeps_text = True
    """keys and values of a prompt are kept from step to step"""
    writes_norms = False
    """`norm_silu` is there: the codec writes norms where its convolutions read them"""
    by_frame = True
    """the codec's finest grids go frame by frame, so that memory holds one"""
    in_bands = False
    """the bundled codec goes through a picture by bands of rows, which stay in a core's cache"""
    joined_tokens: int | None = None
    """tokens up to which both halves of guidance run as one batch, which takes twice the memory; None: any number"""
    graphed_tokens = 0
    """tokens up to which a forward is recorded once and replayed"""

    def modulated(self, x_LD: Tensor, shift_RD: Tensor, scale_RD: Tensor, layout: Layout, eps: float) -> Tensor:
        """Layer norm without weights, then x * (1 + scale) + shift, each token with its row of the layout; in
        float32."""
        rows = layout.rows
        h = F.layer_norm(x_LD.float(), x_LD.shape[-1:], eps=eps).unflatten(0, (-1, layout.run))
        return (h * (1 + scale_RD[rows][:, None]) + shift_RD[rows][:, None]).flatten(0, 1).to(x_LD.dtype)

    def gated(self, x_LD: Tensor, update_LD: Tensor, gate_RD: Tensor, layout: Layout) -> Tensor:
        """x + gate * update, in float32; x may be overwritten."""
        step = update_LD.float().unflatten(0, (-1, layout.run)) * gate_RD[layout.rows][:, None]
        return (x_LD.float() + step.flatten(0, 1)).to(x_LD.dtype)

    def normed(self, norm: nn.Module, x_LD: Tensor, heads: int, rotation: Rotation | None) -> Tensor:
        """RMS norm over all heads, and rotary positions after it: [L,D] -> [L,N,K]; x may be overwritten."""
        x_LNK = norm(x_LD).unflatten(-1, (heads, -1))
        return apply_rotary(x_LNK, rotation.cos, rotation.sin) if rotation else x_LNK

    def linears(self, layers: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
        """Several linear layers of one input."""
        return [layer(x) for layer in layers]

    def eight_bit(self, layer: EightBit, x: Tensor) -> Tensor | None:
        """The layer computed in eight bits, or None where its weight is to be dequantized."""
        return None

    def mlp(self, mlp: nn.Sequential, x_LD: Tensor) -> Tensor:
        """Linear, gelu-tanh, linear; x may be overwritten."""
        return mlp(x_LD)

    def attention(self, q: Tensor, k: Tensor, v: Tensor, known: Tensor | None, bias_S: Tensor | None) -> Tensor:
        """[n,L,N,K], [n,S,N,K] -> [n,L,N,K]; q may be overwritten.

        `known` [n,S] tells which keys there are, `bias_S` is added to the scores of each.
        """
        if torch.compiler.is_compiling() and q.device.type == "cpu" and k.shape[1] <= SHORT:
            with torch.autocast("cpu", enabled=False):
                return formula(q.float(), k.float(), v.float(), known).to(v.dtype)
        mask = known[:, None, None] if known is not None else None if bias_S is None else bias_S[None, None, None]
        return F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
        ).transpose(1, 2)

    def norm_silu(self, x: Tensor, gain_C: Tensor, out: Tensor) -> None:
        """silu of the RMS norm over channels, written to `out`; both [B,C,T,H,W] in channels-last memory."""
        raise NotImplementedError

    def prepack(self, module: nn.Module) -> bool:
        """Put weights as the device's products read them; tells whether there was one to change."""
        return False

    def unpacked(self, module: nn.Module) -> int:
        """Bytes that `prepack` will take for itself: weights that lie in a mapped file are no memory until then."""
        return 0

    def notes(self) -> list[str]:
        """What was chosen, in lines for a person."""
        return [self.name]

    def convolved(self, conv: nn.Module, x: Tensor) -> Tensor:
        """A convolution over time of x [B,C,T,H,W], which holds the frames before it."""
        return conv(x)


def formula(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None) -> Tensor:
    """Attention as it is written; float32 products of this size beat bfloat16 ones on a CPU."""
    n, _, heads, dim = q.shape
    q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))
    scores = torch.bmm(q, k.transpose(1, 2)) * dim**-0.5
    if known is not None:
        scores = scores.unflatten(0, (n, heads)).masked_fill(~known[:, None, None], float("-inf")).flatten(0, 1)
    return torch.bmm(scores.softmax(-1), v).unflatten(0, (n, heads)).transpose(1, 2)
