"""Everything that is wrong with a workflow, found before anything runs.

The rules are ComfyUI's: only nodes that lead to an output count, links must join types that fit, constants must lie in
their range or list, and a node's own `validate_inputs` has a say. Two are firmer: a fraction is no whole number, and
one broken output stops the run instead of being left out.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..sora_core.errors import InputError, SoraError
from .graph import Graph, Link, Node, types_fit
from .naming import fill_prefix, filled
from .registry import Registry, accepted
from .session import NAME_INPUT, SPARE, check_own, current, inside
from .widgets import BUTTONS

__all__ = [
    "SWITCH", "Problem", "RunPlan", "WorkflowError", "check_there", "idle", "linked_misfits", "notes_on", "plan",
    "whole_number",
]  # fmt: skip

SWITCH = {"true": True, "1": True, "false": False, "0": False}
"""what true and false are called"""
_ZEROS = re.compile(r"(?<=\d)\.0*\s*\Z")
SHOWN = ("PreviewImage", "PreviewAny")
"""output nodes that show, and keep no file"""
NOTHING_KEPT = "nothing here keeps a file: add a node that saves, such as SaveImage or SoraSaveVideo"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to mend: where it is, what stands there, what would do."""

    node: str
    kind: str
    input: str
    given: str
    expected: str

    def __str__(self) -> str:
        where = f"node {self.node} ({self.kind})" + (f", input {self.input}" if self.input else "")
        return f"{where}: given {self.given}; expected {self.expected}"


class WorkflowError(InputError):
    """A workflow with problems: all of them at once, one sentence each."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        shown = [str(problem) for problem in problems[:50]]
        more = [f"and {len(problems) - 50} more"] if len(problems) > 50 else []
        super().__init__("\n".join(shown + more))


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A workflow that may run: its graph with every constant in its type, names of files filled in and without inputs
    that its nodes do not have, the nodes in the order they run, and what is to be said of the graph, by node id."""

    graph: Graph
    order: list[str]
    notes: dict[str, str]


def plan(graph: Graph, registry: Registry) -> RunPlan:
    """Checks a workflow. Raises WorkflowError with everything that is wrong."""
    graph, notes = _known(filled(graph), registry)
    problems = [_missing(node, graph, registry) for node in graph.nodes.values() if node.kind not in registry]
    outputs = _outputs(graph, registry)
    if not outputs and not problems:
        raise InputError(
            "the workflow has no output node, so there is nothing to run; add one that saves or shows, such as"
            " SoraSaveVideo"
        )
    awaited = _switched(graph)
    needed = _upstream(awaited, outputs)
    nodes = dict(graph.nodes)
    for node_id in needed:
        node = graph.nodes[node_id]
        if node.kind in registry:
            nodes[node_id], found = _check(node, graph, registry)
            problems += found
    order, circle = _sorted(awaited, needed)
    problems += circle
    if problems:
        raise WorkflowError(problems)
    return RunPlan(graph=replace(graph, nodes=nodes), order=order, notes=notes)


def notes_on(graph: Graph, registry: Registry) -> dict[str, str]:
    """What is to be said of a workflow whatever its values are, by node id."""
    return _known(graph, registry)[1]


def idle(graph: Graph, info: Mapping[str, Any]) -> set[str]:
    """The nodes that lead to no output, by `/object_info`, and are not run."""
    outputs = [node.id for node in graph.nodes.values() if info.get(node.kind, {}).get("output_node")]
    return set(graph.nodes) - set(_upstream(graph, outputs))


def _outputs(graph: Graph, registry: Registry) -> list[str]:
    return [
        node.id for node in graph.nodes.values() if node.kind in registry and registry.info(node.kind)["output_node"]
    ]


def _known(graph: Graph, registry: Registry) -> tuple[Graph, dict[str, str]]:
    """The graph without inputs that its nodes do not have, and what is to be said of those, by node id."""
    nodes, notes = dict(graph.nodes), dict(graph.notes)
    for key, node in graph.nodes.items():
        if node.kind in registry:
            names = {name for name, *_ in registry.inputs(node)}
            unknown = [name for name in node.inputs if name not in names]
            nodes[key] = replace(node, inputs={k: v for k, v in node.inputs.items() if k not in unknown})
            if said := [name[:40] for name in unknown if name not in BUTTONS]:
                left = f"it has no input {', '.join(said[:8])}, so this is left out"
                notes[key] = "; ".join(filter(None, (notes.get(key), left)))
    outputs = _outputs(graph, registry)
    if outputs and all(graph.nodes[name].kind in SHOWN for name in outputs):
        notes[outputs[0]] = f"{notes.get(outputs[0], '')} {NOTHING_KEPT}".strip()
    return replace(graph, nodes=nodes), notes


