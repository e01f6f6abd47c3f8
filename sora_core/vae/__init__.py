"""Causal video codecs."""

from .base import CausalCodec
from .bundled import BundledCodec, CodecConfig

__all__ = ["BundledCodec", "CausalCodec", "CodecConfig"]
