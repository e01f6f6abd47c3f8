"""Sora / model: MODEL to MODEL, for any sampler."""

from __future__ import annotations

from typing import Any

from . import host, models
from .host import io, ui
from .inputs import checked

__all__ = ["NODES", "SoraLoadLora"]

CATEGORY = "Sora/model"


class SoraRingTime(io.ComfyNode):
    """The MODEL under which a clip has no first frame: its time axis is a ring."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraRingTime",
            display_name="Sora Ring Time",
            category=CATEGORY,
            description=(
                "Makes any video MODEL sample loops: at every step it sees the clip from another beginning, so none is"
                " left."
            ),
            inputs=[io.Model.Input("model", tooltip="The video model: ours, or any of ComfyUI's.")],
            outputs=[io.Model.Output(tooltip="For any sampler.")],
        )

    @classmethod
    def execute(cls, model: Any) -> io.NodeOutput:
        return io.NodeOutput(models.current().ring_time(model))


class SoraModelForLatent(io.ComfyNode):
    """The MODEL informed of what a LATENT of ours knows and a stock sampler does not read."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraModelForLatent",
            display_name="Sora Model For Latent",
            category=CATEGORY,
            description=(
                "Tells the MODEL what a stock sampler does not read from a LATENT of ours; then it samples as Sora"
                " Sampler does."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The video model: ours, or any of ComfyUI's."),
                io.Latent.Input(
                    "latent",
                    tooltip="What is sampled: from Sora Noise Grid or from an edit. Link it to the sampler too.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="For a sampler of this latent.")],
        )

    @classmethod
    def execute(cls, model: Any, latent: Any) -> io.NodeOutput:
        return io.NodeOutput(models.current().for_latent(model, latent))


class SoraFeatureCache(io.ComfyNode):
    """The MODEL that leaves out steps which would change little."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraFeatureCache",
            display_name="Sora Feature Cache",
            category=CATEGORY,
            description="Samples faster: where a step would change little, it is carried on from the steps before it.",
            inputs=[
                io.Model.Input("model", tooltip="The video model: ours, or any of ComfyUI's."),
                io.Float.Input(
                    "threshold",
                    default=0.05,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip=(
                        "How far the model's output may move, as a fraction of its size, before it runs again. 0 is"
                        " off."
                    ),
                ),
            ],
            outputs=[io.Model.Output(tooltip="For any sampler.")],
        )

    @classmethod
    def execute(cls, model: Any, threshold: float) -> io.NodeOutput:
        return io.NodeOutput(models.current().feature_cache(model, threshold))


class SoraLoadLora(io.ComfyNode):
    """The MODEL with a LoRA file on it; several in a row add up."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoadLora",
            display_name="Sora Load LoRA",
            category=CATEGORY,
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


NODES: list[type[io.ComfyNode]] = [SoraRingTime, SoraModelForLatent, SoraFeatureCache, SoraLoadLora]
