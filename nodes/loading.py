"""Sora / loading: the model, and videos of the input folder."""

from __future__ import annotations

from typing import Any

from ..sora_core.settings import MAX_SIDE
from . import calls, clips, host
from .host import io, ui
from .inputs import checked, output_linked
from .layouts.cuts import UNITS, Cut

__all__ = ["NODES"]

IMAGES = 5
"""the output of Sora Load Video that has its frames"""


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
                    options=[calls.BUNDLED, calls.FAST, *host.model_files()],
                    default=calls.BUNDLED,
                    tooltip=(
                        "The weights. The bundled ones need no download; those for 4 steps are meant for a sampler with"
                        " 4 steps, cfg 1 and euler. Others are what CheckpointSave wrote of a model of ours."
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
    def fingerprint_inputs(cls, model: str | None = None) -> int:
        file = model not in (calls.BUNDLED, calls.FAST)
        return host.model_path(model).stat().st_mtime_ns if model and file else 0

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
                amount("start", "Where to begin; what is before is left out."),
                amount("length", "How much to take; 0 is to the end."),
                io.Combo.Input("unit", options=UNITS, default=UNITS[0], optional=True, tooltip="Of start and length."),
                whole_number("frame_cap", 0, 1_000_000, "At most so many frames; 0 is all of them."),
                whole_number(
                    "every_nth", 1, 1000, "Every frame, every second one, ...; the rate becomes as much less."
                ),
                whole_number("width", 0, MAX_SIDE, "Width in pixels; 0 follows the height, or is the file's."),
                whole_number(
                    "height", 0, MAX_SIDE, "Height in pixels, likewise; of another shape, what hangs over is cut."
                ),
            ],
            outputs=[
                io.Video.Output(tooltip="The video; its frames are read when they are needed."),
                io.Int.Output(display_name="frames", tooltip="How many frames it has."),
                io.Float.Output(display_name="fps", tooltip="Frames per second."),
                io.Int.Output(display_name="width", tooltip="Width in pixels."),
                io.Int.Output(display_name="height", tooltip="Height in pixels."),
                io.Image.Output(display_name="images", tooltip="The frames."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, file: str, start: float = 0.0, length: float = 0.0, unit: str = UNITS[0]) -> bool | str:
        if unit not in (None, *UNITS):
            return f"unit is {' or '.join(UNITS)}, not {unit!r}"
        return checked(lambda: host.input_path(file).is_file() and begins_within(file, start, length, unit))

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> list[Any]:
        """With which of the nodes like it have frames that are linked, since they are read only there: hosts do not
        all tell which one is asked."""
        prompt = host.queued_prompt()
        alike = [key for key, node in prompt.items() if node.get("class_type") == "SoraLoadVideo"]
        linked = [key for key in alike if output_linked(prompt, key, IMAGES)]
        return [host.input_path(file).stat().st_mtime_ns, linked]

    @classmethod
    def execute(cls, file: str, **cut: Any) -> io.NodeOutput:
        linked = cls.hidden is not None and output_linked(cls.hidden.prompt, cls.hidden.unique_id, IMAGES)
        video, images, size, notes = clips.loaded(host.input_path(file), Cut(**cut), in_memory=linked)
        shown = ui.PreviewText("\n".join(notes)) if notes else None
        return io.NodeOutput(video, size.frames, size.fps, size.width, size.height, images, ui=shown)


def amount(name: str, tooltip: str) -> Any:
    return io.Float.Input(name, default=0.0, min=0.0, max=1e6, step=0.25, optional=True, tooltip=tooltip)


def whole_number(name: str, least: int, most: int, tooltip: str) -> Any:
    return io.Int.Input(name, default=least, min=least, max=most, optional=True, tooltip=tooltip)


def begins_within(file: str, start: float | None, length: float | None, unit: str | None) -> bool:
    """Raises InputError where a file has no frame at `start`, which is seen before the run."""
    if not start or unit is None:
        return True
    from ..sora_core.media import FileSource

    with FileSource(host.input_path(file)) as source:
        return bool(Cut(start=start, length=length or 0.0, unit=unit).frames(source.length, source.fps))


NODES: list[type[io.ComfyNode]] = [SoraLoadModel, SoraLoadVideo]
