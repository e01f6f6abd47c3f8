"""Stitch: the sampled grid becomes frames; what was given comes out exactly, what was made matches its colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..media import FrameSource
from .coding import HISTORY, decode_chunks
from .edit import Clip, Codec, Edit
from .frames import Joined, Made, Picked, Window, read_image, window
from .wipe import wiped

__all__ = ["continued", "decode", "match_kept", "outlined", "stitch", "stitched"]

NEAR = 8
"""given frames beside a seam that the colour is measured on"""
GAIN = 0.1
"""the contrast of made frames is changed by at most this part"""
STILL = 0.08
"""a change between frames (of 0..1) above which a place counts as moving"""
JUMP = 0.3
"""a step at the seam above which it is no slip of the network, even where nothing moved before or after"""
THING, GONE = 15, 0.17
"""pixels of a thing, and the mean step at the seam of so large a place above which it appears or vanishes there"""
NOISE = 0.02
"""a change between made frames below which it is the network's noise"""
FADE = 8.0
"""frames in which a place that went on in spite of a slip of the network comes back to the network's own, to a share
of 1/e"""
DETAIL = 48.0
"""frames in which it loses the detail that the codec takes, likewise; what is carried from seam to seam for ever adds
up to specks"""
STEP = 4
"""frames that are matched at a time"""
AHEAD = 4
"""made frames beside a seam that a place must be still in"""
ROUNDS = 3
"""of a ring, after which what is carried around it hardly changes"""


def stitch(edit: Edit, latent: Tensor, codec: Codec, *, colour_match: bool = True) -> Tensor:
    """The whole clip as IMAGE [B*F,H,W,3] in 0..1, on the CPU: kept frames bit for bit as given, made ones decoded.

    latent: [B,C,T,h,w] the sampled grid of `edit.state`.
    colour_match: made frames get back what the codec takes from the kept ones beside them; a ring is smoothed where
    latent frames meet.
    """
    clips = (stitched(edit, latent[i : i + 1], codec, colour_match=colour_match) for i in range(len(latent)))
    return torch.cat([read_image(clip) for clip in clips])


def stitched(edit: Edit, latent: Tensor, codec: Codec, *, colour_match: bool = True) -> FrameSource:
    """The whole clip of one latent [1,C,T,h,w] as a source: made frames (`Made`) are in memory, kept ones are read when
    they are needed.

    The frames are those of `stitch`.
    """
    start, end = edit.shown or (0, edit.decoded_frames)
    if edit.given is not None and edit.keep is not None and edit.keep.ndim == 1:
        middle = _between(edit, edit.given, edit.keep.cpu(), latent, codec, colour_match)
    else:
        own = edit.keep.cpu() if edit.given is not None and edit.keep is not None else None
        middle = [Made(_whole(edit, latent, codec, colour_match), edit.fps, own)]
    parts = [part for part in (edit.before, window(Joined(middle), start, end), edit.after) if part is not None]
    return Joined(parts)


def outlined(edit: Edit, result: FrameSource) -> FrameSource:
    """The finished clip of an edit that is still to be sampled, with the frames of `result` where they are made.

    Kept frames are read where they are given, so it can be told beforehand what of a file stays.
    """
    start, end = edit.shown or (0, edit.decoded_frames)
    first = start - (0 if edit.before is None else edit.before.length)
    given, runs = edit.given, [(False, start, end)]
    if given is not None and edit.keep is not None and edit.keep.ndim == 1:
        runs = list(_runs(edit.keep[start:end].tolist(), start))
    middle = [
        Window(given, a, b) if keep and given is not None else Window(result, a - first, b - first)
        for keep, a, b in runs
    ]
    return Joined([part for part in (edit.before, *middle, edit.after) if part is not None])


def _runs(keep: list[bool], start: int = 0) -> Iterator[tuple[bool, int, int]]:
    """(whether it is kept, first frame, end) of stretches in a row."""
    for is_kept, run in groupby(keep):
        stop = start + len(list(run))
        yield is_kept, start, stop
        start = stop


def continued(edit: Edit, latent: Tensor, codec: Codec) -> Clip:
    """The finished clip with the latents of its end, so that the next operation keeps those instead of encoding its
    frames anew.

    Where the clip does not end with the grid (a trimmed or closed one, or one with frames after it), it has frames
    alone. Raises InputError for a batch.
    """
    if len(latent) != 1:
        raise InputError(f"an edit goes on from one clip, not from a batch of {len(latent)}; choose one of them first.")
    source = stitched(edit, latent, codec)
    total = int(edit.spans.sum())
    if edit.ring or edit.wipe or edit.after is not None or (edit.shown is not None and edit.shown[1] != total):
        return Clip(source=source, fps=edit.fps, full=edit.full)
    whole = latent if edit.history is None else torch.cat([edit.history[:1].to(latent), latent], 2)
    first = int((total - edit.spans.cumsum(0) + edit.spans > source.length).sum())
    return Clip(source=source, latent=whole[:, :, first:], spans=edit.spans[first:], fps=edit.fps, full=edit.full)


