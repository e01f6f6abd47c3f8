"""Weights on disk: safetensors only, the config in the file's own metadata.

A safetensors file is eight bytes of length, a JSON header with names, shapes and metadata, then the numbers. The
header is
read and checked here before anything is mapped, so that a truncated or foreign file is named as what it is. Pickle
checkpoints are refused: opening one runs whatever code it carries.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .errors import CheckpointError
from .files import beside, check_writable

__all__ = [
    "Checkpoint",
    "Header",
    "load",
    "load_into",
    "load_sharded",
    "read_header",
    "save",
    "save_sharded",
    "shards_of",
]

CONFIG_KEY = "config"
SHARDS_KEY = "shards"
"""in the config of one of several files: how many they are"""
PICKLE_SUFFIXES = {".bin", ".ckpt", ".pkl", ".pt", ".pth"}
PICKLE_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
MAX_HEADER = 100_000_000
"""bytes, the format's own limit"""
SHOWN = 3
"""names given in an error, beside the count"""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself, read without touching its numbers."""

    config: dict[str, Any]
    """empty in a file that was not saved here"""
    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    """as the format names them: F32, BF16, F16, F8_E4M3, ..."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An open weights file; each tensor is read from the mapped file when it is asked for."""

    tensors: Mapping[str, Tensor]
    config: dict[str, Any]
    metadata: dict[str, str]


