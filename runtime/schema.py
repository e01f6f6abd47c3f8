"""The part of ComfyUI's V3 node schema that our nodes use, for machines without ComfyUI.

`nodes/host.py` takes `io` from ComfyUI where it is installed and this module where it is not. Only the fields we use
are here; what `GET_NODE_INFO_V1` gives is what the host's `/object_info` gives (compared in the tests against a real
ComfyUI).

    class Blur(io.ComfyNode):
        def define_schema(cls): return io.Schema(node_id="SoraBlur", inputs=[io.Image.Input("image")],
        outputs=[io.Image.Output()])
        def execute(cls, image): return io.NodeOutput(blurred)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any, ClassVar

__all__ = [
    "AnyType", "Audio", "Boolean", "Clip", "Combo", "ComfyExtension", "ComfyNode", "Conditioning", "Custom",
    "DynamicCombo", "Float", "FolderType", "Hidden", "Image", "Int", "Latent", "Mask", "Model", "NodeOutput",
    "Schema", "String", "UploadType", "Vae", "Video",
]  # fmt: skip


class FolderType(str, Enum):
    """The folders that files shown in the interface live in."""

    input = "input"
    output = "output"
    temp = "temp"


class UploadType(str, Enum):
    """What a file list offers to upload; the value is the flag the interface looks for."""

    image = "image_upload"
    video = "video_upload"


class Hidden(str, Enum):
    """What a node may ask the runtime for beside its inputs."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


def _given(**fields: Any) -> dict[str, Any]:
    """Only the fields that were given: absent ones do not appear in `/object_info`."""
    return {key: value for key, value in fields.items() if value is not None}


class Input:
    """A socket, or the base of a widget. `io_type` is set by the type that the class hangs on."""

    io_type: ClassVar[str] = "*"

    def __init__(
        self, id: str, display_name: str | None = None, optional: bool = False, tooltip: str | None = None
    ) -> None:
        self.id, self.display_name, self.optional, self.tooltip = id, display_name, optional, tooltip

    def as_dict(self) -> dict[str, Any]:
        return _given(display_name=self.display_name, tooltip=self.tooltip)

    def get_io_type(self) -> str:
        return self.io_type


