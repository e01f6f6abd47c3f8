"""`sora info`: versions, device, and the weights with what they know."""

from __future__ import annotations

import argparse
import json
import math
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .terminal import say

if TYPE_CHECKING:
    from ..sora_core.pipeline.stored import StoredRun

PACKAGES = ("sora-nodes", "torch", "numpy", "safetensors", "av", "pillow")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("output"), metavar="DIR", help="whose stopped runs to list (default: output)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def execute(args: argparse.Namespace) -> int:
    report = {"versions": versions(), "device": device(), "weights": weights(), "knows": vocabulary()}
    report["stored_runs"] = stored(args.out)
    say(json.dumps(report) if args.json else text(report))
    return 0


def stored(folder: Path) -> list[dict[str, Any]]:
    """Runs that were stopped and will go on when they are asked for again."""
    from ..sora_core.pipeline.stored import stored_runs

    return [
        {"file": str(run.path), "done": progress_of(run), "megabytes": round(run.bytes / 1e6, 1)}
        for run in stored_runs(folder)
    ]


def progress_of(run: StoredRun) -> str:
    """How far a stopped run is, for a person."""
    return f"{run.step} of {run.steps} steps" if run.segments is None else f"{run.segments} segments decoded"


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def device() -> dict[str, Any]:
    """The best that is here for `--device`."""
    import torch

    from ..sora_core.layers import kernels

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        said = {"type": "cuda", "name": card.name, "memory_gb": round(card.total_memory / 1e9, 1)}
        return {**said, "kernels": "; ".join(kernels.for_device("cuda").notes())}
    return {"type": "cpu", "name": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}


def weights() -> list[dict[str, Any]]:
    """What each bundled file says of itself."""
    from ..sora_core.checkpoints import BUNDLED, read_header

    found = []
    for path in sorted(BUNDLED.glob("*.safetensors")):
        header = read_header(path)
        found.append(
            {
                "name": path.name,
                "megabytes": round(path.stat().st_size / 1e6, 1),
                "parameters": sum(math.prod(shape) for shape in header.shapes.values()),
                "metadata": {key: value for key, value in header.metadata.items() if key != "format"},
            }
        )
    return found


def vocabulary() -> dict[str, list[str]]:
    """What the bundled weights were trained on, by kind: of all that captions can say, what their text encoder has
    words for."""
    from ..sora_core.weights import vocabulary as bundled_words
    from ..sora_core.world import nouns, words
    from ..sora_core.world.expand import unknown_words

    known = bundled_words()
    things: dict[str, tuple[str, ...]] = {name: (name,) for name in (*words.SHAPE_WORDS, *nouns.NOUNS)}
    tables: dict[str, dict[str, tuple[str, ...]]] = {
        "colours": words.COLOUR_WORDS,
        "things": things,
        "motions": {
            name: tuple(spoken(phrase) for phrase in phrases) for name, phrases in words.MOTION_PHRASES.items()
        },
        "grounds": words.GROUND_PHRASES,
        "light": words.LIGHT_PHRASES,
        "camera": words.CAMERA_PHRASES,
        "styles": words.STYLE_PHRASES,
    }
    return {
        kind: [name for name, phrases in table.items() if not unknown_words(phrases[0], known)]
        for kind, table in tables.items()
    }


def spoken(phrase: str) -> str:
    """The plain words of a motion's phrase: its verbs bare, nothing for the places that captions fill."""
    return re.sub(r"<\w+>", "", phrase.replace("{", "").replace("}", ""))


def text(report: dict[str, Any]) -> str:
    lines = ["versions  " + ", ".join(f"{name} {number}" for name, number in report["versions"].items())]
    lines.append("device    " + ", ".join(f"{key} {value}" for key, value in report["device"].items()))
    for entry in report["weights"]:
        extra = "".join(f", {key} {value}" for key, value in entry["metadata"].items() if len(value) < 60)
        lines.append(f"weights   {entry['name']}: {entry['parameters']:,} parameters, {entry['megabytes']} MB{extra}")
    for run in report["stored_runs"]:
        lines.append(f"stopped   {run['file']}: {run['done']}, {run['megabytes']} MB")
    if not report["weights"]:
        lines.append("weights   none are bundled; train them with `sora train`")
        return "\n".join(lines)
    return "\n".join([*lines, *(f"knows     {kind}: {', '.join(names)}" for kind, names in report["knows"].items())])
