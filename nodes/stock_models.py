"""ComfyUI's own loaders of published weights and what goes with them, for machines without it: its workflows of Wan
run as they are.

MODEL, CLIP and VAE are each a `SoraModel` of which one part is there; what asks for another part is told which loader
brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runtime import schema as io
from ..runtime import ui
from ..runtime.session import current
from ..sora_core.errors import InputError
from ..sora_core.settings import StepRange
from .stock import run_sampler, sampler_inputs

if TYPE_CHECKING:
    from ..sora_core.grid import Geometry
    from ..sora_core.open_weights import OpenModel

__all__ = ["NODES"]

LOADED_BY = {"dit": "Load Diffusion Model", "text": "Load CLIP", "codec": "Load VAE"}


class NotLoaded:
    """In the place of a part that this loader did not load."""

    def __init__(self, part: str, geometry: Geometry | None = None) -> None:
        self.part = part
        if geometry is not None:
            self.geometry = geometry

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        hint = "; a sampler of published weights needs a negative prompt too" if self.part == "text" else ""
        raise InputError(f"this needs what {LOADED_BY[self.part]} gives: link it{hint}")

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self.called


def part_of(**parts: Any) -> Any:
    """A `SoraModel` with these parts alone."""
    from ..sora_core.pipeline import SoraModel

    missing = NotLoaded("text")
    return SoraModel(
        **{"dit": NotLoaded("dit"), "text": missing, "tokenizer": missing, "codec": NotLoaded("codec"), **parts}
    )


def files_input(name: str, kind: str) -> Any:
    return io.Combo.Input(
        name, options=current().model_files(kind), tooltip=f"a .safetensors file in {current().models / kind}"
    )


def said(loaded: OpenModel) -> ui.PreviewText | None:
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
    def execute(cls, unet_name: str, weight_dtype: str) -> io.NodeOutput:
        from ..sora_core.open_weights import geometry_of, load_part, published

        if weight_dtype != "default":
            raise InputError(
                f"weights keep the type of their file: set weight_dtype to default, not {weight_dtype}, or take an fp8"
                " file"
            )
        loaded = load_part(current().model_path("diffusion_models", unet_name), "transformer", device=current().device)
        config: Any = loaded.module.config
        part = part_of(
            dit=loaded.module,
            codec=NotLoaded("codec", geometry_of(config)),
            settings=published(config).settings,
        )
        return io.NodeOutput(part, ui=said(loaded))


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
    def execute(cls, clip_name: str, type: str, device: str = "default") -> io.NodeOutput:
        from ..sora_core.open_weights import OpenText, OpenTokens, load_part

        where = "cpu" if device == "cpu" else current().device
        loaded: Any = load_part(current().model_path("text_encoders", clip_name), "text", device=where)
        return io.NodeOutput(
            part_of(text=OpenText(loaded.module), tokenizer=OpenTokens(loaded.tokens)), ui=said(loaded)
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
    def execute(cls, vae_name: str) -> io.NodeOutput:
        from ..sora_core.open_weights import load_part

        loaded = load_part(current().model_path("vae", vae_name), "codec", device=current().device)
        return io.NodeOutput(part_of(codec=loaded.module), ui=said(loaded))


class ModelSamplingSD3(io.ComfyNode):
    """The shift of the noise levels."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ModelSamplingSD3",
            display_name="ModelSamplingSD3",
            category="advanced/model",
            inputs=[io.Model.Input("model"), io.Float.Input("shift", default=3.0, min=0.0, max=100.0, step=0.01)],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model: Any, shift: float) -> io.NodeOutput:
        return io.NodeOutput(model.with_settings(shift=shift))


class EmptyHunyuanLatentVideo(io.ComfyNode):
    """An empty grid of 16 channels, as Wan 2.1 has it too."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        side: dict[str, Any] = {"min": 16, "max": 16384, "step": 16}
        return io.Schema(
            node_id="EmptyHunyuanLatentVideo",
            display_name="EmptyHunyuanLatentVideo",
            category="latent/video",
            inputs=[
                io.Int.Input("width", default=848, **side),
                io.Int.Input("height", default=480, **side),
                io.Int.Input("length", default=25, min=1, max=16384, step=4),
                io.Int.Input("batch_size", default=1, min=1, max=4096),
            ],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(cls, width: int, height: int, length: int, batch_size: int) -> io.NodeOutput:
        import torch

        from ..sora_core.grid import Geometry

        wan = Geometry(channels=16)
        frames, factor = (length - 1) // wan.time_factor + 1, wan.space_factor
        return io.NodeOutput(
            {"samples": torch.zeros(batch_size, wan.channels, frames, height // factor, width // factor)}
        )


class KSamplerAdvanced(io.ComfyNode):
    """Some of the steps: two of these are how the two experts of Wan 2.2 A14B take turns."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="KSamplerAdvanced",
            display_name="KSampler (Advanced)",
            category="sampling",
            inputs=[
                io.Model.Input("model"),
                io.Combo.Input("add_noise", options=["enable", "disable"]),
                io.Int.Input("noise_seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True),
                *sampler_inputs(),
                io.Int.Input("start_at_step", default=0, min=0, max=10000),
                io.Int.Input("end_at_step", default=10000, min=0, max=10000),
                io.Combo.Input("return_with_leftover_noise", options=["disable", "enable"]),
            ],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(
        cls,
        noise_seed: int,
        add_noise: str,
        start_at_step: int,
        end_at_step: int,
        return_with_leftover_noise: str,
        **widgets: Any,
    ) -> io.NodeOutput:
        steps = StepRange(
            first=start_at_step,
            last=end_at_step,
            noised=add_noise == "disable",
            leave_noise=return_with_leftover_noise == "enable",
        )
        return io.NodeOutput(run_sampler(seed=noise_seed, step_range=steps, denoise=1.0, **widgets))


NODES = [UNETLoader, CLIPLoader, VAELoader, ModelSamplingSD3, EmptyHunyuanLatentVideo, KSamplerAdvanced]
