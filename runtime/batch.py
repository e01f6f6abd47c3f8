"""Many jobs through one workflow, each done exactly once, whatever stops the machine in between.

A job writes into a folder of its own under `.sora-batch/`. When its files are whole, one line goes into the journal:
that is the moment the job is done. Only then are the files renamed to their final names. A second call reads the
journal, finishes the renames of jobs that are done, throws away what unfinished ones left, and goes on with the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ..sora_core.claims import same
from ..sora_core.errors import Cancelled, InputError, ResourceError, SoraError
from ..sora_core.files import shown_as, sync_folder, write_error
from .graph import Graph
from .jobs import Job
from .session import STAGED, Session, inside, make_folder

__all__ = ["JOURNAL", "Journal", "Outcome", "Runner", "run_jobs"]

JOURNAL = "journal.jsonl"
"""the record's name in an output folder"""


class Runner(Protocol):
    """Runs one graph: here, or on a server. Returns the names of the files, below the session's output folder."""

    def __call__(self, graph: Graph, session: Session) -> list[str]: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job; one line of the journal."""

    key: str
    job: int
    status: str
    """done or failed"""
    files: list[str] = field(default_factory=list)
    """names below the output folder; of a job that failed, of those that were whole before it did"""
    seconds: float = 0.0
    error: str = ""
    notes: list[str] = field(default_factory=list)
    """what nodes said: words that the model does not know, what was changed on the way"""


class Journal:
    """The record of a batch: lines of JSON, each on the disk before anything builds on it. One process at a time
    writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}
        self._end = 0

    @contextmanager
    def opened(self) -> Iterator[Journal]:
        """Locks and reads the journal. Raises ResourceError where another process holds it, InputError where it is
        none."""
        make_folder(self.path.parent)
        try:
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise write_error(self.path, error) from error
        with self._file:
            _lock(self._file.fileno(), self.path)
            self._read()
            with suppress(OSError):
                sync_folder(self.path.parent)
            yield self

    def _read(self) -> None:
        """A line that the machine did not live to finish is cut off; the job it spoke of was not done."""
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].split(b"\n")[:-1], start=1):
            try:
                outcome = Outcome(**json.loads(line))
            except (ValueError, TypeError, RecursionError) as error:
                raise InputError(
                    f"line {number} of {self.path} is not of a batch; move that file away or name another --out"
                ) from error
            self.outcomes[outcome.key] = outcome
        if whole < len(data):
            self._file.truncate(whole)
        self._end = whole

    def add(self, outcome: Outcome) -> None:
        """Writes one line, whole or not at all; when this returns, it is on the disk. Raises ResourceError where it
        cannot be, or where the journal is no longer where a second call looks for it."""
        if not same(self._file.fileno(), self.path):
            raise ResourceError(f"{self.path} was moved or removed while the batch ran; run the same again")
        line = json.dumps(asdict(outcome)).encode() + b"\n"
        try:
            rest = line
            while rest:  # a disk that fills up takes a part first
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # a line that nothing was built on must not appear later
                self._file.truncate(self._end)
                os.fsync(self._file.fileno())
            raise write_error(self.path, error) from error
        self._end += len(line)
        self.outcomes[outcome.key] = outcome


def run_jobs(
    jobs: list[Job],
    runner: Runner,
    session: Session,
    *,
    on_outcome: Callable[[Outcome, bool], None] = lambda outcome, fresh: None,
) -> list[Outcome]:
    """Does what of `jobs` is not done yet, and returns what became of each, in their order and by their numbers.

    Intermediate files lie with the jobs' folders, so that nothing of a stopped batch stays behind.
    on_outcome: called as `on_outcome(outcome, fresh)`, fresh False for what an earlier call had done
    Raises ResourceError where the journal cannot be written, Cancelled when the user stops; a bad job only fails
    itself. What it had finished before is delivered and stays; it is made anew, under the next number,
    when the job runs again.
    """
    make_folder(session.output)
    home = session.output / STAGED
    session = replace(session, temp=home / "temp")
    with Journal(session.output / JOURNAL).opened() as journal:
        _settle(journal, home, session.output)
        try:
            for job in jobs:
                known = journal.outcomes.get(job.key)
                fresh = known is None or known.status != "done" or not _there(known, session.output)
                if fresh:
                    try:
                        journal.add(_run_job(job, runner, session, home))
                        _deliver(journal.outcomes[job.key], home, session.output)
                    finally:
                        session.release()
                    shutil.rmtree(home / _folder(job.key), ignore_errors=True)
                on_outcome(replace(journal.outcomes[job.key], job=job.number), fresh)
        finally:
            _settle(journal, home, session.output)
        return [replace(journal.outcomes[job.key], job=job.number) for job in jobs]


def _settle(journal: Journal, home: Path, output: Path) -> None:
    """Delivers what is done and clears away what is not."""
    for outcome in journal.outcomes.values():
        _deliver(outcome, home, output)
    shutil.rmtree(home, ignore_errors=True)


def _run_job(job: Job, runner: Runner, session: Session, home: Path) -> Outcome:
    """Runs a job into its own folder, where its files are whole and on the disk when this returns."""
    began = time.monotonic()
    staging = home / _folder(job.key)
    shutil.rmtree(staging, ignore_errors=True)
    make_folder(staging)
    files: list[str] = []
    notes: list[str] = []
    try:
        if job.graph is None:
            raise InputError(job.error)
        with shown_as(staging, session.output):
            files = runner(job.graph, replace(session, staging=staging, notes=notes, last={}))
        for name in files:
            _sync(inside(staging, name, what="output"))
        status, message = "done", ""
    except Cancelled:
        raise
    except Exception as error:  # whatever is wrong with one row, the others go on
        status, message = "failed", str(error) if isinstance(error, SoraError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):
            files = _whole(staging)
    seconds = round(time.monotonic() - began, 3)
    return Outcome(key=job.key, job=job.number, status=status, files=files, seconds=seconds, error=message, notes=notes)


def _deliver(outcome: Outcome, home: Path, output: Path) -> None:
    """Gives the files of a job that has ended their final names. May be interrupted and called again."""
    for name in outcome.files:
        source, target = inside(home / _folder(outcome.key), name, what="output"), inside(output, name, what="output")
        if source.is_file():
            make_folder(target.parent)
            try:
                os.replace(source, target)
            except OSError as error:
                raise write_error(target, error) from error
            with suppress(OSError):
                sync_folder(target.parent)


def _whole(staging: Path) -> list[str]:
    """The files in a job's folder: each got its name there when it was whole."""
    paths = sorted(path for path in staging.rglob("*") if path.is_file() and not path.name.startswith("."))
    for path in paths:
        _sync(path)
    return [path.relative_to(staging).as_posix() for path in paths]


def _there(outcome: Outcome, output: Path) -> bool:
    """Whether the files of a job that is done still are where they were delivered."""
    return all(inside(output, name, what="output").is_file() for name in outcome.files)


def _folder(key: str) -> str:
    return f"job-{key}"


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _lock(handle: int, path: Path) -> None:
    """Holds the journal until this process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ResourceError(f"another batch is writing {path}; wait for it or name another --out") from error
