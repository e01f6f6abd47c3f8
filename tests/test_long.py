"""A long video: segments go on from the latents before, one can be made anew, the whole is one stream."""

from typing import Any

import pytest
import torch
from editing_toys import FPS, H, W, sampled, tiny_codec, tiny_model
from sora_nodes.nodes import calls
from sora_nodes.nodes.assembly import SoraStoryboard
from sora_nodes.nodes.long import SoraLongVideo, open_note
from sora_nodes.nodes.sampling import SoraNoiseGrid
from sora_nodes.nodes.video import SoraDecodeVideo
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.editing import Shot, long_frames, segment_counts, segment_edit, segment_strides, with_segment
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.media import probe
from sora_nodes.sora_core.safety import PolicyError

CODEC, MODEL = tiny_codec(), tiny_model()
GEOMETRY = CODEC.geometry
SHOTS = [Shot(prompt="a", seconds=1.0), Shot(prompt="b", seconds=2.0), Shot(prompt="c", seconds=1.0)]
COUNTS = segment_counts(SHOTS, FPS, GEOMETRY)


def empty() -> torch.Tensor:
    return torch.zeros(1, GEOMETRY.channels, sum(COUNTS), 2, 4)


def made() -> torch.Tensor:
    whole = empty()
    for i in range(len(COUNTS)):
        edit = segment_edit(whole, COUNTS, i, FPS, GEOMETRY)
        whole = with_segment(whole, COUNTS, i, sampled(edit, seed=i), GEOMETRY)
    return whole


def test_lengths_are_those_asked_for_rounded_up() -> None:
    assert COUNTS == [3, 4, 2]
    assert long_frames(COUNTS, GEOMETRY) == 33
    assert CODEC.decode(made()).shape[2] == 33


def test_a_segment_sees_the_latents_before_it_and_keeps_them() -> None:
    whole = made()
    edit = segment_edit(whole, COUNTS, 1, FPS, GEOMETRY)
    assert edit.state.mask[0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 1]
    assert torch.equal(edit.state.clean[:, :, :2], whole[:, :, 1:3])
    assert edit.state.spans.tolist() == [4] * 6
    first = segment_edit(whole, COUNTS, 0, FPS, GEOMETRY)
    assert first.state.spans.tolist() == [1, 4, 4]


