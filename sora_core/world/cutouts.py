"""Cut-outs: pictures with transparency of the world's nouns, from npm packages to one file, and the file as texels.

The pictures are Microsoft's Fluent Emoji (MIT) as packed by lobehub: `sora world --fetch` downloads the packages,
`build` turns those that `nouns` names into one file of at most 24 MiB, `load` opens it. The renderer works from that
file alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn_f
from PIL import Image
from torch import Tensor

from .. import checkpoints
from ..errors import CheckpointError, InputError, ResourceError
from .nouns import NOUNS

__all__ = ["LEVELS", "Cutouts", "build", "load"]

LICENCE = "Fluent Emoji, Copyright (c) Microsoft Corporation, MIT licence; packed by lobehub"
LONG_SIDE = 104
"""Texels of the longer side of a picture."""
FRAMES = 6
"""Frames of a moving picture."""
MORE_FRAMES = {"man": 8, "woman": 8, "runner": 8, "butterfly": 8, "eagle": 8, "horse": 8, "kangaroo": 8}
LEVELS = 4
"""Each picture in four sizes, each half of the one before; sides are multiples of 8."""
EDGE = 2
"""Transparent texels around a picture."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Where the texels of a noun lie in each size, and how large its pictures are."""

    offsets: tuple[int, ...]
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    frames: int
    colour: tuple[float, float, float]
    """Mean colour of what is seen, 0..1."""

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.widths[0] / self.heights[0]


@dataclass(frozen=True)
class Cutouts:
    """All pictures as one row of texels: int32 [T], four bytes of premultiplied red, green, blue and alpha each."""

    texels: Tensor
    sheets: Mapping[str, Sheet]

    @classmethod
    def of(cls, pictures: Mapping[str, Tensor]) -> Cutouts:
        """From uint8 [K,H,W,4] of each noun, straight alpha, sides multiples of 8."""
        texels, sheets, at = [], {}, 0
        for noun, picture in pictures.items():
            if picture.dtype != torch.uint8 or picture.ndim != 4 or picture.shape[3] != 4:
                raise CheckpointError(f"the cut-out {noun!r} is {list(picture.shape)}, not uint8 [K,H,W,4]")
            if any(side % 8 for side in picture.shape[1:3]):
                raise CheckpointError(f"the sides of the cut-out {noun!r} are no multiples of 8: {picture.shape[1:3]}")
            levels = _levels(picture)
            offsets = []
            for level in levels:
                offsets.append(at)
                texels.append(level.view(torch.int32).flatten())
                at += texels[-1].numel()
            last = levels[-1].float().flatten(0, 2).sum(0)
            mean = (last[:3] / last[3].clamp(min=1)).tolist()
            sheets[noun] = Sheet(
                offsets=tuple(offsets), heights=tuple(a.shape[1] for a in levels),
                widths=tuple(a.shape[2] for a in levels), frames=len(picture), colour=(mean[0], mean[1], mean[2]),
            )  # fmt: skip
        return cls(torch.cat(texels), sheets)

    @property
    def nouns(self) -> tuple[str, ...]:
        return tuple(self.sheets)

    def to(self, device: torch.device | str) -> Cutouts:
        return Cutouts(self.texels.to(device), self.sheets)

    def sheet(self, noun: str) -> Sheet:
        if noun not in self.sheets:
            raise InputError(f"there is no cut-out of {noun!r}; there are {', '.join(self.nouns)}")
        return self.sheets[noun]


def _levels(picture: Tensor) -> list[Tensor]:
    """Premultiplied uint8 [K,H,W,4] in LEVELS sizes."""
    rgba = picture.float().permute(0, 3, 1, 2)
    rgba = torch.cat([rgba[:, :3] * (rgba[:, 3:] / 255), rgba[:, 3:]], 1)
    out = []
    for level in range(LEVELS):
        if level:
            rgba = nn_f.avg_pool2d(rgba, 2)
        out.append((rgba + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous())
    return out


def build(folder: Path, path: Path, nouns: Sequence[str] = tuple(NOUNS)) -> Path:
    """Write the cut-outs of `nouns` from the folders still/ and moving/ of `folder` to one file."""
    tensors = {noun.replace(" ", "_"): _picture(folder, noun) for noun in nouns}
    checkpoints.save(path, tensors, config={"nouns": list(nouns)}, metadata={"licence": LICENCE})
    return path


def load(path: Path, device: torch.device | str = "cpu") -> Cutouts:
    """The cut-outs of a file that `build` wrote."""
    file = checkpoints.load(path)
    names = file.config.get("nouns")
    if not names or any(noun.replace(" ", "_") not in file.tensors for noun in names):
        raise CheckpointError(f"{path} holds no cut-outs; `sora world` makes such a file.")
    if foreign := [noun for noun in names if noun not in NOUNS]:
        raise CheckpointError(f"{path} has cut-outs of {', '.join(foreign)}, which this version does not know.")
    return Cutouts.of({noun: file.tensors[noun.replace(" ", "_")] for noun in names}).to(device)


def _picture(folder: Path, noun: str) -> Tensor:
    """uint8 [K,H,W,4] of a noun: tight around all of its frames, the longer side LONG_SIDE."""
    code = NOUNS[noun].code
    frames = _frames(folder / "moving", code, MORE_FRAMES.get(noun, FRAMES))
    if not frames:
        frames = _frames(folder / "still", code, 1)
    if not frames:
        raise ResourceError(f"there is no picture {code} of {noun!r} in {folder}; run `sora world --fetch`.")
    seen = np.max([np.asarray(frame)[..., 3] for frame in frames], 0) > 24
    rows, columns = seen.any(1).nonzero()[0], seen.any(0).nonzero()[0]
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    scale = (LONG_SIDE - 2 * EDGE) / max(box[2] - box[0], box[3] - box[1])
    size = round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale)
    width, height = (8 * -(-(side + 2 * EDGE) // 8) for side in size)
    out = []
    for frame in frames:
        whole = Image.new("RGBa", (width, height))
        part = frame.crop(box).convert("RGBa").resize(size, Image.Resampling.LANCZOS)
        whole.paste(part, ((width - size[0]) // 2, height - size[1] - 1))
        out.append(torch.from_numpy(np.array(whole.convert("RGBA"))))
    return torch.stack(out)


def _frames(folder: Path, code: str, count: int) -> list[Image.Image]:
    """`count` frames over the cycle of a picture, all of a picture that does not move, none if there is none."""
    plain = code.replace("-fe0f", "")
    path = next((p for name in (code, plain, plain + "-fe0f") if (p := folder / f"{name}.webp").is_file()), None)
    if path is None:
        return []
    with Image.open(path) as picture:
        total = getattr(picture, "n_frames", 1)
        if total < count:
            return []
        out = []
        for i in range(count):
            picture.seek(i * total // count)
            out.append(picture.convert("RGBA"))
    return out
