"""`sora restyle CLIP "PROMPT"`: the motion of a clip in another setting or style."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..sora_core.errors import InputError
from .edit_options import add_options, edited, look, prepared, working
from .shared import names_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="the video whose motion is kept")
    parser.add_argument("prompt", help="what it becomes")
    parser.add_argument("--denoise", type=float, help="how much is made anew, above 0 and at most 1 (default: 0.85)")
    add_options(parser, fast=False)


@names_released()
def execute(args: argparse.Namespace) -> int:
    if args.denoise is not None and not 0 < args.denoise <= 1:
        raise InputError(f"--denoise is above 0 and at most 1, not {args.denoise:g}")
    model, out = prepared(args, [args.clip], "restyled")

    from ..sora_core.editing import restyle

    clip = working(args.clip, model)
    edit = restyle(clip, model.codec, **({} if args.denoise is None else {"denoise": args.denoise}))
    seen = [look(args, clip.source, at_end=False)]
    return edited(args, model, edit, out, seen=seen, sounds=[(args.clip, 0.0)], parents=[args.clip])
