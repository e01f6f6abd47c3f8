"""Weights: what is saved comes back, what does not fit is named, and a final name always holds a whole file."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sora_nodes.sora_core import checkpoints
from sora_nodes.sora_core.errors import CheckpointError, ResourceError
from sora_nodes.sora_core.files import beside, check_writable, write_text
from torch import nn

CONFIG: dict[str, Any] = {"family": "tiny", "width": 4, "sizes": (1, 2)}


def test_a_header_that_begins_as_a_pickle_does_is_read(tmp_path: Path) -> None:
    for spare in range(500, 620, 4):  # one of these headers is 640 bytes long: the bytes 80 02
        path = tmp_path / "x.safetensors"
        checkpoints.save(path, {"a": torch.zeros(1)}, config={}, metadata={"note": "x" * spare})
        assert checkpoints.read_header(path).shapes == {"a": (1,)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    checkpoints.save(path, nn.Linear(3, 4).state_dict(), config=CONFIG, metadata={"step": "7"})
    return path


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(2, 3),
        "b": torch.arange(4),
        "c": torch.randn(2, 2).bfloat16(),
        "t": torch.randn(3, 2).t(),
    }
    checkpoints.save(tmp_path / "x.safetensors", tensors, config=CONFIG, metadata={"step": "7"})
    back = checkpoints.load(tmp_path / "x.safetensors")
    assert back.config == CONFIG and back.metadata["step"] == "7"
    assert set(back.tensors) == set(tensors)
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in tensors.items())


def test_tensors_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    checkpoints.save(tmp_path / "x.safetensors", {"whole": whole, "half": whole[:3], "same": whole}, config={})
    assert torch.equal(checkpoints.load(tmp_path / "x.safetensors").tensors["half"], whole[:3])


def test_a_saved_file_is_as_open_as_any_other_new_file(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "other").touch()
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_header_alone_tells_config_and_shapes(saved: Path) -> None:
    header = checkpoints.read_header(saved)
    assert header.config == CONFIG and header.shapes == {"weight": (4, 3), "bias": (4,)}


def test_a_module_is_filled_from_under_a_prefix(tmp_path: Path) -> None:
    source, target = nn.Linear(3, 4), nn.Linear(3, 4)
    tensors = {f"net.{name}": tensor for name, tensor in source.state_dict().items()} | {"other": torch.zeros(1)}
    checkpoints.save(tmp_path / "x.safetensors", tensors, config={})
    checkpoints.load_into(target, checkpoints.load(tmp_path / "x.safetensors").tensors, prefix="net.")
    assert torch.equal(target.weight, source.weight)
    with torch.device("meta"):
        hollow = nn.Linear(3, 4)
    checkpoints.load_into(hollow, checkpoints.load(tmp_path / "x.safetensors").tensors, prefix="net.")
    assert torch.equal(hollow.weight, source.weight)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"weight": torch.zeros(4, 3)}, ["1 missing (bias)"]),
        ({"weight": torch.zeros(4, 3), "bias": torch.zeros(4), "gain": torch.zeros(1)}, ["1 foreign (gain)"]),
        ({"weight": torch.zeros(4, 5), "bias": torch.zeros(4)}, ["weight [4, 5] for [4, 3]"]),
        ({f"layer{i}": torch.zeros(1) for i in range(9)}, ["2 missing", "9 foreign (layer0, layer1, layer2, ...)"]),
    ],
)
def test_what_does_not_fit_is_named_and_the_module_untouched(
    tensors: dict[str, torch.Tensor], words: list[str]
) -> None:
    module = nn.Linear(3, 4)
    before = module.weight.clone()
    with pytest.raises(CheckpointError) as error:
        checkpoints.load_into(module, tensors)
    assert all(word in str(error.value) for word in words)
    assert torch.equal(module.weight, before)


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_a_truncated_file_is_named(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="truncated"):
        checkpoints.load(saved)


@pytest.mark.parametrize(
    "content", [b"GIF89a" * 20, b"\0" * 64, b"\x02\0\0\0\0\0\0\0{}junk", b"\x10\0\0\0\0\0\0\0{not json at all}"]
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        checkpoints.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.pt", "x.ckpt", "x.bin", "x.safetensors"])
def test_a_pickle_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / name)
    with pytest.raises(CheckpointError, match="pickle"):
        checkpoints.load(tmp_path / name)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights file"):
        checkpoints.load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="directory"):
        checkpoints.load(tmp_path)


def test_weights_are_saved_under_their_own_ending_only(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"\.safetensors"):
        checkpoints.save(tmp_path / "x.pt", {}, config={})


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), beside(path) as part:
        part.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(saved: Path) -> None:
    """A limit on the file's size stands in for the disk: it, too, is met in the middle of the write."""
    before, limits = saved.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ResourceError, match="larger than"):
            checkpoints.save(saved, {"x": torch.zeros(100_000)}, config={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize(
    ("path", "size", "words"),
    [
        ("/proc/x.mp4", 0, "cannot write"),
        ("none/x.mp4", 0, "no folder"),
        ("/dev/null", 0, "not a file"),
        ("x.mp4", 1 << 60, "needs about"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_beforehand(tmp_path: Path, path: str, size: int, words: str) -> None:
    with pytest.raises(ResourceError, match=words):
        check_writable(tmp_path / path, size)
    assert list(tmp_path.iterdir()) == []


def test_weights_load_without_the_compiler() -> None:
    """Whatever is drawn or reckoned on the meta device loads torch's compiler or sympy: seconds before every run."""
    loads = "import sys; from sora_nodes.sora_core.pipeline import load_bundled; load_bundled();"
    says = "sys.exit(', '.join({'torch._dynamo', 'sympy'} & sys.modules.keys()) or 0)"
    done = subprocess.run([sys.executable, "-c", f"{loads} {says}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_written_anew_is_read_by_as_many_as_before(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    path.chmod(0o600)
    write_text(path, "new")
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_protected_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.txt").write_text("old")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # whoever runs the tests may be allowed everything
    with pytest.raises(ResourceError, match=r"x\.txt: that file is protected from writing; name another"):
        write_text(tmp_path / "x.txt", "new")