def decode(edit: Edit, latent: Tensor, codec: Codec) -> Tensor:
    """The frames of history and grid [F,H,W,3] for one latent [1,C,T,h,w], decoded as one stream; a ring behind its
    own end."""
    return torch.cat(list(_decoded(edit, latent, codec)))


def _decoded(edit: Edit, latent: Tensor, codec: Codec) -> Iterator[Tensor]:
    """The same in chunks."""
    chunks = _stream(edit, latent, codec)
    return chunks if edit.wipe is None else wiped(chunks, edit.wipe)


def _stream(edit: Edit, latent: Tensor, codec: Codec) -> Iterator[Tensor]:
    """All that the codec decodes, in chunks, without a wipe."""
    if tuple(latent.shape[2:]) != tuple(edit.state.latent.shape[2:]):
        raise InputError(
            f"this latent {list(latent.shape)} is not the sample of that edit {list(edit.state.latent.shape)}."
        )
    before, spans, skip = edit.history, edit.spans, 0
    if edit.ring:
        lead = torch.arange(-HISTORY, 0) % latent.shape[2]
        before, spans = latent[:, :, lead.to(latent.device)], torch.cat([edit.state.spans[lead], edit.state.spans])
        skip = int(edit.state.spans[lead].sum())
    whole = latent if before is None else torch.cat([before[:1].to(latent), latent], 2)
    height, width = edit.size or (None, None)
    for chunk in decode_chunks(whole, spans, codec):
        yield chunk[skip:, :height, :width]
        skip = max(0, skip - len(chunk))


def _between(
    edit: Edit, given: FrameSource, keep: Tensor, latent: Tensor, codec: Codec, colour_match: bool
) -> list[FrameSource]:
    """History and grid as sources in a row: kept stretches as given, made ones decoded.

    In memory are the made frames and, to match them, NEAR kept ones on either side.
    """
    wanted = F.max_pool1d((~keep).float()[None, None], 2 * NEAR + 1, 1, NEAR)[0, 0] > 0
    places = wanted.nonzero()[:, 0]
    frames, at, filled = torch.empty(0), 0, 0
    for chunk in _decoded(edit, latent, codec):
        frames = frames if filled else chunk.new_empty(len(places), *chunk.shape[1:])  # once: a copy is as large again
        part = chunk[wanted[at : at + len(chunk)]]
        frames[filled : filled + len(part)] = part
        at, filled = at + len(chunk), filled + len(part)
    if colour_match:
        match_kept(frames, Picked(given, places), keep[places])
    out: list[FrameSource] = []
    index = wanted.cumsum(0) - 1
    for is_kept, start, stop in _runs(keep.tolist()):
        made = frames[int(index[start]) : int(index[stop - 1]) + 1]
        out.append(Window(given, start, stop) if is_kept else Made(made, edit.fps))
    return out


def _whole(edit: Edit, latent: Tensor, codec: Codec, colour_match: bool) -> Tensor:
    """History and grid [F,H,W,3] where given and made are mixed within pictures, or nothing is given."""
    decoded = decode(edit, latent, codec)
    if edit.given is not None and edit.keep is not None:
        keep = edit.keep.cpu()
        return torch.where(keep[..., None], read_image(edit.given).cpu().to(decoded), decoded)
    return temporally_smoothed(decoded, edit.state.spans) if edit.ring and colour_match else decoded


def temporally_smoothed(frames: Tensor, spans: Tensor) -> Tensor:
    """The frames [F,H,W,3] of a ring whose latent frames meet as smoothly as the frames within one.

    A place that is still before and after the meeting cannot jump there: it goes on from where it was, and slowly comes
    back to the network's own, from meeting to meeting and, since a ring has no end, several times around it.
    """
    ends = spans.cumsum(0).tolist()
    out, carried = frames.clone(), torch.zeros_like(frames[0])
    held = {start % ends[-1]: _held(frames, start % ends[-1]) for start in ends}
    for i in list(range(ends[-1])) * ROUNDS:
        if i in held:
            carried = held[i] * (out[i - 1] - frames[i])
        else:
            carried = carried * math.exp(-1 / FADE)
        out[i] = frames[i] + carried
    return out.clamp(0, 1)


def _held(frames: Tensor, at: int) -> Tensor:
    """How far each place [H,W,1] goes on where a latent frame begins on a ring: not what moves near it, nor what
    jumps far."""
    near = frames.roll(AHEAD - at, 0)[: 2 * AHEAD]
    before, after = near[:AHEAD], near[AHEAD:]
    moved = torch.maximum(_change(before, before[-1]).amax(0), _change(after, after[0]).amax(0))
    return torch.exp(-((moved / STILL) ** 2) - (_change(after[:1], before[-1])[0] / JUMP) ** 2)


