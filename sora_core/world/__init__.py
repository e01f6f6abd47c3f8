"""The rendered world: the same small scene gives pixels, captions and the truth about them.

cutouts = load_cutouts(path)                                 # pictures of living and made things, or None
scene = sample_scene(seed, nouns=cutouts.nouns)              # a frozen record; without nouns one of solids
video = render([scene], ClipShape(...), cutouts=cutouts)     # uint8 [B,F,H,W,3]
text = describe(scene, "descriptive")                        # what a model is told
facts = truth(scene, ClipShape(...), cutouts)                # what is really there
"""

from .cutouts import Cutouts
from .cutouts import load as load_cutouts
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
    "Cutouts",
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
    "load_cutouts",
    "render",
    "render_joined",
    "sample_joined",
    "sample_scene",
    "things_joined",
    "track_of",
    "truth",
]
