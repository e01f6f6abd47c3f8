"""Review of prompts: the lexicon with its context, then the classifier; the policy says what follows.

    review = review_prompt("a killer whale leaps")       # Review(action="allow", findings=())
    check_prompt("...")                                  # raises PolicyError, naming category and rule

Everything happens on this machine, unless the policy names a moderation endpoint, which is asked too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ..emphasis import plain as unmarked
from ..errors import InputError, ResourceError
from .misspelt import SHORT, Terms, mended
from .moderation import moderated
from .negation import without_negated
from .normalise import bare, normalise, plain
from .policy import ACTIONS, MINORS, Policy, Rule, load_policy
from .words_classifier import bundled_classifier, everyday_words

__all__ = ["Finding", "PolicyError", "Review", "check_prompt", "review_prompt"]

CLASSIFIED = "classifier"
"""named where no rule of the lexicon applies"""
YOUNG = (
    "minor", "minors", "underage", "child", "children", "kid", "kids", "preteen*", "tween", "tweens", "teenager*",
    "teen", "teens", "adolescent*", "juvenile*", "pubescent", "prepubescent", "loli", "lolis", "lolita", "shota",
    "shotas",
    "schoolgirl*", "schoolboy*", "schoolchild*", "school girl*", "school boy*", "pupil", "pupils", "primary school*",
    "elementary school*", "middle school*", "high school*", "kindergarten*", "preschool*", "first grader*", "toddler*",
    "baby", "babies", "infant", "infants", "newborn*", "young boy*", "young girl*", "little girl*", "little boy*",
    "small girl*", "small boy*",
    "kind", "kinder", "kindes", "kleinkind*", "minderjahrig*", "schulerin*", "schuler", "schulmadchen", "junge",
    "jungen", "kleines madchen", "kleine madchen", "grundschul*", "jugendlich*", "saugling*",
    "enfant*", "mineur*", "ecolier*", "ecoliere*", "collegien*", "lyceen*", "fillette*", "petite fille",
    "petites filles", "petit garcon", "gamin*", "bebe", "bebes",
    "nino", "nina", "ninos", "ninas", "menor", "menores", "colegial*", "infantil", "adolescente*", "chiquilla*",
    "bambin*", "minorenn*", "minore", "minori", "ragazzin*", "scolar*", "neonat*",
)  # fmt: skip
"""terms for the young, whole words; with a finding of sexual content they are a finding about minors"""
SOMEONE_YOUNG = "{young}"
"""a context of a rule: a term for the young, or an age below 18"""
NEAR = 12
"""words between a term and the context that it needs or is excused by, at most"""
ADULT = 18
UNITS = {"year", "years", "yo", "jahre", "jahren", "jahrige", "jahriges", "ans", "anos", "anni"}
AGES = {"age", "aged"}
"""words that come before an age"""
NUMBERS = {
    word: age
    for words in (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
        "ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn",
        "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dixsept",
        "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete",
        "uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici"
        " diciassette",
    )
    for age, word in enumerate(words.split(), 1)
}
"""numbers below 18 in words"""


class PolicyError(InputError):
    """A prompt or a picture that the policy refuses. It names the category and the rule, never the list."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One objection: the category, the rule, the probability where it is the classifier's, and the action."""

    category: str
    rule: str
    score: float
    action: str


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a review says: the strictest action of its findings, strictest first."""

    findings: tuple[Finding, ...] = ()
    note: str = ""
    """why a moderation endpoint was not heard, where the policy goes on without it"""

    @property
    def action(self) -> str:
        return max((f.action for f in self.findings), key=ACTIONS.index, default="allow")

    def sentence(self) -> str:
        """For a person; one sentence."""
        if not self.findings:
            return "nothing in the prompt is against the policy"
        said = ", ".join(f"{f.category} (rule '{f.rule}')" for f in self.findings if f.action == self.action)
        verb = {"allow": "allows", "warn": "warns of", "refuse": "refuses"}[self.action]
        return f"the policy {verb} this prompt: {said}"


@lru_cache(4096)
def pattern(term: str) -> tuple[tuple[tuple[str, bool], ...], ...]:
    """A term, word by word: what each may be, without accents, and whether any ending will do."""
    words = [[part for part in alternatives.split("|") if normalise(part)] for alternatives in term.split()]
    return tuple(tuple((normalise(part)[0], part.endswith("*")) for part in parts) for parts in words if parts)


def fits(word: str, parts: Iterable[tuple[str, bool]]) -> bool:
    """Whether a word is one of those that a place of a term may hold."""
    return any(word.startswith(part) if any_ending else word == part for part, any_ending in parts)


class Words:
    """The words of a prompt, each with its places, so that a lexicon is searched without walking the prompt."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            self.places.setdefault(word, []).append(place)

    def starts(self, parts: Iterable[tuple[str, bool]]) -> Iterator[int]:
        """Where the first word of a term may be."""
        for part, any_ending in parts:
            if any_ending:
                yield from (place for word, places in self.places.items() if word.startswith(part) for place in places)
            else:
                yield from self.places.get(part, [])

    def where(self, term: str) -> Iterator[int]:
        """Places at which words in a row match a term."""
        wanted = pattern(term)
        for start in self.starts(wanted[0]) if wanted else ():
            row = self.words[start : start + len(wanted)]
            if len(row) == len(wanted) and all(map(fits, row, wanted)):
                yield start

    def where_any(self, terms: Iterable[str]) -> list[int]:
        return [place for term in terms for place in self.where(term)]


