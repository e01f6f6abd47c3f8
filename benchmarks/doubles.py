"""Whether a thing that goes left or right stays one, and on its way, while its clip goes on.

    python benchmarks/doubles.py                       # in stretches, as `sora extend` does it
    python benchmarks/doubles.py --at-once 4 8         # and all at once, behind so many frames
    python benchmarks/doubles.py --loop                # closed into a loop, told to come back or to go on

Clips of the world, of which the true rest is known, extended by as long again. *path*: how far the middle of its colour
is from where it truly is, in picture widths; *seam*: the same over the second to the fourth new frame; *two*: the share
of new frames in which its colour stands in two places (a frame in which the thing itself has a gap counts too). Of the
first half closed into a loop: *two*, and *leap*, how far the middle moves between two new frames at most.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count as count_from
from itertools import product
from pathlib import Path

import torch
from PIL import Image
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.editing import Clip, extend, loop_clip, stitch
from sora_nodes.sora_core.editing.strides import bundled_overlap
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.perception.classifier import AttributeClassifier, load_classifier
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from sora_nodes.sora_core.world.captions import Facts
from sora_nodes.sora_core.world.describe import facts_of
from sora_nodes.sora_core.world.expand import expanded_about
from sora_nodes.sora_core.world.goes_on import returning
from torch import Tensor

SEEN = 4
"""pixels of a thing's colour, at least, in every frame of a clip"""
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


@dataclass(frozen=True)
class Case:
    """A clip of twice the given length, of which the first half is given."""

    frames: Tensor
    facts: Facts
    seed: int
    place: list[float]
    """of the thing in the last given frame, in picture fractions"""

    @property
    def given(self) -> int:
        return len(self.frames) // 2 + 1

    def found(self, frames: Tensor) -> Tensor:
        """Where the thing's colour is, [F,H,W], in the frames after the given ones."""
        return coloured(torch.cat([self.frames[self.given - 1 : self.given], frames]), *self.place)[1:]


def cases(count: int, size: VideoSize, classifier: AttributeClassifier) -> list[Case]:
    """Clips whose thing goes left or right and is seen to the end."""
    found: list[Case] = []
    shape = ClipShape(frames=2 * size.frames - 1, height=size.height, width=size.width, fps=size.fps)
    for seed in count_from(60):
        scene = sample_scene(seed, family="single")
        if scene.things[0].motion in ("left", "right"):
            frames = render([scene], shape)[0].float() / 255
            half = frames[: size.frames]
            place = classifier.follow((half * 2 - 1).permute(3, 0, 1, 2)[None])[0, -1].tolist()
            case = Case(frames, facts_of(scene), seed, place)
            if case.found(frames[case.given :]).sum((1, 2)).min() >= SEEN:
                found.append(case)
        if len(found) == count:
            return found
    raise AssertionError


def middle(mask: Tensor) -> Tensor:
    """[F] of masks [F,H,W], in picture widths."""
    width = mask.shape[-1]
    return (mask.sum(1) * torch.arange(width)).sum(1) / mask.sum((1, 2)).clamp(min=1) / width


@torch.no_grad()
def measured(
    model: pipeline.SoraModel, clips: Sequence[Case], fps: float, at_once: int
) -> tuple[dict[str, float], Tensor]:
    """The figures, and a sheet [H,W,3] of every fourth frame. at_once: frames of overlap; 0: in stretches."""
    figures, rows = {"path": 0.0, "seam": 0.0, "two": 0.0}, []
    overlap = at_once or bundled_overlap(fps, model.geometry)
    for case in clips:
        given = Clip(image=case.frames[: case.given], fps=fps)
        edit = extend(given, model.codec, seconds=(case.given - 1) / fps, overlap=overlap)
        edit = replace(edit, strides=None) if at_once else edit
        prompt = expanded_about("", 0, [case.facts]).caption
        longer = stitch(edit, pipeline.sample_edit(model, edit, prompt, seed=case.seed), model.codec)[
            : len(case.frames)
        ]
        true, made = (case.found(frames[case.given :]) for frames in (case.frames, longer))
        error = (middle(made) - middle(true)).abs()
        figures["path"] += float(error.mean()) / len(clips)
        figures["seam"] += float(error[1:4].mean()) / len(clips)
        figures["two"] += sum(things(mask) > 1 for mask in made) / len(made) / len(clips)
        rows.append(torch.cat(list(longer[::4]), 1))
    return {name: round(value, 3) for name, value in figures.items()}, torch.cat(rows)


@torch.no_grad()
def closed(
    model: pipeline.SoraModel, clips: Sequence[Case], fps: float, seconds: float, *, back: bool
) -> tuple[dict[str, float], Tensor]:
    """The figures of loops that take so long to their beginning, and a sheet of every other new frame. back: the
    caption says that what goes somewhere comes back, as `sora loop` has it."""
    figures, rows = {"two": 0.0, "leap": 0.0}, []
    for case in clips:
        edit = loop_clip(Clip(image=case.frames[: case.given], fps=fps), model.codec, seconds=seconds)
        prompt = expanded_about("", 0, [returning(case.facts) if back else case.facts]).caption
        whole = stitch(edit, pipeline.sample_edit(model, edit, prompt, seed=case.seed), model.codec)
        made = case.found(whole[case.given :])
        figures["two"] += sum(things(mask) > 1 for mask in made) / len(made) / len(clips)
        figures["leap"] += float(middle(made).diff().abs().max()) / len(clips)
        rows.append(torch.cat(list(whole[case.given :: 2]), 1))
    return {name: round(value, 3) for name, value in figures.items()}, torch.cat(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a folder of weights (default: the bundled ones)")
    parser.add_argument("--n", type=int, default=12, help="clips")
    parser.add_argument("--at-once", nargs="+", type=int, default=[], help="frames of overlap, all made at once")
    parser.add_argument("--loop", action="store_true", help="close clips into loops instead")
    parser.add_argument("--size", default="112x64", metavar="WxH")
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--fast", action="store_true", help="in 4 steps without guidance")
    parser.add_argument("--sheet", type=Path, help="a picture of the last extensions")
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    model = pipeline.load_bundled(args.weights, fast=args.fast)
    size = VideoSize(frames=round(2 * args.fps) + 1, height=height, width=width, fps=args.fps)
    clips = cases(args.n, size, load_classifier())
    if args.loop:
        for seconds, back in product((1.0, 2.0), (False, True)):
            name = f"{seconds:g} s, {'back' if back else 'on'}"
            told(name, *closed(model, clips, args.fps, seconds, back=back), args.sheet)
        return
    for at_once in [*args.at_once, 0]:
        name = f"at once, overlap {at_once}" if at_once else "in stretches"
        told(name, *measured(model, clips, args.fps, at_once), args.sheet)


def told(name: str, figures: dict[str, float], sheet: Tensor, path: Path | None) -> None:
    sys.stdout.write(json.dumps({"made": name} | figures) + "\n")
    sys.stdout.flush()
    if path:
        Image.fromarray((sheet * 255).round().byte().numpy()).save(path)


if __name__ == "__main__":
    main()
