"""`sora generate "PROMPT"`: one call to the pipeline, with a name for the file where none is given."""

from __future__ import annotations

import argparse
import json
import secrets
from pathlib import Path
from typing import Any

from ..sora_core.errors import InputError
from ..sora_core.files import check_writable
from .shared import FAST, asked_sampling, free_name, given, names_released, size
from .terminal import ProgressLine, duration, note, note_kernels, say, warn

STILLS = (".png", ".jpg", ".jpeg", ".webp")
SIZE = (256, 144)
"""width and height where none is asked for: what the refiner brings a draft of the trained size up to"""
ASKED = ("negative", "seconds", "size", "fps", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="+", help="what to show, in your words and in quotes")
    parser.add_argument("--seconds", type=float, help="length of the video; 0 makes a still")
    parser.add_argument("--size", type=size, metavar="WxH", help="width and height in pixels, any (default: 256x144)")
    parser.add_argument("--fps", type=float, help="frames per second, any")
    parser.add_argument("--steps", type=int, help="sampling steps: more are slower and finer")
    parser.add_argument("--cfg", type=float, help="how firmly the prompt is followed; 1 is off")
    parser.add_argument("--fast", action="store_true", help=FAST)
    parser.add_argument("--seed", type=int, help="the same seed gives the same video (default: a new one each time)")
    parser.add_argument(
        "--no-expand", action="store_true", help="sample the prompt as it stands, not a long caption of it"
    )
    parser.add_argument(
        "--no-refine", action="store_true", help="sample a large size as it is, not small and brought up by the refiner"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the file's name")
    parser.add_argument("--negative", help="what not to show")
    parser.add_argument("--device", default="cpu", help="where the weights run: cpu (default), cuda, cuda:1")
    parser.add_argument(
        "--preview",
        type=Path,
        metavar="FILE",
        help="an early look: a small .mp4, written every few seconds of sampling",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="FILE",
        help="where to: .mp4, or .png for a still (default: a new name in output/)",
    )


@names_released()
def execute(args: argparse.Namespace) -> int:
    asked = given(args, ASKED)
    if len(args.prompt) > 1:
        raise InputError(f'put the prompt in quotes: sora generate "{" ".join(args.prompt)}"')
    prompt = args.prompt[0]
    sampling = asked_sampling(args)
    if args.out is not None and args.out.suffix.lower() in STILLS:
        if asked.get("seconds"):
            raise InputError(f"{args.out} is a picture and --seconds {asked['seconds']:g} asks for a video; give .mp4")
        asked["seconds"] = 0.0
    asked.setdefault("seed", secrets.randbelow(2**32))
    asked.setdefault("size", SIZE)
    out = args.out or free_name(prompt, ".png" if is_still(asked) else ".mp4")
    check_writable(out)

    from ..sora_core import pipeline

    settings = None if args.fast else pipeline.DEFAULTS.sampling.with_(**sampling)
    with ProgressLine("sampling") as progress:
        result = pipeline.generate(
            prompt, out=out, settings=settings, fast=args.fast, expand=not args.no_expand, refine=not args.no_refine,
            device=args.device, progress=progress, warn=warn, tell=note, preview=args.preview, **asked,
        )  # fmt: skip
    if args.json:
        made = {"file": str(result.path), "seed": result.seed, "caption": result.caption}
        say(json.dumps({**made, "seconds": {name: round(t, 3) for name, t in result.seconds_taken.items()}}))
    else:
        say(str(result.path))
    note(f"{result.size}, seed {result.seed}, made in {duration(sum(result.seconds_taken.values()))}")
    note_kernels(args.device)
    return 0


def is_still(asked: dict[str, Any]) -> bool:
    """Whether so few seconds at that rate are one frame. Raises InputError for seconds or a rate that cannot be."""
    from ..sora_core.grid import frames_for
    from ..sora_core.settings import DEFAULTS

    return frames_for(asked.get("seconds", DEFAULTS.seconds), asked.get("fps", DEFAULTS.fps)) == 1
