"""Toy nodes for the tests of the runtime: numbers instead of videos, with every kind of input a real node has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sora_nodes.runtime import schema as io
from sora_nodes.runtime import ui
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.session import Session, current
from sora_nodes.sora_core.errors import InputError

CALLS: list[str] = []
"""What ran, in order; tests clear it."""


class ToyNumber(io.ComfyNode):
    """A number with a seed, a list and a switch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToyNumber",
            display_name="Toy Number",
            category="toys",
            inputs=[
                io.Float.Input("value", default=1.0, min=-1000.0, max=1000.0, tooltip="the number"),
                io.Int.Input("seed", default=0, min=0, max=2**53, control_after_generate=True),
                io.Combo.Input("kind", options=["plain", "double"], default="plain"),
                io.Boolean.Input("negate", default=False),
                io.String.Input("note", default="", multiline=True, optional=True),
            ],
            outputs=[io.Float.Output(display_name="number"), io.String.Output()],
        )

    @classmethod
    def execute(cls, value: float, seed: int, kind: str, negate: bool, note: str = "") -> io.NodeOutput:
        CALLS.append(f"number {value:g}")
        out = (value + seed) * (2 if kind == "double" else 1) * (-1 if negate else 1)
        if note == "fail":
            raise InputError("the note says fail; give another")
        return io.NodeOutput(out, note)


class ToyAdd(io.ComfyNode):
    """Two numbers in, their sum out."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        numbers = [io.Float.Input(name, force_input=True) for name in ("a", "b")]
        return io.Schema(node_id="ToyAdd", inputs=[*numbers], outputs=[io.Float.Output()])

    @classmethod
    def execute(cls, a: float, b: float) -> tuple[float]:
        CALLS.append(f"add {a:g} {b:g}")
        return (a + b,)


class ToyImage(io.ComfyNode):
    """An output of a type that no number fits, and an input file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        files = current().input_files("image")
        return io.Schema(
            node_id="ToyImage",
            inputs=[io.Combo.Input("image", options=files, upload=io.UploadType.image)],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def validate_inputs(cls, image: str) -> bool:
        return current().input_path(image).is_file()

    @classmethod
    def fingerprint_inputs(cls, image: str) -> float:
        return current().input_path(image).stat().st_mtime

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:
        CALLS.append(f"image {image}")
        return io.NodeOutput(current().input_path(image).read_bytes())


class ToySize(io.ComfyNode):
    """Shows the size of a file on the node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="ToySize", inputs=[io.Image.Input("image")], is_output_node=True)

    @classmethod
    def execute(cls, image: bytes) -> io.NodeOutput:
        return io.NodeOutput(ui=ui.PreviewText(str(len(image))))


class ToySave(io.ComfyNode):
    """Writes its number into a text file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ToySave",
            inputs=[io.Float.Input("number", force_input=True), io.String.Input("filename_prefix", default="toy")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, number: float, filename_prefix: str) -> io.NodeOutput:
        CALLS.append(f"save {number:g}")
        path, name = current().output_path(filename_prefix, ".txt")
        path.write_text(f"{number:g}")
        folder, _, file = name.rpartition("/")
        return io.NodeOutput(ui=ui.SavedImages([ui.SavedResult(file, folder, io.FolderType.output)]))


TOYS = [ToyNumber, ToyAdd, ToyImage, ToySize, ToySave]


def registry() -> Registry:
    """A fresh registry of the toys."""
    return Registry(TOYS)


def session(root: Path, **changes: Any) -> Session:
    """Folders under `root`."""
    (root / "input").mkdir(exist_ok=True)
    return Session(input=root / "input", output=root / "output", temp=root / "temp", **changes)


def number(value: float = 1.0, **inputs: Any) -> dict[str, Any]:
    """A ToyNumber in the API's format."""
    return {
        "class_type": "ToyNumber",
        "inputs": {"value": value, "seed": 0, "kind": "plain", "negate": False, **inputs},
    }


def sum_workflow() -> dict[str, Any]:
    """(1 + 2), saved: the smallest workflow with two loaders, a join and an output."""
    return {
        "1": number(1.0),
        "2": number(2.0),
        "3": {"class_type": "ToyAdd", "inputs": {"a": ["1", 0], "b": ["2", 0]}},
        "4": {"class_type": "ToySave", "inputs": {"number": ["3", 0], "filename_prefix": "sum"}},
    }
