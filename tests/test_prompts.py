"""A corpus of prompts (data/prompts.txt), each with what must stay of it when it is expanded."""

import re
from pathlib import Path

import pytest
from sora_nodes.sora_core.world import words
from sora_nodes.sora_core.world.captions import ThingFacts
from sora_nodes.sora_core.world.expand import expanded
from sora_nodes.sora_core.world.nouns import NOUNS
from sora_nodes.sora_core.world.patterns import COLOUR_OF, COUNT_OF, SHAPE_OF, SIZE_OF
from sora_nodes.sora_core.world.understand import Understood, understand

ROWS = [
    [part.strip() for part in f"{line}||".split("|")[:3]]
    for line in (Path(__file__).parent / "data" / "prompts.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
WORDED = {
    "circle": ("circle", "orbit"), "collide": ("into", "hit", "bump", "push"), "chase": ("chase", "run"),
    "follow": ("follow",), "wall": ("wall",), "leave": ("leave",), "bite": ("bite",), "then": (", then ",),
    "right of": ("on the right",), "left of": ("on the left",), "behind": ("behind",),
    "above": ("above",), "close": ("close",), "far": ("far", "wide"),
}  # fmt: skip
BETWEEN = {"behind": "behind", "in front of": "front", "next to": "near"}


def says(caption: str, need: str, read: Understood) -> bool:
    """Whether a caption says what is needed: a setting, a motion, a relation, a thing with its colour and count."""
    if need in WORDED:
        return any(word in caption for word in WORDED[need])
    for table, said in (
        (words.GROUND_PHRASES, read.ground), (words.LIGHT_PHRASES, read.light), (words.STYLE_PHRASES, read.style),
        (words.CAMERA_PHRASES, read.camera),
    ):  # fmt: skip
        if need in table:
            return said == need or any(phrase in caption for phrase in table[need])
    if need in words.MOTION_PHRASES:
        return any(thing.motion == need for thing in read.things)
    for word, relation in BETWEEN.items():
        if f" {word} " in need:
            one, two = need.split(f" {word} ")
            pair = len(read.things) == 2 and is_thing(read.things[0], one) and is_thing(read.things[1], two)
            return read.relation == relation and pair
    for word, order in (("left of", 1), ("right of", -1)):
        if f" {word} " in need:
            pair = need.split(f" {word} ")[::order]
            return len(read.things) == 2 and all(map(is_thing, read.things, pair)) and "on the left" in caption
    if any(word in SHAPE_OF for word in need.split()):
        count = sum(thing.count for thing in read.things if is_thing(thing, need))
        stated = [COUNT_OF[word] for word in need.split() if word in COUNT_OF]
        return count == stated[0] if stated else count >= 1
    return need in caption


def is_thing(thing: ThingFacts, said: str) -> bool:
    """Whether a thing of a caption is the one that is described."""
    for word in said.split():
        wrong = (
            (word in COLOUR_OF and thing.shape not in NOUNS and COLOUR_OF[word] != thing.colour)
            or (word in SIZE_OF and SIZE_OF[word] != thing.size)
            or (word in SHAPE_OF and SHAPE_OF[word] != thing.shape)
        )
        if wrong:
            return False
    return True


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_prompt_says_stays(seed: int) -> None:
    wrong = []
    for prompt, needs, negative in ROWS:
        made = expanded(prompt, seed)
        read = understand(made.caption.split(", then ")[0])
        missing = [
            need for need in filter(None, map(str.strip, needs.split(";"))) if not says(made.caption, need, read)
        ]
        if missing or not re.search(rf"(?:^|\b){negative}(?:\b|$)", made.negative):
            wrong.append(f"{prompt!r} -> {made.caption!r}, negative {made.negative!r}: {missing or negative}")
    assert not wrong, f"{len(wrong)} of {len(ROWS)}:\n" + "\n".join(wrong)


def test_nothing_moves_that_was_not_said_to() -> None:
    for prompt in ("a red ball", "two green cubes on snow", "a cat and a dog", "a car at night", "a house on grass"):
        assert {thing.motion for thing in understand(expanded(prompt).caption).things} == {"still"}, prompt


def test_one_ground_and_one_light() -> None:
    for prompt, *_ in ROWS:
        caption = expanded(prompt).caption.split(", then ")[0]
        phrases = sorted((p for choices in words.GROUND_PHRASES.values() for p in choices), key=len, reverse=True)
        found = re.findall(rf"\b(?:{'|'.join(phrases)})\b", caption)
        assert len(found) <= 1, (prompt, caption)


@pytest.mark.parametrize(
    ("prompt", "note"),
    [("a spheer", "'spheer' is read as 'sphere'"), ("a grey ball", "white is nearest"), ("ten cats", "at most 4")],
)
def test_what_is_changed_is_said(prompt: str, note: str) -> None:
    assert any(note in said for said in expanded(prompt).notes)
