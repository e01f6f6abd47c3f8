"""Which node types there are, by name."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .graph import Link, Node
from .schema import ComfyExtension, ComfyNode
from .widgets import CHOICE

__all__ = ["Registry", "accepted"]


class Registry:
    """Node classes by their id. A node's info is asked for once per registry: file lists are as they were then."""

    def __init__(self, nodes: Iterable[type[ComfyNode]]) -> None:
        self._classes: dict[str, type[ComfyNode]] = {}
        self._info: dict[str, dict[str, Any]] = {}
        for node in nodes:
            name = node.GET_SCHEMA().node_id
            if name in self._classes:
                raise ValueError(f"two node classes have the id {name}")
            self._classes[name] = node

    @staticmethod
    def of(*extensions: ComfyExtension) -> Registry:
        """All nodes of some packs."""
        return Registry([node for extension in extensions for node in asyncio.run(extension.get_node_list())])

    def __contains__(self, kind: object) -> bool:
        return kind in self._classes

    def names(self) -> list[str]:
        return list(self._classes)

    def cls(self, kind: str) -> type[ComfyNode]:
        return self._classes[kind]

    def info(self, kind: str) -> dict[str, Any]:
        """The node's entry in `/object_info`."""
        if kind not in self._info:
            self._info[kind] = self._classes[kind].GET_NODE_INFO_V1()
        return self._info[kind]

    def object_info(self) -> dict[str, dict[str, Any]]:
        """What `/object_info` gives."""
        return {name: self.info(name) for name in self._classes}

    def inputs(self, node: Node) -> Iterator[tuple[str, Any, dict[str, Any], bool]]:
        """(name, type, options, required) of a node's inputs, in order, with those that a choice of its brings."""
        return _inputs(self.info(node.kind)["input"], node.inputs)

    def override(self, kind: str, name: str) -> Callable[..., Any] | None:
        """The class's own `validate_inputs` or `fingerprint_inputs`; None where it only has the base's."""
        cls = self._classes[kind]
        owner = next((c for c in cls.__mro__ if name in vars(c)), None)
        return None if owner is None or owner.__module__.startswith("comfy_api.") else getattr(cls, name)


def _inputs(
    groups: dict[str, Any], values: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, dict[str, Any], bool]]:
    for group in ("required", "optional"):
        for name, spec in groups.get(group, {}).items():
            full, kind, options = prefix + name, spec[0], spec[1] if len(spec) > 1 else {}
            if kind != CHOICE:
                yield full, kind, options, group == "required"
                continue
            brings = {option["key"]: option["inputs"] for option in options["options"]}
            yield full, list(brings), options, group == "required"
            if full in values:
                chosen = values[full] if isinstance(values[full], str) else None
                yield from _inputs(brings.get(chosen, {}), values, f"{full}.")


def accepted(check: Callable[..., Any], node: Node) -> dict[str, Any]:
    """Those of a node's constants that a check names among its parameters."""
    names = inspect.signature(check).parameters
    return {name: value for name, value in node.inputs.items() if name in names and not isinstance(value, Link)}
