"""`sora eval --suite NAME`: figures of the weights, beside the ceiling that the classifier of the videos reaches on
true ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .shared import size
from .terminal import ProgressLine, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suite",
        required=True,
        help="what to measure: text; animate, extend, loop, connect, fill, restyle, shots, drift; safety, watermark,"
        " detector, fuzz",
    )
    parser.add_argument("--n", type=int, help="how many prompts or clips (default: 100, of text 200)")
    parser.add_argument("--size", type=size, metavar="WxH", help="width and height in pixels, multiples of 16")
    parser.add_argument("--fps", type=float, help="frames per second")
    parser.add_argument("--cutouts", type=Path, help="pictures of the world's nouns (`sora world`): ask for them too")
    parser.add_argument(
        "--clips", type=Path, nargs="+", help="for the suites watermark and detector: files to measure on"
    )
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="of the weights (default: the bundled ones)")
    parser.add_argument("--fast", action="store_true", help="measure the weights of few steps")
    parser.add_argument("--steps", type=int, help="sampling steps (default: 25, or those of --fast)")
    parser.add_argument("--cfg", type=float, help="guidance (default: 2, or 1 with --fast)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core import evaluation

    asked = {name: getattr(args, name) for name in ("size", "fps") if getattr(args, name) is not None}
    settings: dict[str, Any] = {} if args.n is None else {"n": args.n}
    if args.clips:
        settings["clips"] = args.clips
    if asked:
        settings["size"] = evaluation.two_seconds(**asked)
    if args.cutouts is not None:
        settings["cutouts"] = args.cutouts
    if args.weights is not None:
        settings["weights"] = args.weights
    if args.fast:
        settings["fast"] = True
    if sampling := {name: getattr(args, name) for name in ("steps", "cfg") if getattr(args, name) is not None}:
        settings["sampling"] = sampling
    with ProgressLine(args.suite) as progress:
        report = evaluation.run_suite(args.suite, progress=progress, **settings)
    say(json.dumps(report) if args.json else table(report))
    return 0


def table(report: dict[str, Any]) -> str:
    """Figure by figure: the weights, the ceiling, and their ratio."""
    ceiling = report["ceiling"]
    wide = max(16, *(len(name) + 1 for name in report["figures"]))
    lines = [f"{report['suite']}, n = {report['n']}", f"{'':{wide}}{'figure':>8}{'ceiling':>8}{'ratio':>8}"]
    for name, value in report["figures"].items():
        base = ceiling.get(name)
        beside = f"{base:8.3f}{value / base:8.3f}" if base else f"{'-':>8}{'-':>8}"
        lines.append(f"{name:{wide}}{value:8.3f}{beside}")
    return "\n".join(lines)
