"""Loop: a clip without a first frame from text, or a given clip closed into one."""

from __future__ import annotations

from dataclasses import replace

from ..errors import InputError
from ..grid import VideoSize, latent_frames
from ..layers.surroundings import unaffected
from .connect import connect
from .edit import Clip, Codec, Edit, check_even, compose, empty, made
from .ends import BOTH_ENDS

__all__ = ["loop_clip", "loop_new"]


@unaffected
def loop_new(codec: Codec, *, size: VideoSize) -> Edit:
    """All make, on a ring: every latent frame is mid-stream. Sample it with `diffusion.ring`.

    The ring has whole latent frames only, so its length is rounded up, with a note; a loop is not trimmed.
    """
    check_even(codec, "a new loop")
    geometry = codec.geometry
    if size.frames < 2 * geometry.time_factor:
        raise InputError(f"a loop needs at least {2 * geometry.time_factor} frames, not {size.frames}.")
    count = latent_frames(size.frames, geometry, mid_stream=True)
    frames = count * geometry.time_factor
    notes = (
        ()
        if frames == size.frames
        else (f"the loop has {frames} frames instead of {size.frames}: whole latent frames only.",)
    )
    state = compose([made(count, geometry)], size.fps, empty(size, geometry))
    return Edit(state=state, fps=size.fps, size=(size.height, size.width), ring=True, notes=notes)


@unaffected
def loop_clip(
    clip: Clip, codec: Codec, *, seconds: float, overlap: int = BOTH_ENDS, mid_stream: bool | None = None
) -> Edit:
    """The clip as it is, then `seconds` of new frames that lead from its end to its beginning; played again and again
    it has no seam.

    This is `connect` of the clip with itself, shown without its second beginning; mid_stream: as in `extend`.
    """
    edit = connect(clip, clip, codec, seconds=seconds, overlap=overlap, mid_stream=mid_stream, wipe=False)
    kept_again = int(edit.state.spans[int(edit.state.mask[0, 0, :, 0, 0].nonzero().max()) + 1 :].sum())
    end = int(edit.spans.sum()) - kept_again
    return replace(edit, shown=(0, end), after=None, notes=tuple(dict.fromkeys(edit.notes)))
