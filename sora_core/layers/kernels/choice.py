"""Which of the kernels at hand is the fastest on this card: measured at first use, once per size.

For attention these are torch's own (cuDNN, flash, memory-efficient) and packages that the user has installed:
SageAttention (which computes in eight bits, so its result is compared first) and FlashAttention 3. For a convolution
over time, the library's own and one over pictures that takes its three frames as channels. `report` names the choice.

Legend: n clips, L queries, S keys, N heads, K head dim; B C T H W of a video.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["AttentionChoice", "ConvolutionChoice", "candidates"]

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""[n,L,N,K], [n,S,N,K] twice -> [n,L,N,K]"""
WORTH = 4096
"""queries from which on a measurement tells: below, the time of a launch is most of what is measured, and torch's own
choice was the better on an H200 (6.8 instead of 8.1 ms for the attentions and products of 1,024 tokens)"""
ERROR = 0.05
"""relative, that a kernel may differ from torch's"""
ROUNDS = 3
OWN = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def default(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As torch chooses."""
    return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2)


def by_backend(backend: SDPBackend) -> Attention:
    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(backend):
            return default(q, k, v)

    return run


def sage() -> Attention:
    attention = import_module("sageattention").sageattn
    return lambda q, k, v: attention(q, k, v, tensor_layout="NHD", is_causal=False)


def flash3() -> Attention:
    attention = import_module("flash_attn_interface").flash_attn_func

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Any = attention(q, k, v)
        return out[0] if isinstance(out, tuple) else out

    return run


INSTALLED = {"sageattention": ("sage", sage), "flash_attn_interface": ("flash3", flash3)}
"""package -> name of its kernel, and how it is called"""


def candidates() -> dict[str, Attention]:
    """Every kernel that may be at hand, by name; one that will not load is left out."""
    found = {name: by_backend(backend) for name, backend in OWN.items()}
    for package, (name, load) in INSTALLED.items():
        if find_spec(package):
            try:
                found[name] = load()
            except (ImportError, AttributeError, OSError, RuntimeError):
                continue
    return found


def as_video(conv: Any, x: Tensor) -> Tensor:
    """As the library does it."""
    return conv(x)


def as_pictures(conv: Any, x: Tensor) -> Tensor:
    """The frames that a 3x3x3 kernel sees as channels of one picture: a 2-D convolution, for which there are more
    kernels."""
    taps = conv.kernel_size[0]
    time = x.shape[2] - taps + 1
    seen = torch.cat([x[:, :, i : i + time] for i in range(taps)], 1)
    weight = torch.cat(conv.weight.unbind(2), 1).contiguous(memory_format=torch.channels_last)
    frames = F.conv2d(seen.transpose(1, 2).flatten(0, 1), weight, conv.bias, padding=conv.padding[1:])
    return frames.unflatten(0, (-1, time)).transpose(1, 2)


CONVOLUTIONS: dict[str, Callable[[Any, Tensor], Tensor]] = {"3-D": as_video, "2-D": as_pictures}


class ConvolutionChoice:
    """`out = choice(conv, x)` by the faster form for their sizes: x [B,C,T,H,W] holds the frames before it."""

    def __init__(self) -> None:
        self.chosen: dict[Any, str] = {}

    def __call__(self, conv: Any, x: Tensor) -> Tensor:
        key = (x.device, x.dtype, x.shape, conv.weight.shape)
        if key not in self.chosen:
            times = measured(CONVOLUTIONS, conv, x)
            self.chosen[key] = min(times, key=times.__getitem__, default="3-D")
        return CONVOLUTIONS[self.chosen[key]](conv, x)

    def report(self) -> list[str]:
        """How many sizes take which form."""
        forms = list(self.chosen.values())
        return (
            [f"convolutions: {', '.join(f'{forms.count(f)} sizes {f}' for f in sorted(set(forms)))}"] if forms else []
        )


class AttentionChoice:
    """`out = choice(q, k, v)` by the fastest kernel for their sizes."""

    def __init__(self, kernels: dict[str, Attention] | None = None) -> None:
        self.kernels = candidates() if kernels is None else kernels
        self.chosen: dict[Any, str] = {}
        self.times: dict[Any, dict[str, float]] = {}
        """milliseconds of each kernel that could be run, by size"""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        key = (q.device, q.dtype, q.shape[2:], q.shape[1].bit_length(), k.shape[1].bit_length())
        name = self.chosen.get(key)
        if name is None and q.shape[1] >= WORTH and not recording(q):
            self.times[key] = measured(self.kernels, q, k, v, known=default)
            name = self.chosen[key] = min(self.times[key], key=self.times[key].__getitem__, default="default")
        return self.kernels.get(name or "default", default)(q, k, v)

    def report(self) -> list[str]:
        """A line for each size: the kernel and what the others took."""
        lines = []
        for (_, dtype, _, queries, keys), times in self.times.items():
            shown = ", ".join(f"{name} {time:.2f} ms" for name, time in sorted(times.items(), key=lambda x: x[1]))
            size = f"{1 << queries >> 1:,} queries, {1 << keys >> 1:,} keys and more"
            lines.append(f"attention of {size}, {str(dtype).removeprefix('torch.')}: {shown or 'as torch chooses'}")
        return lines


def recording(x: Tensor) -> bool:
    """Whether a CUDA graph is being recorded, in which nothing can be measured."""
    return x.device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def measured(kernels: Mapping[str, Callable[..., Tensor]], *given: Any, known: Any = None) -> dict[str, float]:
    """Milliseconds of each kernel that takes these tensors and gives what `known` (else the first of them) gives."""
    times: dict[str, float] = {}
    if not kernels:
        return times
    expected = (known or next(iter(kernels.values())))(*given).float()
    limit = ERROR * expected.norm()
    for name, kernel in kernels.items():
        try:
            if bool((kernel(*given).float() - expected).norm() <= limit):
                times[name] = min(milliseconds(kernel, *given) for _ in range(ROUNDS))
        except (RuntimeError, AssertionError, ValueError, TypeError):  # not for this card, type or size
            continue
    return times


def milliseconds(kernel: Callable[..., Tensor], *given: Any) -> float:
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    kernel(*given)
    ended.record()
    ended.synchronize()
    return began.elapsed_time(ended)
