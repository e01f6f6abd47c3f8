"""`sora train CONFIG`: resumes by itself where an earlier run of the same configuration stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a configuration file")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core import training

    with ProgressLine("training") as progress:
        training.run(args.config, progress=progress)
    return 0
