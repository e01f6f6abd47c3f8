"""Sora / sampling: the noise grid that sets size and length, and the sampler."""

from __future__ import annotations

from typing import Any

from ..sora_core.settings import DEFAULTS, MAX_FPS, MAX_SECONDS, MAX_SIDE
from . import calls
from .host import io, ui
from .inputs import ASPECTS, FREE, checked, size_for
from .layouts.conditioning import is_empty
from .sampling_fields import settings_inputs

__all__ = ["NODES"]


class SoraNoiseGrid(io.ComfyNode):
    """Size and length of what is made: the one place that sets them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        side: dict[str, Any] = {"min": 16, "max": MAX_SIDE, "step": 8}
        return io.Schema(
            node_id="SoraNoiseGrid",
            display_name="Sora Noise Grid",
            category="Sora",
            description=(
                "Sizes the grid of noise that a video or image is sampled on: any aspect, any length; zero seconds is"
                " an image."
            ),
            inputs=[
                io.Vae.Input("vae", tooltip="The network whose latents the grid is made of."),
                io.Combo.Input(
                    "aspect",
                    options=[*ASPECTS, FREE],
                    default="square 1:1",
                    tooltip="The shape of the picture, or free.",
                ),
                io.Int.Input(
                    "short_side", default=64, **side, tooltip="The shorter side in pixels, for all shapes but free."
                ),
                io.Int.Input("width", default=64, **side, tooltip="Width in pixels, where the shape is free."),
                io.Int.Input("height", default=64, **side, tooltip="Height in pixels, where the shape is free."),
                io.Float.Input(
                    "seconds",
                    default=DEFAULTS.seconds,
                    min=0.0,
                    max=MAX_SECONDS,
                    step=0.25,
                    tooltip="Length of the video; 0 is a single image.",
                ),
                io.Float.Input(
                    "fps", default=DEFAULTS.fps, min=1.0, max=MAX_FPS, step=0.5, tooltip="Frames per second."
                ),
                io.Latent.Input(
                    "draft", optional=True, tooltip="The grid of a smaller draft; with its seed the scene stays."
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="What will sample it, where it came apart from the VAE: for the summary.",
                ),
            ],
            outputs=[
                io.Latent.Output(tooltip="The empty grid, for a sampler."),
                io.Int.Output(display_name="frames", tooltip="Frames of the finished video."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for nodes that save."),
                io.String.Output(display_name="summary", tooltip="Size, tokens, and what sampling will take."),
            ],
        )

    @classmethod
    def validate_inputs(cls, seconds: float | None = None, fps: float | None = None) -> bool | str:
        from ..sora_core.grid import frames_for

        return checked(lambda: seconds is None or fps is None or frames_for(seconds, fps) > 0)

    @classmethod
    def execute(
        cls,
        vae: Any,
        aspect: str,
        short_side: int,
        width: int,
        height: int,
        seconds: float,
        fps: float,
        draft: Any = None,
        model: Any = None,
    ) -> io.NodeOutput:
        from ..sora_core.grid import VideoSize, frames_for

        width, height = size_for(aspect, short_side, width, height)
        size = VideoSize(frames=frames_for(seconds, fps), height=height, width=width, fps=fps)
        latent, summary = calls.empty_latent(vae, size, draft=draft, model=model)
        return io.NodeOutput(latent, size.frames, fps, summary, ui=ui.PreviewText(summary))


class SoraSampler(io.ComfyNode):
    """Noise becomes a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraSampler",
            display_name="Sora Sampler",
            category="Sora",
            description="Samples the grid, step by step, towards what the prompt says.",
            inputs=[
                io.Model.Input("model", tooltip="The diffusion transformer."),
                io.Conditioning.Input("positive", tooltip="What to show."),
                io.Conditioning.Input("negative", optional=True, tooltip="What not to show. May be left open."),
                io.Latent.Input("latent", tooltip="The grid, from Sora Noise Grid or from an edit."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**53 - 1,
                    control_after_generate=True,
                    tooltip="The same seed gives the same video.",
                ),
                *settings_inputs(
                    "How firmly the prompt is followed; 1 is off. Left at its default, restyle takes 1.5, a"
                    " storyboard 3."
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="The fraction made anew; 1 is all of it. Left at its default, restyle takes its own.",
                ),
            ],
            outputs=[io.Latent.Output(tooltip="The sampled latent, to be decoded.")],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        positive: Any,
        latent: Any,
        seed: int,
        sampler_name: str,
        negative: Any = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        settings = calls.settings_for(model, latent, solver=sampler_name, **widgets)
        changed = [
            f"{name} is {getattr(settings, name):g}"
            for name in ("cfg", "denoise")
            if getattr(settings, name) != widgets[name]
        ]
        made = calls.sample(
            model=model, positive=positive, negative=negative, latent=latent, seed=seed, settings=settings
        )  # fmt: skip
        notes = [f"as this edit suits: {', '.join(changed)}"] if changed else []
        if is_empty(positive):
            notes.append("positive is an empty prompt, so nothing steers what is made; is Sora Expand Prompt bypassed?")
        return io.NodeOutput(made, ui=ui.PreviewText("\n".join(notes)) if notes else None)


NODES: list[type[io.ComfyNode]] = [SoraNoiseGrid, SoraSampler]
