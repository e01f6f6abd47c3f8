"""Prompts about living and made things, for weights whose text encoder knows them and for those whose does not."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sora_nodes.sora_core import weights
from sora_nodes.sora_core.evaluation.text import ask
from sora_nodes.sora_core.media import TensorSource
from sora_nodes.sora_core.perception.seen import seen_in
from sora_nodes.sora_core.world import describe, sample_scene
from sora_nodes.sora_core.world.captions import Facts, ThingFacts, inflect, vocabulary
from sora_nodes.sora_core.world.expand import Expansion, expanded, expanded_about, unknown_note, unknown_words
from sora_nodes.sora_core.world.nouns import NOUNS, plural
from sora_nodes.sora_core.world.rewrite import knows_nouns
from sora_nodes.sora_core.world.understand import understand

NOUNS_TOO, SOLIDS = vocabulary(nouns=True), vocabulary(nouns=False)
CAT = Facts(things=(ThingFacts(colour="", shape="cat", motion="left"),), ground="snow", light="sunset")


def told(prompt: str, seed: int = 0, **more: Any) -> Expansion:
    return expanded(prompt, seed, vocabulary=NOUNS_TOO, **more)


def test_a_vocabulary_tells_whether_weights_know_nouns() -> None:
    assert knows_nouns(NOUNS_TOO) and not knows_nouns(SOLIDS) and not knows_nouns(None) and not knows_nouns(())
    assert not SOLIDS & NOUNS.keys()


def test_every_noun_is_told_with_its_number_and_its_way_of_going() -> None:
    for key, noun in NOUNS.items():
        for name in noun.names:
            for gait in noun.gaits:
                prompt = f"a {name} {inflect(gait, 's')} to the right on snow at night"
                made = told(prompt)
                read = understand(made.caption)
                assert [(t.shape, t.motion, t.gait) for t in read.things] == [(key, "right", gait)], made
                assert (read.ground, read.light, made.notes) == ("snow", "night", ()), made
                assert unknown_words(prompt, NOUNS_TOO) == [] and words_of(made.caption) <= NOUNS_TOO
            (thing,) = understand(told(f"two {plural(name)}").caption).things
            assert (thing.shape, thing.count, thing.motion) == (key, 2, "still"), name


def words_of(caption: str) -> set[str]:
    return set(re.findall(r"[a-z]+", caption))


def test_a_short_caption_of_training_becomes_a_long_one() -> None:
    for seed in range(60):
        scene = sample_scene(seed, family="single", nouns=tuple(NOUNS))
        made = told(describe(scene, "short", seed), seed)
        (thing,) = understand(made.caption).things
        assert words_of(made.caption) <= NOUNS_TOO and thing.shape == scene.things[0].shape, made
        assert unknown_words(made.caption, NOUNS_TOO) == [] and made.notes == ()


@pytest.mark.parametrize(
    ("prompt", "kept", "noted"),
    [
        ("a cat runs to the left on snow at sunset", "a cat runs to the left on snow", ""),
        ("a kitty", "a kitty", ""),
        ("two dogs chase a rabbit", "two dogs chase a rabbit", ""),
        ("an octopus on the ocean floor", "an octopus rests on the ocean floor", ""),
        ("a crab on the seabed", "a crab rests on the sea floor", ""),
        ("a shark swims underwater", "at the bottom of the sea", ""),
        ("a red car drives on a mountain road", "a car drives to the left on a mountain road", "'red car'"),
        ("a pink pig and two orange cats", "a pig", "'pink pig'"),
        ("a black or white cat", "a cat", "'black or white cat'"),
        ("the cat is black", "a cat", "'black cat'"),
        ("two cats, a black one and a white one", "a cat on the left and a cat on the right", "'black cat'"),
        ("a red ball chases a black cat", "a red ball chases a cat", "'black cat'"),
        ("a red ball next to a blue car", "a red ball stands still next to a car", "'blue car'"),
        ("a burger with a bite mark", "until a bite is taken out of it", ""),
        ("paper planes over a jungle", "three aeroplanes", ""),
        ("an ice cream cone", "an ice cream", ""),
        ("two large stars at noon", "two large stars", ""),
        ("an eagle soars to the left", "an eagle flies to the left", ""),
        ("a helicopter hovers", "a helicopter stays in place", ""),
        ("a dog swims in the sea", "a dog swims to the left on the sea", ""),
        ("a photorealistic astronaut riding a horse", "an astronaut stands still above a horse", "'riding'"),
        ("a man on a white horse", "a man stands still above a horse", "'on'"),
        ("a cat on a mountain road", "a cat rests on a mountain road", ""),
        ("a bee circles around a flower", "a bee circles around a flower", ""),
    ],
)
def test_what_a_prompt_says_is_told_or_noted(prompt: str, kept: str, noted: str) -> None:
    made = told(prompt)
    assert kept in made.caption, made
    assert noted in str(made.notes) and bool(noted) == bool(made.notes), made
    assert set(unknown_words(made.caption, NOUNS_TOO)) <= set(unknown_words(prompt, NOUNS_TOO))


def test_an_unknown_word_is_named_with_the_nearest() -> None:
    found = unknown_words("a church on a rocky coast beside a dragonfly", NOUNS_TOO)
    assert found == ["rocky", "dragonfly"] and "(nearest: dragon" in unknown_note(found, NOUNS_TOO)
    assert unknown_words("a seabed, a bite mark and a hovering ufo", NOUNS_TOO) == []
    assert unknown_words("a kitty hovers over the seabed", SOLIDS) == ["kitty", "hovers", "seabed"]


@pytest.mark.parametrize("relation", ["behind", "in front of", "next to", "circles around"])
def test_solids_stand_in_relation_where_the_weights_have_seen_them_so(relation: str) -> None:
    prompt = f"a red ball {relation} a blue cube"
    still = "" if relation.startswith("circles") else "stands still "
    assert f"a red ball {still}{relation} a blue cube" in told(prompt).caption and told(prompt).notes == ()
    first = expanded(prompt, vocabulary=SOLIDS)
    assert ("on the left" in first.caption) == bool(still) and first == expanded(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "a red car drives left", "an ice cream cone", "a red ball with a bite mark", "a ball on the seabed",
        "a dog swims left", "a duck rolls", "a man on a white horse", "a shark underwater", "a ball hovers",
    ],
)  # fmt: skip
def test_weights_without_nouns_are_asked_as_if_there_were_no_others(prompt: str) -> None:
    made = expanded(prompt, vocabulary=SOLIDS)
    assert made == expanded(prompt) != told(prompt)
    assert not made.notes and expanded_about(prompt, 0, [], SOLIDS) == made


def test_a_prompt_about_a_clip_of_a_noun() -> None:
    assert "a cat jumps" in told("it jumps up and down", seen=CAT).caption
    assert told("make it green", seen=CAT).notes == (
        "'green cat': the bundled model gives such things their own colours.",
    )
    two = Facts(things=(ThingFacts(colour="", shape="mouse", count=2),))
    assert "two mice spin" in told("they spin", seen=two).caption
    octopus = Facts(things=(ThingFacts(colour="", shape="octopus"),), ground="seabed", light="underwater")
    assert "an octopus" in told("it spins", seen=octopus).caption


class Reader:
    """Reads a cat in every clip, and each time another colour."""

    times = 0

    def read(self, video: torch.Tensor, fps: float) -> Any:
        self.times += 1
        answers = {"shape": "cat", "motion": "left", "ground": "snow", "light": "sunset", "style": "natural"}
        answers |= {"camera": "static", "count": 1, "colour": ("red", "blue")[self.times % 2]}
        sure = {name: [0.2 if name == "colour" else 0.99] for name in answers}
        return SimpleNamespace(answers={name: [answer] for name, answer in answers.items()}, sure=sure)


def test_a_noun_is_seen_whatever_its_colour() -> None:
    clip = TensorSource(torch.zeros(9, 16, 16, 3, dtype=torch.uint8), 8.0)
    assert seen_in(clip, classifier=Reader()) == CAT  # type: ignore[arg-type]


def test_an_evaluation_asks_in_the_words_the_weights_know() -> None:
    scene = sample_scene(0, family="single", nouns=("cat",), held_out=True)
    prompt, wanted = ask(scene, "expanded", nouns=True)
    assert words_of(prompt) <= NOUNS_TOO and wanted["shape"] == scene.things[0].shape


def test_the_bundled_vocabulary_is_that_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert {"red", "ball", "snow"} <= set(weights.vocabulary())
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "__init__.py"))
    assert weights.vocabulary() == ()
