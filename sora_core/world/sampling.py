"""Seeds to scenes. The same seed gives the same scene on any machine; held-out combinations are fixed by a hash."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from .casting import (
    TOLD,
    TOLD_OF_SOLIDS,
    Draw,
    above,
    lifted,
    may,
    noun_thing,
    setting_for,
    two_in_relation,
    two_solids,
)
from .nouns import NOUNS
from .scene import FAMILIES, Scene, Setting, Thing, View
from .words import COLOURS, SHAPE_WORDS, SINGLE_MOTIONS, STYLE_PHRASES

HELD_OUT_PERCENT = 8
WEIGHTS: dict[str, float] = {
    "single": 0.34, "things": 0.20, "camera": 0.14, "style": 0.12, "occluder": 0.05, "marks": 0.05, "shots": 0.05,
    "transition": 0.05,
}  # fmt: skip
WEIGHTS_WITH_NOUNS: dict[str, float] = {
    "single": 0.45, "things": 0.29, "camera": 0.08, "style": 0.07, "occluder": 0.03, "marks": 0.03, "shots": 0.025,
    "transition": 0.025,
}  # fmt: skip
RADII: dict[str, float] = {"small": 0.42, "": 0.60, "large": 0.80}
CAMERAS: tuple[str, ...] = (
    "pan left",
    "pan right",
    "tilt up",
    "tilt down",
    "orbit",
    "dolly in",
    "dolly out",
    "zoom in",
    "follow",
)
LOOPED: dict[str, float] = {"bounce": 2.0, "spin": math.tau / 3.4}
"""travel with which a motion is as it was after two seconds: two bounces, one turn"""
TRIES = 1000


def sample_scene(
    seed: int,
    *,
    family: str | None = None,
    held_out: bool | None = False,
    seconds: float = 2.0,
    nouns: Sequence[str] = (),
) -> Scene:
    """A scene of a family (None: a weighted mix of all), from the training or the held-out combinations (None: any).

    `seconds` is the window in which its motions are centred and in view. `nouns` are the cut-outs there are
    (`Cutouts.nouns`); without them the scene is one of solids, on the grounds and in the lights of words.FIRST_*.
    """
    if family is not None and family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}: one of {', '.join(FAMILIES)}")
    if unknown := [noun for noun in nouns if noun not in NOUNS]:
        raise ValueError(f"unknown nouns {', '.join(unknown)}: see nouns.NOUNS")
    for attempt in range(TRIES):
        rng = Draw.of(f"scene/{family}/{seed}/{attempt}", nouns)
        weights = WEIGHTS_WITH_NOUNS if nouns else WEIGHTS
        chosen = family or rng.choices(list(weights), list(weights.values()))[0]
        scene = _settled(rng, MAKERS[chosen](rng))
        scene = replace(scene, seed=seed, family=chosen, seconds=seconds, change=scene.change * seconds / 2)
        if held_out is None or is_held_out(scene) == held_out:
            return scene
    raise RuntimeError(f"no scene with held_out={held_out} in {TRIES} tries for family {family!r}, seed {seed}")


def is_held_out(scene: Scene) -> bool:
    """Whether the main thing's colour, shape or noun, motion, ground and light together are kept out of training."""
    settings = (scene.setting,) if scene.next_setting is None else (scene.setting, scene.next_setting)
    return any(_kept_out(scene.things[0], setting) for setting in settings)


def _kept_out(thing: Thing, setting: Setting) -> bool:
    key = "/".join((thing.colour, thing.shape, thing.motion, setting.ground, setting.light))
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 100 < HELD_OUT_PERCENT


def _settled(rng: Draw, scene: Scene) -> Scene:
    """The scene with its nouns at the heights at which they go there."""
    things = [lifted(rng, thing, scene.setting) for thing in scene.things]
    if scene.relation == "above":
        things[:2] = above(things[0], things[1])
    if scene.relation in ("same", "chase", "follow") and len({thing.shape for thing in things}) == 1:
        things = [replace(thing, lift=things[0].lift) for thing in things]
    return replace(scene, things=tuple(things))


def _setting(rng: Draw, style: str = "natural", thing: Thing | None = None) -> Setting:
    return setting_for(rng, style, thing)


