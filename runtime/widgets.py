"""Which input each of a saved node's widget values is for.

A saved file keeps the values by position, so one input too many or too few moves all behind it. The order is that of
the node's own description in `/object_info`, which may depend on the values: an input may bring further ones with it
when it has a certain value (`COMFY_DYNAMICCOMBO_V3`) or a link (`COMFY_DYNAMICSLOT_V3`). Those are called
`parent.child`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..sora_core.errors import InputError
from .graph import CONTROLS, Range

__all__ = [
    "ADDED",
    "BUTTONS",
    "CHOICE",
    "agree",
    "completed",
    "declared",
    "left_out",
    "moves_in",
    "prompt_names",
    "widget_values",
    "wrapped",
]

PLAIN = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
DRAWN = {"COLOR", "COLORS", "CURVE", "BOUNDING_BOX", "BOUNDING_BOXES", "MARKDOWN", "TEXTAREA", "LOAD_3D"}
"""further types that the interface draws as a widget and saves a value of"""
BUTTONS = {"upload", "audioUI"}
"""drawn by the interface beside an input, and named in a file as if they were inputs"""
ADDED = {"CustomCombo": ("index",)}
"""inputs that the interface itself adds to a node type, behind those that the server names"""
PAINTED = {"CustomCombo", "ImageCropV2", "Preview3D", "SaveGLB"}
"""node types that the interface gives widgets of its own, whose values no server takes"""
CONTROL = "control_after_generate"
CHOICE, SLOT = "COMFY_DYNAMICCOMBO_V3", "COMFY_DYNAMICSLOT_V3"
UPLOADS = ("image", "video", "audio", "file", "upload3dmodel", "uploadExtraResources", "clear")
"""values of upload buttons, which a file may hold behind the file's name"""
MAX_INPUTS = 10_000


