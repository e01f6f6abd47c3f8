"""From the format that the interface saves to the API's: what its "queue" button does, without a browser.

A saved file is a drawing: nodes with widget values by position, links by number, and things that only the drawing knows
(notes, reroutes, primitives, groups, subgraphs, muted and bypassed nodes). Here a *scope* is one level of the
drawing: the file itself, or one use of a subgraph. Every input asks "where does your value come from?", and `_follow`
walks from link to link, through scopes, until it meets a real node, a constant or nothing.

`comfy-cli` has a converter too. Ours is short, needs no further packages, and refuses where that one logs and goes on;
the tests compare the two where comfy-cli is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..sora_core.errors import InputError
from .choices import has_choices
from .graph import CONTROLS, MAX_NODES, Graph, Range, types_fit
from .widgets import agree, left_out, moves_in, prompt_names, widget_values, wrapped

__all__ = ["Holder", "Info", "converted", "from_saved"]

MAX_LINKS = 10 * MAX_NODES
_MUTED, _BYPASSED = 2, 4
_REROUTES = {"Reroute", "Reroute (rgthree)"}
_SETTERS, _GETTERS = {"SetNode", "easy setNode"}, {"GetNode", "easy getNode"}
"""pairs that carry a link by a name, each its first widget"""
_SWITCHES = (
    "Fast Groups Bypasser",
    "Fast Groups Muter",
    "Fast Bypasser",
    "Fast Muter",
    "Fast Actions Button",
    "Mute / Bypass Relay",
    "Mute / Bypass Repeater",
    "Random Unmuter",
    "Node Collector",
    "Label",
    "Bookmark",
)
_DRAWN = {
    "Note", "MarkdownNote", "PrimitiveNode", "Note Plus (mtb)", *_REROUTES, *_SETTERS, *_GETTERS,
    *(f"{name} (rgthree)" for name in _SWITCHES),
}  # fmt: skip
"""nodes that are in the drawing alone and that no server runs"""
_INWARD, _OUTWARD = -10, -20
"""The ids of a subgraph's own edges: links from _INWARD come from outside, links to _OUTWARD leave."""
_NOTHING = object()
_AS_BEFORE = "as before"

Info = dict[str, dict[str, Any]]
"""`/object_info`: what each node type takes and gives."""


class Holder(NamedTuple):
    """What in the drawing holds the value of an input: the widget `name` of a node; `place` among its values, where it
    is known."""

    node: dict[str, Any]
    name: str
    place: int | None = None


class _Constant(NamedTuple):
    """The value of a primitive, and what becomes of it from run to run; that of a promoted widget moves on as its
    node says (_AS_BEFORE)."""

    value: Any
    control: str | None
    holder: Holder


class _Step(NamedTuple):
    """Look on from this link of this scope."""

    scope: _Scope
    number: Any


@dataclass(eq=False)
class _Scope:
    """One level of the drawing. `prefix` heads the ids of its nodes, `user` is the node that uses the subgraph."""

    prefix: str
    info: Info
    nodes: dict[str, dict[str, Any]]
    links: dict[Any, tuple[str, int]]
    exits: dict[int, Any]
    outer: _Scope | None = None
    user: dict[str, Any] | None = None
    inner: dict[str, _Scope] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """the subgraph's inputs, in order"""
    given: dict[str, Any] = field(default_factory=dict)
    """links that the user of the subgraph has, by the name of its input"""
    promoted: dict[str, tuple[str, str]] = field(default_factory=dict)
    """the subgraph's inputs that lead to a widget inside, whose values the user may hold: (node, widget) by name"""
    answers: dict[Any, Any] = field(default_factory=dict)
    """where each link's value comes from, once that is known"""


def from_saved(document: dict[str, Any], info: Info) -> Graph:
    """Converts a saved workflow. Node types that `info` does not know are kept, so that validation can name them.

    Raises InputError where the file is no drawing: nodes or links that cannot be read, subgraphs that contain
    themselves.
    """
    return converted(document, info)[0]


