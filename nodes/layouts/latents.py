"""LATENT: its numbers, its mask, and what our nodes know of it besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...sora_core.errors import InputError
from ...sora_core.settings import DEFAULTS
from ..inputs import finite
from .sounds import picture_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...sora_core.editing import Edit
    from ...sora_core.grid import Geometry, VideoSize
    from ...sora_core.types import LatentState
    from .sounds import Track

__all__ = [
    "KEY", "Latent", "LatentInfo", "check_edit", "decoded_size", "finished_size", "info_of", "noise_for", "samples_of",
    "single", "size_of", "state_of",
]  # fmt: skip

Latent = dict[str, Any]
"""ComfyUI's LATENT"""
KEY = "sora"
"""of the LatentInfo in a LATENT; ComfyUI's nodes hand it on"""


@dataclass(frozen=True, kw_only=True)
class LatentInfo:
    """What our nodes know of a LATENT beside its numbers."""

    size: VideoSize | None = None
    """what Sora Noise Grid was asked for"""
    grid: tuple[int, ...] | None = None
    """(T,H,W) that it became, of whatever VAE"""
    draft: tuple[int, ...] | None = None
    """(C,T,H,W) of the smaller draft whose noise this one enlarges"""
    edit: Edit | None = None
    """the edit that it is the grid of"""
    sound: dict[str, Any] | None = None
    """AUDIO on the finished clip's time"""
    heard: tuple[tuple[float, float], ...] = ()
    """where that AUDIO was given, (start, end) in seconds"""
    track: Track | None = None
    """the sound as latents, of a model that makes it with the picture"""

    @property
    def fps(self) -> float | None:
        """Frames per second that it is sampled for, where it says."""
        return self.edit.fps if self.edit is not None else self.size.fps if self.size is not None else None

    @property
    def frames(self) -> int:
        """Frames of the finished clip, 0 where it does not say."""
        return self.edit.frames if self.edit is not None else self.size.frames if self.size is not None else 0

    @property
    def finished(self) -> VideoSize | None:
        """Size and length of the finished clip, where it says."""
        shown = (self.edit.full or self.edit.size) if self.edit is not None else None
        if self.edit is None or shown is None:
            return self.size
        from ...sora_core.grid import VideoSize

        height, width = shown
        return VideoSize(frames=self.edit.frames, height=height, width=width, fps=self.edit.fps)


def info_of(latent: Latent) -> LatentInfo:
    """What our nodes know of a LATENT: nothing of one from elsewhere, or of one that was saved and loaded."""
    return latent.get(KEY) or LatentInfo()


def check_edit(latent: Latent) -> None:
    """Raises InputError for the LATENT of an edit that was resized or cut since, as LatentUpscale does."""
    edit = info_of(latent).edit
    if edit is not None and tuple(latent["samples"].shape[2:]) != tuple(edit.state.latent.shape[2:]):
        raise InputError(
            f"this latent is {list(latent['samples'].shape[2:])} and its edit was made for"
            f" {list(edit.state.latent.shape[2:])}; an edit cannot be resized: enlarge the finished video instead"
        )


def size_of(latent: Latent) -> VideoSize:
    """The size that Sora Noise Grid was asked for; raises InputError for another LATENT."""
    size = info_of(latent).size
    if size is None:
        raise InputError("this latent does not say its size; link the one of Sora Noise Grid")
    return size


def decoded_size(latent: Latent, geometry: Geometry) -> VideoSize | None:
    """What a LATENT of no edit is decoded to: the size that Sora Noise Grid was asked for, or all of its own grid where
    that was enlarged, cut or lengthened since. None where it does not say its size."""
    from ...sora_core.grid import VideoSize, spans

    info, (time, height, width) = info_of(latent), samples_of(latent, "samples").shape[2:]
    size = info.size
    if size is None or info.grid in (None, (time, height, width)):
        return size
    factor = geometry.space_factor
    frames = int(spans(time, geometry).sum())
    return VideoSize(frames=frames, height=height * factor, width=width * factor, fps=size.fps)


