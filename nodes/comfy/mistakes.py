"""How ComfyUI is told of what a person can mend."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ...sora_core.errors import SoraError

__all__ = ["plainly"]


def plainly(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same with mistakes to mend raised as ValueError: ComfyUI shows the class of an exception with the path of its
    module before the sentence, unless it is one of Python's own. For whatever ComfyUI calls of ours."""

    @wraps(call)
    def said(*given: Any, **named: Any) -> Any:
        try:
            return call(*given, **named)
        except SoraError as error:
            raise ValueError(str(error)) from error

    return said
