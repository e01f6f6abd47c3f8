"""Rays against the world's shapes, in the object's own axes. Every argument and result is a tensor of any shape, one
ray per element."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

FAR = 1e4
RING_STEPS = 14


class Vec(NamedTuple):
    """Three coordinate planes; cheaper than a trailing axis of three."""

    x: Tensor
    y: Tensor
    z: Tensor

    def dot(self, other: "Vec") -> Tensor:
        return self.x * other.x + self.y * other.y + self.z * other.z

    def along(self, direction: "Vec", t: Tensor) -> "Vec":
        return Vec(self.x + t * direction.x, self.y + t * direction.y, self.z + t * direction.z)


class Hit(NamedTuple):
    """Distance (FAR where the ray misses) and the outward normal there."""

    t: Tensor
    normal: Vec


def bound(shape: str, radius: float) -> float:
    """Radius of a ball around the shape's centre that holds it."""
    if shape == "wall":
        return math.sqrt(sum(a * a for a in WALL))
    return radius * {"ball": 1.0, "cube": 0.8 * math.sqrt(3), "cylinder": 1.14, "cone": 1.27, "ring": 1.0}[shape]


WALL = (0.56, 0.62, 0.09)
"""Half extents of the occluder wall."""


def hit(shape: str, radius: float, o: Vec, d: Vec) -> Hit:
    """First intersection of rays o + t*d (d of unit length) with a shape centred at the origin."""
    r = radius
    match shape:
        case "ball":
            return _ball(r, o, d)
        case "cube":
            return _box((0.8 * r, 0.8 * r, 0.8 * r), o, d)
        case "wall":
            return _box(WALL, o, d)
        case "cylinder":
            return _cylinder(0.75 * r, 0.85 * r, o, d)
        case "cone":
            return _cone(0.9 * r, 0.9 * r, o, d)
        case "ring":
            return _ring(0.72 * r, 0.28 * r, o, d)
    raise ValueError(f"unknown shape {shape!r}")


def _far(t: Tensor, good: Tensor) -> Tensor:
    return torch.where(good & (t > 1e-3), t, FAR)


def _safe(a: Tensor) -> Tensor:
    return torch.where(a.abs() < 1e-6, 1e-6, a)


def _ball(r: float, o: Vec, d: Vec) -> Hit:
    b = o.dot(d)
    q = b * b - o.dot(o) + r * r
    t = _far(-b - q.clamp(min=0).sqrt(), q > 0)
    p = o.along(d, t)
    return Hit(t, Vec(p.x / r, p.y / r, p.z / r))


def _box(half: tuple[float, float, float], o: Vec, d: Vec) -> Hit:
    near, far = [], []
    for h, oo, dd in zip(half, o, d, strict=True):
        inv = 1 / _safe(dd)
        middle, reach = -oo * inv, h * inv.abs()
        near.append(middle - reach)
        far.append(middle + reach)
    enter = torch.maximum(torch.maximum(near[0], near[1]), near[2])
    leave = torch.minimum(torch.minimum(far[0], far[1]), far[2])
    normal = Vec(*(torch.where(enter == n, -torch.sign(dd), 0.0) for n, dd in zip(near, d, strict=True)))
    return Hit(_far(enter, leave > enter), normal)


def _cylinder(r: float, h: float, o: Vec, d: Vec) -> Hit:
    a = (d.x * d.x + d.z * d.z).clamp(min=1e-6)
    b = o.x * d.x + o.z * d.z
    q = b * b - a * (o.x * o.x + o.z * o.z - r * r)
    side = (-b - q.clamp(min=0).sqrt()) / a
    side = _far(side, (q > 0) & ((o.y + side * d.y).abs() < h))
    cap = (torch.sign(o.y) * h - o.y) / _safe(d.y)
    cx, cz = o.x + cap * d.x, o.z + cap * d.z
    cap = _far(cap, cx * cx + cz * cz < r * r)
    t, on_cap = torch.minimum(side, cap), cap < side
    p = o.along(d, t)
    return Hit(
        t,
        Vec(
            torch.where(on_cap, 0.0, p.x / r),
            torch.where(on_cap, torch.sign(o.y), 0.0),
            torch.where(on_cap, 0.0, p.z / r),
        ),
    )


def _cone(r: float, h: float, o: Vec, d: Vec) -> Hit:
    k = (r / (2 * h)) ** 2
    oy = o.y - h
    a = _safe(d.x * d.x + d.z * d.z - k * d.y * d.y)
    b = o.x * d.x + o.z * d.z - k * oy * d.y
    q = b * b - a * (o.x * o.x + o.z * o.z - k * oy * oy)
    root = q.clamp(min=0).sqrt()
    side = torch.full_like(a, FAR)
    for sign in (-1.0, 1.0):
        t = (-b + sign * root) / a
        y = o.y + t * d.y
        side = torch.minimum(side, _far(t, (q > 0) & (y < h) & (y > -h)))
    cap = (-h - o.y) / _safe(d.y)
    cx, cz = o.x + cap * d.x, o.z + cap * d.z
    cap = _far(cap, (cx * cx + cz * cz < r * r) & (o.y < -h))
    t, on_cap = torch.minimum(side, cap), cap < side
    p = o.along(d, t)
    slope = k * (h - p.y)
    inv = torch.rsqrt(p.x * p.x + p.z * p.z + slope * slope + 1e-9)
    normal = Vec(
        torch.where(on_cap, 0.0, p.x * inv), torch.where(on_cap, -1.0, slope * inv), torch.where(on_cap, 0.0, p.z * inv)
    )
    return Hit(t, normal)


def _ring(major: float, minor: float, o: Vec, d: Vec) -> Hit:
    """A torus around the z axis, by a fixed number of steps along its distance field."""
    b = o.dot(d)
    q = b * b - o.dot(o) + (major + minor) ** 2
    t = (-b - q.clamp(min=0).sqrt()).clamp(min=0)
    for _ in range(RING_STEPS):
        p = o.along(d, t)
        across = torch.sqrt(p.x * p.x + p.y * p.y) - major
        t = t + torch.sqrt(across * across + p.z * p.z) - minor
    p = o.along(d, t)
    flat = torch.sqrt(p.x * p.x + p.y * p.y).clamp(min=1e-6)
    across = flat - major
    distance = torch.sqrt(across * across + p.z * p.z)
    t = _far(t, (q > 0) & (distance - minor < 0.03 * (major + minor)))
    scale = across / (distance.clamp(min=1e-6) * flat)
    return Hit(t, Vec(p.x * scale, p.y * scale, p.z / distance.clamp(min=1e-6)))


def stripe(shape: str, radius: float, p: Vec) -> Tensor:
    """How much a point of the surface lies in the object's darker ribbon, 0..1; it makes rolling and spinning
    visible."""
    if shape == "ball":
        across = 0.42 * p.x + 0.78 * p.y - 0.46 * p.z
        return ((0.24 * radius - across.abs()) / (0.05 * radius)).clamp(0, 1)
    if shape == "ring":
        return torch.maximum(_band(p.x, 0.2 * radius), _band(p.y, 0.2 * radius))
    return _band(p.x, 0.19 * radius)


def _band(x: Tensor, half: float) -> Tensor:
    return ((half - x.abs()) / (0.2 * half)).clamp(0, 1)
