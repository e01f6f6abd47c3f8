"""Edit operations: pure functions that prepare a latent state, and what puts the sampled parts together.

    edit   = extend(clip, codec, seconds=2.0)               # or animate, loop, connect, fill, restyle, storyboard
    latent = pipeline.sample_edit(model, edit, prompt)
    image  = stitch(edit, latent, codec)                    # kept frames come out as they went in

Each returns an `Edit`: a state ready to sample, and all that is needed afterwards to decode, trim and join.
"""

from .animate import Keyframe, animate
from .connect import connect
from .edit import Clip, Codec, Edit
from .extend import extend
from .fill import fill
from .long import long_frames, segment_counts, segment_edit, segment_strides, with_segment
from .loop import loop_clip, loop_new
from .restyle import restyle
from .shots import Shot, Storyboard, storyboard
from .sizes import fit_frames, reconcile
from .stitch import continued, decode, outlined, stitch, stitched

__all__ = [
    "Clip",
    "Codec",
    "Edit",
    "Keyframe",
    "Shot",
    "Storyboard",
    "animate",
    "connect",
    "continued",
    "decode",
    "extend",
    "fill",
    "fit_frames",
    "long_frames",
    "loop_clip",
    "loop_new",
    "outlined",
    "reconcile",
    "restyle",
    "segment_counts",
    "segment_edit",
    "segment_strides",
    "stitch",
    "stitched",
    "storyboard",
    "with_segment",
]
