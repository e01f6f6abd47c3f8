"""Two scenes in one clip: a cut, or a front that runs over the picture and leaves the second scene behind."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .casting import Draw, grounds_of, lifted
from .change import SECONDS, share_of_next
from .cutouts import Cutouts
from .describe import describe
from .render import frame_times, render
from .sampling import is_held_out, sample_scene
from .scene import ClipShape, Scene, Setting
from .truth import eye_catching, truth
from .words import FIRST_LIGHTS, LIGHT_PHRASES

__all__ = ["JOINED", "Joined", "elsewhere", "join_captions", "render_joined", "sample_joined", "things_joined"]

JOINED: tuple[str, ...] = ("storyboard", "bridge")
"""storyboard: the same thing in another place after a cut; bridge: a clip that turns into another one"""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The first scene, and the second, whose time begins where it comes into the picture."""

    family: str
    first: Scene
    second: Scene
    change: float
    """second of the cut, or of the middle of the front's way"""

    @property
    def seed(self) -> int:
        return self.first.seed

    @property
    def begin(self) -> float:
        """The second at which the second scene comes into the picture."""
        return self.change if self.family == "storyboard" else self.change - SECONDS / 2


def sample_joined(seed: int, family: str, shape: ClipShape, step: int, nouns: Sequence[str] = ()) -> Joined:
    """A pair from the training combinations. A storyboard is cut where two latent frames of `step` frames meet."""
    rng = Draw.of(f"joined/{family}/{seed}", nouns)
    first = sample_scene(seed, family="single", nouns=nouns)
    if family == "storyboard":
        latents = (shape.frames - 1) // step
        cut = 1 + step * rng.randint(max(1, latents // 4), max(1, latents - max(1, latents // 4)))
        return Joined(family=family, first=first, second=_moved(first, rng), change=cut / shape.fps)
    second = sample_scene(seed + (1 << 40), family="single", nouns=nouns)
    front = replace(first, wipe=rng.choice(("circle", "left", "right")))
    change = (shape.frames + 1) / 2 / shape.fps + rng.triangular(-0.2, 0.2)
    return Joined(family=family, first=front, second=second, change=change)


def _moved(scene: Scene, rng: Draw) -> Scene:
    """The same thing in another place of the training combinations."""
    while is_held_out(moved := replace(scene, setting=elsewhere(scene.setting, rng, rng.nouns))):
        pass
    return replace(moved, things=tuple(lifted(rng, thing, moved.setting) for thing in moved.things))


def elsewhere(was: Setting, rng: random.Random, nouns: Sequence[str] = ()) -> Setting:
    """Another ground in another light, in the same style; with `nouns` any, without those of the world of solids."""
    light = rng.choice([light for light in (LIGHT_PHRASES if nouns else FIRST_LIGHTS) if light != was.light])
    grounds = [g for g in grounds_of(nouns, light) if g != was.ground]
    return Setting(ground=rng.choice(grounds), light=light, style=was.style)


def render_joined(
    joined: Joined, shape: ClipShape, *, device: torch.device | str = "cpu", cutouts: Cutouts | None = None
) -> Tensor:
    """Pixels uint8 [1,F,H,W,3]."""
    times, late = frame_times(shape), _late(joined, shape)
    video = render([joined.first], shape, device=device, cutouts=cutouts)
    if late is None:
        return video
    after = render([joined.second], late, device=device, cutouts=cutouts)
    if joined.family == "storyboard":
        video[:, -late.frames :] = after
        return video
    front = replace(joined.first, change=joined.change)
    share = share_of_next(front, times[-late.frames :], shape, torch.device(device))[None, ..., None]
    before = video[:, -late.frames :].float()
    video[:, -late.frames :] = (before + (after.float() - before) * share + 0.5).to(torch.uint8)
    return video


def things_joined(joined: Joined, shape: ClipShape, cutouts: Cutouts | None = None) -> Tensor:
    """bool [F,H,W]: where a thing of the scene that is mostly shown is seen, the sun or the moon."""
    late = _late(joined, shape)
    seen = eye_catching(truth(joined.first, shape, cutouts).ids)
    if late is not None:
        after = eye_catching(truth(joined.second, late, cutouts).ids)
        whole = (frame_times(shape)[-late.frames :] > joined.change + SECONDS / 2) | (joined.family == "storyboard")
        whole = whole.view(-1, 1, 1)
        seen[-late.frames :] = torch.where(whole, after, after | seen[-late.frames :])
    return seen


def join_captions(joined: Joined, level: str, seed: int) -> list[tuple[float, str]]:
    """(start second, caption): one for each scene of a storyboard, one of both for a bridge."""
    first, second = describe(joined.first, level, seed), describe(joined.second, level, seed + 1)
    if joined.family == "storyboard":
        return [(0.0, first), (joined.change, second)]
    return [(0.0, f"{first.rstrip('.')}, then {second}")]


def _late(joined: Joined, shape: ClipShape) -> ClipShape | None:
    """The frames in which the second scene is seen, in its own time."""
    own = frame_times(shape) - joined.begin
    frames = int((own >= -1e-9).sum())
    return replace(shape, frames=frames, start=max(0.0, float(own[-frames]))) if frames else None
