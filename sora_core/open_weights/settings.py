"""How the published models were meant to be sampled, as their authors give it."""

from __future__ import annotations

from dataclasses import dataclass

from ..dit.config import DiTConfig
from ..grid import Geometry
from ..settings import SamplingSettings
from ..vae.wan21 import Wan21Config
from ..vae.wan22 import Wan22Config

__all__ = ["PUBLISHED", "Published", "geometry_of", "published"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """Defaults of one published model."""

    name: str
    width: int
    """of its transformer: what it is known by"""
    channels: int
    shift: float
    steps: int
    cfg: float
    frames: int
    fps: float
    size: tuple[int, int]
    """width and height in pixels"""
    boundary: float | None = None
    """sigma at which the second expert takes over"""
    cfg_low: float | None = None
    """cfg of the second expert"""

    @property
    def settings(self) -> SamplingSettings:
        """How it is sampled: guidance acts at every noise level."""
        return SamplingSettings(
            steps=self.steps, cfg=self.cfg, cfg_interval=(0.0, 1.0), low_cfg=self.cfg_low, shift=self.shift
        )


PUBLISHED = (
    Published(
        name="Wan 2.1 T2V 1.3B", width=1536, channels=16, shift=8, steps=50, cfg=6, frames=81, fps=16, size=(832, 480)
    ),
    Published(
        name="Wan 2.1 T2V 14B", width=5120, channels=16, shift=5, steps=50, cfg=5, frames=81, fps=16, size=(1280, 720)
    ),
    Published(
        name="Wan 2.2 TI2V 5B", width=3072, channels=48, shift=5, steps=50, cfg=5, frames=121, fps=24, size=(1280, 704)
    ),
    Published(
        name="Wan 2.2 T2V A14B",
        width=5120,
        channels=16,
        shift=12,
        steps=40,
        cfg=4,
        frames=81,
        fps=16,
        size=(1280, 720),
        boundary=0.875,
        cfg_low=3,
    ),
)
"""the last is two transformers of the second's size: it is meant where two are given"""


def published(config: DiTConfig, *, two_experts: bool = False) -> Published:
    """The defaults of the model with these sizes; the nearest in size where there is none."""
    fits = [p for p in PUBLISHED if p.channels == config.channels and (p.boundary is not None) == two_experts]
    return min(fits or PUBLISHED[:1], key=lambda p: abs(p.width - config.width))


def geometry_of(config: DiTConfig) -> Geometry:
    """How the codec that a transformer was trained with divides a video."""
    codecs = (Wan21Config(), Wan22Config())
    return min(codecs, key=lambda codec: abs(codec.channels - config.channels)).geometry
