"""The living and made things of the world: their names, their pictures, how large they are and how they move.

Their pictures are cut-outs (see cutouts.py); a Thing whose `shape` is one of these nouns is drawn as a cut-out, any
other as a solid.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Noun:
    """One kind of cut-out. The first of `names` is its key; `code` is the code point of its picture."""

    names: tuple[str, ...]
    code: str
    group: str
    height: float
    """World units from foot to top."""
    gaits: tuple[str, ...]
    """Verbs of its going, most usual first; a key of motion.GAITS."""
    faces: str = "left"
    """Where its picture looks: left, right or front."""
    tilt: float = 0.0
    """Degrees, counterclockwise, by which the picture is turned to lie level."""
    grounds: tuple[str, ...] = ()
    """Grounds it is seen on more often."""
    lights: tuple[str, ...] = ()
    idle: bool = True
    """Whether its picture moves while it stands."""

    @property
    def key(self) -> str:
        return self.names[0]


GROUP_MOTIONS: dict[str, tuple[str, ...]] = {
    "animal": ("left", "right", "left", "right", "closer", "away", "bounce", "still"),
    "flyer": ("left", "right", "left", "right", "closer", "away", "still", "rise", "rise"),
    "swimmer": ("left", "right", "left", "right", "closer", "away", "still", "rise"),
    "vehicle": ("left", "right", "left", "right", "still"),
    "aircraft": ("left", "right", "left", "right", "away", "closer", "rise", "rise", "rise"),
    "boat": ("left", "right", "left", "right", "still"),
    "place": ("still",),
    "person": ("left", "right", "left", "right", "closer", "away", "bounce", "still"),
    "face": ("left", "right", "closer", "away", "bounce", "spin", "still"),
    "food": ("left", "right", "closer", "away", "bounce", "spin", "fall", "still"),
    "toy": ("left", "right", "closer", "away", "bounce", "spin", "fall", "still"),
}
"""What a thing of a group does in training, as often as it stands here; anything can be asked for."""
GAIT_VERBS: tuple[str, ...] = (
    "walk", "run", "hop", "crawl", "swim", "fly", "drive", "sail", "float", "glide", "roll", "slide",
)  # fmt: skip
ALIVE = frozenset({"animal", "flyer", "swimmer", "person"})
"""Groups whose members chase and follow each other."""
_SEA = ("seabed", "sand", "seabed")


_DIVER = {"grounds": _SEA, "lights": ("underwater",)}
_LUNAR = {"grounds": ("moon",), "lights": ("space",)}


def _land(code: str, height: float, names: str, gaits: str = "walk run", **more: Any) -> Noun:
    return _noun("animal", code, height, names, gaits, **more)


def _noun(group: str, code: str, height: float, names: str, gaits: str, **more: Any) -> Noun:
    return Noun(
        names=tuple(n.strip() for n in names.split(",")),
        code=code,
        group=group,
        height=height,
        gaits=tuple(gaits.split()),
        **more,
    )


def _sea(code: str, height: float, names: str, faces: str = "left", gaits: str = "swim") -> Noun:
    return _noun("swimmer", code, height, names, gaits, faces=faces, grounds=_SEA, lights=("underwater",) * 2)


def _car(code: str, height: float, names: str, **more: Any) -> Noun:
    return _noun("vehicle", code, height, names, "drive", grounds=("road",), **more)


def _place(code: str, height: float, names: str, **more: Any) -> Noun:
    return _noun("place", code, height, names, "slide", faces="front", **more)


def _food(code: str, height: float, names: str, gaits: str = "slide") -> Noun:
    return _noun("food", code, height, names, gaits, faces="front", grounds=("wood",))


def _toy(code: str, height: float, names: str, gaits: str = "slide", **more: Any) -> Noun:
    return _noun("toy", code, height, names, gaits, faces="front", **more)


_WET = {"grounds": ("water", "water"), "lights": ("noon", "sunset")}
_SNOWY = {"grounds": ("snow",), "lights": ("storm", "noon")}
_ALL: tuple[Noun, ...] = (
    _land("1f408", 1.0, "cat, kitty, kitten"),
    _land("1f415", 1.05, "dog, puppy"),
    _land("1f407", 0.9, "rabbit, bunny", "hop"),
    _land("1f40e", 1.4, "horse, pony", "run walk", grounds=("grass",)),
    _land("1f404", 1.25, "cow", grounds=("grass",)),
    _land("1f416", 0.95, "pig"),
    _land("1f411", 1.05, "sheep", grounds=("grass",)),
    _land("1f418", 1.5, "elephant", "walk", grounds=("jungle", "sand")),
    _land("1f405", 1.0, "tiger", grounds=("jungle",)),
    _land("1f981", 1.1, "lion", "hop", faces="front", grounds=("sand",)),
    _land("1f43b", 1.05, "bear", "hop", faces="front"),
    _land("1f43c", 1.05, "panda", "hop", faces="front", grounds=("jungle",)),
    _land("1f98a", 1.0, "fox", "hop", faces="front"),
    _land("1f412", 1.1, "monkey", "hop", grounds=("jungle",)),
    _land("1f998", 1.3, "kangaroo", "hop", grounds=("sand",)),
    _land("1f992", 1.8, "giraffe", "walk"),
    _land("1f993", 1.3, "zebra"),
    _land("1f401", 0.75, "mouse", "run"),
    _land("1f43f-fe0f", 0.9, "squirrel", "hop", grounds=("grass", "wood")),
    _land("1f994", 0.75, "hedgehog", "walk"),
    _land("1f42a", 1.4, "camel", "walk", grounds=("sand", "sand")),
    _land("1f98c", 1.45, "deer", "run walk", grounds=("snow", "grass")),
    _land("1f422", 0.8, "turtle, tortoise", "crawl", grounds=("sand", "seabed")),
    _land("1f40c", 0.8, "snail", "crawl"),
    _land("1f40d", 0.9, "snake", "crawl", grounds=("sand", "jungle")),
    _land("1f438", 0.8, "frog", "hop", faces="front", grounds=("jungle", "grass")),
    _land("1f996", 1.6, "dinosaur, t-rex", "walk run", grounds=("jungle",)),
    _land("1f409", 1.5, "dragon", "fly"),
    _land("1f986", 0.85, "duck", "walk", grounds=("water", "grass")),
    _land("1f413", 0.95, "rooster", "walk", grounds=("grass",)),
    _land("1f425", 0.75, "chick", "hop", faces="front"),
    _land("1f427", 1.0, "penguin", "walk", faces="front", **_SNOWY),
    _land("1f9a9", 1.3, "flamingo", "walk", grounds=("water", "sand")),
    _noun("flyer", "1f989", 0.95, "owl", "fly", faces="front", lights=("night",)),
    _noun("flyer", "1f985", 0.95, "eagle", "fly"),
    _noun("flyer", "1f99c", 0.95, "parrot", "fly", grounds=("jungle",)),
    _noun("flyer", "1f426", 0.8, "bird", "fly"),
    _noun("flyer", "1f98b", 0.9, "butterfly", "fly", faces="front", grounds=("grass", "jungle")),
    _noun("flyer", "1f41d", 0.75, "bee, bumblebee", "fly", grounds=("grass",)),
    _sea("1f419", 1.15, "octopus", "front"),
    _sea("1f980", 0.85, "crab", "front", "walk"),
    _sea("1f41f", 0.85, "fish"),
    _sea("1f433", 1.4, "whale"),
    _sea("1f42c", 1.2, "dolphin"),
    _sea("1f988", 1.2, "shark"),
    _sea("1fabc", 1.15, "jellyfish", "front"),
    _car("1f697", 1.05, "car, automobile"),
    _car("1f699", 1.15, "suv, jeep"),
    _car("1f695", 1.05, "taxi, cab"),
    _car("1f682", 1.45, "train, locomotive, steam train"),
    _car("1f68c", 1.3, "bus, coach"),
    _car("1f69a", 1.3, "truck, lorry"),
    _car("1f692", 1.3, "fire truck, fire engine"),
    _car("1f693", 1.05, "police car"),
    _car("1f69c", 1.25, "tractor"),
    _noun("vehicle", "1f6b2", 1.1, "bicycle, bike", "roll", grounds=("road",)),
    _car("1f3cd-fe0f", 1.0, "motorcycle, motorbike"),
    _car("1f6f5", 1.05, "scooter, moped"),
    _noun("boat", "26f5", 1.5, "sailing boat, sailboat, boat", "sail", **_WET),
    _noun("boat", "1f6a2", 1.4, "ship", "sail", **_WET),
    _noun("aircraft", "1f680", 1.45, "rocket, spaceship", "fly", faces="right", tilt=-20.0, lights=("space",)),
    _noun("aircraft", "2708-fe0f", 1.35, "aeroplane, airplane, plane", "fly", faces="right", tilt=-28.0),
    _noun("aircraft", "1f681", 1.2, "helicopter", "fly"),
    _noun("aircraft", "1f6f8", 1.2, "ufo, flying saucer", "fly", faces="front", lights=("space", "night")),
    _place("1f3e0", 1.9, "house, cottage"),
    _place("26ea", 2.2, "church"),
    _place("1f3f0", 2.1, "castle"),
    _place("1f333", 2.0, "tree", grounds=("grass",)),
    _place("1f332", 1.9, "pine tree, fir tree", grounds=("snow",)),
    _place("1f334", 2.0, "palm tree, palm", grounds=("sand", "sand")),
    _place("1f335", 1.5, "cactus", grounds=("sand", "sand")),
    _place("1f3d4-fe0f", 2.2, "mountain", grounds=("snow", "grass")),
    _place("1f30b", 2.2, "volcano"),
    _place("26fa", 1.4, "tent"),
    _place("1f5fc", 2.4, "tower"),
    _place("1f3a1", 2.2, "ferris wheel", grounds=("grass",)),
    _place("26f2", 1.4, "fountain"),
    _noun("person", "1f6b6-200d-2642-fe0f", 1.5, "man, guy", "walk", idle=False),
    _noun("person", "1f6b6-200d-2640-fe0f", 1.5, "woman, lady", "walk", idle=False),
    _noun("person", "1f3c3", 1.4, "runner, jogger", "run", idle=False),
    _noun("person", "1f483", 1.45, "dancer", "walk", faces="front", grounds=("wood",)),
    _noun("person", "1f9d9", 1.35, "wizard", "float", faces="front"),
    _noun("person", "1f9dc-200d-2640-fe0f", 1.3, "mermaid", "swim", faces="front", **_DIVER),
    _noun("person", "1f3c4", 1.4, "surfer", "glide", grounds=("water", "water")),
    _noun("person", "1f9d1-200d-1f680", 1.25, "astronaut", "float", faces="front", **_LUNAR),
    _noun("person", "1f47b", 1.15, "ghost", "float", faces="front", lights=("night", "fog")),
    _noun("person", "26c4", 1.3, "snowman", "hop", faces="front", **_SNOWY),
    _noun("face", "1f916", 1.1, "robot", "hop", faces="front"),
    _noun("face", "1f476", 1.0, "baby", "hop", faces="front"),
    _noun("face", "1f600", 1.0, "smiling face, smiley", "roll", faces="front"),
    _noun("face", "1f47d", 1.05, "alien", "hop", faces="front", grounds=("moon",), lights=("space",)),
    _noun("face", "1f921", 1.05, "clown", "hop", faces="front"),
    _food("1f354", 1.0, "burger, hamburger"),
    _food("1f36a", 1.0, "cookie, biscuit", "roll"),
    _food("1f34e", 0.95, "apple", "roll"),
    _food("1f382", 1.15, "cake"),
    _food("1f355", 1.05, "pizza"),
    _food("1f366", 1.15, "ice cream"),
    _food("1f34c", 1.0, "banana"),
    _food("1f353", 0.95, "strawberry", "roll"),
    _food("1f369", 1.0, "donut, doughnut", "roll"),
    _food("1f349", 1.0, "watermelon"),
    _food("1f383", 1.05, "pumpkin", "roll"),
    _food("1f344", 1.05, "mushroom"),
    _toy("1f33c", 1.2, "flower", grounds=("grass",)),
    _toy("1f33b", 1.3, "sunflower", grounds=("grass",)),
    _toy("1f388", 1.35, "balloon", "float"),
    _toy("1fa81", 1.3, "kite", "fly", grounds=("grass", "sand")),
    _toy("2602-fe0f", 1.25, "umbrella", grounds=("sand",)),
    _toy("1f381", 1.05, "gift, present", grounds=("wood",)),
    _toy("23f0", 1.05, "clock, alarm clock", grounds=("wood",)),
    _toy("1f3b8", 1.25, "guitar"),
    _toy("1f451", 0.85, "crown"),
    _toy("1f3a9", 0.9, "hat, top hat"),
    _toy("1f9f8", 1.1, "teddy bear, teddy", "hop"),
    _toy("26bd", 0.9, "football, soccer ball", "roll", grounds=("grass",)),
    _toy("2b50", 1.0, "star", "roll"),
    _toy("2764-fe0f", 0.95, "heart"),
    _toy("1f58c-fe0f", 1.2, "paintbrush, brush"),
    _toy("2615", 0.85, "cup, coffee cup"),
)  # fmt: skip
NOUNS: dict[str, Noun] = {noun.key: noun for noun in _ALL}
_IRREGULAR = {
    "mouse": "mice", "sheep": "sheep", "deer": "deer", "fish": "fish", "jellyfish": "jellyfish", "man": "men",
    "woman": "women", "snowman": "snowmen", "octopus": "octopuses", "cactus": "cacti", "aircraft": "aircraft",
}  # fmt: skip


def plural(name: str) -> str:
    """More than one of a noun."""
    *before, last = name.split(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    else:
        last += "s"
    return " ".join([*before, last])
