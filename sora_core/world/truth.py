"""What is really there: positions, depth, masks and visibility of everything in a clip, from the same scene the
pixels come from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera, camera_at, pixel_grid
from .cutouts import Cutouts
from .describe import MAIN
from .motion import poses
from .render import PART, frame_times, rays
from .scene import ClipShape, Scene
from .setting import LIGHTS, off_disc
from .shapes import FAR, Vec, hit
from .solids import Solid, solids_of
from .sprites import Sprites, meet, sprites_of

SKY, GROUND, FIRST, WALL, DISC = 0, 1, 2, -1, -2


@dataclass(frozen=True, kw_only=True)
class Truth:
    """F frames, N objects: all floats are float32.

    centers [F,N,2] picture fractions (x right, y down); depth [F,N] along the view; ids [F,H,W] int16 (0 sky, 1
    ground, 2+i object i, WALL: a wall, DISC: sun, moon or planet); visible [F,N] share of the object's pixels in the
    picture that nothing hides (0 where it is out of the picture).
    """

    centers: Tensor
    depth: Tensor
    ids: Tensor
    visible: Tensor


def truth(scene: Scene, shape: ClipShape, cutouts: Cutouts | None = None) -> Truth:
    """The truth about a clip, on the CPU; `cutouts` are needed by scenes with living or made things and say where it is
    worked out."""
    times = frame_times(shape)
    centers, depth = camera_at(scene, times).project(poses(scene, times).centers, shape.width / shape.height)
    step = max(1, PART // (shape.height * shape.width))
    frames = [_frames(scene, part, shape, cutouts) for part in times.split(step)]
    return Truth(
        centers=centers.float(),
        depth=depth.float(),
        ids=torch.cat([ids for ids, _ in frames]).cpu(),
        visible=torch.cat([v for _, v in frames]).cpu(),
    )


def eye_catching(ids: Tensor) -> Tensor:
    """Where a thing, the sun or the moon is seen: what eyes look at first."""
    return (ids >= FIRST) | (ids == DISC)


@torch.no_grad()
def _frames(scene: Scene, times: Tensor, shape: ClipShape, cutouts: Cutouts | None) -> tuple[Tensor, Tensor]:
    """ids [F,H,W] and visible [F,N] of some frames; one ray through each pixel's middle."""
    device = torch.device("cpu") if cutouts is None else cutouts.texels.device
    camera = Camera(*(part.float().to(device) for part in camera_at(scene, times)))
    x, y = pixel_grid(shape.height, shape.width, device)
    d = rays(camera, x.view(1, 1, -1), y.view(1, -1, 1), (-1, 1, 1))
    d = Vec(*(a.expand(-1, shape.height, shape.width).flatten(1) for a in d))
    near = torch.where(d.y < -1e-3, -camera.eye[:, 1:2] / d.y.clamp(max=-1e-3), FAR)
    ids = torch.where(d.y < -1e-3, GROUND, SKY).to(torch.int16)
    light = LIGHTS[scene.setting.light]
    if light.disc is not None:
        ids = torch.where((ids == SKY) & (off_disc(light, d) < 1), DISC, ids)
    bodies = [(solid.index, _distance(solid, camera, d)) for solid in solids_of(scene, times, device)]
    sprites = sprites_of(scene, times, camera, cutouts)
    if sprites is not None:
        bodies += [(thing, _sprite_distance(sprites, n, camera, d)) for n, thing in enumerate(sprites.things)]
    alone = torch.ones(len(times), len(scene.things), device=device)
    for index, t in bodies:
        own = FIRST + index if index >= 0 else WALL
        ids = torch.where(t < near, own, ids).to(torch.int16)
        near = torch.minimum(near, t)
        if index >= 0:
            alone[:, index] = (t < FAR).sum(1).clamp(min=1)
    seen = torch.stack([(ids == FIRST + i).sum(1) for i in range(len(scene.things))], 1) / alone
    return ids.view(-1, shape.height, shape.width), seen.float()


def _distance(solid: Solid, camera: Camera, d: Vec) -> Tensor:
    """Distance [F,P] to a solid along the rays of each frame."""
    turn = solid.rotation
    away = camera.eye - solid.center
    o = solid.into(turn, Vec(*(away[:, i : i + 1].expand_as(d.x) for i in range(3))))
    return hit(solid.shape, solid.radius, o, solid.into(turn, d)).t


def _sprite_distance(sprites: Sprites, n: int, camera: Camera, d: Vec) -> Tensor:
    """Distance [F,P] to a cut-out where it is more than half opaque."""
    frame = torch.arange(len(d.x), device=d.x.device)
    which = torch.full_like(frame, n)
    eye = Vec(*(camera.eye[:, i : i + 1] for i in range(3)))
    t, a, b = meet(sprites, which, frame, eye, d)
    u, v = sprites.local(which, frame, a, b)
    alpha = sprites.look(which, frame, u, v, torch.ones_like(frame))[..., 3]
    return torch.where((alpha > 0.5) & (t > 1e-3), t, FAR)


def track_of(scene: Scene, times: Tensor, aspect: float) -> Tensor:
    """Picture fractions [times,2] of the main object's middle; NaN where there are several and none is the main one."""
    if len(scene.things) > 1 and scene.relation not in MAIN:
        return torch.full((len(times), 2), torch.nan)
    return camera_at(scene, times).project(poses(scene, times).centers, aspect)[0][:, 0].float()
