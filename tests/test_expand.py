"""The prompt expander: keeps what was said, fills in the rest, names what it does not know."""

import re

import pytest
from sora_nodes.sora_core.world import describe, sample_scene
from sora_nodes.sora_core.world.captions import vocabulary
from sora_nodes.sora_core.world.describe import facts_of
from sora_nodes.sora_core.world.expand import expand, expanded, unknown_words
from sora_nodes.sora_core.world.nouns import NOUNS
from sora_nodes.sora_core.world.understand import understand


def test_keeps_what_the_user_said() -> None:
    text = expand("crimson sphere rolling left at night")
    for word in ("crimson", "sphere", "rolls", "left", "night", "camera"):
        assert word in text
    assert expand("two green cubes in the snow").count("two green cubes") == 1


@pytest.mark.parametrize(
    ("prompt", "key", "value"),
    [
        ("red ball rolling left", "motion", "left"),
        ("a blue cube slides from left to right", "motion", "right"),
        ("a ball rolls toward the camera", "motion", "closer"),
        ("3 yellow cones jumping", "count", 3),
        ("a tiny orb", "size", "small"),
        ("a green hoop", "shape", "ring"),
        ("a kitty that runs right", "shape", "cat"),
        ("scarlet block under a blue sky", "colour", "red"),
    ],
)
def test_understands_things(prompt: str, key: str, value: str | int) -> None:
    assert getattr(understand(prompt).things[0], key) == value


@pytest.mark.parametrize(
    ("prompt", "key", "value"),
    [
        ("a cube on the beach", "ground", "sand"),
        ("winter, a cube", "ground", "snow"),
        ("a cube under the sea", "light", "underwater"),
        ("a cube on the sea", "ground", "water"),
        ("black and white sketch of a cube", "style", "charcoal"),
        ("a cube, camera pans to the left", "camera", "pan left"),
        ("zooming in on a cube", "camera", "zoom in"),
        ("a red ball and a blue cube circle around each other", "relation", "orbit"),
    ],
)
def test_understands_settings(prompt: str, key: str, value: str) -> None:
    assert getattr(understand(prompt), key) == value


def test_reads_back_every_descriptive_caption() -> None:
    for seed in range(400):
        scene = sample_scene(seed, nouns=tuple(NOUNS) if seed % 2 else ())
        if scene.family in ("shots", "transition"):
            continue
        facts, read = facts_of(scene), understand(describe(scene, "descriptive", seed))
        assert [(t.colour, t.shape, t.motion, t.count, t.size) for t in read.things] == [
            (t.colour, t.shape, t.motion, t.count, t.size) for t in facts.things
        ]
        assert (read.ground, read.light, read.style, read.camera) == (
            facts.ground,
            facts.light,
            facts.style,
            facts.camera,
        )


def test_expansion_is_a_training_caption() -> None:
    for seed in range(50):
        scene = sample_scene(seed, family="single")
        short = describe(scene, "short", seed)
        text = expand(short, seed)
        assert set(re.findall(r"[a-z]+", text)) <= vocabulary()
        assert unknown_words(text) == []
        assert text == expand(short, seed)


@pytest.mark.parametrize(
    ("prompt", "kept", "negative"),
    [
        ("nothing but a red ball", ("red ball",), ""),
        ("a red ball and nothing else", ("red ball",), ""),
        ("there is nothing on the sand but a red ball", ("red ball", "sand"), ""),
        ("not only a red ball but also a blue cube", ("red ball", "blue cube"), ""),
        ("no more than two balls", ("two",), ""),
        ("a red ball not far from a blue cube", ("red ball", "blue cube"), ""),
        ("a red ball that never stops rolling", ("red ball", "rolls"), ""),
        ("a ball that can't stop bouncing", ("bounces",), ""),
        ("a non-stop bouncing ball", ("bounces",), ""),
        ("never-ending snow with a red ball", ("snow", "red ball"), ""),
        ("a red ball rather than a blue cube", ("red ball",), "blue cube"),
        ("no snow, nothing but sand", ("sand",), "snow"),
    ],
)
def test_a_negation_that_affirms_takes_nothing_away(prompt: str, kept: tuple[str, ...], negative: str) -> None:
    made = expanded(prompt)
    assert all(words in made.caption for words in kept), made.caption
    assert made.negative == negative
    assert not set(unknown_words(prompt)) & {"nothing", "else", "also", "more", "than", "never", "stops", "rather"}


def test_a_word_that_lacks_a_letter_in_front_is_another_word() -> None:
    assert expanded("a red ball, it rains").notes == () and expanded("lower left: a red ball").notes == ()


