"""Verbs that make all or nearly all: animate, loops from text, restyle and shots; sizes; colour and joining."""

from __future__ import annotations

import pytest
import torch
from editing_toys import FPS, H, W, clip, frames, pattern, sampled, tiny_codec
from sora_nodes.sora_core.diffusion import sample, schedule, start
from sora_nodes.sora_core.editing import (
    Keyframe,
    Shot,
    animate,
    extend,
    fit_frames,
    loop_new,
    restyle,
    stitch,
    storyboard,
)
from sora_nodes.sora_core.editing.coding import encode_clip
from sora_nodes.sora_core.editing.frames import Resampled, read_image
from sora_nodes.sora_core.editing.stitch import match_kept, temporally_smoothed
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import TensorSource
from sora_nodes.sora_core.settings import SamplingSettings

CODEC = tiny_codec()


def matched_to(decoded: torch.Tensor, given: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    return match_kept(decoded.clone(), TensorSource(given, FPS), keep)


SIZE = VideoSize(frames=16, height=H, width=W, fps=FPS)


def test_the_picture_is_the_first_frame_to_the_bit() -> None:
    picture = frames(1)
    edit = animate([Keyframe(image=picture, frame_idx=0)], CODEC, size=SIZE)
    assert pattern(edit) == "kmmmm"
    assert edit.state.spans.tolist() == [1, 4, 4, 4, 4]
    out = stitch(edit, sampled(edit), CODEC)
    assert len(out) == 16
    assert torch.equal(out[:1], picture)


def test_keyframes_stand_in_the_latent_frame_of_their_index() -> None:
    edit = animate([Keyframe(image=frames(1, seed=i), frame_idx=i) for i in (0, 6, -1)], CODEC, size=SIZE)
    assert pattern(edit) == "kmkmk"


def test_pictures_that_are_held_stand_still_where_sampling_begins() -> None:
    first, last = frames(1), frames(1, seed=1)
    keys = [Keyframe(image=last, frame_idx=-1), Keyframe(image=first, frame_idx=0)]
    edit = animate(keys, CODEC, size=SIZE, hold=True)
    stood = torch.cat([first.expand(15, -1, -1, -1), last.expand(2, -1, -1, -1)])
    assert torch.equal(edit.state.latent, encode_clip(stood, CODEC))
    assert torch.equal(edit.state.clean, animate(keys, CODEC, size=SIZE).state.clean)
    usual = SamplingSettings()
    made = edit.settings(usual, usual)
    assert made.flow_edit and made.cfg == 1 and made.denoise < 1
    assert not animate(keys, CODEC, size=SIZE).settings(usual, usual).flow_edit


def test_a_weak_picture_may_be_left() -> None:
    edit = animate([Keyframe(image=frames(1), frame_idx=0, strength=0.25)], CODEC, size=SIZE)
    assert edit.state.mask[0, 0, 0].unique().tolist() == [0.75]
    assert edit.given is None
    assert start(edit.state, torch.randn(edit.state.latent.shape), 1.0).isfinite().all()


def test_a_new_loop_turns_with_its_ring() -> None:
    edit = loop_new(CODEC, size=VideoSize(frames=40, height=H, width=W, fps=FPS))
    assert edit.ring and edit.state.spans.unique().tolist() == [4]
    latent = torch.randn(edit.state.latent.shape)
    out, turned = (stitch(edit, x, CODEC) for x in (latent, latent.roll(3, 2)))
    assert len(out) == 40
    assert torch.allclose(out.roll(12, 0), turned, atol=1e-5)


def test_restyle_starts_from_the_clip() -> None:
    given = clip(15)
    edit = restyle(given, CODEC, denoise=0.5)
    assert pattern(edit) == "mmmmm" and edit.denoise == 0.5
    assert edit.cfg == 1.5 and restyle(given, CODEC, flow_edit=False).cfg is None, (
        "without the anchor, guidance is the sampler's"
    )
    encoded = CODEC.encode(given.image[:13].movedim(-1, 0)[None] * 2 - 1)
    assert torch.allclose(edit.state.latent[:, :, :4], encoded, atol=1e-5)
    sigmas = schedule("simple", 4, denoise=edit.denoise)
    noise = torch.randn(edit.state.latent.shape)
    same = sample(lambda *_: edit.state.latent, edit.state, noise, sigmas, torch.zeros(1, 1, 1))
    assert torch.allclose(same, edit.state.latent, atol=1e-5)
    assert len(stitch(edit, same, CODEC)) == 15


def test_every_latent_frame_follows_the_prompt_of_its_shot() -> None:
    board = storyboard([Shot(prompt="a ball", seconds=1.0), Shot(prompt="a cone", seconds=1.0)], CODEC, size=SIZE)
    assert board.edit.frames == 16
    assert board.edit.prompt_schedule.rows.tolist() == [0, 0, 0, 1, 1]
    assert torch.equal(board.weights.argmax(0), board.edit.prompt_schedule.rows)
    assert "shot 2 begins at 1.12 s instead of 1.00 s" in board.edit.notes[0]
    usual = SamplingSettings()
    assert board.edit.settings(usual, usual).cfg == 3
    assert board.edit.settings(usual.with_(cfg=1.5), usual).cfg == 1.5
    few_steps = usual.with_(cfg=1)
    assert board.edit.settings(few_steps, few_steps).cfg == 1


@pytest.mark.parametrize("seconds", [(0.7, 1.3, 2.0), (2.0, 0.55, 1.1)])
def test_cuts_are_within_half_a_latent_frame_of_the_time_asked(seconds: tuple[float, ...]) -> None:
    board = storyboard([Shot(prompt=str(i), seconds=s) for i, s in enumerate(seconds)], CODEC, size=SIZE)
    begins = torch.cat([torch.zeros(1), board.edit.state.spans.cumsum(0)[:-1]])
    for i in range(1, len(seconds)):
        at = begins[(board.edit.prompt_schedule.rows == i).nonzero()[0, 0]]
        assert abs(at - sum(seconds[:i]) * FPS) <= 2.5


def test_a_blend_goes_over() -> None:
    board = storyboard([Shot(prompt="a", seconds=2.0), Shot(prompt="b", seconds=2.0)], CODEC, size=SIZE, fade=1.0)
    assert 0 < board.weights[0, 4] < 1
    assert torch.allclose(board.weights.sum(0), torch.ones(9))


def test_pictures_are_never_squashed() -> None:
    circle = torch.zeros(1, 60, 90, 3)
    y, x = torch.meshgrid(torch.arange(60), torch.arange(90), indexing="ij")
    circle[0, (y - 30) ** 2 + (x - 45) ** 2 < 20**2] = 1
    for how in ("crop", "fit"):
        out = fit_frames(circle, 32, 32, how)[0, ..., 0] > 0.5
        tall, wide = out.any(1).sum(), out.any(0).sum()
        assert abs(int(tall) - int(wide)) <= 1
    assert fit_frames(circle, 32, 32, "fit")[0, :, :, 0].sum() < fit_frames(circle, 32, 32, "crop")[0, :, :, 0].sum()


def test_rates_change_by_whole_frames() -> None:
    image = frames(8)
    assert torch.equal(read_image(Resampled(TensorSource(image, 16), 8)), image[1::2])
    assert torch.equal(read_image(Resampled(TensorSource(image, 8), 16))[::2], image)


def test_made_frames_take_the_colour_that_the_codec_lost() -> None:
    true = frames(12)
    decoded = true * 0.95 + 0.02
    keep = torch.arange(12) < 8
    matched = matched_to(decoded, true, keep)
    assert (matched[8:] - true[8:]).abs().max() < 0.02 < (decoded[8:] - true[8:]).abs().max()
    assert torch.equal(matched[:8], decoded[:8])


def test_a_picture_of_one_pixel_has_a_colour_and_no_contrast() -> None:
    given = torch.full((3, 1, 1, 3), 0.5)
    made = matched_to(given - 0.1, given, torch.tensor([True, False, False]))
    assert torch.allclose(made[1:], given[1:], atol=1e-6)


def test_what_stands_still_keeps_the_detail_that_the_codec_lost() -> None:
    true = frames(1, height=32, width=32).repeat(12, 1, 1, 1)
    decoded = torch.nn.functional.avg_pool2d(true.movedim(-1, 1), 3, 1, 1, count_include_pad=False).movedim(1, -1)
    for i in range(12):
        decoded[i, 12:20, 2 * i : 2 * i + 8] = 1  # what moves
    keep = torch.arange(12) < 4
    given = torch.where(decoded[:, :, :, :1] == 1, decoded, true)
    matched = matched_to(decoded, given, keep)
    assert (matched[4:, :8] - true[4:, :8]).abs().mean() < 0.2 * (decoded[4:, :8] - true[4:, :8]).abs().mean()
    assert matched[11, 14:18, 24:28].min() > 0.9


@pytest.mark.parametrize("after", [False, True])
def test_a_jump_at_the_seam_is_taken_out_where_nothing_moves_before_or_after_it(after: bool) -> None:
    true = frames(1, height=32, width=32).repeat(12, 1, 1, 1)
    made = torch.arange(12) < 6 if after else torch.arange(12) >= 6
    decoded = true.clone()
    decoded[made, :16] = (decoded[made, :16] + 0.1).clamp(max=1)  # the network slips
    decoded[made, 24:] = torch.rand(6, 8, 32, 3)  # it really moves here
    matched = matched_to(decoded, true, ~made)
    kept, wrong = ((matched - other).abs()[made, 2:14].mean((1, 2, 3)) for other in (true, decoded))
    near, far = (-1, 0) if after else (0, -1)
    assert kept[near] < 0.2 * (decoded - true).abs()[made, 2:14].mean() < kept[far], (
        "from there it goes back to the network's own"
    )
    assert wrong[far] < wrong[near]
    assert (matched[made, 28:] - decoded[made, 28:]).abs().mean() < 0.05


def test_a_thing_that_the_network_drops_at_the_seam_leaves_no_outline_behind() -> None:
    """The codec draws its edge wider than it was; what it took from the kept frames there is not for made ones."""
    ground, shape = torch.full((64, 64, 3), 0.5), torch.zeros(64, 64, 3)
    shape[16:40, 16:40] = 1
    with_it = torch.where(shape > 0, torch.tensor([0.1, 0.5, 0.9]), ground).expand(12, -1, -1, -1)
    by_codec = torch.nn.functional.avg_pool2d(with_it.movedim(-1, 1), 5, 1, 2, count_include_pad=False).movedim(1, -1)
    keep = torch.arange(12) < 6
    decoded = torch.where(keep.view(-1, 1, 1, 1), by_codec, ground)
    without = decoded.clone()
    matched = matched_to(decoded, with_it.contiguous(), keep)
    assert (matched[6:] - without[6:]).abs().amax() < 0.03


def test_what_is_carried_over_ten_seams_does_not_add_up() -> None:
    true = frames(1, height=32, width=32)
    generator = torch.Generator().manual_seed(0)
    given = true.repeat(8, 1, 1, 1)
    for _ in range(10):
        made = true + 0.02 * torch.randn(8, 32, 32, 3, generator=generator)
        decoded = torch.cat([true.expand(8, -1, -1, -1), made])
        given = matched_to(decoded, torch.cat([given, made]), torch.arange(16) < 8)[8:]
    assert (given[-1] - true).std() < 1.5 * (made[-1] - true).std()


def ring(slip: float) -> torch.Tensor:
    """Four latent frames of four frames that stand still: each is brighter or darker than the one before; below
    something moves."""
    picture = 0.25 + frames(1, height=32, width=32).repeat(16, 1, 1, 1) / 2
    picture += slip * torch.tensor([0.0, 1, 0, -1]).repeat_interleave(4).view(-1, 1, 1, 1)
    picture[:, 20:] = torch.rand(16, 12, 32, 3, generator=torch.Generator().manual_seed(1))
    return picture


def test_a_ring_does_not_jump_where_latent_frames_meet() -> None:
    given, spans = ring(0.05), torch.full((4,), 4)
    out = temporally_smoothed(given, spans)
    steps = (out - out.roll(1, 0)).abs()[:, 2:14].mean((1, 2, 3))
    assert steps[::4].max() < 0.01, "neither at the wrap nor where others meet"
    assert steps.max() < 0.3 * (given - given.roll(1, 0)).abs()[:, 2:14].mean((1, 2, 3)).max(), (
        "it goes over slowly instead"
    )
    assert (out - given).abs()[:, 26:].mean() < 0.005, "what moves is left as it is"
    turned = temporally_smoothed(given.roll(4, 0), spans)
    assert torch.allclose(turned, out.roll(4, 0), atol=2e-3), "a ring has no beginning"
    assert torch.equal(temporally_smoothed(ring(0.0), spans)[:, 2:14], ring(0.0)[:, 2:14])


BAD = {
    "no picture": (lambda: animate([], CODEC, size=SIZE), "at least one picture"),
    "outside": (
        lambda: animate([Keyframe(image=frames(1), frame_idx=16)], CODEC, size=SIZE),
        "frame_idx 16 is outside",
    ),
    "before": (lambda: animate([Keyframe(image=frames(1), frame_idx=-17)], CODEC, size=SIZE), "use -16 to 15"),
    "two": (
        lambda: animate([Keyframe(image=frames(1), frame_idx=i) for i in (5, 6)], CODEC, size=SIZE),
        "latent frame 2",
    ),
    "a film": (lambda: animate([Keyframe(image=frames(2), frame_idx=0)], CODEC, size=SIZE), "one picture, not 2"),
    "strength": (
        lambda: animate([Keyframe(image=frames(1), frame_idx=0, strength=2)], CODEC, size=SIZE),
        "from 0 to 1",
    ),
    "squash": (lambda: fit_frames(frames(1), 32, 32, "stretch"), "'crop' or 'fit'"),
    "denoise": (lambda: restyle(clip(9), CODEC, denoise=0), "above 0"),
    "no shots": (lambda: storyboard([], CODEC, size=SIZE), "at least one shot"),
    "empty prompt": (lambda: storyboard([Shot(prompt=" ", seconds=1)], CODEC, size=SIZE), "shot 1 needs a prompt"),
    "short shot": (
        lambda: storyboard(
            [Shot(prompt="a", seconds=1), Shot(prompt="b", seconds=0.1), Shot(prompt="c", seconds=1)], CODEC, size=SIZE
        ),
        "shot 2 of 0.1 s is shorter",
    ),
    "short loop": (lambda: loop_new(CODEC, size=VideoSize(frames=4, height=H, width=W, fps=FPS)), "at least 8 frames"),
    "another sample": (
        lambda: stitch(extend(clip(17), CODEC, seconds=1), torch.zeros(1, 4, 2, 2, 4), CODEC),
        "not the sample",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, said = BAD[case]
    with pytest.raises(InputError, match=said):
        call()
