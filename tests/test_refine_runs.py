"""Large sizes from the prompt to the file: drafted small, brought up by the refiner, made again from the file alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch
from editing_toys import tiny_model
from sora_nodes import cli
from sora_nodes.nodes.inputs import wanted_size
from sora_nodes.nodes.refining import SoraRefineVideo
from sora_nodes.runtime.video import VideoFromFile
from sora_nodes.sora_core import media, pipeline
from sora_nodes.sora_core.errors import InputError, MediaError
from sora_nodes.sora_core.grid import VideoSize, plan
from sora_nodes.sora_core.pipeline.drafts import refine_memory, refine_seconds
from sora_nodes.sora_core.refine import Refiner, RefinerConfig
from sora_nodes.sora_core.safety.doors import Protection

PLAIN = Protection(review=False, watermark=False, sign=False)


@pytest.fixture(scope="module")
def refining() -> pipeline.SoraModel:
    """A tiny random model with a tiny refiner."""
    torch.manual_seed(0)
    refiner = Refiner(RefinerConfig(widths=(4, 4, 8, 8), coarse_blocks=1, context=1))
    torch.nn.init.normal_(refiner.leave.weight, std=0.02)
    return replace(tiny_model(), refiner=refiner.eval().requires_grad_(False))


@pytest.fixture(autouse=True)
def _is_bundled(refining: pipeline.SoraModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "load_bundled", lambda device="cpu", fast=False: refining)
    monkeypatch.setattr(pipeline, "bundled_refiner", lambda device="cpu": refining.refiner)
    monkeypatch.chdir(tmp_path)


def size(width: int, height: int, frames: int = 4) -> VideoSize:
    return VideoSize(frames=frames, height=height, width=width, fps=8.0)


@pytest.mark.parametrize(
    ("asked", "draft"),
    [
        ((64, 64), None), ((192, 112), None), ((200, 112), None), ((144, 144), None), ((64, 36), None),
        ((400, 60), None),
        ((256, 144), (192, 112)), ((144, 256), (112, 192)), ((256, 256), (144, 144)), ((1000, 100), (640, 64)),
        ((1280, 720), (192, 112)), ((1920, 1080), (192, 112)), ((1920, 800), (224, 96)), ((2048, 2048), (144, 144)),
    ],
)  # fmt: skip
def test_what_is_above_the_trained_size_is_drafted(
    refining: pipeline.SoraModel, asked: tuple[int, int], draft: tuple[int, int] | None
) -> None:
    chosen = pipeline.draft_size(refining, size(*asked))
    assert (chosen and (chosen.width, chosen.height)) == draft
    assert pipeline.draft_size(replace(refining, refiner=None), size(*asked)) is None


def test_a_large_video_is_drafted_and_made_again_from_its_file(refining: pipeline.SoraModel, tmp_path: Path) -> None:
    notes: list[str] = []
    made = pipeline.generate(
        "a red ball", out=tmp_path / "a.mp4", seconds=0.5, size=(224, 128), seed=3, model=refining,
        settings=refining.settings.with_(steps=2), tell=notes.append,
    )  # fmt: skip
    assert (made.size.width, made.size.height) == (224, 128)
    assert "drafted at 192x112, brought up to 224x128 by the refiner" in notes
    carried = json.loads(media.read_metadata(made.path)[pipeline.generation.METADATA_KEY])
    assert carried["draft"] == [192, 112] and carried["size"] == [224, 128]
    assert cli.main(["run", str(made.path)]) == 0
    (again,) = (tmp_path / "output" / "video").iterdir()
    first, second = (media.read_video(path).frames for path in (made.path, again))
    assert first.shape == (4, 128, 224, 3) and torch.equal(first, second)


def test_a_still_is_drafted_too_and_refining_can_be_left_out(refining: pipeline.SoraModel, tmp_path: Path) -> None:
    pictures = []
    for name, refine in (("a.png", True), ("b.png", False), ("c.png", True)):
        pipeline.generate(
            "a red ball", out=tmp_path / name, seconds=0, size=(160, 160), model=refining, refine=refine,
            settings=refining.settings.with_(steps=2), protection=PLAIN,
        )  # fmt: skip
        pictures.append(media.read_image(tmp_path / name))
    assert pictures[0].shape == (1, 160, 160, 3)
    assert torch.equal(pictures[0], pictures[2]) and not torch.equal(pictures[0], pictures[1])


def test_estimates_grow_with_the_size_and_not_with_the_length(refining: pipeline.SoraModel) -> None:
    grid = plan(size(112, 64), refining.geometry)
    small, large = (refine_memory(refining, grid, size(*to)) for to in ((256, 144), (1280, 720)))
    assert 0 < small < large == refine_memory(refining, grid, size(1280, 720, frames=400))
    assert refine_seconds(refining, grid, size(256, 144)) > 0


def test_the_node_brings_up_images_and_videos(tmp_path: Path) -> None:
    frames = torch.rand(3, 16, 24, 3)
    video, first = SoraRefineVideo.execute(image=frames, height=64).result
    assert first.shape == (1, 64, 96, 3) and video.get_dimensions() == (96, 64)
    media.write_video(tmp_path / "a.mp4", [frames.movedim(-1, 0)[None] * 2 - 1], 12.0)
    video, first = SoraRefineVideo.execute(video=VideoFromFile(str(tmp_path / "a.mp4")), width=48, height=48).result
    info = media.probe(video.get_stream_source())
    assert (info.width, info.height, info.frames, info.fps) == (48, 48, 3, 12.0)
    for wrong, words in (
        ({"image": frames, "height": 0}, "both 0"),
        ({}, "no video or image is linked; link the one"),
        ({"image": frames, "video": video}, "both linked"),
    ):
        with pytest.raises(InputError, match=words):
            SoraRefineVideo.execute(**wrong)


def test_a_side_follows_the_other() -> None:
    assert wanted_size(0, 0, (64, 112)) is None
    assert wanted_size(224, 0, (64, 112)) == (128, 224) == wanted_size(0, 128, (64, 112))
    with pytest.raises(InputError, match="8192"):
        wanted_size(0, 8000, (64, 112))


def test_what_will_be_otherwise_than_asked_is_said_first(refining: pipeline.SoraModel, tmp_path: Path) -> None:
    notes: list[str] = []
    out, settings = tmp_path / "a.mp4", refining.settings.with_(steps=1)
    with pytest.raises(InputError, match="give the early look another name"):
        pipeline.generate("a red ball", out=out, preview=out, model=refining)
    (tmp_path / "link.mp4").symlink_to(out)
    with pytest.raises(InputError, match="give the early look another name"):
        pipeline.generate("a red ball", out=out, preview=tmp_path / "link.mp4", model=refining)
    with pytest.raises(MediaError, match="put a name before it"):
        pipeline.generate("a red ball", out=tmp_path / ".mp4", model=refining)
    pipeline.generate(
        "a red ball", out=out, seconds=0.25, size=(31, 32), model=refining, settings=settings, tell=notes.append,
        protection=PLAIN,
    )  # fmt: skip
    assert "saved as 32x32: H.264 has even sides, so the last row or column of 31x32 is there twice" in notes
    with av.open(str(out)) as file:
        assert file.streams.video[0].width == 32
    assert media.probe(out).width == 31, "we read it as it was asked for"
