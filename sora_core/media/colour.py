"""Between the colours of video files and RGB: matrix, range and transfer as the file says, rounded to the nearest.

swscale's default conversion cuts fractions off, which darkens a picture by a level or more at every reading; the flags
below make it round, and take chroma at full resolution.
What a file does not say is read as players do: high definition is BT.709, anything smaller BT.601, in limited range.
High dynamic range (PQ, HLG) is tone-mapped to standard range by ITU-R BT.2390, diffuse white at 203 cd/m2 (BT.2408).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import cast

import av
import av.filter
import numpy as np
from av.video.reformatter import VideoReformatter

from ..errors import MediaError

__all__ = ["BT709", "LIMITED", "FromRgb", "colour_notes", "to_rgb"]

BT709, BT601, BT2020 = 1, 5, 9
"""colour matrices, as ITU-T H.273 numbers them"""
LIMITED, FULL = 1, 2
PQ, HLG = 16, 18
"""transfer functions, as ITU-T H.273 numbers them"""
UNSPECIFIED = {0, 2, 3}
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: BT2020, 10: BT2020}
"""of the matrices that a file may name, those that swscale knows; constant luminance is read as the usual BT.2020"""
ACCURATE = 4 | 0x2000 | 0x4000 | 0x40000 | 0x80000
"""swscale's flags: bicubic, full chroma on both sides, accurate rounding, the same on every machine"""
HD_WIDTH, SD_HEIGHT = 1280, 576
"""an untagged picture this wide, or taller than that, is taken for BT.709"""
WHITE, PEAK = 203.0, 1000.0
"""cd/m2: what becomes white, and the brightest that is told apart (the usual mastering display)"""
SDR_GAMMA = 2.4
"""of the display that frames are meant for, ITU-R BT.1886"""


def to_rgb(frame: av.VideoFrame, size: tuple[int, int], scaler: VideoReformatter) -> np.ndarray:
    """A decoded frame as RGB, uint8 [H,W,3]; scaled to `size` (height, width) where that is another.

    scaler: keeps its tables from frame to frame, so that one serves a whole pass
    """
    if transfer(frame) in (PQ, HLG):
        deep = converted(frame, "rgb48le", size, scaler)
        return tone_mapped(deep, transfer(frame), wide=primaries(frame) in {BT2020, *UNSPECIFIED})
    return converted(frame, "rgb24", size, scaler)


class FromRgb:
    """RGB uint8 [H,W,3] of one size, even sides, to frames of yuv420p: BT.709, limited range.

    Chroma lies where H.264 says it does, at the left of each pair of pixels: placed between them, as swscale does when
    it is not asked, it moves by a quarter of a pixel at every writing and smears colours within a few.
    """

    def __init__(self, height: int, width: int) -> None:
        self.graph = av.filter.Graph()
        size = f"video_size={width}x{height}:pix_fmt=rgb24:time_base=1/1"
        place = "out_h_chr_pos=0:out_v_chr_pos=128"
        steps = [
            self.graph.add("buffer", size),
            self.graph.add("scale", f"out_color_matrix=bt709:out_range=tv:{place}:flags={ACCURATE}"),
            self.graph.add("format", "yuv420p"),
            self.graph.add("buffersink"),
        ]
        for step, following in pairwise(steps):
            step.link_to(following)
        self.graph.configure()

    def __call__(self, pixels: np.ndarray) -> av.VideoFrame:
        self.graph.push(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
        return cast(av.VideoFrame, self.graph.pull())


def colour_notes(frame: av.VideoFrame) -> list[str]:
    """What is changed in the colours of a file with such frames, or left as it is against the usual."""
    kind = transfer(frame)
    if kind in (PQ, HLG):
        name = "PQ" if kind == PQ else "HLG"
        return [f"high dynamic range ({name}) is tone-mapped to standard range"]
    if primaries(frame) == BT2020:
        return ["the wide gamut of BT.2020 is shown as that of BT.709, so colours look paler"]
    return []


def converted(frame: av.VideoFrame, target: str, size: tuple[int, int], scaler: VideoReformatter) -> np.ndarray:
    """The frame in an RGB format, rounded to the nearest level.

    The target's matrix means nothing for RGB, but older PyAV ignores the source's unless they differ.
    """
    matrix = None if frame.format.is_rgb else matrix_of(frame)
    levels = FULL if frame.format.is_rgb or frame.format.name.startswith(("yuvj", "gray")) else int(frame.color_range)
    try:
        return scaler.reformat(
            frame, width=size[1], height=size[0], format=target, interpolation=ACCURATE,
            src_colorspace=matrix, dst_colorspace=BT601 if matrix != BT601 else BT709,
            src_color_range=FULL if levels == FULL else LIMITED, dst_color_range=FULL,
        ).to_ndarray()  # fmt: skip
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"frames of the form {frame.format.name} cannot be turned into RGB: {error}.") from error


