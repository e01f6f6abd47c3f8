"""Misspelt and torn words, read as what was meant before a prompt is reviewed: `beheded`, `raaped`, `na ked`, `daeheb`.

A word that is none of everyday prompts is read as a term that the lexicon refuses by itself where it is a slip of it
(`spelling`), in long words also with one wrong letter, or the same backwards.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from ..spelling import one_wrong, slip

__all__ = ["SHORT", "Terms", "mended"]

SHORT, LONG = 5, 8
"""letters of a word that may be misspelt, and of one that may have a wrong letter"""
BACKWARDS = 6
"""letters of a word that may be written backwards"""
OTHERS = (
    "arman", "barberry", "batan", "berberry", "bidden", "bower", "bowse", "braless", "copse", "corse", "decept",
    "denud", "diabol", "disobey", "eject", "elect", "entail", "event", "fagot", "fusil", "genial", "hardcode",
    "hobbi", "intestin", "jetson", "leche", "lich", "luster", "magnet", "mangle", "masar", "mascara", "massach",
    "massact", "massag", "melon", "minion", "neonat", "nigeri", "nipper", "overdone", "overmatch", "papering",
    "peperino", "rapped", "seduc", "sever", "slab", "stabl", "strange", "strapper", "stripped", "stupor", "supplic",
    "tortri", "tortu", "tweet", "unclothe", "unpressed", "violation", "violator", "viole",
)  # fmt: skip
"""beginnings of English words that are as near to a term and no slips of it"""
APART = frozenset({"be"})
"""words that are no half of another one: "to be head of a school\""""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms of one word each. whole: words; begun: beginnings of words that are terms with any ending."""

    whole: frozenset[str]
    begun: frozenset[str]

    @cached_property
    def by_letter(self) -> dict[str, list[tuple[str, bool]]]:
        """Every term that may be misspelt, with whether any ending will do, by its first letter."""
        found: dict[str, list[tuple[str, bool]]] = {}
        for terms, ending in ((self.whole, False), (self.begun, True)):
            for term in sorted(term for term in terms if len(term) >= SHORT + ending):
                found.setdefault(term[0], []).append((term, ending))
        return found

    def __contains__(self, word: str) -> bool:
        return word in self.whole or any(word[:end] in self.begun for end in range(SHORT, len(word) + 1))

    def meant_by(self, word: str) -> str:
        """The term, or what begins like one, that a word is a slip of, else the word itself."""
        if len(word) < SHORT or not (word.isascii() and word.isalpha()) or word in self or word.startswith(OTHERS):
            return word
        if len(word) >= BACKWARDS and word[::-1] in self:
            return word[::-1]
        for term, ending in self.by_letter.get(word[0], []):
            for end in (len(term) - 1, len(term), len(term) + 1) if ending else (len(word),):
                typed, rest = word[:end], word[end:]
                if len(typed) >= SHORT and (slip(typed, term) or (len(term) >= LONG and one_wrong(typed, term))):
                    return term + rest
        return word


def mended(words: Sequence[str], terms: Terms, known: Set[str]) -> list[str]:
    """The words, what is misspelt or torn in two among them as it is meant. known: words that are as they should be."""
    read = {word: terms.meant_by(word) for word in set(words) - known}
    out: list[str] = []
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        strange = len(word) > 1 and len(after) > 1 and not (word in known and after in known)
        torn = strange and word not in APART and word not in terms and word + after in terms
        out.append(word + after if torn else read.get(word, word))
        at += 2 if torn else 1
    return out
