"""Runs a workflow that `validate` has passed: each node once, in order, unchanged ones not again.

A node's *signature* is its type, its constants, the signatures of what it is linked to and its own
`fingerprint_inputs` (a file's time of change, say). Equal signatures give equal results, so within one `Executor` they
are looked up; what the last run did not use is forgotten. Output nodes run every time: their files are what a run is
for.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..sora_core.errors import SoraError
from .drawing import NOT_DRAWN, redrawn
from .graph import Graph, Link, Node
from .images import FileImages
from .registry import Registry, accepted
from .session import Session
from .validate import RunPlan, WorkflowError, linked_misfits, plan

__all__ = ["Executor", "Result"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run gave: what each output node shows, how many nodes ran, and how long it took."""

    shown: dict[str, dict[str, Any]]
    ran: int
    cached: int
    seconds: float

    def files(self) -> list[str]:
        """Names, below the output folder, of the files that were written there."""
        found: dict[str, None] = {}
        for ui in self.shown.values():
            for item in (entry for value in ui.values() if isinstance(value, (list, tuple)) for entry in value):
                if isinstance(item, dict) and item.get("type") == "output":
                    found["/".join(part for part in (item.get("subfolder"), item.get("filename")) if part)] = None
        return list(found)

    def texts(self) -> dict[str, str]:
        """Lines of text shown on nodes, by node id."""
        return {node: text for node, ui in self.shown.items() if (text := _text(ui))}


@dataclass(frozen=True)
class _Kept:
    outputs: tuple[Any, ...]
    ui: dict[str, Any] = field(default_factory=dict)


class Executor:
    """Runs workflows one after another and keeps what did not change, models above all."""

    def __init__(self, registry: Registry, *, keep: bool = True) -> None:
        """keep: hold results for the next run; False frees each as soon as nothing needs it any more."""
        self.registry = registry
        self._keep = keep
        self._kept: dict[str, _Kept] = {}

    def run(
        self, graph: Graph, session: Session, *, on_text: Callable[[Node, str], None] = lambda node, text: None
    ) -> Result:
        """Validates and runs. Raises WorkflowError before anything has run, or what a node raised, naming the node.

        on_text: told what a node shows as soon as it has run
        """
        with session.active():
            ready = plan(graph, self.registry)
            drawing = redrawn(graph, ready.graph, self.registry.object_info()) if graph.saved else None
            if graph.saved and drawing is None:
                session.warn(NOT_DRAWN)
            return self._run(replace(ready, graph=replace(ready.graph, saved=drawing)), session, on_text)

    def _run(self, plan: RunPlan, session: Session, on_text: Callable[[Node, str], None]) -> Result:
        began, ran, shown = time.monotonic(), 0, {}
        prompt = plan.graph.to_api()
        signatures = self._signatures(plan)
        again = {
            key
            for name, key in signatures.items()
            if not self.registry.info(plan.graph.nodes[name].kind)["output_node"]
        }
        self._kept = {key: kept for key, kept in self._kept.items() if key in again}
        last_use = {
            link.node: index for index, name in enumerate(plan.order) for _, link in plan.graph.nodes[name].links()
        }
        for index, name in enumerate(plan.order):
            node, signature = plan.graph.nodes[name], signatures[name]
            if signature not in self._kept:
                self._kept[signature] = self._call(
                    node, signatures, prompt, plan.graph, replace(session, node=node.title or node.kind)
                )
                ran += 1
                if text := _text(self._kept[signature].ui):
                    on_text(node, text)
            if text := _text(self._kept[signature].ui):
                session.notes.append(" ".join(text.split()))
            if self._kept[signature].ui:
                shown[name] = self._kept[signature].ui
            if not self._keep:
                self._free(signatures, last_use, index)
        return Result(shown=shown, ran=ran, cached=len(plan.order) - ran, seconds=time.monotonic() - began)

    def _signatures(self, plan: RunPlan) -> dict[str, str]:
        signatures: dict[str, str] = {}
        for name in plan.order:
            signatures[name] = self._signature(plan.graph.nodes[name], signatures)
        return signatures

    def _signature(self, node: Node, signatures: dict[str, str]) -> str:
        cls = self.registry.cls(node.kind)
        schema = cls.GET_SCHEMA()
        inputs = {
            key: [signatures[v.node], v.slot] if isinstance(v, Link) else {"": v}
            for key, v in sorted(node.inputs.items())
            if not isinstance(v, Link) or v.node in signatures  # of a switch, the side that counts
        }
        own = schema.not_idempotent or any(h.name == "unique_id" for h in schema.hidden or [])
        parts = [node.kind, inputs, self._fingerprint(node), node.id if own else ""]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def _fingerprint(self, node: Node) -> Any:
        """What the class says its constants stand for, such as the time a file changed."""
        fingerprint = self.registry.override(node.kind, "fingerprint_inputs")
        return fingerprint(**accepted(fingerprint, node)) if fingerprint else None

    def _call(
        self, node: Node, signatures: dict[str, str], prompt: dict[str, Any], graph: Graph, session: Session
    ) -> _Kept:
        cls = self.registry.cls(node.kind)
        known = {name for name, *_ in self.registry.inputs(node)}
        values = {
            name: self._kept[signatures[value.node]].outputs[value.slot] if isinstance(value, Link) else value
            for name, value in node.inputs.items()
            if name in known and (not isinstance(value, Link) or value.node in signatures)
        }
        saved = {"workflow": graph.saved} if graph.saved else None
        hidden = {"unique_id": node.id, "prompt": prompt, "extra_pnginfo": saved}
        wanted = {h: hidden[h.name] for h in cls.GET_SCHEMA().hidden or [] if h.name in hidden}
        try:
            with session.active():
                result = cls.PREPARE_CLASS_CLONE(wanted).EXECUTE_NORMALIZED(**values)
        except SoraError as error:
            raise _named(error, node) from error
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if problems := linked_misfits(node, values, self.registry):
                raise WorkflowError(problems) from error
            raise
        ui = (result.ui.as_dict() if hasattr(result.ui, "as_dict") else result.ui) or {}
        if met := [note for value in values.values() if isinstance(value, FileImages) for note in value.new_notes()]:
            ui = {**ui, "text": (" ".join([*map(str, ui.get("text", ())), *met]),)}
        return _Kept(tuple(result.args), ui)

    def _free(self, signatures: dict[str, str], last_use: dict[str, int], index: int) -> None:
        """Forgets the outputs of nodes that have run and whose last user has (two nodes may share a signature)."""
        still = {signatures[name] for name in signatures if last_use.get(name, -1) > index}
        for key in [key for key in self._kept if key not in still]:
            self._kept[key] = _Kept((), self._kept[key].ui)


def _text(ui: dict[str, Any]) -> str:
    """The line of text that a node shows, or none."""
    return str(ui["text"][0]) if ui.get("text") else ""


def _named(error: SoraError, node: Node) -> SoraError:
    """The same error, saying at which node it arose."""
    try:
        return type(error)(f"{node}: {error}")
    except TypeError:
        return SoraError(f"{node}: {error}")
