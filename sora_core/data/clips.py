"""Clips for training: a kind says what, a seed says which, and everything about a clip follows from the two.

Legend: F frames, T latent frames, H W height and width, V wordings of a caption, P parts of a clip's time, S text
tokens, A attributes that are asked of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, latent_frames
from ..text.tokenizer import WordTokenizer
from ..world import (
    JOINED,
    ClipShape,
    Cutouts,
    Joined,
    Scene,
    describe,
    describe_spans,
    join_captions,
    render,
    render_joined,
    sample_joined,
    sample_scene,
    things_joined,
    track_of,
    truth,
)
from ..world.truth import eye_catching
from .labels import answers_of

__all__ = ["LEVELS", "PARTS", "Clip", "ClipKind", "captions", "cells_with_things", "make_clip", "scene_of", "wordings"]

LEVELS = ("descriptive", "descriptive", "descriptive", "plain", "short")
"""the wordings of a clip"""
SHORTER = ("plain", "plain", "short", "plain", "short")
"""those of a bridge, which tells of two scenes"""
CUT = ("shots", "transition", "storyboard")
"""families whose clips are told in two parts"""
PARTS = 2
"""captions of every clip, of which most clips use the first alone"""
NEVER = 1e9
"""the second at which a part begins that there is not"""
GEOMETRY = Geometry()
"""of every bundled codec but for its channels"""
LOOKS = 2
"""places in a cell, along each side and through its time, where a thing is looked for"""


@dataclass(frozen=True, kw_only=True)
class ClipKind:
    """Clips of one size and the families of scenes they show."""

    height: int
    width: int
    frames: int
    fps: float
    family: str | None = None
    """one family of the world, or None for its own mix"""
    living: bool = True
    """living and made things too, where there are pictures of them; else solids alone"""
    seconds: float = 2.0
    """the window in which a scene's motions are centred"""
    weight: float = 1.0
    """how often this kind is rendered and trained on, beside the others"""
    scales: tuple[tuple[int, int], ...] = ()
    """(height, width) at which clips are encoded, largest first; none means their own size"""
    window: int = 0
    """latent frames that are trained at once; 0 means all"""

    def __post_init__(self) -> None:
        if self.frames < 1 or self.height < 8 or self.width < 8:
            raise InputError(
                f"a clip needs at least one frame of 8x8 pixels, not {self.frames} of {self.width}x{self.height}"
            )
        if self.window > self.latents():
            raise InputError(f"a window of {self.window} latent frames cannot come from clips of {self.latents()}")
        if self.family == "loop" and self.frames % GEOMETRY.time_factor:
            raise InputError(f"a loop has whole latent frames of 4 frames, not {self.frames} frames")

    @property
    def name(self) -> str:
        """Family, size, frames, fps, and whether it shows solids alone."""
        shown = f"{self.family or 'mix'}{'' if self.living else '-solids'}"
        return f"{shown}-{self.width}x{self.height}-{self.frames}f-{self.fps:g}fps"

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of what is encoded, largest first."""
        return self.scales or ((self.height, self.width),)

    @property
    def shape(self) -> ClipShape:
        """What is rendered: a loop with its own turn before."""
        frames = 1 + 2 * self.frames if self.family == "loop" else self.frames
        return ClipShape(frames=frames, height=self.height, width=self.width, fps=self.fps)

    def latents(self, geometry: Geometry = GEOMETRY) -> int:
        """Latent frames of a clip that are kept."""
        if self.family == "loop":
            return self.frames // geometry.time_factor
        return latent_frames(self.frames, geometry)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip with all that training asks of it; CPU tensors.

    video uint8 [F,H,W,3]; ids int16 [V,P,S]; starts float32 [P] seconds; things uint8 [T,h,w], 1 for latent cells in
    which a thing is seen; answers int16 [A], -100 where not asked; track float32 [F,2] picture fractions of the only
    object, NaN where there are several.
    """

    kind: str
    video: Tensor
    ids: Tensor
    starts: Tensor
    things: Tensor
    answers: Tensor
    track: Tensor


