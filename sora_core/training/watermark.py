"""Training of the watermark: encoder and decoder together, through everything of `attacks`.

    train(WatermarkTraining(minutes=3), out, device="cuda", report=...)

Nothing is needed beyond the code: clips are drawn (`pictures`) and rendered (the world). The run ends by the clock and
writes watermark.safetensors, the moving average of its weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import checkpoints
from ..errors import InputError
from ..files import make_folder
from ..safety.codeword import CHANNEL_BITS
from ..safety.watermark import PILOT, Watermark, WatermarkConfig, load_watermark, luma
from ..world import ClipShape, render, sample_scene
from .attacks import Attacks, attack
from .export import trained_by
from .fields import made, object_in
from .pictures import clips

__all__ = ["WatermarkTraining", "read_training", "step_loss", "train"]

SURE = 8.0
"""deviations the pilot should stand out by"""
WORLD_SHARE = 1 / 3
MOST_CROPPED = 0.9
STEEP = 1.5
"""how the loss counts soft bits: a bit that is right by two deviations costs little"""


@dataclass(frozen=True, kw_only=True)
class WatermarkTraining:
    """A run: its model, its clips, its clock."""

    model: WatermarkConfig = field(default_factory=WatermarkConfig)
    attacks: Attacks = field(default_factory=Attacks)
    minutes: float = 3.0
    """the run stops itself"""
    steps: int = 1_000_000
    """and never takes more than these"""
    clips: int = 16
    """clips of one size that are attacked alike"""
    groups: int = 3
    """such groups a step"""
    frames: int = 3
    """frames a clip"""
    sides: tuple[int, ...] = (64, 96, 128, 192, 256)
    """pixels of a clip's side, drawn for every group"""
    scenes: int = 30
    """rendered clips, made first; a third of what is seen"""
    learning_rate: float = 2e-3
    visibility: float = 0.05
    """weight of what the pattern does to smooth places"""
    psnr: tuple[float, float] = (38.0, 43.0)
    """decibels are drawn between these, so that one model serves a range of strengths"""
    bfloat16: bool = True
    """networks in bfloat16 where the device is not a CPU"""
    every: float = 20.0
    """seconds between reports"""
    seed: int = 0


def read_training(path: Path) -> WatermarkTraining:
    """A run from the key `watermark` of a JSON file. Raises InputError that says what is wrong with it."""
    try:
        run = made(WatermarkTraining, object_in(path, "watermark"), "watermark")
        check_run(run)
        return run
    except InputError as error:
        raise InputError(f"{path} is not a configuration of watermark training: {error}") from error


def check_run(run: WatermarkTraining) -> None:
    """Raises InputError for settings that are right alone and not together."""
    for name, (low, high) in (("psnr", run.psnr), ("quality", run.attacks.quality), ("scale", run.attacks.scale)):
        if low > high:
            raise InputError(f"{name} goes from the lower to the higher, not from {low:g} to {high:g}")
    if not run.sides:
        raise InputError("watermark.sides must name at least one side in pixels")
    if run.attacks.crop > MOST_CROPPED:
        raise InputError(f"watermark.attacks.crop must be at most {MOST_CROPPED}, not {run.attacks.crop:g}")


def rendered(run: WatermarkTraining) -> dict[int, Tensor]:
    """Clips of the world in 0..1, as uint8 [n,frames,3,side,side] for every side."""
    out, each = {}, run.scenes // len(run.sides)
    for index, side in enumerate(run.sides if each else ()):
        shape = ClipShape(frames=run.frames, height=side, width=side, fps=8.0)
        out[side] = render([sample_scene(index * each + i) for i in range(each)], shape).permute(0, 1, 4, 2, 3)
    return out


