"""How well the codec keeps held-out clips, size by size, and whether its stream is exact: `python
benchmarks/codec.py`."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

import torch
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.training.codec import psnr
from sora_nodes.sora_core.vae import CausalCodec
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from table import show
from torch import Tensor

KINDS = (
    (64, 64, 17, 8.0),
    (112, 64, 17, 8.0),
    (64, 112, 17, 8.0),
    (96, 64, 25, 12.0),
    (96, 96, 17, 8.0),
    (128, 128, 9, 16.0),
)
"""width, height, frames, fps"""
CHUNKS = (1, 6, 3, 8)
"""frames, and latent frames, per piece of a stream, again and again"""
FIRST_SEED = 9_000_000


def clips(width: int, height: int, frames: int, fps: float, n: int) -> Tensor:
    """n held-out clips [n,3,F,H,W] in -1..1 of the world's own mix."""
    shape = ClipShape(frames=frames, height=height, width=width, fps=fps)
    scenes = [sample_scene(FIRST_SEED + i, held_out=True) for i in range(n)]
    video = torch.cat([render([scene], shape) for scene in scenes])
    return video.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def pieces(x: Tensor) -> list[Tensor]:
    """x [B,C,T,...] cut along time into pieces of uneven lengths."""
    sizes: list[int] = []
    while sum(sizes) < x.shape[2]:
        sizes.append(min(CHUNKS[len(sizes) % len(CHUNKS)], x.shape[2] - sum(sizes)))
    return list(x.split(sizes, 2))


@torch.no_grad()
def measure(codec: CausalCodec, video: Tensor) -> tuple[float, float, float]:
    """Decibels, and the largest error of streamed against one-shot encoding and decoding."""
    latent = codec.encode(video)
    decoded = codec.decode(latent)
    streamed = torch.cat(list(codec.encode_stream(pieces(video))), 2)
    decoded_streamed = torch.cat(list(codec.decode_stream(pieces(latent))), 2)
    return (
        float(psnr(decoded, video).mean()),
        float((streamed - latent).abs().max()),
        float((decoded_streamed - decoded).abs().max()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a folder of weights (default: the bundled ones)")
    parser.add_argument("--n", type=int, default=8, help="clips per size")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    codec = pipeline.load_bundled(args.weights).codec
    rows: list[tuple[str, float, float, float]] = []
    for width, height, frames, fps in KINDS:
        rows.append(
            (
                f"{width}x{height}, {frames} frames at {fps:g} fps",
                *measure(codec, clips(width, height, frames, fps, args.n)),
            )
        )
    rows.append(("all", mean(row[1] for row in rows), max(row[2] for row in rows), max(row[3] for row in rows)))
    columns = ("size", "PSNR in dB", "encode, streamed - one-shot", "decode, streamed - one-shot")
    show(f"codec on held-out clips, {args.n} per size", columns, rows, as_json=args.json)


if __name__ == "__main__":
    main()
