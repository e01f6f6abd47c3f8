"""What the watermark and the signature cost: processor time and peak memory of writing a clip with and without them.

    python benchmarks/marking.py --size 1280x720 --seconds 60

The clip is a drawn picture that moves, made as it is written. Each row is a process of its own with one thread; the
costs are shares of the plain row's processor time. A row of a quarter of the length shows whether memory grows.
"""

from __future__ import annotations

import argparse
import json
import resource
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


def frames(width: int, height: int, count: int) -> Iterator[Tensor]:
    """A picture that moves by a pixel a frame, uint8 chunks [F,H,W,3]."""
    side = max(width, height) + ROOM
    picture = (leaves(1, side, torch.Generator().manual_seed(0), torch.device("cpu"))[0] * 255).byte().permute(1, 2, 0)
    for begin in range(0, count, CHUNK):
        shifts = [(i % ROOM, i // 2 % ROOM) for i in range(begin, min(count, begin + CHUNK))]
        yield torch.stack([picture[y : y + height, x : x + width] for x, y in shifts])


def measure(args: argparse.Namespace) -> None:
    """One row, printed as JSON: seconds of processor time and the peak of memory in MiB."""
    torch.set_num_threads(1)
    width, height = (int(part) for part in args.size.split("x"))
    with TemporaryDirectory() as folder:
        protection = Protection(
            review=False, watermark="marked" in args.row, sign="signed" in args.row and can_sign(),
            credentials=development_credentials(Path(folder)) if can_sign() else None,
        )  # fmt: skip
        guards = guards_for(protection, fps=FPS)
        began = time.process_time()
        publish(Path(folder) / "clip.mp4", frames(width, height, round(args.seconds * FPS)), fps=FPS, guards=guards)
        spent = time.process_time() - began
    sys.stdout.write(
        json.dumps({"cpu": spent, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}) + "\n"
    )


def row(name: str, size: str, seconds: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--row", name, "--size", size, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - this file itself
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1280x720", help="width and height in pixels")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        return measure(args)
    sys.stdout.write(
        f"{args.size}, {FPS:g} fps{'' if can_sign() else '; c2pa-python is missing: nothing is signed'}" + "\n"
    )
    plain = row("plain", args.size, args.seconds)
    rows = [("plain", args.seconds), ("marked", args.seconds), ("marked, signed", args.seconds),
            ("marked, signed", args.seconds / 4)]  # fmt: skip
    for name, seconds in rows:
        found = plain if name == "plain" else row(name, args.size, seconds)
        cost = found["cpu"] / plain["cpu"] * args.seconds / seconds - 1
        sys.stdout.write(
            f"{name:16}{seconds:6.0f} s{found['cpu']:9.1f} s cpu{cost:+8.1%}{found['peak']:8.0f} MiB" + "\n"
        )
    return None


if __name__ == "__main__":
    main()
