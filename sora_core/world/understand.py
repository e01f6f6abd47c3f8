"""A prompt, as people type it, to the facts it states. Each wording that is known (`patterns`) is taken out of the text
as it is found."""

import re
from dataclasses import dataclass, replace

from . import words
from .captions import GOING_ON, ThingFacts
from .nouns import GAIT_VERBS, NOUNS, Noun
from .patterns import (
    ANY_VERB,
    CAMERAS,
    COLOUR_OF,
    COUNT_OF,
    DESCRIBING,
    DOING,
    ENDS,
    GO,
    GROUNDS,
    LIGHTS,
    MOST,
    MOTIONS,
    PLACE,
    PLURAL_WORDS,
    RELATIONS,
    SHAPE_OF,
    SHOTS,
    SIZE_OF,
    STYLES,
    THING_NAME,
    TOWARD,
    UNSAID,
    VAGUE,
    verb,
)

_SIZED = re.compile(rf"\b(?:is|are|was|were|looks?)(?: (?:so|very|really|too|quite))* (?P<size>{'|'.join(SIZE_OF)})\b")
"""a size that is said of a thing: "the ball is very big\""""


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What a prompt says; None where it says nothing."""

    things: tuple[ThingFacts, ...]
    stated: tuple[tuple[bool, bool], ...]
    """For each thing whether its colour and its motion were said."""
    relation: str
    ground: str | None
    light: str | None
    style: str | None
    camera: str | None
    shot: str | None
    more: tuple[tuple[str, str], ...] = ()
    """(what is shown instead, the words) of what is said beside it: ("one light", "in fog")."""


class _Text:
    """The prompt while patterns are taken out of it."""

    def __init__(self, text: str):
        text = re.sub(r"\b\d+[.:]\d+\b|#\w+", " ", text)  # a share, a time or a number of a colour counts nothing
        self.text = " " + re.sub(r"[^\w' ,.-]", " ", text.lower().replace(".", " , ").replace(",", " , ")) + " "
        self.text = re.sub(r"\s+", " ", self.text)
        self.took = ""
        """the words that were taken last"""

    def take(self, patterns: tuple[tuple[str, str], ...], also: dict[str, str] | None = None) -> str | None:
        """The first key whose pattern occurs; the match is removed."""
        for key, pattern in patterns:
            found = re.search(rf"(?<![\w-])(?:{pattern})(?![\w-])", self.text)
            if found and found[0].strip():
                self.text, self.took = self.text[: found.start()] + " " + self.text[found.end() :], found[0].strip()
                return key
        for word, key in (also or {}).items():
            if f" {word} " in self.text:
                self.text, self.took = self.text.replace(f" {word} ", " "), word
                return key
        return None

    def others(
        self, shown: str, key: str | None, patterns: tuple[tuple[str, str], ...], also: dict[str, str] | None = None
    ) -> tuple[tuple[str, str], ...]:
        """(shown, words) for what is said of the same kind beside what was taken. The text stays as it is."""
        rest, found = _Text(self.text), []
        while key is not None and (other := rest.take(patterns, also)) is not None:
            if other not in (key, *UNSAID) and rest.took not in VAGUE:
                found.append((shown, rest.took))
        return tuple(found)


def understand(prompt: str) -> Understood:
    """The facts a prompt states, in any order."""
    text = _Text(prompt)
    shot = text.take(SHOTS)
    more = text.others("one view", shot, SHOTS)
    style = text.take(STYLES, words.ALSO_STYLES)
    more += text.others("one style", style, STYLES, words.ALSO_STYLES)
    light = text.take(LIGHTS, words.ALSO_LIGHTS)
    more += text.others("one light", light, LIGHTS, words.ALSO_LIGHTS)
    marked = _keep_motion(text, TOWARD)
    camera = text.take(CAMERAS)
    more += text.others("one motion of the camera", camera, CAMERAS)
    ground = text.take(GROUNDS, words.ALSO_GROUNDS)
    more += text.others("one place", ground, GROUNDS, words.ALSO_GROUNDS)
    text.text = re.sub(
        rf"\b(?:the )?(?:camera|shot)\b(?: (?:slowly |then )?(?:{ANY_VERB}))?(?: while)?", " ", text.text
    )
    placed = ""
    if not re.search(r"\b(?:leav|exit|wall\b|paint)", text.text):
        text.text, placed = _without_places(re.sub(r" on the (?:left|right) and ", " and ", text.text))
    relation = ""
    if len(_nouns(text.text)) > 1:
        relation = text.take(RELATIONS) or ""
    things, stated, moves = _things(text.text, relation, marked)
    if relation in words.RELATION_PHRASES and len(things) > 2:
        more += (("no such relation of more than two things", text.took),) if relation != "near" else ()
        relation = "beside"
    if placed and len(things) == 1:
        more += (("sides only of things that are told apart", placed),)
    if not relation and len(things) > 1:
        relation = "beside"
    return Understood(
        things=things, stated=stated, relation=relation, ground=ground, light=light, style=style, camera=camera,
        shot=shot, more=more + moves,
    )  # fmt: skip


def _without_places(text: str) -> tuple[str, str]:
    """The text without `on the left` and the like where it says where a thing is, not where it goes; the last of
    them."""
    goes, placed = re.compile(rf"(?:{GO})\s*$"), ""

    def bare(found: re.Match[str]) -> str:
        nonlocal placed
        if goes.search(text[: found.start()]):
            return found[0]
        placed = found[0].strip()
        return " "

    return re.sub(PLACE, bare, text), placed


def _keep_motion(text: _Text, patterns: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Replace motions that speak of the camera by a mark in place, so that they stay with their thing."""
    marks = {"zcloserz": "closer", "zawayz": "away"}
    for key, pattern in patterns:
        guarded = rf"(?<![\w-])(?<!camera )(?<!camera is )(?:{pattern})(?![\w-])"
        text.text = re.sub(guarded, f" z{key}z ", text.text)
    return marks


