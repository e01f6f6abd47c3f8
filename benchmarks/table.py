"""What every benchmark prints: a small table, or one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["show"]


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool) -> None:
    """Rows under their columns; the first column names the row."""
    if as_json:
        found = {str(row[0]): dict(zip(columns[1:], row[1:], strict=True)) for row in rows}
        sys.stdout.write(json.dumps({"benchmark": title, "rows": found}) + "\n")
        return
    lines = [list(columns), *([text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    sys.stdout.write(f"{title}\n")
    for line in lines:
        sys.stdout.write(
            "  "
            + line[0].ljust(widths[0])
            + "".join(f"  {c.rjust(w)}" for c, w in zip(line[1:], widths[1:], strict=True))
            + "\n"
        )


def text(cell: Any) -> str:
    """Numbers with three digits that count."""
    return (
        f"{cell:.3g}"
        if isinstance(cell, float) and abs(cell) < 100
        else f"{cell:,.0f}"
        if isinstance(cell, float)
        else str(cell)
    )
