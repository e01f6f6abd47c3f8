"""What a prompt says is in the caption, or a sentence says that it is not."""

import pytest
from sora_nodes.sora_core.pipeline.wording import review_both
from sora_nodes.sora_core.safety import PolicyError
from sora_nodes.sora_core.weights import vocabulary
from sora_nodes.sora_core.world import describe, sample_scene
from sora_nodes.sora_core.world.copied import uncopied
from sora_nodes.sora_core.world.expand import Expansion, expanded, unknown_note, unknown_words
from sora_nodes.sora_core.world.nouns import NOUNS
from sora_nodes.sora_core.world.rewrite import content_words
from sora_nodes.sora_core.world.slips import meant_by
from sora_nodes.sora_core.world.understand import understand


def made(prompt: str) -> Expansion:
    """The caption for the bundled weights."""
    return expanded(prompt, 0, vocabulary=vocabulary())


@pytest.mark.parametrize(
    ("prompt", "told", "said"),
    [
        ("a red ball bounces while rolling to the right", "bounces", "'rolling to the right' is left out"),
        ("a red ball jumps and spins", "jumps", "'spins' is left out"),
        ("a red ball on snow at sunset in fog", "sunset", "'in fog' is left out"),
        ("a red ball on a wooden table on the beach", "beach", "'wooden table' is left out"),
        ("a red ball in pixel art style, clay animation", "pixel art", "'clay animation' is left out"),
        ("a red cube, the camera pans right and zooms in", "pans right", "'zooms in' is left out"),
        ("the camera pans left then right over a red ball", "pans left", "'then right' is left out"),
        ("a red or blue ball", "red ball", "'red or blue': "),
        ("red|blue ball on grass", "blue ball", "'red' is left out"),
        ("a rainbow ball on grass", "ball rests on grass", "'rainbow': "),
        ("a red ball on the left", "red ball", "'on the left' is left out"),
        ("a red ball flies to the left", "rolls to the left", "'flies': "),
        ("a cone rolls to the left", "slides to the left", "'rolls': "),
        ("a red ball rolls to the left quickly", "rolls to the left", "'quickly': "),
        ("a red ball rolls under a blue cube", "blue cube", "'under': "),
        ("a red ball on a blue cube", "blue cube", "'above': "),
        ("a red ball rolls into a blue cube and a green cone", "pushes it away", "'cone' is left out"),
        ("a red ball rolls left, then bounces", "rolls left", "'then bounces': "),
        ("close-up of a red ball, wide shot", "close view", "'wide shot' is left out"),
        ("a red ball rolls in a circle", "rolls to the", "'in a circle': "),
        ("a red ball rolls left, a blue cube spins", "blue cube spins", "of several things"),
        ("a red ball in a box", "red ball", "'in': "),
        ("a red ball turns blue", "red ball", "'then blue': "),
    ],
)
def test_what_a_caption_does_not_tell_is_said(prompt: str, told: str, said: str) -> None:
    expansion = made(prompt)
    assert told in expansion.caption, expansion.caption
    assert any(note.startswith(said) for note in expansion.notes), expansion.notes


def test_nothing_is_left_out_of_a_caption() -> None:
    for seed in range(200):
        scene = sample_scene(seed, nouns=tuple(NOUNS) if seed % 2 else ())
        if scene.family not in ("shots", "transition"):
            for level in ("short", "plain", "descriptive"):
                assert understand(describe(scene, level, seed)).more == ()


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a red ball and a blue cube. The ball rolls left. The cube spins.", "on the right a blue cube spins"),
        ("two red balls on snow. the balls bounce", "two red balls bounce up and down on snow"),
        ("a red ball and a blue cube. the cube rolls into the ball", "blue cube slides into a red ball"),
        ("the ball hits the ball", "rolls into a"),
        ("a red ball between two blue cubes", "in the middle a red ball"),
        ("a red ball bounces between a blue cube and a green cone", "in the middle a red ball bounces"),
        ("a red ball next to a blue cube and a green cone", "on the right a green cone"),
        ("two red balls roll toward each other", "on the left a red ball rolls to the right, on the right a red"),
        ("a red ball and a blue cube move apart", "on the left a red ball rolls to the left, on the right a blue cube"),
        ("two red balls: one rolls left, one rolls right", "on the right a red ball rolls to the right"),
        ("one ball is red, the other is blue", "a red ball on the left and a blue ball on the right"),
        ("snow falls on a red ball", "a red ball rests"),
        ("rain falls on a blue cube", "a blue cube rests"),
        ("a boy runs past a red ball", "a red ball rests"),
        ("rain is falling while a red ball rolls left", "a red ball rolls left"),
        ("the ball is very big", "a big"),
        ("a cube as small as a pea", "a small"),
        ("the ball (red, small) rolls left", "a small red ball rolls"),
        ("a red ball going in the direction of right", "to the right"),
        ("a red ball goes up the sky", "rises into the sky"),
        ("a ball rolls from the left side to the right side", "from left to right"),
        ("360 degree orbit around a red cone", "the camera orbits the scene"),
        ("slow pan over a red ball", "the camera pans right"),
        ("no red balls, only blue ones", "three blue balls"),
        ("a not very large cube", "cube rests"),
        ("a red ball left, blue cube right", "a red ball on the left and a blue cube on the right"),
        ("ball: red; cube: blue", "a red ball on the left and a blue cube on the right"),
        ("the sky changes from day to night over a red ball", "the place changes and it is at night"),
        ("the ball turns from red to blue", ", then blue"),
        ("[0-2s] a red ball rolls left [2-4s] it bounces", ", then it bounces"),
        ("00:00 a red ball. 00:02-00:04 it spins", ", then it spins"),
        ("the camera trucks left past a cube", "the camera turns to the left"),
        ("two red balls collide", "a red ball rolls into a red ball"),
        ("a red ball passes a blue cube", "red ball rolls to the"),
        ("a red ball rolls from the left to the middle", "to the right"),
        ("the ball should not move", "stands still"),
        ("at least three red balls", "three red balls"),
        ("fewer than three red balls", "two red balls"),
        ("a red ball rolls left and then bounces on snow", "snow"),
        ("a red ball rolls left, day turns to night", "the place changes and it is at night"),
    ],
)  # fmt: skip
def test_what_is_said_of_things_is_told_of_them(prompt: str, told: str) -> None:
    assert told in made(prompt).caption, made(prompt).caption