def scene_of(kind: ClipKind, seed: int, nouns: Sequence[str] = ()) -> Scene | Joined:
    """The scene of a clip, from the training combinations alone; `nouns` are those there are pictures of."""
    nouns = nouns if kind.living else ()
    if kind.family in JOINED:
        return sample_joined(seed, kind.family, kind.shape, GEOMETRY.time_factor, nouns=nouns)
    return sample_scene(seed, family=kind.family, held_out=False, seconds=kind.seconds, nouns=nouns)


def make_clip(
    kind: ClipKind,
    seed: int,
    tokenizer: WordTokenizer,
    geometry: Geometry,
    cutouts: Cutouts | None = None,
    *,
    device: torch.device | str = "cpu",
    part: int = 1 << 17,
) -> Clip:
    """Render one clip on a device, where the cut-outs lie too, `part` pixels at once; with captions, cells, answers."""
    scene, shape = scene_of(kind, seed, cutouts.nouns if cutouts else ()), kind.shape
    times = torch.arange(shape.frames, dtype=torch.float64) / shape.fps
    if isinstance(scene, Joined):
        video = render_joined(scene, shape, device=device, cutouts=cutouts)
        shown, track = scene.first, torch.full((shape.frames, 2), torch.nan)
    else:
        video = render([scene], shape, device=device, cutouts=cutouts, part=part)
        shown, track = scene, track_of(scene, times, kind.width / kind.height)
    ids, starts = captions(scene, tokenizer)
    return Clip(
        kind=kind.name,
        video=video[0].cpu(),
        ids=ids.short(),
        starts=starts,
        things=cells_with_things(scene, shape, geometry, cutouts)[-kind.latents(geometry) :],
        answers=torch.tensor(answers_of(shown, joined=isinstance(scene, Joined))).short(),
        track=track,
    )


def wordings(scene: Scene | Joined) -> list[tuple[str, int]]:
    """Level and seed of each wording of a scene: every scene is told in words of its own."""
    levels = SHORTER if scene.family == "bridge" else LEVELS
    return [(level, scene.seed * len(levels) + i) for i, level in enumerate(levels)]


def captions(scene: Scene | Joined, tokenizer: WordTokenizer) -> tuple[Tensor, Tensor]:
    """Token ids [V,P,S] and the seconds [P] at which the parts begin; where there is one part the second never does."""
    if isinstance(scene, Scene) and scene.family not in CUT:
        ids = tokenizer([describe(scene, level, seed) for level, seed in wordings(scene)])
        return ids[:, None].expand(-1, PARTS, -1), torch.tensor([0.0, NEVER])
    spans = [
        join_captions(scene, level, seed) if isinstance(scene, Joined) else describe_spans(scene, level, seed)
        for level, seed in wordings(scene)
    ]
    ids = torch.stack([tokenizer([text for _, text in span]) for span in spans])
    starts = [start for start, _ in spans[0]]
    return ids.expand(-1, PARTS, -1), torch.tensor([*starts, *[NEVER] * (PARTS - len(starts))])


def cells_with_things(
    scene: Scene | Joined, shape: ClipShape, geometry: Geometry, cutouts: Cutouts | None = None
) -> Tensor:
    """uint8 [T,h,w]: 1 for the latent cells of a clip in which a thing, the sun or the moon is seen."""
    look = replace(
        shape,
        frames=1 + (latent_frames(shape.frames, geometry) - 1) * LOOKS,
        height=shape.height // geometry.space_factor * LOOKS,
        width=shape.width // geometry.space_factor * LOOKS,
        fps=shape.fps * LOOKS / geometry.time_factor,
    )
    if isinstance(scene, Joined):
        seen = things_joined(scene, look, cutouts).float()
    else:
        seen = eye_catching(truth(scene, look, cutouts).ids).float()
    return F.max_pool3d(F.pad(seen, (0, 0, 0, 0, LOOKS - 1, 0))[None], LOOKS)[0].byte()
