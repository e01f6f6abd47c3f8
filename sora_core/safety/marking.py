"""Marking clips and reading their mark, streamed.

    mark = Marker(load_watermark(), message=7)
    for chunk in mark(chunks): ...                 # uint8 [F,H,W,3], as many frames as came in
    found = read_mark(iter_frames(path, 16))       # MarkFound(score, message, ...) or one with found = False

The pattern's strength is worked out at key frames and held between them. A frame is given what it lacks of the mark:
what goes on from marked frames has some of theirs, and would have more of it with every generation. Reading adds up
the votes of frames spread over the clip. A mark is found by its pilot; of a number that is expected (the default one),
every bit is known beforehand, so that the whole pattern is the pilot and much less of it need be left. Luma and blue
vote together, and the luma alone, which may be all that is marked. Where the whole
frame shows nothing, windows of it are tried (a crop), found by correlating with the pattern at all places and many
scales at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import MediaError
from .codeword import decode, encode
from .watermark import (
    CB,
    LEAST_SIDE,
    LUMA,
    PILOT,
    WHOLE,
    Watermark,
    Window,
    cosines,
    load_watermark,
    luma,
    together,
)

__all__ = ["MESSAGE", "MarkFound", "MarkOnce", "Marker", "bundled_watermark", "read_mark"]

MESSAGE = int.from_bytes(b"SORA", "big")
"""the number of all who do not choose one"""
KEY_EVERY = 32
"""frames for which the strength worked out at a key frame is held"""
THUMB = 24
"""fields, at least, of the shorter side that are compared with the key frame's: about those that the pattern's strength
is worked out for"""
CUT, MOVED = 40.0, 16.0
"""mean differences of levels from the key frame, beyond which a new one is taken at once, or after LEAST_HELD frames"""
LEAST_HELD = 20
ROUND, MOST_FRAMES = 12, 120
"""frames after which every second one of the rest votes, and that vote in all"""
SURE, SURE_AFTER_SEARCH = 5.6, 6.1
"""deviations of the pilot that count as found: about one in 50 million by chance, and after trying all windows"""
SURE_OF_EXPECTED = 4.65
"""deviations of the expected number's pattern that count as found in the whole frame: about one in 300,000 by chance
(of 260,000 other numbers in unmarked clips one reached it)"""
LACKING, LACKING_EVERY = 4, 8
"""steps between nothing and all of the mark in which frames are given what they lack, and frames it is measured for"""
MEASURED = 80
"""pixels, at least, of the shorter side that it is measured on"""
BLUE_ADDS = (0.0, -CB * LUMA[2] / LUMA[1], CB)
"""what a level of Cb adds to red, green and blue"""
SMALLEST = 0.8
"""the smallest window that is tried, of each side"""
STEPS = 20
"""sizes of window that are tried, per side"""


@cache
def bundled_watermark() -> Watermark:
    """The watermark of this project, loaded once."""
    return load_watermark()


@dataclass(frozen=True, kw_only=True)
class MarkFound:
    """What was read from a clip."""

    found: bool
    score: float
    """deviations of the pilot, or of the expected number's pattern: noise is near 0"""
    message: int | None = None
    """the number, where a mark was found"""
    agreement: float = 0.0
    """of the received bits with the number's, 0.5 to 1"""
    window: Window = WHOLE
    frames: int = 0
    """that voted"""


