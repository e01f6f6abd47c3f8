"""Few-step mode of the bundled transformer: guidance and steps distilled into a LoRA.

    run = read_few_steps(Path("configs/few_steps.json"))
    distil(run, load_bundled(), folder)

The teacher is the transformer as it is usually sampled (`FewSteps.teacher`). Of each of its sampling runs the latents
at the few noise levels that the student visits are kept on disk: a path. The student, a copy of the transformer, learns
to go from one of them to the next in a single Euler step without guidance; first from the teacher's latents, then from
its own, all steps behind one another and differentiated as one. Trajectory regression: progressive distillation
(arXiv 2202.00512) at once from all steps to the few, with guidance inside (arXiv 2210.03142).

All of it happens on the device of the model; what is random is drawn on the CPU, where the files' tensors are.

Legend: n clips of a path, C channels, T H W of the latent, S text tokens, D text width, K steps of the student.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from .. import checkpoints
from ..data.draws import Draws
from ..data.masks import keep_mask
from ..data.renderers import ON_CARD
from ..diffusion import SamplerState, draw_noise, schedule, shift_for_grid
from ..diffusion.guidance import blend
from ..dit import DiT
from ..dit.denoiser import DiTDenoiser
from ..errors import InputError, ResourceError
from ..grid import VideoSize, latent_frames, positions, spans
from ..media import frames_to_video
from ..pipeline.model import SoraModel
from ..pipeline.sampling import encode_text, sample
from ..settings import SamplingSettings
from ..types import LatentState
from ..world import ClipShape, Cutouts, Scene, describe, render, sample_scene
from .export import trained_by
from .fields import made, object_in, part_of
from .loop import Recipe, Step, Trainer, matrices_in, ready_card

__all__ = ["FewSteps", "PathLoss", "Paths", "distil", "lora_of", "make_paths", "read_few_steps", "train"]

WORDINGS = ("plain", "descriptive", "descriptive", "short")
FAMILIES = (None, "single")
"""half of the scenes are of the world's mix, half show one thing"""
SAID_EVERY = 20
"""steps between lines of a report"""
OUTSTANDING = 0.12
"""share of a clip's cells that stand out"""
LEAST = 4
"""files of paths without which a run by the clock is not worth its time"""
LAST = 8.0
"""seconds kept at the end of a run by the clock for the LoRA"""


@dataclass(frozen=True, kw_only=True)
class PathKind:
    """Clips of one size and rate, and how often they are made."""

    size: VideoSize
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class FewSteps:
    """A whole run."""

    kinds: tuple[PathKind, ...]
    recipe: Recipe
    steps: int = 4
    """of the student; they divide the teacher's"""
    teacher: SamplingSettings = field(default_factory=lambda: SamplingSettings(steps=12))
    paths: int = 48
    """files to make, of `clips` clips each"""
    paths_share: float = 0.45
    """of a run by the clock, in which as many of them are made as fit"""
    clips: int = 16
    keep: float = 0.3
    """share of the files in which a part of every clip is kept, as edits keep it"""
    untold: float = 0.05
    """share of the clips without a caption"""
    own: float = 0.6
    """share of training from which the student goes on from its own latents"""
    emphasis: float = 6.0
    """how much more a cell counts that stands out: things are small, and what the words are about"""
    batch_clips: int = 8
    """of a step of training at most"""
    tokens: int = 1700
    """of a step of training at most, where that is fewer clips"""
    rank: int = 64
    """of the LoRA"""
    further: bool = False
    """begin from the LoRA that lies beside the weights, not from the weights alone"""
    seed: int = 700_000_000
    """of the first scene"""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.teacher.steps % self.steps:
            raise InputError(f"the teacher's {self.teacher.steps} steps must be a multiple of the {self.steps}")


