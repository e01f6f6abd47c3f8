"""How much memory may still be asked for: what the machine, the container and the limits of the process leave."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import ResourceError
from .files import size_text

__all__ = ["check_memory_for", "free_memory"]

UNLIMITED = 1 << 60
"""bytes; what a container without a limit states is above"""


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that this process can still allocate on a device: of a card, what it reports, and what torch holds in
    reserve; else the least that the machine, its control groups (containers) and its limit on address space
    (`ulimit -v`) leave. None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserve
    known: list[int] = []
    for ask in (machine_memory, address_space, lambda: min(cgroup_memory(), default=None)):
        with suppress(OSError, KeyError, ValueError, IndexError):
            free = ask()
            if free is not None:
                known.append(max(0, free))
    return min(known, default=None)


def check_memory_for(need: int, what: str, advice: str) -> None:
    """Raise ResourceError where `need` bytes are more than is free. Called before anything is allocated.

    The sentence reads: `what` needs about 3 GB of memory and 1 GB is free; `advice`.
    """
    free = free_memory()
    if free is not None and need > free:
        raise ResourceError(f"{what} needs about {size_text(need)} of memory and {size_text(free)} is free; {advice}.")


def machine_memory() -> int | None:
    """What the kernel counts as available, caches that it can drop included."""
    if not sys.platform.startswith("linux"):
        return None
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def address_space() -> int | None:
    """What is left of the limit on address space, of which a process takes more than it ever touches."""
    if not sys.platform.startswith("linux"):
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return limit - pages * resource.getpagesize()


def cgroup_memory(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """What is left in each control group around this process that has a limit; both versions of the interface."""
    for line in own.read_text().splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "memory" if controllers else root
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        folder = base / name.strip("/")
        for place in (folder, *folder.parents):
            if not place.is_relative_to(base):
                break
            with suppress(OSError, ValueError):
                limit, used = (int((place / part).read_text()) for part in names)  # "max" is no number: no limit
                if limit < UNLIMITED:
                    yield limit - used + reclaimable(place)


def reclaimable(group: Path) -> int:
    """Bytes of file cache that a control group counts as used and gives up before it refuses."""
    with suppress(OSError, KeyError, ValueError):
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
    return 0
