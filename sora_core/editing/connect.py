"""Connect: the end of one clip, a transition that is made, the beginning of another: [keep tail of A | make | keep
head of B].

What is made is longer than the transition by up to a second: the first clip has time to go on and the second to begin,
each with its subject whole, and a wipe leads from one to the other. A network that changes one into the other within
the transition itself shows neither (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import torch

from ..layers.surroundings import unaffected
from .coding import size_of
from .edit import Clip, Codec, Edit, compose, kept, knows_spans, made
from .ends import BOTH_ENDS, kept_head, kept_tail
from .frames import Placed
from .sizes import Fit, latents_for, reconcile
from .wipe import Wipe

__all__ = ["connect"]

WIPE = 1.0
"""seconds of a wipe at most"""


@unaffected
def connect(
    first: Clip,
    second: Clip,
    codec: Codec,
    *,
    seconds: float,
    overlap: int = BOTH_ENDS,
    how: Fit = "crop",
    mid_stream: bool | None = None,
    wipe: bool = True,
) -> Edit:
    """Both clips whole, with `seconds` of new frames between them; the second is brought to the size and rate of the
    first.

    overlap: frames of either clip that the network sees. mid_stream: as in `extend`. wipe: both clips go on under a
    wipe of at most a second; without it, and always with a network that takes no spans, the transition is what the
    network makes of it. Raises InputError for clips shorter than 5 and 4 frames or zero seconds.
    """
    mid_stream = knows_spans(codec, mid_stream)
    a, b = first, reconcile(first, second, codec, how=how)
    count, notes = latents_for(seconds, a.fps, codec.geometry, between=True)
    tail = kept_tail(a, codec, overlap, mid_stream=mid_stream)
    latent, head, rest, more = kept_head(b, codec, overlap)
    height, width = tail.latent.shape[3:]
    latent = latent[..., :height, :width]  # given latents may be of an odd size, which encoding fills up
    over = min(count, max(1, round(WIPE * a.fps / codec.geometry.time_factor))) if wipe and mid_stream else 0
    new, ending = made(count + over, codec.geometry, at=len(tail.spans)), made(latent.shape[2], codec.geometry)
    state = compose(
        [kept(tail.latent, tail.spans), new, kept(latent.to(tail.latent), ending.spans)], a.fps, tail.latent
    )
    covered = over * codec.geometry.time_factor
    length = int(new.spans.sum()) - covered
    begins = tail.frames + length
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
        wipe=Wipe(first=tail.frames + (length - covered) // 2, count=covered) if over else None,
        notes=said,
    )