@pytest.mark.parametrize(
    ("prompt", "kept", "refused", "said"),
    [
        ("a red ball <lora:snow:0.8>", "a red ball ", "", "'<lora:snow:0.8>' is not read"),
        ("a red ball --ar 16:9 --no fog", "a red ball", "fog", "'--ar 16:9' is an option"),
        ("a red ball\nNegative prompt: fog, night\nSteps: 20, Size: 64x64", "a red ball", "fog, night", "the set"),
        ("a red ball --no fog, snow --v 6", "a red ball", "fog, snow", "'--v 6' is an option"),
        ('{"prompt": "a red ball", "negative_prompt": "fog"}', "a red ball", "fog", ""),
        ('{"subject": "red ball", "camera": "pan left", "seed": 3}', "red ball, camera pan left", "", "'seed' in the"),
        ("Subject: a red cube. Camera: static. Light: dusk", "a red cube. camera static. dusk", "", ""),
        ("[Scene: snow] [Subject: red ball]", "[snow], [red ball]", "", ""),
        ("{a red ball", "{a red ball", "", ""),
        ("red ball::2 blue cube::1", "red ball, blue cube,", "", "weights are written"),
        ("a ball climbs 3 steps: left, right", "a ball climbs 3 steps: left, right", "", ""),
    ],
)  # fmt: skip
def test_a_prompt_copied_from_another_tool_is_read(prompt: str, kept: str, refused: str, said: str) -> None:
    text, negative, notes = uncopied(prompt)
    assert (text.strip(), negative) == (kept.strip(), refused)
    assert "".join(notes).startswith(said) and bool(notes) == bool(said)
    assert not refused or refused in made(prompt).negative


def test_a_slip_is_read_as_a_word_that_the_weights_know() -> None:
    assert "balloon" not in made("un ballon rouge").caption
    assert "nearest: ball," in unknown_note(["ballon"], vocabulary())
    assert "nearest: bounces" in unknown_note(["bounses"], vocabulary())
    assert "nearest" not in unknown_note(["quality"], vocabulary())
    assert unknown_words("ein Ball rollt", vocabulary()) == ["ein", "rollt"]
    assert unknown_words(made("a red bal on gras").caption, vocabulary()) == []
    assert "cylinder" in made("a red cilinder").caption


@pytest.mark.parametrize("word", ["dessert", "tale", "starlet", "crow", "rabbi", "cattle", "heat", "pane"])
def test_an_english_word_is_no_slip_of_a_known_one(word: str) -> None:
    assert meant_by(word, content_words()) in (None, word)


@pytest.mark.parametrize(
    ("prompt", "refused"),
    [
        ("a red ball without snow and fog", "snow, fog"),
        ("a red ball, no people, cars or dogs", "people, cars, dogs"),
        ("a ball; avoid blue, green and yellow", "blue, green, yellow"),
        ("a cube without shadows and rolls left", "shadows"),
        ("no clouds, a red ball or a blue cube", "clouds"),
    ],
)
def test_each_of_several_things_is_refused(prompt: str, refused: str) -> None:
    assert made(prompt).negative == refused


@pytest.mark.parametrize(
    ("prompt", "note"),
    [
        ("a red ball and three blue cubes", "1 + 3 things"),
        ("four cones and a ring bounce", "4 + 1 things"),
        ("leaves fall on a red ball", "'leaves fall'"),
        ("anything but a blue ball", "nothing that is"),
        ("Shot 1: a red ball. Shot 2: a blue cube", "numbered shots"),
        ("I don't want a red ball", "nothing that is"),
        ("A blue cube slides right. The cube spins.", "'right' is left out"),
    ],
)
def test_what_cannot_be_shown_as_it_was_said_is_noted(prompt: str, note: str) -> None:
    assert note in " ".join(made(prompt).notes)


def test_what_a_copied_prompt_avoids_is_reviewed_as_what_is_avoided() -> None:
    copied = "a red ball on snow\nNegative prompt: nsfw, nude\nSteps: 20, Sampler: Euler a"
    review_both(copied, "", None, lambda _: None, expand=True)
    with pytest.raises(PolicyError):
        review_both(copied, "", None, lambda _: None, expand=False)  # all of it would be sampled
    with pytest.raises(PolicyError):
        review_both("a nude woman\nNegative prompt: fog", "", None, lambda _: None, expand=True)
    with pytest.raises(PolicyError, match="minors"):
        review_both("a red ball\nNegative prompt: child porn", "", None, lambda _: None, expand=True)
