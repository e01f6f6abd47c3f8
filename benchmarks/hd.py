"""Memory and processor time of a long HD video, stretch by stretch, measured from outside the process.

    python benchmarks/hd.py --seconds 10                   # random latents to mp4 with the bundled codec
    python benchmarks/hd.py --seconds 10 --encode          # that mp4 to latents
    python benchmarks/hd.py --codec "Wan 2.1" --size 832x480 --frames 17 --encode

Wan's codecs have random weights of the published sizes in float32. The frames of random latents are noise, which takes
the encoder of the file more time than pictures do. The latent, 4.1 MB for each latent frame of 1920x1080, is there
before and not counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from outside import Measured, measured
from table import show

COLUMNS = ("stretch", "MB over the weights", "processor seconds a frame")
CODECS = ("bundled", "Wan 2.1", "Wan 2.2")


def codec_of(name: str) -> Any:
    """A codec of CODECS."""
    import torch
    from sora_nodes.sora_core.pipeline import load_bundled
    from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
    from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config

    if name == "bundled":
        return load_bundled().codec
    torch.manual_seed(0)
    codec = Wan21Codec(Wan21Config()) if name == "Wan 2.1" else Wan22Codec(Wan22Config())
    return codec.requires_grad_(False).eval().prepacked()


def decoding(codec: str, size: list[int], frames: int, fps: float, out: str, every: int) -> Iterator[dict[str, Any]]:
    """Latents to a file, as `generate` does it, without the guards."""
    import torch
    from sora_nodes.sora_core.grid import VideoSize, plan
    from sora_nodes.sora_core.media.write import VideoWriter
    from sora_nodes.sora_core.pipeline import decode_stream

    network = codec_of(codec)
    asked = VideoSize(frames=frames, height=size[1], width=size[0], fps=fps)
    latent = torch.randn(1, *plan(asked, network.geometry).shape)
    for chunk in decode_stream(network, latent[:, :, :2, :8, :8]):
        del chunk
    written = 0
    yield {"frames": 0}
    with VideoWriter(Path(out), asked.height, asked.width, fps) as writer:
        for chunk in decode_stream(network, latent):
            part = chunk[:, :, : frames - written, : asked.height, : asked.width]
            del chunk
            if not part.shape[2]:
                break
            writer.write(part)
            if written // every != (written := written + part.shape[2]) // every and written < frames:
                yield {"frames": written}
            del part
    yield {"frames": written}


def encoding(file: str, every: int, codec: str = "bundled") -> Iterator[dict[str, Any]]:
    """A file to latents, as the edit operations do it."""
    import torch
    from sora_nodes.sora_core.grid import VideoSize, plan
    from sora_nodes.sora_core.media import FileSource, frames_to_video
    from sora_nodes.sora_core.vae import encode_bounded

    network, source = codec_of(codec), FileSource(Path(file))
    factor = network.geometry.time_factor
    length = source.length - (source.length - 1) % factor
    picture = VideoSize(frames=1, height=source.height, width=source.width, fps=source.fps)
    high, wide = (side * network.geometry.space_factor for side in plan(picture, network.geometry).shape[2:])
    for latent in encode_bounded(network, [torch.zeros(1, 3, 5, 64, 64)]):
        del latent

    def read() -> Iterator[torch.Tensor]:
        for start in range(0, length, factor):
            video = frames_to_video(source.read(start, min(start + factor, length)))
            yield torch.nn.functional.pad(video, (0, wide - source.width, 0, high - source.height))

    done = 0
    yield {"frames": 0}
    for latent in encode_bounded(network, read()):
        if done // every != (done := done + latent.shape[2] * factor) // every:
            yield {"frames": done}
    yield {"frames": done}


def rows(stretches: Iterable[Measured]) -> Iterator[tuple[str, float, float]]:
    done = 0
    for stretch in stretches:
        frames = stretch.found["frames"]
        yield f"to frame {frames}", stretch.memory / 1e6, stretch.seconds / max(1, frames - done)
        done = frames


def show_rows(title: str, stretches: Iterable[Measured], as_json: bool) -> None:
    """Each stretch as it ends, and all of them."""
    found = []
    for row in rows(stretches):
        found.append(row)
        show("", COLUMNS, [row], as_json=as_json)
        sys.stdout.flush()
    show(title, COLUMNS, found, as_json=as_json)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--frames", type=int, help="in the place of seconds")
    parser.add_argument("--codec", choices=CODECS, default="bundled")
    parser.add_argument("--size", default="1920x1080", help="width and height")
    parser.add_argument("--fps", type=float, default=24.0)
    parser.add_argument("--every", type=int, default=48, help="frames of a stretch")
    parser.add_argument("--encode", action="store_true", help="encode the file too")
    parser.add_argument("--out", type=Path, help="where the file goes (default: nowhere)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    length = f"{args.frames} frames" if args.frames else f"{args.seconds:g} s"
    with TemporaryDirectory() as folder:
        out = args.out or Path(folder) / "x.mp4"
        given = {
            "codec": args.codec, "size": [int(side) for side in args.size.split("x")], "fps": args.fps,
            "frames": args.frames or round(args.seconds * args.fps), "out": str(out), "every": args.every,
        }  # fmt: skip
        show_rows(f"latents to mp4, {args.codec}, {args.size}, {length}", measured(decoding, given), args.json)
        if args.encode:
            stretches = measured(encoding, {"codec": args.codec, "file": str(out), "every": args.every})
            show_rows(f"mp4 to latents, {args.codec}, {args.size}, {length}", stretches, args.json)


if __name__ == "__main__":
    main()
