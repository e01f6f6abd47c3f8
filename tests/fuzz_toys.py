"""Broken files of every kind, from whole ones by a few blows: a few hundred in the tests, any number from the shell.

python tests/fuzz_toys.py --cases 50000          # each kind in processes of its own: a death or a hang is told too
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import media_toys as toys
import numpy as np
import torch
from PIL import Image
from sora_nodes.sora_core import checkpoints, media
from sora_nodes.sora_core.errors import SoraError

SLOW = 10.0
"""processor seconds that no case may take"""
PART = 500
"""cases to a process"""


def mutated(data: bytes, rng: np.random.Generator, *, within: int | None = None) -> bytes:
    """A file after one to eight blows: bytes are flipped, cut out, doubled or overwritten, in its first `within`."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if not out:
            break
        at, span = int(rng.integers(min(len(out), within or len(out)))), int(rng.integers(1, 24))
        match rng.integers(4):
            case 0:
                out[at] ^= int(rng.integers(1, 256))
            case 1:
                del out[at : at + span]
            case 2:
                out[at:at] = out[at : at + span]
            case 3:
                out[at : at + span] = bytes([int(rng.choice([0, 255]))]) * span
    return bytes(out)


def videos(folder: Path) -> list[bytes]:
    pictures = [toys.numbered(i, 16, 48) for i in range(6)]
    return [toys.film(folder / f"seed.{ending}", pictures).read_bytes() for ending in ("mp4", "mkv", "ts", "avi")]


def pictures(folder: Path) -> list[bytes]:
    pixels, found = (np.random.default_rng(0).random((12, 16, 3)) * 255).astype(np.uint8), []
    for form in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, form, **({"exif": Image.Exif()} if form != "GIF" else {}))
        found.append(buffer.getvalue())
    return found


def weights(folder: Path) -> list[bytes]:
    tensors = {"a": torch.ones(3, 4), "b": torch.ones(5).half()}
    checkpoints.save(folder / "seed.safetensors", tensors, config={"x": 1})
    return [(folder / "seed.safetensors").read_bytes()]


def read_weights(path: Path) -> None:
    for tensor in checkpoints.load(path).tensors.values():
        assert tensor.numel() >= 0


KINDS: dict[str, tuple[str, Callable[[Path], list[bytes]], Callable[[Path], object], int | None]] = {
    "videos": ("x.mp4", videos, lambda path: media.read_video(path, frames=8), None),
    "sounds": ("x.mp4", videos, media.read_sound, None),
    "pictures": ("x.png", pictures, media.read_pictures, None),
    "tags": ("x.png", pictures, media.read_metadata, None),
    "weights": ("x.safetensors", weights, read_weights, 300),
}
"""name of the file, whole files, what reads them, and the bytes at the beginning that are struck"""


def attack(kind: str, folder: Path, first: int, cases: int) -> None:
    """Read broken files `first` to `first + cases`; raises for anything but a SoraError, and for what takes long."""
    name, make, read, within = KINDS[kind]
    seeds, path = make(folder), folder / name
    for case in range(first, first + cases):
        path.write_bytes(mutated(seeds[case % len(seeds)], np.random.default_rng(case), within=within))
        began = time.process_time()
        try:
            read(path)
        except SoraError as error:
            assert str(error).endswith("."), error
        except Exception as error:
            raise AssertionError(f"{kind}, case {case}: {type(error).__name__}: {error}") from error
        assert time.process_time() - began < SLOW, f"{kind}, case {case} took long"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=50_000, help="of each kind")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--here", action="store_true", help="in this process")
    args = parser.parse_args()
    if args.here:
        with tempfile.TemporaryDirectory() as folder:
            attack(args.kind, Path(folder), args.first, args.cases)
        return 0
    bad = 0
    for kind in [args.kind] if args.kind else KINDS:
        for first in range(args.first, args.first + args.cases, PART):
            count = min(PART, args.first + args.cases - first)
            words = ["--here", "--kind", kind, "--first", str(first), "--cases", str(count)]
            try:
                done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, timeout=3600)
                last = (done.stderr.strip().splitlines() or ["no word"])[-1] if done.returncode else ""
            except subprocess.TimeoutExpired:
                last = "it hangs"
            if last:
                bad += 1
                sys.stdout.write(f"{kind} {first}-{first + count}: {last}\n")
        sys.stdout.write(f"{kind}: {args.cases} cases\n")
        sys.stdout.flush()
    return bool(bad)


if __name__ == "__main__":
    raise SystemExit(main())
