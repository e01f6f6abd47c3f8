"""`sora verify FILE`: what the C2PA manifest of a file says and whether it fits.

The exit code is 1 for a changed file, and 2 where one could not be read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .judging import UNREAD, judge_each

CHANGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", help="mp4, mov, png, webp or jpg")
    parser.add_argument("--anchor", type=Path, action="append", default=[], help="root certificate (PEM) to trust")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core.errors import InputError
    from ..sora_core.safety.provenance import verify

    try:
        anchors = [path.read_text() for path in args.anchor]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read a root certificate: {error}") from error
    verdicts, unread = judge_each(args.file, lambda path: verify(path, anchors), as_json=args.json)
    return UNREAD if unread else CHANGED if any(verdict.status == "changed" for verdict in verdicts) else 0