class Marker:
    """Hides one number in the frames of a clip."""

    def __init__(self, model: Watermark, message: int, *, psnr: float | None = None) -> None:
        self.model, self.psnr = model, psnr
        self.alone = psnr is not None or message != MESSAGE
        """whether all is in the luma: a number that nobody expects needs more than the blue carries"""
        self.bits = encode(message)[None]
        self.pattern: Tensor | None = None
        self.blue: Tensor | None = None
        self.residual = torch.empty(0)
        self.blue_level = 0.0
        self.key: Tensor | None = None
        self.lowest = self.highest = self.added = torch.empty(0)
        self.given: tuple[float, float] | None = None
        self.held = 0

    def __call__(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same frames, marked; frames smaller than 16 pixels pass as they are."""
        for chunk in chunks:
            small = min(chunk.shape[1:3]) < LEAST_SIDE
            yield chunk if small or not len(chunk) else self.marked(chunk)

    @torch.no_grad()
    def marked(self, frames: Tensor) -> Tensor:
        """Marked frames, uint8 [F,H,W,3]."""
        out = torch.empty(frames.shape, dtype=torch.uint8)
        for frame, target in zip(frames, out, strict=True):
            self.follow(frame)
            if self.held % LACKING_EVERY == 0 or self.given is None:
                if (lacking := self.lacking(frame)) != self.given:
                    self.give(*lacking)
                self.given = lacking
            # what would leave 0..255 is held back first, so that bytes may wrap around: two passes over bytes
            torch.clamp(frame, self.lowest, self.highest, out=target)
            target.add_(self.added)
        return out

    def follow(self, frame: Tensor) -> None:
        """Take a new key frame where it is time to, or where the picture is another."""
        thumb = fields(frame, THUMB)
        limit = CUT if self.held > KEY_EVERY - LEAST_HELD else MOVED
        if self.held <= 0 or self.key is None or self.key.shape != thumb.shape or far(thumb, self.key) > limit:
            self.look(frame)
            self.key, self.held, self.given = thumb, KEY_EVERY, None
        self.held -= 1

    def look(self, frame: Tensor) -> None:
        """Work out the whole mark until the next key frame: levels of luma, [H,W], and of the blue, by its contrast."""
        height, width = frame.shape[:2]
        if self.pattern is None or self.pattern.shape[-2:] != frame.shape[:2]:
            self.pattern, self.blue = self.model.pattern(self.bits, height, width), None
        step = max(1, min(height, width) // (2 * self.model.config.look))
        picture = frame[::step, ::step].permute(2, 0, 1)[None].float().div_(255)
        self.weigh(picture, self.pattern)
        if there := round(self.there(frame), 1):  # without it, the picture is flatter than it looks
            self.weigh(picture - self.residual[::step, ::step] * (there / 255), self.pattern)
        if self.blue is None and self.blue_level:
            self.blue = self.model.blue_pattern(self.bits, height, width)[0, 0]

    def weigh(self, picture: Tensor, pattern: Tensor) -> None:
        """How strong the mark is in luma and blue of a picture [1,3,h,w] in 0..1."""
        height, width = pattern.shape[-2:]
        small, busy = self.model.contrast(picture)
        psnr = self.psnr or self.model.strength(busy, height, width, alone=self.alone)
        self.residual = self.model.residual(self.model.hiding(small, busy), pattern, psnr)[0, 0].mul_(255)
        self.blue_level = 0.0 if self.alone else self.model.blue(busy, height, width)

    def there(self, frame: Tensor) -> float:
        """The share of the luma's mark that a frame has already."""
        step = max(1, min(frame.shape[:2]) // MEASURED)
        light = luma(frame[::step, ::step].permute(2, 0, 1)[None].float())
        return share_of(light, self.residual[::step, ::step], wide=9, even=15)

    def there_blue(self, frame: Tensor) -> float:
        """The levels of the blue's mark that a frame has already."""
        step = max(1, min(frame.shape[:2]) // MEASURED)
        picture = frame[::step, ::step].permute(2, 0, 1)[None].float()
        blue = (picture[:, 2:] - luma(picture)) / CB
        half = [F.avg_pool2d(each, 2) for each in (blue, cast(Tensor, self.blue)[None, None, ::step, ::step])]
        return share_of(half[0], half[1][0, 0], wide=17, even=7)

    def lacking(self, frame: Tensor) -> tuple[float, float]:
        """The shares of luma's and blue's marks that a frame is to be given, in steps."""
        blue = self.there_blue(frame) / self.blue_level if self.blue_level else 1.0
        return in_steps(1 - self.there(frame)), in_steps(1 - blue)

    def give(self, light: float, blue: float) -> None:
        """Work out what is added for shares of luma's and blue's marks: bytes [H,W,3] that wrap around, and their
        room."""
        residual = self.residual * light
        level = whole(residual)
        levels = torch.empty((*residual.shape, 3), dtype=torch.int8)
        for channel, adds in enumerate(BLUE_ADDS):  # four times as fast as expanding it
            own = blue * self.blue_level * adds
            levels[..., channel] = whole(residual + cast(Tensor, self.blue) * own) if own else level
        self.lowest, self.highest = (-levels).clamp_(min=0).byte(), 255 - levels.clamp(min=0).byte()
        self.added = levels.view(torch.uint8)


def in_steps(share: float) -> float:
    """A share from 0 to 1 as steps have it."""
    return max(0.0, min(1.0, round(LACKING * share) / LACKING))


def share_of(picture: Tensor, pattern: Tensor, *, wide: int, even: int) -> float:
    """How much of a pattern [h,w] is in a picture [1,1,h,w] of levels: weighted least squares between both without what
    is broader than `wide` pixels, where places with more of the picture's own around them (`even`) count less."""
    fine, wanted = (each - box(each, wide) for each in (picture, pattern[None, None]))
    weight = wanted / (box(fine.square(), even) + 0.5)
    return float((weight * fine).sum() / (weight * wanted).sum().clamp(min=1e-9))


def box(picture: Tensor, side: int) -> Tensor:
    """Means of squares around every place."""
    tall = F.avg_pool2d(picture, (side, 1), 1, (side // 2, 0), count_include_pad=False)
    return F.avg_pool2d(tall, (1, side), 1, (0, side // 2), count_include_pad=False)


def whole(levels: Tensor) -> Tensor:
    """Rounded to what can be added to bytes."""
    return levels.round().clamp_(-127, 127).to(torch.int8)


class MarkOnce:
    """Marks a clip unless its first frames show that it is marked."""

    def __init__(self, marker: Marker) -> None:
        self.marker = marker

    def __call__(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        rest, held, count = iter(chunks), list[Tensor](), 0
        while count < ROUND and (chunk := next(rest, None)) is not None:
            held.append(chunk)
            count += len(chunk)
        seen = count > 0 and read_mark(held, model=self.marker.model, search=False).found
        yield from chain(held, rest) if seen else self.marker(chain(held, rest))


def fields(frame: Tensor, count: int) -> Tensor:
    """Mean levels [1,1,h,w] of green, most of the light, of a frame uint8 [H,W,3] in square fields, `count` or more
    along the shorter side, each of 9 pixels that are spread over it."""
    step = max(1, min(frame.shape[:2]) // (3 * count))
    return F.avg_pool2d(frame[::step, ::step, 1].float()[None, None], 3)


def far(a: Tensor, b: Tensor) -> float:
    """Mean difference of levels."""
    return float((a - b).abs().mean())


@torch.no_grad()
def read_mark(
    chunks: Iterable[Tensor],
    *,
    model: Watermark | None = None,
    search: bool = True,
    expected: int | None = MESSAGE,
) -> MarkFound:
    """Read the mark of frames uint8 [F,H,W,3], in chunks. search: try windows where the whole frame shows nothing.
    expected: a number that is found even where too little is left to read others (None: none is).

    Raises MediaError where there are no frames.
    """
    model = model or bundled_watermark()
    votes, count, size = torch.zeros(1, 1, 1, 1), 0, (0, 0)
    for frame in spread(chunks):
        size = (frame.shape[0], frame.shape[1])
        if min(size) < LEAST_SIDE:
            return MarkFound(found=False, score=0.0, frames=1)
        votes = votes + model.layers(frame.permute(2, 0, 1)[None].float() / 255)
        count += 1
    if not count:
        raise MediaError("a video without frames has no mark to read.")
    known = torch.cat([torch.zeros(PILOT), torch.ones(1)])
    patterns = [known] if expected is None else [known, torch.cat([encode(expected), torch.ones(1)])]
    window, soft = WHOLE, model.read_layers(votes, *size)[0]
    if search and not any(seen(soft, patterns, WHOLE)):
        for known in reversed(patterns):
            tried = refined(model, votes, size, find_window(model, votes, *size, known), known)
            other = model.read_layers(votes, *size, tried)[0]
            if standing_out(other, known) >= SURE_AFTER_SEARCH:
                window, soft = tried, other
                break
    return reading(soft, window, count, patterns, expected)


def standing_out(soft: Tensor, known: Tensor) -> float:
    """Deviations by which soft values [n,65] agree with the bits that are known (-1, 1, and 0 for unknown ones), of
    that row that agrees most."""
    return float((soft @ known).max()) / math.sqrt(float(known.abs().sum()))


def seen(soft: Tensor, patterns: list[Tensor], window: Window) -> list[bool]:
    """Which of the patterns (the pilot, the expected number's) stand out enough in a window."""
    least = (SURE, SURE_OF_EXPECTED) if window == WHOLE else (SURE_AFTER_SEARCH, SURE_AFTER_SEARCH)
    return [standing_out(soft, known) >= enough for known, enough in zip(patterns, least, strict=False)]


def reading(soft: Tensor, window: Window, frames: int, patterns: list[Tensor], expected: int | None) -> MarkFound:
    """What soft values [n,65] say, where the pilot or the expected number's pattern stands out."""
    found = seen(soft, patterns, window)
    score = max(standing_out(soft, known) for known in patterns)
    message, agreement = decode(soft[int((soft @ patterns[0]).argmax()), :PILOT])
    if any(found) and not found[0]:
        message = expected or 0
    return MarkFound(
        found=any(found), score=round(score, 2), message=message if any(found) else None,
        agreement=round(agreement, 3), window=window, frames=frames,
    )  # fmt: skip


def spread(chunks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Frames of a clip whose length is not known: a round of every one, then of every second, every fourth, ...

    So a clip of any length is read in bounded time.
    """
    step, taken, number = 1, 0, 0
    for chunk in chunks:
        for frame in chunk:
            if number % step == 0:
                yield frame
                taken += 1
                if taken % ROUND == 0:
                    step *= 2
                if taken >= MOST_FRAMES:
                    return
            number += 1


def refined(model: Watermark, votes: Tensor, size: tuple[int, int], window: Window, known: Tensor) -> Window:
    """The window near one that was found whose known bits stand out most; the search knows ends to a pixel or two."""

    def score(ends: list[float]) -> float:
        shown = (ends[0], ends[1], ends[2], ends[3])
        return standing_out(model.read_layers(votes, *size, shown)[0], known)

    ends = list(window)
    best = score(ends)
    for step in (1.0, 1.0, 0.5, 0.5, 0.25):
        for end in range(4):
            for sign in (-1, 1):
                moved = list(ends)
                moved[end] += sign * step / model.config.canvas
                if (found := score(moved)) > best:
                    best, ends = found, moved
    return ends[0], ends[1], ends[2], ends[3]


def find_window(model: Watermark, votes: Tensor, height: int, width: int, known: Tensor) -> Window:
    """The window [votes 1,2,S,S] most likely shows: the best place of the known bits' pattern over sizes and shifts, in
    the luma or in luma and blue together."""
    side = model.config.canvas
    rows = cosines(model.config.band, side).to(votes)
    tables = model.tables(height, width) * known[model.places.clamp(min=0)]
    pilot = torch.fft.rfft2(torch.einsum("lij,ih,jw->lhw", tables, rows, rows))
    sizes = [round(side * (1 - (1 - SMALLEST) * i / STEPS)) for i in range(STEPS + 1)]
    best, window = -math.inf, WHOLE
    for high in sizes:
        tall = F.interpolate(votes, (high, side), mode="bilinear", antialias=True)
        shown = torch.zeros(len(sizes), 2, side, side)
        for i, wide in enumerate(sizes):
            shown[i, :, :high, :wide] = F.interpolate(tall, (high, wide), mode="bilinear", antialias=True)[0]
        match = torch.fft.irfft2(torch.fft.rfft2(shown).conj() * pilot, s=(side, side))
        match = match / match.flatten(2).std(2)[..., None, None].clamp(min=1e-9)
        match[:, 1] = together(match)
        for i, wide in enumerate(sizes):
            places = match[i, :, : side - high + 1, : side - wide + 1].amax(0)
            score = float(places.max())
            if score > best:
                top, left = divmod(int(places.argmax()), places.shape[1])
                best = score
                window = (top / side, (top + high) / side, left / side, (left + wide) / side)
    return window