def widget_values(node: dict[str, Any], info: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """(values by input name, seed controls by input name) of a saved node that `info` describes.

    A file from before an input was added has fewer values: the rest take their defaults, as in the interface. One of a
    version with more inputs keeps those that this one has. Raises InputError where it leaves open which value is whose.
    """
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return _named(node, info, values)
    named = node.get("widgets_values_named")
    if isinstance(named, dict) and agree(values, named):
        return _named(node, info, named)
    if values is not None and not isinstance(values, list):
        raise InputError(
            f"node {node['id']} ({node['type'][:60]}): its widgets_values are {str(values)[:40]!r} and must be a list;"
            " open it in ComfyUI and save it anew"
        )
    listed = values or []
    foreign = _foreign(node, info)
    return (_by_name(node, info, listed, foreign) if foreign else None) or _by_place(node, info, listed)


def agree(values: Any, named: dict[str, Any]) -> bool:
    """Whether the values of a file by name are those that it has by place, gaps left out. Where someone has changed
    the ones by place, those count, as in the interface; where there are none by place, those by name."""
    listed = values if isinstance(values, list) else [*named.values()]
    return bool(named) and [v for v in listed if v is not None] == [v for v in named.values() if v is not None]


def _named(node: dict[str, Any], info: dict[str, Any], named: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values by name, as some nodes save them and interfaces from 1.49 on those of every node."""
    out: dict[str, Any] = {}
    controls: dict[str, str] = {}
    for name, kind, spec in _widgets(info["input"], node, out):
        value = named.get(name)
        if value is None:
            value = _default(kind, spec)
        if value is not None:
            out[name] = wrapped(value)
        if _controlled(name, spec) and (control := named.get(CONTROL)) in CONTROLS:
            controls[name] = control
    return out | {name: wrapped(named[name]) for name in ADDED.get(node["type"], ()) if name in named}, controls


def completed(node: dict[str, Any], info: dict[str, Any]) -> list[Any]:
    """A saved node's values in order, with the defaults of those that a file from before they were added lacks."""
    listed = node["widgets_values"]
    missing: list[Any] = []
    _by_place(node, info, listed, missing)
    return [*listed, *missing]


def _by_place(
    node: dict[str, Any], info: dict[str, Any], listed: list[Any], missing: list[Any] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values in the order of the node's inputs; `missing` takes the defaults of those that are not listed. Raises
    InputError where that cannot be the order of the file."""
    queue, out = list(listed), dict[str, Any]()
    controls: dict[str, str] = {}
    wrong: list[str] = []
    missing = [] if missing is None else missing
    for name, kind, spec in _widgets(info["input"], node, out):
        if queue:
            value = queue.pop(0)
            out[name] = wrapped(value)
            if not _suits(kind, spec, value) and not _linked(node, name):
                wrong.append(f"{str(value)[:40]!r} for {name!r}")
                if kind == CHOICE:
                    raise _another(node, wrong)
        elif (default := _default(kind, spec)) is not None:
            out[name] = default
            missing.append(default)
        if _controlled(name, spec) and queue and queue[0] in CONTROLS:
            controls[name] = queue.pop(0)
        while any(str(flag).endswith("_upload") for flag in spec) and queue and queue[0] in UPLOADS:
            queue.pop(0)
    for name in ADDED.get(node["type"], ()):
        if queue:
            out[name] = wrapped(queue.pop(0))
    if wrong and (queue or missing):
        raise _another(node, wrong)
    return out, controls


def _suits(kind: Any, spec: dict[str, Any], value: Any) -> bool:
    """Whether a widget of this type may have saved this value."""
    drawn = spec.get("widgetType", kind)
    if kind == CHOICE:
        return value in [option.get("key") for option in _options(spec)]
    if value is None or isinstance(drawn, list) or drawn not in PLAIN:
        return True
    if drawn in ("INT", "FLOAT"):
        return not isinstance(value, bool) and _is_number(value)
    return {"BOOLEAN": value in (True, False), "STRING": isinstance(value, str)}.get(drawn, True)


def _is_number(value: Any) -> bool:
    try:
        return bool(float(value) or True)
    except (TypeError, ValueError):
        return False


def _another(node: dict[str, Any], wrong: list[str]) -> InputError:
    return InputError(
        f"node {node['id']} ({node['type'][:60]}) was saved by another version of it: its values would give"
        f" {' and '.join(wrong[:3])}; open it in ComfyUI and save it anew"
    )


def prompt_names(info: dict[str, Any]) -> list[str]:
    """Inputs that the interface makes its choices in, such as `{red|blue}`."""
    groups = [_inputs(info["input"], group) for group in ("required", "optional")]
    return [name for group in groups for name, _, spec in group if spec.get("dynamicPrompts")]


def declared(info: Any, name: str) -> tuple[Any, dict[str, Any]]:
    """(type, options) of an input of a node type; the type is None where the node does not declare it."""
    groups = info.get("input") if isinstance(info, dict) else None
    found = [each for group in ("required", "optional") for each in _inputs(groups, group) if each[0] == name]
    return (found[0][1], found[0][2]) if found else (None, {})


def moves_in(info: Any, name: str) -> Range | None:
    """Where a controlled input of a node type moves; None where it is no number."""
    kind, spec = declared(info, name)
    if kind not in (None, "INT", "FLOAT"):
        return None
    bounds = (spec.get(name) for name in ("min", "max", "step"))
    low, high, step = (
        (int(value) if value == int(value) else value)
        if isinstance(value, (int, float)) and math.isfinite(value)
        else None
        for value in bounds
    )
    return Range(low or 0, high, step if step and step > 0 else 0.5 if kind == "FLOAT" else 1)


def left_out(node: dict[str, Any], info: dict[str, Any]) -> str:
    """What is to be said of inputs that a saved node has and this version of it does not; empty where there are none.

    An input without a widget counts where it is linked.
    """
    top = {name for group in ("required", "optional") for name, *_ in _inputs(info["input"], group)}
    known = top | BUTTONS | {*ADDED.get(node["type"], ()), CONTROL, *CONTROLS}
    named = {} if node["type"] in PAINTED else node.get("widgets_values_named")
    linked = [str(item.get("name")) for item in _saved_inputs(node) if item.get("link") is not None]
    names = [*_drawn(node), *(map(str, named) if isinstance(named, dict) else ()), *linked]
    unknown = [name[:40] for name in dict.fromkeys(names) if name.partition(".")[0] not in known]
    if not unknown:
        return ""
    return f"saved by another version of this node: {', '.join(unknown[:8])} is not known here and left out"


def wrapped(value: Any) -> Any:
    """A list that is a constant, told apart from a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _widgets(groups: Any, node: dict[str, Any], values: dict[str, Any], prefix: str = "") -> Iterator[Any]:
    """(name, type, options) of the widgets of a node type, in the interface's order; the caller fills `values` as it
    goes, and what a choice brings with it follows from them."""
    for group in ("required", "optional"):
        for name, kind, spec in _inputs(groups, group):
            full = prefix + name
            if kind == SLOT:
                if _linked(node, full):
                    yield from _widgets(spec.get("inputs"), node, values, f"{full}.")
            elif _is_widget(kind, spec):
                yield full, kind, spec
                if kind == CHOICE:
                    chosen = next((o for o in _options(spec) if o.get("key") == values.get(full)), {})
                    yield from _widgets(chosen.get("inputs"), node, values, f"{full}.")


def _inputs(groups: Any, group: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    found = groups.get(group, {}) if isinstance(groups, dict) else {}
    for name, spec in found.items() if isinstance(found, dict) else ():
        yield name, spec[0], spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}


def _is_widget(kind: Any, spec: dict[str, Any]) -> bool:
    drawn = spec.get("widgetType", kind)
    known = isinstance(kind, list) or drawn in PLAIN or drawn in DRAWN or kind == CHOICE or spec.get("socketless")
    return bool(known) and not spec.get("forceInput")


def _options(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [option for option in spec.get("options", []) if isinstance(option, dict)]


def _default(kind: Any, spec: dict[str, Any]) -> Any:
    """What the interface shows of a widget that the file has no value of: its default, or the first of its choices."""
    if "default" in spec:
        return spec["default"]
    if kind == CHOICE:
        return next((option.get("key") for option in _options(spec)), None)
    choices = kind if isinstance(kind, list) else spec.get("options")
    return choices[0] if isinstance(choices, list) and choices and not isinstance(choices[0], (dict, list)) else None


def _controlled(name: str, spec: dict[str, Any]) -> bool:
    return bool(spec.get("control_after_generate", name in ("seed", "noise_seed")))


def _saved_inputs(node: dict[str, Any]) -> list[dict[str, Any]]:
    listed = node.get("inputs")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _linked(node: dict[str, Any], name: str) -> bool:
    return any(item.get("name") == name and item.get("link") is not None for item in _saved_inputs(node))


def _drawn(node: dict[str, Any]) -> list[str]:
    """Names of the inputs that the file says have a widget, in order."""
    return [str(item.get("name")) for item in _saved_inputs(node) if isinstance(item.get("widget"), dict)]


def _foreign(node: dict[str, Any], info: dict[str, Any]) -> list[str]:
    """Widgets that the file names and this node does not have: it was saved by another version of the node."""
    top = {name for group in ("required", "optional") for name, *_ in _inputs(info["input"], group)}
    return [name for name in _drawn(node) if name.partition(".")[0] not in top]


def _by_name(
    node: dict[str, Any], info: dict[str, Any], listed: list[Any], foreign: list[str]
) -> tuple[dict[str, Any], dict[str, str]] | None:
    """The values by the names that the file itself gives them; those of inputs that are no more are left out.

    None where the file has values without a name and all unknown inputs come after the known ones, so that the order of
    this node's inputs tells which value is whose. Raises InputError where it does not.
    """
    queue, out = list(listed), dict[str, Any]()
    controls: dict[str, str] = {}
    names = _drawn(node)[:MAX_INPUTS]
    for name in names:
        if queue:
            out[name] = wrapped(queue.pop(0))
        if queue and queue[0] in CONTROLS and _controlled(name, {}):
            controls[name] = queue.pop(0)
    if queue and names[-len(foreign) :] == foreign:
        return None
    if queue:
        raise InputError(
            f"node {node['id']} ({node['type'][:60]}) was saved by another version of it, with {foreign[0]!r}, and its"
            f" values cannot be told apart; open it in ComfyUI and save it anew"
        )
    kept = {name: value for name, value in out.items() if name not in foreign}
    missing = {
        name: default
        for name, kind, spec in _widgets(info["input"], node, kept)
        if name not in kept and (default := _default(kind, spec)) is not None
    }
    return {**missing, **kept}, controls
