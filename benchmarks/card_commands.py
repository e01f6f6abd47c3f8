"""The commands on a card, as a user meets them: a section of `benchmarks/card.py` like those of `card_sections`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from card_sheet import Sheet

__all__ = ["commands"]

PROMPT = "a red ball rolls to the left on grass at noon"
EDITS = {
    "animate": ["{still}", PROMPT],
    "extend": ["{clip}", PROMPT],
    "loop": ["{clip}", PROMPT],
    "connect": ["{clip}", "{clip}", PROMPT],
    "fill": ["{clip}", PROMPT, "--frames", "5-8"],
    "restyle": ["{clip}", "a blue cube rolls to the left on sand at noon"],
}
"""edit operation -> its arguments"""


def commands(sheet: Sheet) -> None:
    """`sora generate` in a process of its own, start of Python and all; then every edit operation once, in this one."""
    import av

    if not hasattr(av, "__version__"):
        sheet.row("commands not run", "PyAV is not here, so no video can be written; put its wheel into --wheels")
        return
    from sora_nodes.cli import main

    device, steps = str(sheet.device), ["--steps", "2"] * sheet.small
    with tempfile.TemporaryDirectory() as folder:
        places = {"clip": str(Path(folder, "clip.mp4")), "still": str(Path(folder, "still.png"))}
        options = ["--device", device, "--seed", "1", *steps]
        for name in ("first", "second"):
            command = ["generate", PROMPT, "-o", places["clip"], *options]
            began = time.perf_counter()
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-m", "sora_nodes.cli", *command],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            took = time.perf_counter() - began
            said = done.stderr.strip().splitlines()[-1:] or [""]
            sheet.row(f"sora generate, {name} time", took, "s", ended=done.returncode, said=said[0][:200])
        main(["generate", PROMPT, "-o", places["still"], *options])
        for name, given in EDITS.items():
            if sheet.left() < 5:
                sheet.row(f"sora {name} not begun", sheet.left(), "s left")
                continue
            out = str(Path(folder, f"{name}.mp4"))
            began = time.perf_counter()
            ended = main([name, *(part.format(**places) for part in given), "-o", out, *options])
            sheet.row(f"sora {name}", time.perf_counter() - began, "s", ended=ended)
        sheet.save()
