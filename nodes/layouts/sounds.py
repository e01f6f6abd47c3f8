"""Sound as some models make it with the picture (LTX 2.x, MiniMax H3): the second of two tensors in one LATENT.

The sound of a finished clip is a `Track` of latents, of which the grid of an edit samples a stretch: what lies in a
given clip is kept there, the rest is made. Decoded as one, it has no seam; where a given waveform is kept, it goes over
into what was made within FADE seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...sora_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from ...sora_core.editing import Edit

__all__ = [
    "FORMATS", "Heard", "SoundFormat", "Track", "check_sound", "format_of", "is_nested", "mixed", "picture_of",
    "sound_in",
]  # fmt: skip

FADE = 0.03
"""seconds in which a given waveform goes over into a made one, within the given part"""


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """How a model lays out the latents of sound."""

    model: str
    axis: int
    """of time, in [B,C,...]"""
    rate: float
    """latents a second"""
    sizes: tuple[int, ...]
    """of the other axes but the batch"""
    channels: int
    """of the picture beside it"""
    fps: float | None = None
    """the one rate of frames that the model knows"""
    always: bool = False
    """whether the model samples no picture without it"""

    def shape(self, count: int) -> tuple[int, ...]:
        """Of one clip's latents, without the batch."""
        sizes = list(self.sizes)
        sizes.insert(self.axis - 1, count)
        return tuple(sizes)

    def count(self, frames: int, fps: float) -> int:
        """Latents for so many frames."""
        return max(1, round(frames / fps * self.rate))

    def fits(self, sound: Tensor) -> bool:
        """Whether latents are laid out so."""
        return sound.ndim == 4 and tuple(sound.shape[1:]) == self.shape(sound.shape[self.axis])


FORMATS = {
    "LTXAV": SoundFormat(model="LTX 2", axis=2, rate=25.0, sizes=(8, 16), channels=128),
    "MiniMaxH3": SoundFormat(model="MiniMax H3", axis=3, rate=40.0, sizes=(32, 2), channels=24, fps=24.0, always=True),
}
"""by the name of ComfyUI's class for the model"""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The sound of a given clip: as AUDIO, as latents, or both."""

    audio: dict[str, Any] | None = None
    spans: tuple[tuple[float, float], ...] | None = None
    """where the AUDIO is not silent for want of sound, (start, end) in seconds; None: all of it"""
    latent: Tensor | None = None


def check_sound(audio: dict[str, Any] | None) -> None:
    """Raises InputError for AUDIO of no rate, or of another form than [B,C,S], MediaError where it is not numbers."""
    if audio is None:
        return
    from ...sora_core.media.sound import check_numbers

    shape, rate = list(audio["waveform"].shape), audio["sample_rate"]
    if len(shape) != 3 or not rate > 0:
        raise InputError(
            f"the sound of the video is {shape} at a rate of {rate}; AUDIO is [B,C,S] at a rate above 0, such as 48000"
        )
    check_numbers(audio["waveform"], rate)


def is_nested(samples: Any) -> bool:
    """Whether the samples of a LATENT are several tensors in one."""
    return bool(getattr(samples, "is_nested", False))


def picture_of(samples: Any) -> Any:
    """The picture of a LATENT's samples, or of its mask."""
    return samples.unbind()[0] if is_nested(samples) else samples


def sound_in(samples: Any) -> Tensor | None:
    """The sound of a LATENT's samples; None where there is none. Raises InputError where it is of no model known."""
    if not is_nested(samples):
        return None
    parts = samples.unbind()
    if len(parts) != 2:
        raise InputError(
            f"this latent holds {len(parts)} tensors; one of a picture, or of a picture and its sound, is read"
        )
    format_of(parts[1])
    return parts[1]


def format_of(sound: Tensor) -> SoundFormat:
    """The layout of latents of sound; raises InputError for one of no model known."""
    for known in FORMATS.values():
        if known.fits(sound):
            return known
    names = " and ".join(known.model for known in FORMATS.values())
    raise InputError(f"the sound of this latent is {list(sound.shape)}, which is neither of {names}")


