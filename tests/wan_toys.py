"""Published weights of a few numbers, in the files that loaders name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.text.pieces import TokenTable
from sora_nodes.sora_core.text.umt5 import UMT5, UMT5Config
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config
from torch import nn

FOLDERS = {
    "UNETLoader": "diffusion_models",
    "SoraLoadLora": "loras",
    "CLIPLoader": "text_encoders",
    "VAELoader": "vae",
}


def write(path: Path, module: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    save_file({n: (torch.randn(s, generator=generator) * 0.05).to(dtype) for n, s in shapes.items()}, path)


def nest(path: str, module: nn.Module) -> nn.Module:
    """A module whose parameters have this path before their names."""
    for name in reversed(path.split(".")):
        module = nn.ModuleDict({name: module})
    return module


def tiny(loader: str, name: str) -> nn.Module:
    """A network of the kind that a file of this name holds."""
    if loader == "SoraLoadLora":
        layer = nn.Module()
        layer.lora_A, layer.lora_B = nn.Linear(128, 2, bias=False), nn.Linear(2, 128, bias=False)
        return nest("diffusion_model.blocks.0.self_attn.q", layer)
    if loader == "UNETLoader":
        channels = 48 if "5B" in name else 16
        return DiT(
            DiTConfig(
                width=128,
                depth=1,
                heads=1,
                mlp_width=64,
                channels=channels,
                text_width=16,
                per_position_time=channels == 48,
            )
        )
    if loader == "CLIPLoader":
        return UMT5(UMT5Config(vocabulary=200, width=16, depth=1, heads=2, head_dim=8, mlp_width=16))
    return Wan22Codec(Wan22Config(width=8, decoder_width=8)) if "2.2" in name else Wan21Codec(Wan21Config(width=8))


def put_tokenizer_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every text encoder find a tokenizer: tiny files have none."""
    table = TokenTable(lambda words: [2 + ord(c) % 100 for c in words], limit=512)
    monkeypatch.setattr(TokenTable, "near", classmethod(lambda cls, folder: table))
