"""Prompts copied from other tools: what is no description there is taken out, and said.

uncopied("a red ball <lora:soft:0.8>, snow --ar 16:9\\nNegative prompt: fog\\nSteps: 20, Sampler: Euler a")
-> ("a red ball , snow", "fog", notes on the LoRA, the option and the settings)
"""

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["uncopied"]

_NEGATIVE = re.compile(r"(?:^|[\n,.;]|\s)\s*[\"']?\bnegative[ _]prompt[\"']?\s*[:=]\s*", re.IGNORECASE)
_SETTINGS = re.compile(r"[\n,;]?\s*\bSteps: ?\d+, ?[A-Z].*$", re.DOTALL)
"""the last line of what is stored in pictures by the web interfaces of Stable Diffusion"""
_LORA = re.compile(r"<(?:lora|lyco|hypernet|embedding):[^<>]*>", re.IGNORECASE)
_NO = re.compile(r"\s--no (?P<value>.*?)(?=\s--[a-z]|\n|$)", re.IGNORECASE)
"""Midjourney's option for what must not be there, a list"""
_OPTION = re.compile(r"\s--(?P<name>[a-z]+)(?P<value>(?: (?!--)[^\s,]+)*)", re.IGNORECASE)
_WEIGHT = re.compile(r"(?<=\S)::-?\d*\.?\d*(?=[\s,]|$)")
_BREAK = re.compile(r"\bBREAK\b,?")
_LABEL = re.compile(
    r"(?P<before>^|[\n,.;{\[(])(?P<blank>\s*[-*]?\s*)(?:/imagine )?"
    r"(?P<label>(?:main )?subjects?|objects?|scene|setting|actions?|motions?|movement|environment|location|place"
    r"|background|camera(?: (?:movement|motion|work|angle))?|shot(?: type)?|lighting|light|time(?: of day)?"
    r"|(?:visual )?style|colou?rs?|(?:positive |text )?prompt|description)\s*[:=]\s*",
    re.IGNORECASE,
)
"""the names of the parts of a prompt: "Subject: a red ball. Camera: static\""""

_SHOT = re.compile(
    r"(?:^|(?<=[\n,.;]))\s*(?:(?:scene|shot|clip) ?#?(?P<number>\d+)\s*[:.)]"
    r"|[\[(]?\d{1,2}:\d{2}(?: ?[-–] ?\d{1,2}:\d{2})?[\])]?:?(?= [a-z])|\d+(?:\.\d+)? ?s:)\s*"
    r"|[\[(]\d+(?:\.\d+)?s? ?[-–] ?\d+(?:\.\d+)? ?s[\])]:?\s*",
    re.IGNORECASE,
)
"""where a shot begins: "Shot 2: ...", "00:02-00:04 ...", "[2-4s] ...\""""


def uncopied(prompt: str) -> tuple[str, str, tuple[str, ...]]:
    """(the prompt, what it says must not be there, a sentence for each thing that is taken out)."""
    notes: list[str] = []
    refused: list[str] = []
    prompt = _from_json(prompt, notes)
    if found := _SETTINGS.search(prompt):
        notes.append(
            "the settings behind the prompt ('Steps: ...') are not read; give them to the node or the command."
        )
        prompt = prompt[: found.start()]
    prompt, *negative = _NEGATIVE.split(prompt, maxsplit=1)
    refused += negative
    refused += [found["value"].strip() for found in _NO.finditer(prompt)]

    def option(found: re.Match[str]) -> str:
        notes.append(f"{found[0].strip()!r} is an option of another tool and is not read.")
        return ""

    prompt = _OPTION.sub(option, _NO.sub("", prompt))
    for tag in _LORA.findall(prompt):
        notes.append(f"{tag!r} is not read: a LoRA is loaded by a node, not by the prompt.")
    prompt = _BREAK.sub(",", _LORA.sub("", prompt))
    if _WEIGHT.search(prompt):
        notes.append("weights are written (word:1.2) here; those behind '::' are not read.")
        prompt = _WEIGHT.sub(",", prompt)
    if [found for found in _SHOT.finditer(prompt) if found["number"] not in (None, "1")]:
        notes.append("numbered shots of one prompt are shown together; a storyboard gives each its own time.")
    prompt = _SHOT.sub(lambda at: ", then " if not at["number"] and at.string[: at.start()].strip() else " ", prompt)
    prompt = _LABEL.sub(_unlabelled, re.sub(r"\]\s*\[", "], [", prompt))
    return prompt, ", ".join(text.strip(" \t\n\"'{}.,") for text in refused), tuple(notes)


def _unlabelled(found: re.Match[str]) -> str:
    """What stands before a part of a prompt in place of its name: the camera's motion needs it."""
    camera = "camera " if found["label"].lower().startswith("camera") else ""
    return f"{found['before']}{found['blank']}{camera}"


def _from_json(prompt: str, notes: list[str]) -> str:
    """A prompt in JSON as lines of names and words; what is to be avoided comes last. Numbers are noted."""
    if not prompt.lstrip().startswith(("{", "[")):
        return prompt
    try:
        given = json.loads(prompt)
    except (ValueError, RecursionError):
        return prompt
    shown, avoided = [], []
    for name, value in _said(given):
        if not isinstance(value, str):
            notes.append(f"{name!r} in the prompt's JSON is not read; give it to the node or the command.")
        elif name.startswith(("negative", "avoid")):
            avoided.append(value)
        else:
            shown.append(f"{name}: {value}" if name else value)
    return ", ".join(shown) + (f"\nNegative prompt: {', '.join(avoided)}" if avoided else "")


def _said(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON text with the name that it has, blanks for its underscores."""
    if isinstance(given, dict):
        for key, value in given.items():
            yield from _said(value, str(key).replace("_", " "))
    elif isinstance(given, list):
        for value in given:
            yield from _said(value, name)
    elif given is not None and given != "":
        yield name, given
