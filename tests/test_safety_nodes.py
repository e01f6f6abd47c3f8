"""The safety nodes, and the doors of the others: a refused prompt stops what would follow it, frames are marked."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sora_nodes.commands.run import local_registry
from sora_nodes.nodes import assembly, calls, doors, host, long, prompting, safety
from sora_nodes.nodes.layouts.pictures import EXACT, save_video, video_of
from sora_nodes.nodes.safety_calls import MESSAGE
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.validate import WorkflowError, plan
from sora_nodes.sora_core.editing.frames import Made
from sora_nodes.sora_core.errors import InputError, MediaError
from sora_nodes.sora_core.media import TensorSource, write_video
from sora_nodes.sora_core.safety import PolicyError, config_folder
from sora_nodes.sora_core.safety import doors as core_doors
from sora_nodes.sora_core.safety.frames import FrameReview
from sora_nodes.sora_core.safety.marking import read_mark
from sora_nodes.sora_core.safety.provenance import can_sign
from sora_nodes.sora_core.training.pictures import leaves

pytestmark = pytest.mark.usefixtures("own_home")


def image(count: int = 2, side: int = 192) -> torch.Tensor:
    return (
        leaves(1, side, torch.Generator().manual_seed(0), torch.device("cpu"))
        .permute(0, 2, 3, 1)
        .repeat(count, 1, 1, 1)
    )


def of(output: Any) -> tuple[Any, ...]:
    return tuple(output.result if hasattr(output, "result") else output.args)


def test_a_reviewed_prompt_passes_or_stops(tmp_path: Path) -> None:
    prompt, report = of(safety.SoraReviewPrompt.execute("a red ball", "", True))
    assert prompt == "a red ball" and json.loads(report)["action"] == "allow"
    with pytest.raises(PolicyError, match="violence"):
        safety.SoraReviewPrompt.execute("a gory massacre", "", True)
    assert json.loads(of(safety.SoraReviewPrompt.execute("a gory massacre", "", False))[1])["action"] == "refuse"
    with pytest.raises(InputError, match=r"none\.json"):
        safety.SoraReviewPrompt.execute("a red ball", str(tmp_path / "none.json"), True)


def test_what_a_policy_decides_is_decided_anew_when_it_changes(tmp_path: Path) -> None:
    """A result from before the change is not kept, whichever policy applies: the user's own, or a named file."""
    own = config_folder() / "policy.json"
    own.parent.mkdir(parents=True)
    reviewing: list[Any] = [safety.SoraReviewPrompt, safety.SoraReviewFrames]
    nodes = [*reviewing, prompting.SoraTextEncode, assembly.SoraStoryboard, long.SoraLongVideo]
    bundled = [node.fingerprint_inputs() for node in nodes]
    own.write_text("{}")
    assert all(node.fingerprint_inputs() != before for node, before in zip(nodes, bundled, strict=True))
    named = tmp_path / "policy.json"
    for node in reviewing:
        named.write_text("{}")
        os.utime(named, (1, 1))
        before = node.fingerprint_inputs(policy=str(named))
        os.utime(named, (2, 2))
        assert node.fingerprint_inputs(policy=str(named)) != before


def test_a_file_that_changed_is_verified_again(tmp_path: Path) -> None:
    video, root = tmp_path / "a.mp4", tmp_path / "root.pem"
    told = [safety.SoraVerifyVideo.fingerprint_inputs(file=str(video), anchor=str(root))]
    for path in (video, root):
        path.write_bytes(b"x")
        told.append(safety.SoraVerifyVideo.fingerprint_inputs(file=str(video), anchor=str(root)))
    assert len({*map(tuple, told)}) == 3
    assert safety.SoraVerifyVideo.fingerprint_inputs() == [0, 0], "what is linked is not known yet"


def test_a_refused_prompt_stops_the_sampler_that_follows_it_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = doors.reviewed("a gory massacre", [[torch.zeros(1, 2, 3), {}]])
    fine = doors.reviewed("a red ball", [[torch.zeros(1, 2, 3), {}]])
    latent = {"samples": torch.zeros(1, 4, 1, 2, 2)}
    reached: list[bool] = []

    class Models:
        def sample(self, *given: Any, **settings: Any) -> torch.Tensor:
            reached.append(True)
            return latent["samples"]

    monkeypatch.setattr(calls.models, "current", Models)
    with pytest.raises(PolicyError, match="violence"):
        calls.sample(model=None, positive=refused, negative=fine, latent=latent, seed=0, settings=None)
    calls.sample(model=None, positive=fine, negative=refused, latent=latent, seed=0, settings=None)
    assert reached == [True]
    with pytest.raises(PolicyError, match="minors"):
        doors.reviewed("child porn", [[torch.zeros(1, 2, 3), {}]])


def test_marked_frames_are_recognised() -> None:
    (marked,) = of(safety.SoraWatermark.execute(image(), MESSAGE, 40.0))
    generated, score, report = of(safety.SoraDetect.execute(marked))
    assert generated and score > 0.99 and json.loads(report)["mark"]["message"] == MESSAGE == core_doors.MESSAGE
    assert not read_mark([(image() * 255).byte()]).found


