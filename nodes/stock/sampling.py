"""Text, sampling, and the way between frames and latents."""

from __future__ import annotations

import math
from typing import Any

from ...runtime import schema as io
from ...runtime import ui
from ...sora_core.errors import InputError
from ...sora_core.memory import check_memory_for
from ...sora_core.settings import StepRange
from .. import calls
from ..inputs import SAMPLERS, SCHEDULERS, checked
from ..layouts.latents import samples_of

__all__ = ["NODES"]

LEAST_SHIFT = 0.01
"""of the noise levels: a smaller one leaves none between 0 and 1"""


class CLIPTextEncode(io.ComfyNode):
    """A prompt to CONDITIONING."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CLIPTextEncode",
            display_name="CLIP Text Encode (Prompt)",
            category="conditioning",
            inputs=[io.String.Input("text", multiline=True, dynamic_prompts=True), io.Clip.Input("clip")],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, text: str, clip: Any) -> io.NodeOutput:
        return io.NodeOutput(calls.encode_prompt(clip, text))


def sampler_inputs() -> list[Any]:
    """What both of ComfyUI's samplers ask for, in its order."""
    return [
        io.Int.Input("steps", default=20, min=1, max=10000),
        io.Float.Input("cfg", default=8.0, min=0.0, max=100.0, step=0.1, round=0.01),
        io.Combo.Input("sampler_name", options=SAMPLERS),
        io.Combo.Input("scheduler", options=SCHEDULERS),
        io.Conditioning.Input("positive"),
        io.Conditioning.Input("negative"),
        io.Latent.Input("latent_image"),
    ]


def run_sampler(
    *, model: Any, positive: Any, negative: Any, latent_image: Any, seed: int, sampler_name: str, **widgets: Any
) -> Any:
    """What ComfyUI's samplers make of a LATENT: cfg and denoise are the widgets', whatever an edit would choose."""
    settings = calls.settings_for(model, latent_image, solver=sampler_name, **widgets)
    kept = {name: widgets[name] for name in ("cfg", "denoise") if name in widgets}
    return calls.sample(
        model=model, positive=positive, negative=negative, latent=latent_image, seed=seed,
        settings=settings.with_(**kept),
    )  # fmt: skip


def unchanged(latent: Any, why: str) -> io.NodeOutput:
    """The latent that a sampler was given, and that it took no step."""
    return io.NodeOutput(latent, ui=ui.PreviewText(f"{why}, so the latent goes on as it came."))


class KSampler(io.ComfyNode):
    """Sampling, as ComfyUI's node asks for it; a denoise of 0 leaves the latent as it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="KSampler",
            display_name="KSampler",
            category="sampling",
            inputs=[
                io.Model.Input("model"),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=True),
                *sampler_inputs(),
                io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01),
            ],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(cls, **widgets: Any) -> io.NodeOutput:
        if widgets.get("denoise") == 0:
            return unchanged(widgets["latent_image"], "denoise is 0")
        return io.NodeOutput(run_sampler(**widgets))


class VAEEncode(io.ComfyNode):
    """Frames to a LATENT; what of a side the VAE cannot divide is cropped."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VAEEncode",
            display_name="VAE Encode",
            category="latent",
            inputs=[io.Image.Input("pixels"), io.Vae.Input("vae")],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(cls, pixels: Any, vae: Any) -> io.NodeOutput:
        latent, note = calls.encode_image(vae, pixels)
        return io.NodeOutput(latent, ui=ui.PreviewText(note) if note else None)


class VAEDecode(io.ComfyNode):
    """A LATENT to frames in memory, those of one clip of a batch after those of another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VAEDecode",
            display_name="VAE Decode",
            category="latent",
            inputs=[io.Latent.Input("samples"), io.Vae.Input("vae")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, samples: Any, vae: Any) -> io.NodeOutput:
        import torch

        clips = samples_of(samples, "samples").split(1)
        return io.NodeOutput(torch.cat([calls.decode_image(vae, {**samples, "samples": clip}) for clip in clips]))


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
    def validate_inputs(cls, shift: float | None = None) -> bool | str:
        return checked(lambda: shift is None or check_shift(shift))

    @classmethod
    def execute(cls, model: Any, shift: float) -> io.NodeOutput:
        check_shift(shift)
        return io.NodeOutput(model.with_settings(shift=shift))


def check_shift(shift: float) -> bool:
    """True; raises InputError for a shift that leaves nothing of the noise levels between 0 and 1."""
    if not shift >= LEAST_SHIFT:
        raise InputError(f"ModelSamplingSD3: shift is at least {LEAST_SHIFT:g}, not {shift:g}; 1 changes nothing")
    return True


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

        from ...sora_core.grid import Geometry

        wan = Geometry(channels=16)
        frames, factor = (length - 1) // wan.time_factor + 1, wan.space_factor
        shape = (batch_size, wan.channels, frames, height // factor, width // factor)
        check_memory_for(4 * math.prod(shape), "a latent of this size", "make it smaller, shorter, or fewer of them")
        return io.NodeOutput({"samples": torch.zeros(shape)})


class KSamplerAdvanced(io.ComfyNode):
    """Some of the steps: two of these are how the two experts of Wan 2.2 A14B take turns. None of them leaves the
    latent as it is."""

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
        if start_at_step >= min(end_at_step, widgets["steps"]):
            return unchanged(
                widgets["latent_image"],
                f"steps {start_at_step} to {end_at_step} are none of its {widgets['steps']}",
            )
        steps = StepRange(
            first=start_at_step,
            last=end_at_step,
            noised=add_noise == "disable",
            leave_noise=return_with_leftover_noise == "enable",
        )
        return io.NodeOutput(run_sampler(seed=noise_seed, step_range=steps, denoise=1.0, **widgets))


NODES = [
    CLIPTextEncode, KSampler, VAEEncode, VAEDecode, ModelSamplingSD3, EmptyHunyuanLatentVideo, KSamplerAdvanced,
]  # fmt: skip
