"""All that is claimed of a graphics card, in one run: `python benchmarks/card.py --seconds 160`.

The most valuable rows come first, each section stands for itself (an error is one line and the next begins), rows are
printed as they are measured, and `--json FILE` (or the folder in $OUT) has them too. Works on a bare machine: the
packages it lacks may lie as wheels in the folder `--wheels`. `--device cpu --small` tries every line in a minute.
`--only machine,eight_bit,parity,bundled,operations,forward,convolutions --seconds 95` measures, in this order, what no
card has shown yet: fp8, parity, every edit operation; `commands` (`sora generate` and the like) needs PyAV.

Figures are medians of paired runs. `floor`: the bare products and attentions of the same shapes.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from card_sheet import Sheet

ROOT = Path(__file__).resolve().parent.parent


def set_up(wheels: Path) -> None:
    """Make `sora_nodes` importable, and what the wheels hold."""
    made = Path(tempfile.mkdtemp())
    sys.path.insert(0, str(made))
    if not importlib.util.find_spec("sora_nodes"):
        (made / "sora_nodes").symlink_to(ROOT)
    found = [str(w) for w in sorted(wheels.glob("*.whl")) if not importlib.util.find_spec(w.name.split("-")[0])]
    if found:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
        subprocess.run([*pip, "--target", str(made), *found], check=False)  # noqa: S603
        importlib.invalidate_caches()
    if not importlib.util.find_spec("av"):  # nothing here reads or writes a video file
        sys.meta_path.append(StandIn("av"))


class Absent(ModuleType):
    """A package that is not here: anything may be imported from it, and nothing used."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class StandIn(MetaPathFinder, Loader):
    """Finds a package that is not here, and all within it."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == self.package else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=160, help="no section begins after so many seconds")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--small", action="store_true", help="tiny sizes: does every line run?")
    parser.add_argument(
        "--wheels", type=Path, default=ROOT / ".wheels", help="a folder of packages that may be missing"
    )
    parser.add_argument("--only", default="", help="sections in this order, parted by commas; parts of names do")
    parser.add_argument("--json", type=Path, help="where the rows go; without it card.json in the folder $OUT")
    args = parser.parse_args()
    set_up(args.wheels)
    out = os.environ.get("OUT")
    import torch

    sheet = Sheet(
        args.seconds, torch.device(args.device), args.small, args.json or (Path(out) / "card.json" if out else None)
    )
    torch.manual_seed(0)
    import card_commands
    import card_sections

    known = (*card_sections.SECTIONS, card_commands.operations, card_commands.commands)
    for section in dict.fromkeys(s for name in args.only.split(",") for s in known if name in s.__name__):
        if sheet.left() < 5:
            sheet.row(f"{section.__name__} not begun", sheet.left(), "s left")
            continue
        try:
            with torch.inference_mode():
                section(sheet)
        except Exception as error:
            sheet.row(f"{section.__name__} failed", f"{type(error).__name__}: {str(error)[:300]}".replace("\n", " "))
        sheet.save()
        gc.collect()
        if sheet.device.type == "cuda":
            torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main())