def check_there(graph: Graph, info: Mapping[str, Any]) -> None:
    """Raises WorkflowError with every node of a type that a server, by its `/object_info`, does not have."""
    problems = [_missing_there(node, info) for node in graph.nodes.values() if node.kind not in info]
    if problems:
        raise WorkflowError(problems)


def _missing_there(node: Node, info: Mapping[str, Any]) -> Problem:
    pack = "" if node.pack == "comfy-core" else node.pack[:80]
    source = f"of the pack {pack}" if pack else "part of ComfyUI itself" if node.pack else ""
    expected = f"a node that the server has{f'; this one is {source}' if source else ''}{_hint(node, info)}"
    return _absent(node, expected)


def _hint(node: Node, names: Iterable[str]) -> str:
    """What else may help with a node type that is missing."""
    if node.kind.startswith(("workflow>", "workflow/")):
        return "; it is a group node of an older interface: make it a subgraph in ComfyUI and save the file"
    if node.kind == "ComfySoftSwitchNode":
        return "; or take ComfySwitchNode, or link the side that is wanted straight to where the switch leads"
    near = difflib.get_close_matches(node.kind[:80], list(names), n=1, cutoff=0.75)
    return f", or did you mean {near[0]}?" if near else ""


def _absent(node: Node, expected: str) -> Problem:
    return Problem(
        node=node.id[:40], kind=node.kind[:80], input="", given="a node type that is missing", expected=expected
    )


def _missing(node: Node, graph: Graph, registry: Registry) -> Problem:
    """A node type that is not here, with the pack that the file names and the nearest name we know.

    The interface notes the pack of nearly every node; of those it does not, nearly all are ComfyUI's own.
    """
    hint = _hint(node, registry.names())
    if node.pack == "comfy-core":
        expected = f"a node that is here; {node.kind[:80]} is part of ComfyUI itself (run it there with --server){hint}"
    elif node.pack:
        expected = (
            f"a node that is here; this one is of the pack {node.pack} (run it in a ComfyUI that has it, with"
            f" --server){hint}"
        )
    elif graph.saved:
        expected = (
            "a node that is here; the file does not say its pack, most likely ComfyUI itself (run it there with"
            f" --server){hint}"
        )
    else:
        expected = (
            "a node that is here; files in the API's format name no packs (run it in a ComfyUI that has it, with"
            f" --server){hint}"
        )
    return _absent(node, expected)


def _upstream(graph: Graph, outputs: list[str]) -> list[str]:
    """The outputs and all that leads to them."""
    seen = dict.fromkeys(outputs)
    queue = deque(outputs)
    while queue:
        for _, link in graph.nodes[queue.popleft()].links():
            if link.node in graph.nodes and link.node not in seen:
                seen[link.node] = None
                queue.append(link.node)
    return list(seen)


def _switched(graph: Graph) -> Graph:
    """The graph in which a switch has the link alone that counts, as far as that is known before anything runs."""
    nodes = dict(graph.nodes)
    for key, node in graph.nodes.items():
        if node.kind == "ComfySwitchNode":
            value = node.inputs.get("switch")
            if isinstance(value, Link):
                source = graph.nodes.get(value.node)
                value = source.inputs.get("value") if source and source.kind == "PrimitiveBoolean" else None
            unused = {True: "on_false", False: "on_true"}.get(SWITCH.get(str(value).strip().lower()))  # type: ignore[arg-type]
            nodes[key] = replace(node, inputs={name: v for name, v in node.inputs.items() if name != unused})
    return replace(graph, nodes=nodes)


