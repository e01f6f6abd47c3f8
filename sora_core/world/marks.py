"""What stays: a stroke painted on the ground, a bite taken out of a thing."""

import torch
from torch import Tensor

from .motion import poses
from .scene import Scene
from .setting import planes
from .shapes import FAR, Hit, Vec, hit
from .words import COLOURS

STROKE = 0.34
"""Half of the stroke's width in world units."""
BITE = 0.74
"""The bite's radius, as a share of the thing's."""
BITE_AT = (0.62, 0.58, 0.55)
BITE_SECONDS = 0.25
FLESH = (0.97, 0.90, 0.74)


def painted(scene: Scene, times: Tensor, land: Tensor, g: Vec) -> Tensor:
    """The ground's colour [3,F,h,W] with what has been painted on it until each of `times` [F]."""
    for index, thing in enumerate(scene.things):
        if thing.motion != "paint":
            continue
        begin = poses(scene, times.new_zeros(1)).centers[0, index, 0].item()
        now = poses(scene, times).centers[:, index, 0].float().to(land.device).view(-1, 1, 1)
        low, high = now.clamp(max=begin), now.clamp(min=begin)
        across = g.x - torch.minimum(torch.maximum(g.x, low), high)
        off = torch.sqrt(across * across + (g.z - thing.z) ** 2)
        land = land + (planes(COLOURS[thing.paint], off) - land) * ((STROKE - off) / 0.05).clamp(0, 1)
    return land


def bite_share(scene: Scene, index: int, times: Tensor) -> Tensor | None:
    """How much of the bite in a thing is taken at `times` [F], 0..1, or None where nobody bites."""
    if scene.things[index].motion != "bite":
        return None
    return ((times - scene.change) / BITE_SECONDS).clamp(0, 1).float()


def bitten(shape: str, radius: float, bite: Tensor, o: Vec, d: Vec, whole: Hit) -> tuple[Hit, Tensor]:
    """The hit on a convex shape without the bite (its radius is [M,1]), and where the ray meets the bite's inside."""
    c = Vec(*(torch.full_like(bite, radius * a) for a in BITE_AT))
    near = Vec(o.x - c.x, o.y - c.y, o.z - c.z)
    b = near.dot(d)
    q = b * b - near.dot(near) + bite * bite
    leave = -b + q.clamp(min=0).sqrt()
    enter = -b - q.clamp(min=0).sqrt()
    in_bite = (q > 0) & (whole.t > enter) & (whole.t < leave) & (bite > 0)
    back = hit(shape, radius, o.along(d, torch.full_like(d.x, 50.0)), Vec(-d.x, -d.y, -d.z)).t
    inside = in_bite & (leave < 50.0 - back)
    t = torch.where(in_bite, torch.where(inside, leave, FAR), whole.t)
    p = near.along(d, t)
    scale = -1 / bite.clamp(min=1e-3)
    normal = Vec(*(torch.where(inside, a * scale, n) for a, n in zip(p, whole.normal, strict=True)))
    return Hit(t, normal), inside
