"""Facts about a picture to a sentence. One grammar serves the training captions and the prompt expander, so they read
alike."""

import random
import re
from dataclasses import dataclass

from . import words
from .nouns import GAIT_VERBS, NOUNS, plural

GOING_ON = "go"
"""motion of a thing that goes who knows where"""
DOUBLED = ("spin", "hit", "drop", "hop", "run", "swim")


@dataclass(frozen=True, kw_only=True)
class ThingFacts:
    """One kind of thing in the caption: canonical keys of words.py; a noun has no colour, and goes with its gait.

    In a plain caption colour and motion may be empty: they are not told. The motion GOING_ON says no direction.
    """

    colour: str
    shape: str
    motion: str = "still"
    count: int = 1
    size: str = ""
    side: str = "left"
    paint: str = ""
    gait: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a caption can say. `relation` is that of a Scene, without same. A plain caption tells no ground and no
    light that are empty."""

    things: tuple[ThingFacts, ...]
    relation: str = ""
    ground: str = "grass"
    light: str = "noon"
    style: str = "natural"
    camera: str = "static"
    shot: str = ""


def inflect(verb: str, form: str) -> str:
    """`form` is s (it rolls), ing (rolling) or empty (they roll)."""
    if form == "s" and verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    if form == "s":
        return verb + ("es" if verb.endswith(("sh", "ch", "ss")) else "s")
    if form == "ing":
        if verb in DOUBLED:
            return verb + verb[-1] + "ing"
        return (verb[:-1] if verb.endswith("e") else verb) + "ing"
    return verb


def caption(facts: Facts, level: str, seed: int = 0, prefer: frozenset[str] = frozenset()) -> str:
    """A caption of level short (as users type), plain (fixed wording) or descriptive (everything, varied wording).

    Where a synonym is among the words to `prefer`, it is taken.
    """
    rng = random.Random(f"{seed}/{level}")  # noqa: S311
    match level:
        case "plain":
            return _plain(facts, _Wording(None))
        case "short":
            return _short(facts, rng)
        case "descriptive":
            return _descriptive(facts, rng, prefer)
    raise ValueError(f"unknown caption level {level!r}: short, plain or descriptive")


def change_clause(before: Facts, after: Facts, level: str, seed: int = 0) -> str:
    """What is added to the caption of a clip that is cut, or that turns into something else."""
    w = _Wording(None if level == "plain" else random.Random(f"{seed}/change"))  # noqa: S311
    if before.shot != after.shot:
        camera = "" if level == "short" else ", " + w.pick(words.CAMERA_PHRASES[after.camera])
        return f", then {w.pick(('a cut to a new view', 'a cut'))}: {w.pick(words.SHOT_PHRASES[after.shot])}{camera}"
    parts = []
    if before.ground != after.ground:
        parts.append(w.pick(words.GROUND_PHRASES[after.ground]))
    if before.light != after.light:
        parts.append(w.pick(words.LIGHT_PHRASES[after.light]))
    if before.style != after.style:
        parts.append("in " + w.pick(words.STYLE_PHRASES[after.style]))
    return f", then the place changes and it is {' '.join(parts)}"


class _Wording:
    """Chooses among synonyms: at random, or always the first when there is no source of chance."""

    def __init__(self, rng: random.Random | None, prefer: frozenset[str] = frozenset()):
        self.rng = rng
        self.prefer = prefer

    def pick(self, choices: tuple[str, ...]) -> str:
        return choices[0] if self.rng is None else self.rng.choice(self._preferred(choices))

    def common(self, choices: tuple[str, ...]) -> str:
        """Mostly the first: rare synonyms stay rare."""
        if self.rng is None or (self.rng.random() < 0.6 and not self.prefer):
            return choices[0]
        return self.rng.choice(self._preferred(choices))

    def _preferred(self, choices: tuple[str, ...]) -> tuple[str, ...]:
        """The choices that share most words with the preferred ones; all of them if nothing is preferred."""
        if not self.prefer:
            return choices
        parts = [re.findall(r"\w+", choice) for choice in choices]
        scores = [(sum(word in self.prefer for word in part), -len(part)) for part in parts]
        most = max(shared for shared, _ in scores)
        best = {s for s in scores if s[0] == most} if most == 0 else {max(scores)}
        return tuple(c for c, score in zip(choices, scores, strict=True) if score in best)

    def noun(self, thing: ThingFacts, article: bool = True) -> str:
        if thing.shape in NOUNS:
            name = self.common(NOUNS[thing.shape].names)
            parts = [plural(name) if thing.count > 1 else name]
        else:
            shape = self.common(words.SHAPE_WORDS[thing.shape])
            parts = [words.PLURALS[shape] if thing.count > 1 else shape]
            if thing.colour:
                parts.insert(0, self.common(words.COLOUR_WORDS[thing.colour]))
        if thing.size:
            parts.insert(0, self.common(words.SIZE_WORDS[thing.size]))
        if thing.count > 1:
            return " ".join([words.COUNT_WORDS[thing.count], *parts])
        return _article(" ".join(parts)) if article else " ".join(parts)

    def action(self, thing: ThingFacts, form: str | None = None, other: str = "", common: bool = False) -> str:
        choose = self.common if common else self.pick
        phrase = (
            "{go}" if thing.motion == GOING_ON else choose(words.MOTION_PHRASES[thing.motion]) if thing.motion else ""
        )
        return fill(phrase, thing, form if form is not None else ("" if thing.count > 1 else "s"), other)


def fill(phrase: str, thing: ThingFacts, form: str, other: str = "") -> str:
    """A phrase of MOTION_PHRASES with its verbs inflected and its blanks filled."""
    phrase = phrase.replace("<other>", other).replace("<side>", thing.side).replace("a <paint>", _article(thing.paint))
    if thing.shape in NOUNS:
        return re.sub(r"\{(\w+)\}", lambda m: inflect(_gait(thing) if m[1] == "go" else m[1], form), phrase)
    go = (
        "roll"
        if thing.shape == "ball" or (thing.shape == "ring" and thing.motion not in ("closer", "away"))
        else "slide"
    )
    return re.sub(r"\{(\w+)\}", lambda m: inflect(go if m[1] == "go" else m[1], form), phrase)


def _gait(thing: ThingFacts) -> str:
    return thing.gait or NOUNS[thing.shape].gaits[0]


def spoken(*parts: str) -> str:
    """The parts that say something, in a row."""
    return " ".join(filter(None, parts))


def _article(phrase: str) -> str:
    return ("an " if phrase.startswith(tuple("aeiou")) else "a ") + phrase


def _event(facts: Facts, w: _Wording) -> str:
    """Who does what."""
    first = facts.things[0]
    if facts.relation in ("orbit", "collide"):
        second = facts.things[1]
        if facts.relation == "orbit":
            verb = inflect(w.pick(("circle", "move", "orbit")), "")
            verb = "move in circles" if verb == "move" else verb
            return f"{w.noun(first)} and {w.noun(second)} {verb} around each other"
        return f"{w.noun(first)} {w.action(first, other=w.noun(second))}"
    if facts.relation in ("chase", "follow", "around"):
        return f"{w.noun(first)} {w.action(first, other=w.noun(facts.things[1]))}"
    if facts.relation in words.RELATION_PHRASES:
        where = f"{w.common(words.RELATION_PHRASES[facts.relation])} {w.noun(facts.things[1])}"
        return spoken(w.noun(first), w.action(first), where)
    if len(facts.things) == 1:
        return spoken(w.noun(first), w.action(first))
    places = {2: ("on the left", "on the right"), 3: ("on the left", "in the middle", "on the right")}[
        len(facts.things)
    ]
    if (
        len({t.motion for t in facts.things}) == 1
        and len(facts.things) == 2
        and (w.rng is None or w.rng.random() < 0.5)
    ):
        both = " and ".join(f"{w.noun(t)} {p}" for t, p in zip(facts.things, places, strict=True))
        return spoken(both, w.action(first, form=""))
    return ", ".join(spoken(p, w.noun(t), w.action(t)) for t, p in zip(facts.things, places, strict=True)) + ","


def _plain(facts: Facts, w: _Wording) -> str:
    ground = words.GROUND_PHRASES[facts.ground][0] if facts.ground else ""
    light = words.LIGHT_PHRASES[facts.light][0] if facts.light else ""
    text = spoken(_event(facts, w), ground, light)
    if facts.shot:
        text += ", " + words.SHOT_PHRASES[facts.shot][0]
    if facts.camera != "static":
        text += ", " + words.CAMERA_PHRASES[facts.camera][0]
    if facts.style != "natural":
        text += ", " + words.STYLE_PHRASES[facts.style][0]
    return text


def _short(facts: Facts, rng: random.Random) -> str:
    w = _Wording(rng)
    first = facts.things[0]
    said = rng.random
    if facts.relation or len(facts.things) > 1:
        text = _event(facts, w).rstrip(",")
    else:
        moving = first.motion != "still" and said() < 0.75
        text = w.noun(first, article=said() < 0.5)
        if moving:
            text += " " + w.action(first, form=rng.choice(("ing", "ing", "" if first.count > 1 else "s")))
    if said() < 0.5:
        text += " " + w.common(words.GROUND_PHRASES[facts.ground])
    if said() < 0.5:
        text += " " + w.common(words.LIGHT_PHRASES[facts.light])
    if facts.shot:
        text += ", " + w.pick(words.SHOT_PHRASES[facts.shot])
    if facts.camera != "static" and said() < 0.8:
        text += ", " + w.pick(words.CAMERA_PHRASES[facts.camera])
    if facts.style != "natural":
        text += ", " + w.pick(words.STYLE_PHRASES[facts.style])
    return text


def _descriptive(facts: Facts, rng: random.Random, prefer: frozenset[str]) -> str:
    w = _Wording(rng, prefer)
    event = _event(facts, w)
    ground, light = w.pick(words.GROUND_PHRASES[facts.ground]), w.pick(words.LIGHT_PHRASES[facts.light])
    camera, style = w.pick(words.CAMERA_PHRASES[facts.camera]), w.pick(words.STYLE_PHRASES[facts.style])
    if facts.shot:
        style = f"{w.pick(words.SHOT_PHRASES[facts.shot])}, {style}"
    order = rng.randrange(5)
    if order == 0:
        return f"{light}, {event} {ground}. {camera}. {style}."
    if order == 1:
        return f"{style}: {event} {ground} {light}. {camera}."
    if order == 2 and camera.startswith("the camera"):
        return f"{camera} while {event} {ground} {light}. {style}."
    if order == 3:
        return f"{event} {ground} {light}. {style}, {camera}."
    return f"{event} {ground} {light}. {camera}. {style}."


def vocabulary(*, nouns: bool = True) -> frozenset[str]:
    """Every word a caption can hold; without nouns those of the world of solids alone."""
    texts = [
        "a an and the while then each other around away cut to new view place changes it is in middle left right on"
    ]
    texts += ["circle orbit move in circles"]
    grounds = {key: words.GROUND_PHRASES[key] for key in (words.GROUND_PHRASES if nouns else words.FIRST_GROUNDS)}
    lights = {key: words.LIGHT_PHRASES[key] for key in (words.LIGHT_PHRASES if nouns else words.FIRST_LIGHTS)}
    tables = (words.COLOUR_WORDS, words.SHAPE_WORDS, words.SIZE_WORDS, grounds, lights, words.CAMERA_PHRASES)
    for table in (*tables, words.RELATION_PHRASES, words.STYLE_PHRASES, words.SHOT_PHRASES):
        texts += [phrase for phrases in table.values() for phrase in phrases]
    texts += [*words.PLURALS.values(), *words.COUNT_WORDS.values()]
    probe = [ThingFacts(colour="red", shape=shape) for shape in ("ball", "cube")]
    motions = words.MOTION_PHRASES
    if nouns:
        texts += [word for noun in NOUNS.values() for name in noun.names for word in (name, plural(name))]
        probe += [ThingFacts(colour="", shape="cat", gait=gait) for gait in GAIT_VERBS]
    else:
        motions = {key: phrases for key, phrases in motions.items() if key not in ("rise", "chase", "follow")}
    for phrases in motions.values():
        texts += [fill(phrase, thing, form) for phrase in phrases for thing in probe for form in ("s", "ing", "")]
    return frozenset(re.findall(r"[a-z]+", " ".join(texts)))