def near(place: int, others: Iterable[int]) -> bool:
    """Whether one of the places is within reach of another."""
    return any(abs(place - other) <= NEAR for other in others)


def applies(rule: Rule, words: Words) -> bool:
    """Whether a rule objects to these words: a term with its context around it and no excuse there."""
    found = words.where_any(rule.any)
    if not found:
        return False
    needed, excuses = words.where_any(rule.with_), words.where_any(rule.unless)
    if SOMEONE_YOUNG in rule.with_:
        needed += young(words)
    return any((not rule.with_ or near(place, needed)) and not near(place, excuses) for place in found)


def excused(rules: Iterable[Rule], category: str, words: Words) -> bool:
    """Whether a rule's own exception speaks for the prompt, so that an unsure classifier keeps still."""
    return any(
        near(place, words.where_any(rule.unless))
        for rule in rules
        if rule.category == category
        for place in words.where_any(rule.any)
    )


@lru_cache(16)
def vocabulary(rules: tuple[Rule, ...]) -> frozenset[str]:
    """The words of the rules' terms, by which letters that stand apart are put together."""
    terms = [term for rule in rules for term in (*rule.any, *rule.with_)]
    words = (part for term in (*terms, *YOUNG) for parts in pattern(term) for part, _ in parts)
    return frozenset(word for word in words if len(word) > 2)


@lru_cache(16)
def refused_terms(rules: tuple[Rule, ...]) -> Terms:
    """The terms of one word that the rules object to without a context."""
    alone = [pattern(term) for rule in rules if not rule.with_ for term in rule.any]
    parts = [part for words in alone if len(words) == 1 for part in words[0]]
    return Terms(
        whole=frozenset(word for word, any_ending in parts if not any_ending),
        begun=frozenset(word for word, any_ending in parts if any_ending and len(word) >= SHORT),
    )


def young(words: Words) -> list[int]:
    """Where someone under age is spoken of: a term, or an age below 18."""
    ages = [
        place
        for place, (first, second) in enumerate(pairwise(words.words))
        if ((second in UNITS and age_of(first)) or (first in AGES and age_of(second)) or ADULT) < ADULT
    ]
    return ages + words.where_any(YOUNG)


def age_of(word: str) -> int | None:
    """A number in digits or words as an age."""
    return int(word) if word.isdecimal() and len(word) < 4 else NUMBERS.get(word)


def review_prompt(text: str, policy: Policy | None = None, *, negative: bool = False) -> Review:
    """Review one prompt under a policy (None: the user's own or the bundled one).

    negative: the text says what is to be avoided, so that only sexual content with minors is looked for.
    """
    policy = policy or load_policy()
    known = vocabulary(policy.rules)
    read = normalise(without_negated(bare(plain(unmarked(text)))), known)
    allowed = {word for phrase in policy.allowed for word in normalise(phrase)}
    words = Words(mended(read, refused_terms(policy.rules), known | everyday_words() | allowed))
    kept = Words(remaining(words.words, policy.allowed))
    scores: dict[str, tuple[str, float]] = {}
    for rule in policy.rules:
        if rule.category not in scores and applies(rule, words if rule.category == MINORS else kept):
            scores[rule.category] = (rule.name, 1.0)
    probabilities = bundled_classifier()(" ".join(kept.words))
    for category, score in probabilities.items():
        if score >= policy.threshold and category not in scores and not excused(policy.rules, category, kept):
            scores[category] = (CLASSIFIED, score)
    note = "" if negative else second_opinion(text, policy, scores)
    if "sexual" in scores and young(words):
        scores[MINORS] = ("sexual content with a minor", scores["sexual"][1])
    findings = [
        Finding(category=category, rule=rule, score=round(score, 3), action=policy.action(category))
        for category, (rule, score) in scores.items()
        if not negative or category == MINORS
    ]
    findings.sort(key=lambda f: (-ACTIONS.index(f.action), -f.score, f.category))
    return Review(findings=tuple(findings), note=note)


def second_opinion(text: str, policy: Policy, scores: dict[str, tuple[str, float]]) -> str:
    """Add what the policy's moderation endpoint objects to; why it was not heard, where the policy goes on without."""
    if policy.moderation is None:
        return ""
    try:
        for category, theirs, score in moderated(policy.moderation, text):
            scores.setdefault(category, (f"moderation endpoint: {theirs}", score))
    except ResourceError as error:
        if policy.moderation.failure == "stop":
            raise ResourceError(f"{error}; the policy stops where it is not heard") from error
        return f"{error}; only this machine's own review was heard"
    return ""


def remaining(words: list[str], allowed: Iterable[str]) -> list[str]:
    """The words without allowed phrases."""
    out = list(words)
    for phrase in allowed:
        wanted = [word for part in phrase.split() for word in normalise(part)[:1]]
        i = 0
        while wanted and i + len(wanted) <= len(out):
            if out[i : i + len(wanted)] == wanted:
                del out[i : i + len(wanted)]
            else:
                i += 1
    return out


def check_prompt(
    text: str,
    policy: Policy | None = None,
    *,
    warn: Callable[[str], None] | None = None,
    negative: bool = False,
) -> Review:
    """The door where text is encoded: raises PolicyError for a prompt that is refused."""
    review = review_prompt(text, policy, negative=negative)
    if review.action == "refuse":
        raise PolicyError(f"{review.sentence()}; change the prompt, or the policy where it is yours to change.")
    if review.note and warn is not None:
        warn(review.note)
    if review.action == "warn" and warn is not None:
        warn(review.sentence())
    return review
