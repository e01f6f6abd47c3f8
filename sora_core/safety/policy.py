"""What is allowed, warned of or refused: a file that a user can read and change.

A policy is JSON: `actions` (per category allow, warn or refuse), `threshold` of the classifier, `allowed` (phrases that
are never objected to), `rules` (the lexicon), `frames` (what follows from their review), `moderation` (an endpoint that
is asked too, see `moderation`) and `extends` (true: the rules of the bundled policy come first). Sexual content with
minors is refused whatever the file says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import InputError, ResourceError
from .moderation import MAPPED, Moderation
from .normalise import normalise

__all__ = [
    "ACTIONS", "CATEGORIES", "MINORS", "Policy", "Rule", "bundled_policy", "config_folder", "load_policy", "own_policy",
]  # fmt: skip

MINORS = "minors"
"""sexual content with minors: always refused"""
LEARNED = ("violence", "sexual", "hate", "likeness", "ip", MINORS)
"""what the classifier knows; the order of its outputs"""
CATEGORIES = (*LEARNED, "crime")
"""`crime`, the making of bombs and drugs, is found by the lexicon alone"""
ACTIONS = ("allow", "warn", "refuse")
FRAME_ACTIONS = ("stop", "blur", "mark", "off")
THRESHOLD = 0.5
"""Probability from which the classifier objects: of .45, .5, .55 and .6 the highest at which at least .95 of the
held-out prompts of every category are found (docs/safety.md)."""
LARGEST = 4 << 20
"""bytes of a policy file"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Terms of one category, with the context they need or are excused by.

    A term is a word or several, each of which may be one of some (`kick|kicks him|her`); `*` at the end of a word
    matches any ending. The rule applies where a term of `any` is in the prompt, one of `with_` too (if there are any;
    `{young}` there is anyone under age), and none of `unless`.
    """

    category: str
    name: str
    any: tuple[str, ...]
    with_: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FramePolicy:
    """What follows from the review of frames."""

    action: str = "stop"
    """`stop` (no file), `blur` (the frames), `mark` (in the report alone) or `off`"""
    threshold: float = 0.8
    """score from which a frame is objected to"""
    missing: str = "allow"
    """where no reviewer is installed: `allow` or `stop`"""
    every: int = 1
    """1 looks at every frame"""

    def __post_init__(self) -> None:
        if self.action not in FRAME_ACTIONS or self.missing not in ("allow", "stop"):
            raise InputError(
                f"frames: action is one of {', '.join(FRAME_ACTIONS)} and missing is allow or stop, not"
                f" {self.action!r} and {self.missing!r}"
            )
        number = isinstance(self.threshold, int | float) and isinstance(self.every, int)
        if not number or not 0 < self.threshold <= 1 or self.every < 1:
            raise InputError("frames: threshold is above 0 and at most 1, every is a whole number from 1")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Actions, lists and rules of one policy."""

    actions: Mapping[str, str] = field(default_factory=lambda: {c: "refuse" for c in CATEGORIES})
    threshold: float = THRESHOLD
    """probability from which the classifier objects"""
    allowed: tuple[str, ...] = ()
    """phrases taken out of the prompt before it is reviewed; no effect on the rules about minors"""
    rules: tuple[Rule, ...] = ()
    frames: FramePolicy = field(default_factory=FramePolicy)
    moderation: Moderation | None = None
    """an endpoint that is asked too; None: nothing leaves the machine"""

    def __post_init__(self) -> None:
        for category, action in self.actions.items():
            if category not in CATEGORIES:
                raise InputError(f"there is no category {category!r}; the categories are {', '.join(CATEGORIES)}")
            if action not in ACTIONS:
                raise InputError(f"{category} is {action!r}; an action is one of {', '.join(ACTIONS)}")
        if self.actions.get(MINORS, "refuse") != "refuse":
            raise InputError("sexual content with minors is always refused; remove 'minors' from the actions")
        if not 0 < self.threshold <= 1:
            raise InputError(f"the threshold is a probability above 0 and at most 1, not {self.threshold}")

    def action(self, category: str) -> str:
        """What is done about a category: refuse, where the policy does not say."""
        return "refuse" if category == MINORS else self.actions.get(category, "refuse")


def config_folder() -> Path:
    """Where a user's own policy and certificate are. Raises ResourceError for a user without a home, as containers have
    them."""
    try:
        return Path.home() / ".config" / "sora-nodes"
    except RuntimeError as error:
        raise ResourceError("this user has no home folder for a certificate; set HOME to a folder.") from error


def own_policy() -> Path | None:
    """The user's own policy, where there is one."""
    with suppress(ResourceError):
        path = config_folder() / "policy.json"
        return path if os.path.isfile(path) else None  # which is False, too, where nothing may be looked up
    return None


