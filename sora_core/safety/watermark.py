"""The invisible watermark: a 32-bit number in every frame, found again after compression, scaling and crop.

Encoder. The number's 64 channel bits and a fixed pilot are spread over the low spatial frequencies of the frame: every
coefficient of a two-dimensional cosine basis carries one bit (or the pilot) with a fixed sign and a learned amplitude.
The basis is that of the whole frame, whatever its size, so that scaling changes nothing. A small network says where the
picture hides the pattern; the sum is scaled to a set PSNR. On flat grounds, where luma shows as grain, most of the
mark is in the blue instead: the same bits on a few low frequencies of Cb, with signs of their own and luma as it was.
The eye hardly sees blue-yellow detail, and codecs keep low frequencies.

Decoder. A small network takes the picture away from the luma and evens out what is left (of the blue, means around
every place do); the output is correlated with the basis. The correlations of frames add up, which is how frames vote.

Encoder and decoder of the luma were trained together (`training.watermark`) through compression, noise, scaling and
crops; the blue has nothing to learn.

Legend: F frames, H W height and width, S side of the decoder's canvas, M side of the table of coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import checkpoints
from ..errors import InputError
from .codeword import CHANNEL_BITS

__all__ = ["Watermark", "WatermarkConfig", "Window", "load_watermark", "luma"]

LUMA = (0.299, 0.587, 0.114)
Window = tuple[float, float, float, float]
"""the part of the marked frame that a picture shows: top, bottom, left, right, as shares of its height and width"""
WHOLE: Window = (0.0, 1.0, 0.0, 1.0)
PILOT = CHANNEL_BITS
"""the group of the coefficients that carry the pilot"""
ROOMY, STRONGER = 160, 2.6
"""pixels of a side below which the mark is stronger, and by how many decibels for every halving"""
FLAT, EDGE, FAINTER, FAINTER_ALONE = (0.014, 0.009), 0.03, 10.0, 3.0
"""mean local contrast from which, down to which, the luma's mark grows fainter, of which an edge counts as so much at
most, and by how many decibels where there is room, with a mark in the blue and alone: on flat grounds it is seen
sooner"""
LESS_ROOM = 2.0
"""share of the blue that a halving of `ROOMY` takes away: half a halving takes all. Of a mark alone a whole one does"""
BLUE, WAVES, LARGE = 1.8, (48.0, 16.0), 512
"""the mark of the blue: levels of Cb, of pixels a wave from the longest to the shortest, in pictures of up to so many
pixels a side (in larger ones the waves grow along)"""
READ = 12.0
"""pixels of the shortest wave that is read: the picture may have been made smaller"""
WEIGHTS = (1.0, 1.5)
"""of the votes of luma and blue where both are marked"""
BLUE_FULL = 0.5
"""share of all the luma's fading at which the blue is full: it comes before the luma goes"""
CB = 1.772
"""blue less luma, in units of Cb; green gives way, so that luma stays"""
LEAST_SIDE = 16
"""pixels: a smaller frame has no room for the pattern"""


@dataclass(frozen=True, kw_only=True)
class WatermarkConfig:
    """Sizes of the watermark's networks."""

    band: int = 96
    """M: cosines per side of the basis"""
    lowest: int = 6
    """coefficients with i + j below this carry nothing: they are the picture's own light"""
    canvas: int = 192
    """S: side of the picture that the decoder works on"""
    look: int = 96
    """side of the picture that the encoder's network works on"""
    width: int = 16
    """channels of both networks"""
    pilot: float = 0.2
    """share of the coefficients that carry the pilot"""
    psnr: float = 40.0
    """decibels of a marked frame"""
    knots: int = 12
    """side of the learned tables of amplitudes, stretched over the band"""
    seed: int = 2026
    """of the places and signs, which are saved with the weights"""

    def __post_init__(self) -> None:
        if not 8 <= self.band <= self.canvas:
            raise InputError(f"a watermark's band is 8 to {self.canvas} (its canvas), not {self.band}")


