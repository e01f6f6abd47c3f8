"""Where everything is at a time. F frames, N things; all motions are pure functions of seconds."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .scene import Scene, Thing

GRAVITY = 6.0


class Pose(NamedTuple):
    """Centres [F,N,3] and rotations [F,N,3,3] (columns are the object's axes in the world)."""

    centers: Tensor
    rotations: Tensor


def rest_height(thing: Thing) -> float:
    """How high the centre lies when the thing stands on the ground."""
    return thing.radius * {"ball": 1.0, "cube": 0.8, "cylinder": 0.85, "cone": 0.9, "ring": 1.0}[thing.shape]


def rolls(thing: Thing) -> bool:
    """Balls and upright rings turn as they move."""
    return thing.shape in ("ball", "ring")


def poses(scene: Scene, times: Tensor) -> Pose:
    """Poses of all things at `times` [F] (float64 seconds)."""
    each = [_pose(scene, index, times) for index in range(len(scene.things))]
    return Pose(torch.stack([c for c, _ in each], 1), torch.stack([r for _, r in each], 1))


def _pose(scene: Scene, index: int, t: Tensor) -> tuple[Tensor, Tensor]:
    thing = scene.things[index]
    x, y, z, spin = _path(scene, index, t)
    roll_z = -(x - thing.x) / thing.radius if rolls(thing) else torch.zeros_like(t)
    roll_x = (z - thing.z) / thing.radius if thing.shape == "ball" else torch.zeros_like(t)
    rolled, turned = _around(t, 2, roll_z) @ _around(t, 0, roll_x), _around(t, 1, thing.turn + spin)
    rotation = turned @ rolled if thing.shape == "ring" else rolled @ turned
    return torch.stack([x, y, z], -1), rotation


def _path(scene: Scene, index: int, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y, z and spin angle, each [F]."""
    thing, zero = scene.things[index], torch.zeros_like(t)
    x, y, z, spin = zero + thing.x, zero + rest_height(thing), zero + thing.z, zero
    shift = thing.travel * (t / scene.seconds - 0.5)
    sign = -1.0 if thing.side == "left" else 1.0
    match thing.motion:
        case "left":
            x = x - shift
        case "right":
            x = x + shift
        case "closer":
            z = z + _soft_cap(shift, thing.travel * 0.62)
        case "away":
            z = z - shift
        case "bounce":
            beat = torch.remainder(t / (0.75 + 0.25 * thing.travel / 2) + thing.phase, 1.0)
            y = y + 0.62 * thing.travel * 4 * beat * (1 - beat)
        case "spin":
            spin = (1.7 * thing.travel) * t
        case "fall":
            y = y + _falling(t - 0.25 * thing.phase, 2.6)
        case "still":
            pass
        case "orbit":
            angle = math.tau * (t * thing.travel / 5.0 + thing.phase)
            x, z = x + 1.15 * torch.cos(angle), z + 0.8 * torch.sin(angle)
        case "collide":
            x = x + sign * _hit(scene, index, t)
        case "behind" | "paint":
            x = x + sign * shift
        case "return":
            x = x + sign * thing.travel * torch.sin((math.pi * t / scene.seconds).clamp(0, math.pi)) ** 2
        case "bite":
            pass
        case _:
            raise ValueError(f"unknown motion {thing.motion!r}")
    return x, y, z, spin


def _hit(scene: Scene, index: int, t: Tensor) -> Tensor:
    """Way of the pusher (thing 0) or the pushed (thing 1) along the line: equal masses, so the motion is handed
    over."""
    thing = scene.things[index]
    speed, touch = thing.travel / scene.seconds, 0.5 * scene.seconds
    before, after = (t - touch).clamp(max=0), (t - touch).clamp(min=0)
    return speed * (before + 0.12 * after) if index == 0 else speed * 0.88 * after


def _falling(t: Tensor, height: float) -> Tensor:
    """Height above rest: a fall from `height`, then two bounces of a quarter and a sixteenth of it, then rest."""
    fall = math.sqrt(2 * height / GRAVITY)
    y = (height - 0.5 * GRAVITY * t.clamp(min=0) ** 2).clamp(min=0)
    start = fall
    for bounce in (0.22, 0.06):
        up = math.sqrt(2 * height * bounce / GRAVITY)
        s = t - start
        y = y + ((GRAVITY * up * s - 0.5 * GRAVITY * s**2) * ((s > 0) & (s < 2 * up))).clamp(min=0)
        start += 2 * up
    return y


def _soft_cap(value: Tensor, cap: float) -> Tensor:
    """Linear up to near the cap, then never beyond it: what comes closer stops before it touches the camera."""
    knee = 0.8 * cap
    over = (value - knee).clamp(min=0)
    return torch.minimum(value, torch.full_like(value, knee)) + (cap - knee) * (1 - torch.exp(-over / (cap - knee)))


def _around(t: Tensor, axis: int, angle: Tensor | float) -> Tensor:
    """Rotations [F,3,3] around a coordinate axis."""
    angle = torch.zeros_like(t) + angle
    c, s, zero, one = torch.cos(angle), torch.sin(angle), torch.zeros_like(t), torch.ones_like(t)
    rows = {
        0: (one, zero, zero, zero, c, -s, zero, s, c),
        1: (c, zero, s, zero, one, zero, -s, zero, c),
        2: (c, -s, zero, s, c, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, -1).view(-1, 3, 3)
