"""Sora / model: MODEL to MODEL, so that stock samplers sample as Sora Sampler does."""

from __future__ import annotations

from typing import Any

from . import models
from .host import io

__all__ = ["NODES"]

CATEGORY = "Sora/model"


class SoraRingTime(io.ComfyNode):
    """The time axis is a ring"""

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
    """What a LATENT of ours knows and a stock sampler does not read"""

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


NODES: list[type[io.ComfyNode]] = [SoraRingTime, SoraModelForLatent]
