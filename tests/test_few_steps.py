"""The few-step mode: the teacher's paths are its own, the student learns to follow them, and what ships is it."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from device_toys import FAR, moved, second_device
from sora_nodes import cli
from sora_nodes.cli import parse
from sora_nodes.commands import generate
from sora_nodes.sora_core import checkpoints
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser
from sora_nodes.sora_core.errors import InputError, ResourceError
from sora_nodes.sora_core.evaluation import run_suite
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.open_weights import LoraUse, with_loras
from sora_nodes.sora_core.pipeline import SoraModel
from sora_nodes.sora_core.pipeline.model import with_few_steps
from sora_nodes.sora_core.settings import SamplingSettings
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.training import few_steps
from sora_nodes.sora_core.training.export import save_codec, save_transformer
from sora_nodes.sora_core.training.few_steps import (
    FewSteps,
    PathKind,
    PathLoss,
    Paths,
    distil,
    lora_of,
    make_paths,
    missed,
    new_paths,
    read_few_steps,
    standing_out,
    tokens_of,
    train,
)
from sora_nodes.sora_core.training.loop import Recipe
from sora_nodes.sora_core.world import Cutouts
from training_toys import TEXT_TOKENS, WORDS, tiny_codec, tiny_model

ROOT = Path(__file__).parent.parent
SIZE = VideoSize(frames=9, height=32, width=32, fps=8)
RUN = FewSteps(
    kinds=(PathKind(size=SIZE),),
    recipe=Recipe(steps=24, learning_rate=3e-3, muon_rate=3e-3, warmup=2, ema=0.5, save_every=12),
    teacher=SamplingSettings(steps=8),
    paths=2,
    clips=4,
    keep=0.0,
)


@pytest.fixture(scope="module")
def model() -> SoraModel:
    both = tiny_model().requires_grad_(False)
    return SoraModel(codec=tiny_codec(), text=both.text, tokenizer=WordTokenizer(WORDS, TEXT_TOKENS), dit=both.dit)


def test_a_path_begins_with_noise_and_ends_with_the_sample(model: SoraModel) -> None:
    paths = new_paths(RUN, model, 0)
    assert paths.x.shape == (5, 4, 4, 3, 4, 4)
    assert paths.sigmas[0] == 1 and paths.sigmas[-1] == 0
    assert float(paths.x[0].std()) == pytest.approx(1, abs=0.2)
    again = new_paths(RUN, model, 0)
    assert torch.equal(paths.x, again.x) and not torch.equal(paths.x, new_paths(RUN, model, 1).x)
    longer = new_paths(replace(RUN, steps=8), model, 0)
    assert torch.equal(longer.x[::2], paths.x)


def test_a_kept_part_stays_as_it_is_on_the_whole_path(model: SoraModel) -> None:
    paths = new_paths(replace(RUN, keep=1.0), model, 0)
    kept = (paths.mask < 1).expand_as(paths.x[0])
    assert kept.any() and not kept.all()
    assert all(torch.equal(x[kept], paths.x[0][kept]) for x in paths.x)


def test_the_estimate_that_leads_to_the_next_latent_misses_nothing() -> None:
    x, wanted = torch.randn(2, 1, 4, 1, 2, 2)
    sigma, after = torch.tensor([0.8]), torch.tensor([0.2])
    estimate = (wanted - after / sigma * x) / (1 - after / sigma)
    led = estimate + after / sigma * (x - estimate)
    assert torch.allclose(led, wanted, atol=1e-5)
    made, mask = estimate.clone(), torch.ones(1, 1, 1, 2, 2)
    made[..., 0, 0] += 1
    mask[..., 0, 0] = 0
    assert float(missed(made, x, wanted, sigma, after, mask)) == pytest.approx(0, abs=1e-9)
    assert float(missed(made, x, wanted, sigma, after, torch.ones_like(mask))) == pytest.approx(0.25 / 0.64)


def test_training_resumes_and_brings_the_student_to_the_teachers_path(model: SoraModel, tmp_path: Path) -> None:
    make_paths(RUN, model, tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("path-*")}
    assert len(made) == 2
    make_paths(RUN, model, tmp_path)
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())
    paths = Paths.load(sorted(made)[0])
    before = PathLoss(dit=model.dit, folder=tmp_path, own=0, seed=0).own_steps(paths)
    whole = train(RUN, model, tmp_path)
    student, _ = with_loras(model.dit, [LoraUse(path=whole)])
    after = PathLoss(dit=student, folder=tmp_path, own=0, seed=0).own_steps(paths)
    assert float(after) < 0.8 * float(before)
    stopped = tmp_path / "stopped"
    make_paths(RUN, model, stopped)

    class StopError(Exception):
        pass

    def stop(step):
        if step.step == 13:
            raise StopError

    with pytest.raises(StopError):
        train(RUN, model, stopped, watch=stop)
    resumed, never_stopped = (checkpoints.load(path).tensors for path in (train(RUN, model, stopped), whole))
    assert resumed.keys() == never_stopped.keys()
    assert all(torch.equal(resumed[name], never_stopped[name]) for name in resumed)


def test_a_step_has_fewer_clips_where_they_are_large(model: SoraModel, tmp_path: Path) -> None:
    make_paths(RUN, model, tmp_path)
    paths = Paths.load(tmp_path / "path-0000.safetensors")
    assert tokens_of(paths, model.dit) == 3 * 2 * 2
    seen = []

    class Seen(PathLoss):
        def own_steps(self, paths: Paths) -> torch.Tensor:
            seen.append(len(paths.cond))
            return super().own_steps(paths)

    network = copy.deepcopy(model.dit).requires_grad_(True)
    for tokens in (1000, 30, 5):
        Seen(dit=network, folder=tmp_path, own=0, seed=0, tokens=tokens).backward(0, 1.0)
    assert seen == [4, 2, 1]


def test_a_student_may_go_on_from_an_earlier_one(model: SoraModel, tmp_path: Path) -> None:
    make_paths(RUN, model, tmp_path)
    earlier, _ = with_loras(model.dit, [LoraUse(path=train(RUN, model, tmp_path))])
    (tmp_path / "few-steps-run.safetensors").unlink()
    barely = replace(RUN, recipe=replace(RUN.recipe, steps=1, learning_rate=1e-7, muon_rate=1e-7))
    student, _ = with_loras(model.dit, [LoraUse(path=train(barely, model, tmp_path, first=earlier))])
    for name, value in student.named_parameters():
        assert torch.allclose(value, earlier.get_parameter(name), atol=4e-3), name
    paths = Paths.load(tmp_path / "path-0000.safetensors")
    missed_by = [
        float(PathLoss(dit=dit, folder=tmp_path, own=0, seed=0).own_steps(paths)) for dit in (model.dit, student)
    ]
    assert missed_by[1] < 0.8 * missed_by[0]


def test_the_lora_of_full_rank_is_the_student(model: SoraModel, tmp_path: Path) -> None:
    torch.manual_seed(0)
    changed = {name: value + 0.1 * torch.randn_like(value) for name, value in model.dit.named_parameters()}
    checkpoints.save(tmp_path / "lora.safetensors", lora_of(model.dit, changed, rank=32), config={})
    student, _ = with_loras(model.dit, [LoraUse(path=tmp_path / "lora.safetensors")])
    for name, value in student.named_parameters():
        assert torch.allclose(value, changed[name], atol=4e-3), name
    paths = new_paths(RUN, model, 0)
    grid = {"positions": paths.positions, "spans": paths.spans, "fps": paths.fps}
    outputs = [
        DiTDenoiser(dit, **grid)(paths.x[0], torch.ones(4), paths.mask, paths.cond) for dit in (model.dit, student)
    ]
    assert not torch.allclose(*outputs, atol=0.01)


def test_few_steps_bring_their_settings(model: SoraModel, tmp_path: Path) -> None:
    path = tmp_path / "few_steps.safetensors"
    changed = {name: value + 1 for name, value in model.dit.named_parameters()}
    checkpoints.save(path, lora_of(model.dit, changed, rank=2), config={"steps": 3, "rank": 2})
    fast = with_few_steps(model, path)
    assert (fast.settings.steps, fast.settings.cfg, fast.settings.solver) == (3, 1.0, "euler")
    assert not torch.equal(fast.dit.blocks[0].ffn[0].weight, model.dit.blocks[0].ffn[0].weight)


def test_few_steps_leave_no_other_choice_of_steps() -> None:
    with pytest.raises(InputError, match="leave out --steps"):
        generate.execute(parse(["generate", "a red ball", "--fast", "--steps", "8"]))
    for given in ({"fast": True}, {"weights": ROOT}):
        with pytest.raises(InputError, match="few steps"):
            run_suite("fuzz", 1, **given)


def test_a_configuration_that_does_not_hold_is_answered(tmp_path: Path) -> None:
    assert read_few_steps(ROOT / "configs" / "few_steps.json").steps == 4
    assert read_few_steps(ROOT / "configs" / "few_steps_card.json").tokens == 13600
    given = json.loads((ROOT / "configs" / "few_steps.json").read_text())["few_steps"]
    for wrong, named in (
        ({"step": 4}, "step"),
        ({"teacher": {"steps": 7}}, "multiple"),
        ({"kinds": [{"width": 8}]}, "lacks frames"),
        ({"paths_share": 1.5}, "paths_share must be"),
        ({"batch_clips": 0}, "batch_clips must be"),
    ):
        path = tmp_path / "wrong.json"
        path.write_text(json.dumps({"few_steps": given | wrong}))
        with pytest.raises(InputError, match=named):
            read_few_steps(path)
    with pytest.raises(InputError, match="no paths"):
        PathLoss(dit=tiny_model().dit, folder=tmp_path, own=0, seed=0).backward(0, 0.0)


def test_what_stands_out_counts_for_more() -> None:
    """Things are a few cells of a clip; the rest of their row is ground or sky."""
    x = torch.linspace(-1, 1, 6).view(1, 1, 1, 6, 1).expand(2, 4, 3, 6, 8).clone()
    x[:, :, :, 2:4, 5:7] += 3
    there = standing_out(x)
    assert there[:, :, :, 2:4, 5:7].all() and there.sum() == 2 * 3 * 4
    off = torch.zeros_like(x)
    off[:, :, :, 2, 5] = 1.0
    sigma, after = torch.full((2,), 0.8), torch.full((2,), 0.4)
    plain, weighed = (missed(off, x * 0, x * 0, sigma, after, 1 + gain * there) for gain in (0.0, 6.0))
    assert weighed > 3 * plain


def test_by_the_clock_what_fits_is_made_and_the_lora_is_saved_in_time(
    model: SoraModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LAST", 3.0), ("LEAST", 1), ("SAID_EVERY", 1)):
        monkeypatch.setattr(few_steps, name, value)
    run = replace(RUN, paths=10_000, clips=2, recipe=replace(RUN.recipe, steps=1), own=0.5)
    said: list[str] = []
    began = time.monotonic()
    path = distil(run, model, tmp_path, seconds=9.0, say=said.append)
    assert time.monotonic() - began < 9.0
    files = len(list(tmp_path.glob("path-*")))
    assert 1 <= files < run.paths
    assert any(line.startswith("step 1, loss") for line in said)
    assert checkpoints.read_header(path).config == {"steps": 4, "rank": 64}
    assert not (tmp_path / "few-steps-run.safetensors").exists()


def test_a_clock_that_leaves_too_little_is_answered(model: SoraModel, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="too few to train in"):
        distil(RUN, model, tmp_path / "none", seconds=10.0)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ResourceError, match="0 files of teacher's paths were made in 0 s, not 4"):
        make_paths(RUN, model, tmp_path, seconds=0.0)


@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_on_a_second_device_paths_and_losses_are_the_same(model: SoraModel, tmp_path: Path, keep: float) -> None:
    run = replace(RUN, keep=keep)
    parts = {name: moved(copy.deepcopy(getattr(model, name))) for name in ("codec", "text", "dit")}
    near, far = model, replace(model, **parts)
    expected = new_paths(run, near, 0)
    with second_device():
        paths = new_paths(run, far, 0)
    assert all(value.device.type == "cpu" for value in vars(paths).values() if isinstance(value, torch.Tensor))
    assert torch.equal(paths.mask, expected.mask)
    assert torch.allclose(paths.x, expected.x, atol=1e-2)
    losses = [PathLoss(dit=each.dit, folder=tmp_path, own=0, seed=0) for each in (near, far)]
    with second_device():
        there = expected.to(FAR).part(torch.tensor([0, 2]))
        assert there.x.device == FAR
        got = [losses[1].own_steps(there), losses[1].single_steps(there, few_steps.Draws(0, 0))]
        got = [float(loss) for loss in got]
    here = expected.part(torch.tensor([0, 2]))
    wanted = [losses[0].own_steps(here), losses[0].single_steps(here, few_steps.Draws(0, 0))]
    assert got == pytest.approx([float(loss) for loss in wanted], rel=1e-3)


def test_training_computes_in_bfloat16_on_float32_weights(model: SoraModel, tmp_path: Path) -> None:
    make_paths(RUN, model, tmp_path)
    for share in (0.0, 1.0):
        exact, rough = (copy.deepcopy(model.dit).requires_grad_(True) for _ in range(2))
        losses = [
            PathLoss(dit=dit, folder=tmp_path, own=0.5, seed=0, bfloat16=bfloat16).backward(0, share)
            for dit, bfloat16 in ((exact, False), (rough, True))
        ]
        assert losses[1].dtype == torch.float32
        assert losses[0] != losses[1] and float(losses[1]) == pytest.approx(float(losses[0]), rel=0.1)
        for (name, a), b in zip(exact.named_parameters(), rough.parameters(), strict=True):
            assert b.grad is not None and b.grad.dtype == torch.float32
            alike = torch.nn.functional.cosine_similarity(a.grad.flatten(), b.grad.flatten(), 0)
            assert a.grad.norm() < 1e-6 or alike > 0.9, name


def test_captions_name_the_nouns_there_are_pictures_of(model: SoraModel, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.full((1, 16, 16, 4), 255, dtype=torch.uint8)
    cutouts = Cutouts.of({"cat": picture, "car": picture})
    said: list[str] = []
    encode = few_steps.encode_text
    monkeypatch.setattr(few_steps, "encode_text", lambda m, texts: encode(m, said.extend(texts) or texts))
    run = replace(RUN, clips=8, keep=1.0)
    new_paths(run, model, 0)
    assert not any(noun in text.split() for text in said for noun in ("cat", "car"))
    said.clear()
    new_paths(run, model, 0, cutouts=cutouts)
    assert any(noun in text.split() for text in said for noun in ("cat", "car"))


def test_the_command_distils_the_weights_of_a_folder_by_the_clock(
    model: SoraModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("LAST", 3.0), ("LEAST", 1), ("SAID_EVERY", 1)):
        monkeypatch.setattr(few_steps, name, value)
    weights, out = tmp_path / "weights", tmp_path / "out"
    weights.mkdir()
    both = tiny_model()
    save_codec(weights, model.codec, {})
    save_transformer(weights, both, both.state_dict(), {})
    given = json.loads((ROOT / "configs" / "few_steps_card.json").read_text())["few_steps"]
    small = {"kinds": [{"frames": 5, "height": 32, "width": 32, "fps": 8}], "clips": 2}
    (tmp_path / "few.json").write_text(json.dumps({"few_steps": given | small}))
    began = time.monotonic()
    command = ["train", str(tmp_path / "few.json"), "--start", str(weights), "--minutes", "0.15", "--out", str(out)]
    assert cli.main(command) == 0
    assert time.monotonic() - began < 9.0
    assert capsys.readouterr().out.strip() == str(out / "few_steps.safetensors")
    student, _ = with_loras(both.dit, [LoraUse(path=out / "few_steps.safetensors")])
    assert not torch.equal(student.blocks[0].ffn[0].weight, both.dit.blocks[0].ffn[0].weight)
