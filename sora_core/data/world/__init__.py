"""The rendered world: the same small scene gives pixels, captions and the truth about them.

scene = sample_scene(seed)                       # a frozen record
video = render([scene], ClipShape(...))          # uint8 [B,F,H,W,3]
text = describe(scene, "descriptive")            # what a model is told
facts = truth(scene, ClipShape(...))             # what is really there
"""

from .describe import attributes, describe, describe_spans
from .render import render
from .sampling import is_held_out, sample_scene
from .scene import FAMILIES, ClipShape, Scene, Setting, Thing, View
from .truth import Truth, truth

__all__ = [
    "FAMILIES",
    "ClipShape",
    "Scene",
    "Setting",
    "Thing",
    "Truth",
    "View",
    "attributes",
    "describe",
    "describe_spans",
    "is_held_out",
    "render",
    "sample_scene",
    "truth",
]
