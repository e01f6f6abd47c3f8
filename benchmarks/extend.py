"""Memory and processor time of extending a long file of 1920x1080, measured from outside the process, as `sora extend`
does it (what is kept is copied) and as *Sora Extend Video* and *Sora Stitch Video* do: `python benchmarks/extend.py`.

The file is a few seconds of a moving pattern, repeated by copying its packets. Both sample small and bring up what is
made; of the nodes the transformer's work is left out, so that what is made is noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outside import measured
from table import show

FPS = 24.0
PART = 120
"""frames that are encoded, and then copied again and again"""
SIZE = 1080, 1920


def long_file(path: Path, minutes: float) -> int:
    """Write a file; returns its frames."""
    import torch
    from sora_nodes.sora_core.media import FileSource, Piece, Splice, VideoWriter, publish

    height, width = SIZE
    y, x = torch.arange(height).view(-1, 1), torch.arange(width)
    part = path.with_name("part.mp4")
    with VideoWriter(part, height, width, FPS) as writer:
        for i in range(PART):
            colours = [((x + 8 * i) // 8 + y // 4) % 256, (y + 4 * i) // 5 % 256, (x + y) // 12 % 256]
            writer.write(torch.stack([c.expand(height, width) for c in colours], -1).to(torch.uint8)[None])
    source, times = FileSource(part), max(1, round(60 * minutes * FPS / PART))
    return publish(path, Splice.of([Piece(source=source, kept=True) for _ in range(times)], FPS))


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Processor seconds of bringing frames up, and of marking and encoding those that are made or encoded anew."""
    from sora_nodes.sora_core.editing import frames
    from sora_nodes.sora_core.media import splicing
    from sora_nodes.sora_core.pipeline.drafts import BroughtUp

    spent = {"refining": 0.0, "writing": 0.0}
    read, in_turn, encoded = BroughtUp.read, frames.in_turn, splicing.encoded

    def counted(name: str, work: Any) -> Any:
        began, before = time.process_time(), spent["refining"]
        found = work()
        spent[name] += time.process_time() - began - (spent["refining"] - before) * (name != "refining")
        return found

    def packets(*given: Any) -> Iterator[Any]:
        stream, end = encoded(*given), object()
        while (packet := counted("writing", lambda: next(stream, end))) is not end:
            yield packet

    BroughtUp.read = lambda *given: counted("refining", lambda: read(*given))  # type: ignore[method-assign]
    frames.in_turn = lambda *given: counted("writing", lambda: in_turn(*given))
    splicing.encoded = packets  # type: ignore[assignment]
    try:
        yield spent
    finally:
        BroughtUp.read, frames.in_turn, splicing.encoded = read, in_turn, encoded  # type: ignore[method-assign]


def by_command(file: str, out: str, seconds: float) -> Iterator[dict[str, Any]]:
    from sora_nodes.sora_core.editing import extend
    from sora_nodes.sora_core.editing.strides import bundled_overlap
    from sora_nodes.sora_core.pipeline import load_bundled
    from sora_nodes.sora_core.pipeline.edit_files import clip_of, edit_file
    from sora_nodes.sora_core.pipeline.working import working_clip

    model, marks = load_bundled(fast=True), []
    yield {}
    clip = working_clip(clip_of(Path(file)), model.geometry)
    edit = extend(clip, model.codec, seconds=seconds, overlap=bundled_overlap(clip.fps, model.geometry))
    with timed() as spent:
        edit_file(
            model, edit, "a red ball rolls on grass at noon", Path(out),
            progress=lambda done, total: marks.append(time.process_time()),
        )  # fmt: skip
    yield {**spent, "sampling": marks[-1] - marks[0]}


def by_nodes(file: str, out: str, seconds: float) -> Iterator[dict[str, Any]]:
    import torch
    from sora_nodes.nodes import clips, host
    from sora_nodes.nodes.editing import SoraExtendVideo
    from sora_nodes.runtime.session import Session
    from sora_nodes.sora_core.pipeline import load_bundled

    model, folder = load_bundled(), Path(out).parent
    with torch.inference_mode(), Session(input=folder, output=folder, temp=folder).active():
        yield {}
        given: dict[str, Any] = {"vae": model, "seconds": seconds, "direction": "forward", "overlap": 8}
        latent = SoraExtendVideo.execute(video=host.VideoFromFile(file), **given).result[0]
        latent["samples"] = latent["samples"] + latent["noise_mask"] * torch.randn_like(latent["samples"])
        with timed() as spent:
            video, *_, note = clips.stitched(model, latent, colour_match=True, in_memory=False)
            clips.save_video(video, Path(out), {}, sign=False)
        yield {**spent, "note": note}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=2, help="that are made")
    parser.add_argument("--way", choices=WAYS, help="one of the two alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "long.mp4"
        frames = long_file(file, args.minutes)
        for name in [args.way] if args.way else WAYS:
            work = WAYS[name]
            given = {"file": str(file), "out": str(file.with_name(f"{name}-out.mp4")), "seconds": args.seconds}
            (one,) = measured(work, given)
            writing, making = one.found["writing"], one.found["refining"] + one.found.get("sampling", 0.0)
            rows.append((name, one.memory / 1e6, one.seconds - making - writing, writing, making))
        size = file.stat().st_size / 1e6
    show(f"{frames:,} frames of 1920x1080 ({size:.0f} MB), {args.seconds:g} s more", COLUMNS, rows, as_json=args.json)


WAYS = {"command": by_command, "nodes": by_nodes}
COLUMNS = (
    "",
    "MB over the weights",
    "processor seconds beside",
    "marking and encoding what is made",
    "sampling (command) and refining",
)

if __name__ == "__main__":
    main()