class WidgetInput(Input):
    """An input with a widget: a value in the node's face that a link may replace."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        default: Any = None,
        force_input: bool | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip)
        self.default, self.force_input, self.fields = default, force_input, fields

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | _given(default=self.default, forceInput=self.force_input, **self.fields)


class Output:
    """A socket that gives a value."""

    io_type: ClassVar[str] = "*"

    def __init__(self, id: str | None = None, display_name: str | None = None, tooltip: str | None = None) -> None:
        self.id, self.display_name, self.tooltip = id, display_name, tooltip
        self.is_output_list = False


def Custom(io_type: str) -> Any:
    """A type known by its name alone, with its `Input` and `Output`."""
    return SimpleNamespace(
        io_type=io_type,
        Input=type("Input", (Input,), {"io_type": io_type}),
        Output=type("Output", (Output,), {"io_type": io_type}),
    )


class Boolean:
    """A switch."""

    class Input(WidgetInput):
        io_type = "BOOLEAN"

    class Output(Output):
        io_type = "BOOLEAN"


class Int:
    """A whole number."""

    class Input(WidgetInput):
        io_type = "INT"

        def __init__(
            self,
            id: str,
            *,
            min: int | None = None,
            max: int | None = None,
            step: int | None = None,
            control_after_generate: bool | None = None,
            **common: Any,
        ) -> None:
            super().__init__(id, **common, min=min, max=max, step=step, control_after_generate=control_after_generate)

    class Output(Output):
        io_type = "INT"


class Float:
    """A number."""

    class Input(WidgetInput):
        io_type = "FLOAT"

        def __init__(
            self,
            id: str,
            *,
            min: float | None = None,
            max: float | None = None,
            step: float | None = None,
            round: float | None = None,
            **common: Any,
        ) -> None:
            super().__init__(id, **common, min=min, max=max, step=step, round=round)

    class Output(Output):
        io_type = "FLOAT"


class String:
    """Text, in one line or many."""

    class Input(WidgetInput):
        io_type = "STRING"

        def __init__(
            self, id: str, *, multiline: bool = False, dynamic_prompts: bool | None = None, **common: Any
        ) -> None:
            super().__init__(id, **common, multiline=multiline, dynamicPrompts=dynamic_prompts)

    class Output(Output):
        io_type = "STRING"


class Combo:
    """One of a list."""

    class Input(WidgetInput):
        io_type = "COMBO"

        def __init__(
            self,
            id: str,
            options: list[str] | list[int] | None = None,
            *,
            upload: UploadType | None = None,
            **common: Any,
        ) -> None:
            flags: dict[str, Any] = {upload.value: True} if upload else {}
            super().__init__(id, **common, multiselect=False, options=options, **flags)

    class Output(Output):
        io_type = "COMBO"


def _grouped(inputs: list[Input]) -> dict[str, dict[str, Any]]:
    """Inputs as `/object_info` lists them, by whether they must be given."""
    groups: dict[str, dict[str, Any]] = {"required": {}}
    for item in inputs:
        groups.setdefault("optional" if item.optional else "required", {})[item.id] = (
            item.get_io_type(),
            item.as_dict(),
        )
    return groups


class DynamicCombo:
    """One of a list, each with further inputs, which are called `PARENT.CHILD`; `execute` takes them by that name."""

    @dataclass(frozen=True)
    class Option:
        key: str
        inputs: list[Any] = field(default_factory=list)

    class Input(Input):
        io_type = "COMFY_DYNAMICCOMBO_V3"

        def __init__(self, id: str, options: list[DynamicCombo.Option], **common: Any) -> None:
            super().__init__(id, **common)
            self.options = options

        def as_dict(self) -> dict[str, Any]:
            options = [{"key": option.key, "inputs": _grouped(option.inputs)} for option in self.options]
            return super().as_dict() | {"options": options}


Image = Custom("IMAGE")
Mask = Custom("MASK")
Latent = Custom("LATENT")
Conditioning = Custom("CONDITIONING")
Model = Custom("MODEL")
Clip = Custom("CLIP")
Vae = Custom("VAE")
Video = Custom("VIDEO")
Audio = Custom("AUDIO")
AnyType = Custom("*")


@dataclass
class Schema:
    """What a node is: its id, its place in the menu, its sockets and widgets."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False
    not_idempotent: bool = False

    def finalize(self) -> None:
        """An output node is told the workflow, so that it can put it into the file."""
        if self.is_output_node:
            self.hidden += [h for h in (Hidden.prompt, Hidden.extra_pnginfo) if h not in self.hidden]

    def info(self, python_module: str) -> dict[str, Any]:
        """This node's entry in `/object_info`."""
        inputs = _grouped(self.inputs)
        if self.hidden:
            inputs["hidden"] = {h.name: (h.value,) for h in self.hidden}
        return {
            "input": inputs,
            "input_order": {kind: list(names) for kind, names in inputs.items()},
            "output": [o.io_type for o in self.outputs],
            "output_is_list": [o.is_output_list for o in self.outputs],
            "output_name": [o.display_name or o.io_type for o in self.outputs],
            "output_tooltips": [o.tooltip or None for o in self.outputs],
            "name": self.node_id,
            "display_name": self.display_name,
            "description": self.description,
            "python_module": python_module,
            "category": self.category,
            "output_node": self.is_output_node,
            "deprecated": False,
            "experimental": False,
            "api_node": False,
        }


class NodeOutput:
    """What `execute` returns: the outputs in order, and what to show on the node."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args, self.ui = args, ui

    @property
    def result(self) -> tuple[Any, ...]:
        return self.args


class ComfyNode:
    """The base of every node, which adds `define_schema` and a classmethod `execute` that takes the inputs by name."""

    execute: ClassVar[Any]
    RELATIVE_PYTHON_MODULE: ClassVar[str] = "nodes"
    hidden: ClassVar[SimpleNamespace] = SimpleNamespace(unique_id=None, prompt=None, extra_pnginfo=None)
    """what the schema asked for, while the node runs"""

    @classmethod
    def define_schema(cls) -> Schema:
        raise NotImplementedError

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        schema = cls.define_schema()
        schema.finalize()
        return schema

    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]:
        return cls.GET_SCHEMA().info(cls.RELATIVE_PYTHON_MODULE)

    @classmethod
    def PREPARE_CLASS_CLONE(cls, hidden: dict[Any, Any]) -> type[ComfyNode]:
        """A copy of the class for one call, so that nothing of one run is left in the next."""
        known = {h.name: hidden.get(h) for h in Hidden}
        return type(cls.__name__, (cls,), {"hidden": SimpleNamespace(**known)})

    @classmethod
    def EXECUTE_NORMALIZED(cls, **kwargs: Any) -> NodeOutput:
        """`execute`, which may return a `NodeOutput`, a tuple or nothing."""
        result = cls.execute(**kwargs)
        if isinstance(result, NodeOutput):
            return result
        if result is None:
            return NodeOutput()
        if isinstance(result, tuple):
            return NodeOutput(*result)
        raise TypeError(f"{cls.__name__}.execute must return io.NodeOutput or a tuple, not {type(result).__name__}")


class ComfyExtension:
    """A pack of nodes."""

    async def on_load(self) -> None:
        return None

    async def get_node_list(self) -> list[type[ComfyNode]]:
        raise NotImplementedError
