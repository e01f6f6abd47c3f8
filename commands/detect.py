"""`sora detect FILE`: was it made here? The watermark first, then the classifier; the exit code is 1 where it was."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import say

if TYPE_CHECKING:
    from torch import Tensor

GENERATED = 1
STILLS = {".png", ".webp", ".jpg", ".jpeg"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", help="videos or pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core.safety.detect import detect

    found = [detect(frames_of(path)) for path in args.file]
    for path, one in zip(args.file, found, strict=True):
        say(json.dumps({"file": str(path), **asdict(one)}) if args.json else f"{path}: {one.sentence()}")
    return GENERATED if any(one.generated for one in found) else 0


def frames_of(path: Path) -> Iterator[Tensor]:
    """The frames of a video or picture, streamed."""
    from ..sora_core.media import iter_frames, read_image

    if path.suffix.lower() in STILLS:
        yield read_image(path)
    else:
        yield from iter_frames(path, 16)