def converted(document: dict[str, Any], info: Info) -> tuple[Graph, dict[tuple[str, str], Holder]]:
    """See `from_saved`; also what holds each constant, by (node id, input)."""
    holders: dict[tuple[str, str], Holder] = {}
    prompt: dict[str, Any] = {}
    controls: dict[tuple[str, str], str] = {}
    ranges: dict[tuple[str, str], Range] = {}
    notes: dict[str, str] = {}
    choices: dict[tuple[str, str], str] = {}
    absent: dict[tuple[str, str], str] = {}
    for scope in _scopes(document, info):
        for key, node in scope.nodes.items():
            if node["type"] in _DRAWN or node.get("mode") in (_MUTED, _BYPASSED) or key in scope.inner:
                continue
            known = info.get(node["type"])
            inputs, controlled = widget_values(node, known) if known else ({}, {})
            api_id = scope.prefix + key
            holders.update({(api_id, name): Holder(node, name) for name in inputs})
            if said := left_out(node, known) if known else "":
                notes[api_id] = said
            open_texts = {name for name in prompt_names(known) if has_choices(inputs.get(name))} if known else set()
            for name, source in _sources(scope, node):
                if source is _NOTHING:
                    why = absent[api_id, name] = _why_nothing(scope, node, name)
                    if why and name in inputs:
                        own = f"{name} gets nothing{why}: its own value {str(inputs[name])[:60]!r} counts"
                        notes[api_id] = "; ".join(filter(None, (notes.get(api_id), own)))
                    continue
                open_texts.discard(name)
                if not isinstance(source, _Constant):
                    inputs[name] = source
                    controlled.pop(name, None)
                    continue
                inputs[name], holders[api_id, name] = source.value, source.holder
                if source.control != _AS_BEFORE:
                    controlled.pop(name, None)
                    controlled.update({name: source.control} if source.control else {})
            prompt[api_id] = {"class_type": node["type"], "inputs": inputs, "_pack": _pack(node)}
            prompt[api_id]["_meta"] = {"title": node.get("title")}
            prompt[api_id]["_alias"] = _property(node, "Node name for S&R")
            prompt[api_id]["_label"] = known.get("display_name") if known else None
            for name, how in controlled.items():
                if span := moves_in(known, name):
                    controls[api_id, name], ranges[api_id, name] = how, span
            choices.update({(api_id, name): inputs[name] for name in open_texts})
    if not prompt and document["nodes"]:
        raise InputError("no node of the workflow would run: all are muted, bypassed or drawn for the eye alone")
    graph = Graph.from_api(
        prompt, controls=controls, ranges=ranges, saved=document, notes=notes, choices=choices, absent=absent
    )
    return graph.advance(0), holders


def _scopes(document: dict[str, Any], info: Info) -> list[_Scope]:
    """The file and every use of a subgraph that is switched on, outermost first."""
    found = document.get("definitions") if isinstance(document.get("definitions"), dict) else {}
    definitions = {d["id"]: d for d in _dicts((found or {}).get("subgraphs", [])) if isinstance(d.get("id"), str)}
    scopes = [_scope(document, info, "")]
    total, links = len(scopes[0].nodes), len(scopes[0].links)
    for scope in scopes:
        for key, user in scope.nodes.items():
            definition = definitions.get(user["type"])
            if definition is None or user.get("mode") in (_MUTED, _BYPASSED):
                continue
            inner = _scope(definition, info, f"{scope.prefix}{key}:", scope, user)
            if scope.prefix.count(":") > 30:
                raise InputError(f"the subgraph {str(definition.get('name', user['type']))[:60]!r} contains itself")
            total, links = total + len(inner.nodes), links + len(inner.links)
            if total > MAX_NODES or links > MAX_LINKS:
                raise InputError(
                    f"the workflow has more than {MAX_NODES:,} nodes or {MAX_LINKS:,} links with its subgraphs; at most"
                    " that many are read"
                )
            scope.inner[key] = inner
            scopes.append(inner)
    return scopes


