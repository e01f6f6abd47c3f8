"""What lies between matrix products and convolutions, for inference on a CPU: the same results in fewer passes over memory.

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

__all__ = ["LONG", "Segments", "attention", "gated", "gelu_mlp", "modulated", "norm_silu", "rms_norm", "usable"]

Segments = Sequence[tuple[int, int, int]]
"""(first token, end, row) of each stretch of tokens that share a row of modulation"""
BLOCK = 1 << 17
"""numbers in a thread's block: half a megabyte of float32, so that a block and its result stay in a core's cache"""
SAMPLED = 16
"""of so many keys one tells how large a query's scores are"""
LONG = 512
"""keys from which on `attention` is the faster"""
QUERIES = 128
"""of attention at a time, for each thread"""
MLP_TOKENS = 512
"""tokens of the MLP at a time: its hidden features are the largest of all"""


def usable(x: Tensor) -> bool:
    """Whether this file's functions may be used for x."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.is_grad_enabled()


def blocks(start: int, end: int, width: int) -> Iterator[slice]:
    """Slices of at most BLOCK numbers for each thread."""
    step = max(1, BLOCK * torch.get_num_threads() // width)
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
        size = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        inverse = (size.mul_(size) / h.shape[1] + eps).rsqrt_()
        h.mul_(inverse).mul_(gain)
        if turn is not None:
            torch.view_as_complex(h.view(len(h), heads, -1, 2)).mul_(turn[part])
        x_LD[part] = h
    return x_LD.unflatten(1, (heads, -1))


def norm_silu(x: Tensor, gain_C: Tensor, out: Tensor) -> None:
    """silu of the RMS norm over channels, written to `out`; both [B,C,T,H,W] in channels-last memory."""
    gain = gain_C.float() * gain_C.numel() ** 0.5
    for given, made in zip(x, out, strict=True):
        rows, into = given.movedim(0, -1).reshape(-1, len(gain)), made.movedim(0, -1).view(-1, len(gain))
        for part in blocks(0, *rows.shape):
            size = torch.linalg.vector_norm(rows[part], dim=1, keepdim=True, dtype=torch.float32).clamp_(min=1e-12)
            into[part] = F.silu((rows[part] / size).mul_(gain), inplace=True)


def attention(q_LNK: Tensor, k_SNK: Tensor, v_SNK: Tensor) -> Tensor:
    """Attention of one clip in bfloat16: [L,N,K], [S,N,K] -> [L,N,K].

    Both products run as plain bfloat16 products, several times as fast as the flash kernel of a CPU. Scores in bfloat16 are
    exact enough only when small, so each query's largest score over every sixteenth key is taken off inside the product (one
    feature more); softmax does not see it. Queries go through in blocks whose scores stay in the cache.
    """
    length, heads, dim = q_LNK.shape
    out, step = torch.empty_like(q_LNK), QUERIES * torch.get_num_threads()
    room = q_LNK.new_empty(step, len(k_SNK))
    for head in range(heads):
        q, k, v = (x[:, head].contiguous() for x in (q_LNK, k_SNK, v_SNK))
        largest = torch.mm(q, k[::SAMPLED].t()).amax(1, keepdim=True)
        q, k = torch.cat([q, largest], 1), torch.cat([k, k.new_full((len(k), 1), -1)], 1).t()
        for i in range(0, length, step):
            part = q[i : i + step]
            scores = torch.addmm(room[: len(part)], part, k, beta=0, alpha=dim**-0.5)
            out[i : i + step, head] = torch.mm(scores.softmax(1), v)
    return out


def gelu_mlp(mlp: nn.Sequential, x_LD: Tensor) -> Tensor:
    """Linear, gelu-tanh, linear; x is overwritten."""
    for part in x_LD.split(MLP_TOKENS):
        part.copy_(mlp[2](linear_gelu(mlp[0], part)))
    return x_LD


def linear_gelu(linear: nn.Module, x_LD: Tensor) -> Tensor:
    """gelu-tanh of a linear layer; oneDNN does both in one pass over bfloat16."""
    if type(linear) is nn.Linear and x_LD.dtype == torch.bfloat16 and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return torch.ops.mkldnn._linear_pointwise(x_LD, linear.weight, linear.bias, "gelu", [], "tanh")
    return F.gelu(linear(x_LD), approximate="tanh")
