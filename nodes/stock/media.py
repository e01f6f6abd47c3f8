"""Pictures and videos: load, make, take apart, save."""

from __future__ import annotations

from typing import Any

from ...runtime import host, ui
from ...runtime import schema as io
from ..host import saved_metadata
from ..layouts import pictures

__all__ = ["NODES"]


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
        return io.NodeOutput(*pictures.load_image(host.input_path(image)))


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
        from ...sora_core.media import FileSource

        path = host.input_path(file)
        with FileSource(path) as source:
            notes = source.notes
        return io.NodeOutput(host.VideoFromFile(str(path)), ui=ui.PreviewText(" ".join(notes)) if notes else None)


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
        pictures.save_video(video, path, saved_metadata(cls.hidden), hidden=cls.hidden)
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
        return io.NodeOutput(pictures.video_of(images, fps, audio))


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
            pictures.save_image(image, path, saved_metadata(cls.hidden), hidden=cls.hidden)
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


NODES = [LoadImage, LoadVideo, SaveVideo, CreateVideo, GetVideoComponents, SaveImage, PreviewImage]
