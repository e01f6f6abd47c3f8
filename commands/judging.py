"""Commands that judge files one by one: a file that cannot be read does not silence the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..sora_core.errors import Cancelled, SoraError
from .terminal import note, say

__all__ = ["UNREAD", "judge_each"]

UNREAD = 2
"""exit code where a file could not be read"""


def judge_each(files: Sequence[Path], judge: Callable[[Path], Any], *, as_json: bool) -> tuple[list[Any], bool]:
    """Says the verdict on each file, a sentence or a JSON object, or why there is none. Returns the verdicts and
    whether a file could not be read."""
    verdicts: list[Any] = []
    for path in files:
        try:
            verdict = judge(path)
        except Cancelled:
            raise
        except SoraError as error:
            if as_json:
                say(json.dumps({"file": str(path), "error": str(error)}))
            note(str(error))
            continue
        say(json.dumps({"file": str(path), **asdict(verdict)}) if as_json else f"{path}: {verdict.sentence()}")
        verdicts.append(verdict)
    return verdicts, len(verdicts) < len(files)
