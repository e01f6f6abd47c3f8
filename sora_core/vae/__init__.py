"""Causal video codecs."""

from .base import CausalCodec
from .bounded import decode_bounded, encode_bounded, tiles_for
from .bundled import BundledCodec, CodecConfig
from .tiling import Tiles

__all__ = [
    "BundledCodec",
    "CausalCodec",
    "CodecConfig",
    "Tiles",
    "decode_bounded",
    "encode_bounded",
    "tiles_for",
]
