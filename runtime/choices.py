"""`{red|blue}` in a prompt: the interface takes one of them when a workflow is queued, anew for every run.

Only fields that a node declares with `dynamicPrompts` are read so; comments in them (`// to the end of the line` and
`/* between these */`) are left out, and `\\{`, `\\|` and `\\}` stand for themselves.
"""

from __future__ import annotations

import hashlib
import re
from itertools import count

__all__ = ["chosen", "has_choices", "literal"]

COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")
INNERMOST = re.compile(r"\\.|\{((?:[^{}\\]|\\.)*)(?:\}|\Z)", re.DOTALL)
"""an escaped letter, or a choice without choices in it"""
PIECE = re.compile(r"\\.|\||[^|\\]+|\\\Z", re.DOTALL)
DEEPEST = 30
"""choices within choices that are read"""


def has_choices(text: object) -> bool:
    return isinstance(text, str) and (bool(COMMENT.search(text)) or "{" in text)


def chosen(text: str, times: int) -> str:
    """`text` with each choice made and without comments, for the run after `times` others; the same every time."""
    key = hashlib.sha256(f"{times}:{text}".encode(errors="replace")).hexdigest()
    drawn = count()
    text = COMMENT.sub("", text)

    def pick(inner: str) -> str:
        found = options(inner)
        number = hashlib.sha256(f"{key}:{next(drawn)}".encode()).digest()
        return found[int.from_bytes(number[:6], "big") % len(found)]

    for _ in range(DEEPEST):
        before, text = text, INNERMOST.sub(lambda found: found[0] if found[1] is None else pick(found[1]), text)
        if text == before:
            break
    return re.sub(r"\\([{}|])", r"\1", text)


def literal(text: str) -> str:
    """What stands in a field for choices so that `text` comes out of it as it is."""
    return re.sub(r"([{}|])", r"\\\1", text) if has_choices(text) else text


def options(text: str) -> list[str]:
    """What stands between the bars."""
    found = [""]
    for piece in PIECE.findall(text):
        if piece == "|":
            found.append("")
        else:
            found[-1] += piece
    return found
