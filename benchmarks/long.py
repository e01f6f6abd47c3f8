"""Long videos of the bundled model, segment by segment, in the measures of `sora eval --suite drift`: how far light,
contrast and colour drift, whether the subject is still right, and how large the steps between segments are.

    python benchmarks/long.py --n 4 --segments 4 10 --seconds 1 2 --sheet long.png
    python benchmarks/long.py --segments 4 --prompts "a red ball spins on sand" "a red ball spins on sand at noon"
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.editing import Shot, segment_counts, segment_edit, with_segment
from sora_nodes.sora_core.editing.strides import bundled_strides
from sora_nodes.sora_core.evaluation import BundledGenerator, measures, two_seconds
from sora_nodes.sora_core.evaluation.drift import MOTIONS, score
from sora_nodes.sora_core.evaluation.joins import coded_frames, prompt_of, sized
from sora_nodes.sora_core.evaluation.making import clip_of, held_out
from sora_nodes.sora_core.evaluation.statistics import MetricAccumulator, report
from sora_nodes.sora_core.grid import spans
from sora_nodes.sora_core.media import video_to_image
from sora_nodes.sora_core.perception.classifier import AttributeClassifier, load_classifier
from sora_nodes.sora_core.pipeline import SoraModel
from torch import Tensor

SIZE = two_seconds()


@torch.no_grad()
def long_videos(
    model: SoraModel, prompts: Sequence[str], segments: int, seconds: float, overlap: int, seed: int
) -> tuple[list[Tensor], list[int]]:
    """Frames [F,H,W,3] in 0..1 of a long video per prompt, and the first frames of their segments after the first."""
    geometry = model.geometry
    counts = segment_counts([Shot(prompt="", seconds=seconds)] * segments, SIZE.fps, geometry)
    cells = (SIZE.height // geometry.space_factor, SIZE.width // geometry.space_factor)
    whole = torch.zeros(len(prompts), geometry.channels, sum(counts), *cells)
    strides, seeds = bundled_strides(SIZE.fps, geometry), [seed + k for k in range(len(prompts))]
    for i in range(segments):
        edits = [
            segment_edit(part, counts, i, SIZE.fps, geometry, overlap=overlap, strides=strides)
            for part in whole.split(1)
        ]
        made = pipeline.sample_edits(model, edits, prompts, seeds=[each + 1000 * i for each in seeds])
        whole = with_segment(whole, counts, i, made, geometry, overlap=overlap)
    ends = spans(sum(counts), geometry).cumsum(0)
    seams = [int(ends[sum(counts[:i]) - 1]) for i in range(1, segments)]
    return [frames_of(model, latent[None]) for latent in whole], seams


def frames_of(model: SoraModel, latent: Tensor) -> Tensor:
    """Frames [F,H,W,3] of a latent, decoded as one stream."""
    video = torch.cat([chunk.cpu() for chunk in pipeline.decode_stream(model.codec, latent)], 2)
    return video_to_image(video)


def sheet(clips: Sequence[Tensor]) -> Tensor:
    """A row per clip, a frame a second, uint8 [H,W,3]."""
    rows = [torch.cat(list(clip[:: round(SIZE.fps)]), 1) for clip in clips]
    return (torch.cat(rows) * 255).round().byte()


def measured(
    args: argparse.Namespace,
    generator: BundledGenerator,
    classifier: AttributeClassifier,
    segments: int,
    seconds: float,
) -> dict[str, Any]:
    """The report of long videos of so many segments, beside true clips as long, sent through the codec."""
    figures, ceiling = MetricAccumulator(), MetricAccumulator()
    scenes = held_out(
        args.n, family="single", seed=args.seed, accept=lambda scene: scene.things[0].motion in args.motions
    )
    prompts = [prompt_of(scene) for scene in scenes]
    clips, seams = long_videos(generator.model, prompts, segments, seconds, args.overlap, args.seed)
    for clip, scene in zip(clips, scenes, strict=True):
        truth = coded_frames(generator, clip_of(scene, sized(SIZE, len(clip))))
        for metrics, shown in ((figures, clip), (ceiling, truth)):
            score(metrics, classifier, shown, scene, SIZE)
            for at in range(1, len(shown), generator.codec.geometry.time_factor):
                metrics.value("seam" if at in seams else "other meetings", measures.seam_ratio(shown, at))
            metrics.value("largest step", largest_step(shown))
    save_sheet(args, clips, segments, seconds)
    return {"segments": segments, "seconds": seconds} | report("long", args.n, figures, ceiling)


def drifts(args: argparse.Namespace, model: SoraModel, segments: int, seconds: float) -> dict[str, Any]:
    """How far the long video of each prompt drifts."""
    clips, _ = long_videos(model, args.prompts, segments, seconds, args.overlap, args.seed)
    save_sheet(args, clips, segments, seconds)
    rows = {}
    for prompt, clip in zip(args.prompts, clips, strict=True):
        figures = [*measures.drift(clip).tolist(), largest_step(clip)]
        rows[prompt] = dict(zip(("brightness", "contrast", "saturation", "largest step"), figures, strict=True))
    return {"segments": segments, "seconds": seconds, "rows": rows}


def largest_step(clip: Tensor) -> float:
    return max(measures.seam_ratio(clip, at) for at in range(1, len(clip)))


def save_sheet(args: argparse.Namespace, clips: Sequence[Tensor], segments: int, seconds: float) -> None:
    if args.sheet:
        name = f"{args.sheet.stem}-{segments}x{seconds:g}{args.sheet.suffix}"
        Image.fromarray(sheet(clips).numpy()).save(args.sheet.with_name(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=4, help="clips")
    parser.add_argument("--prompts", nargs="+", help="these in the place of held-out scenes: drift alone is measured")
    parser.add_argument("--segments", type=int, nargs="+", default=[4, 10])
    parser.add_argument("--seconds", type=float, nargs="+", default=[2.0], help="of a segment")
    parser.add_argument("--overlap", type=int, default=12, help="frames that a segment sees of the one before")
    parser.add_argument(
        "--motions", nargs="+", default=MOTIONS, help="of the subjects (default: those that stay in view)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="where a picture of the clips goes, a frame a second")
    args = parser.parse_args()
    generator, classifier = BundledGenerator(model=pipeline.load_bundled()), load_classifier()
    for segments, seconds in product(args.segments, args.seconds):
        if args.prompts:
            found = drifts(args, generator.model, segments, seconds)
        else:
            found = measured(args, generator, classifier, segments, seconds)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
