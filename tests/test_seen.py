"""What a clip shows completes a prompt about it: its thing, place, light and look need not be said again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sora_nodes import cli
from sora_nodes.nodes import host
from sora_nodes.nodes.prompting import SoraExpandPrompt
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.media import TensorSource, write_video
from sora_nodes.sora_core.perception.seen import seen_in
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from sora_nodes.sora_core.world.captions import Facts, ThingFacts
from sora_nodes.sora_core.world.expand import expanded, expanded_about
from sora_nodes.sora_core.world.goes_on import returning
from sora_nodes.sora_core.world.scene import Scene
from sora_nodes.sora_core.world.understand import understand

SEEN = Facts(things=(ThingFacts(colour="blue", shape="cube", motion="left"),), ground="snow", light="sunset")
SHAPE = ClipShape(frames=17, height=64, width=112, fps=8)


def rendered(*seeds: int) -> list[tuple[Scene, TensorSource]]:
    """Scenes of one thing and their clips."""
    scenes = [sample_scene(seed, family="single") for seed in seeds]
    return [(s, TensorSource(v, 8.0)) for s, v in zip(scenes, render(scenes, SHAPE), strict=True)]


@pytest.fixture(scope="module")
def clips() -> list[tuple[Scene, TensorSource]]:
    return rendered(*range(40, 52))


def test_what_is_told_of_a_clip_of_the_world_is_so(clips: list[tuple[Scene, TensorSource]]) -> None:
    told = [(scene, seen) for scene, source in clips if (seen := seen_in(source)) is not None]
    assert len(told) >= 7, "most are told"
    for scene, seen in told:
        thing, setting = scene.things[0], scene.setting
        assert (seen.things[0].colour, seen.things[0].shape) == (thing.colour, thing.shape)
        assert (seen.ground, seen.light, seen.style) == (setting.ground, setting.light, setting.style)


def test_floats_and_bytes_read_alike(clips: list[tuple[Scene, TensorSource]]) -> None:
    source = clips[0][1]
    floats = TensorSource(source.read(0, source.length).float() / 255, source.fps)
    assert seen_in(floats) == seen_in(source)


def test_a_long_and_large_file_is_read_a_few_frames_at_a_time(clips: list[tuple[Scene, TensorSource]]) -> None:
    class Counted(TensorSource):
        most = 0

        def read(self, start: int, stop: int) -> torch.Tensor:
            self.most = max(self.most, stop - start)
            return super().read(start, stop)

    slow = clips[0][1]
    fast = Counted(slow.read(0, 17).repeat_interleave(8, 0), 64.0)  # the same clip at 64 frames a second
    assert seen_in(fast) == seen_in(slow)
    assert fast.most <= 16, "a quarter of a second"


@pytest.mark.parametrize("kind", ["noise", "black", "stripes"])
def test_of_what_is_no_clip_of_the_world_nothing_is_told(kind: str) -> None:
    frames = torch.zeros(17, 64, 112, 3)
    if kind == "noise":
        frames = torch.rand(frames.shape, generator=torch.Generator().manual_seed(0))
    if kind == "stripes":
        frames[:, :, ::7] = 1
    assert seen_in(TensorSource(frames, 8.0)) is None
    assert seen_in(None) is None


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("it bounces", {"colour": "blue", "shape": "cube", "motion": "bounce", "ground": "snow", "light": "sunset"}),
        ("at night", {"colour": "blue", "shape": "cube", "motion": "left", "ground": "snow", "light": "night"}),
        ("a blue cube slides over the sand", {"motion": "left", "ground": "sand", "light": "sunset"}),
        ("it's night", {"colour": "blue", "motion": "left", "light": "night"}),
        ("the cube spins", {"colour": "blue", "motion": "spin"}),
        ("a green ball", {"colour": "green", "shape": "ball", "motion": "still", "ground": "snow"}),
        ("as a charcoal drawing", {"colour": "blue", "shape": "cube", "style": "charcoal", "light": "sunset"}),
        ("continue", {"colour": "blue", "shape": "cube", "motion": "left", "ground": "snow", "light": "sunset"}),
        ("it keeps going as before", {"motion": "left", "ground": "snow"}),
        ("the cube stops", {"colour": "blue", "motion": "still"}),
        ("it comes to a halt", {"colour": "blue", "motion": "still"}),
        ("it turns around and comes back", {"motion": "right"}),
        ("it rolls back", {"motion": "right"}),
        ("it continues to the right", {"motion": "right"}),
        ("it starts to spin", {"motion": "spin"}),
        ("it gets closer", {"motion": "closer"}),
        ("the camera stops", {"motion": "left", "camera": "static"}),
        ("night falls", {"motion": "left", "light": "night"}),
        ("fog rolls in", {"motion": "left", "light": "fog"}),
        ("the ball stops", {"colour": "blue", "shape": "ball", "motion": "still"}),
        ("faster", {"colour": "blue", "shape": "cube", "motion": "left", "ground": "snow"}),
        ("make it pixel art", {"colour": "blue", "motion": "left", "ground": "snow", "style": "pixel"}),
        ("turn it into night", {"colour": "blue", "motion": "left", "light": "night"}),
        ("don't move", {"colour": "blue", "motion": "still"}),
        ("make it green", {"colour": "green", "shape": "cube", "ground": "snow"}),
        ("seamless loop", {"colour": "blue", "shape": "cube", "motion": "left"}),
        ("everything stays the same", {"colour": "blue", "motion": "left", "light": "sunset"}),
    ],
)
def test_what_a_prompt_leaves_out_is_as_the_clip_shows_it(prompt: str, wanted: dict[str, str]) -> None:
    for seed in range(3):
        said = understand(expanded(prompt, seed, seen=SEEN).caption)
        (thing,) = said.things
        for name, value in wanted.items():
            assert getattr(thing if hasattr(thing, name) else said, name) == value, name


def test_of_a_clip_that_tells_nothing_nothing_is_made_up() -> None:
    """What the clip shows stays: a prompt says what it says, and the model sees the rest."""

    def told(prompt: str) -> str:
        captions = {expanded_about(prompt, seed, [None]).caption for seed in range(5)}
        assert len(captions) == 1, "no seed chooses"
        return captions.pop()

    assert told("a red ball rolls to the left") == "a red ball rolls to the left."
    assert told("a gold sphere") == "a yellow ball.", "in words that the model knows"
    assert told("a ball rolls") == "a ball rolls.", "where to is to be seen"
    assert told("two balls on snow at night") == "two balls on snow at night."
    assert told("at night") == "at night."
    assert told("it bounces") == "it bounces."
    assert told("it stops") == "it stands still."
    assert told("a red ball next to a blue cube").count("stand") == 0
    assert told("keep going") == told("seamless loop") == told("") == ""
    assert told("a dog chases it") == "a dog chases it.", "half of it would be lost"
    assert told("transition to night") == "transition to night.", "what is said beside it is kept"
    assert told("a red cube moves on snow") == "a red cube slides on snow."
    assert told("it goes on, at night") == "it, at night."
    assert expanded_about("no snow", 0, [None]).negative == "snow"


@pytest.mark.parametrize(
    ("prompt", "motion"),
    [
        ("a red ball stops", "still"),
        ("a red ball rolls in from the left", "right"),
        ("a red ball enters from the right", "left"),
        ("a red ball rolls from the left to the right", "right"),
        ("a red ball turns left", "left"),
        ("a red ball turns around", "spin"),
        ("a red ball keeps bouncing", "bounce"),
    ],
)
def test_everyday_words_are_understood_without_a_clip_too(prompt: str, motion: str) -> None:
    assert understand(expanded(prompt, 1).caption).things[0].motion == motion


def test_a_stranger_in_a_prompt_is_not_taken_for_the_clips_own_thing() -> None:
    caption = expanded("a dragon flies in", seen=SEEN).caption
    assert "dragon" in caption and "cube" not in caption and "snow" in caption


def test_what_the_model_cannot_show_is_added_to_what_the_clip_shows() -> None:
    caption = expanded("wind blows", seen=SEEN).caption
    assert "blue cube" in caption and "snow" in caption and "wind" in caption
    assert "a dog chases a blue cube" in expanded("a dog chases it", seen=SEEN).caption


def test_without_a_prompt_clips_are_told_one_after_the_other() -> None:
    ball = Facts(things=(ThingFacts(colour="red", shape="ball", motion="bounce"),), ground="sand")
    assert expanded_about("", 0, [SEEN]).caption == "a blue cube slides to the left on snow at sunset."
    both = expanded_about("", 0, [SEEN, ball]).caption
    assert both.startswith("a blue cube") and ", then a red ball bounces" in both
    assert expanded_about("", 0, [SEEN, None]).caption == "", "half of it would be taken for all"
    assert expanded_about("a red ball", 3, []) == expanded("a red ball", 3)


def test_a_command_without_a_prompt_says_what_it_saw(
    clips: list[tuple[Scene, TensorSource]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    scene, source = next((scene, source) for scene, source in clips if seen_in(source) is not None)
    write_video("a.mp4", source.read(0, 17), 8, lossless=True)
    write_video("b.mp4", torch.rand(17, 64, 112, 3), 8, lossless=True)
    for name, words in (("a.mp4", f"caption: a {scene.things[0].colour}"), ("b.mp4", "say what the clip shows")):
        assert cli.main(["extend", name, "--seconds", "0.5", "--steps", "1", "-o", f"x{name}"]) == 0
        assert words in capsys.readouterr().err
    assert cli.main(["extend", "a.mp4", "--seconds", "0.5", "--steps", "1", "--no-expand", "-o", "y.mp4"]) == 0
    assert "caption" not in capsys.readouterr().err


def test_a_loop_is_told_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What goes to the left in a clip goes to the right on the way to the beginning; else there are two."""
    there = replace(SEEN, camera="pan left")
    back = returning(there)
    assert (back.things[0].motion, back.camera) == ("right", "pan right") and returning(back) == there
    spinning = replace(SEEN, things=(replace(SEEN.things[0], motion="spin"),))
    assert returning(spinning) == spinning
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sora_nodes.sora_core.perception.seen.seen_in", lambda frames, at_end: SEEN)
    write_video("a.mp4", torch.rand(17, 64, 64, 3), 8, lossless=True)
    for i, (prompt, words) in enumerate({"": "slides to the right", "it slides to the left": "to the left"}.items()):
        assert cli.main(["loop", "a.mp4", prompt, "--steps", "1", "-o", f"x{i}.mp4"]) == 0
        assert words in capsys.readouterr().err


