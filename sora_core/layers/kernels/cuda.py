"""Inference on a card: fewer, larger kernels between the matrix products, the fastest attention, eight-bit products.

`FusedKernels` needs Triton (torch brings it on Linux); without it, or where it cannot compile, `CardKernels` runs the
plain formulas and says so once.

Legend: L tokens, D width, N heads, K head dim, R rows of modulation, O outputs of a layer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..packing import Layout
from ..rotary import Rotation
from . import parts
from .choice import AttentionChoice, ConvolutionChoice
from .plain import EightBit, Kernels

__all__ = ["CardKernels", "FusedKernels", "best"]

GRAPHED = 8192
"""tokens up to which launches take a share of the time that shows"""
JOINED = 512
"""tokens up to which a card is not busy with one half of guidance"""
EIGHT_FROM = (8, 9)
"""compute capability that multiplies eight-bit numbers"""
FEW = 8
"""rows of x below which nothing is won by eight bits: noise levels, which every token depends on"""
ROWS_OF = 4096
"""numbers of a video that one program takes"""


class CardKernels(Kernels):
    """What a card does faster without compiling anything."""

    name = "cuda"
    keeps_text = False
    by_frame = False
    joined_tokens = JOINED
    graphed_tokens = GRAPHED

    def __init__(self, choice: AttentionChoice | None = None) -> None:
        self.choice = choice or AttentionChoice()
        self.forms = ConvolutionChoice()
        self.eight: dict[torch.device, bool] = {}

    def attention(self, q: Tensor, k: Tensor, v: Tensor, known: Tensor | None, bias_S: Tensor | None) -> Tensor:
        if known is not None or bias_S is not None or q.dtype == torch.float32:
            return super().attention(q, k, v, known, None if bias_S is None else bias_S.to(q.dtype))
        return self.choice(q, k, v)

    def mlp(self, mlp: nn.Sequential, x_LD: Tensor) -> Tensor:
        first = mlp[0]
        if type(first) is not nn.Linear or x_LD.dtype == torch.float32 or first.bias is None:
            return mlp(x_LD)
        return mlp[2](torch._addmm_activation(first.bias, x_LD, first.weight.t(), use_gelu=True))  # gelu-tanh

    def linears(self, layers: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
        eight = [layer for layer in layers if isinstance(layer, EightBit) and not layer.beside]
        out = self.eight_bit_products(eight, x) if len(eight) == len(layers) else None
        return super().linears(layers, x) if out is None else out

    def eight_bit(self, layer: EightBit, x: Tensor) -> Tensor | None:
        out = self.eight_bit_products([layer], x)
        return None if out is None else out[0]

    def eight_bit_products(self, layers: Sequence[Any], x: Tensor) -> list[Tensor] | None:
        """Layers of one input, which is brought to eight bits once; None where this card cannot."""
        if not all(self.multiplies_eight(x, layer.weight) for layer in layers):
            return None
        try:
            small, scale = self.quantised(x.flatten(0, -2))
            return [eight_bit_product(layer, small, scale, x) for layer in layers]
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.eight[x.device] = False
            reason = str(error).split("\n")[0]
            logging.getLogger("sora_nodes").warning("fp8 weights are widened on this card from here on (%s)", reason)
            return None

    def multiplies_eight(self, x: Tensor, weight: Tensor) -> bool:
        """Whether this card has eight-bit products, for numbers of these types and sizes."""
        if x.device not in self.eight:
            self.eight[x.device] = eight_bit_works(x.device)
        fits = weight.dtype == torch.float8_e4m3fn and not any(size % 16 for size in weight.shape)
        return self.eight[x.device] and fits and x.dtype == torch.bfloat16 and x.numel() >= FEW * x.shape[-1]

    def quantised(self, x_LD: Tensor) -> tuple[Tensor, Tensor]:
        """Eight-bit numbers [L,D] and their scales [L,1]."""
        scale = x_LD.abs().amax(1, keepdim=True).float().clamp(min=1e-12) / 448
        return (x_LD / scale).to(torch.float8_e4m3fn), scale

    def convolved(self, conv: nn.Module, x: Tensor) -> Tensor:
        plain = type(conv) is nn.Conv3d and conv.kernel_size == (3, 3, 3) and conv.stride == (1, 1, 1)
        return self.forms(conv, x) if plain and x.dtype != torch.float32 else conv(x)

    def notes(self) -> list[str]:
        attentions = ", ".join(self.choice.kernels) or "torch's own"
        return [f"{self.name}; attention by the fastest of {attentions}", *self.choice.report(), *self.forms.report()]


class FusedKernels(CardKernels):
    """The parts between products as Triton kernels (`parts`)."""

    name = "cuda, fused by Triton"
    writes_norms = True

    def modulated(self, x_LD: Tensor, shift_RD: Tensor, scale_RD: Tensor, layout: Layout, eps: float) -> Tensor:
        x_LD, out = x_LD.contiguous(), torch.empty_like(x_LD, memory_format=torch.contiguous_format)
        given = (x_LD, shift_RD, scale_RD, layout.rows, out, layout.run, shift_RD.stride(0), eps)
        launch(parts.modulated, x_LD, *given)
        return out

    def gated(self, x_LD: Tensor, update_LD: Tensor, gate_RD: Tensor, layout: Layout) -> Tensor:
        x_LD = x_LD.contiguous()
        given = (x_LD, update_LD.contiguous(), gate_RD, layout.rows, layout.run, gate_RD.stride(0))
        launch(parts.gated, x_LD, *given)
        return x_LD

    def normed(self, norm: nn.Module, x_LD: Tensor, heads: int, rotation: Rotation | None) -> Tensor:
        if type(norm) is not nn.RMSNorm:
            return super().normed(norm, x_LD, heads, rotation)
        x, out = x_LD.contiguous(), torch.empty_like(x_LD, memory_format=torch.contiguous_format)
        half = x.shape[-1] // heads // 2
        cos, sin = (rotation.cos, rotation.sin) if rotation else (x, x)
        given = (x, norm.weight, cos, sin, out, norm.eps or 0.0)
        launch(parts.normed, x.flatten(0, -2), *given, HALF=half, TURN=rotation is not None)
        return out.unflatten(-1, (heads, -1))

    def norm_silu(self, x: Tensor, gain_C: Tensor, out: Tensor) -> None:
        channels = x.shape[1]
        block = power_of_two(channels)
        rows = max(1, ROWS_OF // block)
        for given, made in zip(x, out, strict=True):
            laid = given.movedim(0, -1).contiguous()
            count = laid.numel() // channels
            sizes = {"C": channels, "BLOCK": block, "ROWS": rows, "num_warps": 4}
            with on_device(x):
                parts.norm_silu[(-(-count // rows),)](laid, gain_C, made, count, channels**0.5, **sizes)

    def quantised(self, x_LD: Tensor) -> tuple[Tensor, Tensor]:
        x_LD, scale = x_LD.contiguous(), torch.empty(len(x_LD), 1, device=x_LD.device)
        out = torch.empty_like(x_LD, dtype=torch.float8_e4m3fn)
        launch(parts.quantised, x_LD, x_LD, out, scale, 448.0)
        return out, scale


def launch(kernel: Any, x_LD: Tensor, *given: Any, **settings: Any) -> None:
    """One program for each row of x [L,D]."""
    length, width = x_LD.shape
    block = power_of_two(width)
    warps = min(16, max(1, block // 512))
    with on_device(x_LD):
        kernel[(length,)](*given, D=width, BLOCK=block, num_warps=warps, **settings)


def on_device(x: Tensor) -> AbstractContextManager[Any]:
    """Triton launches on the current card."""
    return torch.cuda.device_of(x)


def power_of_two(size: int) -> int:
    """The least that is not smaller."""
    return 1 << (size - 1).bit_length()


def eight_bit_product(layer: EightBit, small_LD: Tensor, scale_L1: Tensor, like: Tensor) -> Tensor:
    """x weight^T + bias of eight-bit numbers with a scale per token and per output; shaped as `like` but for the
    outputs."""
    weight = layer.weight
    scales = layer.scale.float().reshape(1, -1).expand(1, len(weight)).contiguous()
    out = torch._scaled_mm(
        small_LD, weight.t(), scale_a=scale_L1, scale_b=scales, out_dtype=like.dtype, use_fast_accum=True
    )
    out = out if layer.bias is None else out.add_(layer.bias)
    return out.unflatten(0, like.shape[:-1])


def eight_bit_works(device: torch.device) -> bool:
    """Whether the card, and this torch, multiply eight-bit numbers with a scale per row."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < EIGHT_FROM:
        return False
    small = torch.ones(32, 32, device=device).to(torch.float8_e4m3fn)
    scale = torch.ones(32, 1, device=device)
    try:
        out = torch._scaled_mm(
            small, small.t(), scale_a=scale, scale_b=scale.t().contiguous(), out_dtype=torch.bfloat16
        )
        return bool((out == 32).all())
    except RuntimeError:
        return False


