"""Values that a workflow names once and links to several nodes, and what shows one."""

from __future__ import annotations

import json
import sys
from typing import Any

from ...runtime import schema as io
from ...runtime import ui

__all__ = ["NODES"]


class Primitive(io.ComfyNode):
    """The base of nodes that hand on the value of their one widget."""

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:
        return io.NodeOutput(value)


class PrimitiveString(Primitive):
    """A line of text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveString",
            display_name="Text",
            category="utilities/primitive",
            inputs=[io.String.Input("value")],
            outputs=[io.String.Output()],
        )


class PrimitiveStringMultiline(Primitive):
    """Text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveStringMultiline",
            display_name="Text (Multiline)",
            category="utilities/primitive",
            inputs=[io.String.Input("value", multiline=True)],
            outputs=[io.String.Output()],
        )


class PrimitiveInt(Primitive):
    """A whole number."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveInt",
            display_name="Int",
            category="utilities/primitive",
            inputs=[io.Int.Input("value", min=-sys.maxsize, max=sys.maxsize, control_after_generate=True)],
            outputs=[io.Int.Output()],
        )


class PrimitiveFloat(Primitive):
    """A number."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveFloat",
            display_name="Float",
            category="utilities/primitive",
            inputs=[io.Float.Input("value", min=-sys.maxsize, max=sys.maxsize, step=0.1)],
            outputs=[io.Float.Output()],
        )


class PrimitiveBoolean(Primitive):
    """A switch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveBoolean",
            display_name="Boolean",
            category="utilities/primitive",
            inputs=[io.Boolean.Input("value")],
            outputs=[io.Boolean.Output()],
        )


class SwitchNode(io.ComfyNode):
    """One of two values; what leads to the other one alone is not run."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ComfySwitchNode",
            display_name="If/Else Switch",
            category="utilities/logic",
            inputs=[io.Boolean.Input("switch"), io.AnyType.Input("on_false"), io.AnyType.Input("on_true")],
            outputs=[io.AnyType.Output(display_name="output")],
        )

    @classmethod
    def execute(cls, switch: bool, on_false: Any = None, on_true: Any = None) -> io.NodeOutput:
        return io.NodeOutput(on_true if switch else on_false)


class GetImageSize(io.ComfyNode):
    """Width, height and number of pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GetImageSize",
            display_name="Get Image Size",
            category="image",
            inputs=[io.Image.Input("image")],
            outputs=[
                io.Int.Output(display_name="width"),
                io.Int.Output(display_name="height"),
                io.Int.Output(display_name="batch_size"),
            ],
        )

    @classmethod
    def execute(cls, image: Any) -> io.NodeOutput:
        frames, height, width, _ = image.shape
        return io.NodeOutput(width, height, frames)


class PreviewAny(io.ComfyNode):
    """Any value as text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewAny",
            display_name="Preview as Text",
            category="utilities",
            inputs=[io.AnyType.Input("source")],
            outputs=[io.String.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, source: Any) -> io.NodeOutput:
        text = source if isinstance(source, str) else written(source)
        return io.NodeOutput(text, ui=ui.PreviewText(text))


def written(value: Any) -> str:
    """A value as JSON where it can be, else as Python writes it."""
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


NODES: list[type[io.ComfyNode]] = [
    PrimitiveString, PrimitiveStringMultiline, PrimitiveInt, PrimitiveFloat, PrimitiveBoolean, SwitchNode, GetImageSize,
    PreviewAny,
]  # fmt: skip
