"""A run that is killed goes on to the same bits; a stored state is taken up by its own run alone, and goes away."""

import copy
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from editing_toys import tiny_model
from safetensors.torch import save_file
from sora_nodes.sora_core import checkpoints
from sora_nodes.sora_core.diffusion import draw_noise
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.errors import Cancelled, ResourceError
from sora_nodes.sora_core.grid import VideoSize, plan
from sora_nodes.sora_core.layers.eight_bit import EightBitOps
from sora_nodes.sora_core.layers.kernels import cpu
from sora_nodes.sora_core.open_weights import LoraUse, with_loras
from sora_nodes.sora_core.pipeline import empty_state, encode_text, sample
from sora_nodes.sora_core.pipeline.stored import FOLDER, RunStore, key_of, stored_runs

MODEL = tiny_model()
GRID = plan(VideoSize(frames=9, height=16, width=32, fps=8), MODEL.geometry)
SETTINGS = MODEL.settings.with_(steps=6, solver="dpmpp_2m", cfg=2.0)


def run(runs: RunStore | None, *, seed: int = 0, progress=None, steps: int = 6) -> torch.Tensor:
    return sample(
        MODEL,
        empty_state(GRID, MODEL.geometry),
        encode_text(MODEL, ["a red ball"]),
        noise=draw_noise(GRID.shape, seed),
        fps=8.0,
        settings=SETTINGS.with_(steps=steps),
        progress=progress,
        runs=runs,
    )


def stopped_at(step: int, stop):
    def progress(done: int, total: int) -> None:
        if done == step:
            stop()

    return progress


def killed(folder: Path, step: int) -> None:
    torch.set_num_threads(1)
    run(RunStore(folder, every=0), progress=stopped_at(step, lambda: os.kill(os.getpid(), signal.SIGKILL)))


@pytest.fixture(scope="module")
def whole() -> torch.Tensor:
    return run(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("step", range(1, 7))
def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path: Path, whole: torch.Tensor, step: int) -> None:
    child = multiprocessing.get_context("fork").Process(target=killed, args=(tmp_path / FOLDER, step))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert [found.step for found in stored_runs(tmp_path)] == [step]
    runs, seen = RunStore(tmp_path / FOLDER), []
    assert torch.equal(run(runs, progress=lambda done, total: seen.append(done)), whole)
    assert seen[0] == step
    runs.finish()
    assert not (tmp_path / FOLDER).exists()


def stop() -> None:
    raise Cancelled("stopped")


def test_a_state_is_taken_up_by_its_own_run_alone(tmp_path: Path, whole: torch.Tensor) -> None:
    runs = RunStore(tmp_path / FOLDER, every=0)
    with pytest.raises(Cancelled):
        run(runs, progress=stopped_at(3, stop))
    runs.close()
    seen: list[int] = []
    again = RunStore(tmp_path / FOLDER, every=1e9)
    for other in ({"seed": 1}, {"steps": 5}):
        run(again, progress=lambda done, total: seen.append(done), **other)
        assert seen[0] == 0
        seen.clear()
    assert len(stored_runs(tmp_path)) == 3
    again.finish()
    assert [found.step for found in stored_runs(tmp_path)] == [3]


def test_a_state_that_another_process_has_is_left_to_it(tmp_path: Path, whole: torch.Tensor) -> None:
    first, second, seen = RunStore(tmp_path / FOLDER, every=0), RunStore(tmp_path / FOLDER, every=0), []
    with pytest.raises(Cancelled):
        run(first, progress=stopped_at(3, stop))
    assert torch.equal(run(second, progress=lambda done, total: seen.append(done)), whole)
    assert seen[0] == 0
    second.finish()
    assert [found.step for found in stored_runs(tmp_path)] == [3]
    first.finish()


def test_a_damaged_state_is_said_and_not_used(tmp_path: Path, whole: torch.Tensor) -> None:
    runs, said = RunStore(tmp_path / FOLDER, every=0), []
    with pytest.raises(Cancelled):
        run(runs, progress=stopped_at(3, stop))
    runs.close()
    path = stored_runs(tmp_path)[0].path
    path.write_bytes(path.read_bytes()[:200])
    assert torch.equal(run(RunStore(tmp_path / FOLDER, warn=said.append)), whole)
    assert "begins anew" in said[0]


def test_a_changed_number_of_a_state_is_noticed(tmp_path: Path, whole: torch.Tensor) -> None:
    runs, said = RunStore(tmp_path / FOLDER, every=0), []
    with pytest.raises(Cancelled):
        run(runs, progress=stopped_at(3, stop))
    runs.close()
    path = stored_runs(tmp_path)[0].path
    data = bytearray(path.read_bytes())
    data[-5] ^= 64
    path.write_bytes(data)
    assert torch.equal(run(RunStore(tmp_path / FOLDER, warn=said.append)), whole)
    assert "not those that were stored" in said[0]


