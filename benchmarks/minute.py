"""A minute of the bundled model, made from a list of prompts by Sora Long Video and looked at second by second.

    python benchmarks/minute.py --out minute.mp4 --sheet docs/images/minute.webp

The sheet has a frame a second. Of each two seconds: how far brightness, contrast and saturation are from those of the
first two, and whether the classifier reads the subject's colour and shape as the prompt says.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from sora_nodes import cli
from sora_nodes.sora_core.evaluation import measures
from sora_nodes.sora_core.media import FileSource, as_image, frames_to_video
from sora_nodes.sora_core.perception.classifier import load_classifier

COLUMNS, SCALE = 10, 1.5
MOTIONS = ("bounces", "spins", "stands still", "bounces", "spins")


def story(seconds: int, subject: str, place: str) -> str:
    """A segment every two seconds; the motion changes every other one, all else stays."""
    return "\n".join(f"2: {subject} {MOTIONS[i // 2 % len(MOTIONS)]} {place}" for i in range(seconds // 2))


def graph(text: str, seed: int, steps: int, side: int) -> dict[str, Any]:
    """The workflow, in the form of ComfyUI's interface for programs."""

    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    sampler = {"steps": steps, "cfg": 2.0, "sampler_name": "dpmpp_2m", "scheduler": "simple", "overlap": 8}
    size = {"aspect": "square 1:1", "short_side": side, "width": side, "height": side, "seconds": 2.0, "fps": 8.0}
    return {
        "1": node("SoraLoadModel", model="bundled"),
        "2": node("SoraNoiseGrid", vae=["1", 2], **size),
        "3": node("SoraLongVideo", model=["1", 0], clip=["1", 1], vae=["1", 2], latent=["2", 0], segments=text,
                  seed=seed, **sampler),
        "4": node("SoraDecodeVideo", samples=["3", 0], vae=["1", 2], fps=0.0, watermark=False),
        "5": node("SoraSaveVideo", video=["4", 0], filename_prefix="minute"),
    }  # fmt: skip


def make(out: Path, text: str, seed: int, steps: int, side: int) -> None:
    with TemporaryDirectory(dir=out.absolute().parent) as folder:
        workflow = Path(folder) / "minute.json"
        workflow.write_text(json.dumps(graph(text, seed, steps, side)))
        if cli.main(["run", str(workflow), "--out", str(Path(folder) / "out")]):
            raise SystemExit("the minute could not be made")
        next(Path(folder).glob("out/*.mp4")).replace(out)


def figures(out: Path, colour: str, shape: str) -> list[dict[str, Any]]:
    """Of each two seconds: appearance beside that of the first two, and whether the subject is read as it was asked
    for."""
    classifier, rows = load_classifier(), []
    with FileSource(out) as source:
        step = round(2 * source.fps)
        first = measures.appearance(as_image(source.read(0, step)))
        for at in range(0, source.length - step + 1, step):
            frames = source.read(at, at + step)
            drift = (measures.appearance(as_image(frames)) - first).tolist()
            reading = classifier.read(frames_to_video(frames), source.fps)
            right = reading.matches("colour", [colour])[0] and reading.matches("shape", [shape])[0]
            names = ("brightness", "contrast", "saturation")
            rows.append({"second": at / source.fps, "subject": right}
                        | {name: round(value, 4) for name, value in zip(names, drift, strict=True)})  # fmt: skip
    return rows


def sheet(out: Path, path: Path) -> None:
    """A frame a second, ten to a row."""
    with FileSource(out) as source:
        step = round(source.fps)
        pictures = [Image.fromarray(source.read(i, i + 1)[0].numpy()) for i in range(0, source.length - step + 1, step)]
    side = round(pictures[0].width * SCALE), round(pictures[0].height * SCALE)
    whole = Image.new("RGB", (COLUMNS * side[0], -(-len(pictures) // COLUMNS) * side[1]))
    for i, picture in enumerate(pictures):
        place = (i % COLUMNS * side[0], i // COLUMNS * side[1])
        whole.paste(picture.resize(side, Image.Resampling.BICUBIC), place)
    whole.save(path, quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("minute.mp4"), help="the video, made where it is not there")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--colour", default="red")
    parser.add_argument("--shape", default="ball")
    parser.add_argument("--place", default="on grass at noon")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--side", type=int, default=112, help="pixels")
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    if not args.out.exists():
        make(
            args.out, story(args.seconds, f"a {args.colour} {args.shape}", args.place), args.seed, args.steps, args.side
        )
    rows = figures(args.out, args.colour, args.shape)
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
    largest = {name: max(abs(row[name]) for row in rows) for name in ("brightness", "contrast", "saturation")}
    share = sum(row["subject"] for row in rows) / len(rows)
    sys.stdout.write(json.dumps({"subject right": round(share, 3), "largest drift": largest}) + "\n")
    if args.sheet:
        sheet(args.out, args.sheet)


if __name__ == "__main__":
    main()
