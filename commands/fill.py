"""`sora fill CLIP --frames 10-20`: frames that are missing or spoilt are made anew; the others stay as they are."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ..sora_core.errors import InputError
from .edit_options import add_options, edited, look, prepared, working
from .shared import names_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="the video to mend")
    parser.add_argument("prompt", nargs="?", default="", help="what the clip shows")
    parser.add_argument("--frames", required=True, metavar="FIRST-LAST", help="frames to make anew, such as 10-20")
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    found = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", args.frames.strip())
    if not found:
        raise InputError(f"--frames takes FIRST-LAST, such as 10-20, not {args.frames!r}")
    first, last = int(found[1]), int(found[2] or found[1])
    model, out = prepared(args, [args.clip], "filled")

    import torch

    from ..sora_core.editing import fill
    from ..sora_core.editing.coding import frames_of
    from ..sora_core.editing.frames import window

    clip = working(args.clip, model)
    frames = frames_of(clip, model.codec)
    count = frames.length
    if last < first:
        raise InputError(f"--frames {args.frames}: the first frame comes first; say {last}-{first}")
    if last >= count:
        raise InputError(f"--frames {args.frames}: the clip has frames 0 to {count - 1}")
    missing = torch.zeros(count)
    missing[first : last + 1] = 1
    edit = fill(clip, model.codec, missing=missing)
    late = first < count - last - 1  # the longer side shows more
    around = window(frames, last + 1, count) if late else window(frames, 0, first)
    seen = [look(args, around, at_end=not late)]
    return edited(args, model, edit, out, seen=seen, sounds=[(args.clip, 0.0)], parents=[args.clip])