def finished_size(latent: Latent, geometry: Geometry) -> VideoSize | None:
    """Size and length of the clip that a LATENT becomes, None where it does not say."""
    from ...sora_core.grid import VideoSize

    edit, factor = info_of(latent).edit, geometry.space_factor
    if edit is None:
        return decoded_size(latent, geometry)
    height, width = edit.full or edit.size or (factor * side for side in edit.state.latent.shape[3:])
    return VideoSize(frames=edit.frames, height=height, width=width, fps=edit.fps)


def samples_of(latent: Latent, name: str = "latent") -> Tensor:
    """[B,C,T,H,W] of a LATENT, the picture's of one that holds sound too; raises InputError for the latents of image
    models, for one without frames and for values that are not numbers."""
    samples = picture_of(latent["samples"])
    if samples.ndim != 5:
        raise InputError(
            f"{name} is {list(samples.shape)}, as image models make them; a video's has five dimensions [B,C,T,H,W]"
        )
    if not samples.numel():
        raise InputError(f"{name} is {list(samples.shape)}, which holds nothing; link one of at least one frame")
    if not finite(samples):
        raise InputError(f"{name} holds values that are not numbers (NaN or infinite); sample it again in float32")
    return samples.float()  # some models and nodes give half precision


def single(samples: Latent, channels: int, why: str = "a video is one") -> Tensor:
    """[1,C,T,H,W] of a LATENT to decode or go on from; raises InputError for one of another model, or of several clips
    and says why."""
    found = samples_of(samples, "samples")
    if found.shape[1] != channels:
        raise InputError(
            f"samples has {found.shape[1]} channels and the VAE {channels}; take the VAE of the model that sampled it"
        )
    if len(found) != 1:
        raise InputError(f"samples is a batch of {len(found)} and {why}; choose one with Latent From Batch")
    return found


def state_of(latent: Latent, geometry: Geometry, *, ring: bool = False) -> LatentState:
    """A LATENT as the state that is sampled; on a ring every latent frame is from the middle of a stream."""
    from ...sora_core.grid import positions, spans
    from ...sora_core.types import LatentState

    samples, info = samples_of(latent), info_of(latent)
    if samples.shape[1] != geometry.channels:
        raise InputError(
            f"latent has {samples.shape[1]} channels and the model {geometry.channels}; size it with the VAE of the"
            " same model"
        )
    grid_spans = spans(samples.shape[2], geometry, mid_stream=ring)
    if info.edit is not None and not ring and len(info.edit.state.spans) == samples.shape[2]:
        grid_spans = info.edit.state.spans
    return LatentState(
        latent=samples,
        clean=samples,
        mask=mask_of(latent.get("noise_mask"), samples),
        positions=positions(grid_spans, info.fps or DEFAULTS.fps),
        spans=grid_spans,
    )


def mask_of(given: Tensor | None, samples: Tensor) -> Tensor:
    """[B,1,T,H,W] of a noise_mask, all ones where there is none; raises InputError for one of another size."""
    import torch

    b, _, t, h, w = samples.shape
    if given is None:
        return torch.ones_like(samples[:, :1])
    mask = given.float()
    mask = mask[:, None] if mask.ndim == 4 else mask
    if mask.ndim != 5 or mask.shape[2:] != (t, h, w):
        raise InputError(
            f"the mask of this LATENT is {list(given.shape)}; for {list(samples.shape)} it must be {[b, 1, t, h, w]}"
        )
    return mask[:, :1].expand(b, 1, t, h, w)


def noise_for(latent: Latent, seed: int) -> Tensor:
    """The noise of a seed for a LATENT; where it has a smaller draft, with the coarse structure of that one's noise."""
    from ...sora_core.diffusion.noise import draw_noise, enlarge_noise

    count, *shape = samples_of(latent).shape
    draft = info_of(latent).draft
    if draft is None:
        return draw_noise(shape, seed, count=count)
    return enlarge_noise(draw_noise(draft, seed, count=count), shape, seed)
