"""Slips of the keyboard: which word was meant where a letter is wrong, missing, doubled or in its neighbour's place."""

from collections.abc import Sequence

from ..spelling import one_wrong, slip

__all__ = ["meant_by"]

LONG = 7
"""letters of a word in which one may be another"""
_OTHER_WORDS = """
acts bach bars bots bush bushes came cans cast caste cattle chic cock cocks cons crow crows cubs cusp dance
dances dessert desserts dies disc dues ducts filed flow glob globs hear hears heat heats hops hose hoses hours
leon loin lean loins mono money mope mopped muse nigh pane panes pies pins plan plans polo preset presets
prevent rabbi rabbis rigs rob robs root roots roster rosters sail sake seep sips smile smiles snowball
snowballs spies starlet starlets tale tales teen tees tens ties tier tiers tories tours trans trie tries tsar
tubs tuck tucks wale wave
"""
OTHER_WORDS = frozenset(_OTHER_WORDS.split())
"""English words that are one letter away from a known one and no slip of it"""


def meant_by(typed: str, known: Sequence[str]) -> str | None:
    """The known word that was meant; of a long word with a wrong letter only where one known word is as near."""
    if len(typed) < 3 or not typed.isalpha() or typed in OTHER_WORDS:
        return None
    if (slipped := next((word for word in known if slip(typed, word)), None)) is not None:
        return slipped
    near = [word for word in known if len(typed) >= LONG and one_wrong(typed, word)]
    return near[0] if len(near) == 1 else None