def _sorted(graph: Graph, needed: list[str]) -> tuple[list[str], list[Problem]]:
    """The nodes in an order in which each comes after what it needs, and the circle that prevents one."""
    waits = {name: {link.node for _, link in graph.nodes[name].links() if link.node in graph.nodes} for name in needed}
    users: dict[str, list[str]] = {name: [] for name in needed}
    for name, sources in waits.items():
        for source in sources:
            users[source].append(name)
    ready = deque(name for name in needed if not waits[name])
    order: list[str] = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for user in users[name]:
            waits[user].discard(name)
            if not waits[user]:
                ready.append(user)
    if len(order) == len(needed):
        return order, []
    return order, [_circle(graph, {name: sources for name, sources in waits.items() if sources})]


def _circle(graph: Graph, waits: dict[str, set[str]]) -> Problem:
    """Names one circle among nodes that wait for each other: walking upstream must come back."""
    path: dict[str, int] = {}
    name = next(iter(waits))
    while name not in path:
        path[name] = len(path)
        name = min(source for source in waits[name] if source in waits)
    members = list(path)[path[name] :]
    shown = " <- ".join([*members[:8], *(["..."] if len(members) > 8 else []), members[0]])
    node = graph.nodes[name]
    return Problem(
        node=name,
        kind=node.kind,
        input="",
        given=f"links in a circle ({shown})",
        expected="links that lead from loaders to outputs",
    )


def _check(node: Node, graph: Graph, registry: Registry) -> tuple[Node, list[Problem]]:
    """The node with its constants in their types, and its problems."""
    values, problems = dict(node.inputs), []
    for name, kind, options, required in registry.inputs(node):
        if name not in values:
            if required:
                given = f"nothing{graph.absent.get((node.id, name), '')}"
                problems.append(_problem(node, name, given, f"a link or a value of type {_shown_type(kind)}"))
        elif isinstance(values[name], Link):
            problems += _check_link(node, name, kind, values[name], graph, registry)
        else:
            try:
                values[name] = _value(values[name], kind, options)
                _check_name(name, values[name])
            except _MisfitError as misfit:
                problems.append(_problem(node, name, _shown(values[name]), str(misfit)))
    checked = replace(node, inputs=values)
    return checked, problems or list(_own_checks(checked, registry))


def _check_link(node: Node, name: str, kind: Any, link: Link, graph: Graph, registry: Registry) -> Iterator[Problem]:
    source = graph.nodes.get(link.node)
    given = f"a link to node {link.node[:40]}"
    if source is None:
        yield _problem(node, name, given, "a node of this workflow")
    elif source.kind in registry:
        outputs = registry.info(source.kind)["output"]
        if not 0 <= link.slot < len(outputs):
            yield _problem(node, name, f"output {link.slot} of {source}", f"one of its {len(outputs)} outputs")
        elif not types_fit(outputs[link.slot], kind):
            yield _problem(
                node, name, f"{_shown_type(outputs[link.slot])} of {source}", f"a link of type {_shown_type(kind)}"
            )


def linked_misfits(node: Node, values: Mapping[str, Any], registry: Registry) -> list[Problem]:
    """Values that came by links and that the node's widgets would not take; a node may still do with them."""
    problems = []
    for name, kind, options, _ in registry.inputs(node):
        if kind in ("INT", "FLOAT", "STRING", "BOOLEAN") and isinstance(node.inputs.get(name), Link):
            try:
                _value(values[name], kind, options)
            except _MisfitError as misfit:
                given = f"{_shown(values[name])} of node {node.inputs[name].node[:40]}"
                problems.append(_problem(node, name, given, str(misfit)))
    return problems


class _MisfitError(ValueError):
    """Says what would have fitted."""


def _value(value: Any, kind: Any, options: dict[str, Any]) -> Any:
    """A constant in its type. Raises _MisfitError saying what was expected."""
    if isinstance(kind, list) or kind == "COMBO":
        return _choice(value, kind if isinstance(kind, list) else options.get("options"), options)
    if kind in ("INT", "FLOAT"):
        return _number(value, kind, options)
    if kind == "BOOLEAN":
        switch = SWITCH.get(str(value).strip().lower())
        if switch is None:
            raise _MisfitError("true or false")
        return switch
    if kind == "STRING":
        if isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return _text(str(value))
        raise _MisfitError("text")
    raise _MisfitError(f"a link of type {_shown_type(kind)}, not a value")


