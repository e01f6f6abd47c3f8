"""What is really there: positions, depth, masks and visibility of everything in a clip, from the same scene the
pixels come from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera, camera_at, pixel_grid
from .motion import poses
from .render import frame_times, rays
from .scene import ClipShape, Scene
from .shapes import FAR, Vec, hit
from .solids import Solid, solids_of

SKY, GROUND, FIRST = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Truth:
    """F frames, N objects: all floats are float32.

    centers [F,N,2] picture fractions (x right, y down); depth [F,N] along the view; ids [F,H,W] int16 (0 sky, 1
    ground, 2+i object i,
    negative: a wall); visible [F,N] share of the object's pixels in the picture that nothing hides (0 where it is out
    of the picture).
    """

    centers: Tensor
    depth: Tensor
    ids: Tensor
    visible: Tensor


def truth(scene: Scene, shape: ClipShape) -> Truth:
    """The truth about a clip."""
    times = frame_times(shape)
    centers, depth = camera_at(scene, times).project(poses(scene, times).centers, shape.width / shape.height)
    frames = [_frame(scene, time, shape) for time in times.split(1)]
    return Truth(
        centers=centers.float(),
        depth=depth.float(),
        ids=torch.stack([ids for ids, _ in frames]),
        visible=torch.stack([v for _, v in frames]),
    )


def _frame(scene: Scene, time: Tensor, shape: ClipShape) -> tuple[Tensor, Tensor]:
    """ids [H,W] and visible [N] of one frame; one ray through each pixel's middle."""
    device = torch.device("cpu")
    camera = Camera(*(part.float() for part in camera_at(scene, time)))
    x, y = pixel_grid(shape.height, shape.width, device)
    d = rays(camera, x.view(1, 1, -1), y.view(1, -1, 1), (-1, 1, 1))
    d = Vec(*(a.expand(1, shape.height, shape.width).reshape(1, -1) for a in d))
    near = torch.where(d.y < -1e-3, -camera.eye[0, 1] / d.y.clamp(max=-1e-3), FAR)
    ids = torch.where(d.y < -1e-3, GROUND, SKY).to(torch.int16)
    alone = []
    for index, solid in enumerate(solids_of(scene, time, device)):
        t = _distance(solid, camera, d)
        own = FIRST + index if index < len(scene.things) else len(scene.things) - index - 1
        ids = torch.where(t < near, own, ids).to(torch.int16)
        near = torch.minimum(near, t)
        alone.append((t < FAR).sum())
    seen = [(ids == FIRST + i).sum() / alone[i].clamp(min=1) for i in range(len(scene.things))]
    return ids.view(shape.height, shape.width), torch.stack(seen).float()


def _distance(solid: Solid, camera: Camera, d: Vec) -> Tensor:
    """Distance [1,P] to a solid along the rays of one frame."""
    turn = solid.rotation
    away = camera.eye - solid.center
    o = solid.into(turn, Vec(*(away[:, i : i + 1].expand_as(d.x) for i in range(3))))
    return hit(solid.shape, solid.radius, o, solid.into(turn, d)).t


def track_of(scene: Scene, times: Tensor, aspect: float) -> Tensor:
    """Picture fractions [times,2] of the only object's middle; NaN where there are several."""
    if len(scene.things) > 1:
        return torch.full((len(times), 2), torch.nan)
    return camera_at(scene, times).project(poses(scene, times).centers, aspect)[0][:, 0].float()
