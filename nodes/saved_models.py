"""Models of ours in files that ComfyUI's CheckpointSave wrote, so that what was patched or merged there loads again."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from ..sora_core.pipeline import SoraModel

__all__ = ["CONFIG", "is_saved_model", "load_saved"]

CONFIG = "sora_config"
"""the sizes of transformer, text encoder and codec as the bytes of a JSON, among the tensors of the CLIP"""
TRANSFORMER, TEXT, CODEC = "model.diffusion_model.", "cond_stage_model.", "first_stage_model."
"""where CheckpointSave puts MODEL, CLIP and VAE"""


def is_saved_model(path: Path) -> bool:
    """Whether a checkpoint is of ours, by its header."""
    return path.suffix == ".safetensors" and _says_so(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1024)
def _says_so(path: Path, changed: int) -> bool:
    from ..sora_core.checkpoints import read_header
    from ..sora_core.errors import CheckpointError

    try:
        return TEXT + CONFIG in read_header(path).shapes
    except CheckpointError:
        return False


def load_saved(path: Path) -> SoraModel:
    """The model in such a file. Raises CheckpointError for one that lacks MODEL, CLIP or VAE, or is damaged."""
    import torch

    from ..sora_core import checkpoints
    from ..sora_core.dit import DiT, DiTConfig
    from ..sora_core.errors import CheckpointError, InputError
    from ..sora_core.headers import check_config, with_tuples
    from ..sora_core.pipeline import SoraModel
    from ..sora_core.text.encoder import TextConfig, TextEncoder
    from ..sora_core.text.tokenizer import WordTokenizer
    from ..sora_core.vae import BundledCodec, CodecConfig

    tensors = dict(checkpoints.load(path).tensors)
    try:
        said = json.loads(bytes(tensors.pop(TEXT + CONFIG).tolist()))
        check_config(said, len(tensors), path)
        sizes: dict[str, dict[str, Any]] = with_tuples(said)
        with torch.device("meta"):
            dit, codec = DiT(DiTConfig(**sizes["transformer"])), BundledCodec(CodecConfig(**sizes["codec"]))
            text = TextEncoder(TextConfig(**sizes["text"]))
    except (AttributeError, InputError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has a damaged config; fetch or save it again.") from error

    def filled(module: nn.Module, prefix: str) -> Any:
        checkpoints.load_into(module, tensors, prefix=prefix, what=f"the weights in {path}")
        return module.float().eval().requires_grad_(False)

    return SoraModel(
        codec=filled(codec, CODEC),
        text=filled(text, TEXT),
        dit=filled(dit, TRANSFORMER),
        tokenizer=WordTokenizer(text.config.vocabulary, text.config.tokens),
    )
