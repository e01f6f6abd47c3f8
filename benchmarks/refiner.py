"""What the refiner makes of drafts and of clean small clips beside plain enlarging, on held-out clips:
`python benchmarks/refiner.py --n 8 --cutouts FILE`; with `--sheet FILE.png`, true | enlarged | refined of each.

A draft is a true clip made small, noised part of the way and sampled from there, as in training. Sharpness is the
energy of the upper half of spatial frequencies on things, against that of the true clip; flicker the mean change from
frame to frame away from things, against that of the true clip.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from sora_nodes.commands.shared import size
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.data.store import fitted
from sora_nodes.sora_core.media import frames_to_video
from sora_nodes.sora_core.pipeline import SoraModel
from sora_nodes.sora_core.refine import Refiner, load_refiner, refined
from sora_nodes.sora_core.training.refiner_pairs import sampled_again
from sora_nodes.sora_core.world import ClipShape, Cutouts, describe, load_cutouts, render, sample_scene, truth
from sora_nodes.sora_core.world.truth import FIRST
from table import show
from torch import Tensor

FRAMES, FPS = 9, 8.0
SEED = 9_500_000
LEVELS = (0.0, 0.4, 0.6, 0.8)
"""sigmas of the drafts; 0 is a clean small clip"""
SIZES = (((192, 112), (384, 224)), ((144, 144), (288, 288)))
"""width and height of the small clip and of the large one"""

Row = tuple[str, float, float, float]


def high(video: Tensor) -> Tensor:
    """The upper half of spatial frequencies of the brightness of [1,3,F,H,W], as a picture."""
    grey = video.mean(1)
    spectrum = torch.fft.fft2(grey)
    v, u = (torch.fft.fftfreq(side).abs() for side in grey.shape[-2:])
    return torch.fft.ifft2(spectrum * ((v[:, None] > 0.25) | (u > 0.25))).real


def figures(made: Tensor, video: Tensor, seen: Tensor) -> tuple[float, float, float]:
    """Squared error on things, energy of high frequencies on things, change from frame to frame away from them."""
    near = F.max_pool2d(seen.float()[:, 0], 5, 1, 2)
    error = (made.clamp(-1, 1) - video).square().mean(1)
    away = (1 - near)[:, 1:]
    change = (made.diff(dim=2).abs().mean(1) * away).sum() / away.sum()
    return float((error * near).sum() / near.sum()), float((high(made).square() * near).sum()), float(change)


def measure(
    n: int,
    model: SoraModel,
    ways: dict[str, Callable[[Tensor, tuple[int, int], bool], Tensor]],
    cutouts: Cutouts | None,
    sheet: Path | None,
    sizes: Sequence[tuple[tuple[int, int], tuple[int, int]]] = SIZES,
) -> list[Row]:
    """A row for each size, level and way of enlarging."""
    rows, shown = list[Row](), list[Tensor]()
    for (width, height), (wide, tall) in sizes:
        shape = ClipShape(frames=FRAMES, height=tall, width=wide, fps=FPS)
        totals: dict[tuple[float, str], list[tuple[float, float, float]]] = {}
        for i in range(n):
            scene = sample_scene(SEED + i, held_out=True, nouns=cutouts.nouns if cutouts else ())
            video = frames_to_video(render([scene], shape, cutouts=cutouts))
            seen = (truth(scene, shape, cutouts).ids >= FIRST)[None, None]
            if not seen.any():
                continue
            low, text = fitted(video, height, width), [describe(scene, "descriptive", scene.seed)]
            for level in LEVELS:
                given = sampled_again(model, low, text, FPS, level, i, steps=5) if level else low
                made = {name: way(given, (tall, wide), level > 0) for name, way in ways.items()}
                for name, clip in {"true": video, **made}.items():
                    totals.setdefault((level, name), []).append(figures(clip, video, seen))
                if level == LEVELS[2]:
                    shown.append(torch.cat([clip[0, :, 4] for clip in (video, *made.values())], 2))
        for level in LEVELS:
            true = [sum(column) for column in zip(*totals[level, "true"], strict=True)]
            for name in ways:
                error, energy, change = (sum(column) for column in zip(*totals[level, name], strict=True))
                psnr = 10 * torch.log10(torch.tensor(4 * len(totals[level, name]) / error))
                what = f"{width}x{height} to {wide}x{tall}, {f'draft from {level:g}' if level else 'clean'}, {name}"
                rows.append((what, float(psnr), energy / true[1], change / true[2]))
    if sheet:
        save_sheet(shown, sheet)
    return rows


def save_sheet(pictures: list[Tensor], path: Path) -> None:
    """Pictures [3,H,W] in -1..1 one under the other."""
    from PIL import Image

    width = max(picture.shape[2] for picture in pictures)
    column = torch.cat([F.pad(picture, (0, width - picture.shape[2])) for picture in pictures], 1)
    Image.fromarray(((column.clamp(-1, 1) + 1) * 127.5).byte().permute(1, 2, 0).contiguous().numpy()).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a file of the refiner (default: the bundled one)")
    parser.add_argument("--model", type=Path, help="a folder of weights that draft (default: the bundled ones)")
    parser.add_argument("--sizes", type=size, nargs=2, metavar="WxH", help="of the small clip and the large one")
    parser.add_argument("--cutouts", type=Path, help="pictures of the world's nouns, as `sora world` packs them")
    parser.add_argument("--n", type=int, default=8, help="clips per size")
    parser.add_argument("--sheet", type=Path, help="where to put pictures of what was compared")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    refiner: Refiner = load_refiner(args.weights) if args.weights else pipeline.bundled_refiner()

    def enlarged(given: Tensor, size: tuple[int, int], draft: bool) -> Tensor:
        frames = F.interpolate(given[0].transpose(0, 1), size, mode="bicubic", align_corners=False)
        return frames.transpose(0, 1)[None]

    def drawn(given: Tensor, size: tuple[int, int], draft: bool) -> Tensor:
        return torch.cat(list(refined(refiner, [given], size, draft=draft)), 2)

    cutouts = load_cutouts(args.cutouts) if args.cutouts else None
    model, sizes = pipeline.load_bundled(args.model), [args.sizes] if args.sizes else SIZES
    rows = measure(args.n, model, {"enlarged": enlarged, "refined": drawn}, cutouts, args.sheet, sizes)
    columns = ("what", "PSNR on things", "sharpness on things", "flicker")
    show(f"refiner on {args.n} held-out clips", columns, rows, as_json=args.json)


if __name__ == "__main__":
    main()
