"""From JSON to a configuration: every value checked by the type of its field and by its limits, named by its path."""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from ..errors import InputError

__all__ = ["checked", "made", "object_in", "part_of"]

T = TypeVar("T")
NUMBERS = {"int": (0, 2**62), "float": (0, 10**9)}
"""what a number may be where no limits are stated"""
GROUPS = (
    ("steps save_every warmup clips batch_clips groups batches", 1, 10**9),
    ("share paths_share unlike on_card decay stills small early late noisy quiet whole even keep kept_noise", 0, 1),
    ("real clean visibility pilot learning_rate muon_rate weight_decay", 0, 1),
    ("least_sigma eps", 1e-9, 1),
    ("width widths mlp_width hidden text_width text_tokens", 1, 1 << 16),
    ("heads depth knots", 1, 1000),
    ("encoder_blocks decoder_blocks", 0, 1000),
    ("channels patch", 1, 4096),
    ("height scales sides short_side band canvas look", 8, 8192),
    ("seconds minutes", 0.01, 10**6),
    ("frames", 1, 10**5),
    ("fps", 0.1, 240),
    ("psnr", 1, 100),
    ("quality", 0, 51),
    ("scale", 0.05, 4),
    ("buckets tokens", 1, 1 << 24),
    ("ema", 0, 0.999999),
    ("clip", 1e-6, 10**9),
    ("crop", 0, 8192),
    ("mean", -20, 20),
    ("room", 1, 10**8),
    ("time_features", 2, 1 << 16),
    ("rope_theta", 1, 10**9),
)
LIMITS = {name: (low, high) for names, low, high in GROUPS for name in names.split()}
"""the least and the largest value of fields of that name"""


def object_in(path: Path, key: str | None = None) -> dict[str, Any]:
    """The object of a JSON file, or the one under its `key`. Raises InputError where there is none."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a training configuration: {error}") from error
    found = given.get(key) if key and isinstance(given, dict) else given
    if not isinstance(found, dict):
        what = f"its part {key!r}" if key else "it"
        raise InputError(f"{path} is not a training configuration: {what} must be an object, not {shown(found)}")
    return found


def part_of(given: Mapping[str, Any], name: str, where: str = "") -> Any:
    """A part that has to be there."""
    if name not in given:
        raise InputError(f"it lacks {where}{name}")
    return given[name]


def made(kind: type[T], given: Any, where: str, *, without: Sequence[str] = ()) -> T:
    """A configuration of what JSON gives. Raises InputError that names the field; `without`: fields that are not for
    JSON to set."""
    return kind(**checked(kind, given, where, without=without))


def checked(kind: type[Any], given: Any, where: str, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a configuration that JSON gives, with tuples for lists; those that must be there are."""
    if not isinstance(given, Mapping):
        raise InputError(f"{where} must be an object, not {shown(given)}")
    known = {field.name: field for field in fields(kind) if field.init and field.name not in without}
    if foreign := [name for name in given if name not in known]:
        raise InputError(f"{where} has no field {foreign[0][:60]!r}; it has {', '.join(sorted(known))}")
    for name, field in known.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{where} lacks {name}")
    hints = typing.get_type_hints(kind)
    return {name: value_of(hints[name], value, f"{where}.{name}") for name, value in given.items()}


def value_of(hint: Any, value: Any, where: str) -> Any:
    """A value of JSON as its field's type has it. Raises InputError for any other."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return value_of(next(kind for kind in inner if kind is not type(None)), value, where)
    if origin is Literal:
        return one_of(inner, value, where)
    if origin is tuple:
        return tuple_of(inner, value, where)
    if is_dataclass(hint):
        return made(hint, value, where)  # type: ignore[arg-type]
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(f"{where} must be an object, not {shown(value)}")
        return value
    if hint in (int, float):
        return number_of(hint, value, where)
    if type(value) is not hint:
        raise InputError(f"{where} must be {'true or false' if hint is bool else 'text'}, not {shown(value)}")
    return value


def number_of(hint: type[int] | type[float], value: Any, where: str) -> int | float:
    low, high = LIMITS.get(where.rpartition(".")[2].partition("[")[0], NUMBERS[hint.__name__])
    fits = type(value) is int or (hint is float and type(value) is float and math.isfinite(value))
    if not fits or not low <= value <= high:
        what = "a whole number" if hint is int else "a number"
        raise InputError(f"{where} must be {what} from {low:,.15g} to {high:,.15g}, not {shown(value)}")
    return hint(value)


def one_of(choices: Sequence[Any], value: Any, where: str) -> Any:
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise InputError(f"{where} must be one of {', '.join(map(str, choices))}, not {shown(value)}")
    return value


def tuple_of(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where} must be a list, not {shown(value)}")
    if inner[-1] is Ellipsis:
        inner = (inner[0],) * len(value)
    if len(inner) != len(value):
        raise InputError(f"{where} must be a list of {len(inner)}, not of {len(value)}")
    return tuple(value_of(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(inner, value, strict=True)))


def shown(value: Any) -> str:
    """A value of JSON as a sentence can hold it."""
    if isinstance(value, (dict, list, tuple)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:  # a number of more digits than Python writes
        return "a number of very many digits"
    return text if len(text) <= 40 else f"{text[:40]}..."
