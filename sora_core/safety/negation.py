"""Harms that a prompt asks to be absent: `no blood`, `without nudity`, `nichts Sexuelles`, `sin sangre`.

What is negated is taken out before a prompt is reviewed. Only the word right behind the negation counts (articles and
words such as `any` between them), and words joined to it by `or` and `and`: `no survivors after the massacre` still
tells of a massacre. What is worn, and what holds back, stays where it is: `no clothes` and `no mercy` ask for more.
"""

from __future__ import annotations

import re

__all__ = ["without_negated"]

NEGATIONS = (
    "no|not|without|never|nothing|free of|free from|(?:do not|don ?['’]?t) (?:show|depict|include)|avoid|exclude|"
    "ohne|kein|keine|keinen|keiner|nicht|nichts|niemals|frei von|"
    "sans|pas|pas de|pas d['’]|aucun|aucune|jamais|rien de|"
    "sin|ni|nada de|ningun|ninguna|nunca|libre de|"
    "senza|niente|nessun|nessuna|mai|non|ne|privo di"
)
BETWEEN = (
    "a|an|the|any|visible|explicit|graphic|more|of|show|showing|depicting|real|ein|eine|einen|sichtbare|sichtbares|"
    "de|de la|des|du|le|la|les|un|une|una|uno|il|lo|i|gli|el|los|las|visible|explicite|di"
)
JOINED = "and|or|nor|und|oder|noch|et|ou|ni|y|o|e|ne"
HELD = (
    r"cloth\w*|cloak\w*|shirts?|pants|trousers|underwear|bra|panties|dress\w*|cover\w*|wear\w*|hidden|censor\w*|"
    r"limits?|merc\w*|kleid\w*|bekleidet|angezogen|unterwasche|verhullt|zensur|gnade|vetements?|habill\w*|cache\w*|"
    r"censure|pitie|ropa|vestid\w*|oculto|censura|piedad|vestit\w*|nascost\w*|pieta|only|just|nur|seulement|solo|than|"
    r"but|except|ausser|sauf|salvo|eccetto|her|his|their|consent\w*|knowing|knowledge|wissen|zustimmung"
)
WORD = rf"(?!(?:{HELD}|{NEGATIONS})\b)[^\W_]+"
NEGATED = re.compile(
    rf"(?<!\bno )(?<!\bnot )(?<!\bnever )\b(?:{NEGATIONS})"
    rf"(?:\s+(?:{BETWEEN}))*\s+(?:{WORD})(?:\s+(?:{JOINED})\s+(?:{WORD}))*\b"
)
"""what is negated once: `not not nude` says nude"""


def without_negated(text: str) -> str:
    """A text in lower case and without accents, what it negates taken out."""
    return NEGATED.sub(" ", text)
