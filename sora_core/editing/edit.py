"""What goes into an edit operation (`Clip`) and what comes out of it (`Edit`).

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, K latent frames of the history.
Given frames are a `media.FrameSource`, read where they are needed, so that they come out as they went in, bit for bit,
and a long file is never held. An `image` is ComfyUI's IMAGE [F,H,W,3] in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import InputError
from ..grid import Geometry, VideoSize, check_fps, plan, positions, spans
from ..media import FrameSource, TensorSource, Video
from ..media.convert import DARKEST
from ..settings import SamplingSettings
from ..types import LatentState, PromptSchedule
from .wipe import Wipe

__all__ = ["Clip", "Codec", "Edit", "Part", "check_even", "compose", "empty", "kept", "knows_spans", "made"]


BRIGHTEST = 4.0
"""mean of frames in 0..1, those of high dynamic range among them; bytes that were taken for such are far above, and
numbers that are none (NaN) are not below"""


class Codec(Protocol):
    """What edit operations need of a codec; `vae.CausalCodec` is one."""

    geometry: Geometry

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor: ...
    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A given clip: its frames, or the latents it was sampled as, or both.

    image:  [F,H,W,3] in 0..1 or uint8, frames that are in memory; they become the `source`
    source: the frames, read when they are needed
    latent: [1,C,T,h,w]; with `spans` [T]. Kept as it is, never made anew from pixels, wherever an operation can use it.
    Given both, the latents stand for the same clip: from its first frame if they are longer (a trimmed clip), up to
    its last if shorter.
    """

    fps: float
    image: Tensor | None = None
    source: FrameSource | None = None
    latent: Tensor | None = None
    spans: Tensor | None = None
    size: tuple[int, int] | None = None
    """height and width in pixels of latents that are shown smaller than they are; frames have their own"""
    full: tuple[int, int] | None = None
    """height and width of the finished clip, where these frames are made smaller for the model (`pipeline.working`)"""
    frames: int | None = None
    """how many frames of the latents are shown, where that is not all: what goes on from the clip goes on from all"""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image is not None:
            check_image(self.image)
            object.__setattr__(self, "source", TensorSource(self.image, self.fps))
        if self.source is None and self.latent is None:
            raise InputError("a clip needs frames or latents; this one has neither.")
        if self.latent is not None and (
            self.spans is None or self.latent.ndim != 5 or len(self.spans) != self.latent.shape[2]
        ):
            raise InputError(
                f"a clip's latent is [1,C,T,h,w] with a span per latent frame, not {list(self.latent.shape)}."
            )
        check_fps(self.fps)
        object.__setattr__(self, "fps", float(self.fps))

    @staticmethod
    def from_video(video: Video) -> Clip:
        """A clip read from a file, with the notes of the reading (variable rate, and so on)."""
        return Clip(source=TensorSource(video.frames, video.fps), fps=video.fps, notes=video.notes)


