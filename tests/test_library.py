"""The public library: its names are pinned, and the recipes of docs/library.md run as they stand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from editing_toys import tiny_model
from sora_nodes import sora_core
from sora_nodes.sora_core.media import probe, read_video

ROOT = Path(__file__).parent.parent
NAMES = (
    "DEFAULTS Clip Edit Keyframe SamplingSettings Shot SoraError SoraModel VideoSize animate connect edit_video extend"
    " fill generate load_bundled load_open loop_clip loop_new read_image read_video restyle sample_edit sample_video"
    " storyboard write_image write_video"
)
RECIPES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_public_names_are_these() -> None:
    assert sora_core.__all__ == NAMES.split(), "a name that is gone breaks other people's programs"
    for name in NAMES.split():
        assert getattr(sora_core, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'reader'"):
        sora_core.reader  # noqa: B018


def test_the_types_are_declared() -> None:
    tree = ast.parse((ROOT / "sora_core" / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level for alias in node.names
    }
    assert typed == set(NAMES.split()) and (ROOT / "py.typed").exists()


def test_the_recipes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    model = tiny_model().with_settings(steps=2)
    monkeypatch.setattr(sora_core, "load_bundled", lambda: model, raising=False)
    assert len(RECIPES) == 6
    for recipe in RECIPES:
        assert len([line for line in recipe.splitlines() if line]) <= 10
        exec(compile(recipe, "docs/library.md", "exec"), {})
    given, longer = read_video("ball.mp4").frames, read_video("longer.mp4")
    assert len(longer.frames) == len(given) + 16 and longer.fps == 8
    assert {name: probe(f"{name}.mp4").frames for name in ("animated", "restyled", "shots")} == {
        "animated": 17, "restyled": 16, "shots": 16,
    }  # fmt: skip
    assert "[2, 3, 9, 64, 64]" in capsys.readouterr().out