def test_letters_of_full_width_are_read_and_emoji_are_named() -> None:
    assert "red ball" in expand("ａ ｒｅｄ ｂａｌｌ") and unknown_words("ａ ｒｅｄ ｂａｌｌ") == []
    assert unknown_words("a 🔴 ball on ❄️") == ["🔴", "❄"]


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a red ball on the left and a blue cube on the right", "a red ball on the left and a blue cube on the right"),
        ("a blue cube on the right and a red ball on the left", "a red ball on the left and a blue cube on the right"),
        ("the cube on the right is blue, the ball on the left is red", "a red ball on the left and a blue cube on the"),
        ("on the right a blue cube, on the left a red ball", "a red ball on the left and a blue cube on the right"),
        ("left: red ball, right: blue cube", "a red ball on the left and a blue cube on the right"),
        ("a red ball, to its right a blue cube", "a red ball on the left and a blue cube on the right"),
        ("a blue cube and on its left a red ball", "a red ball on the left and a blue cube on the right"),
        ("a red ball on the right", "a red ball"),
    ],
)
def test_a_place_is_no_motion_and_each_thing_stands_on_its_side(prompt: str, told: str) -> None:
    caption = expand(prompt)
    assert told in caption and {thing.motion for thing in understand(caption).things} == {"still"}, caption


@pytest.mark.parametrize(
    ("prompt", "motions"),
    [
        ("a ball rolls toward the wall", {"left", "right"}),
        ("a ball rolls into the water", {"left", "right"}),
        ("a ball rolls down a hill", {"left", "right"}),
        ("a ball zooms past", {"left", "right"}),
        ("the camera pans right while a ball rolls", {"left", "right"}),
        ("a ball dashes left", {"left"}),
        ("a ball speeds to the right", {"right"}),
        ("a ball flies toward the screen", {"closer"}),
        ("a ball came closer", {"closer"}),
        ("a ball recedes", {"away"}),
        ("a ball moves down", {"fall"}),
        ("a ball plummets", {"fall"}),
        ("a ball drops down from above", {"fall"}),
        ("a ball is falling slowly from above", {"fall"}),
        ("a ball ascends", {"rise"}),
        ("a ball leaps", {"bounce"}),
        ("a ball whirling", {"spin"}),
        ("a ball spun", {"spin"}),
        ("a ball lying on the sand", {"still"}),
        ("the camera rises over a ball", {"still"}),
        ("the camera flies over a ball", {"still"}),
        ("the camera moves left over a ball", {"still"}),
    ],
)
def test_what_is_said_to_move_moves_and_what_is_not_does_not(prompt: str, motions: set[str]) -> None:
    made = [expanded(prompt, seed) for seed in range(12)]
    assert {understand(one.caption).things[0].motion for one in made} == motions
    assert "seen from above" not in made[0].caption
    assert not set(unknown_words(prompt)) - {"hill", "zooms"}


def test_each_of_two_things_goes_where_it_was_said_to() -> None:
    still, bouncing = understand(expand("a red ball and a bouncing blue cube")).things
    assert (still.motion, bouncing.motion) == ("still", "bounce")
    things = [understand(expand("a red ball rolls and a blue cube slides right", seed)).things for seed in range(4)]
    assert {one.motion for one, _ in things} == {"left", "right"} and {two.motion for _, two in things} == {"right"}


@pytest.mark.parametrize(
    ("prompt", "camera"),
    [
        ("the camera moves left, a ball", "pan left"),
        ("camera pan from left to right, a ball", "pan right"),
        ("camera pans across a beach, a ball", "pan right"),
        ("camera pans up, a ball", "tilt up"),
        ("the view turns left, a ball", "pan left"),
        ("the camera moves around a ball", "orbit"),
        ("pull back from a ball", "dolly out"),
    ],
)
def test_the_camera_moves_as_it_was_said_to(prompt: str, camera: str) -> None:
    made = understand(expand(prompt))
    assert made.camera == camera and made.things[0].motion == "still" and unknown_words(prompt) == []