def _view(rng: Draw, camera: str = "static", thing: Thing | None = None) -> View:
    if rng.nouns:
        far = camera != "static" or thing is None or thing.motion in ("closer", "away", "rise", "fall", "bounce")
        distance = rng.uniform(4.2, 4.9) if far else rng.uniform(3.3, 4.8)
        height = rng.uniform(1.1, 2.1)
        pitch = math.atan2(height - 0.92, distance) + rng.uniform(-0.02, 0.02)
        distance *= 0.95 if camera == "dolly out" else 1.0
        return View(camera=camera, angle=rng.uniform(-0.14, 0.14), height=height, distance=distance, pitch=pitch)
    view = View(
        camera=camera, angle=rng.uniform(-0.12, 0.12), height=rng.uniform(1.55, 1.9), distance=rng.uniform(4.3, 4.8)
    )
    if camera == "dolly out":
        return replace(view, distance=view.distance * 0.95)
    return view


def _thing(rng: Draw, motions: tuple[str, ...] = SINGLE_MOTIONS) -> Thing:
    """One object that moves through the middle of the picture."""
    if rng.wants_noun and any(may(NOUNS[key], m) for key in rng.nouns for m in motions):
        return _placed(rng, noun_thing(rng, motions))
    motion = rng.choice(motions)
    size = rng.choices(("", "small", "large"), (0.6, 0.2, 0.2))[0]
    thing = Thing(
        shape=rng.choice(list(SHAPE_WORDS)), colour=rng.choice(list(COLOURS)), motion=motion, size=size,
        radius=RADII[size] * rng.uniform(0.94, 1.06), turn=rng.uniform(-0.5, 0.5), phase=rng.random(),
    )  # fmt: skip
    return _placed(rng, thing)


def _placed(rng: Draw, thing: Thing) -> Thing:
    """Where it is and how far it goes, by its motion."""
    match thing.motion:
        case "left" | "right":
            return replace(thing, x=rng.uniform(-0.2, 0.2), z=rng.uniform(-0.4, 0.5), travel=rng.uniform(1.9, 2.6))
        case "closer" | "away":
            return replace(thing, x=rng.uniform(-0.45, 0.45), z=rng.uniform(-0.7, -0.3), travel=rng.uniform(3.0, 3.8))
        case "bounce":
            return replace(thing, x=rng.uniform(-0.7, 0.7), z=rng.uniform(-0.5, 0.5), travel=rng.uniform(1.4, 2.0))
        case "rise":
            return replace(thing, x=rng.uniform(-0.7, 0.7), z=rng.uniform(-0.5, 0.3), travel=rng.uniform(1.6, 2.6))
        case "spin":
            return replace(thing, x=rng.uniform(-0.7, 0.7), z=rng.uniform(-0.2, 0.7), travel=rng.uniform(1.6, 2.3))
        case _:
            return replace(thing, x=rng.uniform(-0.7, 0.7), z=rng.uniform(-0.5, 0.6))


def _scene(things: tuple[Thing, ...], setting: Setting, view: View, **more: object) -> Scene:
    return Scene(seed=0, family="single", things=things, setting=setting, view=view, **more)  # type: ignore[arg-type]


def _single(rng: Draw) -> Scene:
    thing = _thing(rng)
    return _scene((thing,), _setting(rng, thing=thing), _view(rng, thing=thing))


def _camera(rng: Draw) -> Scene:
    camera = rng.choice(CAMERAS)
    motions = ("left", "right") if camera == "follow" else ("still", "spin", "bounce", "still")
    thing = _thing(rng, motions)
    if camera == "follow":
        thing = replace(thing, travel=thing.travel * 1.4, x=0.0)
    else:
        thing = replace(thing, x=thing.x * 0.4, z=0.0)
    return _scene((thing,), _setting(rng, thing=thing), _view(rng, camera))


def _style(rng: Draw) -> Scene:
    thing, style = _thing(rng), rng.choice([s for s in STYLE_PHRASES if s != "natural"])
    return _scene((thing,), _setting(rng, style, thing), _view(rng, thing=thing))


def _things(rng: Draw) -> Scene:
    if rng.nouns and rng.random() < 0.55 and (told := _told(rng)) is not None:
        return told
    kind = rng.choices(("same", "pair", "triple", "orbit", "collide"), (0.40, 0.25, 0.10, 0.13, 0.12))[0]
    setting, view = _setting(rng), replace(_view(rng), angle=rng.uniform(-0.05, 0.05))
    if kind == "same":
        return _scene(_same(rng), setting, view, relation="same")
    if kind in ("orbit", "collide"):
        return _scene(_two(rng, kind), setting, view, relation=kind)
    count = 2 if kind == "pair" else 3
    gap, radius = (1.6, 0.5) if count == 2 else (1.25, 0.42)
    colours = rng.sample(list(COLOURS), count)
    shared = rng.choice(("still", "bounce", "spin")) if rng.random() < 0.4 else None
    things = []
    for i, colour in enumerate(colours):
        thing = _thing(rng, (shared,) if shared else ("still", "bounce", "spin", "fall"))
        things.append(
            replace(
                thing,
                colour="" if thing.shape in NOUNS else colour,
                size="",
                radius=min(radius * 1.3, thing.radius) if thing.shape in NOUNS else radius * rng.uniform(0.94, 1.06),
                x=(i - (count - 1) / 2) * gap,
                z=rng.uniform(-0.3, 0.3),
            )
        )
    return _scene(tuple(things), setting, view, relation="beside")


