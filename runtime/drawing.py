"""The drawing that a file carries beside what ran: a workflow as the interface saved it, with the values of this run.

ComfyUI opens the drawing when a file is dropped onto it, so a value that was set, a row's or a seed that moved on must
stand in it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ..sora_core.errors import InputError
from .choices import literal
from .graph import Graph, Link
from .saved import Holder, Info, converted
from .session import NAME_INPUT
from .widgets import completed, prompt_names, widget_values, wrapped

__all__ = ["NOT_DRAWN", "redrawn"]

NOT_DRAWN = "the workflow as it was drawn cannot hold what was set, so files carry what ran without the drawing"


def redrawn(graph: Graph, ran: Graph, info: Info) -> dict[str, Any] | None:
    """The drawing of `graph` with the values of `ran`, the same graph as it runs, with each constant in its type.

    None where there is no drawing, or where it has no widget for a value: then a file carries what ran alone. Names of
    files stay as they are before dates are filled in.
    """
    if graph.saved is None or not ran.given:
        return graph.saved
    wanted = {
        (key, name): (graph if name == NAME_INPUT else ran).nodes[key].inputs[name]
        for key, name in ran.given
        if name in ran.nodes[key].inputs
    }
    drawing = deepcopy(graph.saved)
    try:
        before, holders = converted(drawing, info)
        stood = _constants(before)
        for (key, name), value in wanted.items():
            place = key, name
            if place in before.choices or stood.get(place) != value:
                chosen = isinstance(value, str) and name in prompt_names(info[graph.nodes[key].kind])
                _put(holders[place], literal(value) if chosen else value, info)
        after, _ = converted(drawing, info)
    except (InputError, LookupError):
        return None
    return drawing if _constants(after) == stood | wanted else None


def _constants(graph: Graph) -> dict[tuple[str, str], Any]:
    nodes = graph.nodes.values()
    return {
        (node.id, name): value for node in nodes for name, value in node.inputs.items() if not isinstance(value, Link)
    }


def _put(holder: Holder, value: Any, info: Info) -> None:
    """Gives a widget of the drawing a value, under its name and at its place among the values."""
    node, name, place = holder
    values, named = node.get("widgets_values"), node.get("widgets_values_named")
    expected = {**_read(node, info), name: wrapped(value)}
    for by_name in (values, named):
        if isinstance(by_name, dict) and (place is None or name in by_name):
            by_name[name] = value
    if not isinstance(values, list):
        return
    if place is None and not isinstance(named, dict):
        values = completed(node, info[node["type"]])
    for at in range(len(values)):
        changed = {**node, "widgets_values": [*values[:at], value, *values[at + 1 :]]}
        if at == place or (place is None and _read(changed, info) == expected):
            node.update(changed)
            return


def _read(node: dict[str, Any], info: Info) -> dict[str, Any]:
    """The values of a node's widgets by name; none where they cannot be told apart."""
    try:
        return widget_values(node, info[node["type"]])[0]
    except (InputError, LookupError):
        return {}
