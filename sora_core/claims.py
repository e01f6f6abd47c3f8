"""Names in use: hidden files `.NAME-12345678.part`, locked for as long as their process lives.

A file that is being written, a name that was chosen for a result, and a folder for what is thrown away are each claimed
so. The system lifts the lock when a process ends, however it ends: what is there and not locked was left behind, and
`sweep` removes it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ResourceError

__all__ = ["Claim", "claim_first", "part_of", "sweep", "working_folder"]

PART = ".part"
LEFT = re.compile(r"\..{1,80}-[0-9a-f]{8}\.part", re.DOTALL)
FOLDER = ".sora-temp-"
"""beginning of the names of folders that lie beside their claim"""
FAR = 0x7FFFFFF0
"""where Windows, whose locks keep others from reading what they cover, locks a file"""


class Claim:
    """A hidden file that this process holds. `take` gives one, or None where a living process has it."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self.handle = path, handle

    @classmethod
    def take(cls, path: Path) -> Claim | None:
        """Raises OSError where no file can be made there."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if locked(handle) and same(handle, path):
            return cls(path, handle)
        os.close(handle)
        return None

    def unlock(self) -> None:
        """Let go of the lock; the file stays where it is."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def release(self) -> None:
        """Remove the file and let go of the lock."""
        if os.name == "nt":
            self.unlock()  # nothing can be removed there that is open
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.unlock()


def part_of(final: Path, mark: str | None = None) -> Path:
    """A hidden name beside `final`: a new one, or always the same for the same mark."""
    number = secrets.token_hex(4) if mark is None else f"{zlib.crc32(mark.encode('utf-8', 'surrogateescape')):08x}"
    return final.with_name(f".{final.stem[:32]}-{number}{PART}")


def claim_first(names: Iterable[Path], taken: Callable[[Path], bool] = Path.exists) -> tuple[Path, Claim]:
    """The first of `names` that is not `taken` and that no living process has chosen, and the claim to it, to be
    released when it is taken. Raises ResourceError where nothing can be made there."""
    for path in names:
        try:
            if taken(path):
                continue
            claim = Claim.take(part_of(path, f"name {path.name}"))
            if claim is None:
                continue
            if not taken(path):
                return path, claim
            claim.release()
        except OSError as error:
            raise ResourceError(f"cannot write {path}: {error.strerror}; name another place.") from error
    raise ResourceError("every name that was tried is taken; name a file.")


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """A folder for what is thrown away when the block ends."""
    claim = None
    while claim is None:
        claim = Claim.take(parent / f"{FOLDER}{secrets.token_hex(4)}{PART}")
    folder = claim.path.with_suffix("")
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        claim.release()


def sweep(folder: Path) -> None:
    """Remove what processes that have ended left in a folder; what living ones hold stays."""
    with suppress(OSError):
        names = os.listdir(folder)
        for path in [folder / name for name in names if LEFT.fullmatch(name)]:
            with suppress(OSError):
                if not path.is_symlink() and path.is_file() and (claim := Claim.take(path)):
                    for name in [name for name in names if name.startswith(f"{path.name}.")]:
                        (folder / name).unlink(missing_ok=True)  # what was written before it went into the claim
                    if path.name.startswith(FOLDER):
                        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                    claim.release()


def locked(handle: int) -> bool:
    """Lock a file until the handle is closed, or the process ends; False where another process has it."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def same(handle: int, path: Path) -> bool:
    """Whether the file that was locked still has its name: a sweep may have come between."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
