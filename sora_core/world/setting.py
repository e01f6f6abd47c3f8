"""Ground, sky and light: colours of the far picture. Pictures are [3,...] planes in 0..1, one value per ray."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .shapes import Vec

RGB = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Light:
    """Where the light comes from and what it tints; `air` is the distance at which haze has taken two thirds."""

    top: RGB
    low: RGB
    sun: RGB
    """Direction to the key light, not normalized."""
    key: RGB
    ambient: RGB
    air: float
    ground: RGB = (1.0, 1.0, 1.0)
    disc: RGB | None = None
    disc_at: RGB = (-0.42, 0.2, -1.0)
    disc_size: float = 0.075

    @property
    def direction(self) -> RGB:
        n = math.sqrt(sum(a * a for a in self.sun))
        return (self.sun[0] / n, self.sun[1] / n, self.sun[2] / n)


LIGHTS: dict[str, Light] = {
    "noon": Light(
        top=(0.22, 0.50, 0.95), low=(0.78, 0.90, 1.0), sun=(0.45, 0.85, 0.65), key=(0.86, 0.84, 0.79), ambient=(0.46,
        0.47, 0.50), air=30),
    "sunset": Light(
        top=(0.28, 0.20, 0.45), low=(1.0, 0.60, 0.32), sun=(-0.75, 0.5, 0.5), key=(0.92, 0.70, 0.54), ambient=(0.46,
        0.41, 0.42), air=26,
        ground=(1.02, 0.84, 0.74), disc=(1.0, 0.90, 0.60), disc_at=(-0.45, 0.13, -1.0), disc_size=0.10),
    "night": Light(
        top=(0.02, 0.03, 0.10), low=(0.10, 0.13, 0.30), sun=(0.5, 0.85, 0.6), key=(0.76, 0.77, 0.84), ambient=(0.44,
        0.45, 0.51), air=24,
        ground=(0.58, 0.60, 0.78), disc=(0.95, 0.96, 0.88), disc_at=(0.36, 0.24, -1.0), disc_size=0.075),
    "fog": Light(
        top=(0.78, 0.80, 0.82), low=(0.80, 0.82, 0.84), sun=(0.3, 0.9, 0.6), key=(0.46, 0.46, 0.46), ambient=(0.50,
        0.51, 0.52), air=11),
    "underwater": Light(
        top=(0.16, 0.62, 0.76), low=(0.03, 0.34, 0.52), sun=(0.15, 1.0, 0.3), key=(0.98, 1.00, 0.97), ambient=(0.52,
        0.54, 0.55), air=16,
        ground=(0.52, 0.82, 0.86)),
    "storm": Light(
        top=(0.60, 0.65, 0.73), low=(0.78, 0.82, 0.88), sun=(0.3, 0.9, 0.5), key=(0.50, 0.52, 0.56), ambient=(0.48,
        0.50, 0.54), air=13,
        ground=(0.86, 0.90, 0.98)),
    "space": Light(
        top=(0.005, 0.005, 0.02), low=(0.02, 0.015, 0.05), sun=(-0.6, 0.7, 0.6), key=(0.95, 0.94, 0.90), ambient=(0.36,
        0.36, 0.42), air=60,
        ground=(0.72, 0.72, 0.80), disc=(0.28, 0.52, 0.86), disc_at=(-0.40, 0.30, -1.0), disc_size=0.15),
}  # fmt: skip

GROUNDS: dict[str, tuple[RGB, RGB]] = {
    "grass": ((0.24, 0.52, 0.14), (0.36, 0.64, 0.20)),
    "sand": ((0.80, 0.67, 0.42), (0.90, 0.79, 0.56)),
    "snow": ((0.80, 0.86, 0.95), (0.97, 0.98, 1.00)),
    "wood": ((0.34, 0.19, 0.09), (0.72, 0.48, 0.27)),
    "water": ((0.05, 0.27, 0.48), (0.22, 0.52, 0.70)),
    "rainbow": ((0.60, 0.58, 0.72), (0.68, 0.66, 0.80)),
    "road": ((0.24, 0.24, 0.26), (0.33, 0.33, 0.35)),
    "jungle": ((0.07, 0.20, 0.06), (0.20, 0.42, 0.12)),
    "seabed": ((0.62, 0.50, 0.34), (0.86, 0.74, 0.52)),
    "moon": ((0.36, 0.36, 0.38), (0.66, 0.66, 0.68)),
}
RAINBOW: tuple[RGB, ...] = (
    (0.92, 0.25, 0.25), (0.97, 0.58, 0.20), (0.97, 0.88, 0.30), (0.35, 0.80, 0.38), (0.30, 0.55, 0.95), (0.62, 0.38,
    0.88),
)  # fmt: skip


BACKDROPS: dict[str, tuple[RGB, RGB]] = {
    "road": ((0.30, 0.38, 0.36), (0.86, 0.89, 0.94)),
    "jungle": ((0.03, 0.11, 0.04), (0.16, 0.38, 0.10)),
}
"""What is seen on the horizon: mountains with snow, trees; their darker and lighter colour."""


def planes(colour: RGB, like: Tensor) -> Tensor:
    """A colour as [3,1,...] planes that broadcast over `like`."""
    return _constant(colour, like.dtype, like.device).view(3, *[1] * like.ndim)


@lru_cache(maxsize=512)
def _constant(colour: RGB, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A colour [3] on a device, made once."""
    return torch.tensor(colour, dtype=dtype, device=device)


