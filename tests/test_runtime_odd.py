"""`sora run` on files that are odd: what it says, and that it says it before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sora_nodes import cli
from sora_nodes.commands.run import local_registry
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.jobs import read_jobs
from sora_nodes.runtime.reading import read_document
from sora_nodes.runtime.validate import WorkflowError, plan
from sora_nodes.sora_core.errors import InputError

EXAMPLES = Path(__file__).parent.parent / "example_workflows"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_json_says_other_mistakes_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(tmp_path / "none.json"), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["valid"] is False and "there is no workflow file" in said["error"]


def test_a_device_that_holds_nothing_is_no_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(EXAMPLES / "text_to_video.json"), "--device", "meta"]) == 2
    assert "there is no device 'meta' here" in capsys.readouterr().err


def test_a_workflow_that_keeps_no_file_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 1}}
    shown = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    saved = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}}
    for name, nodes in (("shown", {"2": shown}), ("kept", {"2": shown, "3": saved})):
        (tmp_path / f"{name}.json").write_text(json.dumps({"1": made, **nodes}))
        assert cli.main(["run", str(tmp_path / f"{name}.json")]) == 0
        assert ("nothing here keeps a file" in capsys.readouterr().err) == (name == "shown")


def test_half_a_character_in_the_name_of_a_file_is_refused() -> None:
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "\ud800.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    with pytest.raises(WorkflowError, match=r"input image: .* expected text of whole Unicode characters"):
        plan(Graph.from_api(nodes), local_registry())


def test_validate_asks_the_server_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    example = str(EXAMPLES / "text_to_video.json")
    assert cli.main(["run", example, "--validate", "--server", "http://127.0.0.1:9"]) == 2
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_a_file_is_read_by_whichever_of_its_workflows_is_whole(tmp_path: Path) -> None:
    whole = json.dumps({"1": {"class_type": "EmptyImage", "inputs": {}}})
    for prompt in ("null", "{}", "no json"):
        info = PngInfo()
        info.add_text("prompt", prompt)
        info.add_text("workflow", whole)
        Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
        assert read_document(tmp_path / "a.png")[0] == json.loads(whole)


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be allowed everything."""

    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)


@pytest.mark.usefixtures("unreadable")
def test_a_workflow_or_table_of_another_user_is_one_sentence(tmp_path: Path) -> None:
    for name in ("w.json", "jobs.csv"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=r"w\.json cannot be read: Permission denied"):
        read_document(tmp_path / "w.json")
    with pytest.raises(InputError, match=r"jobs\.csv cannot be read: Permission denied"):
        read_jobs(tmp_path / "jobs.csv", Graph(nodes={}))


def test_a_folder_that_takes_no_result_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another user's, where the output folder is not."""
    (Path("output") / "clips").mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "clips")
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "clips/day/x"}}
    picture = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}
    with pytest.raises(WorkflowError, match=r"the folder .*clips may not be written to"):
        plan(Graph.from_api({"1": picture, "2": save}), local_registry())


def test_an_early_look_does_not_replace_what_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("w.mp4").write_bytes(b"mine")
    assert cli.main(["run", "w.mp4", "--preview", "./w.mp4"]) == 2 and Path("w.mp4").read_bytes() == b"mine"
    assert "w.mp4 is what is run and would be lost; name another --preview" in capsys.readouterr().err
