"""A published model on disk as one mapping: a single file, a folder, or a set of shards with or without its index."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints import LazyTensors, read_header
from ..errors import CheckpointError, ResourceError
from ..files import size_text
from ..memory import free_memory

__all__ = ["Entry", "Source", "check_memory", "open_source"]

SHARD = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.safetensors$")
BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "I8": 1}
MOST_TENSORS = 1 << 14
"""ten times those of the largest published model, each with a scale"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a file says of one tensor."""

    file: Path
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return int(torch.Size(self.shape).numel()) * BYTES.get(self.dtype, 8)


class Source(Mapping[str, Tensor]):
    """The tensors of all files by name, memory-mapped and read when asked for; `entries` needs no reading."""

    def __init__(self, path: Path, files: list[Path]) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        for file in files:
            header = read_header(file)
            if len(self.entries) + len(header.shapes) > MOST_TENSORS:
                raise CheckpointError(
                    f"{path} has more than {MOST_TENSORS:,} tensors, which no model that runs here has; name another."
                )
            self.entries |= {n: Entry(file=file, shape=s, dtype=header.dtypes[n]) for n, s in header.shapes.items()}
        self.opened: dict[Path, LazyTensors] = {}

    def __getitem__(self, name: str) -> Tensor:
        file = self.entries[name].file
        if file not in self.opened:
            self.opened[file] = LazyTensors(file, [n for n, e in self.entries.items() if e.file == file], "cpu")
        return self.opened[file][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def open_source(path: str | Path) -> Source:
    """Read the headers of a model. Raises CheckpointError for what is missing, truncated or no safetensors file."""
    return Source(Path(path), files_of(Path(path)))


def files_of(path: Path) -> list[Path]:
    if path.is_dir():
        return files_of(in_folder(path))
    if path.name.endswith(".index.json"):
        return of_index(path)
    shard = SHARD.match(path.name)
    return whole_set(path.parent, shard) if shard else [path]


def in_folder(folder: Path) -> Path:
    """The index, a shard or the file of the one model in a folder. Raises CheckpointError where there are several, or
    none."""
    files = sorted(folder.glob("*.safetensors"))
    shards = {match.expand(r"\1 \3"): file for file in files if (match := SHARD.match(file.name))}
    models = sorted(folder.glob("*.safetensors.index.json")) or [*shards.values()] or files
    if not models:
        below = sorted({file.parent.name for file in folder.glob("*/*.safetensors")})
        raise CheckpointError(
            f"{folder} holds no .safetensors file: name "
            + (f"one of its folders ({', '.join(below)})." if below else "the file itself.")
        )
    if len(models) > 1:
        found = ", ".join(model.name for model in models[:3])
        raise CheckpointError(f"{folder} holds {len(models)} models ({found}): name the file itself.")
    return models[0]


def of_index(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except OSError as error:
        raise CheckpointError(f"{index} cannot be read: {error.strerror}.") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{index} is not an index of shards: fetch it again.") from error
    return present(index.parent, [str(name) for name in names])


def whole_set(folder: Path, shard: re.Match[str]) -> list[Path]:
    return present(folder, [f"{shard[1]}-{i + 1:05d}-of-{shard[3]}.safetensors" for i in range(int(shard[3]))])


def present(folder: Path, names: list[str]) -> list[Path]:
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{len(missing)} of {len(names)} shards are missing in {folder} ({', '.join(missing[:3])}): fetch them too."
        )
    return [folder / name for name in names]


def check_memory(what: str, needed: int, device: torch.device | str = "cpu") -> None:
    """Raise ResourceError where `needed` bytes are not free on the device; where that cannot be known, go on."""
    free = free_memory(str(device))
    if free is not None and needed > free:
        raise ResourceError(
            f"{what} needs {size_text(needed)} of memory and {size_text(free)} are free: "
            "close other programs, or take an fp8 file or a smaller model."
        )
