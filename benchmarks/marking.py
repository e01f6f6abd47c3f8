"""What the watermark and the signature cost: processor time and peak memory of writing a clip with and without them.

    python benchmarks/marking.py --size 1280x720 --seconds 60 --turns 6

The clip is a drawn picture that moves, made as it is written. Time: one process with one thread writes short clips of
all kinds in turns, so that what else a machine does falls on all alike; a cost is the median of a turn's quotients of
processor time. Memory: processes of their own write the whole clip, and a quarter of it, to show whether it grows.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from sora_nodes.sora_core.media import publish
from sora_nodes.sora_core.safety.certificates import development_credentials
from sora_nodes.sora_core.safety.doors import Protection, guards_for
from sora_nodes.sora_core.safety.provenance import can_sign
from sora_nodes.sora_core.training.pictures import leaves
from torch import Tensor

FPS, CHUNK, ROOM = 24.0, 8, 64
ROWS = ("plain", "marked", "marked, signed")


def frames(width: int, height: int, count: int) -> Iterator[Tensor]:
    """A picture that moves by a pixel a frame, uint8 chunks [F,H,W,3]."""
    side = max(width, height) + ROOM
    picture = (leaves(1, side, torch.Generator().manual_seed(0), torch.device("cpu"))[0] * 255).byte().permute(1, 2, 0)
    for begin in range(0, count, CHUNK):
        shifts = [(i % ROOM, i // 2 % ROOM) for i in range(begin, min(count, begin + CHUNK))]
        yield torch.stack([picture[y : y + height, x : x + width] for x, y in shifts])


def write(row: str, size: str, seconds: float, folder: Path) -> float:
    """Write one clip; seconds of processor time."""
    width, height = (int(part) for part in size.split("x"))
    protection = Protection(
        review=False, watermark="marked" in row, sign="signed" in row and can_sign(),
        credentials=development_credentials(folder) if can_sign() else None,
    )  # fmt: skip
    guards = guards_for(protection, fps=FPS)
    began = time.process_time()
    publish(folder / "clip.mp4", frames(width, height, round(seconds * FPS)), fps=FPS, guards=guards)
    return time.process_time() - began


def peak(size: str, seconds: float) -> float:
    """MiB that a process takes at most that writes a clip marked and signed."""
    command = [sys.executable, __file__, "--row", ROWS[-1], "--size", size, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - this file itself
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1280x720", help="width and height in pixels")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the clip whose memory is measured")
    parser.add_argument("--turns", type=int, default=6, help="times that all kinds are written")
    parser.add_argument("--turn-seconds", type=float, default=4.0, help="of the clips whose time is measured")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    say = sys.stdout.write
    with TemporaryDirectory() as name:
        folder = Path(name)
        if args.row:
            write(args.row, args.size, args.seconds, folder)
            say(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n")
            return
        say(f"{args.size}, {FPS:g} fps{'' if can_sign() else '; c2pa-python is missing: nothing is signed'}\n")
        for row in ROWS:
            write(row, args.size, CHUNK / FPS, folder)
        turns = [[write(row, args.size, args.turn_seconds, folder) for row in ROWS] for _ in range(args.turns)]
    for i, row in enumerate(ROWS):
        costs = [turn[i] / turn[0] - 1 for turn in turns]
        least = min(turn[i] for turn in turns)
        say(f"{row:16}{least:8.2f} s cpu at least, cost {statistics.median(costs):+7.1%} ")
        say(f"({min(costs):+.1%} to {max(costs):+.1%})\n")
    for seconds in (args.seconds, args.seconds / 4):
        say(f"{ROWS[-1]:16}{seconds:6.0f} s of clip{peak(args.size, seconds):8.0f} MiB at most\n")


if __name__ == "__main__":
    main()