def _scope(drawing: dict[str, Any], info: Info, prefix: str, outer: _Scope | None = None, user: Any = None) -> _Scope:
    nodes: dict[str, dict[str, Any]] = {}
    listed = drawing.get("nodes")
    if not isinstance(listed, list):
        raise InputError(f"the nodes of a saved workflow are a list, not {str(listed)[:40]}")
    if len(listed) > MAX_NODES:
        raise InputError(f"the workflow has {len(listed):,} nodes; at most {MAX_NODES:,} are read")
    for node in listed:
        if (
            not isinstance(node, dict)
            or not isinstance(node.get("id"), (int, str))
            or not isinstance(node.get("type"), str)
        ):
            raise InputError(f"a node of the saved workflow has no id or no type: {str(node)[:80]}")
        if str(node["id"]) in nodes:
            raise InputError(f"two nodes of the saved workflow have the id {node['id']}")
        nodes[str(node["id"])] = node
    links: dict[Any, tuple[str, int]] = {}
    exits: dict[int, Any] = {}
    rows = drawing.get("links") or []
    if not isinstance(rows, list):
        raise InputError(f"the links of a saved workflow are a list, not {str(rows)[:40]}")
    if len(rows) > MAX_LINKS:
        raise InputError(f"the workflow has {len(rows):,} links; at most {MAX_LINKS:,} are read")
    for link in rows:
        if link is None:  # older interfaces left such gaps
            continue
        number, origin, slot, target, target_slot = _link(link)
        links[number] = (origin, slot)
        if target == str(_OUTWARD):
            exits[target_slot] = number
    scope = _Scope(prefix, info, nodes, links, exits, outer, user)
    if user is not None:
        scope.given = {str(item.get("name")): item.get("link") for item in _dicts(user.get("inputs"))}
        fed = {
            item["link"]: (key, str(item["widget"].get("name")))
            for key, node in nodes.items()
            for item in _dicts(node.get("inputs"))
            if isinstance(item.get("widget"), dict) and isinstance(item.get("link"), (int, str))
        }
        declared = _dicts(drawing.get("inputs"))
        scope.names = [str(item.get("name")) for item in declared]
        for item in declared:
            numbers = item.get("linkIds")
            for number in numbers if isinstance(numbers, list) else ():
                if isinstance(number, (int, str)) and number in fed:
                    scope.promoted.setdefault(str(item.get("name")), fed[number])
    return scope


def _link(link: Any) -> tuple[Any, str, int, str, int]:
    """Links are rows in a workflow and objects in a subgraph."""
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    row = [link.get(name) for name in names] if isinstance(link, dict) else link
    if not isinstance(row, list) or len(row) < 5 or not all(isinstance(item, (int, str)) for item in row[:5]):
        raise InputError(f"a link of the saved workflow cannot be read: {str(link)[:80]}")
    number, origin, slot, target, target_slot = row[:5]
    if not isinstance(slot, int) or not isinstance(target_slot, int):
        raise InputError(f"the link {str(number)[:20]} of the saved workflow names no slot")
    return number, str(origin), slot, str(target), target_slot


