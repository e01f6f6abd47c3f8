"""`sora bench SUBJECT --against diffusers`: our modules beside another implementation on the same random weights."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .terminal import ProgressLine, say

SUBJECTS = ("transformer", "codec", "text", "sample")
DTYPES = ("bfloat16", "float32")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", choices=SUBJECTS, help="what to run")
    parser.add_argument(
        "--against", default="diffusers", help="the implementation to compare with (installed with the extra dev-peer)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="paired runs; the figures are medians")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of weights and computation")
    parser.add_argument(
        "--blocks", type=int, help="of the transformer or text encoder, instead of all: for a quick look"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains this")
    parser.add_argument("--device", default="cpu", help="where it runs: cpu (default), cuda, cuda:1")
    parser.add_argument(
        "--processor-time", action="store_true", help="count processor seconds, on a machine that does other work too"
    )
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")


def execute(args: argparse.Namespace) -> int:
    import torch

    from ..sora_core.bench.bench import run_bench
    from ..sora_core.pipeline import check_device

    with ProgressLine(args.subject) as progress:
        rows = run_bench(
            args.subject,
            against=args.against,
            rounds=args.rounds,
            dtype=getattr(torch, args.dtype),
            blocks=args.blocks,
            only=args.only,
            processor=args.processor_time,
            device=check_device(args.device),
            progress=progress,
        )
    say(json.dumps(rows, indent=1) if args.json else table(rows))
    return 0


def table(rows: list[dict[str, Any]]) -> str:
    wide = max(len(row["name"]) for row in rows)
    lines = [
        f"{row['name']:<{wide}} {row['ours']:>10.3f} {row['peer']:>10.3f} {row['unit']:<7} {row['ratio']:>7.3f}"
        for row in rows
    ]
    return "\n".join([f"{'':<{wide}} {'ours':>10} {'peer':>10} {'':<7} {'ratio':>7}", *lines])
