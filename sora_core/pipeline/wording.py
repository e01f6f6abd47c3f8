"""What is sampled of a prompt: reviewed, made a long caption, with a word on what the model makes nothing of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..safety import Policy, check_prompt
from ..settings import SamplingSettings
from ..world.captions import Facts
from ..world.copied import uncopied
from ..world.expand import expanded_about, unknown_note
from .model import SoraModel

__all__ = ["review_both", "worded"]


def review_both(
    prompt: str, negative: str, policy: Policy | None, warn: Callable[[str], None], *, expand: bool
) -> None:
    """What the policy says of what is to be shown and of what is to be avoided, to which, where a caption is made of
    the prompt (`expand`), what a copied prompt itself avoids belongs. Raises PolicyError."""
    shown, avoided, _ = uncopied(prompt) if expand else (prompt, "", ())
    check_prompt(shown, policy, warn=warn)
    check_prompt(", ".join(filter(None, (negative, avoided))), policy, negative=True, warn=warn)


def worded(
    model: SoraModel,
    prompt: str,
    negative: str,
    settings: SamplingSettings,
    *,
    seed: int,
    expand: bool,
    seen: Sequence[Facts | None] = (),
    warn: Callable[[str], None],
    tell: Callable[[str], None],
) -> tuple[str, str]:
    """The text that is sampled for a prompt, and what is to be avoided. Calls `warn` with the words that the model's
    text encoder does not know or read, and where a negative prompt does nothing.

    expand: sample a caption made of the prompt, what it leaves out as it is `seen` in the clips that it is about. tell:
    is called with that caption.
    """
    caption = prompt
    if expand and (prompt.strip() or seen):
        caption, negative = described(prompt, negative, seed, warn, tell, seen, model.vocabulary)
    if unknown := model.unknown_words(f"{caption} {negative}"):
        warn(unknown_note(unknown, model.vocabulary))
    if unread := model.unread(caption):
        warn(unread)
    if negative.strip() and settings.cfg == 1:
        warn(f"without guidance (cfg 1) nothing is kept out, so this has no effect: {negative}")
    return caption, negative


def described(
    prompt: str,
    negative: str,
    seed: int,
    warn: Callable[[str], None],
    tell: Callable[[str], None],
    seen: Sequence[Facts | None],
    vocabulary: Collection[str] | None,
) -> tuple[str, str]:
    """The descriptive caption that `world.expanded` makes of a prompt, and what to avoid with its additions. seen: what
    the clips show that it is about. vocabulary: that of the text encoder which reads it."""
    made = expanded_about(prompt, seed, seen, vocabulary)
    for said in made.notes:
        warn(said)
    if made.caption:
        tell(f"caption: {made.caption}" + (f" (not: {made.negative})" if made.negative else ""))
    return made.caption, ", ".join(filter(None, (negative, made.negative)))