def matrix_of(frame: av.VideoFrame) -> int:
    """The colour matrix of a frame, guessed from its primaries and size where it is not stated."""
    stated = MATRICES.get(int(frame.colorspace))
    if stated is not None:
        return stated
    by_primaries = {BT709: BT709, BT2020: BT2020}.get(primaries(frame))
    if by_primaries is not None:
        return by_primaries
    return BT709 if frame.width >= HD_WIDTH or frame.height > SD_HEIGHT else BT601


def transfer(frame: av.VideoFrame) -> int:
    """The number of the transfer function; PyAV before 15 does not tell, and then nothing is tone-mapped."""
    return int(getattr(frame, "color_trc", 2))


def primaries(frame: av.VideoFrame) -> int:
    return int(getattr(frame, "color_primaries", 2))


def tone_mapped(deep: np.ndarray, kind: int, *, wide: bool) -> np.ndarray:
    """PQ or HLG, uint16 [H,W,3], to RGB of standard range, uint8 [H,W,3]."""
    light = linear(kind)[deep]
    if kind == HLG:
        light *= (PEAK * np.maximum(light @ LUMA_2020, 1e-6) ** 0.2)[..., None]
    if wide:
        light = np.maximum(light @ TO_709.T, 0)
    brightest = light.max(-1, keepdims=True)
    light *= mapped(brightest) / np.maximum(brightest, 1e-6)
    return (255 * np.clip(light / WHITE, 0, 1) ** (1 / SDR_GAMMA) + 0.5).astype(np.uint8)


LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # ITU-R BT.2087


@cache
def linear(kind: int) -> np.ndarray:
    """Light of each of the 65536 levels: cd/m2 for PQ (SMPTE ST 2084), of the scene in 0..1 for HLG (ITU-R BT.2100)."""
    level = np.arange(65536, dtype=np.float64) / 65535
    if kind == PQ:
        return pq_light(level).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(level <= 0.5, level**2 / 3, (np.exp((level - c) / a) + b) / 12).astype(np.float32)


M1, M2, C1, C2, C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875


def pq_light(level: np.ndarray) -> np.ndarray:
    root = level ** (1 / M2)
    return 10000 * (np.maximum(root - C1, 0) / (C2 - C3 * root)) ** (1 / M1)


def pq_level(light: np.ndarray) -> np.ndarray:
    root = (np.clip(light, 0, None) / 10000) ** M1
    return ((C1 + C2 * root) / (1 + C3 * root)) ** M2


def mapped(light: np.ndarray) -> np.ndarray:
    """cd/m2 up to PEAK rolled off to cd/m2 up to WHITE; below the knee light stays as it is (BT.2390, in PQ levels)."""
    return np.interp(light, *roll_off())


@cache
def roll_off() -> tuple[np.ndarray, np.ndarray]:
    """The curve as points to interpolate between: light in, light out."""
    top = float(pq_level(np.array(PEAK)))
    level = np.linspace(0, 1, 1024)
    white = float(pq_level(np.array(WHITE))) / top
    knee = 1.5 * white - 0.5
    t = (level - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * white
    return pq_light(level * top), pq_light(np.where(level < knee, level, spline) * top)
