"""The program around us may have set torch's default dtype or device, or be inside an autocast region.

Our numbers do not depend on it: what the library exports runs under `unaffected`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar

import torch

__all__ = ["unaffected"]

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def as_torch_comes() -> Iterator[None]:
    """float32, the CPU and no autocast where nothing is said; what is set already is left alone, since a default device
    costs time with every call. The dtype is set for all threads, as torch has it."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    with ExitStack() as changed:
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            changed.callback(torch.set_default_dtype, dtype)
        if device.type != "cpu":
            changed.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                changed.enter_context(torch.autocast(kind, enabled=False))
        yield


def unaffected(function: F) -> F:
    """A function, or a generator between its yields, under torch's own defaults whatever the caller has set."""

    @wraps(function)
    def whole(*given: Any, **named: Any) -> Any:
        with as_torch_comes():
            return function(*given, **named)

    @wraps(function)
    def stepwise(*given: Any, **named: Any) -> Generator[Any, None, None]:
        items = function(*given, **named)
        try:
            while True:
                with as_torch_comes():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        finally:
            items.close()

    return stepwise if inspect.isgeneratorfunction(function) else whole  # type: ignore[return-value]
