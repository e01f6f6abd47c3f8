"""Sizes: rounded up and named, never floored in silence."""

import pytest
import torch
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import Geometry, VideoSize, frames_for, latent_frames, plan, positions, spans

GEOMETRY = Geometry(channels=32)


@pytest.mark.parametrize("width,height", [(64, 64), (128, 72), (72, 128), (1920, 1080), (1080, 1920), (17, 33)])
@pytest.mark.parametrize("seconds,fps", [(2, 8), (0, 8), (2.5, 24), (60, 30)])
def test_a_grid_covers_what_was_asked_with_less_than_one_cell_to_spare(width, height, seconds, fps):
    asked = VideoSize(frames=frames_for(seconds, fps), height=height, width=width, fps=fps)
    grid = plan(asked, GEOMETRY)
    cell = GEOMETRY.space_factor * GEOMETRY.patch
    for given, made, step in (
        (height, grid.sampled.height, cell),
        (width, grid.sampled.width, cell),
        (asked.frames, grid.sampled.frames, 4),
    ):
        assert given <= made < given + step
    assert grid.sampled.frames % 4 == 1
    assert int(spans(grid.shape[1], GEOMETRY).sum()) == grid.sampled.frames
    assert grid.tokens == grid.shape[1] * (grid.shape[2] // 2) * (grid.shape[3] // 2)


def test_a_trimmed_grid_names_both_sizes():
    grid = plan(VideoSize(frames=16, height=72, width=128, fps=8), GEOMETRY)
    assert grid.trimmed and "128x72" in grid.summary() and "128x80, 17 frames" in grid.summary()


def test_positions_are_the_middle_of_what_a_latent_frame_stands_for():
    times = positions(spans(3, GEOMETRY), 8.0)
    assert torch.allclose(times, torch.tensor([0.0, 2.5, 6.5]) / 8)
    late = positions(spans(2, GEOMETRY, mid_stream=True), 8.0, start=1.0)
    assert torch.allclose(late, 1 + torch.tensor([1.5, 5.5]) / 8)


def test_mid_stream_clips_have_no_short_span():
    assert latent_frames(8, GEOMETRY, mid_stream=True) == 2
    assert latent_frames(8, GEOMETRY) == 3


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e9])
def test_impossible_lengths_are_named(seconds):
    with pytest.raises(InputError, match="seconds must be between"):
        frames_for(seconds, 8)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"height": 100000}, {"fps": 0.0}, {"fps": float("nan")}, {"frames": 0}]
)
def test_impossible_sizes_are_named(change):
    with pytest.raises(InputError, match=str(next(iter(change.values())))):
        VideoSize(**{"frames": 1, "height": 64, "width": 64, "fps": 8.0, **change})
