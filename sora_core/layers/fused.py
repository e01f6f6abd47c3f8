"""The token-wise parts of the transformer for inference on a CPU: the same results in fewer passes over memory.

Between matrix products a CPU waits for memory, so each part here walks over blocks of tokens that stay in its cache, and
norms take their modulation with them. Used where nothing is differentiated or compiled; `usable` says when.

Legend: L tokens, D width, N heads, K head dim, R rows of modulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Segments", "gated", "gelu_mlp", "modulated", "rms_norm", "usable"]

Segments = Sequence[tuple[int, int, int]]
"""(first token, end, row) of each stretch of tokens that share a row of modulation"""
BLOCK = 1 << 17
"""numbers in a block: half a megabyte of float32, so that a block and its result stay in a core's cache"""
MLP_TOKENS = 1024
"""tokens of the MLP at a time: its hidden features are the largest of all"""


def usable(x: Tensor) -> bool:
    """Whether this file's functions may be used for x."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.is_grad_enabled()


def blocks(start: int, end: int, width: int) -> Iterator[slice]:
    """Slices of at most BLOCK numbers."""
    step = max(1, BLOCK // width)
    for i in range(start, end, step):
        yield slice(i, min(i + step, end))


def modulated(x_LD: Tensor, shift_RD: Tensor, scale_RD: Tensor, segments: Segments, eps: float) -> Tensor:
    """Layer norm whose weight is 1 + scale and whose bias is shift (both float32): one pass."""
    gain = 1 + scale_RD
    out = torch.empty_like(x_LD)
    for start, end, row in segments:
        out[start:end] = F.layer_norm(x_LD[start:end], x_LD.shape[-1:], gain[row], shift_RD[row], eps)
    return out


def gated(x_LD: Tensor, update_LD: Tensor, gate_RD: Tensor, segments: Segments) -> Tensor:
    """x + gate * update, computed in float32; x is overwritten."""
    for start, end, row in segments:
        gate = gate_RD[row]
        for part in blocks(start, end, x_LD.shape[1]):
            x_LD[part] = torch.addcmul(x_LD[part].float(), update_LD[part].float(), gate)
    return x_LD


def rms_norm(x_LD: Tensor, weight: Tensor, eps: float, heads: int, turn: Tensor | None = None) -> Tensor:
    """RMS norm over all heads, and rotary positions after it: [L,D] -> [L,N,K]; x is overwritten.

    turn: [L,1,K/2] complex64, each pair of features is multiplied by it.
    """
    gain = weight.float()
    for part in blocks(0, *x_LD.shape):
        h = x_LD[part].float()
        inverse = (torch.linalg.vector_norm(h, dim=1, keepdim=True).square_() / h.shape[1] + eps).rsqrt_()
        h.mul_(inverse).mul_(gain)
        if turn is not None:
            torch.view_as_complex(h.view(len(h), heads, -1, 2)).mul_(turn[part])
        x_LD[part] = h
    return x_LD.unflatten(1, (heads, -1))


def gelu_mlp(mlp: nn.Sequential, x_LD: Tensor) -> Tensor:
    """Linear, gelu-tanh, linear."""
    return torch.cat([mlp[2](linear_gelu(mlp[0], part)) for part in x_LD.split(MLP_TOKENS)])


def linear_gelu(linear: nn.Module, x_LD: Tensor) -> Tensor:
    """gelu-tanh of a linear layer; oneDNN does both in one pass over bfloat16."""
    if type(linear) is nn.Linear and x_LD.dtype == torch.bfloat16 and FUSED_GELU:
        return torch.ops.mkldnn._linear_pointwise(x_LD, linear.weight, linear.bias, "gelu", [], "tanh")
    return F.gelu(linear(x_LD), approximate="tanh")


FUSED_GELU = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""a build of torch with oneDNN's fused layers"""