@dataclass(frozen=True, kw_only=True)
class Track:
    """The sound of a finished clip as latents."""

    latent: Tensor
    kept: Tensor
    """[A] bool: what is given"""
    begin: float
    """second of the finished clip at which it begins, 0 or a little before"""
    at: int
    """the first latent that the grid samples"""
    count: int
    """how many it samples"""

    @staticmethod
    def of(sounds: Sequence[tuple[Tensor, float]], edit: Edit, known: SoundFormat) -> Track:
        """The track of an edit. sounds: latents, each with the second of the finished clip at which it begins."""
        import torch

        grid = int(edit.state.spans.sum())
        before = edit.before.length if edit.before is not None else 0
        start = (before + int(edit.spans.sum()) - grid - (edit.shown or (0, 0))[0]) / edit.fps
        first, count = round(start * known.rate), known.count(grid, edit.fps)
        origin = min(0, first)
        length = max(known.count(edit.frames, edit.fps), first + count) - origin
        latent = torch.zeros(1, *known.shape(length))
        kept = torch.zeros(length, dtype=torch.bool)
        for given, second in sounds:
            at = round(second * known.rate) - origin
            skip, stop = max(0, -at), min(given.shape[known.axis], length - at)
            if skip < stop:
                part = given[:1].narrow(known.axis, skip, stop - skip)
                latent.narrow(known.axis, at + skip, stop - skip).copy_(part)
                kept[at + skip : at + stop] = True
        return Track(latent=latent, kept=kept, begin=origin / known.rate, at=first - origin, count=count)

    def grid(self) -> Tensor:
        """What the grid begins with."""
        return self.latent.narrow(format_of(self.latent).axis, self.at, self.count)

    def mask(self) -> Tensor:
        """[1,1,...] of the grid, 1 = make."""
        known = format_of(self.latent)
        made = (~self.kept[self.at : self.at + self.count]).float()
        sizes = [1] * self.latent.ndim
        sizes[known.axis] = self.count
        return made.view(sizes).expand(1, 1, *self.grid().shape[2:]).contiguous()

    def sampled(self, grid: Tensor) -> Track:
        """The same with what the grid became."""
        axis = format_of(self.latent).axis
        if grid.shape[axis] != self.count:
            raise InputError(
                f"the sound of this latent has {grid.shape[axis]} latents and its edit was made for {self.count}; an"
                " edit cannot be cut"
            )
        whole = self.latent.clone()
        whole.narrow(axis, self.at, self.count).copy_(grid[:1])
        return replace(self, latent=whole)

    def clip(self) -> Tensor:
        """The latents from the finished clip's first frame on."""
        known = format_of(self.latent)
        skip = -round(self.begin * known.rate)
        return self.latent.narrow(known.axis, skip, self.latent.shape[known.axis] - skip)


def mixed(given: dict[str, Any], spans: Sequence[tuple[float, float]], made: dict[str, Any]) -> dict[str, Any]:
    """AUDIO of one clip: as given within `spans` of seconds, as made elsewhere; both have one rate and begin together.

    A given part goes over into a made one within its own last FADE seconds, so nothing that was made is cut.
    """
    import torch

    from ...sora_core.editing.sound import on_channels

    rate, length = given["sample_rate"], given["waveform"].shape[-1]
    channels = max(audio["waveform"].shape[1] for audio in (given, made))
    wave, other = (on_channels(audio["waveform"][:1].float(), channels) for audio in (given, made))
    second = torch.arange(length) / rate
    share = torch.zeros(length)
    for start, end in spans:
        rise = (second - start) / FADE if start > 0 else torch.ones(length)
        fall = (end - second) / FADE if end < length / rate - 1 / rate else torch.ones(length)
        share = torch.maximum(share, torch.minimum(rise, fall).clamp(0, 1) * ((second >= start) & (second < end)))
    padded = torch.zeros(1, channels, length)
    padded[..., : min(length, other.shape[-1])] = other[..., :length]
    return {"waveform": padded + share * (wave - padded), "sample_rate": rate}
