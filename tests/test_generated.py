"""What `sora generate` makes can be made again from its own file, and says what it will do."""

import json
from pathlib import Path

import pytest
from sora_nodes import cli
from sora_nodes.runtime.generated import graph_of
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.media import read_video


@pytest.mark.parametrize("how", [["--steps", "2"], ["--fast"]], ids=["steps", "fast"])
def test_a_file_makes_itself_again(
    how: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--seconds", "0.5", "--size", "64x64", *how, "--json", "-o", "one.mp4"]
    assert cli.main(["generate", "a red ball, no snow", *asked]) == 0
    made = json.loads(capsys.readouterr().out)
    assert "red ball" in made["caption"] and made["file"] == "one.mp4"
    assert cli.main(["run", "one.mp4", "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)["files"]
    assert read_video(again).frames.equal(read_video("one.mp4").frames)


def test_what_cannot_end_well_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, words in (
        (["a", "red", "ball"], 'put the prompt in quotes: sora generate "a red ball"'),
        (["a red ball", "-o", "x.png", "--seconds", "2"], "is a picture"),
    ):
        assert cli.main(["generate", *arguments]) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "settings", ["", "[]", "{}", '{"size": 3}', '{"size": [1, 2, 3], "prompt": "x"}', "[" * 200_000]
)
def test_settings_of_another_form_are_one_sentence(settings: str) -> None:
    with pytest.raises(InputError, match=r"x\.mp4 carries settings"):
        graph_of(settings, "x.mp4")
