"""`sora extend CLIP "PROMPT" --seconds 2`: a clip goes on, or begins earlier; its own frames stay as they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from .edit_options import add_options, edited, look, prepared, working
from .shared import names_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="the video to extend")
    parser.add_argument("prompt", nargs="?", default="", help="what happens in the new part")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the new part (default: 2)")
    parser.add_argument("--backward", action="store_true", help="make what came before instead of what comes after")
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    model, out = prepared(args, [args.clip], "extended")

    from ..sora_core.editing import extend
    from ..sora_core.editing.extend import Direction
    from ..sora_core.editing.sound import begins
    from ..sora_core.editing.strides import bundled_overlap

    clip = working(args.clip, model)
    way: Direction = "backward" if args.backward else "forward"
    overlap = bundled_overlap(clip.fps, model.geometry)
    edit = extend(clip, model.codec, seconds=args.seconds, direction=way, overlap=overlap)
    seen = [look(args, clip.source, at_end=not args.backward)]
    return edited(args, model, edit, out, seen=seen, sounds=[(args.clip, begins(edit))], parents=[args.clip])
