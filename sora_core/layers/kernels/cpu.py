"""What lies between matrix products and convolutions, for inference on a CPU: the same results in fewer passes over
memory.

Between matrix products a CPU waits for memory, so each part here walks over blocks of tokens that stay in its cache,
and norms take their modulation with them.

Legend: L tokens, D width, N heads, K head dim, R rows of modulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..packing import Layout
from ..rotary import Rotation
from .plain import Kernels

__all__ = ["CpuKernels", "PrepackedLinear", "onednn", "prepack", "probe", "products"]

Segments = Sequence[tuple[int, int, int]]
"""(first token, end, row) of each stretch of tokens that share a row of modulation"""
BLOCK = 1 << 17
"""numbers in a thread's block: half a megabyte of float32, so that a block and its result stay in a core's cache"""
SAMPLED = 16
"""of so many keys one tells how large a query's scores are"""
LONG = 128
"""queries from which on `attention` is the faster"""
PROBES = 64
"""numbers of a weight that `probe` takes"""
QUERIES = 256
"""of attention at a time, for each thread; half as many where keys are more than MANY, so that their scores take less
memory"""
MANY = 4096
KEYS = 2048
"""of all heads that attention takes together"""
MLP_TOKENS = 512
"""tokens of the MLP at a time: its hidden features are the largest of all"""


class CpuKernels(Kernels):
    """Blocks of tokens that stay in a core's cache."""

    name = "cpu"
    pads_by_weight = True
    writes_norms = True
    in_bands = True

    def modulated(self, x_LD: Tensor, shift_RD: Tensor, scale_RD: Tensor, layout: Layout, eps: float) -> Tensor:
        if not layout.segments:
            return super().modulated(x_LD, shift_RD, scale_RD, layout, eps)
        return modulated(x_LD, shift_RD, scale_RD, layout.segments, eps)

    def gated(self, x_LD: Tensor, update_LD: Tensor, gate_RD: Tensor, layout: Layout) -> Tensor:
        if not layout.segments:
            return super().gated(x_LD, update_LD, gate_RD, layout)
        return gated(x_LD, update_LD, gate_RD, layout.segments)

    def normed(self, norm: nn.Module, x_LD: Tensor, heads: int, rotation: Rotation | None) -> Tensor:
        if type(norm) is not nn.RMSNorm:
            return super().normed(norm, x_LD, heads, rotation)
        return rms_norm(x_LD, norm.weight, norm.eps or 0.0, heads, rotation.phase if rotation else None)

    def mlp(self, mlp: nn.Sequential, x_LD: Tensor) -> Tensor:
        return gelu_mlp(mlp, x_LD)

    def attention(self, q: Tensor, k: Tensor, v: Tensor, known: Tensor | None, bias_S: Tensor | None) -> Tensor:
        if q.dtype == torch.bfloat16 and q.shape[1] >= LONG and known is None:
            return attention(q, k, v, bias_S)
        return super().attention(q, k, v, known, bias_S)

    def norm_silu(self, x: Tensor, gain_C: Tensor, out: Tensor) -> None:
        norm_silu(x, gain_C, out)

    def prepack(self, module: nn.Module) -> bool:
        return prepack(module)

    def unpacked(self, module: nn.Module) -> int:
        return sum(linear.weight.nbytes for _, _, linear in packable(module))


