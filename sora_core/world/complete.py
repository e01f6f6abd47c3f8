"""A prompt about a clip that is there: what it leaves out is as the clip shows it.

"it goes on", over a clip of a red ball that rolls left on snow -> a red ball, left, on snow.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from . import words
from .captions import GOING_ON, Facts, ThingFacts
from .goes_on import WAYS
from .nouns import NOUNS, plural
from .patterns import COLOUR_OF, SHAPE_OF, SIZE_OF
from .rewrite import unknown_words
from .understand import Understood, understand

__all__ = ["completed", "named", "way_of"]

_THE = re.compile(
    rf"\b(?:the|this|that|its) (?=(?:(?:{'|'.join(SIZE_OF)}) )?(?:{'|'.join(map(re.escape, SHAPE_OF))})\b)"
)
_OBJECT = re.compile(
    r"\b((?:chas\w+|follow\w*|hits?|push\w*|into|behind|beside|next to|in front of|over|above|near|after|around) )"
    r"(?:it|them)\b"
)
_COUNTED = "|".join(words.COUNT_WORDS.values())
_PRONOUN = re.compile(
    r"\b(?:it(?!['’])|they|(?:the|this|that|these|those) (?:thing|object|subject)s?)\b"
    r"(?! is (?:night|noon|day|sunset|evening))"
)


def named(prompt: str, seen: Facts) -> str:
    """The prompt with the clip's thing in place of "it", or before a prompt that names nothing at all. "The ball" has
    the colour of the clip's thing, even if that was taken for a cube."""
    thing, said = seen.things[0], understand(prompt)
    name = _name(thing)
    if [stated[0] for stated in said.stated] == [False] and thing.colour:
        return _THE.sub(rf"\g<0>{words.COLOUR_WORDS[thing.colour][0]} ", prompt, count=1)
    if said.things:
        return _OBJECT.sub(rf"\g<1>{name}", prompt, count=1)
    if prompt.strip() in COLOUR_OF:
        colour = COLOUR_OF[prompt.strip()]
        return f"a {colour} {thing.shape}" if thing.shape in NOUNS else _name(replace(thing, colour=colour))
    if _PRONOUN.search(prompt):
        return _PRONOUN.sub(name, prompt, count=1)
    return prompt if _stranger(prompt) else f"{name} {prompt}".strip()


def _stranger(prompt: str) -> bool:
    """Whether a prompt brings in something that has no name here."""
    unknown = "|".join(map(re.escape, unknown_words(prompt)))
    return bool(unknown) and bool(
        re.search(rf"\b(?:an?|one|some|another|{_COUNTED}) (?:\w+ ){{0,2}}(?:{unknown})\b", prompt)
    )


def way_of(seen: Facts | None) -> str:
    """Where the clip's thing goes, in words; empty where it goes nowhere."""
    return "" if seen is None else WAYS.get(seen.things[0].motion, "")


def completed(understood: Understood, seen: Facts) -> Understood:
    """What a prompt says, and what the clip shows where it says nothing: the place, the look, and the colour and the
    motion of the clip's own thing."""
    pairs = [_like(t, s, seen.things[0]) for t, s in zip(understood.things, understood.stated, strict=True)]
    return replace(
        understood,
        things=tuple(thing for thing, _ in pairs),
        stated=tuple(said for _, said in pairs),
        ground=understood.ground or seen.ground,
        light=understood.light or seen.light,
        style=understood.style or seen.style,
        camera=understood.camera or seen.camera,
    )


def _like(thing: ThingFacts, stated: Sequence[bool], shown: ThingFacts) -> tuple[ThingFacts, tuple[bool, bool]]:
    """A thing of a prompt as it is in the clip, if it is the same one."""
    colour, motion = stated
    if thing.shape != shown.shape or (colour and thing.shape not in NOUNS and thing.colour != shown.colour):
        return thing, (colour, motion)
    as_shown = not motion or (thing.motion == GOING_ON and shown.motion in WAYS)
    return replace(
        thing, colour=shown.colour or thing.colour, motion=shown.motion if as_shown else thing.motion
    ), (True, True)  # fmt: skip


def _name(thing: ThingFacts) -> str:
    count = "a" if thing.count == 1 else words.COUNT_WORDS[thing.count]
    if thing.shape in NOUNS:
        name = NOUNS[thing.shape].key if thing.count == 1 else plural(NOUNS[thing.shape].key)
        return f"{'an' if count == 'a' and name[0] in 'aeiou' else count} {name}"
    shape = words.SHAPE_WORDS[thing.shape][0]
    return f"{count} {words.COLOUR_WORDS[thing.colour][0]} {shape if thing.count == 1 else words.PLURALS[shape]}"
