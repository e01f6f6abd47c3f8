"""`sora connect A B`: both clips whole, and a transition between them."""

from __future__ import annotations

import argparse
from pathlib import Path

from .edit_options import add_options, edited, names_released, prepared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, help="the video that comes first")
    parser.add_argument(
        "second", type=Path, help="the video that comes second, brought to the size and rate of the first"
    )
    parser.add_argument("prompt", nargs="?", default="", help="what happens between them")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of the transition (default: 1)")
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    model, out = prepared(args, [args.first, args.second], "connected")

    from ..sora_core.editing import connect
    from ..sora_core.media import FrameSource
    from ..sora_core.pipeline.edit_files import at, enlarged, rated, working_clip

    first = working_clip(args.first, model)
    second = working_clip(args.second, model, like=first)
    edit = connect(first.small, second.small, model.codec, seconds=args.seconds)
    count = first.own.length
    ending = at(rated(second.own, first.own.fps), first.own.height, first.own.width)
    after = edit.frames - ending.length

    def timeline(result: FrameSource) -> list[FrameSource]:
        return [first.own, enlarged(result, count, after, first.own), ending]

    sounds = [(args.first, 0.0), (args.second, after / edit.fps)]
    return edited(args, model, edit, out, timeline, sounds=sounds, parents=[args.first, args.second])