@dataclass(frozen=True, kw_only=True)
class Paths:
    """What the teacher went through: latents x [K+1,n,C,T,H,W] at `sigmas` [K+1], of clips with one grid.

    cond [n,S,D]; mask [n,1,T,H,W] 1 made, 0 kept; positions [T] in seconds, spans [T] in frames.
    """

    x: Tensor
    sigmas: Tensor
    cond: Tensor
    mask: Tensor
    positions: Tensor
    spans: Tensor
    fps: float

    def save(self, path: Path) -> None:
        """To a file, whole or not at all."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        checkpoints.save(path, {k: v.contiguous() for k, v in tensors.items()}, config={"fps": self.fps})

    @classmethod
    def load(cls, path: Path) -> Paths:
        """From a file."""
        file = checkpoints.load(path)
        return cls(**file.tensors, fps=float(file.config["fps"]))

    def to(self, device: torch.device) -> Paths:
        """With what is read at every step on a device."""
        return replace(self, x=self.x.to(device), cond=self.cond.to(device), mask=self.mask.to(device))

    def part(self, chosen: Tensor) -> Paths:
        """Some of the clips."""
        return Paths(
            x=self.x[:, chosen], sigmas=self.sigmas, cond=self.cond[chosen], mask=self.mask[chosen],
            positions=self.positions, spans=self.spans, fps=self.fps,
        )  # fmt: skip


def read_few_steps(path: Path) -> FewSteps:
    """A run from the key `few_steps` of a JSON file. Raises InputError that says what is wrong with it."""
    try:
        given = object_in(path, "few_steps")
        kinds = part_of(given, "kinds", "few_steps.")
        if not isinstance(kinds, list) or not kinds:
            raise InputError("few_steps.kinds must name at least one kind of clip")
        return made(FewSteps, {**given, "kinds": [sized(kind) for kind in kinds]}, "few_steps")
    except InputError as error:
        raise InputError(f"{path} is not a configuration of few-step training: {error}") from error


def sized(kind: Any) -> Any:
    """A kind as the file has it, flat, with its size as an object."""
    if not isinstance(kind, dict):
        return kind
    return {
        **({"weight": kind["weight"]} if "weight" in kind else {}),
        "size": {name: value for name, value in kind.items() if name != "weight"},
    }


def distil(
    run: FewSteps,
    model: SoraModel,
    folder: Path,
    *,
    first: DiT | None = None,
    cutouts: Cutouts | None = None,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Make the paths and train on them, by steps or for `seconds` in all; arguments and result as of `train`."""
    began = time.monotonic()
    if seconds is not None and not LAST < (1 - run.paths_share) * seconds < math.inf:
        raise ResourceError(
            f"{seconds:.0f} seconds are too few to train in: give more minutes, or a smaller paths_share than"
            f" {run.paths_share:g}"
        )
    ready_card(model.device)
    make_paths(run, model, folder, cutouts=cutouts, seconds=seconds and seconds * run.paths_share, say=say)
    left = None if seconds is None else max(1.0, seconds - LAST - (time.monotonic() - began))
    return train(run, model, folder, first=first, seconds=left, say=say)