def _sources(scope: _Scope, node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(input name, link, constant or _NOTHING) for every input that something is wired to."""
    for item in _dicts(node.get("inputs")):
        if not isinstance(item.get("name"), str) or item.get("link") is None:
            continue
        yield item["name"], _follow(scope, item["link"], item.get("type"))


def _why_nothing(scope: _Scope, node: dict[str, Any], name: str) -> str:
    """Words for a link that gives nothing: the node at its other end may be switched off."""
    number = next(item["link"] for item in _dicts(node.get("inputs")) if item.get("name") == name)
    known = isinstance(number, (int, str)) and number in scope.links
    source = scope.nodes.get(scope.links[number][0], {}) if known else {}
    switched_off: dict[Any, str] = {_MUTED: "muted", _BYPASSED: "bypassed, with nothing of that type to hand on"}
    how = switched_off.get(source.get("mode"))
    return f", since node {scope.prefix}{source['id']} ({source['type'][:60]}) is {how}" if how else ""


def _follow(scope: _Scope, number: Any, wanted: Any) -> Any:
    """Where a link's value comes from, for an input of the type `wanted`: `[node id, slot]`, a constant, or _NOTHING
    (muted, or not connected after all)."""
    walked: list[tuple[_Scope, Any]] = []
    kind = wanted if isinstance(wanted, str) else None
    while len(walked) <= MAX_NODES:
        answer = scope.answers.get((number, kind)) if isinstance(number, (int, str)) else _NOTHING
        if answer is None:
            walked.append((scope, (number, kind)))
            origin, slot = scope.links.get(number, ("", 0))
            answer = _from_outside(scope, slot) if origin == str(_INWARD) else _from_node(scope, origin, slot, kind)
        if not isinstance(answer, _Step):
            for passed, via in walked:
                passed.answers[via] = answer
            return answer
        scope, number = answer
    raise InputError("links of the saved workflow go round in a circle through reroutes, bypassed nodes or subgraphs")


def _from_node(scope: _Scope, origin: str, slot: int, wanted: str | None) -> Any:
    """One step back from the output `slot` of a node: where to look on, or the answer, for an input of a type."""
    node = scope.nodes.get(origin)
    if node is None:
        return [scope.prefix + origin, slot] if origin else _NOTHING  # a dangling link is for validation to name
    if node.get("mode") == _MUTED:
        return _NOTHING
    if node.get("mode") == _BYPASSED:
        return _Step(scope, _passed_through(node, slot, scope.info.get(node["type"]), wanted))
    if node["type"] in _GETTERS:
        return _set_elsewhere(scope, node)
    if node["type"] in _REROUTES or node["type"] in _SETTERS:
        return _Step(scope, next((item.get("link") for item in _dicts(node.get("inputs"))), None))
    if node["type"] == "PrimitiveNode":
        return _primitive(node)
    if origin in scope.inner:
        inner = scope.inner[origin]
        return _Step(inner, inner.exits.get(slot))
    return [scope.prefix + origin, slot]


def _primitive(node: dict[str, Any]) -> Any:
    values = node.get("widgets_values")
    if not isinstance(values, list) or not values:
        return _NOTHING
    control = values[1] if len(values) > 1 and values[1] in CONTROLS else None
    return _Constant(wrapped(values[0]), control, Holder(node, "value", 0))


def _set_elsewhere(scope: _Scope, getter: dict[str, Any]) -> _Step:
    """From a Get node to the link of the Set node of its name, in this drawing or in one around it."""
    wanted, place = _first_value(getter), scope
    while True:
        for node in place.nodes.values():
            if node["type"] in _SETTERS and _first_value(node) == wanted and node.get("mode") != _MUTED:
                return _Step(place, next((item.get("link") for item in _dicts(node.get("inputs"))), None))
        if place.outer is None:
            raise InputError(f"node {getter['id']} gets {str(wanted)[:60]!r}, which no Set node of this workflow sets")
        place = place.outer


def _first_value(node: dict[str, Any]) -> Any:
    values = node.get("widgets_values")
    return values[0] if isinstance(values, list) and values else None


def _from_outside(scope: _Scope, slot: int) -> Any:
    """One step out of a subgraph, from its input `slot` to what the node that uses it is given there."""
    if scope.outer is None or scope.user is None or not 0 <= slot < len(scope.names):
        return _NOTHING
    name = scope.names[slot]
    if scope.given.get(name) is not None:
        return _Step(scope.outer, scope.given[name])
    return _promoted(scope, name)


def _promoted(scope: _Scope, name: str) -> Any:
    """The value of a widget that a subgraph has for its input `name`: what its user holds, else what the first widget
    holds that the input leads to."""
    if scope.user is None or name not in scope.promoted:
        return _NOTHING
    values, named = scope.user.get("widgets_values"), scope.user.get("widgets_values_named")
    place = [*scope.promoted].index(name)
    holder = Holder(scope.user, name, place)
    if isinstance(named, dict) and name in named and agree(values, named):
        return _Constant(wrapped(named[name]), _AS_BEFORE, holder)
    if isinstance(values, list) and len(values) == len(scope.promoted):
        return _Constant(wrapped(values[place]), _AS_BEFORE, holder)
    key, widget = scope.promoted[name]
    if key in scope.inner:
        return _promoted(scope.inner[key], widget)
    node = scope.nodes[key]
    held = widget_values(node, scope.info[node["type"]])[0] if node["type"] in scope.info else {}
    return _Constant(held[widget], _AS_BEFORE, Holder(node, widget)) if widget in held else _NOTHING


def _passed_through(node: dict[str, Any], slot: int, known: dict[str, Any] | None, wanted: str | None) -> Any:
    """The input link that a bypassed node hands on to an input of the type `wanted`: beside the output where that fits,
    else of that type, else the first that fits; to an input of any type, the one beside the output or else the first.
    Its inputs are counted as the interface draws them, which files from before 1.16 do not list."""
    outputs, saved = _dicts(node.get("outputs")), {item.get("name"): item for item in _dicts(node.get("inputs"))}
    groups = known["input"] if known else {}
    declared = {**groups.get("required", {}), **groups.get("optional", {})}
    inputs = [*({name: {"type": spec[0]} for name, spec in declared.items()} | saved).values()]
    given = outputs[slot].get("type") if 0 <= slot < len(outputs) else None
    wanted = given if wanted is None else wanted
    if wanted in ("*", ""):
        return next((item.get("link") for item in inputs[slot : slot + 1] + inputs), None)
    fitting = [item for item in inputs if given and types_fit(given, item.get("type"))]
    fitting = [item for item in fitting if types_fit(item.get("type"), wanted)]
    beside = [item for item in inputs[slot : slot + 1] if item in fitting]
    exact = [item for item in inputs if item.get("type") == wanted]
    return next((item.get("link") for item in beside + exact + fitting), None)


def _pack(node: dict[str, Any]) -> str:
    """The pack a node came from, as the interface noted it."""
    pack = _property(node, "cnr_id") or _property(node, "aux_id")
    return pack if isinstance(pack, str) else ""


def _property(node: dict[str, Any], name: str) -> Any:
    properties = node.get("properties")
    return properties.get(name) if isinstance(properties, dict) else None


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
