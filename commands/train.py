"""`sora train CONFIG`: resumes by itself where an earlier run of the same configuration stopped.

A configuration with the key `watermark` trains the watermark: it ends by the clock and does not resume.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .terminal import ProgressLine, note, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a configuration file")
    parser.add_argument("--device", default="cpu", help="for the watermark: where it trains, cpu (default) or cuda")
    parser.add_argument("--minutes", type=float, help="for the watermark: how long it trains")
    parser.add_argument("--start", type=Path, help="for the watermark: weights to go on from")
    parser.add_argument(
        "--out", type=Path, default=Path("output/training/watermark"), help="for the watermark: folder of its weights"
    )


def execute(args: argparse.Namespace) -> int:
    from ..sora_core import training

    if is_watermark(args.config):
        return train_watermark(args)
    with ProgressLine("training") as progress:
        training.run(args.config, progress=progress)
    return 0


def is_watermark(config: Path) -> bool:
    """Whether a readable configuration is of the watermark; what is wrong with others is said by who reads them."""
    try:
        given = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(given, dict) and "watermark" in given


def train_watermark(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..sora_core.training import watermark

    run = watermark.read_training(args.config)
    run = run if args.minutes is None else replace(run, minutes=args.minutes)
    say(str(watermark.train(run, args.out, device=args.device, start=args.start, report=note)))
    return 0
