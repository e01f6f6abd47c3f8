"""The two doors of everything generated, as nodes use them: prompts where they are encoded, files where they are named.

A refused prompt is marked on its CONDITIONING and stops the sampler that is to follow it, because the same text may be
what another sampler steers away from. Sexual content with minors is refused at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..sora_core.media.publish import Guards
    from ..sora_core.safety.provenance import Origin

__all__ = ["check_positive", "frame_guards", "origin_of", "reviewed", "signing"]

REFUSED = "sora_refused"
"""key of a CONDITIONING's settings: why it may not be followed"""
MADE: set[str] = set()
"""files that our decoder wrote in this run, whose frames were reviewed"""


def reviewed(text: str, conditioning: list[list[Any]]) -> list[list[Any]]:
    """CONDITIONING of a prompt, marked where the policy refuses it. Raises PolicyError for content with minors."""
    from ..sora_core.safety import check_prompt, review_prompt

    check_prompt(text, negative=True)
    review = review_prompt(text)
    if review.action != "refuse":
        return conditioning
    said = f"{review.sentence()}; change the prompt, or the policy where it is yours to change."
    return [[features, {**settings, REFUSED: said}] for features, settings in conditioning]


def check_positive(positive: Any) -> None:
    """Raise PolicyError where what is to be shown was refused."""
    from ..sora_core.safety import PolicyError

    for _, settings in positive or []:
        if said := settings.get(REFUSED):
            raise PolicyError(said)


def frame_guards(path: Path, fps: float, *, watermark: bool) -> Guards:
    """Guards of a file that our decoder writes: reviewed, marked, not yet signed."""
    from ..sora_core.safety.doors import Protection, guards_for

    MADE.add(str(path))
    return guards_for(Protection(watermark=watermark, sign=False), fps=fps)


def signing(source: Any, *, sign: bool, **chosen: Any) -> Guards:
    """Guards of a VIDEO that is saved: reviewed unless it was when it was decoded, then signed. chosen: see
    Protection, and `settings` and `with_prompt` of Origin."""
    from ..sora_core.safety.doors import Protection, guards_for

    seen = isinstance(source, str) and source in MADE
    said = {name: chosen.pop(name) for name in ("with_prompt", "settings") if name in chosen}
    origin = replace(origin_of(source), **said)
    return guards_for(Protection(review=not seen, watermark=False, sign=sign, **chosen), fps=0.0, origin=origin)


def origin_of(source: Any) -> Origin:
    """What a manifest says of a VIDEO: made here (frames in memory count so), or opened from a file."""
    from ..sora_core.safety.provenance import FORMATS, Origin

    if not isinstance(source, str) or source in MADE:
        return Origin()
    given = Path(source)
    parent = given if given.suffix.lower() in FORMATS else None
    return Origin(parent=parent, generated=False)
