"""What a program may give the library by mistake: a sentence before the work, or what was meant, never another clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from editing_toys import tiny_model
from PIL import Image
from sora_nodes.sora_core import (
    Clip,
    Keyframe,
    SamplingSettings,
    Shot,
    SoraError,
    SoraModel,
    VideoSize,
    animate,
    edit_video,
    extend,
    fill,
    generate,
    load_bundled,
    restyle,
    sample_video,
    storyboard,
    write_image,
    write_video,
)
from sora_nodes.sora_core.grid import plan
from sora_nodes.sora_core.media import read_metadata
from sora_nodes.sora_core.perception.classifier import load_classifier
from sora_nodes.sora_core.pipeline.limits import decode_estimate, time_estimate
from sora_nodes.sora_core.safety.watermark import load_watermark

SIZE = VideoSize(frames=5, width=32, height=32, fps=8)
FRAMES = torch.rand(9, 32, 32, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> SoraModel:
    return tiny_model().with_settings(steps=1)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no prompt": ({"prompt": None}, "a prompt is a text, not None"),
    "a list": ({"prompt": ["a ball"]}, "a prompt is a text, not"),
    "no text to avoid": ({"negative": 5}, "a prompt is a text, not 5"),
    "seconds in letters": ({"seconds": "2"}, "seconds must be a number, not '2'"),
    "one side": ({"size": 64}, "a size is (width, height) in pixels"),
    "three sides": ({"size": (64, 64, 3)}, "a size is (width, height) in pixels"),
    "half a pixel": ({"size": (32.5, 32)}, "width must be a whole number, not 32.5"),
    "a rate in letters": ({"fps": "8"}, "fps must be a number, not '8'"),
    "half a seed": ({"seed": 1.5}, "a seed is a whole number from 0 to"),
    "no seed": ({"seed": None}, "a seed is a whole number from 0 to"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_argument_is_named_before_anything_is_made(name: str, model: SoraModel, tmp_path: Path) -> None:
    given, words = MISTAKES[name]
    with pytest.raises(SoraError) as said:
        generate(**{"prompt": "a red ball", "out": tmp_path / "x.mp4", "size": (32, 32), "model": model, **given})
    assert words in str(said.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_are_numbers(model: SoraModel, tmp_path: Path) -> None:
    """They failed when the file's metadata were written, behind the work."""
    asked = {"seconds": np.float32(0.5), "size": np.array([32, 32]), "fps": Fraction(8), "seed": np.int64(7)}
    generate("a red ball", out=tmp_path / "x.mp4", model=model, **asked)  # type: ignore[arg-type]
    made_with = json.loads(read_metadata(tmp_path / "x.mp4")["sora"])
    assert [made_with[name] for name in ("seconds", "size", "fps", "seed")] == [0.5, [32, 32], 8.0, 7]


def test_one_prompt_is_one_video(model: SoraModel) -> None:
    """Its letters were taken for as many prompts."""
    one = sample_video(model, "a red ball", SIZE)
    assert torch.equal(one, sample_video(model, ["a red ball"], SIZE))
    assert torch.equal(one, sample_video(model, (text for text in ["a red ball"]), SIZE))
    for wrong in ([], [None], None, [b"a"]):
        with pytest.raises(SoraError, match="prompt"):
            sample_video(model, wrong, SIZE)  # type: ignore[arg-type]


def test_an_edit_has_the_seeds_that_a_clip_has(model: SoraModel) -> None:
    edit = extend(Clip(image=FRAMES, fps=8), model.codec, seconds=0.5)
    for seed in (-1, 2**64, 1.5, "1"):
        with pytest.raises(SoraError, match="a seed is a whole number"):
            edit_video(model, edit, "a ball", seed=seed)  # type: ignore[arg-type]
    assert torch.equal(edit_video(model, edit, "a ball", seed=np.int64(3)), edit_video(model, edit, "a ball", seed=3))


