"""Stitch: the sampled grid becomes frames; what was given comes out exactly, what was made matches its colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .coding import HISTORY, decode_frames
from .edit import Clip, Codec, Edit

__all__ = ["continued", "decode", "join_latents", "match_kept", "stitch"]

NEAR = 8
"""given frames beside a seam that the colour is measured on"""
GAIN = 0.1
"""the contrast of made frames is changed by at most this part"""
STILL = 0.08
"""a change between frames (of 0..1) above which a place counts as moving"""
JUMP = 0.3
"""a step at the seam above which it is no slip of the network, even where nothing moved before or after"""
NOISE = 0.02
"""a change between made frames below which it is the network's noise"""
FADE = 8.0
"""frames in which a place that went on in spite of a slip of the network comes back to the network's own, to a share
of 1/e"""
DETAIL = 48.0
"""frames in which it loses the detail that the codec takes, likewise; what is carried from seam to seam for ever adds
up to specks"""
AHEAD = 4
"""made frames beside a seam that a place must be still in"""
ROUNDS = 3
"""of a ring, after which what is carried around it hardly changes"""


def stitch(edit: Edit, latent: Tensor, codec: Codec, *, colour_match: bool = True) -> Tensor:
    """The whole clip as IMAGE [B*F,H,W,3] in 0..1, on the CPU: kept frames bit for bit as given, made ones decoded.

    latent: [B,C,T,h,w] the sampled grid of `edit.state`.
    colour_match: made frames get back what the codec takes from the kept ones beside them; a ring is steadied where
    latent frames meet.
    """
    return torch.cat([_stitch(edit, decode(edit, latent[i : i + 1], codec), colour_match) for i in range(len(latent))])


def continued(edit: Edit, latent: Tensor, codec: Codec, *, colour_match: bool = True) -> Clip:
    """The finished clip with the latents of its end, so that the next verb keeps those instead of encoding its frames
    anew.

    Where the clip does not end with the grid (a trimmed or closed one, or one with frames after it), it has frames
    alone.
    Raises InputError for a batch.
    """
    if len(latent) != 1:
        raise InputError(f"an edit goes on from one clip, not from a batch of {len(latent)}; choose one of them first.")
    image = stitch(edit, latent, codec, colour_match=colour_match)
    total = int(edit.spans.sum())
    if edit.ring or edit.after is not None or (edit.shown is not None and edit.shown[1] != total):
        return Clip(image=image, fps=edit.fps)
    whole = latent if edit.history is None else torch.cat([edit.history[:1].to(latent), latent], 2)
    first = int((total - edit.spans.cumsum(0) + edit.spans > len(image)).sum())
    return Clip(image=image, latent=whole[:, :, first:], spans=edit.spans[first:], fps=edit.fps)


def decode(edit: Edit, latent: Tensor, codec: Codec) -> Tensor:
    """The frames of history and grid [F,H,W,3] for one latent [1,C,T,h,w], decoded as one stream; a ring behind its
    own end."""
    height, width = edit.size or (None, None)
    return _decode(edit, latent, codec)[:, :height, :width]


def _decode(edit: Edit, latent: Tensor, codec: Codec) -> Tensor:
    if tuple(latent.shape[2:]) != tuple(edit.state.latent.shape[2:]):
        raise InputError(
            f"this latent {list(latent.shape)} is not the sample of that edit {list(edit.state.latent.shape)}."
        )
    if edit.ring:
        lead = torch.arange(-HISTORY, 0) % latent.shape[2]
        spans = torch.cat([edit.state.spans[lead], edit.state.spans])
        frames = decode_frames(torch.cat([latent[:, :, lead.to(latent.device)], latent], 2), spans, codec)
        return frames[int(edit.state.spans[lead].sum()) :]
    if edit.history is None:
        return decode_frames(latent, edit.spans, codec)
    return decode_frames(torch.cat([edit.history[:1].to(latent), latent], 2), edit.spans, codec)


def _stitch(edit: Edit, decoded: Tensor, colour_match: bool) -> Tensor:
    if edit.given is not None and edit.keep is not None:
        given, keep = edit.given.cpu(), edit.keep.cpu()
        if colour_match and keep.ndim == 1:
            decoded = match_kept(decoded, given, keep)
        keep = keep.reshape(*keep.shape, *[1] * (4 - keep.ndim))
        decoded = torch.where(keep, given.to(decoded), decoded)
    elif edit.ring and colour_match:
        decoded = steady(decoded, edit.state.spans)
    start, end = edit.shown or (0, len(decoded))
    parts = (edit.before, decoded[start:end], edit.after)
    return torch.cat([part.cpu().to(decoded) for part in parts if part is not None])