def test_the_node_reads_a_linked_video(clips: list[tuple[Scene, TensorSource]], tmp_path: Path) -> None:
    scene, source = next((scene, source) for scene, source in clips if seen_in(source) is not None)
    write_video(tmp_path / "a.mp4", source.read(0, 17), 8, lossless=True)
    video = host.VideoFromFile(str(tmp_path / "a.mp4"))
    told = SoraExpandPrompt.execute("at night", 1, video=video).result[0]
    assert scene.things[0].colour in told and "night" in told
    assert SoraExpandPrompt.execute("at night", 1).result[0] != told


def test_the_node_reads_a_linked_picture(clips: list[tuple[Scene, TensorSource]]) -> None:
    pictures = [(scene, source.read(0, 1).float() / 255) for scene, source in clips]
    scene, image = next((scene, image) for scene, image in pictures if seen_in(TensorSource(image, 8)) is not None)
    told = SoraExpandPrompt.execute("it bounces", 1, image=image).result[0]
    thing = scene.things[0]
    assert told.startswith(f"a {thing.colour} ") and "bounc" in told
    clear = torch.cat([image, torch.ones_like(image[..., :1])], -1)  # with an alpha channel, as a picture may have
    assert SoraExpandPrompt.execute("it bounces", 1, image=clear).result[0] == told
    assert SoraExpandPrompt.execute("", 1, image=image).result[0] == "", "a still tells no motion to go on with"


def test_the_node_tells_two_clips_one_after_the_other(clips: list[tuple[Scene, TensorSource]], tmp_path: Path) -> None:
    known = [(scene, source) for scene, source in clips if seen_in(source) and seen_in(source, at_end=False)][:2]
    for name, (_, source) in zip("ab", known, strict=True):
        write_video(tmp_path / f"{name}.mp4", source.read(0, 17), 8, lossless=True)
    first, second = (host.VideoFromFile(str(tmp_path / f"{name}.mp4")) for name in "ab")
    before, after = SoraExpandPrompt.execute("", 1, video=first, second=second).result[0].split(", then ")
    for told, (scene, _) in zip((before, after), known, strict=True):
        assert scene.things[0].colour in told
    image = torch.zeros(1, 64, 64, 3)
    for wrong in ({"second": second}, {"video": first, "image": image}, {"second": second, "image": image}):
        with pytest.raises(InputError, match="linked"):
            SoraExpandPrompt.execute("", 1, **wrong)
