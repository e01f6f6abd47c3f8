"""What a prompt says and a caption does not tell, or training has not shown: a sentence for each."""

import re
from collections.abc import Sequence

from . import words
from .captions import GOING_ON, ThingFacts
from .colours import NAME
from .nouns import NOUNS
from .understand import Understood

__all__ = [
    "NOTHING_SHOWN",
    "UNSEEN",
    "apart_note",
    "count_note",
    "going_note",
    "left_out",
    "relation_note",
    "speed_note",
    "then_note",
    "unseen",
]

UNSEEN = frozenset({"near", "behind", "front", "above"})
"""relations that weights without nouns have not seen, between solids"""
GOING_SOMEWHERE = frozenset({"left", "right", "closer", "away", GOING_ON})
"""motions that lead somewhere"""
NOTHING_SHOWN = "the prompt says what must not be there and nothing that is; add what to show, such as 'a red ball'."
_BETWEEN_SOLIDS = re.compile(
    rf"\b(?:{NAME}) (?:\w+ ){{0,6}}?(?P<how>under|below|beneath|through|across|past|off|away from|in|inside|into)"
    rf" (?=(?:an?|the|one) (?:\w+ ){{0,3}}?(?:{NAME})\b)"
)
_OTHER_GOING = re.compile(
    r"\b(?:walk|march|crawl|swim|fly|soar|drive|sail|float|gallop|ride)(?:s|ing)?\b|\b(?:fl(?:ies|ew|own)|swam|swimming"
    r"|drove|driving|rode|riding|walked)\b"
)
"""ways to go that no solid has"""
_WINDING = re.compile(r"\b(?:in (?:a )?circles?|back and forth|to and fro|from side to side)\b")
_ROLLS = re.compile(r"\broll(?:s|ed|ing)?\b")
_SPEED = re.compile(r"\b(?:(?:very |so )?(?:slow(?:ly)?|fast|quick(?:ly)?)|in slow motion)\b")


def left_out(understood: Understood) -> tuple[str, ...]:
    """What is said twice where a caption tells one."""
    return tuple(f"{said!r} is left out: the bundled model shows {shown}." for shown, said in understood.more)


def count_note(understood: Understood) -> str:
    """More things than captions of training tell."""
    counts = " + ".join(str(thing.count) for thing in understood.things)
    return (
        f"{counts} things: the bundled model has seen three at most that differ, and more of one kind alone; some may"
        " be missing or look like another."
    )


def then_note(then: str) -> str:
    """A change that training has not shown."""
    return (
        f"{then.strip(' ,')!r}: the bundled model has learned changes of place, light, style and view alone and may not"
        " show this one; `sora extend` with a prompt of its own does."
    )


def speed_note(prompt: str) -> tuple[str, ...]:
    """How fast something is to go."""
    found = _SPEED.search(prompt)
    return (f"{found[0]!r}: the bundled model knows no speeds.",) if found else ()


def going_note(prompt: str, things: Sequence[ThingFacts]) -> tuple[str, ...]:
    """A way to go that the solids of a caption do not have."""
    going = [thing for thing in things if thing.shape not in NOUNS and thing.motion in GOING_SOMEWHERE]
    if going and (winding := _WINDING.search(prompt)):
        return (f"{winding[0]!r}: the bundled model's things go straight, to one side or to and from the camera.",)
    found = _OTHER_GOING.search(prompt)
    if found is None and not {thing.shape for thing in going} & {"ball", "ring"}:
        found = _ROLLS.search(prompt)
    if not going or found is None:
        return ()
    return (f"{found[0]!r}: in the bundled model's world balls and rings roll, and other solids slide.",)


def apart_note(understood: Understood) -> tuple[str, ...]:
    """Several solids of which one goes somewhere: in training such a one went alone, or with others like it."""
    if len(understood.things) < 2 or understood.relation not in UNSEEN | {"beside"} or not solids(understood):
        return ()
    if not any(thing.motion in GOING_SOMEWHERE for thing in understood.things):
        return ()
    return (
        "of several things that differ the bundled model has seen none go anywhere: they stand, bounce, spin, fall,"
        " circle or collide; one of them may be missing.",
    )


def solids(understood: Understood) -> bool:
    """Whether none of the things is a living or made one."""
    return not {thing.shape for thing in understood.things} & NOUNS.keys()


def unseen(understood: Understood) -> bool:
    """Whether two solids are to be as the bundled weights have not seen solids."""
    return solids(understood) and understood.relation in UNSEEN


def relation_note(text: str, understood: Understood) -> tuple[str, ...]:
    """A relation that will not be seen."""
    found = _BETWEEN_SOLIDS.search(text) if understood.relation == "beside" else None
    if understood.relation in UNSEEN - {"near"}:
        said = words.RELATION_PHRASES[understood.relation][0]
    elif found is not None:
        said = found["how"]
    else:
        return ()
    if not solids(understood):
        return ()
    return (f"{said!r}: the bundled model has not seen balls, cubes and the like so; it sets them side by side.",)
