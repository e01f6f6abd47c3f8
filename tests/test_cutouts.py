"""Living and made things: small painted pictures stand in for the real ones; the world draws them where they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sora_nodes.sora_core import checkpoints
from sora_nodes.sora_core.errors import CheckpointError, InputError, ResourceError
from sora_nodes.sora_core.world import (
    FAMILIES,
    ClipShape,
    Cutouts,
    Scene,
    Setting,
    Thing,
    View,
    cutouts,
    describe,
    render,
    render_joined,
    sample_joined,
    sample_scene,
    things_joined,
    truth,
)
from sora_nodes.sora_core.world.captions import vocabulary
from sora_nodes.sora_core.world.nouns import NOUNS, plural
from sora_nodes.sora_core.world.truth import FIRST
from torch import Tensor

SHAPE = ClipShape(frames=5, height=48, width=64, fps=4)


def picture(colour: tuple[int, int, int], frames: int) -> Tensor:
    """A block with transparent corners: its left half is of the colour, its right half is white."""
    out = torch.zeros(frames, 32, 48, 4, dtype=torch.uint8)
    out[:, 2:31, 6:42, 3] = 255
    out[:, :, :24, :3] = torch.tensor(colour, dtype=torch.uint8)
    out[:, :, 24:, :3] = 255
    return out


@pytest.fixture(scope="module")
def toys() -> Cutouts:
    """A red cat of two frames, a blue house, a green bird."""
    return Cutouts.of(
        {"cat": picture((230, 20, 20), 2), "house": picture((20, 20, 230), 1), "bird": picture((20, 200, 20), 3)}
    )


def standing(shape: str, **more: object) -> Thing:
    return Thing(shape=shape, colour="", motion="still", **more)  # type: ignore[arg-type]


def of(*things: Thing, **more: object) -> Scene:
    return Scene(seed=0, family="single", things=things, setting=Setting(ground="sand"), **more)  # type: ignore[arg-type]


def test_a_picture_stands_where_the_truth_says(toys: Cutouts) -> None:
    scene = of(standing("cat", x=0.5))
    clip, facts = render([scene], SHAPE, cutouts=toys)[0].float(), truth(scene, SHAPE, toys)
    red = (clip[..., 0] - clip[..., 1] > 90) & (clip[..., 0] - clip[..., 2] > 90)
    there = facts.ids == FIRST
    assert there[0].sum() > 40 and facts.visible.min() > 0.95
    assert (red & there).sum() > 0.3 * there.sum() and (red & ~there).sum() < 0.15 * red.sum()
    x, y = facts.centers[0, 0]
    rows, columns = there[0].nonzero(as_tuple=True)
    assert abs(columns.float().mean() / 64 - x) < 0.04 and abs(rows.float().mean() / 48 - y) < 0.08


def test_it_looks_where_it_goes(toys: Cutouts) -> None:
    def red_side(motion: str) -> float:
        scene = of(Thing(shape="cat", colour="", motion=motion, gait="walk", travel=0.2))
        clip = render([scene], SHAPE, cutouts=toys)[0, 2].float()
        columns = torch.arange(64.0)
        red = (clip[..., 0] - clip[..., 1] > 90).float()
        ids = (truth(scene, SHAPE, toys).ids[2] == FIRST).float()
        return float((red * columns).sum() / red.sum() - (ids * columns).sum() / ids.sum())

    assert red_side("left") < -2 < 2 < red_side("right")


def test_near_hides_far_and_a_shadow_falls(toys: Cutouts) -> None:
    near, far = standing("cat", z=0.8), standing("house", z=-0.8)
    for things, first in (((near, far), 0), ((far, near), 1)):
        facts = truth(of(*things), SHAPE, toys)
        assert facts.visible[0, first] > 0.95 and facts.visible[0, 1 - first] < 0.6
    alone = render([of(standing("cat"))], SHAPE, cutouts=toys)[0, 0].float()
    nobody = render([of(replace(standing("cat"), x=50.0))], SHAPE, cutouts=toys)[0, 0].float()
    outside = truth(of(standing("cat")), SHAPE, toys).ids[0] < FIRST
    assert ((nobody - alone).mean(-1)[outside] > 25).sum() > 5


def test_a_ball_before_and_behind_a_picture(toys: Cutouts) -> None:
    ball = Thing(shape="ball", colour="green", motion="still", radius=0.4)
    for z, seen in ((1.2, True), (-1.2, False)):
        facts = truth(of(standing("house", radius=0.9), replace(ball, z=z)), SHAPE, toys)
        assert (facts.visible[0, 1] > 0.9) == seen


def test_a_bite_stays(toys: Cutouts) -> None:
    scene = of(Thing(shape="cat", colour="", motion="bite"), change=0.5)
    area = (truth(scene, SHAPE, toys).ids == FIRST).flatten(1).sum(1)
    assert area[-1] < 0.95 * area[0] and area[-1] == area[-2]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_style_is_the_same_again(family: str, toys: Cutouts) -> None:
    for seed in range(3):
        scene = sample_scene(seed, family=family, nouns=toys.nouns)
        assert scene == sample_scene(seed, family=family, nouns=toys.nouns)
        clip = render([scene], SHAPE, cutouts=toys)
        if "clay" not in (scene.setting.style, scene.next_setting and scene.next_setting.style):
            assert torch.equal(render([scene], SHAPE, cutouts=toys, part=1500), clip)
        later = render([scene], replace(SHAPE, frames=3, start=0.5), cutouts=toys)
        assert (later.int() - clip[:, 2:].int()).abs().max() <= 1
        assert truth(scene, SHAPE, toys).ids.shape == clip.shape[1:4]


@pytest.mark.parametrize("family", ["storyboard", "bridge"])
def test_joined_clips_hold_pictures(family: str, toys: Cutouts) -> None:
    pairs = [sample_joined(seed, family, SHAPE, 4, toys.nouns) for seed in range(6)]
    assert any(pair.first.things[0].shape in NOUNS for pair in pairs)
    for pair in pairs:
        clip = render_joined(pair, SHAPE, cutouts=toys)
        assert clip.shape == (1, 5, 48, 64, 3) and things_joined(pair, SHAPE, toys).any()


def test_a_loop_is_as_it_was(toys: Cutouts) -> None:
    nouns = [s for i in range(40) if (s := sample_scene(i, family="loop", nouns=toys.nouns)).things[0].shape in NOUNS]
    for scene in nouns[:6]:
        clip = render([scene], replace(SHAPE, frames=9), cutouts=toys)[0].int()
        assert (clip[8] - clip[0]).abs().float().mean() < 0.5 and (clip[3] - clip[1]).abs().max() > 5


def test_captions_of_all_nouns_are_known() -> None:
    known = vocabulary()
    for seed in range(300):
        scene = sample_scene(seed, nouns=tuple(NOUNS))
        for level in ("short", "plain", "descriptive"):
            text = describe(scene, level, seed)
            assert not [
                w
                for w in text.replace(",", " ").replace(".", " ").replace(":", " ").split()
                if not set(w.split("-")) <= known
            ], text
        if scene.things[0].shape in NOUNS:
            names = NOUNS[scene.things[0].shape].names
            assert any(name in describe(scene, "plain") or plural(name) in describe(scene, "plain") for name in names)


def test_without_the_pictures_it_says_so(toys: Cutouts) -> None:
    with pytest.raises(InputError, match="cat"):
        render([of(standing("cat"))], SHAPE)
    with pytest.raises(InputError, match="dog"):
        render([of(standing("dog"))], SHAPE, cutouts=toys)
    assert all(thing.shape not in NOUNS for seed in range(50) for thing in sample_scene(seed).things)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    drawn = picture((1, 2, 3), 1)
    for config, tensors in (({}, {"cat": drawn}), ({"nouns": ["gryphon"]}, {"gryphon": drawn})):
        checkpoints.save(tmp_path / "c.safetensors", tensors, config=config)
        with pytest.raises(CheckpointError, match=r"c\.safetensors"):
            cutouts.load(tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="gryphon"):
        sample_scene(0, nouns=("gryphon",))


def test_from_packages_to_a_file_and_back(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cat"):
        cutouts.build(tmp_path, tmp_path / "c.safetensors", ["cat"])
    for folder, count in (("still", 1), ("moving", 12)):
        (tmp_path / folder).mkdir()
        frames = []
        for i in range(count):
            drawn = np.zeros((256, 256, 4), np.uint8)
            drawn[100:200, 60 + i : 160 + i] = (200, 30, 30, 255)
            frames.append(Image.fromarray(drawn))
        frames[0].save(tmp_path / folder / f"{NOUNS['cat'].code}.webp", save_all=True, append_images=frames[1:])
    loaded = cutouts.load(cutouts.build(tmp_path, tmp_path / "c.safetensors", ["cat"]))
    sheet = loaded.sheet("cat")
    assert sheet.frames == cutouts.FRAMES and max(sheet.heights[0], sheet.widths[0]) <= cutouts.LONG_SIDE
    assert 0.8 < sheet.aspect < 1.4 and sheet.colour[0] > 3 * sheet.colour[1]
    assert render([of(standing("cat"), view=View(distance=4.0))], SHAPE, cutouts=loaded).shape == (1, 5, 48, 64, 3)