def sky(light: Light, d: Vec, bands: int = 0) -> Tensor:
    """Colour [3,...] of the sky in directions `d` of unit length, in smooth shades or in a few bands."""
    h = (d.y / 0.55).clamp(0, 1)
    if bands:
        h = torch.round(h * bands) / bands
    colour = planes(light.low, h) + (planes(light.top, h) - planes(light.low, h)) * h.sqrt()
    if light is LIGHTS["noon"]:
        up = d.y.clamp(min=0.04)
        u, v = d.x / up, d.z / up
        puff = torch.sin(1.1 * u + 0.7) * torch.sin(1.7 * v + 0.6 * u) + 0.5 * torch.sin(2.9 * u - 1.3 * v + 1.0)
        colour = colour + (1 - colour) * (0.75 * ((puff - 0.25) / 0.9).clamp(0, 1) * (d.y / 0.25).clamp(0, 1))
    if light.disc is not None:
        off = off_disc(light, d)
        share = ((1.15 - off) / 0.3).clamp(0, 1) + 0.35 * torch.exp(-0.35 * off * off)
        colour = colour + (planes(light.disc, h) - colour) * share.clamp(0, 1)
    if light is LIGHTS["night"] or light is LIGHTS["space"]:
        colour = colour + 0.85 * _stars(d)
    return colour


def off_disc(light: Light, d: Vec) -> Tensor:
    """How far directions `d` of unit length are from the middle of the sun, moon or planet, in its radii."""
    n = math.sqrt(sum(a * a for a in light.disc_at))
    near = (d.x * light.disc_at[0] + d.y * light.disc_at[1] + d.z * light.disc_at[2]) / n
    return torch.sqrt((2 - 2 * near).clamp(min=0)) / light.disc_size


def backdrop(kind: str, light: Light, d: Vec, far: Tensor) -> Tensor:
    """The sky's colour `far` [3,...] with what stands on the horizon of a ground in front of it."""
    if kind not in BACKDROPS:
        return far
    low, high = (planes(c, d.x) * planes(light.ground, d.x) for c in BACKDROPS[kind])
    turn = torch.atan2(d.x, -d.z)
    slope = d.y * torch.rsqrt((d.x * d.x + d.z * d.z).clamp(min=1e-6))
    if kind == "road":
        peak = 0.11 + 0.07 * torch.sin(3.1 * turn + 0.8) + 0.045 * (torch.sin(7.3 * turn)).abs()
        peak = peak + 0.02 * torch.sin(19 * turn + 2 * torch.sin(5 * turn))
        colour = low + (high - low) * ((slope - 0.09) / 0.03 + 0.5 * torch.sin(31 * turn)).clamp(0, 1)
        soft, mist = 0.006, 0.25
    else:
        peak = 0.30 + 0.06 * torch.sin(5.0 * turn) + 0.035 * torch.sin(17 * turn + 1.0) + 0.02 * torch.sin(41 * turn)
        leaf = torch.sin(33 * turn + 4 * torch.sin(23 * slope)) * torch.sin(47 * slope + 3 * torch.sin(13 * turn))
        trunk = ((torch.sin(21 * turn + torch.sin(4 * turn))).abs() - 0.9).clamp(min=0) * 8 * (slope < 0.2)
        colour = low + (high - low) * (0.45 + 0.4 * leaf - trunk).clamp(0, 1)
        soft, mist = 0.03, 0.12
    colour = colour + (planes(light.low, d.x) - colour) * mist
    return far + (colour - far) * ((peak - slope) / soft).clamp(0, 1)


