"""Small video files of every odd kind, made with PyAV where a test needs them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS = 6
"""frames carry their number in bars, so that a test can tell which frame it got"""


def numbered(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A picture [H,W,3] of white bars on black that spell `number` in binary."""
    picture = np.zeros((height, width, 3), np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            picture[:, bit * 8 : bit * 8 + 8] = 255
    return picture


def numbers(frames: Any) -> list[int]:
    """The numbers that frames [F,H,W,3] spell."""
    return [sum(int(f[f.shape[0] // 2, b * 8 + 4, 1] > 128) << b for b in range(BITS)) for f in np.asarray(frames)]


def natural(height: int = 96, width: int = 128, *, seed: int = 0) -> np.ndarray:
    """A picture [H,W,3] with soft shapes of every hue and some grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16
    soft = np.stack([np.sin(x + p) + np.cos(1.3 * y + 2 * p) for p in rng.uniform(0, 6, 3)], -1)
    return np.clip(128 + 36 * soft + rng.normal(0, 4, (height, width, 1)), 0, 255).astype(np.uint8)


def film(
    path: Path, pictures: Sequence[np.ndarray | av.VideoFrame], times: Sequence[int] | None = None, *,
    unit: Fraction | None = None, rate: int = 25, codec: str = "libx264", form: str = "yuv420p",
    options: dict[str, str] | None = None, tags: dict[str, str] | None = None, muxing: dict[str, str] | None = None,
    aspect: Fraction | None = None, colours: dict[str, int] | None = None,
) -> Path:  # fmt: skip
    """Write pictures as a video, frame i shown at times[i] * unit; `colours` sets fields of the codec context."""
    unit = unit or Fraction(1, rate)
    with av.open(f"file:{path}", "w", options=muxing or {}) as container:
        container.metadata.update(tags or {})
        known = {"crf": "1", "bf": "0"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=rate, options={**known, **(options or {})})
        given = [p if isinstance(p, av.VideoFrame) else av.VideoFrame.from_ndarray(p, "rgb24") for p in pictures]
        stream.height, stream.width = given[0].height, given[0].width
        stream.pix_fmt = form
        stream.time_base = stream.codec_context.time_base = unit
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in (colours or {}).items():
            setattr(stream.codec_context, name, value)
        for i, frame in enumerate(given):
            frame.pts, frame.time_base = (times[i] if times else i), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def trimmed(path: Path, to: Path, start: int, *, key: int) -> Path:
    """Copy a clip's packets from the key frame number `key` on, shown from frame `start` on, by an edit list."""
    with av.open(str(path)) as source, av.open(str(to), "w", options={"avoid_negative_ts": "disabled"}) as target:
        given = source.streams.video[0]
        stream = target.add_stream_from_template(given)
        packets = [packet for packet in source.demux(given) if packet.size]
        tick = sorted(packet.pts for packet in packets)[1]
        for packet in packets:
            if packet.pts >= key * tick:
                packet.pts, packet.dts = packet.pts - start * tick, packet.dts - start * tick
                packet.stream = stream
                target.mux(packet)
    return to
