"""Sound: kept where frames are kept, silent where they are made."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .edit import Edit

__all__ = ["begins", "lay_sounds", "on_channels", "second_begins"]


def begins(edit: Edit) -> float:
    """The second of the finished clip at which the given clip begins."""
    if edit.before is not None or edit.keep is None:
        return 0.0
    return (int(edit.keep.nonzero()[0]) - (edit.shown or (0, 0))[0]) / edit.fps


def second_begins(edit: Edit) -> float:
    """The second of the finished clip at which the second of two connected clips begins."""
    made = 0 if edit.keep is None else int((~edit.keep).nonzero().max()) + 1
    return (made + (0 if edit.before is None else edit.before.length)) / edit.fps


def lay_sounds(sounds: Sequence[tuple[Tensor, float]], *, rate: int, seconds: float) -> Tensor:
    """Waveforms [B,C,S], each from its second on (negative: its beginning is cut off), on `seconds` of silence at
    `rate` samples a second.

    Mono is spread over all channels, stereo lies on the first two of more; what reaches beyond the end is cut off.
    """
    channels = max(wave.shape[1] for wave, _ in sounds)
    out = torch.zeros(1, channels, round(seconds * rate))
    for wave, start in sounds:
        at = round(start * rate)
        part = on_channels(wave[:1, :, max(0, -at) :], channels)
        at = max(0, at)
        length = max(0, min(part.shape[2], out.shape[2] - at))
        out[..., at : at + length] += part[..., :length]
    return out


def on_channels(wave: Tensor, channels: int) -> Tensor:
    """A waveform [B,C,S] on at least as many channels: mono on all of them, any other on the first ones."""
    if wave.shape[1] == 1:
        return wave.expand(-1, channels, -1)
    return torch.nn.functional.pad(wave, (0, 0, 0, channels - wave.shape[1]))
