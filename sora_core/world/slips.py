"""Slips of the keyboard: which word was meant where a letter is wrong, missing, doubled or in its neighbour's place."""

from collections.abc import Sequence

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
    if (slipped := next((word for word in known if _slip(typed, word)), None)) is not None:
        return slipped
    near = [word for word in known if len(typed) >= LONG and _one_wrong(typed, word)]
    return near[0] if len(near) == 1 else None


def _slip(typed: str, meant: str) -> bool:
    """Whether two letters changed places, one was doubled or not, or (in longer words) one is missing, though not the
    first: `rains` is no slip of `trains`, nor `lower` of `flower`."""
    if len(typed) == len(meant):
        differ = [i for i, (a, b) in enumerate(zip(typed, meant, strict=True)) if a != b]
        return (
            len(differ) == 2
            and differ[1] == differ[0] + 1
            and typed[differ[0]] == meant[differ[1]]
            and typed[differ[1]] == meant[differ[0]]
        )
    long, short = (typed, meant) if len(typed) > len(meant) else (meant, typed)
    if len(long) != len(short) + 1:
        return False
    at = next((i for i, letter in enumerate(short) if letter != long[i]), len(short))
    doubled = at > 0 and long[at] == long[at - 1]
    return long[:at] + long[at + 1 :] == short and (doubled or (long is meant and len(typed) > 3 and at > 0))


def _one_wrong(typed: str, meant: str) -> bool:
    """Whether one letter is another, though not the first: `fountain` is no slip of `mountain`."""
    return len(typed) == len(meant) and typed[0] == meant[0] and sum(map(str.__ne__, typed, meant)) == 1