CALLS: dict[str, Callable[[Any], Any]] = {
    "a clip": lambda pixels: Clip(image=pixels, fps=8),
    "a picture": lambda pixels: animate([Keyframe(image=pixels, frame_idx=0)], tiny_model().codec, size=SIZE),
    "a video file": lambda pixels: write_video("never.mp4", [pixels], 8),
    "a picture file": lambda pixels: write_image("never.png", pixels),
}
WRONG: dict[str, Any] = {
    "an array": FRAMES[:1].numpy(),
    "a picture of Pillow": Image.new("RGB", (32, 32)),
    "whole numbers": FRAMES[:1].int(),
    "no height": torch.rand(1, 0, 32, 3),
    "values that are none": FRAMES[:1] * float("nan"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", WRONG)
def test_pixels_that_are_none_are_named(call: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SoraError):
        CALLS[call](WRONG[name])
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_taken_as_bytes_and_not_as_floats() -> None:
    codec, levels = tiny_model().codec, (FRAMES * 255).round()
    as_bytes = restyle(Clip(image=levels.byte(), fps=8), codec).state.latent
    assert torch.equal(as_bytes, restyle(Clip(image=levels / 255, fps=8), codec).state.latent)
    for call in ("a clip", "a picture"):
        with pytest.raises(SoraError, match="divide by 255"):
            CALLS[call](levels[:1])


@pytest.mark.parametrize("call", CALLS)
def test_a_video_in_another_range_is_not_taken_for_frames(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `sample_video` gives it, with its axes moved alone: its dark half would be black."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SoraError, match=r"lie in 0\.\.1, and the least of these is -.*; add 1 and divide by 2"):
        CALLS[call](FRAMES[:1] * 2 - 1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda codec, clip: restyle(clip, codec, size=(0, 0)),
        lambda codec, clip: restyle(clip, codec, size=(10**6, 9)),
        lambda codec, clip: restyle(clip, codec, denoise="1"),
        lambda codec, clip: extend(clip, codec, seconds="1"),
        lambda codec, clip: extend(clip, codec, seconds=1, overlap=1.5),
        lambda codec, clip: animate([Keyframe(image=FRAMES[:1], frame_idx=0.5)], codec, size=SIZE),  # type: ignore[arg-type]
        lambda codec, clip: storyboard([Shot(prompt="a", seconds=1)] * 2, codec, size=SIZE, fade=float("nan")),
        lambda codec, clip: storyboard([Shot(prompt="a", seconds="1")], codec, size=SIZE),  # type: ignore[arg-type]
        lambda codec, clip: Clip(image=FRAMES, fps="8"),  # type: ignore[arg-type]
        lambda codec, clip: VideoSize(frames=1.5, width=32, height=32, fps=8),  # type: ignore[arg-type]
        lambda codec, clip: SamplingSettings(cfg="2"),  # type: ignore[arg-type]
        lambda codec, clip: SamplingSettings(low_cfg=-3),
        lambda codec, clip: fill(clip, codec, missing=[False] * 8 + [True]),  # type: ignore[arg-type]
        lambda codec, clip: sample_video(tiny_model(), "a ball", SIZE, settings={"steps": 3}),  # type: ignore[arg-type]
        lambda codec, clip: edit_video(tiny_model(), restyle(clip, codec), "a ball", 7),  # type: ignore[arg-type]
        lambda codec, clip: load_bundled(device="cuda:99"),
        lambda codec, clip: load_bundled("no such folder"),
        lambda codec, clip: write_video("a\0.mp4", FRAMES, 8),
    ],
)
def test_other_wrong_values_are_named(wrong: Callable[..., Any], model: SoraModel) -> None:
    with pytest.raises(SoraError):
        wrong(model.codec, Clip(image=FRAMES, fps=8))


def test_random_numbers_of_the_user_are_left_alone(model: SoraModel) -> None:
    before, grid = torch.get_rng_state(), plan(VideoSize(frames=25, width=512, height=512, fps=8), model.geometry)
    load_watermark()
    load_classifier()
    time_estimate(model, grid, steps=1)
    decode_estimate(model, grid)
    assert torch.equal(torch.get_rng_state(), before)