class LazyTensors(Mapping[str, Tensor]):
    """The tensors of a mapped file by name."""

    def __init__(self, path: Path, names: list[str], device: str) -> None:
        self.file = safe_open(str(path), framework="pt", device=device)
        self.names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(name)
        return self.file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def save(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    *,
    config: dict[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors and their config, whole or not at all. Raises ResourceError where the file cannot be written."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"weights are saved as .safetensors, so {path} needs that ending.")
    check_writable(path, sum(t.numel() * t.element_size() for t in tensors.values()))
    header = {"format": "pt", **(metadata or {}), CONFIG_KEY: json.dumps(config, sort_keys=True)}
    with beside(path) as part:
        try:
            save_file(unshared(tensors), part, metadata=header)
        except SafetensorError as error:
            raise OSError(*failed_write(error)) from error


def save_sharded(
    folder: Path,
    name: str,
    tensors: Mapping[str, Tensor],
    *,
    config: dict[str, Any],
    metadata: Mapping[str, str] | None = None,
    largest: int,
) -> list[Path]:
    """Write tensors as `name.safetensors`, or as name-1, name-2, ... where they are more than `largest` bytes; what was
    there of that name before is removed. Returns the paths."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, tensor in tensors.items():
        bytes_ = tensor.numel() * tensor.element_size()
        if shards[-1] and size + bytes_ > largest:
            shards.append({})
            size = 0
        shards[-1][key] = tensor
        size += bytes_
    names = [name] if len(shards) == 1 else [f"{name}-{i + 1}" for i in range(len(shards))]
    paths = [folder / f"{stem}.safetensors" for stem in names]
    for path, shard in zip(paths, shards, strict=True):
        save(path, shard, config={**config, SHARDS_KEY: len(shards)} if len(shards) > 1 else config, metadata=metadata)
    for old in (folder / f"{name}.safetensors", *folder.glob(f"{name}-[0-9]*.safetensors")):
        if old not in paths:
            old.unlink(missing_ok=True)
    return paths


def shards_of(folder: Path, name: str) -> list[Path]:
    """The files of `name` in a folder: one, or all of its shards. Raises CheckpointError where one is missing."""
    whole = folder / f"{name}.safetensors"
    first = folder / f"{name}-1.safetensors"
    if whole.exists() or not first.exists():
        return [whole]
    count = int(read_header(first).config.get(SHARDS_KEY, 1))
    paths = [folder / f"{name}-{i + 1}.safetensors" for i in range(count)]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise CheckpointError(f"{folder} lacks {', '.join(missing)} of the {count} files of {name}; fetch them again.")
    return paths


def load_sharded(folder: Path, name: str, *, device: str = "cpu") -> Checkpoint:
    """Open what `save_sharded` wrote, as one."""
    parts = [load(path, device=device) for path in shards_of(folder, name)]
    config = {key: value for key, value in parts[0].config.items() if key != SHARDS_KEY}
    tensors = ChainMap(*(dict(part.tensors) for part in parts)) if len(parts) > 1 else parts[0].tensors
    return Checkpoint(tensors=tensors, config=config, metadata=parts[0].metadata)


def failed_write(error: SafetensorError) -> tuple[int, str]:
    """The system's error number inside a failed save, which the library gives as text: `... (os error 28)`."""
    text = str(error)
    _, _, tail = text.partition("os error ")
    return int("".join(c for c in tail if c.isdigit()) or 0), text


def unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU tensors, none of which shares memory with another (the format has no notion of sharing)."""
    out: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        kept = tensor.detach().cpu().contiguous()
        if kept.untyped_storage().data_ptr() in seen:
            kept = kept.clone()
        seen.add(kept.untyped_storage().data_ptr())
        out[name] = kept
    return out


def load(path: str | Path, *, device: str = "cpu") -> Checkpoint:
    """Open a weights file, memory-mapped. Raises CheckpointError for a file that is missing, truncated, foreign or
    pickled."""
    path = Path(path)
    header = read_header(path)
    try:
        tensors = LazyTensors(path, list(header.shapes), device)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be opened: {error}.") from error
    return Checkpoint(tensors=tensors, config=header.config, metadata=header.metadata)


def read_header(path: str | Path) -> Header:
    """Config, metadata and shapes of a file, checked against its size. Raises CheckpointError as `load` does."""
    path = Path(path)
    entries, end = parse_header(path)
    metadata = entries.pop("__metadata__", {})
    try:
        config = json.loads(metadata.pop(CONFIG_KEY, "{}"))
        shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in entries.items()}
        expected = end + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has a damaged header; fetch or save it again.") from error
    size = path.stat().st_size
    if size != expected:
        raise CheckpointError(
            f"{path} is {'truncated' if size < expected else 'damaged'}: {size} of {expected} bytes; fetch or save it"
            " again."
        )
    return Header(config=config, metadata=metadata, shapes=shapes, dtypes=dtypes)


def parse_header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of a safetensors file and the place where its numbers begin."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            text = file.read(length) if length <= MAX_HEADER else b""
            refuse_pickle(path, b"" if text.startswith(b"{") else start)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no weights file {path}.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if len(start) < 8 or not text.startswith(b"{"):
        raise CheckpointError(
            f"{path} is not a safetensors file, or is truncated; name a file that ends in .safetensors."
        )
    if len(text) < length:
        raise CheckpointError(f"{path} is truncated inside its header; fetch or save it again.")
    try:
        return json.loads(text), 8 + length
    except ValueError as error:
        raise CheckpointError(f"{path} has a damaged header; fetch or save it again.") from error


def refuse_pickle(path: Path, start: bytes) -> None:
    """Raises CheckpointError by the ending, or by the first bytes: those of a file whose header is no JSON, for a
    header of 640 bytes begins as a pickle does."""
    if path.suffix.lower() in PICKLE_SUFFIXES or start.startswith(PICKLE_MAGIC):
        raise CheckpointError(
            f"{path} is a pickle checkpoint, which can run any code when opened; convert it to .safetensors."
        )


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], *, prefix: str = "") -> None:
    """Fill a module with the tensors under `prefix`, one at a time; a module on the meta device takes them over as
    they are.

    Raises CheckpointError that names what is missing, foreign or of another shape; the module is untouched then.
    """
    wanted = module.state_dict()
    given = {name.removeprefix(prefix): name for name in tensors if name.startswith(prefix)}
    missing = [name for name in wanted if name not in given]
    foreign = [name for name in given if name not in wanted]
    if missing or foreign:
        parts = [listed("missing", missing), listed("foreign", foreign)]
        raise CheckpointError(f"these weights do not fit {type(module).__name__}: {'; '.join(p for p in parts if p)}.")
    values = {name: tensors[given[name]] for name in wanted}
    wrong = [
        f"{n} {list(v.shape)} for {list(wanted[n].shape)}" for n, v in values.items() if v.shape != wanted[n].shape
    ]
    if wrong:
        raise CheckpointError(f"these weights do not fit {type(module).__name__}: {listed('of another shape', wrong)}.")
    module.load_state_dict(values, strict=True, assign=any(t.is_meta for t in wanted.values()))


def listed(what: str, names: list[str]) -> str:
    """`2 missing (a, b)`, or nothing when there are none."""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})" if names else ""