def blocks(start: int, end: int, width: int) -> Iterator[slice]:
    """Slices of at most BLOCK numbers for each thread."""
    step = max(1, BLOCK * torch.get_num_threads() // width)
    for i in range(start, end, step):
        yield slice(i, min(i + step, end))


def modulated(x_LD: Tensor, shift_RD: Tensor, scale_RD: Tensor, segments: Segments, eps: float) -> Tensor:
    """Layer norm whose weight is 1 + scale and whose bias is shift (both float32): one pass."""
    gain = 1 + scale_RD
    if len(segments) == 1:
        return F.layer_norm(x_LD, x_LD.shape[-1:], gain[segments[0][2]], shift_RD[segments[0][2]], eps)
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


def rms_norm(x_LD: Tensor, weight: Tensor, eps: float, heads: int, phase: Tensor | None = None) -> Tensor:
    """RMS norm over all heads, and rotary positions after it: [L,D] -> [L,N,K]; x is overwritten.

    phase: [L,1,K/2] complex64, each pair of features is multiplied by it.
    """
    gain = weight.float()
    for part in blocks(0, *x_LD.shape):
        h = x_LD[part].float()
        size = torch.linalg.vector_norm(h, dim=1, keepdim=True)
        inverse = (size.mul_(size) / h.shape[1] + eps).rsqrt_()
        h.mul_(inverse).mul_(gain)
        if phase is not None:
            torch.view_as_complex(h.view(len(h), heads, -1, 2)).mul_(phase[part])
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


def attention(q: Tensor, k: Tensor, v: Tensor, bias_S: Tensor | None = None) -> Tensor:
    """Attention in bfloat16: [n,L,N,K], [n,S,N,K] -> [n,L,N,K]; q is overwritten. bias_S (float32) is added to the
    scores of each key.

    Both products run as plain bfloat16 products, several times as fast as the flash kernel of a CPU. Heads go through
    in groups and queries in blocks, whose scores stay in the cache.
    """
    keys, together = k.shape[1], max(1, min(KEYS // k.shape[1], k.shape[2]))
    step = (QUERIES if keys <= MANY else QUERIES // 2) * torch.get_num_threads()
    scratch = q.new_empty(2, together * min(step, q.shape[1]) * keys)
    for clip in zip(q, k, v, strict=True):
        for q_NLK, k_NSK, v_NSK in zip(*(x.transpose(0, 1).split(together) for x in clip), strict=True):
            attend_heads(q_NLK, k_NSK, v_NSK, bias_S, scratch)
    return q


def attend_heads(q_NLK: Tensor, k_NSK: Tensor, v_NSK: Tensor, bias_S: Tensor | None, scratch: Tensor) -> None:
    """Attention of a few heads, written over q; scratch [2,...] holds the scores of a block of queries and their
    softmax.

    Scores in bfloat16 are exact enough only when small, so each query's largest score over every sixteenth key is taken
    off inside the product (one feature more); softmax does not see it. A bias is two more: what bfloat16 holds of it,
    and the rest.
    """
    q, k, v = (x.contiguous() for x in (q_NLK, k_NSK, v_NSK))
    (n, length, dim), keys = q.shape, k.shape[1]
    some = slice((keys - 1) % SAMPLED, None, SAMPLED)  # the last, which may stand for all padding, among them
    largest, wider = torch.bmm(q, k[:, some].mT), [k.new_full((keys,), -1)]
    if bias_S is not None:
        bias = bias_S * dim**0.5
        wider += [bias.to(k.dtype), (bias - bias.to(k.dtype)).to(k.dtype)]
        largest += wider[1][some]
    q = torch.cat([q, largest.amax(2, keepdim=True), q.new_ones(()).expand(n, length, len(wider) - 1)], 2)
    k = torch.cat([k, torch.stack(wider, 1).expand(n, -1, -1)], 2).mT
    step = scratch.shape[1] // (n * keys)
    for i in range(0, length, step):
        part = q[:, i : i + step]
        scores, shares = (x[: n * part.shape[1] * keys].view(n, -1, keys) for x in scratch)
        torch.baddbmm(scores, part, k, beta=0, alpha=dim**-0.5, out=scores)
        q_NLK[:, i : i + step] = torch.bmm(torch.softmax(scores, 2, out=shares), v)


def gelu_mlp(mlp: nn.Sequential, x_LD: Tensor) -> Tensor:
    """Linear, gelu-tanh, linear; x is overwritten."""
    for part in x_LD.split(MLP_TOKENS):
        part.copy_(mlp[2](linear_gelu(mlp[0], part)))
    return x_LD


def linear_gelu(linear: nn.Module, x_LD: Tensor) -> Tensor:
    """gelu-tanh of a linear layer; oneDNN does both in one pass over bfloat16."""
    if type(linear) in (nn.Linear, PrepackedLinear) and x_LD.dtype == torch.bfloat16 and onednn():
        return torch.ops.mkldnn._linear_pointwise(x_LD, linear.weight, linear.bias, "gelu", [], "tanh")
    return F.gelu(linear(x_LD), approximate="tanh")


class PrepackedLinear(nn.Module):
    """A linear layer of bfloat16 whose weight lies in memory as oneDNN's product reads it, for inference on a CPU.

    The same numbers as `linear`, without a reordering at every call; `weight.to_dense()` gives the weight back, and
    `probe` a few of its numbers without the work.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.probe = probe(linear.weight)
        self.weight = prepacked(linear.weight)
        self.bias = linear.bias

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which know nothing of that order: the weight as it was."""
        plain = nn.Parameter(self.weight.to_dense(), requires_grad=False)
        return {**self.__dict__, "_parameters": {**self._parameters, "weight": plain}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.weight = prepacked(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


def prepacked(weight: Tensor) -> nn.Parameter:
    """A weight of bfloat16 in the order in which oneDNN's product reads it."""
    return nn.Parameter(torch.ops.mkldnn._reorder_linear_weight(weight.detach()), requires_grad=False)


def probe(weight: Tensor) -> Tensor:
    """A few numbers of a weight, which tell one model from another."""
    flat = weight.detach().flatten()
    return flat[:: max(1, len(flat) // PROBES)].clone()


def prepack(module: nn.Module) -> bool:
    """Puts a PrepackedLinear in the place of each plain linear layer of bfloat16 on a CPU; tells whether there was
    one."""
    found = packable(module)
    some = bool(found)
    while found:  # none is held once it is replaced: memory has room for one more
        parent, name, linear = found.pop()
        parent.register_module(name, PrepackedLinear(linear))
    return some


def packable(module: nn.Module) -> list[tuple[nn.Module, str, nn.Linear]]:
    """(the module that has it, its name there, the layer) of each plain linear layer of bfloat16 on a CPU that has
    products for it."""
    return [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear
        and child.weight.dtype == torch.bfloat16
        and child.weight.device.type == "cpu"
        and onednn()
    ]


def onednn() -> bool:
    """Whether this torch has oneDNN's linear layers, and the processor products of bfloat16 for them."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and products(torch.bfloat16)


def products(dtype: torch.dtype) -> bool:
    """Whether the processor multiplies numbers of this type many at a time; one by one takes ten to a thousand times
    as long."""
    asked = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}.get(dtype)
    return asked is None or bool(hasattr(torch.ops.mkldnn, asked) and getattr(torch.ops.mkldnn, asked)())
