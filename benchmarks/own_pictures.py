"""Whether a thing that a model has no word for stays what it is when a picture of it is animated.

    python benchmarks/own_pictures.py --cutouts FOLDER/cutouts.safetensors             # `sora world FOLDER --fetch`
    python benchmarks/own_pictures.py --cutouts ... --fast --weights FOLDER --sheet out.png
    python benchmarks/own_pictures.py --cutouts ... --rest rest.safetensors            # what training may see

First frames of scenes with one of NEVER_SEEN, animated with the scene's caption, of which the noun is an unknown word.
*like*: how well the thing's rectangle of the first frame is found again in a later one, wherever it may be (the largest
normalised correlation of colours; 1: the same picture), beside the true clips', whose things walk and turn, and those
through the codec behind their own first frame.
"""

from __future__ import annotations

import argparse
from itertools import count
from pathlib import Path

import torch
import torch.nn.functional as F
from sora_nodes.sora_core import checkpoints, pipeline
from sora_nodes.sora_core.editing import Keyframe, animate, stitch
from sora_nodes.sora_core.evaluation.bundled import BundledGenerator
from sora_nodes.sora_core.evaluation.joins import coded_frames, prompt_of
from sora_nodes.sora_core.evaluation.making import clip_of, two_seconds
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import contact_sheet, image_to_video
from sora_nodes.sora_core.safety.doors import save_sheet
from sora_nodes.sora_core.world import ClipShape, Cutouts, Scene, load_cutouts, sample_scene, truth
from sora_nodes.sora_core.world.truth import FIRST
from table import show
from torch import Tensor

NEVER_SEEN = (
    "cat", "car", "house", "octopus", "burger", "rocket", "robot", "tree", "penguin", "teddy bear", "dinosaur",
    "sailing boat", "crab", "castle", "guitar", "apple",
)  # fmt: skip
MOTIONS = ("still", "left", "right", "bounce")
"""in which a thing stays as large as it is"""
LEAST = 300
"""pixels of a thing in the first frame"""
BEGIN = 990_000_000
"""seed of the first scene; no training comes this far"""
STEPS = 12
COLUMNS = ("weights", "like, frame 5", "frame 9", "frame 17", "frame 17, still", "moving")


def shown(scene: Scene, size: VideoSize, cutouts: Cutouts) -> Tensor:
    """Which pixels [H,W] of the first frame show a thing."""
    shape = ClipShape(frames=1, height=size.height, width=size.width, fps=size.fps)
    return truth(scene, shape, cutouts).ids[0] >= FIRST


def scenes_of(n: int, size: VideoSize, cutouts: Cutouts) -> list[Scene]:
    """n scenes, every noun as often as another."""
    found: list[Scene] = []
    most = -(-n // len(NEVER_SEEN))
    for seed in count(BEGIN):
        scene = sample_scene(seed, family="single", held_out=None, nouns=NEVER_SEEN)
        name, motion = scene.things[0].shape, scene.things[0].motion
        often = sum(other.things[0].shape == name for other in found)
        if name in NEVER_SEEN and motion in MOTIONS and often < most and shown(scene, size, cutouts).sum() >= LEAST:
            found.append(scene)
        if len(found) == n:
            break
    return found


def likeness(patch: Tensor, frame: Tensor) -> float:
    """The largest normalised correlation of a patch [h,w,3] with any place of a frame [H,W,3]."""
    patch, frame = patch.movedim(-1, 0)[None], frame.movedim(-1, 0)[None]
    patch = patch - patch.mean((2, 3), keepdim=True)
    cells = torch.ones(3, 1, *patch.shape[2:])
    sums, squares = (F.conv2d(x, cells, groups=3) for x in (frame, frame.square()))
    deviation = (squares - sums.square() / cells[0].numel()).sum(1).clamp(min=1e-4).sqrt()
    return float((F.conv2d(frame, patch)[:, 0] / deviation / patch.norm()).max())


def row(name: str, scenes: list[Scene], clips: list[Tensor], size: VideoSize, cutouts: Cutouts) -> tuple[object, ...]:
    """Means over the clips of what stays of their things."""
    found = []
    for scene, frames in zip(scenes, clips, strict=True):
        y, x = shown(scene, size, cutouts).nonzero(as_tuple=True)
        patch = frames[0, y.min() : y.max() + 1, x.min() : x.max() + 1]
        found.append([likeness(patch, frames[i]) for i in (4, 8, 16)])
    likes, stands = torch.tensor(found), torch.tensor([scene.things[0].motion == "still" for scene in scenes])
    return name, *likes.mean(0).tolist(), float(likes[stands, 2].mean()), float(likes[~stands, 2].mean())


def write_rest(path: Path, out: Path) -> None:
    """A file of cut-outs without those of NEVER_SEEN."""
    file = checkpoints.load(path)
    nouns = [noun for noun in file.config["nouns"] if noun not in NEVER_SEEN]
    names = [noun.replace(" ", "_") for noun in nouns]
    checkpoints.save(out, {name: file.tensors[name] for name in names}, config={"nouns": nouns})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cutouts", type=Path, required=True)
    parser.add_argument("--rest", type=Path, help="write the pictures of all other nouns there, and end")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--n", type=int, default=32)
    parser.add_argument("--sheet", type=Path, help="where a picture of the clips goes")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.rest is not None:
        write_rest(args.cutouts, args.rest)
        return
    cutouts, size = load_cutouts(args.cutouts), two_seconds((192, 112))
    model = pipeline.load_bundled(args.weights, fast=args.fast)
    generator = BundledGenerator(model=model if args.fast else model.with_settings(steps=STEPS))
    scenes = scenes_of(args.n, size, cutouts)
    truths = [clip_of(scene, size, cutouts) for scene in scenes]
    edits = [animate([Keyframe(image=clip[:1], frame_idx=0)], model.codec, size=size) for clip in truths]
    grids = generator.edit(edits, [prompt_of(scene) for scene in scenes], list(range(len(edits))))
    made = [stitch(edit, grid, model.codec) for edit, grid in zip(edits, grids[:, None], strict=True)]
    coded = [coded_frames(generator, clip, [slice(0, 1)]) for clip in truths]
    clips = {"true clips": truths, "true clips, coded": coded, "animated": made}
    rows = [row(name, scenes, frames, size, cutouts) for name, frames in clips.items()]
    if args.sheet is not None:
        save_sheet(
            args.sheet,
            contact_sheet([image_to_video(clip) for pair in zip(truths, made, strict=True) for clip in pair], 6),
        )
    show(f"{len(scenes)} pictures of things never seen, {size.width}x{size.height}", COLUMNS, rows, as_json=args.json)


if __name__ == "__main__":
    main()
