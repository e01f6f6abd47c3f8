"""The header of a safetensors file, read and checked before anything is mapped.

A file is eight bytes of length, a JSON header with names, shapes and metadata, then the numbers. A header may say
anything: here it must describe exactly the bytes that follow it, each once, within limits far from any real model.
Pickle checkpoints are refused: opening one runs whatever code it carries.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CheckpointError

__all__ = ["CONFIG_KEY", "Header", "check_config", "read_header", "with_tuples"]

CONFIG_KEY = "config"
PICKLE_SUFFIXES = {".bin", ".ckpt", ".pkl", ".pt", ".pth"}
PICKLE_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
GGUF_MAGIC = b"GGUF"
MAX_HEADER = 24_000_000
"""bytes; the headers of the largest published models take a tenth of it"""
MAX_TENSORS = 200_000
MAX_SIDES = 8
BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""of one number, by the type's name"""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself, read without touching its numbers."""

    config: dict[str, Any]
    """empty in a file that was not saved here; its lists are tuples"""
    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    """as the format names them: F32, BF16, F16, F8_E4M3, ..."""


def read_header(path: str | Path) -> Header:
    """Config, metadata and shapes of a file, checked against its bytes. Raises CheckpointError for a file that is
    missing, truncated, foreign, damaged or pickled."""
    path = Path(path)
    entries, begin = parse_header(path)
    metadata = entries.pop("__metadata__", None) or {}
    try:
        if any(not isinstance(text, str) for text in metadata.values()):
            raise TypeError("metadata is text")
        config = with_tuples(json.loads(metadata.pop(CONFIG_KEY, "{}")))
        if not isinstance(config, dict):
            raise TypeError("a config is an object")
        spans = {name: checked(entry) for name, entry in entries.items()}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, "its header is damaged") from error
    end = begin + max((stop for _, stop in spans.values()), default=0)
    size = path.stat().st_size
    if size < end:
        raise CheckpointError(f"{path} is truncated: {size} of {end} bytes; fetch or save it again.")
    if size > end:
        raise damaged(path, f"{size} of {end} bytes")
    check_cover(path, spans)
    shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
    dtypes = {name: entry["dtype"] for name, entry in entries.items()}
    return Header(config=config, metadata=metadata, shapes=shapes, dtypes=dtypes)


def with_tuples(value: Any) -> Any:
    """A value of JSON with tuples for its lists, however deep, as frozen dataclasses have them."""
    if isinstance(value, dict):
        return {name: with_tuples(inner) for name, inner in value.items()}
    return tuple(with_tuples(inner) for inner in value) if isinstance(value, list) else value


def damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: {what}; fetch or save it again.")


def parse_header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of a safetensors file and the place where its numbers begin."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            text = file.read(min(length, MAX_HEADER))
            refuse_pickle(path, b"" if text.startswith(b"{") else start)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no weights file {path}.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if start.startswith(GGUF_MAGIC):
        raise CheckpointError(f"{path} is a GGUF file, which is not read here; take one that ends in .safetensors.")
    if not start:
        raise CheckpointError(f"{path} is empty; fetch it again.")
    if len(start) < 8 or not text.startswith(b"{"):
        raise CheckpointError(
            f"{path} is not a safetensors file, or is truncated; fetch it again, or name one that ends in .safetensors."
        )
    if length > MAX_HEADER:
        raise damaged(path, f"a header of {length:,} bytes, where at most {MAX_HEADER:,} are read")
    if len(text) < length:
        raise CheckpointError(f"{path} is truncated inside its header; fetch or save it again.")
    if text.count(b'"shape"') > MAX_TENSORS:  # before it is parsed, which takes time
        raise damaged(path, f"a header of more than {MAX_TENSORS:,} tensors")
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its header is damaged") from error
    if len(entries) > MAX_TENSORS + 1:
        raise damaged(path, f"a header of more than {MAX_TENSORS:,} tensors")
    return entries, 8 + length


def checked(entry: dict[str, Any]) -> tuple[int, int]:
    """First byte of a tensor and the one behind its last. Raises ValueError or the like where the entry lies."""
    shape, kind, (start, stop) = entry["shape"], entry["dtype"], entry["data_offsets"]
    sides = [start, stop, *shape]
    if len(shape) > MAX_SIDES or any(type(side) is not int or not 0 <= side < 1 << 60 for side in sides):
        raise ValueError("sides are whole numbers")
    if math.prod(shape) * BITS[kind] != 8 * (stop - start):
        raise ValueError("a shape has the bytes it takes")
    return start, stop


def check_cover(path: Path, spans: dict[str, tuple[int, int]]) -> None:
    """Raise CheckpointError unless the tensors lie one behind the other: none shares bytes, and none are left over."""
    place, before = 0, ""
    for (start, stop), name in sorted((span, name) for name, span in spans.items()):
        if start != place:
            what = f"{name[:80]} shares bytes with {before[:80]}" if start < place else f"bytes before {name[:80]}"
            raise damaged(path, what if start < place else f"{start - place} {what} belong to no tensor")
        place, before = stop, name


def refuse_pickle(path: Path, start: bytes) -> None:
    """Raises CheckpointError by the ending, or by the first bytes: those of a file whose header is no JSON, for a
    header of 640 bytes begins as a pickle does."""
    if path.suffix.lower() in PICKLE_SUFFIXES or start.startswith(PICKLE_MAGIC):
        raise CheckpointError(
            f"{path} is a pickle checkpoint, which can run any code when opened; convert it to .safetensors."
        )


def check_config(config: Any, tensors: int, path: str | Path) -> None:
    """Raise CheckpointError for a config that no file of that many tensors can have: a module of a million blocks would
    be built before it turned out not to fit. Every block has at least one tensor."""
    blocks, queue = 0, [("", config)]
    while queue:
        name, value = queue.pop()
        if isinstance(value, dict):
            queue += value.items()
        elif isinstance(value, (list, tuple)):
            queue += [(name, item) for item in value]
        elif type(value) is int:
            blocks += max(0, value) if "depth" in name or "blocks" in name else 0
            if abs(value) > 1 << 31:
                raise damaged(Path(path), f"its config has {name[:40]} {value:.3g}")
    if blocks > tensors:
        raise damaged(Path(path), f"its config has {blocks} blocks, and {tensors} tensors are there")