def test_a_state_that_is_none_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    odd = {"step": torch.tensor([1, 2]), "sigmas": torch.zeros(3)}
    checkpoints.save(tmp_path / FOLDER / "a.safetensors", odd, config={})
    assert stored_runs(tmp_path) == []


def test_a_full_disk_stops_no_run(tmp_path: Path, whole: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    said: list[str] = []
    monkeypatch.setattr("sora_nodes.sora_core.checkpoints.save", full)
    assert torch.equal(run(RunStore(tmp_path / FOLDER, every=0, warn=said.append)), whole)
    assert "not stored" in said[0]


def test_a_state_of_other_weights_is_another_run() -> None:
    from dataclasses import replace

    from sora_nodes.sora_core.pipeline.stored import run_key

    begins = [draw_noise(GRID.shape, 0)]
    changed = copy.deepcopy(MODEL.dit)
    weight = next(p for p in changed.parameters() if p.ndim == 2)
    with torch.no_grad():
        weight += 1e-3 * torch.randn(weight.shape[0], 1) @ torch.randn(1, weight.shape[1])  # as a LoRA does
    others = [replace(MODEL, dit=changed), replace(MODEL, low_from=0.3)]
    keys = {run_key(model, begins, SETTINGS) for model in (MODEL, *others)}
    assert len(keys) == 3 and run_key(MODEL, begins, SETTINGS) in keys


@pytest.mark.parametrize("kind", ["eight bits", "prepacked"])
def test_another_strength_of_a_lora_is_another_run(tmp_path: Path, kind: str) -> None:
    """Where a LoRA is computed beside a weight, and where the weight lies as the processor's products read it."""
    if kind == "prepacked" and not cpu.onednn():
        pytest.skip("this processor has no products of bfloat16")
    config = DiTConfig(width=64, depth=1, heads=2, mlp_width=96, text_width=16, text_tokens=8, channels=4)
    dit = DiT(config, ops=EightBitOps if kind == "eight bits" else torch.nn).requires_grad_(False).bfloat16()
    for layer in dit.modules():
        if isinstance(layer, EightBitOps.Linear):
            layer.weight.data = layer.weight.data.to(torch.float8_e4m3fn)
    layer = "blocks.0.self_attn.q"
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(4, 64), f"{layer}.lora_B.weight": torch.ones(64, 4)},
        tmp_path / "x.safetensors",
    )
    keys = []
    for strength in (0.5, 1.0, 1.0):
        changed, _ = with_loras(dit, [LoraUse(path=tmp_path / "x.safetensors", strength=strength)])
        keys += [key_of([changed], (), None), key_of([changed.prepacked()], (), None)]
    assert keys[0] == keys[1] != keys[2] == keys[3] == keys[4] == keys[5]


def test_what_a_process_that_was_killed_left_beside_goes_with_the_file(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    first, second = RunStore(folder), RunStore(folder)
    ours, theirs = first.segments("k" * 24), second.segments("k" * 24)
    assert ours != theirs
    for path in (ours, theirs):
        path.mkdir()
    for claim in second._claims.values():
        claim.unlock()  # as the system does when a process ends
    (folder / ".k-01234567.part").write_bytes(b"half a state")
    third = RunStore(folder)
    assert third.segments("k" * 24) == theirs, "taken up by the next one"
    third.close()
    first.finish()
    assert not folder.exists()


def test_a_folder_of_another_user_is_refused_before_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first run as root, in a container, leaves one behind when it is stopped."""
    (tmp_path / FOLDER).mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # whoever runs the tests may be allowed everything
    with pytest.raises(ResourceError, match=r"sora-runs: another user may have made it; name another place"):
        run(RunStore(tmp_path / FOLDER), progress=lambda done, total: pytest.fail("it was sampled"))


def test_a_state_that_another_user_left_is_not_touched(
    tmp_path: Path, whole: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RunStore(tmp_path / FOLDER, every=0)
    with pytest.raises(Cancelled):
        run(first, progress=stopped_at(3, stop))
    before, said = [path.read_bytes() for path in (tmp_path / FOLDER).glob("*.safetensors")], list[str]()

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sora_nodes.sora_core.claims.Claim.take", refused)
    runs = RunStore(tmp_path / FOLDER, every=0, warn=said.append)
    assert torch.equal(run(runs), whole) and "another process or user has the stored run" in said[0]
    assert before == [path.read_bytes() for path in (tmp_path / FOLDER).glob("*.safetensors")]


def test_a_folder_that_takes_no_segments_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sora_nodes.sora_core.claims.Claim.take", refused)
    with pytest.raises(ResourceError, match=r"cannot write .*sora-runs: the folder may not be written to"):
        RunStore(tmp_path / FOLDER).segments("key")
