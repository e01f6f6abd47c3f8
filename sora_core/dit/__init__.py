"""The diffusion transformer."""

from .config import DiTConfig
from .model import ClipGrid, DiT, Plan, TextKV

__all__ = ["ClipGrid", "DiT", "DiTConfig", "Plan", "TextKV"]
