"""Living and made things for a scene: which, how large, how they go, and several of them in relation."""

import random
from collections.abc import Sequence
from dataclasses import replace

from .motion import GAITS
from .nouns import ALIVE, GROUP_MOTIONS, NOUNS, Noun
from .scene import Setting, Thing
from .words import COLOURS, FIRST_GROUNDS, FIRST_LIGHTS, GROUND_PHRASES, SHAPE_WORDS

SHARE = 0.62
"""How often a thing is a noun where nouns are given."""
SCALE: dict[str, float] = {"small": 0.80, "": 1.15, "large": 1.50}
"""Size of a picture by its size word, times the noun's height."""
TALLEST = 2.5
"""World units; nothing is larger."""
TOLD: dict[str, float] = {"near": 0.22, "behind": 0.20, "front": 0.20, "chase": 0.17, "follow": 0.13, "above": 0.08}
"""Relations of two things of which one is a noun, and how often each is drawn."""
TOLD_OF_SOLIDS: dict[str, float] = {"near": 0.2, "behind": 0.3, "front": 0.3, "around": 0.2}
"""Relations of two solids, and how often each is drawn."""
LIGHT_SHARES: dict[str, float] = {
    "noon": 0.25, "sunset": 0.17, "night": 0.15, "fog": 0.10, "underwater": 0.13, "storm": 0.10, "space": 0.10,
}  # fmt: skip


class Draw(random.Random):
    """A source of chance that also knows which nouns there are; none leaves the world of solids."""

    nouns: tuple[str, ...] = ()

    @classmethod
    def of(cls, seed: str, nouns: Sequence[str]) -> "Draw":
        draw = cls(seed)
        draw.nouns = tuple(nouns)
        return draw

    @property
    def wants_noun(self) -> bool:
        """Whether the next thing is a noun; asks chance only where there is a choice."""
        return bool(self.nouns) and self.random() < SHARE


def may(noun: Noun, motion: str) -> bool:
    """Whether a noun does this in training."""
    match motion:
        case "bite":
            return noun.group == "food"
        case "paint":
            return noun.key == "paintbrush" or noun.group in ("person", "animal", "face")
        case "behind" | "return":
            return "left" in GROUP_MOTIONS[noun.group]
        case "spin":
            return noun.group in ("food", "toy", "face", "animal")
        case "bounce":
            return noun.group in ("food", "toy", "face", "animal", "person")
        case "still":
            return True
    return motion in GROUP_MOTIONS[noun.group]


def noun_thing(rng: Draw, motions: Sequence[str]) -> Thing:
    """A noun that does one of `motions`; where it stands and how far it goes is left to be filled in."""
    usual = set(motions) >= {"left", "still"} and len(motions) > 4
    able = [NOUNS[key] for key in rng.nouns if any(may(NOUNS[key], motion) for motion in motions)]
    noun = rng.choice(able)
    if noun.group == "place" and usual and rng.random() < 0.4:
        noun = rng.choice(able)
    motion = rng.choice(GROUP_MOTIONS[noun.group] if usual else [m for m in motions if may(noun, m)])
    size = rng.choices(("", "small", "large"), (0.7, 0.15, 0.15))[0]
    return Thing(
        shape=noun.key, colour="", motion=motion, size=size, radius=half_height(rng, noun, SCALE[size]),
        turn=rng.uniform(-0.5, 0.5), phase=rng.random(), gait=rng.choice(noun.gaits),
    )  # fmt: skip


def half_height(rng: random.Random, noun: Noun, scale: float) -> float:
    """Half of a noun's height in world units."""
    return min(TALLEST, noun.height * scale) / 2 * rng.uniform(0.94, 1.06)


def grounds_of(nouns: Sequence[str], light: str) -> list[str]:
    """The grounds that go with a light; without nouns those of the world of solids."""
    grounds = list(GROUND_PHRASES if nouns else FIRST_GROUNDS)
    if light == "underwater":
        return [g for g in grounds if g not in ("water", "road", "moon", "jungle")]
    if light == "space":
        return [g for g in grounds if g not in ("water", "seabed", "jungle", "road")]
    if light in ("storm", "fog"):
        return [g for g in grounds if g not in ("moon", "seabed")]
    return [g for g in grounds if g != "seabed"]


