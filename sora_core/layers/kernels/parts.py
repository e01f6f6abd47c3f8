"""The parts between matrix products as Triton kernels: each number is read once and written once.

One source serves every size, type and number of modulation rows; a kernel compiles once per width and type, in about
a second, and stays on disk. Importable without Triton; `jit` then leaves plain functions that nobody calls.

Legend: D width, HALF pairs of features per head, C channels, BLOCK the next power of two; one program is one token
(ROWS positions of a video where channels are few). `run` tokens share a row of modulation, `step` numbers apart.
"""

from __future__ import annotations

from typing import Any

try:
    import triton
    import triton.language as tl
except ImportError:  # a CPU, or a system that Triton is not made for
    triton = tl = None

__all__ = ["gated", "modulated", "norm_silu", "normed", "quantised"]

jit: Any = triton.jit if triton else lambda function: function


@jit
def modulated(x, shift, scale, rows, out, run, step, eps, D: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore
    """Layer norm, then * (1 + scale) + shift."""
    token = tl.program_id(0).to(tl.int64)
    row = tl.load(rows + token // run).to(tl.int64) * step
    d = tl.arange(0, BLOCK)
    there = d < D
    h = tl.load(x + token * D + d, mask=there, other=0.0).to(tl.float32)
    h = tl.where(there, h - tl.sum(h, 0) / D, 0.0)
    h = h * tl.rsqrt(tl.sum(h * h, 0) / D + eps)
    gain = 1.0 + tl.load(scale + row + d, mask=there, other=0.0)
    h = h * gain + tl.load(shift + row + d, mask=there, other=0.0)
    tl.store(out + token * D + d, h.to(out.dtype.element_ty), mask=there)


@jit
def gated(x, update, gate, rows, run, step, D: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore
    """x + gate * update, written over x."""
    token = tl.program_id(0).to(tl.int64)
    row = tl.load(rows + token // run).to(tl.int64) * step
    d = tl.arange(0, BLOCK)
    there = d < D
    h = tl.load(x + token * D + d, mask=there, other=0.0).to(tl.float32)
    u = tl.load(update + token * D + d, mask=there, other=0.0).to(tl.float32)
    h = h + u * tl.load(gate + row + d, mask=there, other=0.0)
    tl.store(x + token * D + d, h.to(x.dtype.element_ty), mask=there)


@jit
def normed(x, weight, cos, sin, out, eps, D: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr, TURN: tl.constexpr):  # type: ignore
    """RMS norm over all heads; with TURN each pair of features is turned by its angle."""
    token = tl.program_id(0).to(tl.int64)
    d = tl.arange(0, BLOCK)
    there = d < D
    h = tl.load(x + token * D + d, mask=there, other=0.0).to(tl.float32)
    h = h * tl.rsqrt(tl.sum(h * h, 0) / D + eps)
    h = h * tl.load(weight + d, mask=there, other=0.0).to(tl.float32)
    if TURN:
        pair = tl.arange(0, BLOCK // 2)
        known = pair < D // 2
        c = tl.load(cos + token * HALF + pair % HALF, mask=known, other=0.0)
        s = tl.load(sin + token * HALF + pair % HALF, mask=known, other=0.0)
        even, odd = tl.split(tl.reshape(h, (BLOCK // 2, 2)))
        h = tl.reshape(tl.join(even * c - odd * s, even * s + odd * c), (BLOCK,))
    tl.store(out + token * D + d, h.to(out.dtype.element_ty), mask=there)


@jit
def norm_silu(x, gain, out, count, root, C: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):  # type: ignore
    """silu(x / |x| * root * gain) over the channels of each position."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    c = tl.arange(0, BLOCK)
    place = row[:, None] * C + c[None, :]
    there = (row < count)[:, None] & (c < C)[None, :]
    h = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    size = tl.maximum(tl.sqrt(tl.sum(h * h, 1)), 1e-12)
    g = tl.load(gain + c, mask=c < C, other=0.0).to(tl.float32) * root
    h = h / size[:, None] * g[None, :]
    h = h / (1.0 + tl.exp(-h))
    tl.store(out + place, h.to(out.dtype.element_ty), mask=there)


@jit
def quantised(x, out, scales, largest, D: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore
    """Eight-bit numbers with a scale per token: its largest becomes `largest`."""
    token = tl.program_id(0).to(tl.int64)
    d = tl.arange(0, BLOCK)
    there = d < D
    h = tl.load(x + token * D + d, mask=there, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(h), 0), 1e-12) / largest
    tl.store(scales + token, scale)
    tl.store(out + token * D + d, (h / scale).to(out.dtype.element_ty), mask=there)