def make_paths(
    run: FewSteps,
    model: SoraModel,
    folder: Path,
    *,
    cutouts: Cutouts | None = None,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Make the files of paths that are not there yet, those for which `seconds` are enough; none is ever made again.

    Raises ResourceError where there was time for too few.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(run.paths):
        if seconds is not None and time.monotonic() - began > seconds:
            if number < LEAST:
                raise ResourceError(
                    f"{number} files of teacher's paths were made in {seconds:.0f} s, not {LEAST}: give more minutes,"
                    " or ask for fewer clips a file"
                )
            break
        file = folder / f"path-{number:04}.safetensors"
        if not file.exists():
            new_paths(run, model, number, cutouts=cutouts).save(file)
            say(f"{number + 1} of {run.paths} files of teacher's paths")


def new_paths(run: FewSteps, model: SoraModel, number: int, *, cutouts: Cutouts | None = None) -> Paths:
    """The teacher's sampling runs of the file `number`, all that is random in it from that number."""
    draws = Draws(run.seed, number)
    size = draws.one_of(run.kinds, [kind.weight for kind in run.kinds]).size
    family = draws.one_of(FAMILIES, [1.0] * len(FAMILIES))
    first, nouns = run.seed + number * run.clips, cutouts.nouns if cutouts else ()
    scenes = [
        sample_scene(seed, family=family, held_out=False, seconds=max(2.0, size.seconds), nouns=nouns)
        for seed in range(first, first + run.clips)
    ]
    captions = [
        "" if draws.chance(run.untold) else describe(scene, draws.one_of(WORDINGS, [1.0] * len(WORDINGS)), scene.seed)
        for scene in scenes
    ]
    keep = size.frames > 1 and draws.chance(run.keep)
    state = state_of(model, scenes, size, draws, keep=keep, cutouts=cutouts)
    shift = shift_for_grid(state.latent.shape[2:], model.dit.config.patch)
    every, seen = run.teacher.steps // run.steps, []

    def see(reached: SamplerState) -> None:
        if reached.step % every == 0:
            seen.append(reached.x.clone())

    cond = encode_text(model, captions)
    noise = draw_noise(state.latent.shape[1:], first, count=run.clips)
    sample(model, state, cond, noise=noise, fps=size.fps, settings=run.teacher, checkpoint=see)
    sigmas = schedule(run.teacher.scheduler, run.teacher.steps, shift=shift)[::every]
    return Paths(
        x=torch.cat([blend(state.mask, noise, state.clean)[None], torch.stack(seen).cpu()]), sigmas=sigmas,
        cond=cond.cpu(), mask=state.mask, positions=state.positions, spans=state.spans, fps=size.fps,
    )  # fmt: skip


@torch.no_grad()
def state_of(
    model: SoraModel, scenes: Sequence[Scene], size: VideoSize, draws: Draws, *, keep: bool,
    cutouts: Cutouts | None = None,
) -> LatentState:  # fmt: skip
    """A grid for each scene: made whole, or, with `keep`, with parts of true clips kept, half of those mid-stream."""
    geometry, count = model.geometry, len(scenes)
    length = latent_frames(size.frames, geometry)
    mid = keep and draws.chance(0.5)
    grid_spans = spans(length, geometry, mid_stream=mid)
    h, w = size.height // geometry.space_factor, size.width // geometry.space_factor
    clean, mask = torch.zeros(count, geometry.channels, length, h, w), torch.ones(count, 1, length, h, w)
    if keep:
        frames = (length - 1 + int(mid)) * geometry.time_factor + 1
        shape = ClipShape(frames=frames, height=size.height, width=size.width, fps=size.fps)
        part = ON_CARD if model.device.type == "cuda" else None
        frames_seen = render(scenes, shape, device=model.device, cutouts=cutouts, part=part)
        clean = model.codec.encode(frames_to_video(frames_seen))[:, :, -length:].cpu()
        mask = torch.stack([keep_mask((length, h, w), draws.tensors) for _ in scenes])[:, None]
    return LatentState(
        latent=torch.zeros_like(clean), clean=clean, mask=mask,
        positions=positions(grid_spans, size.fps), spans=grid_spans,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PathLoss:
    """How far the student's steps lead from the teacher's path: a pure function of step, share, and the files."""

    dit: DiT
    folder: Path
    own: float
    seed: int
    emphasis: float = 0.0
    """how much more a cell counts that stands out"""
    clips: int = 8
    """of a step at most"""
    tokens: int = 1700
    """of a step at most, where that is fewer clips"""
    bfloat16: bool = False
    """compute in bfloat16; the weights stay float32"""
    known: dict[Path, Paths] = field(default_factory=dict, repr=False)
    """files that were read, on the device"""

    @cached_property
    def files(self) -> list[Path]:
        """The paths to train on: those that are there at the first step."""
        if files := sorted(self.folder.glob("path-*.safetensors")):
            return files
        raise InputError(f"there are no paths of a teacher in {self.folder}")

    @property
    def device(self) -> torch.device:
        return self.dit.patch_embedding.weight.device

    def backward(self, step: int, share: float) -> Tensor:
        """Add the gradients of a step; returns the loss."""
        draws = Draws(self.seed, step)
        file = draws.one_of(self.files, [1.0] * len(self.files))
        if file not in self.known:
            self.known[file] = Paths.load(file).to(self.device)
        paths = self.known[file]
        own = share >= self.own
        count = max(1, min(self.clips, self.tokens // tokens_of(paths, self.dit))) * (1 if own else 2)
        chosen = torch.randperm(paths.x.shape[1], generator=draws.tensors)[:count]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss = self.own_steps(paths.part(chosen)) if own else self.single_steps(paths.part(chosen), draws)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def denoiser(self, paths: Paths) -> DiTDenoiser:
        return DiTDenoiser(self.dit, positions=paths.positions, spans=paths.spans, fps=paths.fps)

    def weight(self, paths: Paths) -> Tensor:
        """How much each cell counts [n,1,T,H,W]: what is made, and more where something is."""
        return paths.mask * (1 + self.emphasis * standing_out(paths.x[-1]))

    def single_steps(self, paths: Paths, draws: Draws) -> Tensor:
        """One step of each clip, from the teacher's latents."""
        n, count = len(paths.cond), len(paths.sigmas) - 1
        at, clip = draws.integers(count, n), torch.arange(n)
        sigma, after = paths.sigmas[at], paths.sigmas[at + 1]
        denoised = self.denoiser(paths)(paths.x[at, clip], sigma, paths.mask, paths.cond)
        return missed(denoised, paths.x[at, clip], paths.x[at + 1, clip], sigma, after, self.weight(paths))

    def own_steps(self, paths: Paths) -> Tensor:
        """All steps, each from where the one before has led."""
        x, n = paths.x[0], len(paths.cond)
        network, weight, losses = self.denoiser(paths), self.weight(paths), []
        for i, (sigma, after) in enumerate(pairwise(paths.sigmas)):
            denoised = network(x, sigma.expand(n), paths.mask, paths.cond)
            losses.append(missed(denoised, x, paths.x[i + 1], sigma.expand(n), after.expand(n), weight))
            x = blend(paths.mask, denoised + after / sigma * (x - denoised), paths.x[0])
        return torch.stack(losses).mean()


def tokens_of(paths: Paths, dit: DiT) -> int:
    """Tokens of one clip."""
    return math.prod(side // part for side, part in zip(paths.x.shape[-3:], dit.config.patch, strict=True))


def standing_out(x: Tensor) -> Tensor:
    """1 for the cells of clean latents [n,C,T,H,W] that are least like the rest of their row in the clip, [n,1,T,H,W]:
    on ground and under sky those of things."""
    usual = x.transpose(2, 3).flatten(3).median(-1).values[:, :, None, :, None]
    away = (x - usual).square().mean(1, keepdim=True)
    return (away > away.flatten(1).quantile(1 - OUTSTANDING, 1).view(-1, 1, 1, 1, 1)).to(x.dtype)


def missed(denoised: Tensor, x: Tensor, wanted: Tensor, sigma: Tensor, after: Tensor, weight: Tensor) -> Tensor:
    """The squared error of clean estimates, as velocities, for steps from x at `sigma` [n] to `wanted` at `after` [n];
    weight [n,1,T,H,W] says how much each cell counts.

    The estimate that leads there is (wanted - r x) / (1 - r) with r = after / sigma.
    """
    sigma, ratio = (each.to(x.device).view(-1, 1, 1, 1, 1) for each in (sigma, after / sigma))
    target = (wanted - ratio * x) / (1 - ratio)
    error = weight * (denoised - target).square() / sigma.square()
    return error.sum() / (weight.sum() * x.shape[1])


def train(
    run: FewSteps,
    model: SoraModel,
    folder: Path,
    *,
    first: DiT | None = None,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda _: None,
    watch: Callable[[Step], None] = lambda _: None,
) -> Path:
    """Train on the paths in a folder, resuming there, or for `seconds`; returns the LoRA's file,
    few_steps.safetensors. `first` is the student to begin with, where that is not the transformer itself."""
    student = copy.deepcopy(first or model.dit).float().requires_grad_(True).train()
    trainer = Trainer(
        student, run.recipe, folder / "few-steps-run.safetensors", matrices=matrices_in(("blocks",)), seconds=seconds
    )
    if trainer.resume():
        say(f"goes on from step {trainer.step}")
    loss = PathLoss(
        dit=student, folder=folder, own=run.own, seed=run.recipe.seed, emphasis=run.emphasis, clips=run.batch_clips,
        tokens=run.tokens, bfloat16=model.device.type == "cuda",
    )  # fmt: skip
    losses: list[Tensor] = []

    def report(step: Step) -> None:
        losses.append(step.loss)
        if step.step % SAID_EVERY == 0:  # on a card this waits for it
            say(f"step {step.step}, loss {float(torch.stack(losses).mean()):.4f}")
            losses.clear()
        watch(step)

    trainer.train(loss, watch=report)
    path = folder / "few_steps.safetensors"
    tensors = lora_of(model.dit, trainer.averaged(), run.rank)
    config = {"steps": run.steps, "rank": run.rank}
    checkpoints.save(path, tensors, config=config, metadata=trained_by(few_steps=run))
    return path


def lora_of(base: nn.Module, changed: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    """What turns the weights of `base` into the changed ones, as a LoRA file in bfloat16: the best approximation of
    that rank of what a matrix of the blocks gains (singular values), the whole difference of everything else."""
    out = {}
    for name, before in base.named_parameters():
        gain = (changed[name].float() - before.float()).cpu()
        layer, _, parameter = name.rpartition(".")
        if name.startswith("blocks.") and parameter == "weight" and gain.ndim == 2:
            u, s, v = torch.linalg.svd(gain, full_matrices=False)
            root = s[:rank].sqrt()
            out[f"{layer}.lora_up.weight"] = u[:, :rank] * root
            out[f"{layer}.lora_down.weight"] = root[:, None] * v[:rank]
        else:
            ending = {"weight": "diff", "bias": "diff_b", "modulation": "diff_m"}[parameter]
            out[f"{layer}.{ending}"] = gain
    return {name: value.to(torch.bfloat16).contiguous() for name, value in out.items()}
