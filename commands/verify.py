"""`sora verify FILE`: what the C2PA manifest of a file says and whether it fits.

The exit code is 1 for a changed file, and 2 where one could not be read.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from .terminal import note, say

CHANGED, FAILED = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", help="mp4, mov, png, webp or jpg")
    parser.add_argument("--anchor", type=Path, action="append", default=[], help="root certificate (PEM) to trust")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core.errors import InputError, SoraError
    from ..sora_core.safety.provenance import verify

    try:
        anchors = [path.read_text() for path in args.anchor]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read a root certificate: {error}") from error
    changed = failed = False
    for path in args.file:
        try:
            verdict = verify(path, anchors)
        except SoraError as error:
            note(str(error))
            failed = True
            continue
        say(json.dumps({"file": str(path), **asdict(verdict)}) if args.json else f"{path}: {verdict.sentence()}")
        changed |= verdict.status == "changed"
    return FAILED if failed else CHANGED if changed else 0