def setting_for(rng: Draw, style: str, thing: Thing | None) -> Setting:
    """Ground and light, every second time such as a noun is seen in most."""
    if not rng.nouns:
        light = rng.choice(FIRST_LIGHTS)
        return Setting(ground=rng.choice(grounds_of((), light)), light=light, style=style)
    noun = NOUNS.get(thing.shape) if thing is not None else None
    usual = noun is not None and rng.random() < 0.5
    if noun is not None and usual and noun.lights:
        light = rng.choice(noun.lights)
    else:
        light = rng.choices(list(LIGHT_SHARES), list(LIGHT_SHARES.values()))[0]
    fitting = grounds_of(rng.nouns, light)
    homes = [g for g in (noun.grounds if noun is not None and usual else ()) if g in fitting]
    return Setting(ground=rng.choice(homes or fitting), light=light, style=style)


def lifted(rng: random.Random, thing: Thing, setting: Setting) -> Thing:
    """The thing at the height at which it goes in a setting."""
    if thing.shape not in NOUNS:
        return thing
    noun, tall = NOUNS[thing.shape], 2 * thing.radius
    afloat = setting.ground == "water" and setting.light != "underwater"
    gait, lift = thing.gait, 0.0
    if thing.motion in ("bounce", "fall", "spin", "bite"):
        return replace(thing, lift=0.0)
    match gait:
        case "fly":
            lift = rng.uniform(0.5, 1.1) if thing.motion != "still" or rng.random() < 0.4 else 0.0
            lift = 0.0 if thing.motion == "rise" else lift
        case "swim":
            lift = -0.22 * tall if afloat else rng.uniform(0.15, 0.8)
        case "float":
            lift = rng.uniform(0.15, 0.5)
        case "sail":
            lift = -0.06 * tall if afloat else 0.0
    if noun.key in ("duck", "crab", "turtle", "flamingo") and afloat:
        lift = -0.10 * tall
    if setting.light == "space" and noun.group not in ("place",):
        lift = max(lift, rng.choice((0.0, rng.uniform(0.2, 0.7))))
    return replace(thing, lift=min(lift, max(0.0, 2.7 - tall)) if lift > 0 else lift)


def two_in_relation(rng: Draw, relation: str) -> tuple[Thing, Thing] | None:
    """Two things, the first of which stands or goes in relation to the second; None if no noun can."""
    if relation in ("chase", "follow"):
        return _after(rng, relation)
    doers = [NOUNS[key] for key in rng.nouns if NOUNS[key].group != "place"]
    if relation == "above":
        doers = [noun for noun in doers if noun.gaits[0] in ("fly", "float")]
    if not doers:
        return None
    first = _cast(rng, rng.choice(doers), 0.95)
    others = [NOUNS[key] for key in rng.nouns if key != first.shape]
    landmarks = [noun for noun in others if noun.group in ("place", "vehicle")]
    wide = relation in ("behind", "front") and landmarks and rng.random() < 0.6
    if not others:
        return None
    second = _cast(rng, rng.choice(landmarks if wide else others), 0.95)
    motions = [m for m in ("still", "still", "left", "right", "bounce") if may(NOUNS[first.shape], m)]
    first = replace(first, motion=rng.choice(motions), travel=rng.uniform(1.6, 2.2))
    side = rng.choice((-1, 1))
    match relation:
        case "near":
            gap = 0.75 * (first.radius + second.radius) + 0.35
            going = first.motion in ("left", "right")
            first = replace(first, motion="still" if going else first.motion, x=side * gap, z=rng.uniform(-0.2, 0.3))
            return first, replace(second, x=-side * gap, z=rng.uniform(-0.3, 0.1))
        case "behind":
            x = 0.0 if first.motion in ("left", "right") else side * rng.uniform(0.45, 0.75) * (0.4 + second.radius)
            return replace(first, x=x, z=rng.uniform(-1.4, -1.0)), replace(second, z=rng.uniform(0.2, 0.5))
        case "front":
            x = 0.0 if first.motion in ("left", "right") else side * rng.uniform(0.0, 0.6)
            return replace(first, x=x, z=rng.uniform(0.5, 0.9)), replace(second, x=-x / 2, z=rng.uniform(-1.2, -0.7))
    second = replace(second, radius=min(second.radius, 0.62), z=rng.uniform(-0.3, 0.2))
    moving = "still" if first.motion == "bounce" else first.motion
    return replace(first, motion=moving, radius=min(first.radius, 0.5), x=rng.uniform(-0.2, 0.2)), second