def step_loss(
    model: Watermark, clips_: Tensor, run: WatermarkTraining, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of clips [K,F,3,H,W] in 0..1, and what they showed: share of right bits, deviations of the pilot."""
    k, f = clips_.shape[:2]
    bits = (torch.randint(2, (k, CHANNEL_BITS), generator=generator) * 2 - 1).to(clips_)
    low, high = run.psnr
    psnr = low + (high - low) * float(torch.rand((), generator=generator))
    video = clips_.flatten(0, 1)
    pattern = model.pattern(bits, *video.shape[-2:]).repeat_interleave(f, 0)
    residual = model.residual(model.hiding(*model.contrast(video)), pattern, psnr)
    marked = (video + residual).clamp(0, 1).unflatten(0, (k, f))
    seen, window = attack(marked, run.attacks, generator)
    jitter = ((torch.rand(4, generator=generator) - 0.5) * 0.006).tolist()
    top, bottom, left, right = (end + shift for end, shift in zip(window, jitter, strict=True))
    soft = model.read(seen.flatten(0, 1), (top, bottom, left, right)).float().unflatten(0, (k, f))
    wanted = bits[:, None]
    together = soft.mean(1, keepdim=True) * f**0.5
    loss = (
        sum(
            (F.softplus(-STEEP * v[..., :PILOT] * wanted).mean() for v in (soft, together)),
            torch.zeros((), device=bits.device),
        )
        / 2
    )
    loss = loss + F.softplus(SURE - soft[..., PILOT]).mean() / SURE / 4
    loss = loss + run.visibility * visibility(video, residual)
    right_bits = ((soft[..., :PILOT] > 0) == (wanted > 0)).float().mean()
    return loss, {"bits": right_bits.detach(), "pilot": soft[..., PILOT].detach().mean()}


def visibility(video: Tensor, residual: Tensor) -> Tensor:
    """Power of the pattern beside that of the picture around it: high where smooth places are touched."""
    grey = luma(video)
    busy = F.avg_pool2d((grey - F.avg_pool2d(grey, 9, 1, 4)).square(), 9, 1, 4)
    return (residual.square() / (busy + 1e-4)).mean()


def train(
    run: WatermarkTraining,
    out: Path,
    *,
    device: torch.device | str = "cpu",
    start: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Train until the clock or the steps run out; returns the weights' file. `start`: weights to go on from."""
    device = torch.device(device)
    make_folder(out)
    torch.manual_seed(run.seed)
    model = load_watermark(start).requires_grad_(True) if start else Watermark(run.model)
    model = model.to(device).train()
    model.low_precision = run.bfloat16 and device.type != "cpu"
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    began, shown, step = time.monotonic(), 0.0, 0
    world = rendered(run)
    recent: list[dict[str, float]] = []
    while (spent := time.monotonic() - began) < run.minutes * 60 and step < run.steps:
        share = max(spent / (run.minutes * 60), step / run.steps)
        for group in optimizer.param_groups:
            group["lr"] = run.learning_rate * min(1.0, (step + 1) / 50) * min(1.0, max(0.02, (1 - share) / 0.5))
        recent.append(one_step(model, optimizer, run, world, step, device))
        with torch.no_grad():
            decay = min(0.995, 1 - 1 / (step / 10 + 1.1))
            for name, p in model.named_parameters():
                average[name].lerp_(p, 1 - decay)
        step += 1
        if report is not None and spent - shown > run.every:
            means = {key: sum(one[key] for one in recent) / len(recent) for key in recent[0]}
            report(f"{spent:.0f} s, step {step}: " + ", ".join(f"{key} {value:.3f}" for key, value in means.items()))
            recent, shown = [], spent
            save(out, model, average, run)
    return save(out, model, average, run)


def save(out: Path, model: Watermark, average: dict[str, Tensor], run: WatermarkTraining) -> Path:
    """The averaged weights, as they are shipped: tables small, signs and places as bytes."""
    path = out / "watermark.safetensors"
    tensors = {**model.state_dict(), **average}
    checkpoints.save(path, tensors, config=asdict(model.config), metadata=trained_by(watermark=run))
    return path


def one_step(
    model: Watermark,
    optimizer: torch.optim.Optimizer,
    run: WatermarkTraining,
    world: dict[int, Tensor],
    step: int,
    device: torch.device,
) -> dict[str, float]:
    """One step over `run.groups` groups of clips; returns the means of what they showed."""
    generator = torch.Generator().manual_seed((run.seed << 32) + step)
    seen: list[dict[str, Tensor]] = []
    for _ in range(run.groups):
        side = run.sides[int(torch.randint(len(run.sides), (), generator=generator))]
        if world and float(torch.rand((), generator=generator)) < WORLD_SHARE:
            chosen = torch.randint(len(world[side]), (run.clips,), generator=generator)
            video = world[side][chosen].to(device).float() / 255
        else:
            video = clips(run.clips, run.frames, side, generator, device)
        loss, shown = step_loss(model, video, run, generator)
        (loss / run.groups).backward()  # type: ignore[no-untyped-call]
        seen.append({"loss": loss.detach(), **shown})
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {key: float(sum(one[key] for one in seen)) / len(seen) for key in seen[0]}