def _told(rng: Draw) -> Scene | None:
    """Two things in a relation that the caption names; None if the nouns there are cannot be in it."""
    told = TOLD if rng.nouns else TOLD_OF_SOLIDS
    relation = rng.choices(list(told), list(told.values()))[0]
    pair = two_in_relation(rng, relation) if rng.nouns else two_solids(rng, relation)
    if pair is None:
        return None
    return _scene(
        pair, _setting(rng, thing=pair[0]), replace(_view(rng), angle=rng.uniform(-0.06, 0.06)), relation=relation
    )


def _relation(rng: Draw) -> Scene:
    """Two things in a relation, of solids where the nouns drawn cannot be in it."""
    while (scene := _told(rng)) is None:
        rng.nouns = ()
    return scene


def _same(rng: Draw) -> tuple[Thing, ...]:
    """Two to four of a kind that do the same."""
    count = rng.choice((2, 3, 4))
    first = _thing(rng)
    while first.shape in NOUNS and NOUNS[first.shape].group == "place" and count > 2:
        first = _thing(rng)
    radius, gap = {2: (0.5, 1.5), 3: (0.42, 1.15), 4: (0.36, 0.95)}[count]
    if first.motion in ("left", "right"):
        first = replace(first, travel=rng.uniform(1.5, 1.8))
    if first.shape in NOUNS:
        radius = min(0.62, first.radius * radius / 0.56)
    z = first.z if first.motion in ("closer", "away") else 0.2
    return tuple(
        replace(
            first,
            size="",
            radius=radius,
            x=(i - (count - 1) / 2) * gap,
            z=z + rng.uniform(-0.15, 0.15),
            phase=rng.random(),
            turn=rng.uniform(-0.5, 0.5),
        )
        for i in range(count)
    )


def _two(rng: Draw, motion: str) -> tuple[Thing, ...]:
    """Two that circle around each other, or of which one pushes the other."""
    one, two = rng.sample(list(COLOURS), 2)
    shapes = rng.choice(list(SHAPE_WORDS)), rng.choice(list(SHAPE_WORDS))
    if motion == "orbit":
        phase, travel = rng.random(), rng.uniform(1.6, 2.4)
        return tuple(
            Thing(shape=s, colour=c, motion=motion, radius=0.42, travel=travel, phase=phase + i / 2)
            for i, (s, c) in enumerate(zip(shapes, (one, two), strict=True))
        )
    side = rng.choice(("left", "right"))
    toward, radius, travel = (-1.0 if side == "left" else 1.0), rng.uniform(0.42, 0.5), rng.uniform(2.4, 2.9)
    reach = radius * 0.92
    return tuple(
        Thing(
            shape=s,
            colour=c,
            motion=motion,
            radius=radius,
            side=side,
            travel=travel,
            x=toward * reach * (-1 if i == 0 else 1),
        )
        for i, (s, c) in enumerate(zip(shapes, (one, two), strict=True))
    )


def _occluder(rng: Draw) -> Scene:
    """Something passes behind a wall, or leaves the picture and returns."""
    thing = replace(_thing(rng, ("behind", "return")), side=rng.choice(("left", "right")))
    sign = -1.0 if thing.side == "left" else 1.0
    view = replace(_view(rng), angle=rng.uniform(-0.04, 0.04))
    if thing.motion == "behind":
        radius = rng.uniform(0.42, 0.52) if thing.shape in NOUNS else rng.uniform(0.38, 0.43)
        thing = replace(
            thing,
            size="",
            radius=radius,
            x=rng.uniform(-0.1, 0.1),
            z=rng.uniform(-0.5, -0.2),
            travel=rng.uniform(3.0, 3.6),
        )
        return _scene((thing,), _setting(rng, thing=thing), view, wall=True)
    radius = min(thing.radius, 0.65)
    thing = replace(
        thing,
        size="" if thing.size == "large" else thing.size,
        radius=radius,
        x=-0.5 * sign,
        z=rng.uniform(-0.2, 0.4),
        travel=3.7,
    )
    return _scene((thing,), _setting(rng, thing=thing), view)


