"""The few-step mode: the teacher's paths are its own, the student learns to follow them, and what ships is it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sora_nodes.cli import parse
from sora_nodes.commands import generate
from sora_nodes.sora_core import checkpoints
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.evaluation import run_suite
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.open_weights import LoraUse, with_loras
from sora_nodes.sora_core.pipeline import SoraModel
from sora_nodes.sora_core.pipeline.model import with_few_steps
from sora_nodes.sora_core.settings import SamplingSettings
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.training.few_steps import (
    FewSteps,
    PathKind,
    PathLoss,
    Paths,
    lora_of,
    make_paths,
    missed,
    new_paths,
    read_few_steps,
    tokens_of,
    train,
)
from sora_nodes.sora_core.training.loop import Recipe
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
    given = json.loads((ROOT / "configs" / "few_steps.json").read_text())["few_steps"]
    for wrong, named in (
        ({"step": 4}, "step"),
        ({"teacher": {"steps": 7}}, "multiple"),
        ({"kinds": [{"width": 8}]}, "lacks frames"),
    ):
        path = tmp_path / "wrong.json"
        path.write_text(json.dumps({"few_steps": given | wrong}))
        with pytest.raises(InputError, match=named):
            read_few_steps(path)
    with pytest.raises(InputError, match="no paths"):
        PathLoss(dit=tiny_model().dit, folder=tmp_path, own=0, seed=0).backward(0, 0.0)
