"""What the user gives as text, in the type of its input, for a server: that takes "false" for true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .graph import Graph
from .validate import SWITCH, Problem, WorkflowError, whole_number
from .widgets import declared

__all__ = ["typed"]

_EXPECTED = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}


def typed(graph: Graph, info: Mapping[str, Any]) -> Graph:
    """The graph with what was given as text in the type that a server's `/object_info` says, else in that of the value
    before. Raises WorkflowError with every text that is not of the type; ranges are for the server to judge."""
    nodes, problems = dict(graph.nodes), []
    for (key, name), before in graph.given.items():
        node = nodes[key]
        text, (kind, _) = node.inputs[name], declared(info.get(node.kind), name)
        if not isinstance(text, str):
            continue
        try:
            value = _read(text, kind) if kind in _EXPECTED else _like(text, before, kind)
        except ValueError:
            problems.append(
                Problem(node=key[:40], kind=node.kind, input=name, given=repr(text[:60]), expected=_EXPECTED[kind])
            )
        else:
            nodes[key] = replace(node, inputs={**node.inputs, name: value})
    if problems:
        raise WorkflowError(problems)
    return replace(graph, nodes=nodes)


def _read(text: str, kind: str) -> Any:
    """A text as a value of the type. Raises ValueError where it is none."""
    if kind == "INT":
        return whole_number(text)
    if kind == "BOOLEAN":
        if text.strip().lower() not in SWITCH:
            raise ValueError(text)
        return SWITCH[text.strip().lower()]
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _like(text: str, before: Any, kind: Any) -> Any:
    """A text as one of a list of choices, or, for an input that is not declared, as what stood there before was."""
    if isinstance(kind, list):
        return next((choice for choice in kind if str(choice) == text), text)
    likely = ("BOOLEAN",) if isinstance(before, bool) else ("INT", "FLOAT") if isinstance(before, (int, float)) else ()
    for each in likely if kind is None else ():
        with suppress(ValueError):
            return _read(text, each)
    return text
