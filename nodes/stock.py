"""The few nodes of ComfyUI that our workflows use, under their own names: registered where ComfyUI is not, never
within it.

Names, inputs and their order are ComfyUI's, so that a saved workflow reads the same. Each is one call into the core.
"""

from __future__ import annotations

import json
from typing import Any

from ..runtime import host, ui
from ..runtime import schema as io
from . import adapters

__all__ = ["StockExtension", "saved_metadata"]


def saved_metadata(hidden: Any) -> dict[str, str]:
    """What travels inside a file: `prompt`, what ran, and `workflow`, what the interface showed."""
    found = {"prompt": hidden.prompt, **(hidden.extra_pnginfo or {})}
    return {key: json.dumps(value) for key, value in found.items() if value is not None}


class LoadImage(io.ComfyNode):
    """A picture of the input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImage",
            display_name="Load Image",
            category="image",
            inputs=[io.Combo.Input("image", options=host.input_files("image"), upload=io.UploadType.image)],
            outputs=[io.Image.Output(), io.Mask.Output()],
        )

    @classmethod
    def validate_inputs(cls, image: str) -> bool:
        return host.input_path(image).is_file()

    @classmethod
    def fingerprint_inputs(cls, image: str) -> int:
        return host.input_path(image).stat().st_mtime_ns

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:
        return io.NodeOutput(*adapters.load_image(host.input_path(image)))


class LoadVideo(io.ComfyNode):
    """A video of the input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadVideo",
            display_name="Load Video",
            category="image/video",
            inputs=[io.Combo.Input("file", options=host.input_files("video"), upload=io.UploadType.video)],
            outputs=[io.Video.Output()],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool:
        return host.input_path(file).is_file()

    @classmethod
    def fingerprint_inputs(cls, file: str) -> int:
        return host.input_path(file).stat().st_mtime_ns

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(host.VideoFromFile(str(host.input_path(file))))


class SaveVideo(io.ComfyNode):
    """A VIDEO as an mp4 in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveVideo",
            display_name="Save Video",
            category="image/video",
            inputs=[
                io.Video.Input("video"),
                io.String.Input("filename_prefix", default="video/ComfyUI"),
                io.Combo.Input("format", options=["auto", "mp4"], default="auto"),
                io.Combo.Input("codec", options=["auto", "h264"], default="auto"),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, video: Any, filename_prefix: str, format: str, codec: str) -> io.NodeOutput:
        path, result = host.output_path(filename_prefix, ".mp4", *video.get_dimensions())
        adapters.save_video(video, path, saved_metadata(cls.hidden))
        return io.NodeOutput(ui=ui.PreviewVideo([result]))


class CreateVideo(io.ComfyNode):
    """Frames to a VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CreateVideo",
            display_name="Create Video",
            category="image/video",
            inputs=[
                io.Image.Input("images"),
                io.Float.Input("fps", default=30.0, min=1.0, max=120.0, step=1.0),
                io.Audio.Input("audio", optional=True),
            ],
            outputs=[io.Video.Output()],
        )

    @classmethod
    def execute(cls, images: Any, fps: float, audio: Any = None) -> io.NodeOutput:
        return io.NodeOutput(adapters.video_of(images, fps, audio))


class GetVideoComponents(io.ComfyNode):
    """A VIDEO to its frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GetVideoComponents",
            display_name="Get Video Components",
            category="image/video",
            inputs=[io.Video.Input("video")],
            outputs=[
                io.Image.Output(display_name="images"),
                io.Audio.Output(display_name="audio"),
                io.Float.Output(display_name="fps"),
            ],
        )

    @classmethod
    def execute(cls, video: Any) -> io.NodeOutput:
        parts = video.get_components()
        notes = getattr(parts, "notes", ())
        shown = ui.PreviewText(" ".join(notes)) if notes else None
        return io.NodeOutput(parts.images, parts.audio, float(parts.frame_rate), ui=shown)


class SaveImage(io.ComfyNode):
    """Pictures as png files in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveImage",
            display_name="Save Image",
            category="image",
            inputs=[io.Image.Input("images"), io.String.Input("filename_prefix", default="ComfyUI")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any, filename_prefix: str) -> io.NodeOutput:
        results = []
        for image in images:
            path, result = host.output_path(filename_prefix, ".png", image.shape[1], image.shape[0])
            adapters.save_image(image, path, saved_metadata(cls.hidden))
            results.append(result)
        return io.NodeOutput(ui=ui.SavedImages(results))


class PreviewImage(io.ComfyNode):
    """Pictures for the eye alone: without an interface there is nothing to do."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewImage",
            display_name="Preview Image",
            category="image",
            inputs=[io.Image.Input("images")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any) -> None:
        return None


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
        return io.NodeOutput(adapters.encode_text(clip, text))


def sampler_inputs() -> list[Any]:
    """What both of ComfyUI's samplers ask for, in its order."""
    return [
        io.Int.Input("steps", default=20, min=1, max=10000),
        io.Float.Input("cfg", default=8.0, min=0.0, max=100.0, step=0.1, round=0.01),
        io.Combo.Input("sampler_name", options=adapters.SAMPLERS),
        io.Combo.Input("scheduler", options=adapters.SCHEDULERS),
        io.Conditioning.Input("positive"),
        io.Conditioning.Input("negative"),
        io.Latent.Input("latent_image"),
    ]


def run_sampler(
    *, model: Any, positive: Any, negative: Any, latent_image: Any, seed: int, sampler_name: str, **widgets: Any
) -> Any:
    """What ComfyUI's samplers make of a LATENT: cfg and denoise are the widgets', whatever an edit would choose."""
    settings = adapters.settings_for(model, latent_image, solver=sampler_name, **widgets)
    kept = {name: widgets[name] for name in ("cfg", "denoise") if name in widgets}
    return adapters.sample(
        model=model, positive=positive, negative=negative, latent=latent_image, seed=seed,
        settings=settings.with_(**kept), progress=host.progress(),
    )  # fmt: skip


class KSampler(io.ComfyNode):
    """Sampling, as ComfyUI's node asks for it."""

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
        return io.NodeOutput(run_sampler(**widgets))


class VAEEncode(io.ComfyNode):
    """Frames to a LATENT."""

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
        return io.NodeOutput(adapters.encode_image(vae, pixels))


class VAEDecode(io.ComfyNode):
    """A LATENT to frames in memory."""

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
        return io.NodeOutput(adapters.decode_image(vae, samples))


NODES = [
    LoadImage, LoadVideo, SaveVideo, CreateVideo, GetVideoComponents, SaveImage, PreviewImage,
    CLIPTextEncode, KSampler, VAEEncode, VAEDecode,
]  # fmt: skip


class StockExtension(io.ComfyExtension):
    """ComfyUI's nodes, as far as they are here."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from . import stock_models

        return [*NODES, *stock_models.NODES]
