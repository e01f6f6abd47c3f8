"""Scenes to pixels: ground and sky for every pixel, objects only where they can be, with four samples a pixel.

P = frames * rows * columns of the part being rendered, M pixels near an object, S samples of such a pixel. Planes are
[3,...].
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .camera import Camera, camera_at, pixel_grid
from .change import share_of_next
from .cutouts import Cutouts
from .marks import FLESH, bitten, painted
from .scene import ClipShape, Scene
from .setting import LIGHTS, RGB, Light, backdrop, caustics, ground, planes, sky, snowfall
from .shapes import FAR, Vec, bound, hit, stripe
from .solids import Solid, solids_of
from .sprites import Sprites, near_sprites, sprite_shadow, sprites_of, sprites_over
from .styles import finish, surface

PART = 1 << 17
"""Pixels rendered at once; bounds the memory at any size."""
SAMPLES = ((0.125, 0.375), (0.375, -0.125), (-0.125, -0.375), (-0.375, 0.125))
LIGHT_SAMPLES = ((0.0, 0.0), (0.07, 0.02), (-0.06, 0.05), (0.01, -0.07))


def render(
    scenes: Sequence[Scene],
    shape: ClipShape,
    *,
    device: torch.device | str = "cpu",
    cutouts: Cutouts | None = None,
    part: int | None = None,
) -> Tensor:
    """Pixels uint8 [B,F,H,W,3]. A scene gives the same clip whatever else is in the batch.

    `cutouts` are needed by scenes with living or made things; `part` is the number of pixels rendered at once.
    """
    stage = Stage(device=torch.device(device), cutouts=cutouts, part=part or PART)
    with torch.no_grad():
        return torch.stack([render_scene(scene, shape, stage) for scene in scenes])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What every scene is rendered with."""

    device: torch.device
    cutouts: Cutouts | None
    part: int


def frame_times(shape: ClipShape) -> Tensor:
    """Seconds of the frames [F], in float64 so that a clip may begin anywhere."""
    return shape.start + torch.arange(shape.frames, dtype=torch.float64) / shape.fps


