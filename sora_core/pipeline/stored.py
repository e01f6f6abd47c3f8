"""Sampling that is not lost: a run's state lies on disk until the file that it leads to has its name.

    runs = RunStore(folder)
    latent = sample(model, state, context, ..., runs=runs)      # goes on where a run of the same key was stopped
    ...                                                         # decode, save
    runs.finish()                                               # the states are removed

A run is known by all that decides its result: weights, grid, noise, text features and settings. A state of another
model or setting has another key, so it is never taken for this one. A state belongs to one living process at a time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checkpoints
from ..claims import Claim, part_of, sweep
from ..diffusion import SamplerState
from ..errors import CheckpointError, InputError, ResourceError
from ..files import write_error
from ..layers.kernels.cpu import probe
from .model import SoraModel

__all__ = ["FOLDER", "RunStore", "StoredRun", "key_of", "run_key", "stored_runs"]

FOLDER = ".sora-runs"
"""beside the files that runs lead to"""
SEGMENTS = ".segments"
"""ending of the folders of segments of files"""
EVERY = 20.0
"""seconds of sampling that may be lost"""
KEY = 24
"""letters of a run's key"""
SUM = "sum"
"""in the config of a stored state: the checksum of its numbers"""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A state that lies in a folder, or the segments of a file that was being decoded."""

    path: Path
    step: int
    steps: int
    bytes: int
    segments: int | None = None
    """that are decoded; None: it is the state of sampling"""


class RunStore:
    """The states of this process's runs in a folder, which is made when the first is written."""

    def __init__(self, folder: Path, *, every: float = EVERY, warn: Callable[[str], None] = lambda text: None) -> None:
        self.folder, self.every, self.warn = folder, every, warn
        self._claims: dict[Path, Claim] = {}
        self._named = False

    def resume(self, key: str) -> SamplerState | None:
        """The state of the run of that key, if one was stopped and no other process has taken it up. Raises
        ResourceError where none can be stored, before anything is sampled."""
        path = self._path(key)
        if os.path.isdir(self.folder) and not os.access(self.folder, os.W_OK | os.X_OK):
            raise ResourceError(f"cannot write {self.folder}: another user may have made it; name another place.")
        if not path.is_file():
            self._name_others()
            return None
        if not self._claim(path):
            self.warn(f"another process or user has the stored run {path}, so this one begins anew")
            return None
        try:
            stored = checkpoints.load(path)
            tensors = {name: tensor.clone() for name, tensor in stored.tensors.items()}
            if stored.config.get(SUM) != sum_of(tensors):
                raise CheckpointError("its numbers are not those that were stored.")
            return SamplerState.from_tensors(tensors)
        except (CheckpointError, InputError, ValueError) as error:
            self.warn(f"the stored run {path} cannot be read, so it begins anew: {error}")
            return None

    def _name_others(self) -> None:
        """Say, once, that what is stored here is not of this run."""
        others = [path for path in sorted(self.folder.glob("*.safetensors")) if path not in self._claims]
        if others and not self._named:
            names = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
            self.warn(f"stored in {self.folder}, but of another model, prompt or setting, and not used: {names}")
        self._named = True

    def keeper(self, key: str, total: int, *, midway: bool = True) -> Callable[[SamplerState], None]:
        """What stores the run's state every few seconds (unless not `midway`), and after step `total`."""
        path, last = self._path(key), time.monotonic()

        def keep(state: SamplerState) -> None:
            nonlocal last
            due = midway and time.monotonic() - last >= self.every
            if not due and state.step < total:
                return
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                if self._claim(path):
                    tensors = state.to_tensors()
                    checkpoints.save(path, tensors, config={SUM: sum_of(tensors)})
            except (OSError, ResourceError) as error:
                self.warn(f"the state of this run is not stored: {error}")
            last = time.monotonic()

        return keep

    def segments(self, key: str) -> Path:
        """The folder for the segments of the file of that key: that of a run that was stopped, or a new one. Raises
        ResourceError where none can be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            known = [self.folder / f"{key}{SEGMENTS}", *self._further(key)]
            path = next((path for path in known if self._claim(path)), None)
            while path is None or not self._claim(path):  # another process writes the same file
                path = self.folder / f"{key}-{secrets.token_hex(4)}{SEGMENTS}"
        except OSError as error:
            raise write_error(self.folder, error) from error
        return path

    def _further(self, key: str) -> list[Path]:
        """The folders of segments that were begun beside a process with the same file."""
        return sorted(self.folder.glob(f"{key}-*{SEGMENTS}"))

    def finish(self) -> None:
        """Remove the states of this process's runs: what they led to is whole. So goes what processes left that were
        killed on the way to the same file, and in the middle of storing."""
        for path in [path for path in self._claims if path.suffix == SEGMENTS]:
            for further in self._further(path.stem[:KEY]):
                self._claim(further)
        for path in self._claims:
            with suppress(OSError):
                shutil.rmtree(path) if path.suffix == SEGMENTS else path.unlink(missing_ok=True)
        self.close()
        sweep(self.folder)
        with suppress(OSError):
            self.folder.rmdir()  # if it is empty

    def close(self) -> None:
        """Let another process take the states up."""
        while self._claims:
            self._claims.popitem()[1].release()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _claim(self, path: Path) -> bool:
        """Whether this process has a state; False where another one has it, or one of another user left it."""
        if path not in self._claims:
            part = part_of(path, "run")
            try:
                claim = Claim.take(part)
            except PermissionError:
                if not part.exists():
                    raise
                return False
            if claim is None:
                return False
            self._claims[path] = claim
        return True


def stored_runs(folder: Path) -> list[StoredRun]:
    """The states that lie in a folder of results; damaged ones are left out."""
    found: list[StoredRun] = []
    if not os.path.isdir(folder / FOLDER):  # which is False, too, for what the system cannot name
        return found
    for path in sorted((folder / FOLDER).glob("*.safetensors")):
        with suppress(CheckpointError, KeyError, OSError, ValueError):
            tensors = checkpoints.load(path).tensors
            steps = len(tensors["sigmas"]) - 1
            found.append(StoredRun(path=path, step=int(tensors["step"]), steps=steps, bytes=path.stat().st_size))
    for path in sorted((folder / FOLDER).glob(f"*{SEGMENTS}")):
        sizes = [segment.stat().st_size for segment in path.glob("*.mp4")]
        found.append(StoredRun(path=path, step=0, steps=0, bytes=sum(sizes), segments=len(sizes)))
    return found


def sum_of(tensors: Mapping[str, Tensor]) -> str:
    """The checksum of tensors: a disk that changes a number must not change a video."""
    found = 0
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().reshape(-1)
        found = zlib.crc32(flat.view(torch.uint8).numpy().data, zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def run_key(model: SoraModel, tensors: Iterable[Tensor | None], said: Any) -> str:
    """A name for a run: a hash of the weights (a few numbers of each), of the tensors it begins with and of `said`."""
    return key_of(filter(None, (model.dit, model.low)), tensors, (said, model.low_from))


def numbers(few: Tensor) -> bytes:
    return few.float().cpu().numpy().tobytes()


def key_of(networks: Iterable[torch.nn.Module], tensors: Iterable[Tensor | None], said: Any) -> str:
    """The same for what any networks make."""
    digest = hashlib.sha256(repr(said).encode())
    for network in networks:
        for name, weight in network.state_dict().items():
            digest.update(f"{name} {list(weight.shape)} {weight.dtype}".encode())
            owner: Any = network.get_submodule(name.rpartition(".")[0]) if weight.is_mkldnn else None
            digest.update(numbers(owner.probe if owner else probe(weight)))
        for change in (change for layer in network.modules() for change in getattr(layer, "beside", ())):
            digest.update(repr(change.scale).encode() + b"".join(numbers(probe(part)) for part in change.parts))
    for tensor in tensors:
        if tensor is not None:
            digest.update(f"{list(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:KEY]