def _marks(rng: Draw) -> Scene:
    """Something paints a stroke that stays, or loses a bite that stays taken."""
    setting, view = _setting(rng), _view(rng)
    thing = _thing(rng, ("paint", "bite"))
    if thing.motion == "paint":
        near = {"grass": "green", "sand": "yellow", "snow": "white", "water": "blue"}.get(setting.ground)
        paint = rng.choice([c for c in COLOURS if c not in (near, thing.colour)])
        thing = replace(
            thing,
            paint=paint,
            side=rng.choice(("left", "right")),
            x=0.0,
            z=rng.uniform(-0.2, 0.3),
            travel=rng.uniform(2.2, 2.7),
        )
        return _scene((thing,), setting, replace(view, height=2.0, pitch=0.24))
    if thing.shape in NOUNS:
        thing = replace(thing, x=rng.uniform(-0.5, 0.4), z=rng.uniform(0.1, 0.6))
        return _scene((thing,), setting, view, change=rng.uniform(0.5, 1.1))
    shape = {"ring": "ball", "cone": "cube"}.get(thing.shape, thing.shape)
    thing = replace(
        thing, shape=shape, turn=rng.uniform(-0.25, 0.25), x=rng.uniform(-0.5, 0.4), z=rng.uniform(0.1, 0.6)
    )
    return _scene((thing,), setting, view, change=rng.uniform(0.5, 1.1))


def _shot(rng: Draw, shot: str) -> View:
    """A camera place that a caption can name."""
    camera = rng.choice(("static", "static", "static", "dolly in", "orbit"))
    match shot:
        case "close":
            return View(
                camera=camera,
                shot=shot,
                angle=rng.uniform(-0.3, 0.3),
                height=1.1,
                distance=rng.uniform(2.7, 3.0),
                pitch=0.13,
            )
        case "above":
            return View(
                camera=camera,
                shot=shot,
                angle=rng.uniform(-0.3, 0.3),
                height=4.6,
                distance=rng.uniform(2.5, 2.9),
                pitch=0.98,
            )
        case "far":
            return View(
                camera=camera,
                shot=shot,
                angle=rng.uniform(-0.3, 0.3),
                height=2.4,
                distance=rng.uniform(7.0, 7.6),
                pitch=0.2,
            )
    return _view(rng, camera)


def _shots(rng: Draw) -> Scene:
    """A cut to another camera on the same scene."""
    first = rng.choice(("", "", "close", "above", "far"))
    second = rng.choice([s for s in ("close", "above", "far") if s != first])
    thing = _thing(rng, ("left", "right", "bounce", "spin", "still"))
    radius = min(0.62, thing.radius) if thing.shape in NOUNS else 0.5
    thing = replace(thing, size="", radius=radius, x=thing.x * 0.35, z=0.0, travel=min(thing.travel, 1.9))
    return _scene(
        (thing,),
        _setting(rng, thing=thing),
        _shot(rng, first),
        change=rng.uniform(0.7, 1.3),
        next_view=_shot(rng, second),
    )


def _transition(rng: Draw) -> Scene:
    """The place around a thing turns into another one."""
    thing = _thing(rng)
    setting, style = _setting(rng, thing=thing), rng.choice(["natural"] * 3 + ["clay", "pixel", "charcoal"])
    after = replace(_setting(rng), style=style)
    while after.ground == setting.ground and after.light == setting.light and after.style == setting.style:
        after = _setting(rng)
    wipe = rng.choice(("circle", "circle", "left", "right"))
    return _scene((thing,), setting, _view(rng), change=rng.uniform(0.7, 1.3), next_setting=after, wipe=wipe)


def _loop(rng: Draw) -> Scene:
    """Something that is after two seconds as it was before, on a ground and in a light that do not move."""
    kind = rng.choice(("bounce", "spin", "bounce", "spin", "orbit"))
    setting, view = _setting(rng), _view(rng)
    while setting.ground == "water" or setting.light in ("underwater", "storm"):
        setting = _setting(rng)
    if kind == "orbit":
        return _scene(tuple(replace(thing, travel=2.5) for thing in _two(rng, kind)), setting, view, relation=kind)
    return _scene((replace(_thing(rng, (kind,)), travel=LOOPED[kind]),), setting, view)


MAKERS: dict[str, Callable[[Draw], Scene]] = {
    "single": _single,
    "things": _things,
    "camera": _camera,
    "style": _style,
    "occluder": _occluder,
    "marks": _marks,
    "shots": _shots,
    "transition": _transition,
    "loop": _loop,
    "relation": _relation,
}
