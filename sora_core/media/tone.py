"""High dynamic range to standard range: PQ and HLG by ITU-R BT.2390, diffuse white at 203 cd/m2 (BT.2408)."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["HLG", "PQ", "tone_mapped"]

PQ, HLG = 16, 18
"""transfer functions, as ITU-T H.273 numbers them"""
WHITE, PEAK = 203.0, 1000.0
"""cd/m2: what becomes white, and the brightest that is told apart (the usual mastering display)"""
SDR_GAMMA = 2.4
"""of the display that frames are meant for, ITU-R BT.1886"""
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # ITU-R BT.2087
M1, M2, C1, C2, C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
"""of the curve of PQ, SMPTE ST 2084"""


def tone_mapped(deep: np.ndarray, kind: int, *, wide: bool) -> np.ndarray:
    """PQ or HLG, uint16 [H,W,3], to RGB of standard range, uint8 [H,W,3]."""
    light = linear(kind)[deep]
    if kind == HLG:
        light *= (PEAK * np.maximum(light @ LUMA_2020, 1e-6) ** 0.2)[..., None]
    if wide:
        light = np.maximum(light @ TO_709.T, 0)
    brightest = light.max(-1, keepdims=True)
    light *= mapped(brightest) / np.maximum(brightest, 1e-6)
    return (255 * np.clip(light / WHITE, 0, 1) ** (1 / SDR_GAMMA) + 0.5).astype(np.uint8)


@cache
def linear(kind: int) -> np.ndarray:
    """Light of each of the 65536 levels: cd/m2 for PQ (SMPTE ST 2084), of the scene in 0..1 for HLG (ITU-R BT.2100)."""
    level = np.arange(65536, dtype=np.float64) / 65535
    if kind == PQ:
        return pq_light(level).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(level <= 0.5, level**2 / 3, (np.exp((level - c) / a) + b) / 12).astype(np.float32)


def pq_light(level: np.ndarray) -> np.ndarray:
    root = level ** (1 / M2)
    return 10000 * (np.maximum(root - C1, 0) / (C2 - C3 * root)) ** (1 / M1)


def pq_level(light: np.ndarray) -> np.ndarray:
    root = (np.clip(light, 0, None) / 10000) ** M1
    return ((C1 + C2 * root) / (1 + C3 * root)) ** M2


def mapped(light: np.ndarray) -> np.ndarray:
    """cd/m2 up to PEAK rolled off to cd/m2 up to WHITE; below the knee light stays as it is (BT.2390, in PQ levels)."""
    return np.interp(light, *roll_off())


@cache
def roll_off() -> tuple[np.ndarray, np.ndarray]:
    """The curve as points to interpolate between: light in, light out."""
    top = float(pq_level(np.array(PEAK)))
    level = np.linspace(0, 1, 1024)
    white = float(pq_level(np.array(WHITE))) / top
    knee = 1.5 * white - 0.5
    t = (level - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * white
    return pq_light(level * top), pq_light(np.where(level < knee, level, spline) * top)