def _stars(d: Vec) -> Tensor:
    """Soft dots at fixed places of the sky, one in some cells of a grid of directions."""
    u, v = torch.atan2(d.x, -d.z) * 9, d.y * 9
    cu, cv = torch.floor(u), torch.floor(v)
    pick = torch.frac(torch.sin(cu * 12.9898 + cv * 78.233) * 437.585).abs()
    other = torch.frac(pick * 17.31)
    du, dv = u - cu - 0.25 - 0.5 * other, v - cv - 0.75 + 0.5 * torch.frac(other * 11.7)
    return torch.exp(-(du * du + dv * dv) * (70 + 60 * other)) * (pick > 0.5) * ((d.y - 0.04) / 0.08).clamp(0, 1)


def ground(kind: str, light: Light, x: Tensor, z: Tensor, reach: Tensor, time: Tensor) -> Tensor:
    """Colour [3,...] of the ground at (x, z); `reach` is the distance from the eye, which fades fine texture out."""
    detail = torch.exp(-reach / 9)
    match kind:
        case "grass":
            mown = torch.sin(2.1 * x + 0.25 * torch.sin(1.3 * z))
            level = 0.5 + 0.5 * detail * (
                0.55 * (2.5 * mown).clamp(-1, 1)
                + 0.45 * torch.sin(5.3 * x + 2 * torch.sin(3.7 * z)) * torch.sin(4.9 * z + 1.3 * x)
            )
        case "sand":
            level = 0.5 + 0.5 * detail * torch.sin(4.2 * z + 1.2 * torch.sin(1.4 * x) + 0.9 * x)
        case "snow":
            level = 0.62 + 0.42 * detail * torch.sin(1.9 * x + 1.1 * torch.sin(1.3 * z)) * torch.sin(2.2 * z + 0.7 * x)
        case "wood":
            board = z * 1.1
            offset = torch.frac(torch.sin(torch.floor(board) * 12.9898) * 43.75)
            gap = ((0.5 - (board - torch.floor(board) - 0.5).abs()) / 0.09).clamp(0, 1)
            grain = torch.sin(1.7 * x + 9 * offset + 1.5 * torch.sin(6 * z + 4 * offset))
            level = 0.62 + 0.55 * (offset - 0.5) * detail + 0.2 * grain * detail - 0.9 * detail * (1 - gap)
        case "water":
            wave = torch.sin(3.1 * z + 0.8 * torch.sin(1.2 * x + 0.7 * time) + 2.1 * time) + torch.sin(
                2.3 * x - 1.7 * z - 1.5 * time
            )
            level = 0.42 + 0.30 * detail * wave
        case "rainbow":
            return _rainbow(light, x, z, detail)
        case "road":
            return _road(light, x, z, detail)
        case "jungle":
            fern = torch.sin(6.1 * x + 2.2 * torch.sin(2.7 * z)) * torch.sin(5.3 * z + 2.0 * torch.sin(3.1 * x))
            level = 0.45 + detail * (0.40 * fern + 0.25 * torch.sin(1.3 * x + 0.9 * z) * torch.sin(1.1 * z - 0.7 * x))
        case "seabed":
            stone = torch.sin(2.3 * x + 1.7 * torch.sin(1.9 * z)) * torch.sin(2.9 * z + 1.3 * torch.sin(1.1 * x))
            ripple = torch.sin(6.5 * z + 1.4 * torch.sin(1.2 * x))
            level = 0.6 + detail * (0.22 * ripple - 0.9 * ((stone - 0.72) / 0.2).clamp(0, 1))
        case "moon":
            level = 0.6 + detail * 0.12 * torch.sin(5.7 * x + torch.sin(4.1 * z)) * torch.sin(4.7 * z) + _craters(x, z)
        case _:
            raise ValueError(f"unknown ground {kind!r}")
    dark, bright = (planes(c, x) for c in GROUNDS[kind])
    colour = (dark + (bright - dark) * level.clamp(0, 1)) * planes(light.ground, x)
    if kind == "water":
        colour = colour + (planes(light.low, x) - colour) * (0.15 + 0.45 * (reach / 14).clamp(0, 1))
    return colour