@cache
def bundled_policy() -> Policy:
    """The policy of this project."""
    source = files(__package__) / "policy.json"
    return parse_policy(source.read_text(encoding="utf-8"), "the bundled policy")


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a file; without a path the user's own (`policy.json` in the config folder), else the bundled one.

    Raises InputError that names the file, the line and what is wrong.
    """
    path = path or own_policy()
    if path is None:
        return bundled_policy()
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise InputError(f"{path} is larger than a policy may be ({LARGEST >> 20} MiB)")
        text = data.decode("utf-8")
    except OSError as error:
        raise InputError(f"cannot read the policy {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the policy {path} is not text in UTF-8 (byte {error.start})") from error
    return parse_policy(text, str(path))


def parse_policy(text: str, name: str) -> Policy:
    """A policy from JSON; `name` is said in errors."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputError(f"{name} must be an object with 'actions' and 'rules', not {type(given).__name__}")
    if unknown := given.keys() - {"actions", "threshold", "allowed", "rules", "frames", "extends", "moderation"}:
        key = sorted(unknown)[0]
        raise InputError(f"{name}, line {line_of(text, key)}: there is no setting {key!r}")
    try:
        actions = mapping_of(given.get("actions", {}))
        rules = tuple(rule_of(rule) for rule in list_of(given.get("rules", [])))
        if given.get("extends", False):
            rules = bundled_policy().rules + rules
        threshold = given.get("threshold", THRESHOLD)
        if not isinstance(threshold, int | float):
            raise InputError(f"the threshold is a number, not {threshold!r}")
        allowed, frames = words_of(given.get("allowed", [])), frames_of(given.get("frames", {}))
        return Policy(
            actions=actions, threshold=threshold, allowed=allowed, rules=rules, frames=frames,
            moderation=moderation_of(given.get("moderation")),
        )  # fmt: skip
    except InputError as error:
        quoted = re.search(r"'([^']*)'", str(error))
        where = f", line {line_of(text, quoted[1])}" if quoted else ""
        raise InputError(f"{name}{where}: {error}") from error


def line_of(text: str, key: str) -> int:
    """The line of a JSON text that has a quoted word, 1 where none has."""
    place = text.find(json.dumps(key))
    return text.count("\n", 0, max(0, place)) + 1


def mapping_of(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise InputError(f"actions are an object of category and action, not {str(value)[:80]!r}")
    return value


def list_of(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"a list was expected, not {str(value)[:80]!r}")
    return value


def words_of(value: Any) -> tuple[str, ...]:
    if not all(isinstance(word, str) for word in list_of(value)):
        raise InputError(f"a list of words was expected, not {str(value)[:80]!r}")
    for word in value:
        if not all(normalise(part.rstrip("*")) for part in word.split("|")):
            raise InputError(f"a term has letters or digits, and {word[:40]!r} has none; remove it")
    return tuple(value)


def frames_of(value: Any) -> FramePolicy:
    """The settings of frame review, checked."""
    names = {f.name for f in fields(FramePolicy)}
    if not isinstance(value, dict):
        raise InputError(f"frames are an object with {', '.join(sorted(names))}, not {str(value)[:80]!r}")
    if unknown := value.keys() - names:
        raise InputError(f"frames have no {sorted(unknown)[0]!r}; they have {', '.join(sorted(names))}")
    return FramePolicy(**value)


def moderation_of(value: Any) -> Moderation | None:
    """The settings of an endpoint, checked: an address, or an object."""
    if value is None:
        return None
    value = {"url": value} if isinstance(value, str) else value
    names = {f.name for f in fields(Moderation)}
    if not isinstance(value, dict) or "url" not in value:
        raise InputError(f"moderation is an object with {', '.join(sorted(names))}, not {str(value)[:80]!r}")
    if unknown := value.keys() - names:
        raise InputError(f"moderation has no {sorted(unknown)[0]!r}; it has {', '.join(sorted(names))}")
    own = mapping_of(value.get("categories", {}))
    for ours in own.values():
        if ours and ours not in CATEGORIES:
            raise InputError(f"there is no category {ours!r}; the categories are {', '.join(CATEGORIES)}")
    return Moderation(**{**value, "categories": MAPPED | own})


def rule_of(value: Any) -> Rule:
    """One rule of the file, checked."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InputError(f"a rule is an object with category, name and any, not {str(value)[:80]!r}")
    if value.get("category") not in CATEGORIES:
        raise InputError(f"there is no category {value.get('category')!r}; the categories are {', '.join(CATEGORIES)}")
    if unknown := value.keys() - {"category", "name", "any", "with", "unless"}:
        raise InputError(f"a rule has no {sorted(unknown)[0]!r}; it has category, name, any, with and unless")
    lists = {name: words_of(value.get(name, [])) for name in ("any", "with", "unless")}
    return Rule(
        category=value["category"], name=value["name"], any=lists["any"], with_=lists["with"], unless=lists["unless"]
    )
