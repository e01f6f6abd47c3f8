"""What tiles change of a codec of full width: `python benchmarks/tiles.py`, or `--codec "Wan 2.1"` for one of them.

A clip of the world is encoded and decoded whole and in tiles. Wan's codecs have random weights of the published sizes;
their latents are brought to unit deviation before they are decoded. The step is the mean change from column to column
where tiles are cross-faded, in tiles over whole: 1 where no edge shows.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import torch
from hd import CODECS, codec_of
from table import show
from torch import Tensor

SIDE = 25
"""latent cells of the picture's side"""
TILE = 16
"""latent cells of a tile's side: two of them share as many cells as tiles do at least"""
FRAMES = 5
COLUMNS = ("codec", "encoded, dB", "decoded, dB", "step, encoded", "step, decoded")


def world(side: int) -> Tensor:
    """A clip [1,3,F,H,W] in -1..1."""
    from sora_nodes.sora_core.media import frames_to_video
    from sora_nodes.sora_core.world import ClipShape, render, sample_scene

    return frames_to_video(render([sample_scene(5)], ClipShape(frames=FRAMES, height=side, width=side, fps=8))[0])


def alike(whole: Tensor, tiled: Tensor) -> float:
    """Decibels of the range of values."""
    return 10 * math.log10(float((whole.max() - whole.min()) ** 2 / (whole - tiled).square().mean().clamp(min=1e-12)))


def step(whole: Tensor, tiled: Tensor, cell: int) -> float:
    """Mean change between columns that two tiles share, in tiles over whole."""
    shared = slice((SIDE - TILE) * cell, TILE * cell)
    found = [(x[..., 1:] - x[..., :-1])[..., shared].abs().mean() for x in (tiled, whole)]
    return float(found[0] / found[1])


@torch.no_grad()
def row(name: str) -> tuple[Any, ...]:
    from sora_nodes.sora_core.vae import Tiles

    codec, tiles = codec_of(name), Tiles(chunk=1, size=(TILE, TILE))
    factor = codec.geometry.space_factor
    video = world(SIDE * factor)
    latent = codec.encode(video)
    parts = torch.cat(list(codec.encode_stream([video], tiles=tiles)), 2)
    given = latent if name == "bundled" else (latent - latent.mean()) / latent.std()
    whole = codec.decode(given)
    decoded = torch.cat(list(codec.decode_stream(given.split(1, 2), tiles=tiles)), 2)
    return name, alike(latent, parts), alike(whole, decoded), step(latent, parts, 1), step(whole, decoded, factor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", choices=CODECS, help="one alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = [row(name) for name in ([args.codec] if args.codec else CODECS)]
    show(f"{FRAMES} frames of {SIDE}x{SIDE} cells in tiles of {TILE}x{TILE}", COLUMNS, rows, as_json=args.json)


if __name__ == "__main__":
    main()
