"""The parts between matrix products, each as a device does it fastest: one small interface, chosen once per device.

    fast = kernels.of(x)
    h = fast.modulated(x, shift, scale, layout, eps)

Nobody else knows which device it is. `plain` has the formulas, `cpu` and `cuda` override them for inference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import cpu
from .plain import Kernels

__all__ = ["Kernels", "for_device", "of", "use"]

PLAIN = Kernels()
_chosen: dict[str, Kernels] = {"cpu": cpu.CpuKernels()}


def of(x: Tensor) -> Kernels:
    """The kernels for x: the plain formulas wherever something is differentiated or compiled."""
    if torch.compiler.is_compiling() or torch.is_grad_enabled():
        return PLAIN
    return for_device(x.device)


def for_device(device: torch.device | str) -> Kernels:
    """The kernels of inference on a device."""
    kind = torch.device(device).type
    if kind == "cuda" and kind not in _chosen:
        from .cuda import best

        _chosen[kind] = best()
    return _chosen.get(kind, PLAIN)


def use(device: torch.device | str, kernels: Kernels | None) -> None:
    """Let these be the kernels of a kind of device from now on; None: choose anew."""
    kind = torch.device(device).type
    _chosen.pop(kind, None)
    if kernels is not None:
        _chosen[kind] = kernels
    elif kind == "cpu":
        _chosen[kind] = cpu.CpuKernels()
