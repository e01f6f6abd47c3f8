"""Other implementations on the same weights, for parity and for speed: `diffusers` and `transformers`, where installed.

Our modules are filled with random numbers and the peer takes over the very same tensors, so nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..dit.config import DiTConfig
from ..dit.model import DiT
from ..errors import ResourceError
from ..open_weights.keys import SPARE, renamed
from ..text.umt5 import UMT5, UMT5Config
from ..vae.wan21 import Wan21Codec, Wan21Config
from ..vae.wan22 import Wan22Codec, Wan22Config

__all__ = ["codec", "diffusers", "peer_codec", "peer_text_encoder", "peer_transformer", "text_encoder", "transformer"]


def diffusers(package: str = "diffusers") -> Any:
    """The package; raises ResourceError where it is missing."""
    try:
        return __import__(package)
    except ImportError as error:
        raise ResourceError(
            f"the comparison needs the package {package}: pip install {package} (the extra dev-peer)."
        ) from error


def filled(module: nn.Module, dtype: torch.dtype, *, device: torch.device | str = "cpu") -> nn.Module:
    """A module of the meta device with random numbers of a trained network's size: norms near 1, layers that keep
    variance."""
    generator = torch.Generator(device).manual_seed(0)
    values = {name: random(name, value.shape, generator).to(dtype) for name, value in module.state_dict().items()}
    module.load_state_dict(values, assign=True)
    return module.requires_grad_(False).eval()


def random(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    values = torch.randn(shape, generator=generator, device=generator.device)
    if name.endswith("gamma") or ("norm" in name and name.endswith("weight")):
        return 1 + 0.1 * values
    if name.endswith("bias") or name.endswith("modulation"):
        return 0.1 * values
    if name.startswith("shared"):
        return values
    return values * max(1, values[0].numel()) ** -0.5


def taken_over(peer: nn.Module, ours: nn.Module) -> nn.Module:
    """The peer with our tensors under its own names."""
    state = ours.state_dict()
    names = renamed([name for name in peer.state_dict() if not SPARE.search(name)])
    peer.load_state_dict(
        {theirs: state[name] for theirs, name in names.items() if name in state}, assign=True, strict=False
    )
    left = [name for name, value in peer.named_parameters() if value.is_meta]
    if left:
        raise ResourceError(f"this version of the peer has weights that ours lack ({', '.join(left[:3])}).")
    return peer.requires_grad_(False).eval()


def peer_transformer(config: DiTConfig, ours: DiT) -> nn.Module:
    """diffusers' WanTransformer3DModel on our weights."""
    package = diffusers()
    sizes = {"num_attention_heads": config.heads, "attention_head_dim": config.head_dim, "num_layers": config.depth}
    channels = {"in_channels": config.channels, "out_channels": config.channels, "text_dim": config.text_width}
    with torch.device("meta"):
        peer = package.WanTransformer3DModel(
            **sizes, **channels, ffn_dim=config.mlp_width, freq_dim=config.time_features
        )
    peer.rope = type(peer.rope)(config.head_dim, config.patch, 1024)
    return taken_over(peer, ours)


def peer_codec(config: Wan21Config, ours: Wan21Codec) -> nn.Module:
    """diffusers' AutoencoderKLWan on our weights."""
    package = diffusers()
    settings: dict[str, Any] = {"base_dim": config.width, "z_dim": config.channels, "num_res_blocks": config.blocks}
    settings |= {"latents_mean": list(config.mean), "latents_std": list(config.std), "dim_mult": list(config.growth)}
    if isinstance(config, Wan22Config):
        settings |= {
            "is_residual": True,
            "in_channels": 12,
            "out_channels": 12,
            "patch_size": 2,
            "scale_factor_spatial": 16,
        }
        settings |= {"decoder_base_dim": config.decoder_width}
    with torch.device("meta"):
        peer = package.AutoencoderKLWan(**settings)
    return taken_over(peer, ours)


def peer_text_encoder(config: UMT5Config, ours: UMT5) -> nn.Module:
    """transformers' UMT5EncoderModel on our weights."""
    package = diffusers("transformers")
    sizes: Mapping[str, int] = {
        **{"vocab_size": config.vocabulary, "d_model": config.width, "d_kv": config.head_dim, "d_ff": config.mlp_width},
        **{"num_layers": config.depth, "num_heads": config.heads},
    }
    with torch.device("meta"):
        peer = package.UMT5EncoderModel(package.UMT5Config(**sizes, feed_forward_proj="gated-gelu", dropout_rate=0.0))
    peer = taken_over_text(peer, ours)
    return peer


def taken_over_text(peer: nn.Module, ours: UMT5) -> nn.Module:
    """The table of word pieces appears twice in the peer."""
    peer.set_input_embeddings(ours.shared)  # type: ignore[operator]
    return taken_over(peer, ours)


def transformer(config: DiTConfig, dtype: torch.dtype, device: torch.device | str = "cpu") -> DiT:
    with torch.device("meta"):
        module = DiT(config)
    return filled(module, dtype, device=device)  # type: ignore[return-value]


def codec(config: Wan21Config, dtype: torch.dtype, device: torch.device | str = "cpu") -> Wan21Codec:
    with torch.device("meta"):
        module = (Wan22Codec if isinstance(config, Wan22Config) else Wan21Codec)(config)
    return filled(module, dtype, device=device)  # type: ignore[return-value]


def text_encoder(config: UMT5Config, dtype: torch.dtype) -> UMT5:
    with torch.device("meta"):
        module = UMT5(config)
    return filled(module, dtype)  # type: ignore[return-value]