@pytest.mark.parametrize(
    "view", ["from above", "aerial view of", "drone shot of", "overhead shot of", "top-down view of"]
)
def test_a_view_from_above(view: str) -> None:
    prompt = f"a ball {view}" if view == "from above" else f"{view} a ball"
    assert understand(expand(prompt)).shot == "above" and unknown_words(prompt) == []


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("two shiny red balls", "two red balls"),
        ("two very large glass balls", "two large white balls"),
        ("two rolling red balls", "two red balls roll"),
        ("two gorgeous red balls", "two red balls"),
        ("a pair of wet cubes", "two white cubes"),
        ("two identical green cones", "two green cones"),
        ("a small, red, round ball", "small red ball"),
        ("a blue cube and a red shiny ball", "a red ball on the right"),
        ("a ball, red, a blue cube", "a red ball on the left and a blue cube"),
        ("shot 1: a red ball. shot 2: a blue cube.", "a red ball on the left and a blue cube"),
        ("a group of red balls", "three red balls"),
        ("half a dozen cubes", "four white cubes"),
        ("lots of cubes", "four white cubes"),
        ("twenty cubes", "four white cubes"),
        ("rgb(255,0,0) ball", "a white ball"),
        ("[0.5] red ball", "a red ball"),
        ("a #123 ball", "a white ball"),
        ("a swimming pool with a ball", "a white ball stands still"),
    ],
)
def test_what_describes_a_thing_stays_with_it(prompt: str, told: str) -> None:
    assert told in expand(prompt, 1)


@pytest.mark.parametrize(
    ("prompt", "noted"),
    [
        ("half a dozen cubes", True), ("twenty red balls", True), ("dozens of cats", True), ("100 shiny balls", True),
        ("an 8-bit ball", False), ("a 360 spin around a cube", False), ("0:05 a red ball", False),
        ("a red ball, 24 fps", False), ("(red:1.5) balls", False), ("four balls", False),
    ],
)  # fmt: skip
def test_only_what_counts_things_is_too_many_of_them(prompt: str, noted: bool) -> None:
    assert any("at most 4" in note for note in expanded(prompt).notes) == noted


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a red, a blue and a green ball", ["red", "blue", "green"]),
        ("red, blue and green balls", ["red", "blue", "green"]),
        ("red and blue balls", ["red", "blue"]),
        ("two balls, one red and one blue", ["red", "blue"]),
        ("two balls, one red, one blue", ["red", "blue"]),
        ("two balls: red, blue", ["red", "blue"]),
        ("three balls in red, green and blue", ["red", "green", "blue"]),
        ("a red ball and a blue one", ["red", "blue"]),
        ("a red ball and two blue ones", ["red", "blue", "blue"]),
        ("a cube and a ball, both red", ["red", "red"]),
        ("two balls, both blue", ["blue"]),
        ("a ball, red and a blue cube", ["red", "blue"]),
        ("a red and white ball", ["red"]),
    ],
)
def test_each_thing_has_its_colour(prompt: str, told: list[str]) -> None:
    made = expanded(prompt)
    assert [thing.colour for thing in understand(made.caption).things] == told
    assert ("one colour" in str(made.notes)) == (prompt == "a red and white ball")


def test_a_cut_with_nothing_before_it_is_no_change() -> None:
    assert expand("cut to a blue cube") == expand("a blue cube")


def test_one_of_several_is_another_colour() -> None:
    assert expand("three cubes, one of which is yellow").count("yellow cube") == 1


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("a ball that doesn't bounce", "bounce"),
        ("balls don't roll", "roll"),
        ("a ball, don't show any cubes", "cubes"),
        ("a ball that won't fall", "fall"),
        ("avoid snow, a ball", "snow"),
        ("a ball excluding snow", "snow"),
        ("a ball except at night", "night"),
        ("a ball w/o a cube", "cube"),
        ("remove the cube, a ball", "cube"),
        ("a ball that cannot move", ""),
        ("a ball without moving", ""),
        ("no motion, a ball", ""),
        ("a ball that has stopped", ""),
    ],
)
def test_what_must_not_be_is_not_shown(prompt: str, negative: str) -> None:
    made, read = expanded(prompt), understand(expand(prompt))
    assert made.negative == negative and unknown_words(prompt) == []
    assert [thing.motion for thing in read.things] == ["still"] and (read.ground, read.light) not in {("snow", "night")}


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("can you make a video of a red ball?", "a red ball"),
        ("i'd like to see a red ball that's still", "a red ball"),
        ("draw me a red ball", "a red ball"),
        ("paint a red ball", "a red ball"),
        ("an image of a painted red ball", "a red ball"),
        ("what if there was a red ball", "a red ball"),
        ("red_ball", "a red ball"),
        ("the red ball's colour", "a red ball"),
    ],
)
def test_a_request_is_not_part_of_the_picture(prompt: str, told: str) -> None:
    (thing,) = understand(expand(prompt)).things
    assert told in expand(prompt) and thing.motion == "still" and not set(unknown_words(prompt)) - {"painted"}


