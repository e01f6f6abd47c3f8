"""Names in use are nobody else's, and what a killed process leaves is found and removed by the next."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_toys import session
from sora_nodes import cli
from sora_nodes.runtime.session import SPARE, STAGED, inside
from sora_nodes.sora_core.claims import Claim, claim_first, part_of, sweep, working_folder
from sora_nodes.sora_core.errors import InputError, ResourceError
from sora_nodes.sora_core.files import beside, check_writable

HOLD = """
import sys, time
from pathlib import Path
from sora_nodes.sora_core.claims import claim_first, working_folder
from sora_nodes.sora_core.files import beside
root = Path(sys.argv[1])
path, claim = claim_first(root / f"x_{i}.mp4" for i in range(9))
with working_folder(root) as folder, beside(root / "big.bin") as part:
    (folder / "frames.raw").write_bytes(bytes(1000))
    part.write_bytes(bytes(1000))
    print(path.name, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of its work in the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "x_0.mp4\n"
    yield process
    process.kill()
    process.wait()


def test_two_processes_choose_two_names_and_leave_each_other_alone(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    before = sorted(os.listdir(tmp_path))
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == before and len(before) == 4
    path, claim = claim_first(tmp_path / f"x_{i}.mp4" for i in range(9))
    assert path.name == "x_1.mp4"
    claim.release()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP])
def test_what_a_killed_process_left_is_swept(
    tmp_path: Path, holder: subprocess.Popen[str], end: signal.Signals
) -> None:
    holder.send_signal(end)
    holder.wait()
    assert len(os.listdir(tmp_path)) == 4
    sweep(tmp_path)
    assert os.listdir(tmp_path) == []


def test_files_of_others_are_never_swept(tmp_path: Path) -> None:
    kept = [".part", "film.part", ".film.part", ".film-1234567.part", "film-12345678.part", ".film-1234567x.part"]
    for name in kept:
        (tmp_path / name).write_text("a download")
    (tmp_path / ".a-12345678.part").symlink_to(tmp_path / "film.part")
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".a-12345678.part"])


def test_a_name_is_free_again_when_its_claim_is_released(tmp_path: Path) -> None:
    path, claim = claim_first([tmp_path / "a", tmp_path / "b"])
    assert path.name == "a" and claim_first([tmp_path / "a", tmp_path / "b"])[0].name == "b"
    claim.release()
    assert claim_first([tmp_path / "a"])[0].name == "a"
    with pytest.raises(ResourceError, match="taken"):
        (tmp_path / "a").touch()
        claim_first([tmp_path / "a"])


def test_a_sweep_between_making_and_locking_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sora_nodes.sora_core import claims

    path = part_of(tmp_path / "x")
    monkeypatch.setattr(claims, "locked", lambda handle: path.unlink() is None)
    assert Claim.take(path) is None


def test_sessions_reserve_names_for_their_files(tmp_path: Path) -> None:
    first, second = session(tmp_path), session(tmp_path)
    names = [where.output_path("a/clip", ".mp4")[1] for where in (first, second, first)]
    assert names == ["a/clip_00001_.mp4", "a/clip_00002_.mp4", "a/clip_00003_.mp4"]
    first.release()
    second.release()
    assert os.listdir(tmp_path / "output" / "a") == []


def test_a_job_with_many_files_keeps_few_open_and_their_names_to_itself(tmp_path: Path) -> None:
    """As many as a job of a batch likes: each claim is an open file, of which a system allows some hundreds."""
    batch, other = replace(session(tmp_path), staging=tmp_path / "output" / STAGED / "job-1"), session(tmp_path)
    for _ in range(50):
        path, _ = batch.output_path("a/clip", ".png")
        path.write_bytes(b"whole")
    assert len(batch.chosen) == 1, "that of the newest file"
    assert other.output_path("a/clip", ".png")[1] == "a/clip_00051_.png"
    late = session(tmp_path)
    late.last[tmp_path / "output" / "a" / "clip"] = 7  # what it knew before those files were written
    assert late.output_path("a/clip", ".png")[1] == "a/clip_00052_.png"


def test_working_folders_go_away(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), working_folder(tmp_path) as folder:
        (folder / "a").mkdir()
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["红" * 90, "x" * 250, "é" * 120, "🎈" * 60, "/".join(["ab"] * 3 + ["红" * 90])])
def test_a_name_that_is_too_long_in_bytes_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="bytes"):
        inside(tmp_path, name, what="output", spare=SPARE)


@pytest.mark.parametrize("name", ["two\nlines.png", "a\tb.mp4", "~draft.png", "What? a:b.mp4", " led.png"])
def test_a_file_that_exists_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert inside(tmp_path, name, what="file", there=True).is_file()
    with pytest.raises(InputError):
        inside(tmp_path, name, what="output")


@pytest.mark.parametrize("name", ["NUL", "con.mp4", "a/lpt1/b", "a./b", "clip ", "COM7.x"])
def test_names_of_devices_are_for_reading_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="usable"):
        inside(tmp_path, name, what="output")
    assert inside(tmp_path, name, what="file", there=True).is_relative_to(tmp_path)
    for plain in ("console", "nullified.mp4", "a.b", "COM10"):
        inside(tmp_path, plain, what="output")


def test_what_the_check_lets_through_can_be_written(tmp_path: Path) -> None:
    for letter in ("x", "é", "红", "🎈"):
        name = letter * ((255 - SPARE) // len(letter.encode()))
        where = session(tmp_path)
        path, _ = where.output_path(name, ".webp")
        with beside(path) as part:
            part.write_text(letter)
        assert path.read_text() == letter


def test_a_whole_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with its folders"):
        inside(tmp_path / "/".join(["y" * 200] * 20), "x" * 200, what="output")
    with pytest.raises(ResourceError, match="bytes"):
        check_writable(tmp_path / ("红" * 90 + ".mp4"))


def test_a_run_that_could_not_save_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").mkdir()
    graph = {
        "1": {"class_type": "SoraLoadModel", "inputs": {"model": "bundled"}},
        "2": {"class_type": "SoraLoadVideo", "inputs": {"file": "x.mp4"}},
        "3": {"class_type": "SoraSaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "红" * 90}},
    }
    (tmp_path / "w.json").write_text(json.dumps(graph))
    (tmp_path / "input" / "x.mp4").write_bytes(b"none")
    began = time.monotonic()
    assert cli.main(["run", "w.json"]) == 2 and time.monotonic() - began < 5
    assert "bytes" in capsys.readouterr().err and not (tmp_path / "output").exists()
