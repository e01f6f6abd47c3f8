"""Two scenes in one clip, and scenes that repeat: what editing is trained on."""

import pytest
import torch
from sora_nodes.sora_core.world import (
    JOINED,
    ClipShape,
    Joined,
    is_held_out,
    join_captions,
    render,
    render_joined,
    sample_joined,
    sample_scene,
    things_joined,
)

SHAPE = ClipShape(frames=25, height=16, width=24, fps=8)


def joined(family: str, seed: int = 4) -> Joined:
    return sample_joined(seed, family, SHAPE, 4)


@pytest.mark.parametrize("family", JOINED)
def test_the_same_seed_is_the_same_pair_of_scenes_of_training(family: str) -> None:
    assert joined(family) == joined(family) != joined(family, 5)
    for seed in range(40):
        pair = joined(family, seed)
        assert not is_held_out(pair.first) and not is_held_out(pair.second)
        assert 0.5 <= pair.change <= SHAPE.frames / SHAPE.fps - 0.5


def test_a_storyboard_is_one_thing_in_two_places_cut_between_latent_frames() -> None:
    for seed in range(20):
        pair = joined("storyboard", seed)
        assert pair.first.things == pair.second.things
        assert (
            pair.first.setting.ground != pair.second.setting.ground
            and pair.first.setting.light != pair.second.setting.light
        )
        assert (pair.change * SHAPE.fps - 1) % 4 == 0


def test_each_side_of_a_cut_is_its_own_scene_from_its_beginning() -> None:
    pair = joined("storyboard")
    cut = round(pair.change * SHAPE.fps)
    video = render_joined(pair, SHAPE)
    assert video.dtype == torch.uint8 and video.shape == (1, 25, 16, 24, 3)
    for part, scene in ((video[0, :cut], pair.first), (video[0, cut:], pair.second)):
        own = render([scene], ClipShape(frames=len(part), height=16, width=24, fps=8))[0]
        assert torch.equal(part, own)


def test_a_bridge_begins_as_the_first_scene_and_ends_as_the_second() -> None:
    pair = joined("bridge")
    video = render_joined(pair, SHAPE)[0].float()
    first = render([pair.first], SHAPE)[0].float()
    assert torch.equal(video[:6], first[:6])
    late = 25 - 6
    start = late / SHAPE.fps - pair.begin
    second = render([pair.second], ClipShape(frames=6, height=16, width=24, fps=8, start=start))[0].float()
    assert (video[late:] - second).abs().max() <= 1
    halfway = round(pair.change * SHAPE.fps)
    assert not torch.equal(video[halfway], first[halfway])


@pytest.mark.parametrize("family", JOINED)
def test_things_are_marked_where_they_are_seen(family: str) -> None:
    seen = things_joined(joined(family), SHAPE)
    assert seen.shape == (25, 16, 24) and 0 < seen.float().mean() < 0.5


def test_a_storyboard_has_a_caption_for_each_place_and_a_bridge_one_for_both() -> None:
    board, bridge = joined("storyboard"), joined("bridge")
    (start, first), (cut, second) = join_captions(board, "plain", 0)
    assert start == 0 and cut == board.change and first != second
    ((start, text),) = join_captions(bridge, "plain", 0)
    assert start == 0 and ", then a" in text


def test_a_loop_is_after_two_seconds_as_it_was() -> None:
    for seed in range(6):
        scene = sample_scene(seed, family="loop")
        video = render([scene], ClipShape(frames=17, height=16, width=24, fps=8))[0].float()
        assert (video[0] - video[16]).abs().max() <= 1
        assert (video[1:16] - video[0]).abs().amax() > 1 or scene.things[0].motion == "spin", "it moves in between"