def _number(value: Any, kind: str, options: dict[str, Any]) -> int | float:
    low, high = options.get("min"), options.get("max")
    span = (
        f" from {low} to {high}"
        if low is not None and high is not None
        else f" of at least {low}"
        if low is not None
        else ""
    )
    expected = f"a {'whole number' if kind == 'INT' else 'number'}{span}"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _MisfitError(expected)
    try:
        number = _parsed(value, kind)
        fits = math.isfinite(number) and (low is None or number >= low) and (high is None or number <= high)
    except (ValueError, OverflowError) as error:
        raise _MisfitError(expected) from error
    if not fits:
        raise _MisfitError(expected)
    return number


def _parsed(value: float | str, kind: str) -> int | float:
    """ "20", "20.0", 20 and 20.0 are the whole number 20; 20.5 is none."""
    if kind == "FLOAT":
        return float(value)
    if isinstance(value, str):
        return whole_number(value)
    if value != int(value):
        raise ValueError(value)
    return int(value)


def whole_number(text: str) -> int:
    """The whole number that a text is; "20.0" is how tables with gaps write 20. "1.2E+19" is none, since digits of it
    are lost. Raises ValueError."""
    return int(_ZEROS.sub("", text))


def _choice(value: Any, choices: list[Any] | None, options: dict[str, Any]) -> Any:
    """One of a list, in which a file's folder may be written as Windows does. Lists of files that can be uploaded are
    left to the node, which looks into subfolders too."""
    if any(str(flag).endswith("_upload") for flag in options):
        if isinstance(value, str):
            return _text(value)
        raise _MisfitError("a file name")
    for choice in choices or []:
        text = value.replace("\\", "/") if isinstance(value, str) else None
        if (value == choice and type(value) is type(choice)) or str(choice) in (value, text):
            return choice
    listed = [str(choice) for choice in choices or []]
    near = difflib.get_close_matches(str(value)[:80], listed, n=1)
    shown = ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")
    nothing = options.get("tooltip", "nothing") + " (the list is empty)"
    raise _MisfitError(f"one of: {shown or nothing}" + (f"; did you mean {near[0]}?" if near else ""))


def _check_name(name: str, value: Any) -> None:
    """What is to be saved must get a name that stays in the output folder: known before anything is made."""
    if name == NAME_INPUT and isinstance(value, str):
        try:
            check_own(value)
            path = inside(current().output, fill_prefix(value, lambda *_: None), what="output", spare=SPARE)
            _check_folder(path, current().output)
        except InputError as error:
            raise _MisfitError(f"another name, since {error}") from error


def _check_folder(path: Path, output: Path) -> None:
    """Raises InputError where the folder of a result lies below the output folder and takes no file."""
    folder = next(parent for parent in path.parents if os.path.isdir(parent) or parent == output)
    if folder != output and not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder {folder} may not be written to")


def _text(value: str) -> str:
    """Text that can be written down: JSON allows halves of characters, files do not."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _MisfitError("text of whole Unicode characters") from error
    return value


def _own_checks(node: Node, registry: Registry) -> Iterator[Problem]:
    """What the node's class itself says of the constants it names in `validate_inputs`, of which those are shown that
    it speaks of."""
    check = registry.override(node.kind, "validate_inputs")
    if check is None:
        return
    named = accepted(check, node)
    try:
        verdict = check(**named)
    except (SoraError, TypeError) as error:
        verdict = str(error)
    if verdict is not True:
        expected = f"another value, since {verdict}" if verdict else "another value"
        blamed = [name for name in named if re.search(rf"\b{name}\b", str(verdict))] or list(named)
        yield _problem(node, ", ".join(blamed), ", ".join(_shown(named[name]) for name in blamed), expected)


def _problem(node: Node, name: str, given: str, expected: str) -> Problem:
    return Problem(node=node.id[:40], kind=node.kind, input=name, given=given, expected=expected)


def _shown(value: Any) -> str:
    text = (
        repr(value) if not isinstance(value, int) or abs(value) < 10**30 else f"a number of {value.bit_length()} bits"
    )
    return text if len(text) <= 80 else text[:77] + "..."


def _shown_type(kind: Any) -> str:
    return "COMBO" if isinstance(kind, list) else str(kind)[:60]
