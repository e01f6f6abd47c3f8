"""Sora / loading: the model, and videos of the input folder."""

from __future__ import annotations

from . import calls, host
from .host import io, ui
from .inputs import checked

__all__ = ["NODES"]


class SoraLoadModel(io.ComfyNode):
    """The weights as MODEL, CLIP and VAE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoadModel",
            display_name="Sora Load Model",
            category="Sora",
            description="Loads the transformer, the text encoder and the video compression network.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[calls.BUNDLED, *host.model_files()],
                    default=calls.BUNDLED,
                    tooltip=(
                        "The weights. The bundled ones need no download; others are what CheckpointSave wrote of a"
                        " model of ours."
                    ),
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="The diffusion transformer, for a sampler."),
                io.Clip.Output(tooltip="The text encoder, for prompts."),
                io.Vae.Output(tooltip="The video compression network, for sizes, encoding and decoding."),
            ],
        )

    @classmethod
    def execute(cls, model: str) -> io.NodeOutput:
        return io.NodeOutput(*calls.load_model(model))


class SoraLoadVideo(io.ComfyNode):
    """A video file of the input folder as VIDEO, with what one needs to know of it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoadVideo",
            display_name="Sora Load Video",
            category="Sora",
            description=(
                "Opens a video of the input folder. Frames of variable rate are resampled to one constant rate."
            ),
            inputs=[
                io.Combo.Input(
                    "file",
                    options=host.input_files("video"),
                    upload=io.UploadType.video,
                    tooltip="A video file in the input folder.",
                ),
            ],
            outputs=[
                io.Video.Output(tooltip="The video; its frames are read when they are needed."),
                io.Int.Output(display_name="frames", tooltip="How many frames it has."),
                io.Float.Output(display_name="fps", tooltip="Frames per second."),
                io.Int.Output(display_name="width", tooltip="Width in pixels."),
                io.Int.Output(display_name="height", tooltip="Height in pixels."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        return checked(lambda: host.input_path(file).is_file())

    @classmethod
    def fingerprint_inputs(cls, file: str) -> int:
        return host.input_path(file).stat().st_mtime_ns

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        from ..sora_core.media import FileSource

        path = host.input_path(file)
        with FileSource(path) as source:
            info, notes = source.info, source.notes
        shown = ui.PreviewText("\n".join(notes)) if notes else None
        return io.NodeOutput(host.VideoFromFile(str(path)), info.frames, info.fps, info.width, info.height, ui=shown)


NODES: list[type[io.ComfyNode]] = [SoraLoadModel, SoraLoadVideo]
