"""Weights of words in prompts, written as in ComfyUI: `(word)` counts 1.1 times, `((word))` 1.21, `(word:1.3)` 1.3.

A stated weight stands alone, whatever is around it. `\\(` and `\\)` are brackets of the text, and so is a bracket that
lacks its other half.
"""

from __future__ import annotations

import re

__all__ = ["emphasised", "plain", "weighted"]

MORE = 1.1
STATED = re.compile(r":\s*([+-]?(?:\d{1,3}(?:\.\d{0,6})?|\.\d{1,6}))\s*$")
LONGEST = 24
"""letters that a stated weight takes at most"""
MARKS = re.compile(r"\\[()]|[()]")


def weighted(text: str) -> list[tuple[str, float]]:
    """The parts of a prompt, none empty, each with its weight; joined, they are the prompt without its marks."""
    closing = pairs(text)
    parts: list[tuple[str, float]] = []
    outer: list[tuple[int, int, float]] = []  # where the text of an open bracket ends, and the bracket; what is around
    weight, at = 1.0, 0
    for mark in MARKS.finditer(text):
        place = mark.start()
        if place in closing:
            parts.append((text[at:place], weight))
            close = closing[place]
            begin = max(place + 1, close - LONGEST)
            stated = STATED.search(text[begin:close])
            outer.append((begin + stated.start() if stated else close, close, weight))
            weight, at = float(stated[1]) if stated else weight * MORE, place + 1
        elif outer and outer[-1][1] == place:
            end, _, around = outer.pop()
            parts.append((text[at:end], weight))
            weight, at = around, place + 1
    parts.append((text[at:], weight))
    return [(part.replace("\\(", "(").replace("\\)", ")"), weight) for part, weight in parts if part]


def pairs(text: str) -> dict[int, int]:
    """Where brackets that belong together open and close."""
    opened: list[int] = []
    found: dict[int, int] = {}
    for mark in MARKS.finditer(text):
        if mark.group() == "(":
            opened.append(mark.start())
        elif mark.group() == ")" and opened:
            found[opened.pop()] = mark.start()
    return found


def plain(text: str) -> str:
    """A prompt without the marks of weights."""
    return "".join(part for part, _ in weighted(text))


def emphasised(text: str, parts: list[tuple[str, float]]) -> tuple[str, list[str]]:
    """A text in which what has a weight among the parts of another has it too, where it is said there, and the words
    of which it is not."""
    lost: list[str] = []
    for part, weight in parts:
        if weight == 1:
            continue
        phrase = re.sub(r"\s+", " ", part).strip(" ,.;:!?").lower()
        for word in [phrase] if said(phrase).search(text) else phrase.split(" "):
            if said(word).search(text):
                text = said(word).sub(rf"(\g<0>:{weight:.6g})", text, count=1)
            elif word:
                lost.append(word)
    return text, lost


def said(words: str) -> re.Pattern[str]:
    """Words that stand in a text and have no weight yet."""
    return re.compile(rf"(?<![\w(]){re.escape(words)}(?![\w:])", re.IGNORECASE) if words else re.compile(r"(?!)")
