"""Between the colours of video files and RGB: matrix, range and transfer as the file says, rounded to the nearest.

swscale's default conversion cuts fractions off, which darkens a picture by a level or more at every reading; the flags
below make it round, and take chroma at full resolution.
What a file does not say is read as players do: high definition is BT.709, anything smaller BT.601, in limited range.
High dynamic range is tone-mapped (`tone`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import av
import av.filter
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter

from ..errors import MediaError
from .tone import HLG, PQ, tone_mapped

__all__ = ["BT709", "FULL", "LIMITED", "Colours", "FromRgb", "ToRgb"]

BT709, BT601, BT2020 = 1, 5, 9
"""colour matrices, as ITU-T H.273 numbers them"""
LIMITED, FULL = 1, 2
UNSPECIFIED = {0, 2, 3}
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: BT2020, 10: BT2020}
"""of the matrices that a file may name, those that swscale knows; constant luminance is read as the usual BT.2020"""
NAMES = {BT709: "bt709", 4: "fcc", BT601: "bt601", 7: "smpte240m", BT2020: "bt2020"}
"""as swscale calls them"""
ACCURATE = 4 | 0x2000 | 0x4000 | 0x40000 | 0x80000
"""swscale's flags: bicubic, full chroma on both sides, accurate rounding, the same on every machine"""
HD_WIDTH, SD_HEIGHT = 1280, 576
"""an untagged picture this wide, or taller than that, is taken for BT.709"""
OWN_PLACE = hasattr(av.VideoFrame, "color_trc")
"""whether this PyAV (17 and later) tells swscale where a frame's chroma lies, and us its colours"""


@dataclass(frozen=True, kw_only=True)
class Colours:
    """What a stream says of its colours, as ITU-T H.273 numbers it; 2 is nothing."""

    transfer: int = 2
    primaries: int = 2

    @staticmethod
    def of(frame: av.VideoFrame, context: VideoCodecContext) -> Colours:
        """As the frame says, or the decoder where PyAV does not tell of frames."""
        return Colours(
            transfer=int(getattr(frame, "color_trc", None) or getattr(context, "color_trc", None) or 2),
            primaries=int(getattr(frame, "color_primaries", None) or getattr(context, "color_primaries", None) or 2),
        )

    @property
    def notes(self) -> list[str]:
        """What is changed in such colours, or left as it is against the usual."""
        if self.transfer in (PQ, HLG):
            name = "PQ" if self.transfer == PQ else "HLG"
            return [f"high dynamic range ({name}) is tone-mapped to standard range"]
        if self.primaries == BT2020:
            return ["the wide gamut of BT.2020 is shown as that of BT.709, so colours look paler"]
        return []


class ToRgb:
    """Decoded frames of one stream to RGB uint8 [H,W,3]; keeps its tables from frame to frame."""

    def __init__(self, colours: Colours) -> None:
        self.colours = colours
        self.reformatter = VideoReformatter()
        self.graph: av.filter.Graph | None = None
        self.made_for = ""

    def __call__(self, frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
        """Scaled to `size` (height, width) where that is another. Raises MediaError for a form that is no picture."""
        kind = self.colours.transfer
        try:
            if kind in (PQ, HLG):
                wide = self.colours.primaries in {BT2020, *UNSPECIFIED}
                return tone_mapped(self.converted(frame, "rgb48le", size), kind, wide=wide)
            return self.converted(frame, "rgb24", size)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"frames of the form {frame.format.name} cannot be turned into RGB: {error}.") from error

    def converted(self, frame: av.VideoFrame, target: str, size: tuple[int, int]) -> np.ndarray:
        """In an RGB format, rounded to the nearest level."""
        name = frame.format.name
        full = self.is_full(frame)
        if not OWN_PLACE and name.startswith(("yuv420p", "yuv422p")):
            return self.filtered(frame, target, size, full)
        matrix = None if frame.format.is_rgb else self.matrix_of(frame)
        return self.reformatter.reformat(
            frame, width=size[1], height=size[0], format=target, interpolation=ACCURATE,
            # the target's matrix means nothing for RGB, but older PyAV ignores the source's unless they differ
            src_colorspace=matrix, dst_colorspace=BT601 if matrix != BT601 else BT709,
            src_color_range=FULL if full else LIMITED, dst_color_range=FULL,
        ).to_ndarray()  # fmt: skip

    @staticmethod
    def is_full(frame: av.VideoFrame) -> bool:
        """Whether levels reach from 0 to 255."""
        whole = frame.format.is_rgb or frame.format.name.startswith(("yuvj", "gray"))
        return whole or int(frame.color_range) == FULL

    def filtered(self, frame: av.VideoFrame, target: str, size: tuple[int, int], full: bool) -> np.ndarray:
        """The same through a filter, which can be told that chroma lies at the left of each pair of pixels."""
        colours = f"in_color_matrix={NAMES[self.matrix_of(frame)]}:in_range={'pc' if full else 'tv'}:out_range=pc"
        scale = f"w={size[1]}:h={size[0]}:{colours}:in_h_chr_pos=0:in_v_chr_pos=128:flags={ACCURATE}"
        form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1"
        if self.graph is None or self.made_for != form + scale + target:
            self.graph, self.made_for = filter_graph(form, scale, target), form + scale + target
        graph = self.graph
        graph.push(frame)
        return cast(av.VideoFrame, graph.pull()).to_ndarray()

    def matrix_of(self, frame: av.VideoFrame) -> int:
        """The colour matrix of a frame, guessed from its primaries and size where it is not stated."""
        stated = MATRICES.get(int(frame.colorspace))
        if stated is not None:
            return stated
        by_primaries = {BT709: BT709, BT2020: BT2020}.get(self.colours.primaries)
        if by_primaries is not None:
            return by_primaries
        return BT709 if frame.width >= HD_WIDTH or frame.height > SD_HEIGHT else BT601


class FromRgb:
    """RGB uint8 [H,W,3] of one size, even sides, to frames of yuv420p: BT.709 in limited range, or as is asked.

    Chroma lies where H.264 says it does, at the left of each pair of pixels: placed between them, as swscale does when
    it is not asked, it moves by a quarter of a pixel at every writing and smears colours within a few.
    """

    def __init__(self, height: int, width: int, *, matrix: int = BT709, full: bool = False) -> None:
        colours = f"out_color_matrix={NAMES[matrix]}:out_range={'pc' if full else 'tv'}"
        scale = f"{colours}:out_h_chr_pos=0:out_v_chr_pos=128:flags={ACCURATE}"
        self.graph = filter_graph(f"video_size={width}x{height}:pix_fmt=rgb24:time_base=1/1", scale, "yuv420p")

    def __call__(self, pixels: np.ndarray) -> av.VideoFrame:
        self.graph.push(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
        return cast(av.VideoFrame, self.graph.pull())


def filter_graph(form: str, scale: str, target: str) -> av.filter.Graph:
    """Frames of a form in, scaled and of the target format out."""
    graph = av.filter.Graph()
    steps = [graph.add("buffer", form), graph.add("scale", scale), graph.add("format", target), graph.add("buffersink")]
    for step, following in pairwise(steps):
        step.link_to(following)
    graph.configure()
    return graph
