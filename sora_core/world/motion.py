"""Where everything is at a time. F frames, N things; all motions are pure functions of seconds."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .nouns import NOUNS
from .scene import Scene, Thing

GRAVITY = 6.0


class Gait(NamedTuple):
    """How a picture goes.

    Steps a second; what it rises with each (a hop) or as a wave, in its own heights; how far it rocks, in degrees; how
    often a second its pictures have all been shown. What waves is after two seconds as it was.
    """

    beats: float
    hop: float = 0.0
    wave: float = 0.0
    rock: float = 0.0
    pictures: float = 1.0


GAITS: dict[str, Gait] = {
    "walk": Gait(2.2, hop=0.05, rock=3.5, pictures=1.2),
    "run": Gait(3.2, hop=0.14, rock=6, pictures=1.7),
    "hop": Gait(1.7, hop=0.42, rock=4),
    "crawl": Gait(1.2, rock=2, pictures=0.6),
    "swim": Gait(0.5, wave=0.10, rock=6),
    "fly": Gait(1.0, wave=0.10, rock=4, pictures=1.5),
    "drive": Gait(5.0, hop=0.015, pictures=1.5),
    "sail": Gait(0.5, wave=0.03, rock=5),
    "float": Gait(0.5, wave=0.07, rock=4),
    "glide": Gait(0.5, wave=0.02, rock=7),
    "roll": Gait(0.0),
    "slide": Gait(0.0),
}
"""The verbs with which a noun goes."""
GOING = frozenset(
    {"left", "right", "closer", "away", "behind", "return", "paint", "orbit", "chase", "follow", "collide"}
)
"""Motions in which a thing goes along the ground."""
SQUASH = 0.10
THIN = 0.16
"""Least breadth of a picture that turns, so that it never vanishes."""
UPRIGHT = -1.6
"""Share of its tilt by which a picture is turned when it goes straight up."""


class Pose(NamedTuple):
    """Centres [F,N,3] and rotations [F,N,3,3] (columns are the object's axes in the world)."""

    centers: Tensor
    rotations: Tensor


def rest_height(thing: Thing) -> float:
    """How high the centre lies when the thing stands on the ground."""
    if thing.shape in NOUNS:
        return thing.radius + thing.lift
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
    if thing.shape in NOUNS:
        return torch.stack([x, y + _bob(thing, t), z], -1), torch.eye(3, dtype=t.dtype).expand(len(t), 3, 3)
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
        case "behind" | "paint" | "chase" | "follow":
            x = x + sign * shift
        case "rise":
            y = y + 0.5 * thing.travel * (t / scene.seconds) ** 2 * (1 + t / scene.seconds)
        case "return":
            x = x + sign * thing.travel * torch.sin((math.pi * t / scene.seconds).clamp(0, math.pi)) ** 2
        case "bite":
            pass
        case _:
            raise ValueError(f"unknown motion {thing.motion!r}")
    return x, y, z, spin


def _gait(thing: Thing) -> Gait:
    return GAITS[thing.gait or NOUNS[thing.shape].gaits[0]]


def _bob(thing: Thing, t: Tensor) -> Tensor:
    """How far a noun rises above its path."""
    gait, tall = _gait(thing), 2 * thing.radius
    beat = t * gait.beats + thing.phase
    rise = 0.6 * gait.wave * torch.sin(math.tau * beat)
    if thing.motion in GOING and gait.hop:
        step = torch.remainder(beat, 1.0)
        rise = rise + gait.hop * 4 * step * (1 - step)
    return rise * tall


class Gesture(NamedTuple):
    """What the pictures of N nouns do besides going, each [F,N]: the angle (radians, counterclockwise) around a point
    at `pivot` of their height, stretch in height and breadth, mirror (1 as drawn, -1 mirrored), and how often all
    pictures have been shown."""

    angle: Tensor
    pivot: Tensor
    stretch: Tensor
    breadth: Tensor
    mirror: Tensor
    picture: Tensor


def gestures(scene: Scene, times: Tensor) -> Gesture:
    """The gestures of all things at `times` [F]; a solid makes none."""
    each = [_gesture(scene, index, times) for index in range(len(scene.things))]
    return Gesture(*(torch.stack(column, 1) for column in zip(*each, strict=True)))


def _gesture(scene: Scene, index: int, t: Tensor) -> Gesture:
    thing, zero = scene.things[index], torch.zeros_like(t)
    if thing.shape not in NOUNS:
        return Gesture(zero, zero, zero + 1, zero + 1, zero + 1, zero)
    noun, gait, going = NOUNS[thing.shape], _gait(thing), thing.motion in GOING
    mirror = _mirror(scene, index, t)
    upward = UPRIGHT if thing.motion == "rise" else 1.0
    angle = math.radians(noun.tilt * upward) * mirror
    beat = t * gait.beats + thing.phase
    if going or gait.wave:
        angle = angle + math.radians(gait.rock) * (1.0 if going else 0.5) * torch.sin(
            (math.tau if gait.wave else math.pi) * beat + 0.6
        )
    pivot = zero + (0.5 if noun.tilt or thing.lift > 0 else 0.0)
    squash, breadth = zero, zero + 1
    if thing.gait == "roll" and going and noun.group != "vehicle":
        angle, pivot = -(_path(scene, index, t)[0] - thing.x) / thing.radius, zero + 0.5
    if gait.hop > 0.2 and going:
        squash = SQUASH * torch.cos(math.tau * beat).clamp(min=-0.5)
    elif thing.motion == "bounce":
        squash = SQUASH * torch.cos(math.tau * (t / (0.75 + 0.25 * thing.travel / 2) + thing.phase)).clamp(min=-0.4)
    elif noun.idle and not going and thing.lift <= 0 and noun.group in ("animal", "person", "face"):
        squash = 0.015 * torch.sin(math.tau * (0.5 * t + thing.phase))
    if thing.motion == "spin":
        breadth = torch.cos(_path(scene, index, t)[3])
        breadth = torch.where(breadth < 0, -1.0, 1.0) * breadth.abs().clamp(min=THIN)
    moves = going or noun.idle
    picture = t * (gait.pictures if going else 1.0) + thing.phase if moves else zero
    return Gesture(angle, pivot, 1 - squash, breadth * (1 + 0.6 * squash), mirror, picture)


def _mirror(scene: Scene, index: int, t: Tensor) -> Tensor:
    """1 where the picture is as drawn, -1 where it is mirrored: a noun looks where it goes."""
    thing = scene.things[index]
    faces = NOUNS[thing.shape].faces
    if faces == "front":
        return torch.ones_like(t)
    drawn = -1.0 if faces == "left" else 1.0
    rest = torch.full_like(t, drawn if thing.turn >= 0 else -drawn)
    if thing.motion not in GOING:
        return rest * drawn
    step = 1e-3
    way = _path(scene, index, t + step)[0] - _path(scene, index, t - step)[0]
    return torch.where(way.abs() < 1e-6, rest, torch.sign(way)) * drawn


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