def render_scene(scene: Scene, shape: ClipShape, stage: Stage) -> Tensor:
    """One clip, uint8 [F,H,W,3]."""
    step = max(1, stage.part // (shape.height * shape.width))
    parts = [_frames(scene, times, shape, stage) for times in frame_times(shape).split(step)]
    return torch.cat(parts)


def _frames(scene: Scene, times: Tensor, shape: ClipShape, stage: Stage) -> Tensor:
    """Some frames, uint8 [F,H,W,3], from bands of rows."""
    rows = max(1, stage.part // (len(times) * shape.width))
    colour = _picture(scene, times, shape, rows, stage)
    if scene.next_setting is not None:
        share = share_of_next(scene, times, shape, stage.device)
        if share.max() > 0:
            after = _picture(replace(scene, setting=scene.next_setting), times, shape, rows, stage)
            colour = colour + (after - colour) * share
    return (colour.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 3, 0).contiguous()


def _picture(scene: Scene, times: Tensor, shape: ClipShape, rows: int, stage: Stage) -> Tensor:
    """Whole frames [3,F,H,W] in the scene's own setting."""
    bands = [paint(scene, times, shape, band, stage) for band in range_bands(shape.height, rows)]
    colour = bands[0] if len(bands) == 1 else torch.cat(bands, 2)
    if scene.setting.light == "storm":
        colour = snowfall(colour, times, *pixel_grid(shape.height, shape.width, colour.device))
    return finish(scene.setting.style, colour)


def range_bands(height: int, rows: int) -> list[slice]:
    """The picture's rows in bands."""
    return [slice(a, min(a + rows, height)) for a in range(0, height, rows)]


class Bodies(NamedTuple):
    """What stands in the scene."""

    solids: list[Solid]
    sprites: Sprites | None

    def glows(self) -> list[tuple[Tensor, float, RGB]]:
        """Middle [F,3], radius and colour of everything that glows on the ground."""
        out: list[tuple[Tensor, float, RGB]] = [(s.center, s.radius, s.colour) for s in self.solids]
        if self.sprites is not None:
            sizes = self.sprites.sizes.tolist()
            colours = [(r, g, b) for r, g, b in self.sprites.colours.tolist()]
            out += zip(self.sprites.middle, sizes, colours, strict=True)
        return out


def paint(scene: Scene, times: Tensor, shape: ClipShape, band: slice, stage: Stage) -> Tensor:
    """Colour [3,F,h,W] of a band of rows."""
    device = stage.device
    camera = Camera(*(part.float().to(device) for part in camera_at(scene, times)))
    x_W, y_H = pixel_grid(shape.height, shape.width, device)
    y_h = y_H[band]
    d = rays(camera, x_W.view(1, 1, -1), y_h.view(1, -1, 1), (-1, 1, 1))
    light = LIGHTS[scene.setting.light]
    pixel = 2 / min(shape.height, shape.width)
    bodies = Bodies(solids_of(scene, times, device), sprites_of(scene, times, camera, stage.cutouts))
    colour, near = _far_picture(scene, light, camera, d, times, bodies, pixel)
    index = near.flatten().nonzero().squeeze(1)
    if len(index):
        flat = colour.reshape(3, -1)
        flat[:, index] = _near_picture(scene, light, camera, bodies, flat[:, index], index, x_W, y_h, pixel)
        colour = flat.view_as(colour)
    return colour


def rays(camera: Camera, x: Tensor, y: Tensor, frame: tuple[int, ...] | Tensor) -> Vec:
    """Unit directions through picture points; `frame` is a view of the frame axis or each ray's frame index."""

    def pick(a: Tensor) -> Tensor:
        return a.view(frame) if isinstance(frame, tuple) else a[frame]

    zoom = pick(camera.zoom)
    x, y = x * zoom, y * zoom
    d = [pick(camera.forward[:, i]) + x * pick(camera.right[:, i]) + y * pick(camera.up[:, i]) for i in range(3)]
    scale = torch.rsqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    return Vec(d[0] * scale, d[1] * scale, d[2] * scale)


def _far_picture(
    scene: Scene, light: Light, camera: Camera, d: Vec, times: Tensor, bodies: Bodies, pixel: float
) -> tuple[Tensor, Tensor]:
    """Ground with shadows, and sky [3,F,h,W]; and where an object may be [F,h,W]."""
    clock = times.float().to(d.x.device).view(-1, 1, 1)
    eye = Vec(*(camera.eye[:, i].view(-1, 1, 1) for i in range(3)))
    style = scene.setting.style
    back = sky(light, d, bands=6 if style == "clay" else 0) * (0.45 if style == "neon" and light.air != 24 else 1.0)
    back = backdrop(scene.setting.ground, light, d, back)
    reach = torch.where(d.y < -1e-3, -eye.y / d.y.clamp(max=-1e-3), FAR).clamp(max=200)
    g = eye.along(d, reach)
    land = ground(scene.setting.ground, light, g.x, g.z, reach, clock)
    if scene.setting.light == "underwater":
        land = land * caustics(g.x, g.z, clock)
    land = painted(scene, times, land, g)
    shade = torch.ones_like(reach)
    near = torch.zeros_like(reach, dtype=torch.bool)
    for solid in bodies.solids:
        shade = shade * _shadow(solid, light, g)
        c = solid.center
        p = Vec(*(c[:, i].view(-1, 1, 1) - e for i, e in enumerate(eye)))
        b = p.dot(d)
        limit = bound(solid.shape, solid.radius) * 1.02 + b * (camera.zoom.view(-1, 1, 1) * pixel)
        near = near | ((p.dot(p) - b * b < limit * limit) & (b > 0))
    if bodies.sprites is not None:
        near = near | near_sprites(bodies.sprites, camera, d, pixel)
        for n in range(len(bodies.sprites)):
            shade = shade * sprite_shadow(bodies.sprites, n, light, g)
    shade_colour = planes(light.ambient, shade) / (planes(light.ambient, shade) + planes(light.key, shade) * 0.85)
    land = land * (shade_colour + (1 - shade_colour) * shade)
    land = surface(style, land, g, reach, bodies.glows() if style == "neon" else [])
    haze = torch.exp(-((reach / light.air) ** 1.5)) * (d.y < -1e-3)
    return back + (land - back) * haze, near


def _shadow(solid: Solid, light: Light, g: Vec) -> Tensor:
    """How much light reaches the ground points, [F,h,W] in 0..1: the soft cast shadow times the darkness of the
    contact."""
    c = Vec(*(solid.center[:, i].view(-1, 1, 1) for i in range(3)))
    w = Vec(c.x - g.x, c.y - g.y, c.z - g.z)
    sun = Vec(*(torch.tensor(a, device=g.x.device) for a in light.direction))
    flat = w.x * w.x + w.z * w.z
    size = solid.radius
    contact = torch.exp(-flat * (1.6 / size**2)) * (1.4 - c.y / size * 0.5).clamp(0, 1)
    s = w.dot(sun)
    off = w.dot(w) - s * s
    if solid.shape == "ball":
        miss = torch.sqrt(off.clamp(min=0)) / size
        lit = ((miss - 0.8) / 0.35).clamp(0, 1)
    else:
        lit = torch.ones_like(off)
        limit = (bound(solid.shape, size) * 1.1) ** 2
        index = (off < limit).flatten().nonzero().squeeze(1)
        if len(index):
            lit.view(-1)[index] = _traced(
                solid, light, [a.expand_as(off).flatten()[index] for a in w], index // off[0].numel()
            )
    return lit * (1 - 0.45 * contact)


def _traced(solid: Solid, light: Light, w: list[Tensor], frame: Tensor) -> Tensor:
    """Share of the light that passes the solid, by a ray to each sample of the light, [M]."""
    turn = solid.rotation[frame]
    o = solid.into(turn, Vec(-w[0], -w[1], -w[2]))
    lit = torch.zeros_like(o.x)
    for a, b in LIGHT_SAMPLES:
        sx, sy, sz = light.direction
        toward = torch.tensor([sx + a, sy, sz + b], device=lit.device)
        toward = toward / toward.norm()
        d = solid.into(turn, Vec(*(t.expand_as(lit) for t in toward)))
        lit = lit + (hit(solid.shape, solid.radius, o, d).t >= FAR).float()
    return lit / len(LIGHT_SAMPLES)


def _near_picture(
    scene: Scene,
    light: Light,
    camera: Camera,
    bodies: Bodies,
    back: Tensor,
    index: Tensor,
    x_W: Tensor,
    y_h: Tensor,
    pixel: float,
) -> Tensor:
    """Colours [3,M] of the pixels `index` with the objects in front of `back` [3,M]."""
    width, height = len(x_W), len(y_h)
    frame = (index // (width * height))[:, None]
    shift = torch.tensor(SAMPLES, device=index.device) * pixel
    x = x_W[index % width][:, None] + shift[:, 0]
    y = y_h[index // width % height][:, None] + shift[:, 1]
    d = rays(camera, x, y, frame)
    eye = Vec(*(camera.eye[:, i][frame] for i in range(3)))
    depth = torch.where(d.y < -1e-3, -eye.y / d.y.clamp(max=-1e-3), FAR)
    colour = back[:, :, None].repeat(1, 1, len(SAMPLES))
    for solid in bodies.solids:
        c = solid.center[frame.squeeze(1)]
        p = Vec(*(c[:, i : i + 1] - e for i, e in enumerate(eye)))
        b = p.dot(Vec(*(a[:, :1] for a in d)))
        limit = bound(solid.shape, solid.radius) * 1.02 + b * (1.5 * pixel)
        rows = ((p.dot(p) - b * b).squeeze(1) < (limit * limit).squeeze(1)).nonzero().squeeze(1)
        if len(rows) == 0:
            continue
        ray, source = Vec(*(a[rows] for a in d)), Vec(*(a[rows] for a in eye))
        t, shaded = _shade(scene, light, solid, frame[rows, 0], source, ray)
        seen = t < depth[rows]
        depth[rows] = torch.where(seen, t, depth[rows])
        colour[:, rows] = torch.where(seen, shaded, colour[:, rows])
    if bodies.sprites is not None:
        sprites_over(scene, light, camera, bodies.sprites, frame[:, 0], (eye, d), depth, colour, pixel)
    return colour.mean(-1)


def _shade(scene: Scene, light: Light, solid: Solid, frame: Tensor, eye: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    """Distance [M,S] and colour [3,M,S] of a solid along rays."""
    turn = solid.rotation[frame]
    c = solid.center[frame]
    o = solid.into(turn, Vec(*(e - c[:, i : i + 1] for i, e in enumerate(eye))))
    local = solid.into(turn, d)
    t, n = whole = hit(solid.shape, solid.radius, o, local)
    inside = None
    if solid.bite is not None:
        (t, n), inside = bitten(solid.shape, solid.radius, solid.bite[frame][:, None], o, local, whole)
    p = o.along(local, t)
    sun = solid.into(turn, Vec(*(torch.full_like(c[:, :1], a) for a in light.direction)))
    up = Vec(turn[:, 1, 0, None], turn[:, 1, 1, None], turn[:, 1, 2, None])
    style = scene.setting.style
    if style == "clay":
        dent = 0.22 * torch.sin(p.x * 9) * torch.sin(p.y * 10 + 1) * torch.sin(p.z * 9.5 + 2)
        n = Vec(n.x + dent, n.y + dent, n.z - dent)
    base = planes(solid.colour, t)
    if style == "clay":
        base = 0.9 * base + 0.07
    mark = stripe(solid.shape, solid.radius, p) if solid.striped else torch.zeros_like(t)
    base = base + (planes(solid.band, t) - base) * mark
    if inside is not None:
        base = torch.where(inside, planes(FLESH, t), base)
    facing = n.dot(sun)
    key = (0.15 + 0.85 * facing).clamp(min=0)
    height = eye.y + t * d.y
    open_sky = (0.62 + 0.38 * n.dot(up)) * (0.55 + 0.45 * (height / (0.9 * solid.radius)).clamp(0, 1))
    shaded = base * (planes(light.ambient, t) * open_sky * 1.45 + planes(light.key, t) * key * 1.15)
    half = Vec(sun.x - local.x, sun.y - local.y, sun.z - local.z)
    gleam = n.dot(half) * torch.rsqrt(half.dot(half) + 1e-9)
    rim = (1 + n.dot(local)).clamp(0, 1) ** 3
    if style == "neon":
        shaded = base * (0.22 + 1.35 * rim + 0.25 * key) + 0.35 * rim * rim
    elif style != "clay" and solid.glossy:
        shaded = shaded + planes(light.key, t) * (0.65 * gleam.clamp(min=0) ** 36) + 0.22 * rim * planes(light.low, t)
    haze = torch.exp(-((t / light.air) ** 1.5))
    fog = planes(light.low, t)
    return t, shaded if style == "neon" else fog + (shaded - fog) * haze
