"""Short prompts to captions like those the bundled model was trained on, and what it knows.

expand("red ball rolling left")
-> "a red ball rolls left on a meadow at noon. the camera does not move. natural style."
"""

import random
import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from . import words
from .captions import Facts, caption, vocabulary
from .nouns import GAIT_VERBS, GROUP_MOTIONS, NOUNS
from .understand import COLOUR_OF, COUNT_OF, SHAPE_OF, SIZE_OF, Understood, understand

GOING = ("roll", "slid", *(verb.removesuffix("e")[:4] for verb in GAIT_VERBS), "flie", "runn", "swim", "fly")
"""Beginnings of the verbs that a caption says with a thing's own verb of going."""


def expand(prompt: str, seed: int = 0) -> str:
    """A descriptive caption that keeps what the prompt says and fills in what it leaves out; the seed chooses what is
    filled in.

    Prompts whose words are not all known keep their own words; only what they leave out is added.
    """
    first, *later = re.split(r"[,.;]?\s*\bthen\b", prompt.strip(), maxsplit=1, flags=re.IGNORECASE)
    understood = understand(first)
    rng = random.Random(f"expand/{seed}")  # noqa: S311
    if understood.things and len(understood.things) <= 3 and not unknown_words(first):
        said = frozenset(re.findall(r"[a-z]+", first.lower()))
        said |= {one for one, many in words.PLURALS.items() if many in said}
        text = caption(_facts(understood, rng), "descriptive", seed, prefer=said | _verbs(said))
    else:
        text = _appended(first, understood, rng)
    return text.rstrip(".") + f", then {later[0].strip(' ,.').lower()}." if later else text


def unknown_words(prompt: str, also_known: Collection[str] = ()) -> list[str]:
    """The words of a prompt that neither this grammar nor `also_known` has, in their order, each once."""
    known = (
        frozenset(also_known)
        | vocabulary()
        | {part for name in SHAPE_OF for part in name.split()}
        | words.FILLERS
        | words.KNOWN_ALSO
        | COLOUR_OF.keys()
        | SIZE_OF.keys()
        | SHAPE_OF.keys()
        | COUNT_OF.keys()
    )
    for also in (words.ALSO_GROUNDS, words.ALSO_LIGHTS, words.ALSO_STYLES):
        known = known | also.keys()
    found = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", prompt.lower())
    return list(dict.fromkeys(w for w in found if w not in known and not w.isdigit() and not _is_motion(w)))


def known_summary() -> str:
    """One paragraph for people: what the bundled model knows."""
    return (
        f"The bundled model knows {_listed(NOUNS)}, and {_listed(words.COLOUR_WORDS)}"
        f" {_listed(w + 's' for w in words.SHAPE_WORDS)}, one to"
        " four of them, that roll or slide left or right, come closer, move away, bounce, spin, fall, stand still,"
        " circle each other, bump into each other, pass behind a wall, leave and return, paint a stroke or lose a"
        f" bite; the grounds {_listed(words.GROUND_PHRASES)}; the lights {_listed(words.LIGHT_PHRASES)}; the styles"
        f" {_listed(words.STYLE_PHRASES)}; the cameras {_listed(words.CAMERA_PHRASES)}."
    )


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"


def _is_motion(word: str) -> bool:
    return any(re.fullmatch(rf"{stem}\w?(?:e?s|ing|ed|e|y|ies|ying|en)?", word) for stem in words.MOTION_STEMS)


def _verbs(said: frozenset[str]) -> frozenset[str]:
    """Plain forms of the verbs that were said, as they stand in the phrases."""
    stems = {stem for stem in words.MOTION_STEMS if any(word.startswith(stem) for word in said)}
    inner = {
        verb
        for phrases in words.MOTION_PHRASES.values()
        for phrase in phrases
        for verb in re.findall(r"\{(\w+)\}", phrase)
    }
    go = {"go"} if any(word.startswith(GOING) for word in said) else set()
    return frozenset(verb for verb in inner if any(verb.startswith(stem) for stem in stems - {"go"})) | go


def _facts(understood: Understood, rng: random.Random) -> Facts:
    """The stated facts, and a choice where nothing was stated."""
    things = []
    for thing, (colour, motion) in zip(understood.things, understood.stated, strict=True):
        new_colour = rng.choice(list(words.COLOURS))
        usual: tuple[str, ...] = ("left", "right", "bounce", "spin")
        if thing.shape in NOUNS:
            usual = tuple(m for m in GROUP_MOTIONS[NOUNS[thing.shape].group] if m in ("left", "right", "still"))
        new_motion = rng.choice(usual if len(understood.things) == 1 else ("still", "bounce", "spin"))
        if understood.relation in words.RELATION_PHRASES:
            new_motion = "still"
        thing = thing if colour else replace(thing, colour=new_colour)
        things.append(thing if motion else replace(thing, motion=new_motion))
    light = understood.light or rng.choice(("noon", "noon", "noon", "sunset"))
    ground = understood.ground or rng.choice(("grass", "sand", "wood") if light != "underwater" else ("sand",))
    if understood.relation:
        things = [replace(thing, count=1) for thing in things]
    return Facts(
        things=tuple(things), relation=understood.relation, ground=ground, light=light,
        style=understood.style or "natural", camera=understood.camera or "static", shot=understood.shot or "",
    )  # fmt: skip


def _appended(prompt: str, understood: Understood, rng: random.Random) -> str:
    """The prompt in its own words, and after them what it leaves out."""
    text = re.sub(r"\s+", " ", prompt.lower()).strip(" ,.")
    light = understood.light or "noon"
    if understood.ground is None:
        text += " " + words.GROUND_PHRASES[rng.choice(("grass", "sand"))][0]
    if understood.light is None:
        text += " " + words.LIGHT_PHRASES[light][0]
    parts = [text]
    if understood.camera is None:
        parts.append(words.CAMERA_PHRASES["static"][0])
    if understood.style is None:
        parts.append(words.STYLE_PHRASES["natural"][0])
    return ". ".join(parts) + "."