def match_kept(decoded: Tensor, given: FrameSource, keep: Tensor) -> Tensor:
    """Made frames with what the codec took from the kept frames beside them: colour, contrast and, where nothing
    moves, the picture.

    decoded: [F,H,W,3], whose made frames are overwritten; given: the same frames as they were given, read where kept;
    keep: [F] bool. Between two kept parts the correction goes over from one to the other.
    """
    if not keep.any() or keep.all():
        return decoded
    for is_kept, start, at in _runs(keep.tolist()):
        length = at - start
        if not is_kept:
            sides = [_from_side(decoded, given, side, start, at) for side in _beside(keep, start, at)]
            for i in range(start, at, STEP):
                part = slice(i, min(i + STEP, at))
                share = ((torch.arange(part.start, part.stop) - start + 0.5) / length).view(-1, 1, 1, 1)
                frames = [side(part) for side in sides]
                made = frames[0] if len(frames) == 1 else torch.lerp(frames[0], frames[1], share)
                decoded[part] = made.clamp_(0, 1)
    return decoded


def _beside(keep: Tensor, start: int, end: int) -> list[Tensor]:
    """The kept frames at both ends of the made stretch start..end, or at the one end that has any, nearest first."""
    kept = keep.nonzero()[:, 0]
    left, right = kept[kept < start][-NEAR:].flip(0), kept[kept >= end][:NEAR]
    return [side for side in (left, right) if len(side)]


def _from_side(decoded: Tensor, given: FrameSource, side: Tensor, start: int, end: int) -> Callable[[slice], Tensor]:
    """The made frames start..end as the kept ones at places `side`, nearest first, say: by the codec and as given.

    A place that is still in the kept frames and in the made ones cannot jump between them. There the made frames go
    on from the last kept one, and only what changes after the first made one is theirs. From then on they fade to what
    the network made.
    """
    before = bool(side[0] < start)
    first, last = int(side.min()), int(side.max()) + 1
    known = read_image(given, first, last)[side - first].to(decoded)
    gain, offset = _correction(decoded[side], known)
    order = torch.arange(start, end) if before else torch.arange(end - 1, start - 1, -1)
    ahead = decoded[order[:AHEAD]] * gain + offset
    begin, nearest = ahead[0], decoded[side[0]] * gain + offset
    least = _change(ahead, begin).amax(0)
    moves = (_change(known[1:2], known[0]) / STILL).square().sum(0)
    joined = torch.exp(-((_change(begin[None], nearest) / JUMP) ** 2)) * _stays(begin, nearest)

    def frames(part: slice) -> Tensor:
        made = decoded[part] * gain + offset
        moved = torch.maximum(_change(made, begin), least)
        held = torch.exp(-((moved / STILL) ** 2 + moves)) * joined
        place = torch.arange(part.start, part.stop)
        at = (place - start if before else end - 1 - place).to(made).view(-1, 1, 1, 1)
        slip = nearest - begin + torch.exp(-((moved / NOISE) ** 2)) * (begin - made)
        return made + held * (torch.exp(-at / DETAIL) * (known[0] - nearest) + torch.exp(-at / FADE) * slip)

    return frames


def _change(frames: Tensor, other: Tensor) -> Tensor:
    """How far frames [F,H,W,3] are from another [H,W,3] around each pixel, [F,H,W,1]."""
    return F.avg_pool2d((frames - other).abs().mean(-1)[:, None], 5, 1, 2, count_include_pad=False)[:, 0, :, :, None]


def _stays(begin: Tensor, nearest: Tensor) -> Tensor:
    """How far no thing appears or vanishes between two frames [H,W,3] at or near each place, [1,H,W,1]: its edge, which
    the codec draws wider, would stay behind as a ghost."""
    far = (begin - nearest).abs().mean(-1)[None, None]
    far = F.avg_pool2d(far, THING, 1, THING // 2, count_include_pad=False)
    return torch.exp(-((F.max_pool2d(far, THING, 1, THING // 2) / GONE) ** 4))[:, 0, :, :, None]


def _correction(decoded: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset per channel [3] that give `decoded` [F,H,W,3] the mean and deviation of `given`."""
    mean, std = decoded.mean((0, 1, 2)), decoded.flatten(0, 2).std(0, correction=0).clamp(min=1e-4)
    want, want_std = given.mean((0, 1, 2)), given.flatten(0, 2).std(0, correction=0)
    gain = (want_std / std).clamp(1 - GAIN, 1 + GAIN)
    return gain, want - gain * mean
