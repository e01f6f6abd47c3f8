"""A workflow as a graph: nodes by id, each with constants and links.

The API format is
`{"3": {"class_type": "KSampler", "inputs": {"steps": 20, "model": ["1", 0]}, "_meta": {"title": "..."}}}`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..sora_core.errors import InputError
from .choices import chosen

__all__ = ["CONTROLS", "MAX_NODES", "Graph", "Link", "Node", "Range", "types_fit"]

CONTROLS = ("fixed", "increment", "decrement", "randomize")
"""What `control_after_generate` may say of a seed."""

MAX_NODES = 20_000
_FROM_SAVED = ("pack", "alias", "label")


class Link(NamedTuple):
    """The output `slot` of the node `node`."""

    node: str
    slot: int


class Range(NamedTuple):
    """The numbers from `low` to `high`, where there is an end, in steps."""

    low: float = 0
    high: float | None = None
    step: float = 1


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a workflow.

    pack:  the pack that a saved file names for it
    alias: what the interface calls it in the names of files, where that is not its type
    label: what the interface shows of a node without a title
    """

    id: str
    kind: str
    inputs: dict[str, Any]
    title: str = ""
    pack: str = ""
    alias: str = ""
    label: str = ""

    def links(self) -> Iterator[tuple[str, Link]]:
        for name, value in self.inputs.items():
            if isinstance(value, Link):
                yield name, value

    def __str__(self) -> str:
        title = f' "{self.title}"' if self.title and self.title != self.kind else ""
        return f"node {self.id} ({self.kind}{title})"


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A workflow, ready to be validated and run.

    controls: what happens to a seed from one run to the next, by (node id, input)
    ranges:   where a controlled input moves, by (node id, input); one that is not here stays at or above 0
    saved:    the file in the interface's format, kept so that outputs can carry it
    notes:    what of the file could not be taken over, by node id
    absent:   which node a linked input gets nothing from, and why, by (node id, input)
    choices:  prompts with choices in them, such as `a {red|blue} ball`, by (node id, input)
    given:    what stood where another value was set, None where nothing did, by (node id, input)
    """

    nodes: dict[str, Node]
    controls: dict[tuple[str, str], str] = field(default_factory=dict)
    ranges: dict[tuple[str, str], Range] = field(default_factory=dict)
    saved: dict[str, Any] | None = None
    notes: dict[str, str] = field(default_factory=dict)
    absent: dict[tuple[str, str], str] = field(default_factory=dict)
    choices: dict[tuple[str, str], str] = field(default_factory=dict)
    given: dict[tuple[str, str], Any] = field(default_factory=dict)

    @staticmethod
    def from_api(prompt: dict[str, Any], **extra: Any) -> Graph:
        """Reads the API format. Raises InputError where it is no workflow at all; the rest is for `validate`."""
        if not prompt:
            raise InputError("the workflow holds no nodes")
        if len(prompt) > MAX_NODES:
            raise InputError(f"the workflow has {len(prompt):,} nodes; at most {MAX_NODES:,} are read")
        return Graph(nodes={str(key): _node(str(key), value) for key, value in prompt.items()}, **extra)

    def to_api(self) -> dict[str, Any]:
        """The API format of this graph."""
        return {
            node.id: {
                "class_type": node.kind,
                "inputs": {name: _plain(value) for name, value in node.inputs.items()},
                "_meta": {"title": node.title or node.kind},
            }
            for node in self.nodes.values()
        }

    def key(self) -> str:
        """A fingerprint of what this graph does: titles and layout do not count."""
        nodes = {n.id: [n.kind, {name: _plain(value) for name, value in n.inputs.items()}] for n in self.nodes.values()}
        return hashlib.sha256(json.dumps(nodes, sort_keys=True).encode()).hexdigest()

    def find(self, name: str) -> Node:
        """A node by id, by title, or by type where only one is of that type. A node without a title goes by what the
        interface shows instead. The id of a node inside a subgraph is `SUBGRAPH:NODE`; its last part will do where no
        other node ends so."""
        if name in self.nodes:
            return self.nodes[name]
        matches: tuple[Callable[[Node], bool], ...] = (
            lambda n: n.title == name,
            lambda n: n.kind == name,
            lambda n: not n.title and n.label == name,
            lambda n: n.id.endswith(f":{name}"),
        )
        for match in matches:
            found = [n for n in self.nodes.values() if match(n)]
            if len(found) == 1:
                return found[0]
            if found:
                several = ", ".join(f"{n.id} ({n.title or n.kind})" for n in found[:12])
                raise InputError(f"{name!r} could be any of {several}; give the node's id")
        known = ", ".join(f"{n.id} ({n.title or n.kind})" for n in list(self.nodes.values())[:12])
        raise InputError(f"the workflow has no node {name!r}; it has {known}")

    def place(self, target: str) -> tuple[Node, str]:
        """The node and the name of the input that `NODE.INPUT` stands for."""
        name, dot, key = target.rpartition(".")
        if not dot or not name or not key:
            raise InputError(f"{target[:80]!r} is not of the form NODE.INPUT, such as 6.text")
        inputs = {name for node in self.nodes.values() for name in node.inputs if "." in name}
        if dotted := [name for name in inputs if target.endswith(f".{name}")]:  # inputs that another one brings
            key = max(dotted, key=len)
            name = target.removesuffix(f".{key}")
        return self.find(name), key

    def check_input(self, target: str, known: Callable[[str], Any]) -> None:
        """Raises InputError where `NODE.INPUT` stands for an input that neither the workflow has nor the node type, by
        its entry in `/object_info`; `known` gives that, or None."""
        node, name = self.place(target)
        if name in node.inputs:
            return
        entry = known(node.kind)
        groups = entry.get("input") if isinstance(entry, dict) else None
        declared = [groups.get(group) for group in ("required", "optional")] if isinstance(groups, dict) else []
        if not any(name in names for names in declared if isinstance(names, dict)):
            raise InputError(f"{node} has no input {name!r}; it has {', '.join(node.inputs)}")

    def set(self, target: str, value: Any) -> Graph:
        """This graph with `NODE.INPUT` set to a constant; a seed set so is no longer controlled."""
        node, key = self.place(target)
        if isinstance(node.inputs.get(key), Link):
            raise InputError(f"{node}: {key} is linked to node {node.inputs[key].node}; set a value there")
        changed = replace(node, inputs={**node.inputs, key: value})
        controls = {where: how for where, how in self.controls.items() if where != (node.id, key)}
        choices = {where: text for where, text in self.choices.items() if where != (node.id, key)}
        given = {(node.id, key): node.inputs.get(key), **self.given}
        return replace(self, nodes={**self.nodes, node.id: changed}, controls=controls, choices=choices, given=given)

    def advance(self, times: int) -> Graph:
        """This graph as it stands after `times` runs: controlled seeds have moved on, and prompts have chosen anew.
        Repeatable, `randomize` included."""
        graph = self
        for (node, key), text in self.choices.items():
            if node in self.nodes:
                graph = replace(graph.set(f"{node}.{key}", chosen(text, times)), choices=self.choices)
        for (node, key), how in self.controls.items():
            value = _number(self.nodes[node].inputs.get(key)) if node in self.nodes else None
            if times and how != "fixed" and value is not None:
                moved = _moved(value, how, times, self.ranges.get((node, key), Range()))
                graph = replace(graph.set(f"{node}.{key}", moved), controls=self.controls)
        return graph


def types_fit(given: Any, wanted: Any) -> bool:
    """Types fit where they share a name; `A,B` is either, `*` is any."""
    if given == wanted or "*" in (given, wanted):
        return True
    if isinstance(given, list) or isinstance(wanted, list):
        return wanted == "COMBO" or given == "COMBO"
    return bool({t.strip() for t in str(given).split(",")} & {t.strip() for t in str(wanted).split(",")})


def _number(value: Any) -> float | None:
    """A value as the number that it is, whole where it can be, such as "64" and 64.0; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return int(value) if isinstance(value, str) or value == int(value) else value
    except (ValueError, OverflowError):
        return None


