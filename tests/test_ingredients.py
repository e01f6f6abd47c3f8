"""What was signed stays told: files that a clip is made from are its ingredients, by commands and by workflows."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sora_nodes import cli
from sora_nodes.nodes import doors, host
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.media import write_image, write_video
from sora_nodes.sora_core.safety.certificates import development_credentials
from sora_nodes.sora_core.safety.provenance import Origin, can_sign, carrying, sign, verify
from test_runtime_nodes import _tiny_is_bundled, tiny

__all__ = ["_tiny_is_bundled", "tiny"]
needs_c2pa = pytest.mark.skipif(not can_sign(), reason="the extra `provenance` (c2pa-python) is not installed")
FRAMES = torch.randint(0, 255, (9, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `input/a.mp4` and `input/b.mp4`, both signed by another maker."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "input").mkdir()
    for name in ("a.mp4", "b.mp4"):
        path = tmp_path / "input" / name
        write_video(path, FRAMES, 8.0)
        if can_sign():
            sign(path, path, Origin(model="another maker"), development_credentials(tmp_path / "other"))
    return tmp_path


@needs_c2pa
@pytest.mark.parametrize(
    ("command", "ingredients"),
    [
        (["extend", "input/a.mp4", "--seconds", "1"], ("a.mp4",)),
        (["loop", "input/a.mp4", "--seconds", "1"], ("a.mp4",)),
        (["fill", "input/a.mp4", "--frames", "3-5"], ("a.mp4",)),
        (["restyle", "input/a.mp4", "a red ball"], ("a.mp4",)),
        (["connect", "input/a.mp4", "input/b.mp4", "--seconds", "1"], ("a.mp4", "b.mp4")),
    ],
    ids=["extend", "loop", "fill", "restyle", "connect"],
)
def test_commands(signed: Path, command: list[str], ingredients: tuple[str, ...]) -> None:
    assert cli.main([*command, "--steps", "1", "--seed", "1", "-o", "out.mp4"]) == 0
    found = verify("out.mp4")
    assert found.status == "unknown signer" and found.ingredients == ingredients and found.generated
    assert b"another maker" in Path("out.mp4").read_bytes(), "the manifest of the input travels along"


def edited(edit: dict[str, object]) -> dict[str, object]:
    """Load Video (twice) -> an edit -> sample -> stitch -> Save Video, in API form."""
    return {
        "1": {"class_type": "SoraLoadModel", "inputs": {"model": "bundled"}},
        "2": {"class_type": "SoraLoadVideo", "inputs": {"file": "a.mp4"}},
        "3": {"class_type": "SoraLoadVideo", "inputs": {"file": "b.mp4"}},
        "4": edit,
        "5": {"class_type": "SoraTextEncode", "inputs": {"clip": ["1", 1], "text": "a red ball"}},
        "6": {"class_type": "SoraSampler", "inputs": {
            "model": ["1", 0], "positive": ["5", 0], "latent": ["4", 0], "seed": 1, "steps": 1, "cfg": 1.0,
            "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}},
        "7": {"class_type": "SoraStitchVideo", "inputs": {"samples": ["6", 0], "vae": ["1", 2], "colour_match": True}},
        "8": {"class_type": "SoraSaveVideo", "inputs": {"video": ["7", 0], "filename_prefix": "made"}},
    }  # fmt: skip


@needs_c2pa
@pytest.mark.parametrize(
    ("kind", "inputs", "ingredients"),
    [
        ("SoraExtendVideo", {"direction": "forward", "video": ["2", 0]}, ("a.mp4",)),
        ("SoraConnectVideos", {"first": ["2", 0], "second": ["3", 0], "fit": "crop"}, ("a.mp4", "b.mp4")),
    ],
)
def test_workflows(signed: Path, kind: str, inputs: dict[str, object], ingredients: tuple[str, ...]) -> None:
    edit = {"class_type": kind, "inputs": {"vae": ["1", 2], "seconds": 1.0, "overlap": 4, **inputs}}
    (signed / "workflow.json").write_text(json.dumps(edited(edit)))
    assert cli.main(["run", "workflow.json"]) == 0
    (made,) = (signed / "output").rglob("made*.mp4")
    found = verify(made)
    assert found.status == "unknown signer" and found.ingredients == ingredients and found.generated
    assert b"another maker" in made.read_bytes()


def test_only_what_leads_to_a_node_is_behind_it(signed: Path) -> None:
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "a.mp4"}},
        "2": {"class_type": "LoadVideo", "inputs": {"file": "b.mp4"}},
        "3": {"class_type": "Edit", "inputs": {"first": ["2", 0], "second": ["1", 0], "again": ["2", 1]}},
        "4": {"class_type": "Save", "inputs": {"video": ["3", 0], "filename_prefix": "video/none.mp4"}},
        "5": {"class_type": "Save", "inputs": {"video": ["1", 0], "loop": ["5", 0]}},
    }
    with Session(input=signed / "input", output=signed / "out", temp=signed / "temp").active():
        assert [path.name for path in behind(graph, "4")] == ["b.mp4", "a.mp4"]
        assert [path.name for path in behind(graph, "5")] == ["a.mp4"]
        assert len(behind(graph, None)) == 2 and not behind(None, "4")
        with pytest.raises(InputError):
            host.input_path("none.mp4")


def behind(graph: object, node: str | None) -> list[Path]:
    return doors.files_behind(SimpleNamespace(prompt=graph, unique_id=node))


@needs_c2pa
def test_files_that_cannot_be_ingredients_are_named_and_stop_nothing(tmp_path: Path) -> None:
    torn, other, whole = tmp_path / "torn.mp4", tmp_path / "clip.mkv", tmp_path / "whole.png"
    torn.write_bytes(b"no video at all")
    other.write_bytes(b"")
    write_image(whole, FRAMES[:1])
    origin, named = carrying(Origin(parent=torn, parts=(whole, other)))
    assert origin.parent is None and origin.parts == (whole,) and named == ["torn.mp4", "clip.mkv"]
    made = tmp_path / "made.png"
    sign(whole, made, Origin(parent=other), development_credentials(tmp_path / "own"))
    assert b"clip.mkv" in made.read_bytes() and verify(made).status == "unknown signer"
