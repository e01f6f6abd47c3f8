"""A file extended again and again by `sora extend`: do light, contrast, colour and grain of the newest second hold?

    python benchmarks/generations.py                       # twenty times a second, 192x112
    python benchmarks/generations.py --times 4 --prompt "a blue cube stands still on snow at noon" --sheet out.png

Each time the file is decoded, gone on with, marked and encoded anew, as a person does it who extends what was extended.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from sora_nodes.cli import main as sora
from sora_nodes.sora_core.evaluation.measures import appearance
from sora_nodes.sora_core.media import contact_sheet, read_video
from sora_nodes.sora_core.safety.doors import save_sheet
from table import show

COLUMNS = ("extensions", "light", "contrast", "colour", "grain, levels")
SHOWN = (0, 1, 2, 5, 10, 20, 40)


def grain(frames: torch.Tensor) -> float:
    """Deviation of what is finer than three pixels in the luma of frames uint8 [F,H,W,3], in levels, in the half of the
    picture that has least of it."""
    grey = frames.float().mean(-1)[:, None]
    fine = (grey - F.avg_pool2d(grey, 3, 1, 1, count_include_pad=False)).square()
    return float(F.avg_pool2d(fine, 8).flatten().quantile(0.5).sqrt())


def ran(*words: str) -> None:
    """A command. Raises SystemExit where it fails."""
    if code := sora(list(words)):
        raise SystemExit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt", default="a red cube stands still on grass at noon")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--size", default="192x112")
    parser.add_argument("--sheet", type=Path, help="where a picture of the newest frames goes")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows, seen, first = [], [], torch.zeros(3)
    with TemporaryDirectory() as folder:
        clip, longer = (str(Path(folder) / name) for name in ("clip.mp4", "longer.mp4"))
        ran("generate", args.prompt, "--size", args.size, "--seconds", "2", "--seed", "0", "--fast", "-o", clip)
        for number in range(args.times + 1):
            if number:
                ran("extend", clip, args.prompt, "--seconds", "1", "--seed", str(number), "-o", longer)
                Path(longer).replace(clip)
            if number in (*SHOWN, args.times):
                frames = read_video(clip).frames[-8:]
                look = appearance(frames.float() / 255)
                first = first if number else look
                rows.append((str(number), *(look - first).tolist(), grain(frames)))
                seen.append(frames[-1:])
                sys.stderr.write(f"{rows[-1]}\n")
    if args.sheet is not None:
        save_sheet(args.sheet, contact_sheet(seen, 4, captions=[f"{row[0]} extensions" for row in rows]))
    show(f"extended file to file, {args.size}", COLUMNS, rows, as_json=args.json)


if __name__ == "__main__":
    main()
