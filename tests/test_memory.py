"""What may still be allocated: the tightest of machine, container and process limit counts."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from sora_nodes.sora_core import memory
from sora_nodes.sora_core.errors import ResourceError

GB = 1 << 30


def group(root: Path, name: str, files: dict[str, object]) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (root / name / file).write_text(f"{text}\n")


def test_each_control_group_around_the_process_counts(tmp_path: Path) -> None:
    group(tmp_path, "", {"memory.max": 4 * GB, "memory.current": 1 * GB})
    group(tmp_path, "a/b", {"memory.max": "max", "memory.current": GB})
    stat = f"anon 5\ninactive_file {GB // 4}"
    group(tmp_path, "a", {"memory.max": 2 * GB, "memory.current": GB, "memory.stat": stat})
    (tmp_path / "own").write_text("0::/a/b\n")
    assert sorted(memory.cgroup_memory(tmp_path, tmp_path / "own")) == [GB + GB // 4, 3 * GB]


def test_the_older_interface_of_control_groups_counts(tmp_path: Path) -> None:
    limit = {"memory.limit_in_bytes": GB, "memory.usage_in_bytes": GB // 2}
    group(tmp_path, "memory/job", limit)
    group(tmp_path, "memory", {"memory.limit_in_bytes": 0x7FFFFFFFFFFFF000, "memory.usage_in_bytes": 1})
    (tmp_path / "own").write_text("4:cpu,cpuacct:/job\n3:memory:/job\n")
    assert list(memory.cgroup_memory(tmp_path, tmp_path / "own")) == [GB // 2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of other systems are not asked")
def test_a_limit_on_address_space_counts() -> None:
    """In a process of its own, as `ulimit -v` would set it."""
    code = "from sora_nodes.sora_core.memory import free_memory; print(free_memory())"
    limited = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 * GB, 8 * GB)),
    )
    assert 0 < int(limited.stdout) < 8 * GB


def test_what_does_not_fit_is_said_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10**9)
    memory.check_memory_for(10**9, "the clip", "read less")
    with pytest.raises(ResourceError, match=r"the clip needs about 3\.0 GB of memory and 1\.0 GB is free; read less\."):
        memory.check_memory_for(3 * 10**9, "the clip", "read less")
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    memory.check_memory_for(10**15, "the clip", "read less")
