"""A tiny codec and clips for the tests of edit operations."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from sora_nodes.nodes import host
from sora_nodes.sora_core.diffusion import draw_noise, sample, schedule
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.editing import Clip, Edit
from sora_nodes.sora_core.pipeline import SoraModel
from sora_nodes.sora_core.text.encoder import TextConfig, TextEncoder
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig
from torch import Tensor

FPS = 8.0
H, W = 16, 32


def tiny_codec() -> BundledCodec:
    """A codec with random weights that hears two latent frames back per layer: four in all."""
    torch.manual_seed(0)
    return BundledCodec(CodecConfig(channels=4, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1))).eval()


def frames(count: int, *, height: int = H, width: int = W, seed: int = 1) -> Tensor:
    """A random image [count,H,W,3] in 0..1."""
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(seed))


def video(image: Tensor, fps: float = FPS, audio: dict[str, Any] | None = None) -> Any:
    """A VIDEO of an image, in memory."""
    return host.VideoFromComponents(host.VideoComponents(images=image, frame_rate=Fraction(fps), audio=audio))


def clip(count: int, **size: int) -> Clip:
    return Clip(image=frames(count, **size), fps=FPS)


def sampled(edit: Edit, seed: int = 0) -> Tensor:
    """The edit's grid after two steps with a denoiser that makes grey."""
    noise = draw_noise(edit.state.latent.shape[1:], seed, count=len(edit.state.latent))
    return sample(
        lambda x, *_: torch.zeros_like(x) + 0.1 * x, edit.state, noise, schedule("simple", 2), torch.zeros(1, 1, 1)
    )


def pattern(edit: Edit) -> str:
    """The grid in letters: k keep, m make, p in part."""
    rows = edit.state.mask[0, 0].flatten(1)
    return "".join("k" if row.max() == 0 else "m" if row.min() == 1 else "p" for row in rows)


def tiny_model() -> SoraModel:
    torch.manual_seed(0)
    words = ("a", "red", "ball", "blue")
    text = TextEncoder(TextConfig(vocabulary=words, width=16, depth=1, heads=2, mlp_width=16, tokens=8))
    dit = DiT(
        DiTConfig(
            width=16, depth=1, heads=2, mlp_width=16, channels=4, text_width=16, text_tokens=8,
            prediction="clean", per_position_time=True, grid_features=True,
        )
    )  # fmt: skip
    return SoraModel(codec=tiny_codec(), text=text.eval(), tokenizer=WordTokenizer(words, 8), dit=dit.eval())