def two_solids(rng: Draw, relation: str) -> tuple[Thing, Thing]:
    """Two solids of two colours, the first of which stands, spins or goes in relation to the second."""
    colours = rng.sample(list(COLOURS), 2)
    first, second = (
        Thing(
            shape=rng.choice(list(SHAPE_WORDS)), colour=colour, motion="still", radius=rng.uniform(0.52, 0.64),
            turn=rng.uniform(-0.5, 0.5), phase=rng.random(),
        )
        for colour in colours
    )  # fmt: skip
    side = rng.choice((-1, 1))
    motion = rng.choice(("still", "still", "still", "spin", "bounce", "left", "right"))
    first = replace(first, motion=motion, travel=rng.uniform(1.6, 2.2))
    going = motion in ("left", "right")
    match relation:
        case "near":
            first = replace(first, motion="still" if going else motion, x=side * 0.74, z=rng.uniform(-0.2, 0.3))
            return first, replace(second, x=-side * 0.74, z=rng.uniform(-0.2, 0.3))
        case "behind":
            x = 0.0 if going else side * rng.uniform(0.4, 0.75)
            return replace(first, x=x, z=rng.uniform(-1.5, -1.0)), replace(second, x=-x / 3, z=rng.uniform(0.3, 0.6))
        case "front":
            x = 0.0 if going else side * rng.uniform(0.4, 0.75)
            return replace(first, x=x, z=rng.uniform(0.5, 0.8)), replace(second, x=-x / 3, z=rng.uniform(-1.2, -0.8))
    travel = rng.uniform(1.7, 2.6)
    return replace(first, motion="orbit", radius=rng.uniform(0.3, 0.4), travel=travel), replace(second, radius=0.5)


def _cast(rng: Draw, noun: Noun, scale: float) -> Thing:
    """A noun that stands in the middle."""
    return Thing(
        shape=noun.key, colour="", motion="still", radius=half_height(rng, noun, scale), turn=rng.uniform(-0.5, 0.5),
        phase=rng.random(), gait=rng.choice(noun.gaits),
    )  # fmt: skip


def _after(rng: Draw, relation: str) -> tuple[Thing, Thing] | None:
    """One that chases or follows another."""
    groups = (ALIVE, frozenset({"vehicle"}), frozenset({"aircraft", "flyer"}))
    group = groups[0] if relation == "chase" else rng.choice(groups)
    able = [NOUNS[key] for key in rng.nouns if NOUNS[key].group in group]
    if len(able) < 2:
        return None
    one, two = rng.sample(able, 2)
    side = rng.choice(("left", "right"))
    sign, travel = (-1 if side == "left" else 1), rng.uniform(1.5, 2.1)
    first, second = _cast(rng, one, 0.9), _cast(rng, two, 0.9)
    gap = 0.8 * (first.radius + second.radius) + rng.uniform(0.2, 0.4)
    z = rng.uniform(-0.3, 0.4)
    quick = [gait for gait in one.gaits if gait in GAITS and gait != "walk"] if relation == "chase" else []
    return (
        replace(first, motion=relation, side=side, travel=travel, x=-sign * gap, z=z, gait=(quick or [first.gait])[0]),
        replace(second, motion=side, side=side, travel=travel, x=sign * gap, z=z + rng.uniform(-0.1, 0.1)),
    )


def above(first: Thing, second: Thing) -> tuple[Thing, Thing]:
    """The first over the second, whatever heights they have been given."""
    return replace(first, lift=2 * second.radius + second.lift + 0.15), second
