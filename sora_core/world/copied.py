"""Prompts copied from other tools: what is no description there is taken out, and said.

uncopied("a red ball <lora:soft:0.8>, snow --ar 16:9\\nNegative prompt: fog\\nSteps: 20, Sampler: Euler a")
-> ("a red ball , snow", "fog", notes on the LoRA, the option and the settings)
"""

import re

__all__ = ["uncopied"]

_NEGATIVE = re.compile(r"(?:^|[\n,.;]|\s)\s*[\"']?\bnegative[ _]prompt[\"']?\s*[:=]\s*", re.IGNORECASE)
_SETTINGS = re.compile(r"[\n,;]?\s*\bSteps: ?\d+, ?[A-Z].*$", re.DOTALL)
"""the last line of what is stored in pictures by the web interfaces of Stable Diffusion"""
_LORA = re.compile(r"<(?:lora|lyco|hypernet|embedding):[^<>]*>", re.IGNORECASE)
_OPTION = re.compile(r"\s--(?P<name>[a-z]+)(?P<value>(?: (?!--)[^\s,]+)*)", re.IGNORECASE)
_WEIGHT = re.compile(r"(?<=\S)::-?\d*\.?\d*(?=[\s,]|$)")
_BREAK = re.compile(r"\bBREAK\b,?")


def uncopied(prompt: str) -> tuple[str, str, tuple[str, ...]]:
    """(the prompt, what it says must not be there, a sentence for each thing that is taken out)."""
    notes, refused = [], []
    if found := _SETTINGS.search(prompt):
        notes.append(
            "the settings behind the prompt ('Steps: ...') are not read; give them to the node or the command."
        )
        prompt = prompt[: found.start()]
    prompt, *negative = _NEGATIVE.split(prompt, maxsplit=1)
    refused += negative

    def option(found: re.Match[str]) -> str:
        if found["name"].lower() == "no":
            refused.append(found["value"].strip())
        else:
            notes.append(f"{found[0].strip()!r} is an option of another tool and is not read.")
        return ""

    prompt = _OPTION.sub(option, prompt)
    for tag in _LORA.findall(prompt):
        notes.append(f"{tag!r} is not read: a LoRA is loaded by a node, not by the prompt.")
    prompt = _BREAK.sub(",", _LORA.sub("", prompt))
    if _WEIGHT.search(prompt):
        notes.append("weights are written (word:1.2) here; those behind '::' are not read.")
        prompt = _WEIGHT.sub(",", prompt)
    return prompt, ", ".join(text.strip(" \t\n\"'{}.,") for text in refused), tuple(notes)
