"""Clips of one kind on the device: pixels as they come in, latents of every size as the frozen codec makes them.

Legend: N room for clips, F frames, H W pixels, C channels, T latent frames, h w latent cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..grid import Geometry
from ..media.convert import frames_to_video
from ..perception.classifier import ATTRIBUTES
from ..text.tokenizer import UNKNOWN
from .altered import altered
from .clips import LEVELS, PARTS, Clip, ClipKind
from .draws import Draws
from .labels import UNASKED

__all__ = ["ClipStore", "fitted", "stores_for"]

AT_ONCE = 16
"""clips encoded at once"""

Encode = Callable[[Tensor], Tensor]
"""video [B,3,F,H,W] in -1..1 to normalised latents [B,C,T,h,w]"""


class ClipStore:
    """Room for `room` clips of a kind; `count` are there, `encoded` of them have latents.

    latents[h,w] float16 [N,C,T,h,w] and cells[h,w] uint8 [N,1,T,h,w] are by size in pixels. A share of the clips is
    encoded looking unlike the world (`altered`); those and the ones whose captions hold an unknown word are `strange`
    [N].
    """

    def __init__(
        self, kind: ClipKind, room: int, geometry: Geometry, text_tokens: int, device: torch.device | str, share: float
    ) -> None:
        self.kind, self.room, self.geometry, self.share = kind, room, geometry, share
        self.device = torch.device(device)
        self.count = self.encoded = 0
        shape, self.latent_frames = kind.shape, kind.latents(geometry)
        step = geometry.space_factor

        def hold(*size: int, dtype: torch.dtype, fill: float = 0) -> Tensor:
            return torch.full((room, *size), fill, dtype=dtype, device=self.device)

        self.video = torch.empty(
            room, shape.frames, shape.height, shape.width, 3, dtype=torch.uint8, device=self.device
        )
        self.ids = hold(len(LEVELS), PARTS, text_tokens, dtype=torch.int16)
        self.starts = hold(PARTS, dtype=torch.float32)
        self.things = hold(self.latent_frames, shape.height // step, shape.width // step, dtype=torch.uint8)
        self.answers = hold(len(ATTRIBUTES), dtype=torch.int16, fill=UNASKED)
        self.track = hold(shape.frames, 2, dtype=torch.float32)
        self.strange = hold(dtype=torch.bool)
        self.latents: dict[tuple[int, int], Tensor] = {}
        self.cells: dict[tuple[int, int], Tensor] = {}

    @property
    def full(self) -> bool:
        """Whether there is no more room."""
        return self.count >= self.room

    def add(self, clip: Clip) -> bool:
        """Take a clip in; False where there is no more room."""
        if self.full:
            return False
        for name in ("video", "ids", "starts", "things", "answers", "track"):
            getattr(self, name)[self.count].copy_(getattr(clip, name))
        self.strange[self.count] = bool((clip.ids == UNKNOWN).any())
        self.count += 1
        return True

    def clips(self, chosen: Tensor, first: int = 0, frames: int | None = None) -> Tensor:
        """Some clips from a frame on, [B,3,F,H,W] in -1..1."""
        end = None if frames is None else first + frames
        return frames_to_video(self.video[chosen, first:end])

    @torch.no_grad()
    def encode(self, encode: Encode, channels: int) -> None:
        """Latents, at every size, of the clips that have none."""
        while self.encoded < self.count:
            a, b = self.encoded, min(self.count, self.encoded + AT_ONCE)
            draws = Draws(a, self.kind.height * 1000 + self.kind.width, self.device)
            video = frames_to_video(self.video[a:b])
            if self.kind.family not in ("loop", "bridge"):
                unlike = draws.often(self.share, b - a)
                video = torch.where(unlike.view(-1, 1, 1, 1, 1), altered(video, draws), video)
                self.strange[a:b] |= unlike
            for size in self.kind.sizes:
                self._hold(size, a, b, encode(fitted(video, *size))[:, :, -self.latent_frames :], channels)
            self.encoded = b

    def _hold(self, size: tuple[int, int], a: int, b: int, latents: Tensor, channels: int) -> None:
        """Latents of the clips a..b-1 at a size in pixels, and the cells with things."""
        h, w = (side // self.geometry.space_factor for side in size)
        if size not in self.latents:
            whole = (self.room, channels, self.latent_frames, h, w)
            self.latents[size] = torch.zeros(whole, dtype=torch.float16, device=self.device)
            self.cells[size] = torch.zeros((self.room, 1, *whole[2:]), dtype=torch.uint8, device=self.device)
        self.latents[size][a:b] = latents.half()
        self.cells[size][a:b, 0] = F.adaptive_max_pool2d(self.things[a:b].float(), (h, w)).byte()


def fitted(video: Tensor, height: int, width: int) -> Tensor:
    """[B,3,F,H,W] cropped about the middle to the shape of height x width, and made smaller."""
    batch, _, frames, tall, wide = video.shape
    if (tall, wide) == (height, width):
        return video
    crop_h, crop_w = min(tall, round(wide * height / width)), min(wide, round(tall * width / height))
    y, x = (tall - crop_h) // 2, (wide - crop_w) // 2
    part = video[..., y : y + crop_h, x : x + crop_w].transpose(1, 2).flatten(0, 1)
    part = F.interpolate(part, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return part.unflatten(0, (batch, frames)).transpose(1, 2).clamp(-1, 1)


def stores_for(
    kinds: Sequence[ClipKind],
    room: int,
    geometry: Geometry,
    text_tokens: int,
    device: torch.device | str,
    *,
    unlike: float,
    least: int = 32,
) -> dict[str, ClipStore]:
    """A store for every kind, by name; `room` clips in all are shared out by the kinds' weights."""
    total = sum(kind.weight for kind in kinds)
    return {
        kind.name: ClipStore(kind, max(least, round(room * kind.weight / total)), geometry, text_tokens, device, unlike)
        for kind in kinds
    }
