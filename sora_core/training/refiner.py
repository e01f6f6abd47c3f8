"""Training of the refiner: drafts in, true frames out.

    train(RefinerTraining(minutes=60), out, cutouts=path, report=...)

Pairs are made first (`refiner_pairs`) and kept in the folder; the run ends by the clock and writes refiner.safetensors,
the moving average of its weights. The error is Charbonnier's of pixels and of edges, things weighed more, each crop's
as a share of what its draft has: of a draft noised far much is past knowing, and would drown the others.

Legend: B crops, N frames of a neighbourhood, S pixels of a crop's side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from .. import checkpoints
from ..data.draws import Draws
from ..errors import InputError
from ..pipeline import load_bundled
from ..refine import Refiner, RefinerConfig, load_refiner
from ..world import load_cutouts
from .codec import charbonnier
from .export import trained_by
from .fields import made, object_in
from .refiner_pairs import PairPlan, make_pairs

__all__ = ["Crop", "RefinerTraining", "crop_of", "error_share", "one_step", "read_training", "refiner_loss", "train"]

SHARES = (0.5, 0.35, 0.15)
"""of the drafts, from those noised least on"""
RECOLOURED = 0.3
"""share of the crops whose colours change places"""
EPS = 0.01
"""error below which it counts as its square"""


@dataclass(frozen=True, kw_only=True)
class RefinerTraining:
    """A run: its model, its pairs, its clock."""

    model: RefinerConfig = field(default_factory=RefinerConfig)
    pairs: PairPlan = field(default_factory=PairPlan)
    minutes: float = 60.0
    """the run stops itself"""
    steps: int = 1_000_000
    """and never takes more than these"""
    crops: int = 8
    """crops of a step"""
    side: int = 64
    """pixels of a crop's sides"""
    rate: float = 1e-3
    """learning rate"""
    things: float = 4.0
    """how much more a pixel counts that shows a thing"""
    edges: float = 0.5
    """weight of the differences between neighbours"""
    every: float = 20.0
    """seconds between reports"""
    seed: int = 0


def read_training(path: Path) -> RefinerTraining:
    """A run from the key `refiner` of a JSON file. Raises InputError that says what is wrong with it."""
    try:
        return made(RefinerTraining, object_in(path, "refiner"), "refiner")
    except InputError as error:
        raise InputError(f"{path} is not a configuration of refiner training: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Crop:
    """One crop: frames [N,3,S,S] of a draft, the true one [3,S,S] of their middle, things [S,S] 0 or 1."""

    frames: Tensor
    true: Tensor
    things: Tensor


def crop_of(path: Path, run: RefinerTraining, draws: Draws) -> Crop:
    """A crop of one of the clips of a file of pairs."""
    with safe_open(str(path), framework="pt") as file:
        true, drafts, things = (file.get_slice(name) for name in ("true", "drafts", "things"))
        clips, levels, length, height, width = drafts.get_shape()[:5]
        clip, level, frame = draws.below(clips), draws.one_of(range(levels), SHARES[:levels]), draws.below(length)
        y, x = (draws.below(max(1, side - run.side + 1)) for side in (height, width))
        place = slice(y, y + run.side), slice(x, x + run.side)
        near = [min(max(frame + d, 0), length - 1) for d in range(-run.model.context, run.model.context + 1)]
        first = near[0]
        given = pixels(drafts[clip, level, first : near[-1] + 1, place[0], place[1]])[[i - first for i in near]]
        wanted = pixels(true[clip, frame : frame + 1, place[0], place[1]])[0]
        seen = things[clip, frame, place[0], place[1]].float()
    if draws.chance(0.5):
        given, wanted, seen = given.flip(-1), wanted.flip(-1), seen.flip(-1)
    if draws.chance(RECOLOURED):
        order = draws.host.sample(range(3), 3)
        given, wanted = given[:, order], wanted[order]
    return Crop(frames=given, true=wanted, things=seen)


def pixels(frames: Tensor) -> Tensor:
    """uint8 [N,H,W,3] to [N,3,H,W] in -1..1."""
    return frames.permute(0, 3, 1, 2).float() / 127.5 - 1


def refiner_loss(made: Tensor, true: Tensor, things: Tensor, run: RefinerTraining) -> Tensor:
    """The error [B] of pictures [B,3,S,S] beside true ones; things [B,S,S] 0 or 1."""
    weight = 1 + run.things * F.max_pool2d(things[:, None], 3, 1, 1)
    weight = weight / weight.mean((1, 2, 3), keepdim=True)
    error = made - true
    loss = (weight * charbonnier(error, EPS)).mean((1, 2, 3))
    for axis in (2, 3):
        across = weight.narrow(axis, 1, weight.shape[axis] - 1)
        loss = loss + run.edges * (across * charbonnier(error.diff(dim=axis), EPS)).mean((1, 2, 3))
    return loss


def train(
    run: RefinerTraining,
    out: Path,
    *,
    device: torch.device | str = "cpu",
    start: Path | None = None,
    cutouts: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train until the clock or the steps run out; returns the weights' file. `start`: weights to go on from."""
    out.mkdir(parents=True, exist_ok=True)
    pictures = load_cutouts(cutouts) if cutouts else None
    paths = make_pairs(run.pairs, out / "pairs", load_bundled(), pictures, report=report)
    torch.manual_seed(run.seed)
    model = load_refiner(start).requires_grad_(True) if start else Refiner(run.model)
    model = model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.rate, betas=(0.9, 0.99), weight_decay=0.0)
    began, shown, step, recent = time.monotonic(), 0.0, 0, list[float]()
    while (spent := time.monotonic() - began) < run.minutes * 60 and step < run.steps:
        share = max(spent / (run.minutes * 60), step / run.steps)
        rate = min(1.0, (step + 1) / 50) * min(1.0, max(0.02, (1 - share) / 0.5))
        recent.append(one_step(model, run, paths, step))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = run.rate * rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        decay = min(0.998, 1 - 1 / (step / 10 + 1.1))
        with torch.no_grad():
            for name, p in model.named_parameters():
                average[name].lerp_(p, 1 - decay)
        step += 1
        if spent - shown > run.every:
            report(f"{spent:.0f} s, step {step}: {sum(recent) / len(recent):.4f} of the error of drafts")
            recent, shown = [], spent
            save(out, model, average, run)
    return save(out, model, average, run)


def one_step(model: Refiner, run: RefinerTraining, paths: list[Path], step: int) -> float:
    """The gradients of one step, and its loss."""
    draws = Draws(run.seed, step)
    crops = [crop_of(paths[draws.below(len(paths))], run, draws) for _ in range(run.crops)]
    device = next(model.parameters()).device
    frames, true, things = (
        torch.stack([getattr(crop, name) for crop in crops]).to(device) for name in ("frames", "true", "things")
    )
    loss = error_share(model(frames), frames[:, frames.shape[1] // 2], true, things, run)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def error_share(made: Tensor, given: Tensor, true: Tensor, things: Tensor, run: RefinerTraining) -> Tensor:
    """The mean error of what was made as a share of that of what was given."""
    return (refiner_loss(made, true, things, run) / (refiner_loss(given, true, things, run) + EPS)).mean()


def save(out: Path, model: Refiner, average: dict[str, Tensor], run: RefinerTraining) -> Path:
    """The averaged weights, float16 as they are shipped."""
    path = out / "refiner.safetensors"
    tensors = {name: value.detach().half().contiguous() for name, value in average.items()}
    checkpoints.save(path, tensors, config=asdict(model.config), metadata=trained_by(refiner=run))
    return path