def _moved(seed: float, how: str, times: int, span: Range) -> float:
    """Past an end of its range a value stays there, as in the interface."""
    if how == "randomize":
        drawn = int.from_bytes(hashlib.sha256(f"{seed}:{times}".encode()).digest()[:6], "big")
        count = None if span.high is None else int(max(span.high - span.low, 0) // span.step) + 1
        wide = count is None or count > 1 << 48
        low = max(0, span.low) if wide else span.low  # seeds are not below 0, whatever a node for any number allows
        moved = low + (drawn if count is None else drawn % count) * span.step
    else:
        moved = max(span.low, seed + span.step * (times if how == "increment" else -times))
        moved = moved if span.high is None else min(span.high, moved)
    return round(moved, 10) if isinstance(moved, float) else moved


def _node(node_id: str, value: Any) -> Node:
    if not isinstance(value, dict) or not isinstance(value.get("class_type"), str) or not value["class_type"]:
        raise InputError(f"node {node_id[:40]} has no class_type; this is not a workflow in ComfyUI's API format")
    inputs = value.get("inputs", {})
    if not isinstance(inputs, dict):
        raise InputError(
            f"node {node_id[:40]} ({value['class_type'][:60]}): inputs must be an object, not {type(inputs).__name__}"
        )
    meta = value.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return Node(
        id=node_id,
        kind=value["class_type"],
        inputs={str(name): _read(item) for name, item in inputs.items()},
        title=title if isinstance(title, str) else "",
        **{name: value[f"_{name}"] for name in _FROM_SAVED if isinstance(value.get(f"_{name}"), str)},
    )


def _read(value: Any) -> Any:
    """A link, where the value is `[node, slot]`; `{"__value__": [...]}` is how a list is given as a constant."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int)) and _is_slot(value[1]):
        return Link(str(value[0]), value[1])
    if isinstance(value, dict) and set(value) == {"__value__"}:
        return value["__value__"]
    return value


def _is_slot(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, Link):
        return [value.node, value.slot]
    return {"__value__": value} if isinstance(value, list) else value
