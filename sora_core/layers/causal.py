"""Causal convolution over time with one cache, so that a stream gives what the whole clip gives.

Legend: B batch, C channels, T time, H W height and width. A causal layer sees its own frame and earlier ones only:
encoding a prefix is the prefix of the encoding. Before the first frame of a stream stand zeros; before a
later chunk stand the frames that the cache kept.
"""

from __future__ import annotations

from typing import IO, Any

import torch
import torch.nn as nn
from torch import Tensor

__all__ = ["CausalConv3d", "StreamCache", "causal_conv"]


class StreamCache:
    """What the causal layers of one codec remember between the time chunks of one stream."""

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}
        self._away: list[tuple[int, torch.Size, tuple[int, ...], torch.dtype, torch.device]] = []

    def extend(self, layer: nn.Module, x: Tensor, frames: int) -> Tensor:
        """Put the last `frames` inputs of `layer` (zeros at the start) before x [B,C,T,H,W], and remember the new
        last ones."""
        before = self._kept.get(id(layer))
        if before is None:
            before = x.new_zeros(*x.shape[:2], frames, *x.shape[3:])
        x = torch.cat([before, x], dim=2)
        self._kept[id(layer)] = x[:, :, -frames:].clone()
        return x

    def scratch(self, layer: nn.Module, x: Tensor, frames: int) -> Tensor:
        """What `extend` would give for an x that is still to be written: [B,C,frames+T,H,W] channels-last, the first
        filled in.

        What came before is forgotten with that; `remember` comes next.
        """
        b, c, t, h, w = x.shape
        out = x.new_empty(b, frames + t, h, w, c).movedim(-1, 1)
        before = self.recall(layer)
        known = 0 if before is None else before.shape[2]
        out[:, :, : frames - known] = 0
        if before is not None:
            out[:, :, frames - known : frames] = before
        return out

    def buffer(self, layer: nn.Module, x: Tensor, frames: int) -> Tensor:
        """What `layer` remembers of `frames` inputs [B,C,frames,H,W] (zeros at the start), to be overwritten with what
        it shall remember; in channels-last memory."""
        before = self._kept.get(id(layer))
        known = 0 if before is None else before.shape[2]
        if known < frames:
            b, c, _, h, w = x.shape
            scratch = x.new_zeros(b, frames, h, w, c).movedim(-1, 1)
            if before is not None:
                scratch[:, :, frames - known :] = before
            self._kept[id(layer)] = scratch
        return self._kept[id(layer)]

    def is_new(self, layer: nn.Module) -> bool:
        """Whether nothing has come before."""
        return id(layer) not in self._kept

    def recall(self, layer: nn.Module) -> Tensor | None:
        """What was remembered for `layer`, if anything; it is forgotten with that."""
        return self._kept.pop(id(layer), None)

    def remember(self, layer: nn.Module, x: Tensor) -> None:
        """Let x be what comes before the next input of `layer`: frames [B,C,T,H,W], or what they add to it."""
        self._kept[id(layer)] = x.clone()

    def unload(self, file: IO[bytes]) -> None:
        """Write to a file what is remembered, and let it go; `load` from the same place brings it back, bit for bit."""
        for key in list(self._kept):
            x = self._kept.pop(key)
            self._away.append((key, x.shape, x.stride(), x.dtype, x.device))
            file.write(x.as_strided((x.numel(),), (1,)).view(torch.uint8).cpu().numpy().data)

    def load(self, file: IO[bytes]) -> None:
        """Read back what `unload` wrote."""
        for key, shape, stride, dtype, device in self._away:
            flat = torch.empty(shape.numel(), dtype=dtype)
            file.readinto(flat.view(torch.uint8).numpy().data)  # type: ignore[attr-defined]
            self._kept[key] = flat.to(device).as_strided(shape, stride)
        self._away.clear()


def causal_conv(conv: nn.Module, x: Tensor, cache: StreamCache) -> Tensor:
    """A Conv3d without padding in time, run causally on x [B,C,T,H,W]."""
    history: int = conv.kernel_size[0] - conv.stride[0]  # type: ignore[index, operator, assignment]
    return conv(cache.extend(conv, x, history) if history else x)


class CausalConv3d(nn.Module):
    """3-D convolution, causal in time, zero-padded in space. x [B,C,T,H,W] -> [B,C',T,H,W]."""

    def __init__(self, channels: int, out: int, kernel: tuple[int, int, int], *, ops: Any = nn) -> None:
        super().__init__()
        self.history = kernel[0] - 1
        self.conv = ops.Conv3d(channels, out, kernel, padding=(0, kernel[1] // 2, kernel[2] // 2))

    def forward(self, x: Tensor, cache: StreamCache | None = None) -> Tensor:
        if self.history:
            if cache is None:
                x = nn.functional.pad(x, (0, 0, 0, 0, self.history, 0))
            else:
                x = cache.extend(self, x, self.history)
        return self.conv(x)
