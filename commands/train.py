"""`sora train CONFIG`: by steps, resuming where an earlier run of the same configuration stopped, or by the clock.

A configuration with the key `watermark` trains the watermark, one with the key `refiner` the refiner: both end by the
clock and do not resume. One with the key `prompts` trains the classifier of prompts, in a minute; one with the key
`detector` the detector of the bundled weights' look, in some minutes. One with the key `few_steps` distils the bundled
transformer, by steps, and resumes, or by the clock. One with the key `average` averages the weights of several runs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from ..sora_core.errors import InputError
from .terminal import ProgressLine, note, say

DEFAULTS = {"device": "cpu", "minutes": None, "workers": 2, "cutouts": None, "start": None}
"""of the options that not every training takes"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a configuration file")
    parser.add_argument("--device", help="where to train: cpu (default) or cuda")
    parser.add_argument("--minutes", type=float, help="train for so long in all, instead of the steps of the recipes")
    parser.add_argument("--workers", type=int, help="processes that render clips (default: 2)")
    parser.add_argument("--cutouts", type=Path, help="pictures of the world's nouns, as `sora world` packs them")
    parser.add_argument("--out", type=Path, help="folder of the weights (default: output/training/<configuration>)")
    parser.add_argument("--start", type=Path, help="weights to go on from: a folder, or the file of a small stage")
    parser.set_defaults(**DEFAULTS)


def execute(args: argparse.Namespace) -> int:
    began = time.monotonic()
    for key, (stage, takes) in STAGES.items():
        if has_key(args.config, key):
            check_options(args, key, takes)
            return stage(args)
    from ..sora_core import training

    folder = args.out or Path("output") / "training" / args.config.stem
    training.run(
        args.config,
        device=args.device,
        folder=folder,
        workers=args.workers,
        seconds=None if args.minutes is None else args.minutes * 60 - (time.monotonic() - began),
        cutouts=args.cutouts,
        start=args.start,
        say=lambda line: note(f"{time.monotonic() - began:6.1f} s  {line}"),
    )
    say(str(folder))
    return 0


def check_options(args: argparse.Namespace, key: str, takes: str) -> None:
    """Raises InputError for an option that this training would leave unheard."""
    for name, default in DEFAULTS.items():
        if getattr(args, name) != default and name not in takes.split():
            raise InputError(f"training with the key '{key}' takes no --{name}; leave it out.")


def has_key(config: Path, key: str) -> bool:
    """Whether a readable configuration has a key; what is wrong with others is said by who reads them."""
    try:
        given = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
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


def train_refiner(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..sora_core.training import refiner

    run = refiner.read_training(args.config)
    run = run if args.minutes is None else replace(run, minutes=args.minutes)
    out = args.out or Path("output/training/refiner")
    made = refiner.train(run, out, device=args.device, start=args.start, cutouts=args.cutouts, report=note)
    say(str(made))
    return 0


def train_prompts(args: argparse.Namespace) -> int:
    from ..sora_core.files import make_folder
    from ..sora_core.safety.words_classifier import ClassifierConfig, train_classifier
    from ..sora_core.training.fields import made, object_in

    config = made(ClassifierConfig, object_in(args.config, "prompts"), "prompts")
    out = args.out or Path("output/training/prompts")
    make_folder(out)
    train_classifier(config).save(out / "prompts.safetensors", config)
    say(str(out / "prompts.safetensors"))
    return 0


def train_detector(args: argparse.Namespace) -> int:
    from ..sora_core.training import detector
    from ..sora_core.training.fields import made, object_in

    run = made(detector.DetectorTraining, object_in(args.config, "detector"), "detector")
    with ProgressLine("making clips") as progress:
        path = detector.train(run, args.out or Path("output/training/detector"), progress)
    say(str(path))
    return 0


def average_weights(args: argparse.Namespace) -> int:
    from ..sora_core.training.average import average, read_shares

    say(str(average(read_shares(args.config), args.out or Path("output/training/average"))))
    return 0


def train_few_steps(args: argparse.Namespace) -> int:
    began = time.monotonic()
    from ..sora_core.pipeline import load_bundled
    from ..sora_core.training import few_steps
    from ..sora_core.world import load_cutouts

    run, out = few_steps.read_few_steps(args.config), args.out or Path("output/training/few_steps")
    model = load_bundled(args.start, device=args.device)
    made = few_steps.distil(
        run,
        model,
        out,
        first=load_bundled(args.start, device=args.device, fast=True).dit if run.further else None,
        cutouts=load_cutouts(args.cutouts, device=args.device) if args.cutouts else None,
        seconds=None if args.minutes is None else args.minutes * 60 - (time.monotonic() - began),
        say=lambda line: note(f"{time.monotonic() - began:6.1f} s  {line}"),
    )
    say(str(made))
    return 0


STAGES = {
    "watermark": (train_watermark, "device minutes start"),
    "refiner": (train_refiner, "device minutes start cutouts"),
    "prompts": (train_prompts, ""),
    "detector": (train_detector, ""),
    "average": (average_weights, ""),
    "few_steps": (train_few_steps, "device minutes start cutouts"),
}
"""what a key of the configuration asks to train, and the options that this takes"""
