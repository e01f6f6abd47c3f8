"""What a batch leaves for a person: a table of all jobs, and one picture with a frame of each."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..sora_core.errors import InputError, SoraError
from ..sora_core.files import write_text
from .batch import JOURNAL, Outcome
from .jobs import Job
from .session import KINDS

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SHEET", "TABLE", "check_reports", "write_contact_sheet", "write_table"]

TABLE, SHEET = "results.csv", "contact.png"
"""the reports' names in an output folder"""

_TILE = 192
"""pixels, the longer side of a picture on the sheet"""
_MOST = 400
"""pictures on one sheet"""


def check_reports(output: Path, *read: Path) -> None:
    """Raises InputError where a report would replace one of the files that a batch reads, or one that no batch wrote:
    those of a batch lie beside its journal."""
    for path in filter(os.path.exists, (output / TABLE, output / SHEET)):
        if any(os.path.exists(other) and os.path.samefile(path, other) for other in read):
            raise InputError(f"the batch would write its report over {path}, which it reads; name another --out")
        if not (output / JOURNAL).exists():
            raise InputError(
                f"the batch would write its report over {path}, which no batch made; move it away or name another --out"
            )


def write_table(path: Path, jobs: list[Job], outcomes: list[Outcome]) -> None:
    """A CSV with a line per job: what became of it, its files, and the values of its row. It begins with the mark by
    which Excel knows UTF-8."""
    columns = list(dict.fromkeys(column for job in jobs for column in job.row))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["job", "status", "seconds", "files", "error", "notes", *columns])
    for job, outcome in zip(jobs, outcomes, strict=True):
        values = [job.row.get(column, "") for column in columns]
        made, notes = " ".join(outcome.files), " | ".join(outcome.notes)
        table.writerow([job.number, outcome.status, outcome.seconds, made, outcome.error, notes, *values])
    write_text(path, f"\ufeff{text.getvalue()}")


def write_contact_sheet(path: Path, output: Path, outcomes: list[Outcome]) -> int:
    """A picture with the middle frame of each job's first file, 8 to a row, failed jobs as dark fields with what went
    wrong, marked and signed like the files. Returns how many jobs it shows; 0 writes nothing."""
    # here: a batch that made nothing needs no video library
    from ..sora_core.media.sheet import contact_sheet
    from ..sora_core.safety.doors import save_sheet

    tiles, captions, shown = [], [], 0
    for outcome in outcomes[:_MOST]:
        found = _shown(output, outcome)
        if found is None and outcome.status == "done":
            continue  # moved, deleted, or no picture; the table names it
        shown += found is not None
        tiles.append(_empty() if found is None else found)
        name = Path(outcome.files[0]).stem if outcome.files else ""
        captions.append(f"{outcome.job} {name}" if found is not None else f"{outcome.job} failed: {outcome.error}")
    if shown:
        save_sheet(path, contact_sheet(tiles, 8, captions=captions))
    return shown


def _shown(output: Path, outcome: Outcome) -> Tensor | None:
    """The picture of a job that is done, or None."""
    names = outcome.files if outcome.status == "done" else []
    name = next((n for n in names if Path(n).suffix.lower() in KINDS["image"] | KINDS["video"]), None)
    try:
        return None if name is None else _tile(output / name)
    except SoraError:
        return None


def _empty() -> Tensor:
    """What stands for a job that failed: uint8 [1,H,W,3]."""
    import torch

    return torch.full((1, _TILE // 2, _TILE // 2, 3), 40, dtype=torch.uint8)


def _tile(path: Path) -> Tensor:
    """The middle frame, small: uint8 [1,H,W,3]."""
    import numpy as np
    import torch
    from PIL import Image

    from ..sora_core.media.images import read_image
    from ..sora_core.media.read import probe, read_video

    if path.suffix.lower() in KINDS["video"]:
        frames = read_video(path, start=probe(path).frames // 2, frames=1).frames
    else:
        frames = read_image(path)
    picture = Image.fromarray(frames[0].numpy())
    picture.thumbnail((_TILE, _TILE))
    return torch.from_numpy(np.array(picture))[None]
