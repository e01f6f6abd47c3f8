"""Whether a thing stays one while its clip goes on: clips that the model made itself, extended, and the share of new
frames in which the thing's colour stands in two places.

    python benchmarks/doubles.py --overlaps 4 8 --seeds 5 900

Twelve prompts, seven with a thing that goes left or right. A frame in which the thing itself has a gap counts too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.editing import Clip, extend, stitch
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import video_to_image
from sora_nodes.sora_core.perception.classifier import AttributeClassifier, load_classifier
from torch import Tensor

PROMPTS = (
    "a red ball rolls to the left on grass at sunset.",
    "a blue cube slides to the left on snow at sunset.",
    "a yellow box slides to the left on grass at night.",
    "a green ball rolls to the right on sand at noon.",
    "a purple cone slides to the right on grass at noon.",
    "a red cube stands still on sand at noon.",
    "a blue ball bounces up and down on wood at noon.",
    "a yellow ball rolls to the left on wood at noon.",
    "a red cylinder spins on snow at noon.",
    "a green cube slides to the right on snow at sunset.",
    "a blue ring rolls to the left on sand at noon.",
    "a red cone stands still on grass at night.",
)
NEAR = 0.45
"""of the thing's own distance from grey, within which a pixel has its colour"""
GAP = 2
"""columns without that colour that part two things"""
LEAST = 0.3
"""of the larger thing's pixels, from which on the smaller one counts"""


def coloured(frames: Tensor, x: float, y: float) -> Tensor:
    """Which pixels of frames [F,H,W,3] have the colour of what is at a place (picture fractions) of the first one."""
    row, column = int(y * frames.shape[1]), int(x * frames.shape[2])
    patch = frames[0, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].reshape(-1, 3)
    vivid = patch[(patch.amax(1) - patch.amin(1)).argsort(descending=True)[:8]].mean(0)
    tint = vivid - vivid.mean()
    return (frames - frames.mean(-1, keepdim=True) - tint).norm(dim=-1) < NEAR * tint.norm()


def things(mask: Tensor) -> int:
    """How many things stand side by side in a mask [H,W]."""
    counts, gap = [0], 0
    for pixels in mask.sum(0).tolist():
        if pixels and gap >= GAP and counts[-1]:
            counts.append(0)
        gap = 0 if pixels else gap + 1
        counts[-1] += pixels
    return sum(count >= LEAST * max(counts) > 0 for count in counts)


@torch.no_grad()
def doubled(
    model: pipeline.SoraModel,
    classifier: AttributeClassifier,
    clips: Sequence[Tensor],
    overlap: int,
    seed: int,
    seconds: float,
    fps: float,
) -> tuple[float, Tensor]:
    """The share of new frames with more than one thing, and a sheet [H,W,3] of every fourth frame."""
    share, rows = 0.0, []
    for i, (prompt, frames) in enumerate(zip(PROMPTS, clips, strict=True)):
        edit = extend(Clip(image=frames, fps=fps), model.codec, seconds=seconds, overlap=overlap)
        longer = stitch(edit, pipeline.sample_edit(model, edit, prompt, seed=seed + i), model.codec)
        new = longer[len(frames) - 1 :]
        place = classifier.follow((new[:1] * 2 - 1).permute(3, 0, 1, 2)[None])[0, 0].tolist()
        counts = [things(mask) for mask in coloured(new, *place)[1:]]
        share += sum(count > 1 for count in counts) / len(counts) / len(clips)
        rows.append(torch.cat(list(longer[::4]), 1))
    return share, torch.cat(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a folder of weights (default: the bundled ones)")
    parser.add_argument("--overlaps", nargs="+", type=int, default=[4, 8], help="frames that the new part sees")
    parser.add_argument("--seeds", nargs="+", type=int, default=[5, 900])
    parser.add_argument("--seconds", type=float, default=2.0, help="that are made")
    parser.add_argument("--size", default="112x64", metavar="WxH")
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--fast", action="store_true", help="extend in 4 steps without guidance")
    parser.add_argument("--sheet", type=Path, help="a picture of the last extensions")
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    model, classifier = pipeline.load_bundled(args.weights), load_classifier()
    size = VideoSize(frames=round(2 * args.fps) + 1, height=height, width=width, fps=args.fps)
    clips = [video_to_image(pipeline.sample_video(model, [p], size, seed=100 + i)) for i, p in enumerate(PROMPTS)]
    if args.fast:
        model = pipeline.load_bundled(args.weights, fast=True)
    for overlap in args.overlaps:
        for seed in args.seeds:
            share, sheet = doubled(model, classifier, clips, overlap, seed, args.seconds, args.fps)
            sys.stdout.write(json.dumps({"overlap": overlap, "seed": seed, "doubled": round(share, 3)}) + "\n")
            if args.sheet:
                Image.fromarray((sheet * 255).round().byte().numpy()).save(args.sheet)


if __name__ == "__main__":
    main()
