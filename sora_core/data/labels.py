"""What the classifier is asked about a clip, and the true answers."""

from __future__ import annotations

from ..perception.classifier import ATTRIBUTES
from ..world import Scene, attributes
from ..world.describe import MAIN

__all__ = ["UNASKED", "answers_of"]

UNASKED = -100
"""the answer of a question that is not asked; the loss passes over it"""


def answers_of(scene: Scene, *, joined: bool = False) -> list[int]:
    """The index of each attribute's answer; what the picture does not settle is not asked, and of joined scenes
    nothing."""
    if joined:
        return [UNASKED] * len(ATTRIBUTES)
    facts = attributes(scene)
    unasked = {name for name in ATTRIBUTES if facts.get(name) not in ATTRIBUTES[name]}
    if scene.setting.style == "charcoal":
        unasked.add("colour")
    if scene.relation in ("orbit", "collide", "near"):
        unasked |= {"colour", "shape"}
    if scene.relation not in ("", *MAIN):
        unasked.add("other")
    if scene.next_view is not None:
        unasked |= {"camera", "motion"}
    if scene.next_setting is not None:
        unasked |= {"colour", "ground", "light", "style"}
    return [UNASKED if name in unasked else values.index(facts[name]) for name, values in ATTRIBUTES.items()]