def _nouns(text: str) -> list[re.Match[str]]:
    return list(THING_NAME.finditer(text))


def _things(
    text: str, relation: str, marks: dict[str, str]
) -> tuple[tuple[ThingFacts, ...], tuple[tuple[bool, bool], ...], tuple[tuple[str, str], ...]]:
    """Each noun with the adjectives before it and the motion after it (or before the first); what was said of each,
    and the second motions and colours. "The ball" after "a red ball" is the same one."""
    nouns = _nouns(text)
    things: list[ThingFacts] = []
    stated: list[tuple[bool, bool]] = []
    told: list[int] = []
    more: tuple[tuple[str, str], ...] = ()
    start = 0
    spans = []
    for noun in nouns:
        before = text[start : noun.start()]
        cut = _adjectives_begin(before)
        spans.append((before[:cut], before[cut:], noun[0]))
        start = noun.end()
    tails = [after for after, _, _ in spans[1:]] + [text[start:]]
    for i, (lead, adjectives, name) in enumerate(spans):
        tail = tails[i] if i else lead + " " + tails[i]
        thing, said, beside = _thing(adjectives, name, tail, marks)
        more += beside
        needed = relation in DOING and i == len(nouns) - 1 and len(things) < 2
        same = None if needed else _told_before(thing, said, adjectives, things)
        told.append(len(things) if same is None else same)
        if same is None:
            things.append(thing)
            stated.append(said)
        elif said[1]:
            if stated[same][1] and things[same].motion not in (thing.motion, GOING_ON, "still"):
                more += (("one motion of a thing", things[same].motion),)
            things[same] = replace(things[same], motion=thing.motion, side=thing.side, paint=thing.paint)
            stated[same] = (stated[same][0], True)
    again = len(things) < len(nouns)
    if relation in DOING:
        one, two = told[-2:] if again and told[-2] != told[-1] else (0, 1)
        more = tuple(pair for pair in more if pair[0] != "one motion of a thing")
        more += tuple(
            ("two things that do so", nouns[told.index(i)][0]) for i in range(len(things)) if i not in (one, two)
        )
        things, stated = [things[one], things[two]], [stated[one], stated[two]]
    if relation in ("orbit", "collide"):
        things = [replace(thing, motion=relation) for thing in things]
        stated = [(colour, True) for colour, _ in stated]
    elif relation == "around":
        things = [replace(things[0], motion="orbit"), replace(things[1], motion="still")]
        stated = [(colour, True) for colour, _ in stated]
    elif relation in ("chase", "follow"):
        side = "right" if re.search(r"\bright\b", text) else "left"
        things = [replace(things[0], motion=relation, side=side), replace(things[1], motion=side)]
        stated = [(colour, True) for colour, _ in stated]
    elif (
        relation not in words.RELATION_PHRASES
        and len(things) > 1
        and not again
        and stated[-1][1]
        and not any(motion for _, motion in stated[:-1])
        and not re.search(rf"\b{ANY_VERB}(?<=ing)\b", spans[-1][1])  # "a ball and a bouncing cube"
    ):
        things = [replace(thing, motion=things[-1].motion) for thing in things]
        stated = [(colour, True) for colour, _ in stated]
    return tuple(things), tuple(stated), more


