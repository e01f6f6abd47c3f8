"""What a person types or chooses in a node's fields, read and checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..sora_core.errors import InputError, SoraError

if TYPE_CHECKING:
    from torch import Tensor

    from ..sora_core.editing import Shot

__all__ = [
    "ASPECTS", "FREE", "SAMPLERS", "SCHEDULERS", "checked", "finite", "output_linked", "ranges", "shots_of", "size_for",
    "wanted_size",
]  # fmt: skip

SAMPLERS = ["euler", "dpmpp_2m", "heun"]
SCHEDULERS = ["simple", "normal", "sgm_uniform", "beta"]
FREE = "free (width x height)"
ASPECTS = {
    "landscape 16:9": (16, 9),
    "portrait 9:16": (9, 16),
    "square 1:1": (1, 1),
    "classic 4:3": (4, 3),
    "upright 3:4": (3, 4),
    "cinema 21:9": (21, 9),
}
"""width to height"""


def checked(check: Callable[[], bool]) -> bool | str:
    """The answer of a check in the form that `validate_inputs` gives: True, or what is wrong."""
    try:
        return check()
    except SoraError as error:
        return str(error)


def finite(values: Tensor) -> bool:
    """Whether all values are numbers, and none of them infinite; of no values: yes."""
    return not values.numel() or all(bool(bound.isfinite()) for bound in values.aminmax())


def ranges(text: str, name: str = "frames") -> list[tuple[int, int]]:
    """`5, 12-20, -1` as (first, last) places; raises InputError for anything else."""
    out = []
    for part in filter(None, re.split(r"[,\s]+", text.strip())):
        match = re.fullmatch(r"(-?\d+)(?:-(-?\d+))?", part)
        if match is None:
            raise InputError(f"{name} are numbers and ranges such as '5, 12-20, -1', not {part!r}")
        first = int(match[1])
        last = int(match[2]) if match[2] is not None else first
        if last < first and (last < 0) == (first < 0):
            raise InputError(f"{name} go upwards, such as '{last}-{first}', not {part!r}")
        out.append((first, last))
    return out


def output_linked(prompt: Any, node: str | None, slot: int) -> bool:
    """Whether a workflow uses an output of a node; of a workflow that is not known: yes."""
    if not prompt or node is None:
        return True
    links = (value for other in prompt.values() for value in other.get("inputs", {}).values())
    wanted = [str(node), str(slot)]
    return any(isinstance(link, list) and [str(part) for part in link] == wanted for link in links)


def shots_of(text: str, name: str = "shots") -> list[Shot]:
    """One shot a line, `seconds: prompt`; raises InputError that names the input and quotes the line."""
    from ..sora_core.editing import Shot
    from ..sora_core.settings import MAX_SECONDS

    one, such = name.removesuffix("s"), "'seconds: prompt', such as '2.5: a red ball rolls'"
    shots = []
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        seconds, _, prompt = line.partition(":")
        try:
            shot = Shot(prompt=prompt.strip(), seconds=float(seconds.strip().removesuffix("s")))
        except ValueError:
            raise InputError(f"{name}: {one} {number} is written {such}, not {line!r}") from None
        if not shot.prompt or not 0 < shot.seconds <= MAX_SECONDS:
            raise InputError(
                f"{name}: {one} {number} needs a prompt and more than 0 and at most {MAX_SECONDS:g} seconds, not"
                f" {line!r}"
            )
        shots.append(shot)
    if not shots:
        raise InputError(f"{name} is empty; write one {one} a line, {such}")
    total = sum(shot.seconds for shot in shots)
    if total > MAX_SECONDS:
        raise InputError(
            f"{name}: together they last {total:g} seconds, and a video lasts at most {MAX_SECONDS:g}; make them"
            " shorter"
        )
    return shots


def size_for(aspect: str, short_side: int, width: int, height: int) -> tuple[int, int]:
    """Width and height of a shape with that shorter side; of the free shape, those given."""
    return (width, height) if aspect == FREE else sides(ASPECTS[aspect], short_side)


def sides(ratio: tuple[int, int], short: int) -> tuple[int, int]:
    """Width and height with the given shorter side, even."""
    wide, tall = ratio
    long = round(short * max(ratio) / min(ratio) / 2) * 2
    return (long, short) if wide >= tall else (short, long)


def wanted_size(width: int, height: int, given: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width that two fields ask for of a picture of a given height and width; 0 is by the other one and the
    picture's shape. None where both are 0. Raises InputError for a side beyond what a video has."""
    from ..sora_core.settings import MAX_SIDE

    if not (width or height):
        return None
    tall = height or round(width * given[0] / given[1])
    wide = width or round(height * given[1] / given[0])
    if not 1 <= min(tall, wide) <= max(tall, wide) <= MAX_SIDE:
        raise InputError(f"a side has between 1 and {MAX_SIDE} pixels, and this would be {wide}x{tall}")
    return tall, wide
