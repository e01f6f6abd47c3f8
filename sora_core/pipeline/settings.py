"""The settings of a run where the user says nothing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULTS", "Defaults"]


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What is used where the user says nothing."""

    negative: str = ""
    seconds: float = 2.0
    size: tuple[int, int] = (64, 64)
    """width and height in pixels"""
    fps: float = 8.0
    steps: int = 25
    cfg: float = 2.0
    cfg_interval: tuple[float, float] = (0.1, 1.0)
    """noise levels at which guidance acts (arXiv 2404.07724)"""
    solver: str = "dpmpp_2m"
    scheduler: str = "simple"
    seed: int = 0


DEFAULTS = Defaults()