@dataclass(frozen=True, kw_only=True)
class Strides:
    """How what goes on is made a little at a time (`editing.strides`)."""

    length: int
    """latent frames that are made at once"""
    context: int
    """latent frames beside them that the network sees"""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A state ready to sample, and how its sample becomes the frames that the user sees.

    The timeline is `before` + the frames of history and grid, cut to `shown` + `after`.
    """

    state: LatentState
    fps: float
    history: Tensor | None = None
    """[1,C,K,h,w] latents before the grid: the decoder hears them first"""
    history_spans: Tensor | None = None
    given: FrameSource | None = None
    """the frames of history and grid; only read where `keep` is set"""
    keep: Tensor | None = None
    """[F] or [F,H,W] bool: what of `given` replaces the decoded frames exactly"""
    size: tuple[int, int] | None = None
    """height and width that are shown of the decoded frames, from the top left; None: all. Given frames have this
    size"""
    full: tuple[int, int] | None = None
    """height and width of the finished clip where it is made smaller (`pipeline.working`); None: `size`"""
    shown: tuple[int, int] | None = None
    """first frame and end of history and grid that are shown; None: all"""
    before: FrameSource | None = None
    """frames of the clip that come before"""
    after: FrameSource | None = None
    """frames of the clip that come after"""
    wipe: Wipe | None = None
    """two stretches of the decoded frames that are laid over each other before anything else: `given`, `keep` and
    `shown` count the frames that are left"""
    strides: Strides | None = None
    """made in stretches, one behind the other; None: all at once"""
    ring: bool = False
    """the clip is a loop without a first frame: sampled with `diffusion.ring`, decoded behind its own end"""
    flow_edit: bool = False
    """made anew from a given clip: sampled with `diffusion.flow_edit` towards `state.latent`"""
    denoise: float = 1.0
    """the fraction of the schedule to run, ComfyUI's `denoise`"""
    cfg: float | None = None
    """the guidance scale that suits this edit; None: that of the model"""
    prompt_schedule: PromptSchedule | None = None
    """which of several prompts each latent frame follows; None: there is one prompt"""
    notes: tuple[str, ...] = ()

    def settings(self, asked: SamplingSettings, usual: SamplingSettings) -> SamplingSettings:
        """`asked` with what this edit needs: the one place that reads an edit's settings.

        Ring and FlowEdit correction belong to the edit. Its cfg and denoise count where `asked` has the value of
        `usual` (the user has changed nothing); a value that the user chose stays, and weights made for no
        guidance get none.
        """
        chosen: dict[str, float] = {}
        if self.cfg is not None and asked.cfg == usual.cfg != 1:
            chosen["cfg"] = self.cfg
        if asked.denoise == usual.denoise:
            chosen["denoise"] = self.denoise
        return asked.with_(ring=asked.ring or self.ring, flow_edit=self.flow_edit, **chosen)

    @property
    def spans(self) -> Tensor:
        """Pixel frames of each latent frame of history and grid."""
        return self.state.spans if self.history_spans is None else torch.cat([self.history_spans, self.state.spans])

    @property
    def decoded_frames(self) -> int:
        """Frames of history and grid, those under a wipe once."""
        return int(self.spans.sum()) - (self.wipe.count if self.wipe is not None else 0)

    @property
    def made(self) -> int:
        """Frames of which anything is made."""
        start, end = self.shown or (0, self.decoded_frames)
        kept = self.keep if self.keep is not None and self.keep.ndim == 1 else torch.zeros(0)
        return end - start - int(kept[start:end].sum())

    @property
    def frames(self) -> int:
        """Frames that the user sees."""
        start, end = self.shown or (0, self.decoded_frames)
        return end - start + sum(part.length for part in (self.before, self.after) if part is not None)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stretch of the grid, `spans` [T] long: its `latent` is kept; without one it is made."""

    spans: Tensor
    latent: Tensor | None = None


def kept(latent: Tensor, spans: Tensor) -> Part:
    """A stretch that is kept, [1,C,T,h,w] with its spans."""
    return Part(latent=latent, spans=spans)


def made(count: int, geometry: Geometry, *, first: bool = False, at: int = 0) -> Part:
    """A stretch to make; `first`: it begins the clip, so its first latent frame stands for one frame. `at`: latent
    frames of the grid before it, for a codec that begins anew from time to time."""
    if geometry.cycle:
        return Part(spans=spans(at + count, geometry)[at:])
    return Part(spans=spans(count, geometry, mid_stream=not (first and count)))


def check_even(codec: Codec, what: str) -> None:
    """Raises InputError for a codec that begins anew from time to time, with which `what` is not made."""
    if codec.geometry.cycle:
        raise InputError(
            f"{what} is not made with a VAE that begins anew every {codec.geometry.step[1]} frames, as MiniMax H3 does;"
            " its clips are made from text or a first picture, extended, connected, closed and restyled."
        )


def empty(size: VideoSize, geometry: Geometry) -> Tensor:
    """Zeros [1,C,T,h,w] on the grid for a clip of that size."""
    return torch.zeros(1, *plan(size, geometry).shape)


def compose(parts: Sequence[Part], fps: float, like: Tensor) -> LatentState:
    """The state of parts in a row; `like` [B,C,*,h,w] gives the size of what is made."""
    b, c, _, h, w = like.shape
    cleans, masks = [], []
    for part in parts:
        t = len(part.spans)
        cleans.append(like.new_zeros(b, c, t, h, w) if part.latent is None else part.latent.to(like))
        masks.append(torch.full((b, 1, t, h, w), 0.0 if part.latent is not None else 1.0, device=like.device))
    all_spans = torch.cat([part.spans for part in parts])
    clean = torch.cat(cleans, 2)
    return LatentState(
        latent=torch.zeros_like(clean),
        clean=clean,
        mask=torch.cat(masks, 2),
        positions=positions(all_spans, fps),
        spans=all_spans,
    )


def knows_spans(codec: Codec, asked: bool | None) -> bool:
    """What an operation was asked for; where nothing was, whether the network of this codec is told the spans of its
    latents, as the bundled one is (`codec.takes_spans`)."""
    return bool(getattr(codec, "takes_spans", True)) if asked is None else asked


def check_image(image: Tensor) -> None:
    """Raises InputError unless `image` is uint8 or float [F,H,W,3] with at least one frame, and neither bytes nor a
    video in -1..1 as float."""
    TensorSource(image, 1.0)
    if image.is_floating_point() and not (mean := float(image.detach().mean(dtype=torch.float32))) <= BRIGHTEST:
        raise InputError(f"frames in floating point lie in 0..1, and the mean of these is {mean:g}; divide by 255.")
    if image.is_floating_point() and (least := float(image.detach().amin())) < DARKEST:
        raise InputError(
            f"frames in floating point lie in 0..1, and the least of these is {least:g}; add 1 and divide by 2."
        )
