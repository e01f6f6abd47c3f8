"""Where the time of one generation goes, two seconds at the native size: `python benchmarks/generate.py`.

Every part that a person waits for is in it, the start of Python and the imports too. Run it in a fresh process each
time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from table import show

PROMPT = "a red ball rolls to the left on snow at sunset"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a folder of weights (default: the bundled ones)")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--steps", type=int, help="sampling steps (default: the pipeline's)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    parts: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        parts[part] = parts.get(part, 0.0) + time.perf_counter() - began

    with timed("start of python"):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    with timed("imports"):
        from sora_nodes.sora_core import pipeline
        from sora_nodes.sora_core.diffusion import draw_noise
        from sora_nodes.sora_core.grid import VideoSize, frames_for, plan
        from sora_nodes.sora_core.media import VideoWriter

    usual = pipeline.DEFAULTS
    size = VideoSize(
        frames=frames_for(usual.seconds, usual.fps), height=usual.size[1], width=usual.size[0], fps=usual.fps
    )
    settings = usual.sampling.with_(steps=args.steps or usual.sampling.steps)
    with timed("load"):
        model = pipeline.load_bundled(args.weights)
    grid = plan(size, model.geometry)
    with timed("text"):
        context = pipeline.encode_text(model, [args.prompt])
    with timed("sample"):
        state = pipeline.empty_state(grid, model.geometry)
        latent = pipeline.sample(
            model,
            state,
            context,
            noise=draw_noise(grid.shape, usual.seed),
            fps=size.fps,
            settings=settings,
        )
    with timed("decode"):
        chunks = [chunk[..., : size.height, : size.width] for chunk in pipeline.decode_stream(model.codec, latent)]
    with (
        timed("save"),
        TemporaryDirectory() as folder,
        VideoWriter(Path(folder) / "x.mp4", size.height, size.width, size.fps) as writer,
    ):
        for chunk in chunks:
            writer.write(chunk)
    rows = [*parts.items(), ("total", sum(parts.values()))]
    show(f"{size}, {settings.steps} steps", ("part", "seconds"), rows, as_json=args.json)


if __name__ == "__main__":
    main()
