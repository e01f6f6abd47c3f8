"""Two scenes in one clip: a cut, or a front that runs over the picture and leaves the second scene behind."""

import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .change import SECONDS, share_of_next
from .describe import describe
from .render import frame_times, render
from .sampling import is_held_out, sample_scene
from .scene import ClipShape, Scene, Setting
from .truth import FIRST, truth
from .words import GROUND_PHRASES, LIGHT_PHRASES

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


def sample_joined(seed: int, family: str, shape: ClipShape, step: int) -> Joined:
    """A pair from the training combinations. A storyboard is cut where two latent frames of `step` frames meet."""
    rng = random.Random(f"joined/{family}/{seed}")  # noqa: S311
    first = sample_scene(seed, family="single")
    if family == "storyboard":
        latents = (shape.frames - 1) // step
        cut = 1 + step * rng.randint(max(1, latents // 4), max(1, latents - max(1, latents // 4)))
        return Joined(family=family, first=first, second=_moved(first, rng), change=cut / shape.fps)
    second = sample_scene(seed + (1 << 40), family="single")
    front = replace(first, wipe=rng.choice(("circle", "left", "right")))
    change = (shape.frames + 1) / 2 / shape.fps + rng.triangular(-0.2, 0.2)
    return Joined(family=family, first=front, second=second, change=change)


def _moved(scene: Scene, rng: random.Random) -> Scene:
    """The same thing in another place of the training combinations."""
    while is_held_out(moved := replace(scene, setting=elsewhere(scene.setting, rng))):
        pass
    return moved


def elsewhere(was: Setting, rng: random.Random) -> Setting:
    """Another ground in another light, in the same style."""
    light = rng.choice([light for light in LIGHT_PHRASES if light != was.light])
    grounds = [g for g in GROUND_PHRASES if g != was.ground and not (light == "underwater" and g == "water")]
    return Setting(ground=rng.choice(grounds), light=light, style=was.style)


def render_joined(joined: Joined, shape: ClipShape) -> Tensor:
    """Pixels uint8 [1,F,H,W,3]."""
    times, late = frame_times(shape), _late(joined, shape)
    video = render([joined.first], shape).float()
    if late is None:
        return video.to(torch.uint8)
    after = render([joined.second], late).float()
    share = torch.ones(late.frames, 1, 1)
    if joined.family == "bridge":
        share = share_of_next(
            replace(joined.first, change=joined.change), times[-late.frames :], shape, torch.device("cpu")
        )
    video[:, -late.frames :].lerp_(after, share[None, ..., None].expand_as(after))
    return (video + 0.5).to(torch.uint8)


def things_joined(joined: Joined, shape: ClipShape) -> Tensor:
    """bool [F,H,W]: where a thing of the scene that is mostly shown is seen."""
    late = _late(joined, shape)
    seen = truth(joined.first, shape).ids >= FIRST
    if late is not None:
        after = truth(joined.second, late).ids >= FIRST
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
