"""A second device for machines that have none: its numbers lie in main memory, but do not mix with others, as with a
graphics card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["FAR", "moved", "second_device"]

FAR = torch.device("lazy")
"""a name that torch knows and has no kernels for"""
ANYWHERE = ("copy_", "index.", "index_put")
"""operations that take tensors of two devices"""


WAITING = ("_local_scalar_dense", "equal", "nonzero")
"""operations whose result the host needs"""


class FarTensor(Tensor):
    """A tensor that says it is on FAR; `near` has its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> FarTensor:
        layout = {"strides": near.stride(), "storage_offset": near.storage_offset(), "dtype": near.dtype}
        made: FarTensor = Tensor._make_wrapper_subclass(cls, near.shape, device=FAR, **layout)
        made.near = near
        return made

    def tolist(self) -> Any:
        return self.near.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return done_there(func, args, kwargs or {})


def done_there(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on what lies near; its result is on FAR where it belongs there."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    far = [tensor for tensor in tensors if isinstance(tensor, FarTensor)]
    near = [tensor for tensor in tensors if not isinstance(tensor, FarTensor) and tensor.ndim]
    if far and near and not func.__name__.startswith(ANYWHERE):
        raise RuntimeError(
            f"{func.__name__} of tensors on two devices, of {list(far[0].shape)} and {list(near[0].shape)}"
        )
    given, settings = tree_map(lambda leaf: leaf.near if isinstance(leaf, FarTensor) else leaf, (args, kwargs))
    asked = kwargs.get("device")
    if asked is not None and torch.device(asked) == FAR:
        settings["device"] = torch.device("cpu")
    out = func(*given, **settings)
    if not (far if asked is None else torch.device(asked) == FAR):
        return out
    known = {id(tensor.near): tensor for tensor in far}  # what was changed in place is given back as itself

    def there(leaf: Any) -> Any:
        return leaf if not isinstance(leaf, Tensor) else known[id(leaf)] if id(leaf) in known else FarTensor(leaf)

    return tree_map(there, out)


class Operations(TorchDispatchMode):
    """Sends to FAR what has to do with it; `waits` names what the host had to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        asked = kwargs.get("device")
        there = asked is not None and torch.device(asked) == FAR
        far = any(isinstance(leaf, FarTensor) for leaf in tree_leaves((args, kwargs)))
        if far and (func.__name__.startswith(WAITING) or not (there or asked is None)):
            self.waits.append(func.__name__)
        if there or far:
            return done_there(func, args, kwargs)
        return func(*args, **kwargs)


class Literals(TorchFunctionMode):
    """`torch.tensor([...], device=FAR)`, which no dispatch sees."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and kwargs.get("device") is not None and torch.device(kwargs["device"]) == FAR:
            return FarTensor(func(*args, **{**kwargs, "device": "cpu"}))
        return func(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[list[str]]:
    """Within it FAR is a device like others; without gradients. Gives the operations that the host had to wait for."""
    with torch.no_grad(), Operations() as operations, Literals():
        yield operations.waits


def moved(module: nn.Module) -> nn.Module:
    """The module itself, with its numbers on FAR."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            part._parameters[name] = (
                None if parameter is None else nn.Parameter(FarTensor(parameter.data), requires_grad=False)
            )
        for name, buffer in part._buffers.items():
            part._buffers[name] = None if buffer is None else FarTensor(buffer)
    return module
