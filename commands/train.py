"""`sora train CONFIG`: resumes by itself where an earlier run of the same configuration stopped.

A configuration with the key `watermark` trains the watermark: it ends by the clock and does not resume. One with the
key `prompts` trains the classifier of prompts, in a minute.
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
    parser.add_argument("--out", type=Path, help="for the watermark and the classifier: folder of the weights")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core import training

    for key, stage in {"watermark": train_watermark, "prompts": train_prompts}.items():
        if has_key(args.config, key):
            return stage(args)
    with ProgressLine("training") as progress:
        training.run(args.config, progress=progress)
    return 0


def has_key(config: Path, key: str) -> bool:
    """Whether a readable configuration has a key; what is wrong with others is said by who reads them."""
    try:
        given = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(given, dict) and key in given


def train_watermark(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..sora_core.training import watermark

    run = watermark.read_training(args.config)
    run = run if args.minutes is None else replace(run, minutes=args.minutes)
    out = args.out or Path("output/training/watermark")
    say(str(watermark.train(run, out, device=args.device, start=args.start, report=note)))
    return 0


def train_prompts(args: argparse.Namespace) -> int:
    from ..sora_core.errors import InputError
    from ..sora_core.safety.words_classifier import ClassifierConfig, train_classifier

    try:
        config = ClassifierConfig(**json.loads(args.config.read_text(encoding="utf-8"))["prompts"])
    except TypeError as error:
        raise InputError(f"{args.config} is not a configuration of the classifier: {error}") from error
    out = args.out or Path("output/training/prompts")
    out.mkdir(parents=True, exist_ok=True)
    train_classifier(config).save(out / "prompts.safetensors", config)
    say(str(out / "prompts.safetensors"))
    return 0
