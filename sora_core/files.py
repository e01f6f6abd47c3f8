"""Writing files so that a final name always holds a whole file.

A file is written beside its final name and renamed when it is complete; whatever stops the work before that
(an error, Ctrl-C, a full disk, a killed process) leaves the final name as it was.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .claims import Claim, part_of
from .errors import ResourceError, SoraError

__all__ = [
    "beside",
    "check_folder",
    "check_name",
    "check_writable",
    "make_folder",
    "scratch_file",
    "shown_as",
    "size_text",
    "write_text",
]

LONGEST_NAME, LONGEST_PATH = 255, 4096 if os.name != "nt" else 260
"""bytes, where the system does not say"""
MARGIN = 16 << 20
"""bytes left free on the disk beyond what a file is estimated to need"""
REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this disk or user may hold",
    errno.EACCES: "the folder may not be written to",
    errno.EPERM: "the folder may not be written to",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "no file can be made there",
}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_error(path: Path, error: OSError) -> ResourceError:
    """What an error of the system means for a file that was to be written."""
    reason = REASONS.get(error.errno or 0, error.strerror or str(error))
    advice = "free some space or name another place" if error.errno in FULL else "name another place"
    return ResourceError(f"cannot write {path}: {reason}; {advice}.")


def size_text(count: float) -> str:
    """Bytes for a person: `3.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def check_writable(path: str | Path, estimated_bytes: int = 0) -> None:
    """Raise ResourceError unless a file of `estimated_bytes` can be written at `path`. Called before the work
    begins."""
    path = Path(path)
    folder = (Path(os.path.realpath(path)) if os.path.islink(path) else path.absolute()).parent
    check_name(path)
    if not os.path.isdir(folder):  # which is False, too, where nothing may be looked up
        raise ResourceError(f"cannot write {path}: there is no folder {folder}; make it or name another.")
    try:
        taken = path.exists() and not path.is_file()
    except OSError as error:
        raise write_error(path, error) from error
    if taken:
        advice = "name one inside it, or another" if path.is_dir() else "name another"
        raise ResourceError(f"cannot write {path}: it is not a file; {advice}.")
    if path.exists() and not os.access(path, os.W_OK):
        raise ResourceError(f"cannot write {path}: that file is protected from writing; name another.")
    check_folder(folder, estimated_bytes, what=path)


def make_folder(path: Path) -> None:
    """Make a folder and its parents. Raises ResourceError where that is not allowed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file has that name" if isinstance(error, FileExistsError) else REASONS.get(error.errno or 0)
        raise ResourceError(f"the folder {path} cannot be made: {reason or error.strerror}; name another.") from error


def check_name(path: Path, spare: int = 0) -> None:
    """Raise ResourceError where a name is too long for the system, in bytes, with `spare` bytes still to be added."""
    if "\0" in str(path):
        raise ResourceError(f"cannot write {path}: a name holds no zero byte; choose another.")
    whole = path.absolute()
    for part in whole.parts:
        size = len(os.fsencode(part)) + (spare if part == whole.name else 0)
        if size > LONGEST_NAME:
            raise ResourceError(
                f"cannot write {shortened(part)}: the name is too long, {size} bytes where {LONGEST_NAME} are possible"
                " (letters beyond ASCII take two to four each); choose a shorter one."
            )
    size = len(os.fsencode(whole)) + spare
    if size >= LONGEST_PATH:
        raise ResourceError(
            f"cannot write {shortened(path.name)}: with its folders the name is too long, {size} bytes where fewer than"
            f" {LONGEST_PATH} are possible; choose a shorter one."
        )


def shortened(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:57]}..."


def check_folder(folder: Path, estimated_bytes: int, *, what: Path | None = None) -> None:
    """Raise ResourceError, naming `what` or the folder, unless files of `estimated_bytes` together can be made in a
    folder."""
    what = what or folder
    probe = part_of(folder / "probe")
    try:
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise write_error(what, error) from error
    if estimated_bytes and free < estimated_bytes + MARGIN:
        need = size_text(estimated_bytes + MARGIN)
        raise ResourceError(
            f"cannot write {what}: that needs about {need} of free space, and {size_text(free)} are free;"
            " free some or name another place."
        )


@contextmanager
def shown_as(hidden: Path, asked: Path) -> Iterator[None]:
    """What goes wrong with a file that is written under a hidden name, or in a hidden folder, names the one that was
    asked for."""
    try:
        yield
    except SoraError as error:
        said = (arg.replace(str(hidden), str(asked)) if isinstance(arg, str) else arg for arg in error.args)
        error.args = tuple(said)
        raise


@contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """A path in the same folder to write to: renamed to `path` when the block ends, removed when it raises. A file that
    was there hands on who may read it."""
    path = Path(path)
    check_writable(path)
    final = path.resolve()
    claim = None
    try:
        while claim is None:
            claim = Claim.take(part_of(final))
        part = claim.path
        mode = part.stat().st_mode
        yield part
        part.chmod(mode)  # of a new file here: a library that writes may be stricter than the user
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if final.exists():
            part.chmod(final.stat().st_mode)
        if os.name == "nt":
            claim.unlock()  # nothing can be renamed there that is open
        os.replace(part, final)
    except OSError as error:
        if error.errno in REASONS:
            raise write_error(path, error) from error
        raise
    finally:
        if claim is not None:
            claim.release()
    with suppress(OSError):
        sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut; systems that cannot open folders go without."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with beside(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def scratch_file() -> Iterator[IO[bytes]]:
    """A file without a name, for what memory cannot hold: it is gone with the block, or with the process.

    It lies where the system keeps temporary files, on a disk rather than in memory if there is one. A disk that fills
    up inside the block becomes a ResourceError.
    """
    folders = [Path(tempfile.gettempdir()), Path("/var/tmp")]  # noqa: S108
    folder = next((f for f in folders if f.is_dir() and not _in_memory(f)), folders[0])
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            yield file
    except OSError as error:
        if error.errno in REASONS:
            raise write_error(folder, error) from error
        raise


def _in_memory(folder: Path) -> bool:
    """Whether a folder lies on a disk that is really memory."""
    with suppress(OSError, ValueError):
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        around = [(len(where), kind) for where, kind in mounts if folder.resolve().is_relative_to(where)]
        return max(around)[1] in ("tmpfs", "ramfs")
    return False
