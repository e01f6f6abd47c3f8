"""Sora / model: steps that would change little are not computed."""

from __future__ import annotations

from typing import Any

from . import models
from .host import io

__all__ = ["NODES"]


class SoraFeatureCache(io.ComfyNode):
    """MODEL to MODEL"""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraFeatureCache",
            display_name="Sora Feature Cache",
            category="Sora/model",
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


NODES: list[type[io.ComfyNode]] = [SoraFeatureCache]
