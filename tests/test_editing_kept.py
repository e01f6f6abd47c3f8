"""Verbs that keep clips: extend, connect, loop and fill leave what is kept untouched, and know where everything is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from editing_toys import FPS, H, W, clip, frames, pattern, sampled, tiny_codec
from sora_nodes.sora_core.editing import Clip, Edit, connect, continued, decode, extend, fill, loop_clip, stitch
from sora_nodes.sora_core.editing.coding import pixels_of
from sora_nodes.sora_core.editing.wipe import Wipe, wipe_over, wiped
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import positions

CODEC = tiny_codec()


def whole(edit: Edit) -> torch.Tensor:
    out = stitch(edit, sampled(edit), CODEC)
    assert len(out) == edit.frames
    assert torch.equal(edit.state.positions, positions(edit.state.spans, edit.fps))
    return out


@pytest.mark.parametrize("count", [17, 18, 20, 90])
def test_forward_keeps_the_clip_to_the_bit_and_the_last_latents_are_its_tail(count: int) -> None:
    given = clip(count)
    edit = extend(given, CODEC, seconds=1.0, overlap=8)
    assert pattern(edit) == "kkmm"
    assert edit.state.spans.tolist() == [4, 4, 4, 4]
    out = whole(edit)
    assert len(out) == count + 8
    assert torch.equal(out[:count], given.image)
    assert not torch.equal(out[count], given.image[-1])


def test_backward_keeps_the_clip_to_the_bit() -> None:
    given = clip(19)
    edit = extend(given, CODEC, seconds=1.0, direction="backward", overlap=8)
    assert pattern(edit) == "mmmkk"
    assert edit.state.spans.tolist() == [1, 4, 4, 4, 4]
    out = whole(edit)
    assert len(out) == 8 + 19
    assert torch.equal(out[8:], given.image)


@pytest.mark.parametrize("count", [16, 18])
def test_both_ways_keeps_the_clip_to_the_bit(count: int) -> None:
    given = clip(count)
    edit = extend(given, CODEC, seconds=1.0, direction="both")
    out = whole(edit)
    assert len(out) == 8 + count + 8
    assert torch.equal(out[8 : 8 + count], given.image)
    assert edit.state.mask[0, 0, :, 0, 0].tolist().count(0) == 4


def test_a_long_clip_costs_no_more_than_a_short_one() -> None:
    assert (
        extend(clip(401), CODEC, seconds=1.0).state.latent.shape
        == extend(clip(17), CODEC, seconds=1.0).state.latent.shape
    )
    assert len(extend(clip(401), CODEC, seconds=1.0).spans) < 20


def test_latents_are_kept_not_encoded_again() -> None:
    first = extend(clip(17), CODEC, seconds=1.0)
    latent = sampled(first)
    again = extend(Clip(latent=latent, spans=first.state.spans, fps=FPS), CODEC, seconds=1.0, overlap=8)
    assert torch.equal(again.state.clean[:, :, :2], latent[:, :, -2:])


def test_ten_extensions_in_a_row_keep_every_frame_made_before() -> None:
    image, latent, spans = clip(17).image, None, None
    for _ in range(10):
        edit = extend(Clip(image=image, latent=latent, spans=spans, fps=FPS), CODEC, seconds=0.5)
        latent, spans = sampled(edit), edit.state.spans
        longer = stitch(edit, latent, CODEC)
        assert torch.equal(longer[: len(image)], image)
        image = longer
    assert len(image) == 17 + 10 * 4


def test_a_sampled_edit_goes_on_from_its_own_latents() -> None:
    first = extend(clip(17), CODEC, seconds=1.0, direction="backward")
    latent = sampled(first)
    done = continued(first, latent, CODEC)
    assert done.latent is None or int(done.spans.sum()) <= done.source.length
    second = extend(done, CODEC, seconds=1.0)
    again = continued(second, sampled(second), CODEC)
    assert torch.equal(pixels_of(again, CODEC)[: 17 + 8], pixels_of(done, CODEC))
    third = extend(again, CODEC, seconds=1.0, overlap=8)
    assert torch.equal(third.state.clean[:, :, :2], again.latent[:, :, -2:])


def test_a_clip_of_latents_alone_comes_out_as_it_decodes() -> None:
    from sora_nodes.sora_core.editing.coding import decode_frames

    latent, spans = CODEC.encode(torch.rand(1, 3, 17, H, W)), torch.tensor([1, 4, 4, 4, 4])
    edit = extend(Clip(latent=latent, spans=spans, fps=FPS), CODEC, seconds=1.0, overlap=8)
    out = whole(edit)
    assert torch.allclose(out[:17], decode_frames(latent, spans, CODEC), atol=1e-5)
    assert len(out) == 25


def test_the_frames_of_a_trimmed_clip_stay_and_its_latents_give_the_rest() -> None:
    latent, spans = CODEC.encode(torch.rand(1, 3, 17, H, W)), torch.tensor([1, 4, 4, 4, 4])
    shown = frames(15)
    out = whole(extend(Clip(image=shown, latent=latent, spans=spans, fps=FPS), CODEC, seconds=0.5))
    assert torch.equal(out[:15], shown)
    assert len(out) == 17 + 4


def test_tail_latents_are_those_of_the_whole_clip() -> None:
    given = clip(61)
    edit = extend(given, CODEC, seconds=1.0, overlap=8)
    encoded = CODEC.encode(given.image.movedim(-1, 0)[None] * 2 - 1)
    assert torch.allclose(edit.state.clean[:, :, :2], encoded[:, :, -2:], atol=1e-5)


def test_the_mirrored_preroll_gives_what_a_longer_clip_gives_where_the_clip_really_is_its_own_mirror() -> None:
    head = frames(41)
    longer = torch.cat([head[1:].flip(0), head[:40]])[3:]  # ...3 2 1 | 0 1 2 3...: 37 frames, then the head
    encoded = CODEC.encode(longer.movedim(-1, 0)[None] * 2 - 1)
    edit = extend(Clip(image=head, fps=FPS), CODEC, seconds=0.5, direction="backward", overlap=8)
    assert torch.allclose(edit.state.clean[:, :, -2:], encoded[:, :, 10:12], atol=1e-5)


def test_connect_keeps_both_clips_to_the_bit() -> None:
    a, b = clip(21), Clip(image=frames(18, seed=2), fps=FPS)
    for edit, grid in (
        (connect(a, b, CODEC, seconds=1.5, overlap=8), "kkmmmmmkk"),
        (connect(a, b, CODEC, seconds=1.5, overlap=8, wipe=False), "kkmmmkk"),
        (connect(a, b, CODEC, seconds=0.5, overlap=8), "kkmmkk"),
    ):
        assert pattern(edit) == grid
        out = whole(edit)
        assert len(out) == edit.frames == 21 + (4 if grid == "kkmmkk" else 12) + 18
        assert torch.equal(out[:21], a.image)
        assert torch.equal(out[-18:], b.image)
        assert not edit.notes


def test_a_connected_clip_goes_on_before_the_wipe_and_the_next_has_begun_behind_it() -> None:
    edit = connect(clip(21), Clip(image=frames(18, seed=2), fps=FPS), CODEC, seconds=1.5, overlap=8)
    latent = sampled(edit)
    plain, out = decode(replace(edit, wipe=None), latent, CODEC), decode(edit, latent, CODEC)
    assert len(plain) == len(out) + 8
    first = edit.wipe.first
    assert torch.equal(out[:first], plain[:first])
    assert torch.equal(out[first + 8 :], plain[first + 16 :])
    early, late = out[first], out[first + 7]
    assert torch.equal(early[:, -1], plain[first, :, -1]) and torch.equal(late[:, 0], plain[first + 15, :, 0])


def test_a_wipe_is_the_same_however_its_frames_are_cut_into_chunks() -> None:
    video, wipe = frames(20), Wipe(first=3, count=6)
    expected = torch.cat([video[:3], wipe_over(video[3:9], video[9:15]), video[15:]])
    for step in (1, 4, 7, 20):
        assert torch.equal(torch.cat(list(wiped(video.split(step), wipe))), expected)
    shares = wipe_over(torch.zeros(6, 8, 64, 3), torch.ones(6, 8, 64, 3))[:, 0, :, 0]
    assert (shares.diff(dim=0) >= 0).all() and (shares.diff(dim=1) <= 0).all()


def test_connect_says_what_it_did_to_the_second_clip() -> None:
    b = Clip(image=frames(20, height=40, width=40, seed=2), fps=16.0)
    edit = connect(clip(17), b, CODEC, seconds=1.0)
    assert len(whole(edit)) == 17 + 8 + 10
    text = " ".join(edit.notes)
    assert "16 fps become the first one's 8" in text and "40x40 is cropped to 32x16" in text


def test_a_closed_loop_is_the_clip_and_a_way_back() -> None:
    given = clip(21)
    out = whole(edit := loop_clip(given, CODEC, seconds=1.0, overlap=8))
    assert len(out) == 21 + 8
    assert torch.equal(out[:21], given.image)
    head = extend(given, CODEC, seconds=1.0, direction="backward", overlap=8)
    assert torch.equal(edit.state.clean[:, :, -2:], head.state.clean[:, :, -2:])


def test_a_network_without_spans_gets_its_tail_as_a_clip_of_its_own() -> None:
    given = clip(25)
    edit = extend(given, CODEC, seconds=1.0, overlap=8, mid_stream=False)
    assert edit.state.spans.tolist() == [1, 4, 4, 4, 4]
    assert any("no spans" in note for note in edit.notes)
    assert torch.equal(whole(edit)[:25], given.image)


def test_fill_keeps_latent_frames_that_are_given_whole_and_every_given_pixel() -> None:
    given, missing = clip(17), torch.zeros(17)
    missing[6:9] = 1
    edit = fill(given, CODEC, missing=missing)
    assert pattern(edit) == "kkmk"
    out = whole(edit)
    kept = missing == 0
    assert torch.equal(out[kept], given.image[kept])
    assert any("1 given frames share" in note for note in edit.notes)


def test_nothing_of_missing_frames_leaks_into_kept_latents() -> None:
    missing = torch.zeros(17)
    missing[5:9] = 1
    other = clip(17).image.clone()
    other[5:9] = 0.5
    a, b = (fill(Clip(image=image, fps=FPS), CODEC, missing=missing) for image in (clip(17).image, other))
    assert torch.equal(a.state.clean, b.state.clean)


@pytest.mark.parametrize(
    ("first", "last", "count"), [(0, 3, 17), (1, 4, 17), (16, 16, 17), (3, 14, 18), (120, 127, 200), (0, 0, 200)]
)
def test_fill_sees_no_more_than_the_surroundings_and_leaves_all_else(first: int, last: int, count: int) -> None:
    given, missing = clip(count), torch.zeros(count)
    missing[first : last + 1] = 1
    edit = fill(given, CODEC, missing=missing)
    out = whole(edit)
    assert torch.equal(out[missing == 0], given.image[missing == 0])
    assert len(edit.state.spans) <= 1 + (last - first) // 4 + 1 + 2 * 3 + 1


def test_fill_of_a_part_of_the_picture() -> None:
    given = clip(9, height=32, width=32)
    missing = torch.zeros(9, 32, 32)
    missing[:, 3:9, 20:30] = 1
    edit = fill(given, CODEC, missing=missing)
    assert edit.state.mask[0, 0, 0].tolist() == [[0, 0, 1, 1]] * 2 + [[0, 0, 0, 0]] * 2
    out = whole(edit)
    assert torch.equal(out[missing == 0], given.image[missing == 0])


def test_the_same_ending_from_several_beginnings() -> None:
    edit = extend(clip(17), CODEC, seconds=1.0, direction="backward")
    one, two = (stitch(edit, sampled(edit, seed), CODEC) for seed in (1, 2))
    assert torch.equal(one[8:], two[8:]) and not torch.equal(one[:8], two[:8])


def test_a_batch_of_samples_gives_a_clip_each() -> None:
    edit = extend(clip(17), CODEC, seconds=1.0)
    latent = torch.cat([sampled(edit, 1), sampled(edit, 2)])
    assert len(stitch(edit, latent, CODEC)) == 2 * edit.frames


def test_odd_sizes_are_kept_as_they_are() -> None:
    given = clip(17, height=19, width=37)
    edit = extend(given, CODEC, seconds=1.0)
    assert edit.state.latent.shape[3:] == (4, 6)  # 32 x 48 pixels
    out = whole(edit)
    assert out.shape[1:3] == (19, 37)
    assert torch.equal(out[:17], given.image)


def test_notes_of_reading_are_handed_on() -> None:
    edit = extend(replace(clip(17), notes=("phone.mp4 has a variable frame rate.",)), CODEC, seconds=1.0)
    assert edit.notes[0] == "phone.mp4 has a variable frame rate."


def test_lengths_and_overlaps_are_rounded_up_with_a_note() -> None:
    edit = extend(clip(17), CODEC, seconds=0.7, overlap=5)
    assert any("6 new frames were asked for, 8" in note for note in edit.notes)
    assert any("5 frames is rounded up to 8" in note for note in edit.notes)


def test_an_overlap_longer_than_the_clip_uses_all_of_it_and_says_so() -> None:
    edit = extend(clip(9), CODEC, seconds=1.0, overlap=40)
    assert pattern(edit) == "kkmm"
    assert any("8 frames to overlap with, fewer than the 40" in note for note in edit.notes)


BAD = {
    "no frames": (lambda: clip(0), "no frames"),
    "nothing": (lambda: Clip(fps=8), "neither"),
    "fps": (lambda: Clip(image=frames(9), fps=0), "fps"),
    "zero seconds": (lambda: extend(clip(17), CODEC, seconds=0), "above 0"),
    "no overlap": (lambda: extend(clip(17), CODEC, seconds=1, overlap=0), "at least one frame"),
    "a still": (lambda: extend(clip(1), CODEC, seconds=1), "animate a still"),
    "a short head": (lambda: extend(clip(3), CODEC, seconds=1, direction="backward"), "too short"),
    "direction": (lambda: extend(clip(17), CODEC, seconds=1, direction="sideways"), "sideways"),
    "nothing missing": (lambda: fill(clip(9), CODEC, missing=torch.zeros(9)), "nothing is missing"),
    "all missing": (lambda: fill(clip(9), CODEC, missing=torch.ones(9)), "everything is missing"),
    "a mask of another clip": (lambda: fill(clip(9), CODEC, missing=torch.ones(8)), "[9]"),
    "a loop of a still": (lambda: loop_clip(clip(1), CODEC, seconds=1), "animate a still"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, said = BAD[case]
    with pytest.raises(InputError, match=said.replace("[", r"\[")):
        call()