@pytest.mark.parametrize("change", [", then ", ", cut to ", " morphs into ", " transforms into ", " becomes "])
def test_another_thing_after_a_change_is_told_with_its_place(change: str) -> None:
    assert ", then a blue cube at night" in expand(f"a red ball on grass{change}a blue cube at night")


@pytest.mark.parametrize(
    ("prompt", "light"),
    [("a ball in the dark", "night"), ("a ball in darkness", "night"), ("a misty morning, a ball", "fog")],
)
def test_a_light_is_no_colour(prompt: str, light: str) -> None:
    read = understand(expand(prompt, 1))
    assert read.light == light and read.things[0].colour == "white"


@pytest.mark.parametrize(
    ("prompt", "colour"),
    [
        ("a fuchsia cone", "purple"), ("a lavender sphere", "purple"), ("a salmon marble", "orange"),
        ("a tan box", "orange"), ("a bluish ball", "blue"), ("a reddish cube", "red"), ("a rose-coloured cone", "red"),
        ("a mint cube", "green"), ("a darkblue ball", "blue"), ("a lightgreen cone", "green"),
        ("a hotpink ring", "purple"),
        ("a cornflowerblue ball", "blue"), ("the cube is teal", "blue"), ("a cube, teal", "blue"),
    ],
)  # fmt: skip
def test_a_colour_the_world_lacks_is_the_nearest(prompt: str, colour: str) -> None:
    made = expanded(prompt)
    assert understand(made.caption).things[0].colour == colour and unknown_words(prompt) == []


@pytest.mark.parametrize(
    "prompt", ["an olive on a plate", "a lime rolls", "a tomato", "a wheat field", "a salmon swims"]
)
def test_what_is_named_like_its_colour_stays(prompt: str) -> None:
    assert prompt.split()[1] in expand(prompt)


@pytest.mark.parametrize(
    ("prompt", "ground", "light"),
    [
        ("a snow white ball on grass", "grass", "noon"),
        ("a sea green ball on grass", "grass", "noon"),
        ("a forest green ball on grass", "grass", "noon"),
        ("a midnight blue ball on grass at noon", "grass", "noon"),
        ("a beach ball on a wooden floor at noon", "wood", "noon"),
        ("a wooden ball on the beach at noon", "sand", "noon"),
        ("an ice cream cone on grass", "grass", "noon"),
        ("an ice cream on grass", "grass", "noon"),
        ("a ball made of snow on grass at noon", "grass", "noon"),
    ],
)
def test_what_a_thing_is_likened_to_or_made_of_is_no_place(prompt: str, ground: str, light: str) -> None:
    read = understand(expand(f"{prompt} at noon"))
    assert (read.ground, read.light) == (ground, light)


@pytest.mark.parametrize(
    ("prompt", "noted"),
    [
        ("a ball on a white background", "white background"), ("a ball on red sand", "red sand"),
        ("the sky is red, a ball", "red sky"), ("a ball in front of a red wall", "red wall"),
        ("a ball on a green floor", "green floor"), ("a ball on blue water", ""), ("yellow sand, a ball", ""),
        ("the sky is blue, a ball", ""), ("green grass, a ball", ""), ("a dark night, a ball", ""),
    ],
)  # fmt: skip
def test_the_colour_of_a_place_is_not_that_of_a_thing(prompt: str, noted: str) -> None:
    made = expanded(prompt, 1)
    assert "white ball" in made.caption, "the seed's colour"
    assert [note.split("'")[1] for note in made.notes] == [noted] * bool(noted)


def test_unknown_words() -> None:
    assert unknown_words("a red toaster rolls left in Tokyo") == ["toaster", "tokyo"]
    assert unknown_words("Two crimson balls bouncing in the snow, camera zooms in") == []
    assert "dragon" in expand("a red dragon in the snow")


@pytest.mark.parametrize("prompt", ["", "   ", "!!!", "snow", "then", "ball ball ball ball ball", "красный шар"])
def test_survives_anything(prompt: str) -> None:
    assert isinstance(expand(prompt), str)
    assert isinstance(unknown_words(prompt), list)


def test_a_word_is_known_where_the_captions_of_training_had_it() -> None:
    vocabulary = ("a", "red", "ball", "on", "snow", "at", "sunset", "rolls")
    assert unknown_words("a crimson sphere rolling on snow at dawn", vocabulary) == []
    assert unknown_words("a cat and a red ball on the moon", vocabulary) == ["cat", "moon"]
