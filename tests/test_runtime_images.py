"""IMAGE of a long video: read frame by frame where a node goes through it, whole only where it must be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from media_toys import film, numbered
from sora_nodes.nodes.stock import StockExtension
from sora_nodes.runtime import images
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.images import FileImages, images_of
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.errors import ResourceError
from sora_nodes.sora_core.media import FileSource

PICTURES = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "long.mp4"}},
    "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "f"}},
}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return film(tmp_path / "in" / "long.mp4", [numbered(n % 64) for n in range(90)])


def test_frames_runs_and_operations_are_those_of_the_tensor(clip: Path) -> None:
    lazy, whole = FileImages(FileSource(clip)), images_of(FileSource(clip))
    assert isinstance(whole, torch.Tensor) and lazy.shape == tuple(whole.shape) and len(lazy) == 90
    assert all(torch.equal(a, b) for a, b in zip(lazy, whole, strict=True))
    for place in (
        slice(8, 20),
        slice(-5, None),
        -1,
        7,
        slice(None, None, 30),
        slice(5, 5),
        (..., 0),
        torch.tensor([1]),
    ):
        assert torch.equal(lazy[place], whole[place])
    assert torch.equal(torch.cat([lazy, lazy]), torch.cat([whole, whole]))
    assert torch.equal(lazy.movedim(-1, 1), whole.movedim(-1, 1))
    assert lazy.dtype == torch.float32 and np.asarray(lazy.numpy()).shape == whole.shape


def test_what_does_not_fit_is_refused_before_it_is_allocated(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = FileImages(FileSource(clip))
    monkeypatch.setattr(images, "free_memory", lambda: 12 * 48 * 64 * 10)
    with pytest.raises(ResourceError, match=r"long.mp4 as pictures \(90 of 64x48\).* enough for 10 of them"):
        lazy.tensor()
    assert len(lazy[:10]) == 10


def test_a_long_clip_becomes_pictures_without_lying_in_memory(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "LARGE", 1 << 20)
    monkeypatch.setattr(FileImages, "tensor", lambda self: pytest.fail("all frames were asked for"))
    session = Session(input=clip.parent, output=tmp_path / "out", temp=tmp_path / "temp")
    result = Executor(Registry.of(StockExtension()), keep=False).run(Graph.from_api(PICTURES), session)
    assert len(result.files()) == 90
    assert len(session.chosen) <= 1  # each claim to a name keeps a file open, and a process may have few
    session.release()


def test_damage_found_on_the_way_is_said_by_the_node_that_met_it(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "LARGE", 0)
    content = bytearray(clip.read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 3
    content[middle : middle + 400] = bytes(400)
    clip.write_bytes(content)
    session = Session(input=clip.parent, output=tmp_path / "out", temp=tmp_path / "temp")
    result = Executor(Registry.of(StockExtension()), keep=False).run(Graph.from_api(PICTURES), session)
    session.release()
    assert "damaged" in " ".join(result.texts().values())
