"""Tests are tiny: one thread is the fastest there, and the same everywhere."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No policy and no certificate of the person who runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own folder is where commands are called; their files lie in its `input`."""
    (tmp_path / "input").mkdir()
    monkeypatch.chdir(tmp_path)
