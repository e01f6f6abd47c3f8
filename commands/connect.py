"""`sora connect A B`: both clips whole, and a transition between them."""

from __future__ import annotations

import argparse
from pathlib import Path

from .edit_options import add_options, edited, look, prepared, working
from .shared import names_released


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
    from ..sora_core.editing.sound import second_begins

    first = working(args.first, model)
    second = working(args.second, model, like=first)
    edit = connect(first, second, model.codec, seconds=args.seconds)
    sounds = [(args.first, 0.0), (args.second, second_begins(edit))]
    seen = [look(args, first.source), look(args, second.source, at_end=False)]
    return edited(args, model, edit, out, seen=seen, sounds=sounds, parents=[args.first, args.second])
