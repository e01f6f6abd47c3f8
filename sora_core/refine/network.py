"""The refiner: a small convolutional network that mends the drafts of the transformer.

A draft shows what is where, with lumps and specks. The network gives what is to be added to each frame: a U-Net (arXiv
1505.04597) from whole pixels, where edges are, to an eighth, where it is seen what they belong to; residual blocks
without norms (EDSR, arXiv 1707.02921). Neighbouring frames enter at half the resolution. It works at the draft's own
size, where there are few pixels to learn from and to run on; `stream` enlarges what it gives.

Legend: B batch, N frames of a neighbourhood, H W height and width; activations are [B,C,h,w].
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import checkpoints
from ..errors import CheckpointError, InputError
from ..headers import with_tuples

__all__ = ["CELL", "Refiner", "RefinerConfig", "load_refiner"]

CELL = 8
"""pixels along a side of what the coarsest level sees as one"""
SCALE = 0.1
"""of what is added to a frame: a step of training moves it by little"""


@dataclass(frozen=True, kw_only=True)
class RefinerConfig:
    """Sizes of the refiner."""

    widths: tuple[int, int, int, int] = (16, 32, 64, 128)
    """features at whole, half, quarter and eighth resolution"""
    coarse_blocks: int = 3
    """residual blocks at an eighth; the other levels have one on the way down and one on the way up"""
    context: int = 2
    """frames seen before and after the one that is mended"""

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or min(*self.widths, self.coarse_blocks) < 1 or self.context < 0:
            raise InputError("a refiner has four widths of at least 1, a block at least and a context of at least 0")

    @property
    def frames(self) -> int:
        """Frames of a neighbourhood."""
        return 2 * self.context + 1


class Block(nn.Module):
    """x + two 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(x)))


class Refiner(nn.Module):
    """Neighbourhoods [B,N,3,H,W] in -1..1 to their middle frames [B,3,H,W], mended."""

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.config = config
        widths, levels = config.widths, range(3)
        self.enter = nn.Conv2d(3, widths[0], 3, padding=1)
        self.near = nn.Conv2d(max(1, config.frames - 1) * 3, widths[1], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in levels)
        self.up = nn.ModuleList(nn.Conv2d(widths[i + 1], 4 * widths[i], 1) for i in levels)
        self.before = nn.ModuleList(Block(widths[i]) for i in levels)
        self.after = nn.ModuleList(Block(widths[i]) for i in levels)
        self.coarse = nn.Sequential(*(Block(widths[3]) for _ in range(config.coarse_blocks)))
        self.leave = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, frames: Tensor) -> Tensor:
        """frames [B,N,3,H,W], H and W multiples of CELL."""
        n, (height, width) = self.config.frames, frames.shape[-2:]
        if frames.shape[1] != n or height % CELL or width % CELL:
            raise InputError(
                f"this refiner takes {n} frames with sides that are multiples of {CELL}, not {list(frames.shape)}"
            )
        middle = frames[:, n // 2]
        x = self.enter(middle.contiguous(memory_format=torch.channels_last))
        passed = []
        for level, (block, down) in enumerate(zip(self.before, self.down, strict=True)):
            x = block(x)
            passed.append(x)
            x = down(x) + self.near(self.beside(frames)) if level == 0 else down(x)
        x = self.coarse(x)
        for block, up, skip in reversed(list(zip(self.after, self.up, passed, strict=True))):
            x = block(skip + F.pixel_shuffle(up(x), 2))
        return middle + SCALE * self.leave(x)

    def beside(self, frames: Tensor) -> Tensor:
        """The frames beside the middle one at half the resolution, [B,C,H/2,W/2]; the middle one where it is alone."""
        half = F.avg_pool2d(frames.flatten(0, 1), 2).unflatten(0, frames.shape[:2])
        middle = frames.shape[1] // 2
        others = torch.cat([half[:, :middle], half[:, middle + 1 :]], 1) if middle else half
        return others.flatten(1, 2).contiguous(memory_format=torch.channels_last)


def load_refiner(path: Path, *, device: torch.device | str = "cpu") -> Refiner:
    """A refiner from its file, float32. Raises CheckpointError for one that is damaged or another network's."""
    checkpoint = checkpoints.load(path)
    try:
        config = RefinerConfig(**with_tuples(checkpoint.config))
    except TypeError as error:
        raise CheckpointError(f"{path} holds no refiner: {error}") from error
    with torch.device("meta"):
        model = Refiner(config)
    checkpoints.load_into(model, checkpoint.tensors)
    model.to(device, torch.float32)
    return model.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
