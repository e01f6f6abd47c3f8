"""The suite of every edit operation at every size and rate, as the tables of RESULTS.md: `python benchmarks/edits.py
--out edits.jsonl`.

A run that was stopped goes on where it was: what stands in the file is not measured again. The first size at the first
rate is measured on --n clips, the others on --few; `drift`, ten samples a clip, on a third. Two processes may share a
file, each with suites of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.evaluation import SUITES, BundledGenerator, run_suite, two_seconds

Report = dict[str, Any]
OPERATIONS = tuple(name for name in SUITES if name != "text")
LONG = {"drift": 3}
"""suites of which a clip costs so many times more that fewer do"""


def measured(path: Path) -> list[Report]:
    """What stands in the file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def missing(args: argparse.Namespace) -> list[Report]:
    """What is still to be measured: suite, where, and on how many clips; the usual size first."""
    done = {(report["suite"], report["where"]) for report in measured(args.out)}
    places = [f"{size}, {fps:g} fps" for fps, size in product(args.fps, args.sizes)]
    work: list[Report] = []
    for i, place in enumerate(places):
        count = args.few if i else args.n
        work += [{"suite": suite, "where": place, "n": max(1, count // LONG.get(suite, 1))} for suite in args.suites]
    return [item for item in work if (item["suite"], item["where"]) not in done]


def tables(reports: Sequence[Report]) -> str:
    """A table in Markdown per suite: figures with their ceilings in brackets, a column per size and rate."""
    lines: list[str] = []
    for suite in dict.fromkeys(report["suite"] for report in reports):
        columns = [report for report in reports if report["suite"] == suite]
        heads = [f"{report['where']} (n={report['n']})" for report in columns]
        lines += ["", f"| {suite} | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
        for name in columns[0]["figures"]:
            lines.append(f"| {name} | " + " | ".join(cell(report, name) for report in columns) + " |")
    return "\n".join(lines)


def cell(report: Report, name: str) -> str:
    """A figure and, in brackets, its ceiling."""
    if name not in report["figures"]:
        return ""
    ceiling = report["ceiling"].get(name)
    return f"{report['figures'][name]:.3g}" + ("" if ceiling is None else f" ({ceiling:.3g})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a folder of weights (default: the bundled ones)")
    parser.add_argument("--out", type=Path, required=True, help="the file of reports, one JSON object a line")
    parser.add_argument("--n", type=int, default=100, help="clips at the first size and rate")
    parser.add_argument("--few", type=int, default=16, help="clips at the others")
    parser.add_argument("--suites", nargs="+", default=OPERATIONS, choices=OPERATIONS)
    parser.add_argument("--sizes", nargs="+", default=["64x64", "112x64", "64x112"])
    parser.add_argument("--fps", nargs="+", type=float, default=[8.0, 12.0])
    parser.add_argument("--sheet", type=Path, help="where a picture of restyling over `denoise` goes")
    parser.add_argument("--fast", action="store_true", help="in 4 steps without guidance")
    parser.add_argument("--threads", type=int, help="of torch")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    generator = BundledGenerator(model=pipeline.load_bundled(args.weights, fast=args.fast))
    if args.sheet:
        run_suite("restyle", 2, model=generator, sheet=args.sheet)
    for item in missing(args):
        size, fps = item["where"].removesuffix(" fps").split(", ")
        width, height = (int(side) for side in size.split("x"))
        report = run_suite(item["suite"], item["n"], model=generator, size=two_seconds((width, height), float(fps)))
        with args.out.open("a") as file:
            file.write(json.dumps(item | report) + "\n")
        sys.stderr.write(f"{item['suite']}, {item['where']}: {report['figures']}\n")
    sys.stdout.write(tables(measured(args.out)) + "\n")


if __name__ == "__main__":
    main()
