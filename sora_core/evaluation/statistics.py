"""Figures with their uncertainty: shares (Wilson) and medians (order statistics), gathered clip by clip."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import Any

__all__ = ["MetricAccumulator", "median_interval", "report", "wilson"]

Z = 1.959963984540054
"""a 95% interval's half width in deviations"""


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95% interval of a share of `right` in `n` (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def median_interval(values: list[float]) -> tuple[float, float]:
    """The 95% interval of a median from the order of the values, whatever their distribution."""
    ordered, n = sorted(values), len(values)
    half = Z * math.sqrt(n) / 2
    low, high = math.floor(n / 2 - half), math.ceil(n / 2 + half)
    return ordered[max(0, low)], ordered[min(n - 1, high)]


@dataclass
class MetricAccumulator:
    """Gathers what each clip shows: shares from `right`, medians from `value`."""

    shares: dict[str, list[bool]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)

    def right(self, name: str, *answers: bool) -> None:
        """Clips that are right or not in something."""
        self.shares.setdefault(name, []).extend(bool(a) for a in answers)

    def value(self, name: str, *values: float) -> None:
        """A number per clip; where a clip has none (not a number), it does not count."""
        self.values.setdefault(name, []).extend(v for v in values if not math.isnan(v))

    def figures(self) -> dict[str, float]:
        """A share or a median per name; names nothing was said about are left out."""
        shares = {name: sum(answers) / len(answers) for name, answers in self.shares.items() if answers}
        return shares | {name: float(median(values)) for name, values in self.values.items() if values}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95% interval of each figure."""
        shares = {name: wilson(sum(answers), len(answers)) for name, answers in self.shares.items() if answers}
        return shares | {name: median_interval(values) for name, values in self.values.items() if values}


def report(suite: str, n: int, figures: MetricAccumulator, ceiling: MetricAccumulator) -> dict[str, Any]:
    """The form that every suite's result has."""

    def rounded(table: dict[str, float]) -> dict[str, float]:
        return {name: round(value, 4) for name, value in table.items()}

    intervals = {name: [round(low, 4), round(high, 4)] for name, (low, high) in figures.intervals().items()}
    return {
        "suite": suite,
        "n": n,
        "figures": rounded(figures.figures()),
        "ceiling": rounded(ceiling.figures()),
        "intervals": intervals,
    }
