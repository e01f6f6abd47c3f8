"""`sora detect FILE`: was it made here? The watermark first, then the classifier.

The exit code is 1 where one was made here, and 2 where one could not be read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .judging import UNREAD, judge_each

if TYPE_CHECKING:
    from torch import Tensor

GENERATED = 1
STILLS = {".png", ".webp", ".jpg", ".jpeg"}
PICTURES = 16
"""of an animation that is no video, such as webp, by which it is judged"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", help="videos or pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core.safety.detect import detect

    found, unread = judge_each(args.file, lambda path: detect(frames_of(path)), as_json=args.json)
    return UNREAD if unread else GENERATED if any(one.generated for one in found) else 0


def frames_of(path: Path) -> Iterator[Tensor]:
    """The frames of a video or picture, streamed."""
    from ..sora_core.media import is_picture, iter_frames, read_pictures

    if path.suffix.lower() in STILLS or is_picture(path):
        yield read_pictures(path, most=PICTURES).frames
    else:
        yield from iter_frames(path, 16)
