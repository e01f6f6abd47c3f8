"""What a run on a card writes down, and how it measures: paired runs, medians, peak memory."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Run", "Sheet", "Using", "error", "paired", "peak", "ratios", "under"]

BEGAN = time.monotonic()
Run = Callable[[], Any]


@dataclass
class Sheet:
    """The rows so far, and what the sections share."""

    seconds: float
    device: Any
    small: bool
    file: Path | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)

    def left(self) -> float:
        return self.seconds - (time.monotonic() - BEGAN)

    def row(self, name: str, value: Any, unit: str = "", **more: Any) -> None:
        if isinstance(value, float):
            value = float(f"{value:.4g}")
        self.rows.append({"name": name, "value": value, "unit": unit, **more})
        extra = "".join(f"  {key} {shown(number)}" for key, number in more.items())
        sys.stdout.write(f"[{time.monotonic() - BEGAN:5.0f}s] {name}: {shown(value)} {unit}{extra}\n")
        sys.stdout.flush()

    def save(self) -> None:
        if self.file:
            self.file.write_text(json.dumps(self.rows, indent=1), encoding="utf-8")


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def milliseconds(sheet: Sheet, run: Run) -> float:
    import torch

    if sheet.device.type != "cuda":
        began = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - began)
    began_, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began_.record()
    run()
    ended.record()
    ended.synchronize()
    return float(began_.elapsed_time(ended))


def paired(
    sheet: Sheet, runs: dict[str, Run], *, rounds: int = 7, warm: int = 4, limit: float = 12
) -> dict[str, float]:
    """Median milliseconds of each run, in turns; one that fails is named and left out. `limit`: seconds for all."""
    began = time.monotonic()
    times: dict[str, list[float]] = {}
    for name, run in runs.items():
        try:
            for _ in range(warm):
                milliseconds(sheet, run)
            times[name] = []
        except Exception as error:
            sheet.row(f"{name} failed", f"{type(error).__name__}: {str(error)[:200]}".replace("\n", " "))
    for done in range(rounds):
        if done >= 3 and time.monotonic() - began > limit:
            break
        for name, row in times.items():
            row.append(milliseconds(sheet, runs[name]))
    return {name: statistics.median(row) for name, row in times.items()}


def peak(sheet: Sheet, run: Run) -> float:
    """Megabytes over what is held, at their highest during a run."""
    import torch

    if sheet.device.type != "cuda":
        return 0.0
    run()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def ratios(times: dict[str, float], *pairs: tuple[str, str]) -> dict[str, float]:
    return {f"{a}/{b}": times[a] / times[b] for a, b in pairs if a in times and b in times}


def error(made: Any, exact: Any) -> float:
    return float((made.float() - exact.float()).norm() / exact.float().norm())


class Using:
    """Within it these are the kernels of the sheet's device."""

    def __init__(self, sheet: Sheet, kernels: Any) -> None:
        self.sheet, self.kernels = sheet, kernels

    def __enter__(self) -> None:
        from sora_nodes.sora_core.layers import kernels as chosen

        self.chosen, self.before = chosen, chosen.for_device(self.sheet.device)
        chosen.use(self.sheet.device, self.kernels)

    def __exit__(self, *_: Any) -> None:
        self.chosen.use(self.sheet.device, self.before)


def under(sheet: Sheet, kernels: Any, run: Run) -> Run:
    def swapped() -> Any:
        with Using(sheet, kernels):
            return run()

    return swapped
