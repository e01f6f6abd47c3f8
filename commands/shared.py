"""What commands share: options and their values, and names for files that were given none."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from ..sora_core.claims import Claim, claim_first, sweep
from ..sora_core.errors import InputError

__all__ = ["FAST", "SAMPLING", "asked_sampling", "free_name", "given", "names_released", "size"]

OUTPUT = Path("output")
"""where files without a name of their own go"""
CHOSEN: list[Claim] = []
"""claims to the names that were chosen for this run"""
SAMPLING = ("steps", "cfg")
FAST = "4 steps without guidance, by weights made for them"


def size(text: str) -> tuple[int, int]:
    """`128x72` as (width, height)."""
    match = re.fullmatch(r"(\d{1,5})[x×*](\d{1,5})", text.strip().lower())
    if not match:
        raise argparse.ArgumentTypeError(f"a size is WIDTHxHEIGHT, such as 128x72, not {text!r}")
    return int(match[1]), int(match[2])


def asked_sampling(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of sampling that the user gave. Raises InputError for any beside --fast, which has its own."""
    sampling = given(args, SAMPLING)
    if args.fast and sampling:
        raise InputError(f"--fast has steps and cfg of its own; leave out --{' and --'.join(sampling)}.")
    return sampling


def given(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Those of the options that the user gave."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def free_name(prompt: str, ending: str) -> Path:
    """A name made of the prompt's first words that no file has yet, in the folder for output; no other run chooses it
    until this one is over."""
    words = "-".join(re.findall(r"\w+", prompt.lower())[:8])[:60] or "untitled"
    try:
        OUTPUT.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {OUTPUT} cannot be made here ({error.strerror}); name a file with -o.") from error
    names = (OUTPUT / f"{words}{'' if i == 1 else f'-{i}'}{ending}" for i in count(1))
    sweep(OUTPUT)
    name, claim = claim_first(names)
    CHOSEN.append(claim)
    return name


@contextmanager
def names_released() -> Iterator[None]:
    """Lets other runs choose names again when the work is over."""
    try:
        yield
    finally:
        while CHOSEN:
            CHOSEN.pop().release()
