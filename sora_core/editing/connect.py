"""Connect: the end of one clip, a transition that is made, the beginning of another: [keep tail of A | make | keep
head of B]."""

from __future__ import annotations

import torch

from .coding import size_of
from .edit import Clip, Codec, Edit, compose, kept, made
from .ends import BOTH_ENDS, kept_head, kept_tail
from .frames import Placed
from .sizes import Fit, latents_for, reconcile

__all__ = ["connect"]


def connect(
    first: Clip,
    second: Clip,
    codec: Codec,
    *,
    seconds: float,
    overlap: int = BOTH_ENDS,
    how: Fit = "crop",
    mid_stream: bool = True,
) -> Edit:
    """Both clips whole, with `seconds` of new frames between them; the second is brought to the size and rate of the
    first.

    overlap: frames of either clip that the network sees. Raises InputError for clips shorter than 5 and 4 frames or
    zero seconds.
    """
    a, b = first, reconcile(first, second, codec, how=how)
    count, notes = latents_for(seconds, a.fps, codec.geometry, between=True)
    tail = kept_tail(a, codec, overlap, mid_stream=mid_stream)
    latent, head, rest, more = kept_head(b, codec, overlap)
    new, ending = made(count, codec.geometry, at=len(tail.spans)), made(latent.shape[2], codec.geometry)
    state = compose(
        [kept(tail.latent, tail.spans), new, kept(latent.to(tail.latent), ending.spans)], a.fps, tail.latent
    )
    begins = tail.frames + int(new.spans.sum())
    keep = torch.zeros(begins + head.length, dtype=torch.bool)
    keep[begins:], parts = True, [(begins, head)]
    if tail.given is not None:
        keep[: tail.given.length], parts = True, [(0, tail.given), *parts]
    said = (*a.notes, *b.notes, *notes, *tail.notes, *(note for note in more if note not in tail.notes))
    return Edit(
        state=state,
        fps=a.fps,
        history=tail.history,
        history_spans=tail.history_spans,
        size=size_of(a, codec.geometry),
        full=a.full,
        given=Placed(len(keep), parts),
        keep=keep,
        before=tail.before,
        after=rest,
        notes=said,
    )
