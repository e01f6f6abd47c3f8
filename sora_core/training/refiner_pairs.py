"""What the refiner learns from: rendered clips, and drafts that lie on them.

A draft of the transformer has lumps and specks, and no true clip beside it. So a true clip is encoded, noised part of
the way and sampled from there: what was noised little keeps its place, and is drawn as the transformer draws. Pairs lie
in files of a few clips, and a run makes those that are missing.

Legend: N clips of a file, D drafts of a clip, F frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .. import checkpoints
from ..diffusion import draw_noise
from ..errors import InputError
from ..grid import VideoSize, plan
from ..media.convert import frames_to_video, video_to_frames
from ..pipeline import SoraModel, empty_state, encode_text, sample
from ..settings import SamplingSettings
from ..world import ClipShape, Cutouts, Scene, describe, render, sample_scene, truth
from ..world.truth import FIRST

__all__ = ["PairPlan", "make_pairs", "sampled_again", "scenes_of"]

SHIFT = 4.0
"""of the schedule that drafts are sampled with"""
CUT = ("shots", "transition", "storyboard")
"""families that one caption does not tell"""
SPACING = 1000
"""seeds of a file"""


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """Which pairs are made."""

    files: int = 80
    clips: int = 4
    """clips of a file, all of one size"""
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (64, 112), (64, 112), (112, 64))
    """height and width, taken in turn"""
    frames: int = 9
    fps: tuple[float, ...] = (8.0, 12.0)
    """taken in turn"""
    levels: tuple[tuple[float, float], ...] = ((0.3, 0.55), (0.55, 0.75), (0.75, 0.88))
    """lowest and highest sigma from which each draft of a clip is sampled"""
    steps: int = 5
    """sampling steps of a draft"""
    living: float = 0.35
    """share of clips of living and made things, where there are pictures of them"""
    seed: int = 400_000_000

    def __post_init__(self) -> None:
        if self.frames % 4 != 1 or self.clips < 1 or self.files < 1:
            raise InputError(f"files hold at least one clip of 4n+1 frames, not {self.clips} of {self.frames}")


def scenes_of(pairs: PairPlan, index: int, cutouts: Cutouts | None) -> list[Scene]:
    """The scenes of a file, from the training combinations alone."""
    scenes: list[Scene] = []
    for seed in range(pairs.seed + index * SPACING, pairs.seed + (index + 1) * SPACING):
        living = cutouts is not None and (len(scenes) + index * pairs.clips) * 37 % 100 < 100 * pairs.living
        scene = sample_scene(seed, held_out=False, nouns=cutouts.nouns if living and cutouts else ())
        if scene.family not in CUT:
            scenes.append(scene)
        if len(scenes) == pairs.clips:
            break
    return scenes


@torch.no_grad()
def sampled_again(
    model: SoraModel, video: Tensor, captions: list[str], fps: float, sigma: float, seed: int, *, steps: int
) -> Tensor:
    """Clips [N,3,F,H,W] noised to `sigma`, sampled from there in `steps` steps and decoded."""
    frames, height, width = video.shape[2:]
    grid = plan(VideoSize(frames=frames, height=height, width=width, fps=fps), model.geometry)
    state = empty_state(grid, model.geometry, batch=len(video))
    latent = model.codec.encode(video.to(model.device)).cpu()
    settings = SamplingSettings(steps=steps, shift=SHIFT, denoise=sigma / (SHIFT - (SHIFT - 1) * sigma))
    made = sample(
        model,
        state.with_(latent=latent, clean=latent),
        encode_text(model, captions),
        noise=draw_noise(grid.shape, seed, count=len(video)),
        fps=fps,
        settings=settings,
    )
    return model.codec.decode(made.to(model.device)).clamp(-1, 1).cpu()


def make_pairs(
    pairs: PairPlan,
    folder: Path,
    model: SoraModel,
    cutouts: Cutouts | None = None,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Make the files that are missing in a folder and return all.

    Each holds true uint8 [N,F,H,W,3], drafts uint8 [N,D,F,H,W,3] and things uint8 [N,F,H,W], 1 where one is seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"pairs-{index:04d}.safetensors" for index in range(pairs.files)]
    for index, path in enumerate(paths):
        if not path.is_file():
            checkpoints.save(path, one_file(pairs, index, model, cutouts), config={})
            report(f"{path.name} of {pairs.files} is made")
    return paths


def one_file(pairs: PairPlan, index: int, model: SoraModel, cutouts: Cutouts | None) -> dict[str, Tensor]:
    """The tensors of one file; see `make_pairs`."""
    height, width = pairs.sizes[index % len(pairs.sizes)]
    fps = pairs.fps[index % len(pairs.fps)]
    shape = ClipShape(frames=pairs.frames, height=height, width=width, fps=fps)
    scenes = scenes_of(pairs, index, cutouts)
    frames = render(scenes, shape, cutouts=cutouts)
    captions = [describe(scene, "descriptive", scene.seed) for scene in scenes]
    draws, drafts = torch.Generator().manual_seed(pairs.seed + index), []
    for lowest, highest in pairs.levels:
        sigma = lowest + (highest - lowest) * float(torch.rand((), generator=draws))
        again = sampled_again(model, frames_to_video(frames), captions, fps, sigma, index, steps=pairs.steps)
        drafts.append(video_to_frames(again).unflatten(0, (len(again), -1)))
    things = torch.stack([(truth(scene, shape, cutouts).ids >= FIRST).byte() for scene in scenes])
    return {"true": frames, "drafts": torch.stack(drafts, 1).contiguous(), "things": things}
