"""The diffusion transformer."""

from .config import DiTConfig
from .model import ClipGrid, DiT, TextKV, TokenPlan

__all__ = ["ClipGrid", "DiT", "DiTConfig", "TextKV", "TokenPlan"]
