"""Prompts as they are meant: look-alike letters, digits for letters, spaced-out and stretched words made plain again.

`normalise` gives the words of a prompt, lower case and without accents, followed by every other reading of a disguised
word. Ordinary text gives itself: `4k`, `3d` and `plan b` stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from html import unescape

__all__ = ["disguise", "normalise"]

LOOK_ALIKES = str.maketrans(
    "авеѕіјкмнопрстухьԁԛԝһг" + "αβεηικνορτυχωγ" + "ɡıℓ" + "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "abesijkmhonpctyxbdqwhr" + "abenikvoptuxwy" + "gil" + "abcdefghijklmnoprstuvwyz",
)
"""Cyrillic, Greek and other letters -> the Latin one they look like"""
DIGITS = str.maketrans("013456789@$!|+€", "oieasgtbgasilte")
"""digits and signs -> the letter they stand for in disguise"""
FLAGS = {0x1F1E6 + place: letter for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
"""the letters that flags are made of -> letters"""
BLANK = str.maketrans("", "", "\u115f\u1160\u3164\uffa0\u2800")
"""letters and signs that nobody sees"""
WORD = re.compile(r"[^\W_]+(?:[@$!|+€*][^\W_]+)*[@$]?|[@$][^\W_]+")
SIGNED = re.compile(r"(?<=\w)[@$!|+€*]+(?=\w)")
"""signs between letters, which may stand for a letter or keep two words apart: `{a cat|a dog}`"""
HYPHENS = re.compile(r"(?<!\w)\w+(?:[-.·_]\w+)+")
SPACED = re.compile(r"(?<!\w)(?:[^\W_](?:[^\w'’]|_)){2,}[^\W_](?![^\W_])")
LONGEST, RUN = 24, 400
"""letters of a word that is looked for in a spaced-out run, and of the run"""
COVERED = 0.8
"""share of a run's letters that known words must cover"""
MASKED = re.compile(r"(?<![\w*])(?=[a-z*]{4,24}(?![\w*]))[a-z]+(?:\*{1,2}[a-z]+)+")
"""a word of which letters are hidden"""
STRETCHED = re.compile(r"(.)\1{2,}")


def plain(text: str) -> str:
    """Compatibility forms, lower case, no invisible characters; `&#97;` is the letter that it stands for."""
    text = unicodedata.normalize("NFKC", unescape(text).translate(BLANK).translate(FLAGS)).casefold()
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t").replace("\n", " ")


def bare(text: str) -> str:
    """Without accents and other marks that letters carry."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) not in ("Mn", "Me"))


def latin(word: str) -> str:
    """A word with look-alikes replaced, where it mixes scripts or is made of look-alikes alone."""
    letters = [c for c in word if c.isalpha()]
    foreign = [c for c in letters if not c.isascii()]
    if not foreign:
        return word
    made = word.translate(LOOK_ALIKES)
    return made if made.isascii() or len(foreign) < len(letters) else word


def letters_for_digits(word: str) -> str:
    """`p0rn` -> `porn`; numbers, and what is still no word (`h264`, `4k`), stay."""
    letters = sum(c.isalpha() for c in word)
    if not letters or (letters < 2 and word[0].isdigit()) or word.isalpha():
        return word
    made = word.translate(DIGITS)
    return made if made.isalpha() else word


def joined(run: re.Match[str]) -> str:
    """`n u d e` -> `nude`; what may be an article at the front stays apart."""
    letters = whole(run)
    return f"a {letters[1:]}" if letters[0] == "a" and len(letters) > 3 else letters


def whole(run: re.Match[str]) -> str:
    """All letters of a run as one word."""
    return "".join(c for c in run[0] if c.isalnum())


def words_of(text: str) -> list[str]:
    return [letters_for_digits(bare(latin(word))) for word in WORD.findall(text)]


def split_up(letters: str, vocabulary: Set[str]) -> list[str]:
    """`heilhitler` -> `heil hitler`: the words of a vocabulary that cover most letters; none where they cover few."""
    best: list[tuple[int, list[str]]] = [(0, [])]
    for end in range(1, len(letters) + 1):
        covered, words = best[end - 1]
        for begin in range(max(0, end - LONGEST), end - 2):
            if letters[begin:end] in vocabulary and best[begin][0] + end - begin > covered:
                covered, words = best[begin][0] + end - begin, [*best[begin][1], letters[begin:end]]
        best.append((covered, words))
    covered, words = best[-1]
    return words if covered >= COVERED * len(letters) else []


def normalise(text: str, vocabulary: Set[str] = frozenset()) -> list[str]:
    """The words of a prompt, then other readings of what seems disguised; several words that are spaced out in one run
    are told apart by a vocabulary."""
    text = bare(plain(text[:20_000]))
    out = words_of(SPACED.sub(joined, text))
    if (other := words_of(SPACED.sub(whole, text))) != out:
        out += other
    if (apart := SIGNED.sub(" ", text)) != text:
        out += words_of(apart)
    runs = [letters_for_digits(whole(run)) for run in SPACED.finditer(text)] if vocabulary else []
    out += [word for run in runs if run not in vocabulary for word in split_up(run[:RUN], vocabulary)]
    hyphened = [re.sub(r"\W|_", "", run) for run in HYPHENS.findall(text)]
    stretched = [short for word in out if (short := STRETCHED.sub(r"\1", word)) != word]
    masked = [word for hidden in MASKED.findall(text) for word in unmasked(hidden, vocabulary)] if vocabulary else []
    return out + words_of(" ".join(hyphened)) + stretched + masked


def unmasked(hidden: str, vocabulary: Set[str]) -> list[str]:
    """The words of a vocabulary that `n*de` may stand for."""
    meant = re.compile(hidden.replace("*", "[a-z]"))
    return sorted(word for word in vocabulary if len(word) == len(hidden) and meant.fullmatch(word))


def disguise(text: str, how: str) -> str:
    """A prompt with its longer words disguised: `leet`, `spacing` or `look-alikes`. For training and measuring."""
    if how == "leet":
        return re.sub(r"\w{3,}", lambda m: m[0].translate(str.maketrans("oiea", "0134")), text)
    if how == "spacing":
        return re.sub(r"\w{4,}", lambda m: " ".join(m[0]) + " ", text)
    latin_to = str.maketrans("aeopcxy", "аеорсху")
    return re.sub(r"\w{3,}", lambda m: m[0].translate(latin_to), text)