@lru_cache(32)
def cosines(band: int, size: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """The cosine basis at `size` pixel centres between two places of the whole side, float [band,size]; frequencies
    beyond the pixels' own are zero."""
    place = low + (high - low) * (torch.arange(size, dtype=torch.float64) + 0.5) / size
    order = torch.arange(band, dtype=torch.float64)[:, None]
    basis = torch.cos(math.pi * order * place)
    return (basis * (order < size / (high - low))).float()


def luma(frames: Tensor) -> Tensor:
    """[F,3,H,W] in 0..1 to luma [F,1,H,W] in 0..1."""
    weights = frames.new_tensor(LUMA)
    return torch.einsum("fchw,c->fhw", frames, weights)[:, None]


class Watermark(nn.Module):
    """Encoder and decoder of one watermark."""

    places: Tensor
    signs: Tensor

    def __init__(self, config: WatermarkConfig) -> None:
        super().__init__()
        self.config = config
        c, k = config.width, config.knots
        groups, signs = layout(config)
        self.register_buffer("places", groups)
        self.register_buffer("signs", signs)
        self.amplitude = nn.Parameter(torch.zeros(2, 1, k, k))
        self.weight = nn.Parameter(torch.zeros(2, 1, k, k))
        self.pilot_share = nn.Parameter(torch.tensor(0.0))
        self.hide = nn.Sequential(
            nn.Conv2d(2, c, 3, padding=1), nn.GELU(), nn.Conv2d(c, c, 3, padding=1, stride=2), nn.GELU(),
            nn.Conv2d(c, c, 3, padding=1), nn.GELU(), nn.Conv2d(c, 1, 3, padding=1),
        )  # fmt: skip
        self.remove = nn.Sequential(
            nn.Conv2d(1, c, 5, padding=2), nn.GELU(), nn.Conv2d(c, c, 3, padding=1), nn.GELU(),
            nn.Conv2d(c, c, 3, padding=2, dilation=2), nn.GELU(), nn.Conv2d(c, c, 3, padding=1), nn.GELU(),
            nn.Conv2d(c, 1, 3, padding=1),
        )  # fmt: skip
        self.low_precision = False
        """whether the networks compute in bfloat16: in training on a card"""
        for last in (self.hide[-1], self.remove[-1]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def run(self, network: nn.Module, picture: Tensor) -> Tensor:
        """One of the two networks; all else stays float32, where a pattern of half a level is not lost."""
        if not self.low_precision:
            return cast(Tensor, network(picture))
        with torch.autocast(picture.device.type, torch.bfloat16):
            return cast(Tensor, network(picture).float())

    def table(self, knots: Tensor, height: int, width: int) -> Tensor:
        """A learned table stretched over the coefficients, [M,M], positive, 0 where none is used.

        knots [2,1,k,k]: its logarithm at the size of the canvas, and what a doubling of the frame's size adds.
        """
        m = self.config.band
        doublings = math.log2(math.sqrt(height * width) / self.config.canvas)
        log = knots[:1] + max(-2.0, min(2.0, doublings)) * knots[1:]
        return F.interpolate(log, (m, m), mode="bilinear", align_corners=True)[0, 0].exp() * (self.places >= 0)

    def coefficients(self, bits: Tensor, height: int, width: int) -> Tensor:
        """Channel bits [B,64] of -1 and 1 to coefficients [B,M,M] for frames of a size."""
        carried = torch.cat([bits, self.pilot_share.exp().expand(len(bits), 1)], 1)
        return carried[:, self.places.clamp(min=0)] * self.signs * self.table(self.amplitude, height, width)

    def pattern(self, bits: Tensor, height: int, width: int) -> Tensor:
        """The pattern of channel bits [B,64] at a size, [B,1,H,W], of deviation 1."""
        rows, columns = (cosines(self.config.band, side).to(bits) for side in (height, width))
        pattern = torch.einsum("bij,ih,jw->bhw", self.coefficients(bits, height, width), rows, columns)[:, None]
        return pattern / pattern.flatten(1).std(1).clamp(min=1e-6)[:, None, None, None]

    def blue_table(self, height: int, width: int, shortest: float) -> Tensor:
        """Which coefficients the blue carries down to a wave of so many pixels, [M,M], 0 or 1."""
        order = torch.arange(self.config.band).to(self.signs)
        waves = torch.hypot(order[:, None] / (2 * height), order[None] / (2 * width))
        waves = waves * max(1.0, math.sqrt(height * width) / LARGE)
        return ((waves >= 1 / WAVES[0]) & (waves <= 1 / shortest) & (self.places >= 0)).float()

    def blue_pattern(self, bits: Tensor, height: int, width: int) -> Tensor:
        """The pattern that the blue carries, [B,1,H,W], of deviation 1, or 0 where there is no room."""
        rows, columns = (cosines(self.config.band, side).to(bits) for side in (height, width))
        carried = torch.cat([bits, bits.new_ones(len(bits), 1)], 1)[:, self.places.clamp(min=0)]
        table = self.signs.T * self.blue_table(height, width, WAVES[1])
        pattern = torch.einsum("bij,ih,jw->bhw", carried * table, rows, columns)[:, None]
        return pattern / pattern.flatten(1).std(1).clamp(min=1e-6)[:, None, None, None]

    def contrast(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [F,3,H,W] in 0..1 as small luma, and its local contrast, both [F,1,h,w]."""
        small = F.interpolate(luma(frames), (self.config.look, self.config.look), mode="area")
        local = F.avg_pool2d(small, 5, 1, 2, count_include_pad=False)
        return small, F.avg_pool2d((small - local).square(), 5, 1, 2, count_include_pad=False).sqrt()

    def hiding(self, small: Tensor, busy: Tensor) -> Tensor:
        """Where frames of that `contrast` hide the pattern: positive, [F,1,h/2,w/2], coarse."""
        shown = self.run(self.hide, torch.cat([small - 0.5, (busy + 1e-3).log() / 4], 1))
        return (shown + (busy[..., ::2, ::2] + 0.01).log() / 2).clamp(-6, 6).exp()

    def residual(self, hiding: Tensor, pattern: Tensor, psnr: float | None = None) -> Tensor:
        """What is added to the luma, [F,1,H,W]: the pattern where it hides, at the PSNR asked for."""
        full = F.interpolate(hiding, pattern.shape[-2:], mode="bilinear", align_corners=False) * pattern
        level = 10 ** (-(psnr or self.config.psnr) / 20)
        size = torch.linalg.vector_norm(full, dim=(1, 2, 3), keepdim=True) / math.sqrt(full[0].numel())
        return full * (level / size.clamp(min=1e-9))

    def flatness(self, busy: Tensor) -> float:
        """How flat a frame of that local contrast is, 0 to 1."""
        most, least = FLAT
        return max(0.0, min(1.0, (most - float(busy.clamp(max=EDGE).mean())) / (most - least)))

    def ease(self, busy: Tensor, height: int, width: int) -> float:
        """How far a mark in the blue takes the luma's place in a frame of a size and of that local contrast, 0 to 1:
        where it is flat, and has room for it."""
        return self.flatness(busy) * max(0.0, 1 - LESS_ROOM * smaller(height, width))

    def strength(self, busy: Tensor, height: int, width: int, *, alone: bool = False) -> float:
        """Decibels of the luma's mark in a frame of a size and of that local contrast: a small one has little room and
        takes a stronger mark, a flat one with room a fainter one. alone: nothing is in the blue."""
        halved = smaller(height, width)
        fainter = FAINTER_ALONE * self.flatness(busy) * max(0.0, 1 - halved)
        if not alone:
            fainter = max(fainter, FAINTER * self.ease(busy, height, width))
        return self.config.psnr - STRONGER * halved + fainter

    def blue(self, busy: Tensor, height: int, width: int) -> float:
        """Levels of Cb of the mark in the blue of such a frame."""
        return BLUE * min(1.0, self.ease(busy, height, width) / BLUE_FULL)

    def mark(self, frames: Tensor, bits: Tensor, psnr: float | None = None) -> Tensor:
        """Frames [F,3,H,W] in 0..1 of channel bits [F or 1,64] with the mark in the luma alone."""
        pattern = self.pattern(bits, *frames.shape[-2:])
        return (frames + self.residual(self.hiding(*self.contrast(frames)), pattern, psnr)).clamp(0, 1)

    def cleaned(self, frames: Tensor) -> Tensor:
        """What is left of frames [F,3,H,W] in 0..1 when the picture is taken away, [F,1,S,S], evened out."""
        side = self.config.canvas
        grey = luma(frames)
        shrink = [side if n > side else n for n in grey.shape[-2:]]
        grey = F.interpolate(F.interpolate(grey, shrink, mode="area"), (side, side), mode="bilinear")
        local = F.avg_pool2d(grey, 9, 1, 4, count_include_pad=False)
        rest = (grey - local) * 16
        rest = rest + self.run(self.remove, rest)
        power = F.avg_pool2d(rest.square(), 15, 1, 7, count_include_pad=False)
        return rest / (power + 1e-3).sqrt()

    def cleaned_blue(self, frames: Tensor) -> Tensor:
        """What is left of the Cb of frames [F,3,H,W] in 0..1, [F,1,S,S], evened out: means of wide windows are taken
        away, and places where much is left count less."""
        side = self.config.canvas
        blue = (frames[:, 2:] - luma(frames)) * (255 / CB)
        half = [min(side // 2, n) for n in blue.shape[-2:]]
        blue = F.interpolate(F.interpolate(blue, half, mode="area"), (side // 2, side // 2), mode="bilinear")
        rest = blue - F.avg_pool2d(blue, 17, 1, 8, count_include_pad=False)
        power = F.avg_pool2d(rest.square(), 7, 1, 3, count_include_pad=False)
        return F.interpolate(rest / (power + 1).sqrt(), (side, side), mode="bilinear")

    def layers(self, frames: Tensor) -> Tensor:
        """What is left of luma and blue, [F,2,S,S]."""
        return torch.cat([self.cleaned(frames), self.cleaned_blue(frames)], 1)

    def tables(self, height: int, width: int) -> Tensor:
        """Signs and weights of the coefficients of luma and blue, [2,M,M]."""
        luma_table = self.signs * self.table(self.weight, height, width)
        return torch.stack([luma_table, self.signs.T * self.blue_table(height, width, READ)])

    def read_layers(self, layers: Tensor, height: int, width: int, window: Window = WHOLE) -> Tensor:
        """Soft values [F,2,65] of `layers`, of frames of a size that show a window: of the luma, and of both, since a
        mark is in the luma alone or in both."""
        side, m = self.config.canvas, self.config.band
        rows, columns = (cosines(m, side, *ends).to(layers) for ends in (window[:2], window[2:]))
        found = torch.einsum("flhw,ih,jw->flij", layers, rows, columns) * self.tables(height, width)
        soft = self.votes(found.flatten(0, 1)).unflatten(0, found.shape[:2])
        return torch.stack([soft[:, 0], together(soft)], 1)

    def correlations(self, cleaned: Tensor, height: int, width: int, window: Window = WHOLE) -> Tensor:
        """Cleaned frames [F,1,S,S], of frames of a size that show a window of the marked frame, to signed weighted
        coefficients [F,M,M]."""
        side, m = self.config.canvas, self.config.band
        rows, columns = (cosines(m, side, *ends).to(cleaned) for ends in (window[:2], window[2:]))
        found = torch.einsum("fhw,ih,jw->fij", cleaned[:, 0], rows, columns) / side
        return found * self.signs * self.table(self.weight, height, width)

    def votes(self, correlations: Tensor) -> Tensor:
        """Summed per group: soft channel bits and, last, the pilot, [F,65], each in deviations of noise."""
        flat, places = correlations.flatten(1), self.places.flatten()
        used = places >= 0
        totals = flat.new_zeros(len(flat), PILOT + 1).index_add_(1, places[used], flat[:, used])
        power = flat.new_zeros(len(flat), PILOT + 1).index_add_(1, places[used], flat[:, used].square())
        return totals / power.sqrt().clamp(min=1e-9)

    def read(self, frames: Tensor, window: Window = WHOLE) -> Tensor:
        """Soft values [F,65] of frames [F,3,H,W] in 0..1, one vote a frame."""
        height, width = frames.shape[-2:]
        return self.votes(self.correlations(self.cleaned(frames), height, width, window))


def smaller(height: int, width: int) -> float:
    """How often a frame's side halves the one that has room, 0 to 2."""
    return max(0.0, min(2.0, math.log2(ROOMY / math.sqrt(height * width))))


def together(layers: Tensor) -> Tensor:
    """Values of luma and blue, each of deviation 1, [F,2,...], as one, [F,...], of deviation 1."""
    return (WEIGHTS[0] * layers[:, 0] + WEIGHTS[1] * layers[:, 1]) / math.hypot(*WEIGHTS)


def layout(config: WatermarkConfig) -> tuple[Tensor, Tensor]:
    """Which group each coefficient carries (int64 [M,M]; -1: none), and its sign (float [M,M]).

    Groups are dealt out in rounds from low to high frequencies, so that each bit has its share of every frequency.
    """
    generator = torch.Generator().manual_seed(config.seed)
    m = config.band
    order = torch.arange(m)
    height = (order[:, None] + order[None]).flatten()
    usable = height >= config.lowest
    extra = round(config.pilot * CHANNEL_BITS / (1 - config.pilot))
    deal = torch.cat([torch.arange(CHANNEL_BITS), torch.full((extra,), PILOT)])
    chosen = (height + torch.rand(m * m, generator=generator)).masked_fill(~usable, math.inf).argsort()
    count = int(usable.sum())
    rounds = [deal[torch.randperm(len(deal), generator=generator)] for _ in range(math.ceil(count / len(deal)))]
    places = torch.full((m * m,), -1)
    places[chosen[:count]] = torch.cat(rounds)[:count]
    signs = torch.randint(2, (m, m), generator=generator).float() * 2 - 1
    return places.view(m, m), signs


def load_watermark(path: Path | None = None) -> Watermark:
    """The bundled watermark, or another of the same kind. Raises CheckpointError."""
    path = path or checkpoints.BUNDLED / "watermark.safetensors"
    checkpoint = checkpoints.load(path)
    with torch.random.fork_rng(devices=[]):  # the numbers that it begins with are the user's draws otherwise
        model = Watermark(WatermarkConfig(**checkpoint.config))
    checkpoints.load_into(model, checkpoint.tensors)
    return model.float().eval().requires_grad_(False)