def steady(frames: Tensor, spans: Tensor) -> Tensor:
    """The frames [F,H,W,3] of a ring whose latent frames meet as smoothly as the frames within one.

    A place that is still before and after the meeting cannot jump there: it goes on from where it was, and slowly
    comes back to
    the network's own, from meeting to meeting and, since a ring has no end, several times around it.
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


def match_kept(decoded: Tensor, given: Tensor, keep: Tensor) -> Tensor:
    """Made frames with what the codec took from the kept frames beside them: colour, contrast and, where nothing
    moves, the picture.

    decoded, given: [F,H,W,3]; keep: [F] bool. Between two kept stretches the correction goes over from one to the
    other.
    """
    if not keep.any() or keep.all():
        return decoded
    out, at = decoded.clone(), 0
    for is_kept, run in groupby(keep.tolist()):
        length = len(list(run))
        start, at = at, at + length
        if not is_kept:
            share = ((torch.arange(length) + 0.5) / length).view(-1, 1, 1, 1)
            sides = [
                _from_side(decoded, given.to(decoded), side, slice(start, at)) for side in _beside(keep, start, at)
            ]
            out[start:at] = torch.lerp(sides[0], sides[-1], share).clamp(0, 1)
    return out


def _beside(keep: Tensor, start: int, end: int) -> list[Tensor]:
    """The kept frames at both ends of the made stretch start..end, or at the one end that has any, nearest first."""
    kept = keep.nonzero()[:, 0]
    left, right = kept[kept < start][-NEAR:].flip(0), kept[kept >= end][:NEAR]
    return [side for side in (left, right) if len(side)]


def _from_side(decoded: Tensor, given: Tensor, side: Tensor, made: slice) -> Tensor:
    """The made frames as the kept ones at places `side`, nearest first, say; seen from there, whether before or after
    them."""
    before = bool(side[0] < made.start)
    frames = decoded[made] if before else decoded[made].flip(0)
    frames = _corrected(frames, decoded[side], given[side])
    return frames if before else frames.flip(0)


def _corrected(made: Tensor, decoded: Tensor, given: Tensor) -> Tensor:
    """Made frames [F,H,W,3] as the kept ones beside them, nearest first, say: `decoded` by the codec and as `given`.

    A place that is still in the kept frames and in the made ones cannot jump between them. There the made frames go
    on from the last
    kept one, and only what changes after the first made one is theirs. From then on they fade to what the network made.
    """
    gain, offset = _correction(decoded, given)
    made, nearest = made * gain + offset, decoded[0] * gain + offset
    moved = _change(made, made[0])
    moved = torch.maximum(moved, moved[:AHEAD].amax(0))
    still = torch.exp(-((moved / STILL) ** 2 + (_change(given[1:2], given[0]) / STILL).square().sum(0)))
    held = still * torch.exp(-((_change(made[:1], nearest) / JUMP) ** 2))
    at = torch.arange(len(made)).to(made).view(-1, 1, 1, 1)
    slip = nearest - made[0] + torch.exp(-((moved / NOISE) ** 2)) * (made[0] - made)
    return made + held * (torch.exp(-at / DETAIL) * (given[0] - nearest) + torch.exp(-at / FADE) * slip)


def _change(frames: Tensor, other: Tensor) -> Tensor:
    """How far frames [F,H,W,3] are from another [H,W,3] around each pixel, [F,H,W,1]."""
    return F.avg_pool2d((frames - other).abs().mean(-1)[:, None], 5, 1, 2, count_include_pad=False)[:, 0, :, :, None]


def _correction(decoded: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset per channel [3] that give `decoded` [F,H,W,3] the mean and deviation of `given`."""
    mean, std = decoded.mean((0, 1, 2)), decoded.flatten(0, 2).std(0).clamp(min=1e-4)
    want, want_std = given.mean((0, 1, 2)), given.flatten(0, 2).std(0)
    gain = (want_std / std).clamp(1 - GAIN, 1 + GAIN)
    return gain, want - gain * mean


def join_latents(parts: Sequence[Tensor], *, overlap: int) -> Tensor:
    """Latents [B,C,T,h,w] in a row that share `overlap` latent frames, blended linearly there."""
    if not parts or any(part.shape[2] < overlap for part in parts) or overlap < 0:
        raise InputError(f"parts of {[part.shape[2] for part in parts]} latent frames cannot overlap by {overlap}.")
    joined = parts[0]
    for part in parts[1:]:
        if joined.shape[:2] != part.shape[:2] or joined.shape[3:] != part.shape[3:]:
            raise InputError(
                f"latents of {list(joined.shape)} and {list(part.shape)} differ in more than their length."
            )
        cut = joined.shape[2] - overlap
        share = ((torch.arange(overlap) + 1) / (overlap + 1)).view(-1, 1, 1).to(part)
        joined = torch.cat(
            [joined[:, :, :cut], torch.lerp(joined[:, :, cut:], part[:, :, :overlap], share), part[:, :, overlap:]], 2
        )
    return joined
