"""Loaders of published weights: each brings one part of a `SoraModel` (`native.parts`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...runtime import schema as io
from ...runtime import ui
from ...runtime.session import current
from ...sora_core.errors import InputError
from ..inputs import checked
from ..native.parts import part_of
from ..patches import SoraLoadLora

if TYPE_CHECKING:
    from ...sora_core.open_weights import OpenModel

__all__ = ["NODES"]

KEPT = "default"
"""the weight_dtype that is the file's own"""


def files_input(name: str, kind: str) -> Any:
    return io.Combo.Input(
        name, options=current().model_files(kind), tooltip=f"a .safetensors file in {current().models / kind}"
    )


def fits(kind: str, name: str | None, component: str) -> bool | str:
    """Whether a file holds what its loader brings, else what is wrong; a name that is linked is not known yet."""

    def check() -> bool:
        from ...sora_core.open_weights import check_part

        if name is not None:
            check_part(current().model_path(kind, name), component)
        return True

    return checked(check)


def note_of(loaded: OpenModel) -> ui.PreviewText | None:
    """What there is to know of weights, on the node that loaded them."""
    return ui.PreviewText(loaded.note) if loaded.note else None


class UNETLoader(io.ComfyNode):
    """A published transformer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="UNETLoader",
            display_name="Load Diffusion Model",
            category="advanced/loaders",
            inputs=[
                files_input("unet_name", "diffusion_models"),
                io.Combo.Input("weight_dtype", options=["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def validate_inputs(cls, unet_name: str | None = None, weight_dtype: str | None = None) -> bool | str:
        if weight_dtype not in (None, KEPT):
            return f"weights keep the type of their file: set weight_dtype to {KEPT}, or take an fp8 file"
        return fits("diffusion_models", unet_name, "transformer")

    @classmethod
    def execute(cls, unet_name: str, weight_dtype: str) -> io.NodeOutput:
        from ...sora_core.open_weights import geometry_of, load_part, published

        if weight_dtype != KEPT:
            raise InputError(f"weights keep the type of their file: set weight_dtype to {KEPT}, not {weight_dtype}")
        loaded = load_part(current().model_path("diffusion_models", unet_name), "transformer", device=current().device)
        config: Any = loaded.module.config
        part = part_of(geometry_of(config), dit=loaded.module, settings=published(config).settings)
        return io.NodeOutput(part, ui=note_of(loaded))


class CLIPLoader(io.ComfyNode):
    """A published text encoder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CLIPLoader",
            display_name="Load CLIP",
            category="advanced/loaders",
            inputs=[
                files_input("clip_name", "text_encoders"),
                io.Combo.Input("type", options=["wan"]),
                io.Combo.Input("device", options=["default", "cpu"], optional=True),
            ],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def validate_inputs(cls, clip_name: str | None = None) -> bool | str:
        return fits("text_encoders", clip_name, "text")

    @classmethod
    def execute(cls, clip_name: str, type: str, device: str = "default") -> io.NodeOutput:
        from ...sora_core.open_weights import OpenText, OpenTokens, load_part

        where = "cpu" if device == "cpu" else current().device
        loaded: Any = load_part(current().model_path("text_encoders", clip_name), "text", device=where)
        return io.NodeOutput(
            part_of(text=OpenText(loaded.module), tokenizer=OpenTokens(loaded.tokens)), ui=note_of(loaded)
        )


class VAELoader(io.ComfyNode):
    """A published codec."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VAELoader",
            display_name="Load VAE",
            category="loaders",
            inputs=[files_input("vae_name", "vae")],
            outputs=[io.Vae.Output()],
        )

    @classmethod
    def validate_inputs(cls, vae_name: str | None = None) -> bool | str:
        return fits("vae", vae_name, "codec")

    @classmethod
    def execute(cls, vae_name: str) -> io.NodeOutput:
        from ...sora_core.open_weights import load_part

        session = current()
        loaded: Any = load_part(session.model_path("vae", vae_name), "codec", device=session.device)
        session.codecs[loaded.module.geometry.channels] = loaded.module
        return io.NodeOutput(part_of(codec=loaded.module), ui=note_of(loaded))


class LoraLoaderModelOnly(io.ComfyNode):
    """A LoRA on a published transformer."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoraLoaderModelOnly",
            display_name="LoraLoaderModelOnly",
            category="loaders",
            inputs=[
                io.Model.Input("model"),
                files_input("lora_name", "loras"),
                io.Float.Input("strength_model", default=1.0, min=-100.0, max=100.0, step=0.01),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def validate_inputs(cls, lora_name: str | None = None) -> bool | str:
        return SoraLoadLora.validate_inputs(lora_name)

    @classmethod
    def execute(cls, model: Any, lora_name: str, strength_model: float) -> io.NodeOutput:
        return SoraLoadLora.execute(model, lora_name, strength_model)


NODES = [UNETLoader, CLIPLoader, VAELoader, LoraLoaderModelOnly]
