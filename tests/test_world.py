"""The rendered world: the same seed is the same clip, at any size, from any start; truth and captions agree with the
pixels."""

import re

import pytest
import torch
from sora_nodes.sora_core.world import (
    FAMILIES,
    ClipShape,
    Scene,
    Setting,
    Thing,
    attributes,
    describe,
    describe_spans,
    render,
    sample_scene,
    truth,
)
from sora_nodes.sora_core.world.captions import vocabulary
from sora_nodes.sora_core.world.words import COLOURS

SMALL = ClipShape(frames=5, height=32, width=32, fps=8)


def _still(colour: str, shape: str = "cylinder") -> Scene:
    return Scene(
        seed=0,
        family="single",
        things=(Thing(shape=shape, colour=colour, motion="still", turn=0.6),),
        setting=Setting(ground="sand"),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_clip(family: str) -> None:
    scene = sample_scene(5, family=family)
    assert scene == sample_scene(5, family=family)
    clip = render([scene], SMALL)
    assert clip.shape == (1, 5, 32, 32, 3) and clip.dtype == torch.uint8
    together = render([sample_scene(6), scene], SMALL)
    assert torch.equal(together[1], clip[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_prefix_and_middle(family: str) -> None:
    scene = sample_scene(11, family=family)
    whole = render([scene], ClipShape(frames=9, height=24, width=40, fps=4))[0]
    assert torch.equal(render([scene], ClipShape(frames=5, height=24, width=40, fps=4))[0], whole[:5])
    late = render([scene], ClipShape(frames=5, height=24, width=40, fps=4, start=1.0))[0]
    assert (late.int() - whole[4:].int()).abs().max() <= 1


def test_two_solids_stand_as_the_caption_says() -> None:
    seen = set()
    for seed in range(40):
        scene = sample_scene(seed, family="relation")
        first, second = scene.things
        seen.add(scene.relation)
        assert first.colour != second.colour
        match scene.relation:
            case "behind":
                assert first.z < second.z - 1 and " behind " in describe(scene, "plain")
            case "front":
                assert first.z > second.z + 1 and " in front of " in describe(scene, "plain")
            case "around":
                assert second.motion == "still" and " circles around " in describe(scene, "plain")
    assert seen == {"near", "behind", "front", "around"}


def test_bands_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    scene = sample_scene(3, family="things")
    whole = render([scene], SMALL)
    monkeypatch.setattr(sys.modules["sora_nodes.sora_core.world.render"], "PART", 300)
    assert (render([scene], SMALL).int() - whole.int()).abs().max() <= 1


def test_truth_is_independent_of_resolution() -> None:
    scene = sample_scene(7, family="things")
    small, large = truth(scene, SMALL), truth(scene, ClipShape(frames=5, height=80, width=80, fps=8))
    assert torch.allclose(small.centers, large.centers, atol=1e-6)
    assert small.ids.shape == (5, 32, 32) and large.ids.shape == (5, 80, 80)
    assert ((small.ids == 2).float().mean() - (large.ids == 2).float().mean()).abs() < 0.02


def test_truth_knows_what_is_hidden() -> None:
    hidden = []
    for seed in range(40):
        scene = sample_scene(seed, family="occluder")
        if scene.wall:
            facts = truth(scene, ClipShape(frames=17, height=48, width=48, fps=8))
            hidden.append(facts.visible.min().item())
            assert facts.visible[0].item() > 0.9 and (facts.ids < 0).any()
    assert hidden and max(hidden) < 0.2


def test_held_out_is_disjoint_and_stable() -> None:
    def key(scene: Scene) -> tuple[str | int, ...]:
        facts = attributes(scene)
        return tuple(facts[k] for k in ("colour", "shape", "motion", "ground", "light"))

    kept = {key(sample_scene(s, family="single")) for s in range(800)}
    out = {key(sample_scene(s, family="single", held_out=True)) for s in range(300)}
    assert not kept & out
    anything = [sample_scene(s, family="single", held_out=None) for s in range(2000)]
    share = sum(key(s) in out or s != sample_scene(s.seed, family="single") for s in anything) / len(anything)
    assert 0.05 < share < 0.11
    assert key(sample_scene(0, family="single", held_out=True)) == PINNED


@pytest.mark.parametrize("colour", list(COLOURS))
def test_colour_is_what_the_caption_says(colour: str) -> None:
    scene = _still(colour)
    shape = ClipShape(frames=1, height=64, width=64, fps=8)
    pixels, ids = render([scene], shape)[0, 0].float() / 255, truth(scene, shape).ids[0]
    middle = pixels[ids == 2].median(0).values
    names = list(COLOURS)
    unit = torch.tensor([COLOURS[n] for n in names])
    assert names[int(((unit - middle) ** 2).sum(1).argmin())] == colour


def test_captions_use_the_vocabulary_and_say_what_matters() -> None:
    known = vocabulary()
    assert len(known) <= 700
    for seed in range(300):
        scene = sample_scene(seed)
        for level in ("short", "plain", "descriptive"):
            text = describe(scene, level, seed)
            assert set(re.findall(r"[a-z]+", text)) <= known
            assert len(text.split()) <= 45
            assert text == describe(scene, level, seed)
        assert attributes(scene)["colour"] in describe(scene, "plain")
        assert "camera" in describe(scene, "descriptive", seed)


def test_plain_style() -> None:
    thing = Thing(shape="ball", colour="red", motion="left")
    scene = Scene(seed=0, family="single", things=(thing,), setting=Setting(ground="snow", light="sunset"))
    assert describe(scene, "plain") == "a red ball rolls to the left on snow at sunset"


def test_spans() -> None:
    for family in FAMILIES:
        spans = describe_spans(sample_scene(1, family=family), "plain")
        assert len(spans) == (2 if family in ("shots", "transition") else 1)
        assert spans[0][0] == 0.0


def test_single_objects_are_in_view() -> None:
    shape = ClipShape(frames=17, height=16, width=16, fps=8)
    inside = []
    for seed in range(60):
        centers = truth(sample_scene(seed, family="single"), shape).centers
        inside.append(((centers > 0) & (centers < 1)).all(-1).float().mean().item())
    assert min(inside) > 0.6


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="family"):
        sample_scene(0, family="dragons")
    with pytest.raises(ValueError, match="level"):
        describe(sample_scene(0), "poem")
    with pytest.raises(ValueError, match="positive"):
        ClipShape(frames=0, height=1, width=1, fps=8)


PINNED = ("green", "cylinder", "closer", "wood", "fog")
