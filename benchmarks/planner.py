"""What the planner says of memory and time beside what is then measured, from outside the process:
`python benchmarks/planner.py`.

Each row is sampling (a guided step) or decoding (to a file) of one size in a process of its own, on one thread and in
processor time, which other programs change little. Published models have random weights of the published sizes in
float32 and fewer blocks, since blocks are alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from outside import measured
from table import show

MODELS: dict[str, dict[str, Any]] = {
    "bundled": {},
    "Wan 2.1 1.3B": {"codec": "2.1", "depth": 4},
    "Wan 2.1 14B": {"codec": "2.1", "depth": 1, "width": 5120, "heads": 40, "mlp_width": 13824},
    "Wan 2.2 5B": {"codec": "2.2", "depth": 2, "width": 3072, "heads": 24, "mlp_width": 14336, "channels": 48},
}
"""the published ones with so many of their blocks"""
SAMPLED = {
    "bundled": ((64, 64, 17), (112, 64, 33), (128, 128, 17), (256, 144, 17), (256, 256, 17), (512, 288, 17),
                (1024, 576, 1), (1024, 1024, 1)),
    "Wan 2.1 1.3B": ((128, 128, 5), (256, 256, 5), (256, 256, 17), (512, 320, 5)),
    "Wan 2.1 14B": ((128, 128, 5), (256, 256, 5)),
    "Wan 2.2 5B": ((256, 256, 5), (512, 320, 9)),
}  # fmt: skip
"""width, height, frames"""
DECODED = {
    "bundled": ((128, 128, 17), (256, 256, 17), (512, 288, 17), (1024, 576, 9), (1024, 1024, 1), (1280, 720, 9),
                (1920, 1080, 5)),
    "Wan 2.1 1.3B": ((128, 128, 5), (256, 256, 5), (320, 192, 9), (832, 480, 17), (1280, 720, 5)),
    "Wan 2.2 5B": ((128, 128, 5), (256, 256, 5), (832, 480, 17), (1280, 720, 5)),
}  # fmt: skip
FPS = 8.0


def network(name: str) -> Any:
    """A model of that name with random weights, or the bundled one."""
    from dataclasses import replace

    from sora_nodes.sora_core.dit import DiT, DiTConfig
    from sora_nodes.sora_core.pipeline import load_bundled
    from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
    from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config

    bundled, sizes = load_bundled(), dict(MODELS[name])
    if not sizes:
        return bundled
    kind = sizes.pop("codec")
    codec = Wan21Codec(Wan21Config()) if kind == "2.1" else Wan22Codec(Wan22Config())
    dit = DiT(DiTConfig(**sizes))
    for weights in (codec, dit):
        weights.requires_grad_(False).eval()
    return replace(bundled, codec=codec.prepacked(), dit=dit)


def prepared(name: str, size: list[int]) -> tuple[Any, Any]:
    from sora_nodes.sora_core.grid import VideoSize, plan

    width, height, frames = size
    model = network(name)
    return model, plan(VideoSize(frames=frames, height=height, width=width, fps=FPS), model.geometry)


def sampling(name: str, size: list[int]) -> Iterator[dict[str, Any]]:
    import torch
    from sora_nodes.sora_core.diffusion import draw_noise
    from sora_nodes.sora_core.pipeline import empty_state, limits, sample

    model, grid = prepared(name, size)
    config = model.dit.config
    cond, against = torch.randn(2, 1, config.text_tokens, config.text_width)
    for text in (cond, against):
        text[:, limits.PROMPT :] = 0
    memory = limits.sampling_memory(model, grid)
    yield {"memory": memory, "seconds": limits.time_estimate(model, grid, steps=1, clock=time.process_time)}
    sample(
        model, empty_state(grid, model.geometry), cond, noise=draw_noise(grid.shape, 0), fps=FPS, negative=against,
        settings=model.settings.with_(steps=1, cfg=3.0),
    )  # fmt: skip
    yield {}


def decoding(name: str, size: list[int]) -> Iterator[dict[str, Any]]:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import torch
    from sora_nodes.sora_core.media import VideoWriter
    from sora_nodes.sora_core.pipeline import decode_stream, limits

    model, grid = prepared(name, size)
    latent = torch.randn(1, *grid.shape)
    memory = limits.decoding_memory(model, grid)
    width, height, left = size
    with (
        TemporaryDirectory() as folder,
        VideoWriter(Path(folder) / "x.mp4", height, width, FPS) as writer,
    ):
        yield {"memory": memory, "seconds": limits.decode_estimate(model, grid, clock=time.process_time)}
        for chunk in decode_stream(model.codec, latent):
            writer.write(chunk[:, :, :left, :height, :width])
            left -= chunk.shape[2]
            del chunk
    yield {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for work, sizes in ((sampling, SAMPLED), (decoding, DECODED)):
        for name, all_of in sizes.items():
            for width, height, frames in all_of:
                row = f"{work.__name__}, {name}, {width}x{height}, {frames} frames"
                if args.only not in row:
                    continue
                (one,) = measured(work, {"name": name, "size": [width, height, frames]})
                said = one.said["memory"] / 1e6, one.said["seconds"]
                found = one.memory / 1e6, one.seconds
                rows.append((row, said[0], found[0], said[0] / found[0], said[1], found[1], said[1] / found[1]))
                show("", COLUMNS, rows[-1:], as_json=args.json)
    show("what the planner says", COLUMNS, rows, as_json=args.json)


COLUMNS = ("", "MB said", "MB", "said / found", "s said", "s", "said / found ")

if __name__ == "__main__":
    main()
