"""Sizes and choices of the diffusion transformer."""

from __future__ import annotations

from dataclasses import dataclass

from ..diffusion.parametrization import PARAMETRIZATIONS, Parametrization
from ..errors import InputError

__all__ = ["DiTConfig"]


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """From ten million to ten billion parameters. Defaults are Wan 2.1 T2V 1.3B; the bundled model sets the last
    block too."""

    width: int = 1536
    """features per token"""
    depth: int = 30
    """blocks"""
    heads: int = 12
    """attention heads; width / heads is the head dim"""
    mlp_width: int = 8960
    """hidden features of the MLP"""
    channels: int = 16
    """latent channels, in and out"""
    patch: tuple[int, int, int] = (1, 2, 2)
    """latent cells per token in time, height and width"""
    text_width: int = 4096
    """features per text token"""
    text_tokens: int = 512
    """text is zero-padded to this many tokens and not masked"""
    time_features: int = 256
    """sinusoid features of the noise level"""
    prediction: Parametrization = "velocity"
    """what the network gives: noise - clean, or the clean latent itself"""
    input_gate: bool = False
    """each number of the output is the network's own plus a share, which it gives too, of the same number of its
    input"""
    per_position_time: bool = False
    """kept positions are told sigma 0; else they are re-noised by the denoiser"""
    eps: float = 1e-6
    """of every norm"""
    rope_theta: float = 10000.0
    """longest wavelength of the rotary positions"""
    grid_features: bool = False
    """tokens are told where they are and what a latent frame stands for, and rotary positions are in seconds and
    picture sides"""

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise InputError(f"width {self.width} must divide into {self.heads} heads of even size")
        if self.prediction not in PARAMETRIZATIONS:
            raise InputError(f"prediction is one of {', '.join(PARAMETRIZATIONS)}, not {self.prediction!r}")

    @property
    def head_dim(self) -> int:
        return self.width // self.heads
