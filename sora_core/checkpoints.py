"""Weights on disk: safetensors only, the config in the file's own metadata; what headers may say is in `headers`."""

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

from .claims import sweep
from .errors import CheckpointError
from .files import beside, check_writable
from .headers import CONFIG_KEY, Header, check_config, read_header

__all__ = [
    "BUNDLED",
    "LICENCE",
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

BUNDLED = Path(__file__).with_name("weights")
"""the folder of the bundled weights"""
LICENCE = "GPL-3.0-only"
"""of weights that are trained here"""
SHARDS_KEY = "shards"
"""in the config of one of several files: how many they are"""
MOST_SHARDS = 1000
SHOWN = 3
"""names given in an error, beside the count"""


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
    sweep(path.absolute().parent)
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
    count = read_header(first).config.get(SHARDS_KEY, 1)
    if type(count) is not int or not 0 < count <= MOST_SHARDS:
        raise CheckpointError(f"{first} says it is one of {str(count)[:40]} files, which cannot be; fetch it again.")
    paths = [folder / f"{name}-{i + 1}.safetensors" for i in range(count)]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise CheckpointError(f"{folder} lacks {', '.join(missing)} of the {count} files of {name}; fetch them again.")
    return paths


def load_sharded(folder: Path, name: str) -> Checkpoint:
    """Open what `save_sharded` wrote, as one."""
    parts = [load(path) for path in shards_of(folder, name)]
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
    check_config(header.config, len(header.shapes), path)
    try:
        tensors = LazyTensors(path, list(header.shapes), device)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be opened: {error}.") from error
    return Checkpoint(tensors=tensors, config=header.config, metadata=header.metadata)


def load_into(
    module: nn.Module, tensors: Mapping[str, Tensor], *, prefix: str = "", what: str = "these weights"
) -> None:
    """Fill a module with the tensors under `prefix`, one at a time; a module on the meta device takes them over as
    they are. `what` is said in errors.

    Raises CheckpointError that names what is missing, foreign or of another shape; the module is untouched then.
    """
    wanted = module.state_dict()
    given = {name.removeprefix(prefix): name for name in tensors if name.startswith(prefix)}
    missing = [name for name in wanted if name not in given]
    foreign = [name for name in given if name not in wanted]
    if missing or foreign:
        parts = [listed("missing", missing), listed("foreign", foreign)]
        raise CheckpointError(f"{what} do not fit {type(module).__name__}: {'; '.join(p for p in parts if p)}.")
    values = {name: tensors[given[name]] for name in wanted}
    wrong = [
        f"{n} {list(v.shape)} for {list(wanted[n].shape)}" for n, v in values.items() if v.shape != wanted[n].shape
    ]
    if wrong:
        raise CheckpointError(f"{what} do not fit {type(module).__name__}: {listed('of another shape', wrong)}.")
    module.load_state_dict(values, strict=True, assign=any(t.is_meta for t in wanted.values()))


def listed(what: str, names: list[str]) -> str:
    """`2 missing (a, b)`, or nothing when there are none."""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})" if names else ""
