"""The solid bodies of a scene as the renderer sees them: things and walls with their poses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .marks import BITE, bite_share
from .motion import poses
from .nouns import NOUNS
from .scene import Scene
from .setting import RGB
from .shapes import WALL, Vec
from .words import COLOURS

WALL_AT = 0.85
"""How far before the middle the wall stands."""


@dataclass(frozen=True, kw_only=True)
class Solid:
    """One body: center [F,3], rotation [F,3,3] (columns are its axes in the world)."""

    shape: str
    radius: float
    colour: RGB
    band: RGB
    center: Tensor
    rotation: Tensor
    striped: bool = True
    glossy: bool = True
    bite: Tensor | None = None
    """Radius of the bite [F], where there is one."""
    index: int = -1
    """Which thing of the scene it is; -1 for a wall."""

    @staticmethod
    def into(turn: Tensor, v: Vec) -> Vec:
        """World vectors [M] or [M,S] in the body's axes; `turn` [M,3,3] is the rotation of each row."""
        if v.x.ndim == 1:
            return Vec(*(turn[:, 0, i] * v.x + turn[:, 1, i] * v.y + turn[:, 2, i] * v.z for i in range(3)))
        return Vec(
            *(turn[:, 0, i, None] * v.x + turn[:, 1, i, None] * v.y + turn[:, 2, i, None] * v.z for i in range(3))
        )


def band_of(colour: RGB) -> RGB:
    """The ribbon's colour: darker, or lighter on black."""
    if max(colour) < 0.2:
        return (0.36, 0.36, 0.38)
    return (colour[0] * 0.42, colour[1] * 0.42, colour[2] * 0.42)


def solids_of(scene: Scene, times: Tensor, device: torch.device) -> list[Solid]:
    """All solid bodies at `times` [F]."""
    pose = poses(scene, times)
    bodies = []
    for i, thing in enumerate(scene.things):
        if thing.shape in NOUNS:
            continue
        colour = COLOURS[thing.colour]
        center, rotation = (a[:, i].float().to(device) for a in pose)
        bite = bite_share(scene, i, times)
        bodies.append(
            Solid(
                shape=thing.shape, radius=thing.radius, colour=colour, band=band_of(colour), center=center,
                rotation=rotation,
                bite=None if bite is None else bite.to(device) * (BITE * thing.radius),
                index=i,
            )
        )  # fmt: skip
    if scene.wall:
        center = torch.tensor([0.0, WALL[1], WALL_AT], device=device).expand(len(times), 3)
        turn = torch.eye(3, device=device).expand(len(times), 3, 3)
        gray = (0.52, 0.50, 0.50)
        bodies.append(
            Solid(
                shape="wall",
                radius=WALL[1],
                colour=gray,
                band=gray,
                center=center,
                rotation=turn,
                striped=False,
                glossy=False,
            )
        )
    return bodies
