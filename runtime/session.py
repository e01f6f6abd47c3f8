"""Where a run reads and writes, and whom it tells how far it is.

A `Session` is set for the length of a run (`with session.active():`); nodes reach it through `current()`, as they reach
ComfyUI's folders there. No name from a workflow leads outside the input and output folders, links on the disk included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from ..sora_core.claims import Claim, claim_first, sweep
from ..sora_core.errors import InputError, ResourceError
from ..sora_core.files import check_name, make_folder

if TYPE_CHECKING:
    from ..sora_core.pipeline.stored import RunStore
    from ..sora_core.vae import CausalCodec

__all__ = [
    "IN_FOLDER",
    "KINDS",
    "NAME_INPUT",
    "SPARE",
    "STAGED",
    "Report",
    "Session",
    "check_own",
    "current",
    "inside",
    "make_folder",
]

Report = Callable[[str, int, int], None]
"""Called as `report(title of the node, done, total)`; it may raise `Cancelled` to stop the work."""

KINDS: dict[str, frozenset[str]] = {
    "image": frozenset({".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}),
    "video": frozenset(
        {".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv"}
        | {".ogv", ".3gp"}
    ),
}
"""File name endings per kind of file."""

NAME_INPUT = "filename_prefix"
"""What every node that saves calls the name of its file."""

STAGED = ".sora-batch"
"""In an output folder: where a batch keeps the files of its jobs until they get their final names."""

_OWN = ".sora-"
"""how the names begin of folders that runs keep in an output folder"""

_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*[. ]", re.IGNORECASE)
"""names that Windows keeps for devices, and ends that it drops"""
_MAX_NAME = 200
IN_FOLDER = re.compile(r" \[(input|output|temp)\]\Z")
"""how the name of an input file says which folder it is in"""
SPARE = 24
"""bytes that are added to the name of a result: its number, ending, and the folder it waits in"""
_MAX_LISTED = 10_000
_OLDER = {"diffusion_models": ("unet",), "text_encoders": ("clip",)}
"""folders of weights by the names that ComfyUI gave them first, and still reads"""
_WEIGHTS = frozenset({".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".pkl"})
"""endings of weights; what cannot be read is said by who reads it"""


def inside(root: Path, name: str, *, what: str, there: bool = False, links: bool = False, spare: int = 0) -> Path:
    """The path of `name` under `root`. Raises InputError for anything that leads elsewhere.

    there: the file exists, so that its name may have what a new one may not, such as `?`, `:` and a line break
    links: links on the disk may lead out of `root`, as those do that a person makes for large files
    spare: bytes that will still be added to the name
    """
    odd = "\0" in name if there else _FORBIDDEN.search(name) or name.strip() != name
    if not name.strip() or odd or len(name) > 4 * _MAX_NAME:
        raise InputError(f"{name[:80]!r} is no usable {what} name; give a plain name such as clips/mine.mp4")
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\") if there else ("/", "\\", "~")) or any(part in ("", ".", "..") for part in parts):
        raise InputError(f"the {what} name {name[:80]!r} would leave its folder; give a name inside {root}")
    path = root.joinpath(*parts)
    if not there:
        if any(_DEVICE.fullmatch(part) for part in parts):
            raise InputError(f"{name[:80]!r} is no usable {what} name on every system: it is, or ends like, a device's")
        try:
            check_name(path, spare)
        except ResourceError as error:
            raise InputError(str(error)) from error
    try:
        real, base = (path, root) if links else (path.resolve(), root.resolve())
    except (OSError, RuntimeError) as error:
        raise InputError(f"the {what} name {name[:80]!r} cannot be looked up: {error}") from error
    if not real.is_relative_to(base):
        raise InputError(f"the {what} {name[:80]!r} is a link that leads out of {root}")
    return path


def check_own(prefix: str) -> None:
    """Raises InputError for the name of a result that leads into a folder that runs keep for themselves and clear."""
    folder, *rest = prefix.replace("\\", "/").split("/")
    if rest and folder.lower().startswith(_OWN):
        raise InputError(f"{folder[:80]!r} is cleared after a run; give another folder, such as clips/mine")


@dataclass(frozen=True, kw_only=True)
class Session:
    """The folders of a run and its progress.

    staging: where outputs are written until they are complete; None writes them straight into `output`
    """

    input: Path
    output: Path
    temp: Path
    models: Path = Path("models")
    """published weights, in folders as ComfyUI has them: diffusion_models, text_encoders, vae, loras"""
    staging: Path | None = None
    device: str = "cpu"
    """where weights are loaded to, as torch names it: cpu, cuda, cuda:1"""
    report: Report = lambda node, done, total: None
    warn: Callable[[str], None] = lambda text: None
    """told of what no node says"""
    node: str = ""
    """the title of the node that runs now"""
    runs: RunStore | None = None
    """where the states of sampling are stored until the files of the run are there; None: nowhere"""
    preview: Path | None = None
    """a small video of what is sampled so far, written again and again while a node samples"""
    codecs: MutableMapping[int, CausalCodec] = field(default_factory=WeakValueDictionary)
    """those that loaders brought and that are still there, by the channels of their latents; `preview` needs one"""
    notes: list[str] = field(default_factory=list)
    """what nodes said while they ran, a line each, for the table of a batch"""
    chosen: dict[Path, Claim] = field(default_factory=dict)
    """claims to the names of results, so that another run does not choose them too"""
    last: dict[Path, int] = field(default_factory=dict)
    """the number of the newest result of each name"""

    def input_files(self, kind: str) -> list[str]:
        """Names of the input folder's files of a kind, subfolders included, sorted."""
        if not os.path.isdir(self.input):
            return []
        found = []
        for path in self.input.rglob("*"):
            if path.suffix.lower() in KINDS[kind] and path.is_file():
                found.append(path.relative_to(self.input).as_posix())
            if len(found) >= _MAX_LISTED:
                break
        return sorted(found)

    def input_path(self, name: str) -> Path:
        """An input file that exists; `name [output]` and `name [input]` choose the folder, as in ComfyUI."""
        root = self.input
        if found := IN_FOLDER.search(name):
            folders = {"input": self.input, "output": self.output, "temp": self.temp}
            name, root = name[: found.start()], folders[found[1]]
        path = inside(root, name, what="file", there=True)
        if not os.path.isfile(path):  # which is False, too, for what the system cannot name
            raise InputError(f"there is no file {name[:200]!r} in {root}")
        return path

    def model_folders(self, kind: str) -> list[Path]:
        """The folders of `models` in which weights of a kind lie."""
        return [self.models / name for name in (kind, *_OLDER.get(kind, ()))]

    def model_files(self, kind: str) -> list[str]:
        """Names of the weights of a kind, subfolders and links included, sorted."""
        found, seen = set(), set()
        for folder in self.model_folders(kind):
            for place, folders, names in os.walk(folder, followlinks=True):
                if (real := os.path.realpath(place)) in seen:  # a link that leads back
                    folders.clear()
                    continue
                seen.add(real)
                paths = [Path(place, name) for name in names]
                found |= {path.relative_to(folder).as_posix() for path in paths if path.suffix.lower() in _WEIGHTS}
        return sorted(found)

    def model_path(self, kind: str, name: str) -> Path:
        """A weights file that exists."""
        for folder in self.model_folders(kind):
            path = inside(folder, name, what="weights", there=True, links=True)
            if os.path.isfile(path):
                return path
        raise InputError(f"there is no file {name!r} in {self.models / kind}")

    def output_path(self, prefix: str, suffix: str) -> tuple[Path, str]:
        """The next free `prefix_00001_.suffix`: where to write it now, and its final name below the output folder.

        No other run chooses that name until `release`, nor while the file waits for it in the folder of a batch.
        """
        check_own(prefix)
        base = inside(self.output, prefix, what="output", spare=SPARE)
        folder = base.parent.relative_to(self.output)
        for root in filter(None, (self.output, self.staging)):
            make_folder(root / folder)
        if base not in self.last:
            sweep(base.parent)
            homes = [root / folder for root in self._roots() if (root / folder).is_dir()]
            self.last[base] = max(
                (_number(path.name, base.name) for home in homes for path in home.iterdir()), default=0
            )
        names = (base.parent / f"{base.name}_{n:05}_{suffix}" for n in count(self.last[base] + 1))
        final, claim = claim_first(names, self._taken)
        self.last[base] = _number(final.name, base.name)
        self.release(written=True)
        self.chosen[final] = claim
        name = (folder / final.name).as_posix()
        return (self.staging or self.output) / name, name

    def release(self, *, written: bool = False) -> None:
        """Let other runs choose names again: the files are there, or never will be. `written`: only names of files that
        are there, each of which keeps a file open."""
        for path in [path for path in self.chosen if not written or self._taken(path)]:
            self.chosen.pop(path).release()

    def _roots(self) -> list[Path]:
        """The output folder, and those of jobs of a batch whose files wait for their names there."""
        return [self.output, *(self.output / STAGED).glob("job-*")]

    def _taken(self, final: Path) -> bool:
        """Whether a result has that name already, or waits for it."""
        name = final.relative_to(self.output)
        return any((root / name).exists() for root in self._roots())

    def temp_path(self, suffix: str) -> Path:
        """A fresh file name in the folder for what is thrown away after the run."""
        make_folder(self.temp)
        number = 1 + max((_number(path.name, "sora") for path in self.temp.iterdir()), default=0)
        path = self.temp / f"sora_{number:05}_{suffix}"
        path.touch()
        return path

    @contextmanager
    def active(self) -> Iterator[Session]:
        """Makes this the session that nodes see."""
        token = _CURRENT.set(self)
        try:
            yield self
        finally:
            _CURRENT.reset(token)


_CURRENT: ContextVar[Session] = ContextVar("sora_session")


def current() -> Session:
    """The session of the run that is under way; outside a run, the folders `input` and `output` here."""
    session = _CURRENT.get(None)
    if session is None:
        here = Path.cwd()
        return Session(input=here / "input", output=here / "output", temp=here / "output" / ".temp")
    return session


def _number(name: str, prefix: str) -> int:
    """The counter in `prefix_00012_.mp4`, 0 where the name is of another file."""
    match = re.match(re.escape(prefix) + r"_(\d{1,9})_", name)
    return int(match.group(1)) if match else 0
