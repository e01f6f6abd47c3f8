"""Whether clips come through reading and writing as they were: `python benchmarks/colour.py CLIP ...`.

A row per clip, in levels of 255, over its first frames: how far reading is from an accurate decode (swscale with
accurate rounding and full chroma), what one writing moves each channel's mean by, and what eight rounds of writing and
reading move it by.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import av
import numpy as np
import torch
from sora_nodes.sora_core.media import FileSource, read_video, write_video
from sora_nodes.sora_core.media.colour import ToRgb
from table import show
from torch import Tensor

ACCURATE = 4 | 0x2000 | 0x4000 | 0x40000
"""swscale's flags: bicubic, full chroma in and out, accurate rounding"""
ROUNDS = 8
FULL = 2
"""swscale's number of the full range"""


def accurate(source: FileSource, count: int) -> Tensor:
    """The first frames as swscale decodes them with care, uint8 [F,H,W,3]."""
    colours, found = ToRgb(source.display.colours), []
    with av.open(str(source.path)) as container:
        for frame in container.decode(video=0):
            matrix = {6: 5}.get(colours.matrix_of(frame), colours.matrix_of(frame))
            changed = frame.reformat(
                format="rgb24", src_colorspace=matrix, dst_colorspace=1 if matrix == 5 else 5,
                src_color_range=FULL if colours.is_full(frame) else 1, dst_color_range=FULL, interpolation=ACCURATE,
            )  # fmt: skip
            found.append(changed.to_ndarray())
            if len(found) == count:
                break
    return torch.from_numpy(np.stack(found))


def means(frames: Tensor) -> Tensor:
    """The mean of each channel, in chunks, so that no copy in floating point is made of all frames."""
    return torch.stack([frame.double().mean((0, 1)) for frame in frames]).mean(0)


def largest(values: Tensor) -> float:
    """The value that is furthest from 0, with its sign."""
    return float(values[values.abs().argmax()])


def row(path: Path, count: int, folder: Path) -> list[str | float]:
    """The figures of a clip."""
    source = FileSource(path)
    frames = read_video(path, frames=min(count, source.length)).frames
    reference = accurate(source, len(frames))
    apart = torch.stack([(a.double() - b).abs().mean((0, 1)) for a, b in zip(frames, reference, strict=True)]).mean(0)
    begun, shifts, copy = means(frames), [], folder / "round.mp4"
    for _ in range(ROUNDS):
        write_video(copy, frames, source.fps)
        frames = read_video(copy).frames
        shifts.append(means(frames) - begun)
    named = f"{path.name}, {source.width}x{source.height}, {len(frames)} frames"
    return [named, float(apart.max()), float(shifts[0][0]), largest(shifts[0]), largest(shifts[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=48, help="of each clip, at most (default: 48)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    columns = ["levels of 255", "from accurate", "red, one write", "any, one write", f"any, {ROUNDS} rounds"]
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(path, args.frames, Path(folder)) for path in args.clips]
    show("colour", columns, rows, as_json=args.json)


if __name__ == "__main__":
    main()
