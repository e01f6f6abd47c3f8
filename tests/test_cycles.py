"""A codec that begins anew from time to time, as MiniMax H3's does (17k + 5 frames), under the edit operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sora_nodes.sora_core.editing import (
    Clip,
    Edit,
    Keyframe,
    Shot,
    animate,
    connect,
    extend,
    fill,
    loop_clip,
    loop_new,
    restyle,
    stitch,
    storyboard,
)  # fmt: skip
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import Geometry, VideoSize, latent_frames, plan, spans
from torch import Tensor

GEOMETRY = Geometry(time_factor=4, space_factor=16, channels=24, patch=2, cycle=5)
SIZE = VideoSize(frames=40, height=64, width=96, fps=24.0)


class Means:
    """Each latent frame is the mean of its frames, which it decodes to; takes whole clips alone."""

    geometry, takes_spans = GEOMETRY, False

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor:
        count = latent_frames(video.shape[2], GEOMETRY)
        lengths = spans(count, GEOMETRY).tolist()
        assert not mid_stream and sum(lengths) == video.shape[2], f"{video.shape[2]} frames fill no whole latents"
        means = torch.stack([part.mean(2) for part in video.split(lengths, 2)], 2)
        small = torch.nn.functional.avg_pool3d(means, (1, 16, 16))
        return torch.cat([small, small.new_zeros(1, 21, *small.shape[2:])], 1)

    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor:
        frames = latent[:, :3].repeat_interleave(spans(latent.shape[2], GEOMETRY), 2)
        return frames.repeat_interleave(16, 3).repeat_interleave(16, 4)


def clip(frames: int) -> Clip:
    levels = torch.linspace(0.2, 0.8, frames).view(-1, 1, 1, 1)
    return Clip(image=levels.expand(-1, 64, 96, 3).contiguous(), fps=24.0)


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 22, 23, 40, 100])
def test_a_grid_is_the_next_length_up(frames: int) -> None:
    grid = plan(VideoSize(frames=frames, height=64, width=96, fps=24.0), GEOMETRY)
    assert grid.sampled.frames == (1 if frames == 1 else next(n for n in range(5, 999, 17) if n >= frames))
    assert int(spans(grid.shape[1], GEOMETRY).sum()) == grid.sampled.frames
    assert spans(7, GEOMETRY).tolist() == [1, 4, 4, 4, 4, 1, 4]


EDITS: dict[str, Callable[[Clip], Edit]] = {
    **{
        direction: lambda given, way=direction: extend(  # type: ignore[misc]
            given, Means(), seconds=1.0, direction=way, overlap=20, mid_stream=False
        )
        for direction in ("forward", "backward", "both")
    },
    "connect": lambda given: connect(given, given, Means(), seconds=0.5, overlap=20, mid_stream=False),
    "loop": lambda given: loop_clip(given, Means(), seconds=0.5, overlap=20, mid_stream=False),
}


@pytest.mark.parametrize("frames", [22, 30, 57])
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_has_whole_latents_and_keeps_each_frame_at_its_place(name: str, frames: int) -> None:
    given = clip(frames)
    edit = EDITS[name](given)
    state = edit.state
    assert state.spans.tolist() == spans(len(state.spans), GEOMETRY).tolist(), "the pattern of the grid is broken"
    assert len(state.spans) % 5 == 2 and 0 < state.mask.mean() < 1
    decoded = Means().decode(state.clean)[0].movedim(0, -1) / 2 + 0.5
    made = stitch(edit, state.clean, Means(), colour_match=False)
    assert len(made) == edit.frames
    start = {"forward": 0, "connect": 0, "loop": 0, "backward": edit.frames - frames}.get(name)
    start = (edit.frames - frames) // 2 if start is None else start
    assert given.image is not None and torch.equal(made[start : start + frames], given.image)
    if edit.given is not None and edit.keep is not None:  # what the network sees of kept frames is at their place
        kept = (state.mask[0, 0, :, 0, 0] == 0).repeat_interleave(state.spans)
        seen = edit.given.read(0, len(edit.keep))
        assert float((decoded[kept] - seen[kept])[:, 0, 0].abs().max()) < 0.05


def test_a_first_picture_and_a_restyled_clip_work() -> None:
    picture = torch.rand(1, 64, 96, 3)
    edit = animate([Keyframe(image=picture, frame_idx=0)], Means(), size=SIZE)
    assert edit.frames == 40 and len(edit.state.spans) == 17
    styled = restyle(clip(30), Means(), flow_edit=False)
    assert styled.frames == 30 and int(styled.state.spans.sum()) == 39


@pytest.mark.parametrize(
    "call",
    [
        lambda: loop_new(Means(), size=SIZE),
        lambda: fill(clip(30), Means(), missing=torch.arange(30) == 7),
        lambda: storyboard([Shot(prompt="a", seconds=1.0)], Means(), size=SIZE),
        lambda: animate([Keyframe(image=torch.rand(1, 64, 96, 3), frame_idx=-1)], Means(), size=SIZE),
    ],
    ids=["loop", "fill", "storyboard", "keyframe"],
)
def test_what_does_not_work_is_said(call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="begins anew every 17 frames"):
        call()
