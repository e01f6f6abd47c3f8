"""What stands between percent signs in a file's name, filled in as ComfyUI does it.

Its interface fills in `%date:yyyy-MM-dd%` and `%Node.widget%` when a workflow is queued; its server `%year%`,
`%month%`, `%day%`, `%hour%`, `%minute%`, `%second%`, `%width%` and `%height%` when a file is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from .graph import Graph, Link
from .session import NAME_INPUT

__all__ = ["fill_prefix", "fill_size", "filled", "prompt_values"]

PART = re.compile(r"%([^%\n]{1,200})%")
TOKEN = re.compile(r"yyyy|yy|MM?|dd?|hh?|mm?|ss?")
UNFIT = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
"""characters of a widget's value that no file name may have"""


def fill_prefix(prefix: str, value_of: Callable[[str, str], object | None], now: datetime | None = None) -> str:
    """`prefix` with its dates and widgets. `value_of(node, widget)`: the value, or None where there is no such widget,
    which leaves the words as they are."""

    def fill(found: re.Match[str]) -> str:
        words = found[1]
        if words.startswith("date:"):
            return formatted(words.removeprefix("date:"), now or datetime.now())
        node, dot, widget = words.rpartition(".")
        value = value_of(node, widget) if dot and "." not in node else None
        return found[0] if value is None else UNFIT.sub("_", str(value))

    return PART.sub(fill, prefix)


def filled(graph: Graph) -> Graph:
    """The graph as it is queued now, with the dates and widgets in the names of its files. The interface finds a node
    by its alias, else by the title that it shows; where several fit, the first that has the widget counts."""
    now, nodes = datetime.now(), graph.nodes.values()

    def value_of(name: str, widget: str) -> object | None:
        named = [node for node in nodes if name == (node.alias or node.kind)]
        named = named or [node for node in nodes if name == (node.title or node.label)]
        values = [node.inputs.get(widget) for node in named or [node for node in nodes if name == node.kind]]
        return next((value for value in values if value is not None and not isinstance(value, (Link, list))), None)

    names = {node.id: node.inputs.get(NAME_INPUT) for node in nodes}
    changed = {
        key: replace(graph.nodes[key], inputs={**graph.nodes[key].inputs, NAME_INPUT: fill_prefix(name, value_of, now)})
        for key, name in names.items()
        if isinstance(name, str) and "%" in name
    }
    return replace(graph, nodes={**graph.nodes, **changed})


def prompt_values(prompt: Any) -> Callable[[str, str], object | None]:
    """`value_of` for a workflow in the API's format: nodes by their title, or by their type."""
    nodes = [node for node in prompt.values() if isinstance(node, dict)] if isinstance(prompt, dict) else []

    def value_of(name: str, widget: str) -> object | None:
        for node in nodes:
            if name in ((node.get("_meta") or {}).get("title"), node.get("class_type")):
                value = node.get("inputs", {}).get(widget)
                if value is not None and not isinstance(value, list):
                    return value
        return None

    return value_of


def fill_size(prefix: str, width: int, height: int, now: datetime | None = None) -> str:
    """`prefix` with its `%width%`, `%height%` and parts of the time."""
    now = now or datetime.now()
    parts = {"width": str(width), "height": str(height), "year": str(now.year)}
    for name in ("month", "day", "hour", "minute", "second"):
        parts[name] = f"{getattr(now, name):02}"
    return PART.sub(lambda found: parts.get(found[1], found[0]), prefix)


def formatted(pattern: str, now: datetime) -> str:
    """A time by the interface's letters: `yyyy yy M MM d dd h hh m mm s ss`, the hours of a whole day."""
    parts = {"M": now.month, "d": now.day, "h": now.hour, "m": now.minute, "s": now.second}

    def part(found: re.Match[str]) -> str:
        token = found[0]
        if token[0] == "y":
            return str(now.year)[-len(token) :]
        return f"{parts[token[0]]:0{len(token)}}"

    return TOKEN.sub(part, pattern)