def test_pictures_of_one_channel_and_of_four_are_marked_and_judged() -> None:
    for channels in (image()[..., :1], torch.cat([image(), image()[..., :1]], -1)):
        (marked,) = of(safety.SoraWatermark.execute(channels, MESSAGE, 40.0))
        assert marked.shape == image().shape and of(safety.SoraDetect.execute(marked))[0]
        assert not of(safety.SoraDetect.execute(channels[:1, :1, :1]))[0]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.full((2, 32, 32, 3), torch.nan), "not numbers"),
        (torch.zeros(32, 32, 3), "is to be an IMAGE"),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8), "is to be an IMAGE"),
        (torch.zeros(2, 0, 32, 3), "holds nothing"),
    ],
)
def test_what_is_no_picture_is_neither_marked_nor_judged(image: torch.Tensor, said: str) -> None:
    for call in (lambda: safety.SoraWatermark.execute(image, 5, 40.0), lambda: safety.SoraDetect.execute(image)):
        with pytest.raises(InputError, match=f"image .*{said}"):
            call()


@pytest.mark.parametrize("psnr", [-100.0, 29.9, 50.1, float("nan")])
def test_a_linked_level_that_is_no_watermarks_is_named(psnr: float) -> None:
    """A field holds its range itself; a number that comes by a link does not, and -100 would be nothing but mark."""
    with pytest.raises(InputError, match="psnr must be from 30 to 50 decibels, not"):
        safety.SoraWatermark.execute(image(), 5, psnr)


@pytest.mark.parametrize("fps", [0.0, -8.0, 1e9])
def test_a_linked_rate_of_a_review_that_is_none_is_named(fps: float) -> None:
    with pytest.raises(InputError, match="fps must be above 0"):
        safety.SoraReviewFrames.execute(image(), fps, "policy", "")


def test_frames_are_reviewed_by_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Judge:
        category = "sexual"

        def __call__(self, frames: torch.Tensor) -> list[float]:
            return [0.9] + [0.0] * (len(frames) - 1)

    monkeypatch.setattr("sora_nodes.sora_core.safety.frames.classifiers", lambda: (Judge(),))
    given = image(3)
    with pytest.raises(PolicyError, match="sexual"):
        safety.SoraReviewFrames.execute(given, 8.0, "policy", "")
    passed, report = of(safety.SoraReviewFrames.execute(given, 8.0, "blur", ""))
    assert not torch.equal(passed[0], given[0]) and torch.allclose(passed[1:], given[1:], atol=1 / 255)
    assert json.loads(report)[0]["end"] == 1 / 8
    assert FrameReview.__call__ and torch.equal(of(safety.SoraReviewFrames.execute(given, 8.0, "mark", ""))[0], given)


def test_signing_without_its_library_is_said_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert "c2pa-python" in safety.SoraSignVideo.validate_inputs(certificate="")
    signed = {"video": ["1", 0], "filename_prefix": "a", "certificate": "", "key": "", "with_prompt": False}
    nodes = {"1": ("SoraLoadVideo", {"file": "a.mp4"}), "2": ("SoraSignVideo", signed)}
    graph = Graph.from_api({name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()})
    with pytest.raises(WorkflowError, match=r"node 2 \(SoraSignVideo\), input certificate: .*c2pa-python"):
        plan(graph, local_registry())
    monkeypatch.setitem(sys.modules, "c2pa", SimpleNamespace())
    assert safety.SoraSignVideo.validate_inputs() is True


def test_verify_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / ("clip.avi" if can_sign() else "clip.mp4")
    with pytest.raises(MediaError, match="no file"):
        safety.SoraVerifyVideo.execute(str(path), "")
    path.touch()
    with pytest.raises(InputError):  # the extra, or a kind of file that carries no manifest
        safety.SoraVerifyVideo.execute(str(path), "")


def test_another_file_of_the_name_of_one_that_was_reviewed_is_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in the temp folder come again once a file is gone, so it is the VIDEO that knows."""
    reviewed: list[bool] = []
    monkeypatch.setattr(core_doors, "guards_for", lambda protection, **_: reviewed.append(protection.review))
    path = tmp_path / "sora_00001_.mp4"
    write_video(path, torch.zeros(4, 16, 16, 3, dtype=torch.uint8), 8)
    videos = doors.decoded_here(path), host.VideoFromFile(str(path))
    for video in videos:
        save_video(video, tmp_path / "out.mp4", {})
    assert reviewed == [False, True]


def test_a_clip_that_a_model_made_is_signed_as_made_though_it_lies_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long clip of Sora Stitch Video is one. A file of the user's is opened, and a cut of it stays the user's."""
    generated: list[bool] = []
    monkeypatch.setattr(core_doors, "guards_for", lambda _, *, origin, **__: generated.append(origin.generated))
    path = tmp_path / "long.mp4"
    write_video(path, torch.zeros(4, 16, 16, 3, dtype=torch.uint8), 8)
    frames = torch.zeros(4, 16, 16, 3)
    stitched, opened, cut = host.VideoFromFile(str(path)), host.VideoFromFile(str(path)), video_of(frames, 8.0, None)
    setattr(stitched, EXACT, Made(frames, 8.0))
    setattr(cut, EXACT, TensorSource(frames, 8.0))
    for video in (stitched, opened, cut, video_of(frames, 8.0, None)):
        save_video(video, tmp_path / "out.mp4", {})
    assert generated == [True, False, False, True]
