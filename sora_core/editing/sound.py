"""Sound: kept where frames are kept, silent where they are made."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["lay_sounds"]


def lay_sounds(sounds: Sequence[tuple[Tensor, float]], *, rate: int, seconds: float) -> Tensor:
    """Waveforms [B,C,S], each from its second on (negative: its beginning is cut off), on `seconds` of silence at
    `rate` samples a second.

    Mono is spread over all channels; what reaches beyond the end is cut off.
    """
    channels = max(wave.shape[1] for wave, _ in sounds)
    out = torch.zeros(1, channels, round(seconds * rate))
    for wave, start in sounds:
        at = round(start * rate)
        part = wave[:1, :, max(0, -at) :]
        at = max(0, at)
        length = max(0, min(part.shape[2], out.shape[2] - at))
        out[:, :, at : at + length] += part[:, :, :length]
    return out