def test_a_segment_made_anew_leaves_the_others_as_they_are() -> None:
    whole = made()
    edit = segment_edit(whole, COUNTS, 1, FPS, GEOMETRY, ahead=True)
    assert edit.state.mask[0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    again = with_segment(whole, COUNTS, 1, sampled(edit, seed=9), GEOMETRY)
    same = (again == whole).all(1).flatten(2).all(2)[0]
    assert same.tolist() == [True] * 3 + [False] * 4 + [True] * 2


def test_what_goes_on_is_made_in_stretches_and_what_begins_at_once() -> None:
    """A ball that bounced and is to stand still stays as two where only half a second is made behind the bouncing."""
    shots = [Shot(prompt=prompt, seconds=2.0) for prompt in ("it bounces", "it bounces", "it stands still")]
    found = [segment_strides(shots, i, FPS, tiny_codec().geometry) for i in range(3)]
    assert found[0] is None and found[1] is not None and found[2] is None


def test_another_list_is_named() -> None:
    with pytest.raises(InputError, match=r"\[3, 4\] latent frames are 7 together"):
        segment_edit(empty(), COUNTS[:2], 0, FPS, GEOMETRY)
    with pytest.raises(InputError, match="segments 1 to 3, and none 4"):
        segment_edit(empty(), COUNTS, 3, FPS, GEOMETRY)
    with pytest.raises(InputError, match="at least one segment"):
        segment_counts([], FPS, GEOMETRY)


def run(**inputs: Any) -> Any:
    inputs = {"segments": "1: a red ball\n2: a blue cube\n1: a red ball", **inputs}
    settings = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple", "overlap": 8}
    grid = SoraNoiseGrid.execute(MODEL, "free (width x height)", 16, W, H, 1.0, FPS).result[0]
    return SoraLongVideo.execute(model=MODEL, clip=MODEL, vae=MODEL, latent=grid, **settings, **inputs)


def test_what_the_prompts_leave_open_is_said() -> None:
    said, left = "a red ball bounces on grass at noon", "a red ball bounces on grass"
    assert open_note([said, said]) == ""
    assert "(segment 1, 3)" in open_note([left, said, "a red ball at noon"])


def test_a_segment_that_there_is_not_cannot_be_made_anew() -> None:
    given = {"samples": torch.zeros(1, GEOMETRY.channels, 5, 2, 4)}
    with pytest.raises(InputError, match="segments 1 to 2, and none 3"):
        run(segments="1: a red ball\n1: a red ball", samples=given, remake=3)


BAD = ("0: x", "1:", "-1: x", "nan: x", "inf: x", "3601: x", "x")


@pytest.mark.parametrize("line", BAD)
def test_a_line_that_is_no_segment_is_quoted_before_the_run(line: str) -> None:
    text = f"1: a red ball\n\n{line}"
    for check, one in ((SoraLongVideo.validate_inputs, "segment"), (SoraStoryboard.validate_inputs, "shot")):
        said = check(text)
        assert said.startswith(f"{one}s: {one} 2 ") and said.endswith(f"not {line!r}")
        assert check("\n").startswith(f"{one}s is empty; write one {one} a line")
        assert check("1: a red ball\n2.5s: a red ball") is True


def test_a_list_that_is_too_long_together_is_refused_before_the_run() -> None:
    for check, name in ((SoraLongVideo.validate_inputs, "segments"), (SoraStoryboard.validate_inputs, "shots")):
        said = f"{name}: together they last 3800 seconds, and a video lasts at most 3600; make them shorter"
        assert check("1900: a red ball\n1900: a blue cube") == said


@pytest.mark.parametrize(("width", "fps"), [(64, FPS), (W, 12.0)])
def test_a_segment_is_made_anew_on_the_grid_of_the_others(width: int, fps: float) -> None:
    """Of another rate its list would be named, of another size the result would say the wrong one."""
    grid = SoraNoiseGrid.execute(MODEL, "free (width x height)", 16, width, H, 1.0, fps).result[0]
    other = {**grid, "samples": torch.zeros(1, GEOMETRY.channels, 5, *grid["samples"].shape[3:])}
    with pytest.raises(InputError, match=rf"made at {width}x{H} at {fps:g} fps and latent asks for {W}x{H} at {FPS:g}"):
        run(segments="1: a red ball\n1: a red ball", samples=other)


def test_words_that_the_model_does_not_know_are_named(tmp_path: Any) -> None:
    text = "1: a red ball\n1: a wombat juggles"
    grid = SoraNoiseGrid.execute(MODEL, "free (width x height)", 16, W, H, 1.0, FPS).result[0]
    with torch.inference_mode(), Session(input=tmp_path, output=tmp_path, temp=tmp_path).active():
        for notes in (
            run(segments=text).result[1],
            SoraStoryboard.execute(MODEL, MODEL, text, "cut", 0.0, grid).result[2],
        ):
            assert "does not know 'wombat', 'juggles'" in notes


def test_a_refused_prompt_is_named_before_anything_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "sample", None)
    text = "1: a red ball\n1: a blue cube\n1: a gory massacre"
    with pytest.raises(PolicyError, match=r"segments: segment 3: .*violence"):
        run(segments=text)
    assert "segments: segment 3: " in SoraLongVideo.validate_inputs(text)
    assert "shots: shot 3: " in SoraStoryboard.validate_inputs(text)
    with pytest.raises(PolicyError, match=r"shots: shot 3: .*violence"):
        SoraStoryboard.execute(MODEL, MODEL, text, "cut", 0.0, {})
    assert "segments: segment 1: " in SoraLongVideo.validate_inputs("1: child porn")


def test_the_node_makes_all_and_then_one_anew(tmp_path: Any) -> None:
    with torch.inference_mode(), Session(input=tmp_path, output=tmp_path, temp=tmp_path).active():
        latent, notes = run().result
        assert notes.startswith("3 segments, 33 frames, 4.12 s at 8 fps. Ground or light may change")
        again = run(samples=latent, remake=2, **{}).result[0]
        assert torch.equal(again["samples"][:, :, :3], latent["samples"][:, :, :3])
        assert torch.equal(again["samples"][:, :, 7:], latent["samples"][:, :, 7:])
        assert not torch.equal(again["samples"][:, :, 3:7], latent["samples"][:, :, 3:7])
        video = SoraDecodeVideo.execute(samples=latent, vae=MODEL, fps=0.0).result[0]
        assert probe(video.get_stream_source()).frames == 33