def best() -> Kernels:
    """The fused kernels where they compile and give what the formulas give, else the plain ones, said once."""
    return FusedKernels() if works(FusedKernels, torch.device("cuda")) else CardKernels()


def works(make: Callable[[], Kernels], device: torch.device) -> bool:
    """Whether kernels run on a device and agree with the plain formulas on a few tokens."""
    try:
        with torch.no_grad():
            expected, made = (on_a_few_tokens(kernels, device) for kernels in (Kernels(), make()))
        wrong = [name for name, x in made.items() if not torch.allclose(x, expected[name], atol=1e-4)]
        reason = f"{', '.join(wrong)} came out wrong" if wrong else ""
    except Exception as error:  # Triton raises what its compiler, the driver or the system raises
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if reason:
        logging.getLogger("sora_nodes").warning(
            "no fused kernels on this card (%s): the plain formulas run instead, slower", reason
        )
    return not reason


def on_a_few_tokens(kernels: Kernels, device: torch.device) -> dict[str, Tensor]:
    """Each part of some kernels, on the same numbers at every call."""
    draw = torch.Generator().manual_seed(0)
    x, shift, scale, turn = (torch.randn(4, 48, generator=draw).to(device) for _ in range(4))
    layout = Layout(groups=(), levels=x[0, :1], rows=torch.tensor([0, 1], device=device), run=2)
    rotation = Rotation(cos=turn[:, None, :12].cos().contiguous(), sin=turn[:, None, :12].sin().contiguous())
    made = {
        "modulated": kernels.modulated(x, shift, scale, layout, 1e-6),
        "gated": kernels.gated(x.clone(), shift, scale, layout),
        "normed": kernels.normed(nn.RMSNorm(48, eps=1e-6, device=device), x.clone(), 2, rotation),
    }
    video = x.view(1, 2, 2, 4, 12).movedim(-1, 1)
    made["norm_silu"] = F.silu(F.normalize(video, dim=1) * shift[0, :12].view(-1, 1, 1, 1) * 12**0.5)
    if kernels.writes_norms:
        made["norm_silu"] = torch.empty_like(video)
        kernels.norm_silu(video, shift[0, :12].contiguous(), made["norm_silu"])
    return made
