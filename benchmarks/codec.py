"""How well the codec keeps held-out clips, over all and on the pixels of things, size by size, how much it flickers and
whether its stream is exact: `python benchmarks/codec.py --cutouts FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.media import frames_to_video
from sora_nodes.sora_core.training.codec import psnr
from sora_nodes.sora_core.vae import CausalCodec
from sora_nodes.sora_core.world import ClipShape, Cutouts, load_cutouts, render, sample_scene, truth
from sora_nodes.sora_core.world.truth import FIRST
from table import show
from torch import Tensor

KINDS = (
    (64, 64, 17, 8.0),
    (112, 64, 17, 8.0),
    (64, 112, 17, 8.0),
    (128, 128, 17, 8.0),
    (192, 112, 17, 8.0),
    (192, 192, 17, 8.0),
    (256, 144, 25, 12.0),
)
"""width, height, frames, fps"""
CHUNKS = (1, 6, 3, 8)
"""frames, and latent frames, per piece of a stream, again and again"""
FIRST_SEED = 9_000_000
NOISE = 0.3
"""on latents, in their deviations: what is sampled is never quite a latent of the encoder"""


def clips(width: int, height: int, frames: int, fps: float, n: int, cutouts: Cutouts | None) -> tuple[Tensor, Tensor]:
    """n held-out clips [n,3,F,H,W] in -1..1 of the world's own mix, and where things are seen, bool [n,1,F,H,W]."""
    shape = ClipShape(frames=frames, height=height, width=width, fps=fps)
    nouns = cutouts.nouns if cutouts else ()
    scenes = [sample_scene(FIRST_SEED + i, held_out=True, nouns=nouns) for i in range(n)]
    video = torch.cat([render([scene], shape, cutouts=cutouts) for scene in scenes])
    seen = torch.stack([truth(scene, shape, cutouts).ids >= FIRST for scene in scenes])
    return frames_to_video(video), seen[:, None]


def pieces(x: Tensor) -> list[Tensor]:
    """x [B,C,T,...] cut along time into pieces of uneven lengths."""
    sizes: list[int] = []
    while sum(sizes) < x.shape[2]:
        sizes.append(min(CHUNKS[len(sizes) % len(CHUNKS)], x.shape[2] - sum(sizes)))
    return list(x.split(sizes, 2))


def on_things(decoded: Tensor, video: Tensor, seen: Tensor) -> float:
    """Decibels over the pixels of things, the mean of the clips that have some."""
    error = ((decoded.clamp(-1, 1) - video).square().mean(1, keepdim=True) * seen).flatten(1).sum(1)
    count = seen.flatten(1).sum(1)
    return float(10 * torch.log10(4 * count / error.clamp(min=1e-10))[count > 0].mean())


def step(decoded: Tensor, video: Tensor) -> float:
    """How much more of a clip changes where latent frames meet than elsewhere, beside a true clip: 1 where no eye sees
    the latent frames."""
    changes = [clip.diff(dim=2).abs().mean((0, 1, 3, 4)) for clip in (decoded, video)]
    ratios = [float(change[::4].mean() / change.unfold(0, 4, 4)[:, 1:].mean()) for change in changes]
    return ratios[0] / ratios[1]


@torch.no_grad()
def measure(codec: CausalCodec, video: Tensor, seen: Tensor) -> tuple[float, ...]:
    """Decibels over all and on things, steps between latent frames of clean and of noisy latents, and the largest error
    of streamed against one-shot encoding and decoding."""
    latent = torch.cat([codec.encode(clip) for clip in video.split(1)])
    decoded = torch.cat([codec.decode(clip) for clip in latent.split(1)])
    noise = (
        NOISE
        * latent.std((0, 2, 3, 4), keepdim=True)
        * torch.randn(latent.shape, generator=torch.Generator().manual_seed(0))
    )
    noisy = torch.cat([codec.decode(clip) for clip in (latent + noise).split(1)])
    streamed = torch.cat(list(codec.encode_stream(pieces(video[:2]))), 2)
    decoded_streamed = torch.cat(list(codec.decode_stream(pieces(latent[:2]))), 2)
    return (
        float(psnr(decoded, video).mean()),
        on_things(decoded, video, seen),
        step(decoded, video),
        step(noisy, video),
        float((streamed - latent[:2]).abs().max()),
        float((decoded_streamed - decoded[:2]).abs().max()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", type=Path, help="a file of weights (default: the bundled ones)")
    parser.add_argument("--cutouts", type=Path, help="pictures of the world's nouns, as `sora world` packs them")
    parser.add_argument("--size", default="", help="one of the sizes alone, as 256x144")
    parser.add_argument("--n", type=int, default=8, help="clips per size")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    cutouts = load_cutouts(args.cutouts) if args.cutouts else None
    codec = pipeline.load_codec(args.codec) if args.codec else pipeline.load_bundled().codec
    rows: list[tuple[Any, ...]] = []
    for width, height, frames, fps in [kind for kind in KINDS if args.size in ("", f"{kind[0]}x{kind[1]}")]:
        figures = measure(codec, *clips(width, height, frames, fps, args.n, cutouts))
        rows.append((f"{width}x{height}, {frames} frames at {fps:g} fps", *figures))
    means = [mean(row[i] for row in rows) for i in range(1, 5)]
    rows.append(("all", *means, max(row[5] for row in rows), max(row[6] for row in rows)))
    columns = (
        "size", "PSNR in dB", "on things", "step between latent frames", "of noisy latents",
        "encode, streamed - one-shot", "decode, streamed - one-shot",
    )  # fmt: skip
    show(f"codec on held-out clips, {args.n} per size", columns, rows, as_json=args.json)


if __name__ == "__main__":
    main()
