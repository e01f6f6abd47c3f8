"""What a piece of work takes, measured from outside the process that does it: `measured(work, given)`.

The child calls `work(**given)`, a generator function: up to its first `yield` it prepares (loads weights, runs
something small so that libraries are set up), and what it yields is kept. Then the parent resets the child's peak of
resident memory, lets it run to its next `yield`, and reads the peak and the processor time from /proc. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

__all__ = ["Measured", "measured"]

Work = Callable[..., Iterator[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One piece of work."""

    said: dict[str, Any]
    """what the work yielded before it ran"""
    found: dict[str, Any]
    """what it yielded behind it"""
    memory: int
    """bytes resident at most, over what was resident before the first stretch"""
    seconds: float
    """of processor time, over all threads"""


def measured(work: Work, given: dict[str, Any]) -> Iterator[Measured]:
    """Every stretch between two yields of `work(**given)`, a function at the top level of the script that runs, as it
    ends; on one thread."""
    code = (
        f"import sys; sys.path[:0] = {[str(Path(x).resolve().parent) for x in (__file__, work.__code__.co_filename)]};"
        " import outside;"
        f" outside.child({Path(work.__code__.co_filename).stem!r}, {work.__name__!r}, {json.dumps(given)!r})"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    told = cast(IO[str], child.stdin)
    said = reply(child)
    if said is None:
        raise RuntimeError(f"{work.__name__}({given}) ended before it began")
    base = resident(child.pid, "VmRSS")
    while said is not None:
        Path(f"/proc/{child.pid}/clear_refs").write_text("5")  # the peak is what is resident now
        before = processor(child.pid)
        told.write("go\n")
        told.flush()
        found = reply(child)
        if found is None:
            break
        memory, seconds = resident(child.pid, "VmHWM") - base, processor(child.pid) - before
        yield Measured(said=said, found=found, memory=memory, seconds=seconds)
        said = found
    told.close()
    if child.wait():
        raise RuntimeError(f"{work.__name__}({given}) ended with {child.returncode}")


def reply(child: subprocess.Popen[str]) -> dict[str, Any] | None:
    """The next line that is an object; None at the end."""
    for line in cast(IO[str], child.stdout):
        if line.startswith("{"):
            return dict(json.loads(line))
    return None


def resident(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def processor(pid: int) -> float:
    """Seconds of user and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child(module: str, work: str, given: str) -> None:
    """The other side: runs the work, a stretch for each line of standard input."""
    import ctypes
    import importlib

    first = True
    for told in getattr(importlib.import_module(module), work)(**json.loads(given)):
        if first:
            ctypes.CDLL(None).malloc_trim(0)  # what preparing left behind would hide what the work takes
            first = False
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        if not sys.stdin.readline():
            return
