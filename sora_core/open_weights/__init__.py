"""Published weights in our own codec, text encoder and transformer: the Wan family.

dit = load_transformer("wan2.1_t2v_1.3B_bf16.safetensors")        # a file, a folder, or an index of shards
encoder, tokens = load_text_encoder("umt5_xxl_fp8_e4m3fn_scaled.safetensors")
codec = load_codec("wan_2.1_vae.safetensors")
"""

from .load import (
    OpenModel,
    check_fits,
    check_part,
    load_codec,
    load_open,
    load_part,
    load_text_encoder,
    load_transformer,
)
from .lora import LoraUse, with_loras
from .settings import PUBLISHED, Published, geometry_of, published
from .text import OpenText, OpenTokens

__all__ = [
    "PUBLISHED",
    "LoraUse",
    "OpenModel",
    "OpenText",
    "OpenTokens",
    "Published",
    "check_fits",
    "check_part",
    "geometry_of",
    "load_codec",
    "load_open",
    "load_part",
    "load_text_encoder",
    "load_transformer",
    "published",
    "with_loras",
]
