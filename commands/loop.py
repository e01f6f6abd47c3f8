"""`sora loop CLIP`: the clip as it is, and new frames that lead from its end to its beginning."""

from __future__ import annotations

import argparse
from pathlib import Path

from .edit_options import add_options, edited, look, prepared, working
from .shared import names_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="the video to close into a loop")
    parser.add_argument("prompt", nargs="?", default="", help="what happens between end and beginning")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of the new part (default: 1)")
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    model, out = prepared(args, [args.clip], "loop")

    from ..sora_core.editing import loop_clip
    from ..sora_core.world.goes_on import returning

    clip = working(args.clip, model)
    edit = loop_clip(clip, model.codec, seconds=args.seconds)
    shown = look(args, clip.source)
    seen = [None if shown is None else returning(shown)]
    return edited(args, model, edit, out, seen=seen, sounds=[(args.clip, 0.0)], parents=[args.clip])