def _told_before(thing: ThingFacts, said: tuple[bool, bool], adjectives: str, things: list[ThingFacts]) -> int | None:
    """Which of the things "the ball" is, where it is one that was told before."""
    if not re.match(r"\s*(?:and )?(?:the|this|that|these|those|both)\b", adjectives):
        return None
    alike = [
        i
        for i, other in enumerate(things)
        if other.shape == thing.shape and (not said[0] or thing.shape in NOUNS or other.colour == thing.colour)
    ]
    return alike[0] if len(alike) == 1 else None


def _adjectives_begin(before: str) -> int:
    """Where the words that describe the coming noun begin: behind a verb or a preposition, or with an article. Words
    of no meaning here may stand among them, "two shiny red"."""
    end = len(before.rstrip())
    for word in reversed(list(re.finditer(r"[\w'-]+|,", before))):
        if word[0] in DESCRIBING or word[0].isdigit():
            end = word.start()
        elif word[0] in ENDS or re.fullmatch(rf"(?:{'|'.join(words.MOTION_STEMS)})\w?(?:e?s|ed|e)?", word[0]):
            break
        if word[0] in ("a", "an", "the"):
            break
    return end


def _thing(
    adjectives: str, noun: str, tail: str, marks: dict[str, str]
) -> tuple[ThingFacts, tuple[bool, bool], tuple[tuple[str, str], ...]]:
    """A thing, whether its colour and its motion were said, and what was said of both beside it."""
    colour = size = None
    count = 3 if noun in PLURAL_WORDS else 1
    for word in re.findall(r"[\w'-]+", adjectives):
        colour = COLOUR_OF.get(word, colour)
        size = SIZE_OF.get(word, size)
        count = 1 if word in ("a", "an") and noun not in PLURAL_WORDS else COUNT_OF.get(word, count)
        if word.isdigit():
            count = max(1, min(MOST, int(word[:9])))
    if size is None and (found := _SIZED.search(tail)):
        size = SIZE_OF[found["size"]]
    text = _Text(" ".join([tail, *re.findall(r"\w+ing\b", adjectives)]))
    motion = next((key for mark, key in marks.items() if mark in text.text), None)
    for mark in marks:
        text.text = text.text.replace(mark, " ")
    motion = motion or text.take(MOTIONS) or (GOING_ON if re.search(GO, text.text) else None)
    side, paint = "left", ""
    tones = [word for word in re.findall(r"[\w'-]+", adjectives) if word in COLOUR_OF and word not in ("dark", "pale")]
    more = tuple(("one colour of a thing", tone) for tone in tones if COLOUR_OF[tone] != colour)
    if motion in ("return", "behind", "paint"):
        side = "right" if re.search(r"\bright\b", tail) else "left"
        text.text = re.sub(r"\b(?:left|right|returns?|returning|comes?|coming|back|stroke)\b", " ", text.text)
    else:
        more += text.others("one motion of a thing", motion, MOTIONS)
    if motion == "paint":
        named = [COLOUR_OF[w] for w in re.findall(r"\w+", text.text) if w in COLOUR_OF]
        paint = named[0] if named else ("yellow" if colour != "yellow" else "blue")
    colour_said = colour is not None
    if colour is None and motion != "paint":
        loose = [COLOUR_OF[w] for w in re.findall(r"\w+", text.text) if w in COLOUR_OF and w not in ("dark", "pale")]
        colour, colour_said = (loose[0], True) if loose else (None, False)
    shape = SHAPE_OF[noun]
    gait = ""
    if shape in NOUNS:
        colour, colour_said = "", True
        gait = _gait(NOUNS[shape], tail)
    thing = ThingFacts(
        colour="red" if colour is None else colour, shape=shape, motion=motion or "still", count=count,
        size=size or "", side=side, paint=paint, gait=gait,
    )  # fmt: skip
    return thing, (colour_said, motion is not None), more


def _gait(noun: Noun, tail: str) -> str:
    """The verb of going that is said of a noun: one of its own, else any, else its most usual."""
    own = (gait for gait in noun.gaits if re.search(rf"\b{gait[:3]}", tail))
    said = (gait for gait in GAIT_VERBS if re.search(rf"{verb(gait)}|\b{gait[:-1]}ies\b", tail))
    return next(own, None) or next(said, noun.gaits[0])
