"""Scenes to words: facts, captions, captions by span."""

from .captions import Facts, ThingFacts, caption, change_clause
from .scene import Scene, Setting, Thing, View


def facts_of(scene: Scene, setting: Setting | None = None, view: View | None = None) -> Facts:
    """What a caption of the scene can say; another setting or view stands for another span of it."""
    setting, view = setting or scene.setting, view or scene.view
    things = scene.things[:1] if scene.relation == "same" else scene.things
    count = len(scene.things) if scene.relation == "same" else 1
    return Facts(
        things=tuple(_thing_facts(thing, count) for thing in things),
        relation="" if scene.relation == "same" else scene.relation,
        ground=setting.ground, light=setting.light, style=setting.style, camera=view.camera, shot=view.shot,
    )  # fmt: skip


def _thing_facts(thing: Thing, count: int) -> ThingFacts:
    return ThingFacts(
        colour=thing.colour,
        shape=thing.shape,
        motion=thing.motion,
        count=count,
        size=thing.size,
        side=thing.side,
        paint=thing.paint,
        gait=thing.gait,
    )


def describe(scene: Scene, level: str, seed: int = 0) -> str:
    """The caption of the whole clip; `level` is short, plain or descriptive, the seed varies the wording."""
    text = caption(facts_of(scene), level, seed)
    if scene.next_view is None and scene.next_setting is None:
        return text
    return text.rstrip(".") + change_clause(
        facts_of(scene), facts_of(scene, scene.next_setting, scene.next_view), level, seed
    )


def describe_spans(scene: Scene, level: str, seed: int = 0) -> list[tuple[float, str]]:
    """(start second, caption) of each span; more than one only where the scene is cut or changes."""
    spans = [(0.0, caption(facts_of(scene), level, seed))]
    if scene.next_view is not None or scene.next_setting is not None:
        spans.append((scene.change, caption(facts_of(scene, scene.next_setting, scene.next_view), level, seed + 1)))
    return spans


MAIN: frozenset[str] = frozenset({"behind", "front", "around", "above", "chase", "follow"})
"""Relations of two things of which one is the main one."""


def attributes(scene: Scene) -> dict[str, str | int]:
    """Canonical keys of the main object and the scene; a noun is a shape and has no colour."""
    first = scene.things[0]
    others = scene.things[1:] if scene.relation in MAIN else ()
    return {
        "family": scene.family, "colour": first.colour, "shape": first.shape, "motion": first.motion,
        "ground": scene.setting.ground,
        "light": scene.setting.light, "style": scene.setting.style, "camera": scene.view.camera,
        "count": len(scene.things), "relation": scene.relation,
        "other": others[0].shape if others else "",
    }  # fmt: skip


__all__ = ["attributes", "describe", "describe_spans", "facts_of"]
