"""The rendered world: the same small scene gives pixels, captions and the truth about them.

scene = sample_scene(seed)                       # a frozen record
video = render([scene], ClipShape(...))          # uint8 [B,F,H,W,3]
text = describe(scene, "descriptive")            # what a model is told
facts = truth(scene, ClipShape(...))             # what is really there
"""

from .describe import attributes, describe, describe_spans
from .joined import JOINED, Joined, elsewhere, join_captions, render_joined, sample_joined, things_joined
from .render import render
from .sampling import is_held_out, sample_scene
from .scene import FAMILIES, ClipShape, Scene, Setting, Thing, View
from .truth import Truth, track_of, truth

__all__ = [
    "FAMILIES",
    "JOINED",
    "ClipShape",
    "Joined",
    "Scene",
    "Setting",
    "Thing",
    "Truth",
    "View",
    "attributes",
    "describe",
    "describe_spans",
    "elsewhere",
    "is_held_out",
    "join_captions",
    "render",
    "render_joined",
    "sample_joined",
    "sample_scene",
    "things_joined",
    "track_of",
    "truth",
]
