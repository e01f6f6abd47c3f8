"""Broken files of every kind give what can be read or a sentence, in bounded time; `fuzz_toys` does it at large."""

from pathlib import Path

import fuzz_toys
import pytest

CASES = {"videos": 250, "sounds": 250, "pictures": 400, "tags": 400, "weights": 600}


@pytest.mark.parametrize("kind", fuzz_toys.KINDS)
def test_broken_files_are_read_or_named(tmp_path: Path, kind: str) -> None:
    fuzz_toys.attack(kind, tmp_path, 0, CASES[kind])