def _rainbow(light: Light, x: Tensor, z: Tensor, detail: Tensor) -> Tensor:
    """Six stripes that run away from the viewer, with soft borders, on a lilac plane."""
    lane = x / 0.62 + 3
    colour = planes(GROUNDS["rainbow"][0], x) * (1 + 0.12 * detail * torch.sin(2.4 * x) * torch.sin(2.1 * z))
    for i, stripe in enumerate(RAINBOW):
        share = ((0.56 - (lane - i - 0.5).abs()) / 0.12).clamp(0, 1)
        colour = colour + (planes(stripe, x) - colour) * share
    return colour * planes(light.ground, x)


def _road(light: Light, x: Tensor, z: Tensor, detail: Tensor) -> Tensor:
    """Asphalt from left to right with a dashed line and white borders, grass beyond."""
    low, high = (planes(c, x) for c in GROUNDS["road"])
    grain = torch.sin(13.1 * x + 3 * torch.sin(7.7 * z)) * torch.sin(11.3 * z + 2 * torch.sin(9.1 * x))
    colour = low + (high - low) * (0.5 + 0.4 * detail * grain).clamp(0, 1)
    dash = ((0.07 - (z + 0.75).abs()) / 0.02).clamp(0, 1) * (
        (0.28 - (torch.frac(x / 1.9).abs() - 0.5).abs()) / 0.02
    ).clamp(0, 1)
    border = ((0.06 - ((z + 0.75).abs() - 2.05).abs()) / 0.02).clamp(0, 1)
    colour = colour + (planes((0.92, 0.90, 0.82), x) - colour) * torch.maximum(dash, border)
    verge = 0.5 + 0.5 * detail * torch.sin(5.3 * x + 2 * torch.sin(3.7 * z)) * torch.sin(4.9 * z + 1.3 * x)
    dark, bright = (planes(c, x) for c in GROUNDS["grass"])
    beyond = ((z + 0.75).abs() > 2.3).float()
    colour = colour + (dark + (bright - dark) * verge - colour) * beyond
    return colour * planes(light.ground, x)


def _craters(x: Tensor, z: Tensor) -> Tensor:
    """Round dents, one in some cells of a grid: dark inside, bright at the rim."""
    u, v = x / 1.7, z / 1.7
    cu, cv = torch.floor(u), torch.floor(v)
    pick = torch.frac(torch.sin(cu * 12.9898 + cv * 78.233) * 437.585).abs()
    size = 0.16 + 0.16 * torch.frac(pick * 13.7)
    off = torch.hypot(u - cu - 0.3 - 0.4 * torch.frac(pick * 17.3), v - cv - 0.3 - 0.4 * torch.frac(pick * 11.9)) / size
    return (pick > 0.35) * (0.35 * torch.exp(-(((off - 1) / 0.16) ** 2)) - 0.45 * ((1 - off) / 0.3).clamp(0, 1))


def snowfall(colour: Tensor, seconds: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Flakes that drive across the picture [3,F,H,W]; x [W], y [H] have the shorter side at -1..1."""
    clock = seconds.float().to(colour.device).view(-1, 1, 1)
    for scale, speed, size in ((3.2, 1.1, 0.030), (5.0, 0.8, 0.035)):
        u = (x.view(1, 1, -1) + 0.55 * speed * clock) * scale
        v = (y.view(1, -1, 1) + speed * clock) * scale + 7.3 * scale
        cu, cv = torch.floor(u), torch.floor(v)
        pick = torch.frac(torch.sin(cu * 12.9898 + cv * 78.233) * 437.585).abs()
        du, dv = u - cu - 0.2 - 0.6 * pick, v - cv - 0.2 - 0.6 * torch.frac(pick * 17.31)
        flake = ((2.2 * size - torch.hypot(du, dv)) / 0.04).clamp(0, 1)
        colour = colour + (1 - colour) * (flake * (pick > 0.35) * 0.8)
    return colour


def caustics(x: Tensor, z: Tensor, time: Tensor) -> Tensor:
    """The moving net of light on the bottom of the sea, around 1."""
    a = torch.sin(2.6 * x + 1.3 * torch.sin(1.9 * z + 1.1 * time) + 0.8 * time)
    b = torch.sin(2.9 * z - 1.2 * torch.sin(2.1 * x - 0.9 * time) - 0.6 * time)
    return 1 + 0.30 * (1 - (a + b).abs()).clamp(min=0)
