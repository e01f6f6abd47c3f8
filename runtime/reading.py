"""Workflows from files: JSON in either format, or what an mp4, webp or png of ComfyUI or of ours carries.

Whatever the bytes are, the answer is a dictionary or one sentence.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..sora_core.errors import InputError
from .generated import graph_of
from .session import KINDS

__all__ = ["is_saved_format", "parse", "read_document"]

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 60
"""Levels of lists and objects; workflows of the interface stay below 15."""

_JSON_WORDS = {
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}
_CARRIERS = {".png", ".webp", ".mp4", ".mov", ".m4v", ".webm", ".mkv"}
"""Endings of files that a workflow can travel in."""


def read_document(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The workflow that a file is or carries, in whichever format it has there, and the interface's copy where there
    is one.

    A video or image carries what ran (`prompt`) and what the interface showed (`workflow`): what ran counts.

    Raises InputError for a file that is missing, too large, no JSON or without a workflow.
    """
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        raise InputError(
            f"{path} is no file; name a workflow" if os.path.exists(path) else f"there is no workflow file {path}"
        )
    if path.suffix.lower() in _CARRIERS:
        carried = _carried(path)
        found, faults = [], []
        for name in ("prompt", "workflow"):
            try:
                found += [parse(carried[name].encode(), where=f"the {name} inside {path}")] if carried.get(name) else []
            except InputError as error:
                faults.append(error)
        found = [document for document in found if document]
        if not found and carried.get("sora"):
            return graph_of(carried["sora"], str(path)), None
        if not found:
            raise (
                faults[0] if faults else InputError(f"{path} carries no workflow; files that ComfyUI or sora saved do")
            )
        return found[0], next((document for document in found if is_saved_format(document)), None)
    if path.suffix.lower() in KINDS["image"] | KINDS["video"]:
        raise InputError(
            f"{path} is of a kind that carries no workflow; those that may: {', '.join(sorted(_CARRIERS))}"
        )
    _check_size(str(path), path.stat().st_size)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    document = parse(data, where=str(path))
    return document, document if is_saved_format(document) else None


def _carried(path: Path) -> dict[str, str]:
    from ..sora_core.media.metadata import read_metadata  # here, so that reading JSON needs no video library

    return {key.lower(): value for key, value in read_metadata(path).items()}  # Matroska writes keys in capitals


def parse(data: bytes, *, where: str) -> dict[str, Any]:
    """JSON bytes to a dictionary. Raises InputError, naming `where`, for all that is not a usable object."""
    _check_size(where, len(data))
    if not data.strip():
        raise InputError(f"{where} is empty")
    try:
        document = json.loads(data, parse_constant=str)  # NaN: where a number belongs, validation refuses it
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text (byte {error.start}); save the workflow as JSON again") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise InputError(f"{where} is nested deeper than {MAX_DEPTH} levels; no workflow is") from error
    except ValueError as error:
        raise InputError(f"{where} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{where} holds {_JSON_WORDS[type(document)]}, not a workflow, which is a JSON object")
    if _deeper_than(document, MAX_DEPTH):
        raise InputError(f"{where} is nested deeper than {MAX_DEPTH} levels; no workflow is")
    return _unwrap(document)


def _check_size(where: str, size: int) -> None:
    if size > MAX_BYTES:
        raise InputError(f"{where} is {size / 2**20:.0f} MiB; a workflow of at most {MAX_BYTES // 2**20} MiB is read")


def is_saved_format(document: dict[str, Any]) -> bool:
    """Whether this is what the interface saves (nodes and links in lists) rather than the API's format."""
    return isinstance(document.get("nodes"), list)


def _unwrap(document: dict[str, Any]) -> dict[str, Any]:
    """The body of a request to `/prompt` wraps the API format, and what programs keep of it both formats."""
    wrapped = (document.get(name) for name in ("prompt", "output", "workflow"))
    return next((inner for inner in wrapped if isinstance(inner, dict) and "class_type" not in inner), document)


def _deeper_than(document: Any, depth: int) -> bool:
    """Looks level by level, so that depth costs no recursion."""
    level: list[Any] = [document]
    for _ in range(depth):
        children = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for group in children for child in group if isinstance(child, (dict, list))]
        if not level:
            return False
    return True
