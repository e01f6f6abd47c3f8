"""Sora / model: LoRA files on a MODEL."""

from __future__ import annotations

from typing import Any

from . import host, models
from .host import io, ui
from .inputs import checked

__all__ = ["NODES"]


class SoraLoadLora(io.ComfyNode):
    """MODEL to MODEL; several in a row add up"""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoadLora",
            display_name="Sora Load LoRA",
            category="Sora/model",
            description="Puts a LoRA file on a MODEL of published weights, with a strength. Several in a row add up.",
            inputs=[
                io.Model.Input("model", tooltip="The model that the LoRA was made for."),
                io.Combo.Input(
                    "lora_name", options=host.lora_files(), tooltip="A .safetensors file in the folder loras."
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-20.0,
                    max=20.0,
                    step=0.05,
                    tooltip="How much of it is added; 0 is nothing, a negative number takes it away.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The model with the LoRA on it, for a sampler or the next LoRA.")],
        )

    @classmethod
    def validate_inputs(cls, lora_name: str | None = None) -> bool | str:
        """What is wrong with the file, before anything runs; a name that is linked is not known yet."""
        return checked(lambda: lora_name is None or host.check_lora(lora_name))

    @classmethod
    def fingerprint_inputs(cls, lora_name: str | None = None, **_: Any) -> int:
        return 0 if lora_name is None else host.lora_path(lora_name).stat().st_mtime_ns

    @classmethod
    def execute(cls, model: Any, lora_name: str, strength: float) -> io.NodeOutput:
        made, notes = models.current().with_lora(model, host.lora_path(lora_name), strength)
        return io.NodeOutput(made, ui=ui.PreviewText("\n".join(notes)) if notes else None)


NODES: list[type[io.ComfyNode]] = [SoraLoadLora]
