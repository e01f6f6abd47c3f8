"""Cut-outs in the scene: upright pictures that face the viewer, with the shadow they cast as if they faced the light.

Legend: N cut-outs, F frames, M pixels, S samples of a pixel. A picture stands on its foot; u runs to its right, v up.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .camera import Camera
from .cutouts import LEVELS, Cutouts
from .marks import FLESH, bite_share
from .motion import gestures, poses
from .nouns import NOUNS
from .scene import Scene
from .setting import Light, planes
from .shapes import Vec

LEAN = 0.6
"""Share of the camera's pitch by which a picture leans back, so that it is not foreshortened from above."""
SHADOW_ROWS = 20
"""Texels over the height of a shadow: its softness."""
BITES = ((0.96, 0.68), (0.72, 0.90), (0.93, 0.93))
"""Middles (u, v) of the three circles of a bite."""
BITE_RADIUS = 0.26


@dataclass(frozen=True, kw_only=True)
class Sprites:
    """N cut-outs at F times, on one device.

    foot [N,F,3]; width (negative: mirrored), height, angle (counterclockwise, radians), pivot (height of the point it
    turns around), bite (0..1) [N,F]; right, up [F,3]: the axes of the pictures; base [N,F,L]: the first texel of the
    frame in each size; sides [N,L,2]: width and height of the sizes; things: their index in the scene; colours [N,3];
    sizes [N]: half of the height at rest.
    """

    foot: Tensor
    width: Tensor
    height: Tensor
    angle: Tensor
    pivot: Tensor
    bite: Tensor
    right: Tensor
    up: Tensor
    base: Tensor
    sides: Tensor
    texels: Tensor
    things: tuple[int, ...]
    colours: Tensor
    sizes: Tensor
    biting: bool

    def __len__(self) -> int:
        return len(self.things)

    @property
    def middle(self) -> Tensor:
        """[N,F,3]"""
        return self.foot + self.up * (self.height / 2)[..., None]

    @property
    def normal(self) -> Tensor:
        """[F,3], toward the viewer."""
        return torch.linalg.cross(self.right, self.up)

    def covers(self, n: Tensor, frame: Tensor, camera: Camera, eye: Vec, d: Vec, pixel: float) -> Tensor:
        """bool [M]: whether a picture lies within a pixel and a half of a ray, `d` and `eye` [M,1]."""
        t, a, b = meet(self, n, frame, eye, d)
        u, v = self.local(n, frame, a, b)
        edge = t * (camera.zoom[frame, None] * (1.5 * pixel))
        wide, tall = edge / self.width[n, frame, None].abs(), edge / self.height[n, frame, None]
        return ((t > 0) & ((u - 0.5).abs() < 0.5 + wide) & ((v - 0.5).abs() < 0.5 + tall)).squeeze(1)

    @property
    def radius(self) -> Tensor:
        """[N,F]: of a ball around the middle that holds the picture however it is turned."""
        off = (self.height / 2 - self.pivot).abs() * 2 * torch.sin(self.angle / 2).abs()
        return torch.hypot(self.width, self.height) / 2 * 1.03 + off

    def local(self, n: Tensor, frame: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """u, v of points a to the right of and b above the foot; `n` and `frame` index the first axis."""
        angle, pivot = self.angle[n, frame], self.pivot[n, frame]
        cos, sin = torch.cos(angle), torch.sin(angle)
        cos, sin, pivot = (_as(x, a) for x in (cos, sin, pivot))
        over = b - pivot
        across, along = cos * a + sin * over, cos * over - sin * a + pivot
        return across / _as(self.width[n, frame], a) + 0.5, along / _as(self.height[n, frame], a)

    def look(self, n: Tensor, frame: Tensor, u: Tensor, v: Tensor, level: Tensor) -> Tensor:
        """Premultiplied colour and alpha [...,4] in 0..1 at u, v of the pictures, in a size `level` [M]."""
        side = self.sides[n, level]
        width, height, base = (_as(x, u) for x in (side[:, 0], side[:, 1], self.base[n, frame, level]))
        x, y = u * width - 0.5, (1 - v) * height - 0.5
        left, top = x.floor(), y.floor()
        fx, fy = (x - left)[..., None], (y - top)[..., None]
        inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
        x0, y0 = left.long(), top.long()
        x1, y1 = torch.minimum((x0 + 1).clamp(min=0), width - 1), torch.minimum((y0 + 1).clamp(min=0), height - 1)
        x0, y0 = torch.minimum(x0.clamp(min=0), width - 1), torch.minimum(y0.clamp(min=0), height - 1)

        def texel(column: Tensor, row: Tensor) -> Tensor:
            return self.texels[base + row * width + column].unsqueeze(-1).view(torch.uint8).float()

        upper = torch.lerp(texel(x0, y0), texel(x1, y0), fx)
        lower = torch.lerp(texel(x0, y1), texel(x1, y1), fx)
        rgba = torch.lerp(upper, lower, fy) * (inside.float() / 255)[..., None]
        return self._bitten(n, frame, u, v, rgba) if self.biting else rgba

    def _bitten(self, n: Tensor, frame: Tensor, u: Tensor, v: Tensor, rgba: Tensor) -> Tensor:
        """Without what has been bitten off; the edge of the bite is pale."""
        share = _as(self.bite[n, frame], u)
        stretch = _as((self.width[n, frame] / self.height[n, frame]).abs(), u)
        outside = torch.full_like(u, 9.0)
        for cu, cv in BITES:
            off = torch.sqrt(((u - cu) * stretch) ** 2 + (v - cv) ** 2) - BITE_RADIUS * share
            outside = torch.minimum(outside, off)
        left = ((outside / 0.015).clamp(0, 1) + (share <= 0)).clamp(0, 1)[..., None]
        pale = ((1 - outside / 0.05).clamp(0, 1) * (share > 0))[..., None] * 0.8
        flesh = torch.tensor((*FLESH, 1.0), device=rgba.device) * rgba[..., 3:]
        return (rgba + (flesh - rgba) * pale) * left

    def level(self, n: Tensor, texels: Tensor) -> Tensor:
        """The size [M] of which `texels` [M] of the largest size fall on one sample."""
        return torch.log2(texels.clamp(min=1e-3)).round().clamp(0, LEVELS - 1).long()


def _as(x: Tensor, like: Tensor) -> Tensor:
    """[M] as [M,1,...] to go with `like`."""
    return x.view(-1, *[1] * (like.ndim - 1))


def sprites_of(scene: Scene, times: Tensor, camera: Camera, cutouts: Cutouts | None) -> Sprites | None:
    """The scene's cut-outs at `times` [F]; None if it has none."""
    which = tuple(i for i, thing in enumerate(scene.things) if thing.shape in NOUNS)
    if not which:
        return None
    if cutouts is None:
        raise InputError(f"the scene shows {scene.things[which[0]].shape!r}: give the cut-outs to draw it from.")
    device = camera.eye.device
    pose, gesture = poses(scene, times), gestures(scene, times)
    sheets = [cutouts.sheet(scene.things[i].shape) for i in which]
    radius = torch.tensor([scene.things[i].radius for i in which])
    aspect = torch.tensor([sheet.aspect for sheet in sheets])
    frames = torch.tensor([sheet.frames for sheet in sheets])

    def moved(x: Tensor) -> Tensor:
        return x[:, which].mT.float().to(device)

    height = (2 * radius[:, None]).to(device) * moved(gesture.stretch)
    width = (2 * radius * aspect)[:, None].to(device) * moved(gesture.mirror) * moved(gesture.breadth)
    middle = pose.centers[:, which].transpose(0, 1).float().to(device)
    flat = torch.stack([camera.right[:, 2], torch.zeros_like(camera.zoom), -camera.right[:, 0]], -1)
    lean = LEAN * torch.asin(camera.up.mul(flat).sum(-1).clamp(-1, 1))
    up = torch.sin(lean)[:, None] * flat
    up = torch.cat([up[:, :1], torch.cos(lean)[:, None], up[:, 2:]], 1)
    foot = middle - torch.tensor([0.0, 1.0, 0.0], device=device) * radius.to(device).view(-1, 1, 1)
    shown = (torch.remainder(gesture.picture[:, which].mT, 1.0) * frames[:, None]).floor().long()
    shown = torch.minimum(shown, frames[:, None] - 1).to(device)
    offsets = torch.tensor([sheet.offsets for sheet in sheets], device=device)
    sides = torch.tensor([list(zip(s.widths, s.heights, strict=True)) for s in sheets], device=device)
    bites = [bite_share(scene, i, times) for i in which]
    return Sprites(
        foot=foot, width=width, height=height, angle=moved(gesture.angle), pivot=moved(gesture.pivot) * height,
        bite=torch.stack([torch.zeros(len(times)) if b is None else b for b in bites]).to(device),
        right=camera.right, up=up, base=offsets[:, None] + shown[..., None] * sides.prod(-1)[:, None], sides=sides,
        texels=cutouts.texels, things=which, colours=torch.tensor([sheet.colour for sheet in sheets], device=device),
        sizes=radius, biting=any(b is not None for b in bites),
    )  # fmt: skip


def near_sprites(sprites: Sprites, camera: Camera, d: Vec, pixel: float) -> Tensor:
    """Where a cut-out may be [F,h,W]."""
    near = torch.zeros_like(d.x, dtype=torch.bool)
    size = near[0].numel()
    for n in range(len(sprites)):
        p = Vec(*(a.view(-1, 1, 1) for a in (sprites.middle[n] - camera.eye).unbind(-1)))
        b = p.dot(d)
        limit = sprites.radius[n].view(-1, 1, 1) + b * (camera.zoom.view(-1, 1, 1) * pixel)
        index = ((p.dot(p) - b * b < limit * limit) & (b > 0)).flatten().nonzero().squeeze(1)
        if len(index) == 0:
            continue
        frame = index // size
        ray = Vec(*(a.flatten()[index, None] for a in d))
        eye = Vec(*(camera.eye[frame, i, None] for i in range(3)))
        near.view(-1)[index] |= sprites.covers(torch.full_like(index, n), frame, camera, eye, ray, pixel)
    return near


def sprite_shadow(sprites: Sprites, n: int, light: Light, g: Vec) -> Tensor:
    """How much light reaches the ground points [F,h,W] past one cut-out, which casts its shadow facing the light."""
    sun = torch.tensor(light.direction, device=g.x.device)
    foot, size = sprites.foot[n], sprites.radius[n].view(-1, 1, 1)
    w = Vec(*(a.view(-1, 1, 1) - b for a, b in zip(sprites.middle[n].unbind(-1), g, strict=True)))
    along = w.x * sun[0] + w.y * sun[1] + w.z * sun[2]
    width, height = (a[n].abs().view(-1, 1, 1) for a in (sprites.width, sprites.height))
    dx, dz = g.x - foot[:, 0].view(-1, 1, 1), g.z - foot[:, 2].view(-1, 1, 1)
    fade = (1 - foot[:, 1].view(-1, 1, 1) / (0.5 * height)).clamp(0, 1)
    under = torch.exp(-((dx / (0.36 * width)) ** 2) - (dz / (0.14 * width + 0.05)) ** 2) * fade
    lit = torch.ones_like(along)
    index = ((w.dot(w) - along * along < size * size) & (along > 0)).flatten().nonzero().squeeze(1)
    if len(index):
        frame = index // along[0].numel()
        x, y, z = (a.expand_as(along).flatten()[index] - foot[frame, i] for i, a in enumerate(g))
        flat = torch.hypot(sun[0], sun[2])
        t = -(x * sun[0] + z * sun[2]) / (flat * flat)
        sign = torch.where(sprites.right[frame, 0] * sun[2] - sprites.right[frame, 2] * sun[0] < 0, -1.0, 1.0)
        a = sign * ((x + t * sun[0]) * sun[2] - (z + t * sun[2]) * sun[0]) / flat
        which = torch.full_like(index, n)
        u, v = sprites.local(which, frame, a, y + t * sun[1])
        level = sprites.level(which, sprites.sides[which, 0, 1] / SHADOW_ROWS)
        lit.view(-1)[index] = 1 - 0.9 * sprites.look(which, frame, u, v, level)[..., 3]
    return lit * (1 - 0.5 * under)


def sprites_over(
    scene: Scene,
    light: Light,
    camera: Camera,
    sprites: Sprites,
    frame: Tensor,
    rays: tuple[Vec, Vec],
    depth: Tensor,
    colour: Tensor,
    pixel: float,
) -> None:
    """Draw the cut-outs over `colour` [3,M,S] in place where nothing nearer than them stands at `depth` [M,S].

    `frame` [M]; `rays` are the eyes [M,1] and the directions [M,S].
    """
    away = ((sprites.middle - camera.eye) * camera.forward).sum(-1)
    order = away.argsort(0, descending=True)
    eye, d = rays
    for slot in range(len(sprites)):
        n = order[slot][frame]
        rows = sprites.covers(n, frame, camera, eye, Vec(*(a[:, :1] for a in d)), pixel).nonzero().squeeze(1)
        if len(rows) == 0:
            continue
        own, at = n[rows], frame[rows]
        ray, source = Vec(*(a[rows] for a in d)), Vec(*(a[rows] for a in eye))
        t, a, above = meet(sprites, own, at, source, ray)
        u, v = sprites.local(own, at, a, above)
        texels = sprites.sides[own, 0, 1] / sprites.height[own, at] * t[:, 0] * (camera.zoom[at] * pixel * 0.6)
        level = sprites.level(own, texels)
        rgba = sprites.look(own, at, u, v, level).movedim(-1, 0)
        rgba = rgba * ((t > 0) & (t < depth[rows] * 1.002))
        halo = _halo(sprites, own, at, u, v, level) if scene.setting.style == "neon" else None
        drawn = lit_sprite(scene.setting.style, light, rgba, u, v, t, halo)
        colour[:, rows] = drawn + colour[:, rows] * (1 - rgba[3])


def meet(sprites: Sprites, n: Tensor, frame: Tensor, eye: Vec, d: Vec) -> tuple[Tensor, Tensor, Tensor]:
    """Distance [M,S] along rays to the pictures' planes, and how far right of and above the foot they meet them."""
    foot, across, up = sprites.foot[n, frame], sprites.right[frame], sprites.up[frame]
    plane = sprites.normal[frame]

    def dot(v: Vec, axis: Tensor) -> Tensor:
        return v.x * axis[:, :1] + v.y * axis[:, 1:2] + v.z * axis[:, 2:]

    rel = Vec(*(e - foot[:, i : i + 1] for i, e in enumerate(eye)))
    facing = dot(d, plane)
    t = -dot(rel, plane) / torch.where(facing.abs() < 1e-5, 1e-5, facing)
    hit = rel.along(d, t)
    return t, dot(hit, across), dot(hit, up)


def _halo(sprites: Sprites, n: Tensor, frame: Tensor, u: Tensor, v: Tensor, level: Tensor) -> Tensor:
    """How near the picture's edge is, 0..1: one minus the alpha of a coarser size."""
    return 1 - sprites.look(n, frame, u, v, (level + 2).clamp(max=LEVELS - 1))[..., 3]


def lit_sprite(style: str, light: Light, rgba: Tensor, u: Tensor, v: Tensor, t: Tensor, halo: Tensor | None) -> Tensor:
    """Premultiplied colour [3,M,S] of a picture in the scene's light and air."""
    colour, alpha = rgba[:3], rgba[3]
    side = 1 if light.direction[0] > 0 else -1
    shape = (0.80 + 0.25 * (v * 2.5).clamp(0, 1)) * (1 + 0.10 * side * (u - 0.5))
    if halo is not None:
        return colour * (0.45 + 1.5 * halo) * shape + alpha * 0.30 * halo * halo
    if style == "clay":
        dent = torch.sin(u * 19 + 2 * torch.sin(v * 11)) * torch.sin(v * 21 + 1)
        mean = colour.mean(0, keepdim=True)
        colour = (0.88 * (colour + 0.12 * (mean - colour)) + 0.07 * alpha) * (1 + 0.10 * dent)
    tint = planes(light.ambient, t) * 0.92 + planes(light.key, t) * 0.66
    haze = torch.exp(-((t / light.air) ** 1.5))
    return colour * tint * shape * haze + planes(light.low, t) * (alpha * (1 - haze))
