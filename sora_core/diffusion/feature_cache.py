"""Feature cache: a step that would change little takes its velocity from the last two instead of running the
network."""

from __future__ import annotations

from torch import Tensor

from ..errors import InputError
from ..types import Denoiser

__all__ = ["CachePerCall", "FeatureCache"]

LEVELS = 0.1, 0.95
"""lowest and highest sigma at which a run may be skipped"""


class FeatureCache:
    """Skips the network while its output is predicted to move by less than `threshold` (a fraction of its size).

    Two real runs show how fast the velocity (x - denoised)/sigma moves with sigma. Until it has moved by `threshold`
    since the last one, it is carried on along that slope (the first order of TaylorSeer, arXiv 2503.06923). Calls with
    sigma outside LEVELS are always real; a rising sigma begins a new run. It reads one or two numbers
    on the host per call. After a resume it starts afresh, so bits may differ.
    """

    def __init__(self, denoiser: Denoiser, threshold: float = 0.05) -> None:
        if not 0 <= threshold < 1:
            raise InputError(f"a feature cache needs a threshold from 0 to below 1, not {threshold}")
        self.denoiser, self.threshold = denoiser, threshold
        self.skipped = 0
        """calls answered without the network"""
        self._runs: list[tuple[float, Tensor]] = []
        """the last two real runs: sigma, velocity"""
        self._lowest = 0.0

    def __call__(self, x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        level = float(sigma[0])
        if level > self._lowest or any(velocity.shape != x.shape for _, velocity in self._runs):
            self._runs = []
        self._lowest = level
        if self._may_skip(level):
            self.skipped += 1
            return x - level * self._velocity(level)
        denoised = self.denoiser(x, sigma, mask, context)
        self._remember(level, (x - denoised) / max(level, 1e-6))
        return denoised

    def _may_skip(self, level: float) -> bool:
        low, high = LEVELS
        if len(self._runs) < 2 or not low <= level <= high:
            return False
        (sigma0, v0), (sigma1, v1) = self._runs
        moved = (v1 - v0).abs().mean() / v1.abs().mean()
        return bool(moved * (sigma1 - level) / (sigma0 - sigma1) < self.threshold)  # not a number: the network runs

    def _velocity(self, level: float) -> Tensor:
        (sigma0, v0), (sigma1, v1) = self._runs
        return v1 + (v1 - v0) * ((level - sigma1) / (sigma1 - sigma0))

    def _remember(self, level: float, velocity: Tensor) -> None:
        """Keep this run and the one before it at another sigma."""
        before = [run for run in self._runs if run[0] > level]
        self._runs = [*before[-1:], (level, velocity)]


class CachePerCall:
    """A feature cache for a host that calls the network several times per noise level (cond, uncond): one cache for
    each.

    `denoiser = caches(denoiser, sigmas)` at every call, as the host's wrappers are made. Other `sigmas` than at the
    call before are another run, which begins afresh: the one before may have been stopped anywhere.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._caches: list[FeatureCache] = []
        self._level, self._turn = -1.0, 0
        self._sigmas: Tensor | None = None

    def __call__(self, denoiser: Denoiser, sigmas: Tensor) -> Denoiser:
        if sigmas is not self._sigmas:
            self._caches, self._level, self._sigmas = [], -1.0, sigmas

        def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
            level = float(sigma[0])
            self._turn = self._turn + 1 if level == self._level else 0
            self._level = level
            if self._turn == len(self._caches):
                self._caches.append(FeatureCache(denoiser, self.threshold))
            cache = self._caches[self._turn]
            cache.denoiser = denoiser
            return cache(x, sigma, mask, context)

        return denoise
