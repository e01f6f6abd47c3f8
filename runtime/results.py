"""What a batch leaves for a person: a table of all jobs, and one picture with a frame of each."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ..sora_core.errors import SoraError
from ..sora_core.files import beside, write_text
from .batch import Outcome
from .jobs import Job
from .session import KINDS

__all__ = ["write_contact_sheet", "write_table"]

_TILE = 192
"""pixels, the longer side of a picture on the sheet"""
_MOST = 400
"""pictures on one sheet"""


def write_table(path: Path, jobs: list[Job], outcomes: list[Outcome]) -> None:
    """A CSV with a line per job: what became of it, its files, and the values of its row."""
    columns = list(dict.fromkeys(column for job in jobs for column in job.row))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["job", "status", "seconds", "files", "error", *columns])
    for job, outcome in zip(jobs, outcomes, strict=True):
        values = [job.row.get(column, "") for column in columns]
        table.writerow([job.number, outcome.status, outcome.seconds, " ".join(outcome.files), outcome.error, *values])
    write_text(path, text.getvalue())


def write_contact_sheet(path: Path, output: Path, outcomes: list[Outcome]) -> int:
    """A picture with the middle frame of each job's first file, 8 to a row. Returns how many jobs it shows; 0 writes
    nothing."""
    from ..sora_core.media.sheet import contact_sheet  # here: a batch that made nothing needs no video library

    tiles, captions = [], []
    for outcome in [outcome for outcome in outcomes if outcome.status == "done"][:_MOST]:
        shown = next(
            (name for name in outcome.files if Path(name).suffix.lower() in KINDS["image"] | KINDS["video"]), None
        )
        if shown is None:
            continue
        try:
            tiles.append(_tile(output / shown))
            captions.append(f"{outcome.job} {Path(shown).stem}")
        except SoraError:
            continue  # moved or deleted since; the table still names it
    if tiles:
        sheet = contact_sheet(tiles, 8, captions=captions)
        with beside(path) as part:
            sheet.save(part, format="PNG")
    return len(tiles)


def _tile(path: Path):  # type: ignore[no-untyped-def]
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
