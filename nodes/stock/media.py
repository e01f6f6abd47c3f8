"""Pictures and videos: load, make, take apart, save."""

from __future__ import annotations

import math
from typing import Any

from ...runtime import host, ui
from ...runtime import schema as io
from ...sora_core.encoding import AUTO, Encoding
from ...sora_core.errors import InputError
from .. import clips
from ..host import saved_metadata
from ..layouts import pictures
from ..layouts.cuts import cut_sound
from ..showing import ShownVideo

__all__ = ["NODES"]

TOLERANCE = 1e-3
"""of a frame: seconds with three decimals do not meet its beginning exactly"""


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


def qualities(usual: float, worst: float) -> Any:
    """Whether a codec encodes what it could copy, and how well."""
    crf = io.Float.Input("crf", default=usual, min=0.0, max=worst, step=1.0)
    space = io.Combo.Input("color_space", options=["auto", "sRGB"], default="auto")
    choices = [io.DynamicCombo.Option("auto"), io.DynamicCombo.Option("re-encode", [crf, space])]
    return io.DynamicCombo.Input("encoding", options=choices, optional=True)


def codecs(*without: str) -> Any:
    """The codecs of a container. It may be left out, as in files from before the container brought it."""
    brings = {"auto": [], "h264": [qualities(23.0, 51.0)], "av1": [qualities(30.0, 63.0)]}
    choices = [io.DynamicCombo.Option(name, inputs) for name, inputs in brings.items() if name not in without]
    return io.DynamicCombo.Input("codec", options=choices, optional=True)


def encoding_for(video: Any, format: str, chosen: dict[str, Any]) -> Encoding:
    """What the widgets of SaveVideo ask for: a stream that is of the codec already is copied, unless it is to be
    encoded anew."""
    at = "format.codec" if "format.codec" in chosen else "codec"
    codec, crf = chosen.get(at, AUTO), chosen.get(f"{at}.encoding.crf")
    if crf is not None:
        return Encoding(format=format, codec=codec, crf=round(crf))
    if format == "webm":
        return Encoding(format=format, codec="av1")
    return Encoding(format=format, codec=codec if codec != AUTO and codec != codec_name(video) else AUTO)


def codec_name(video: Any) -> str:
    """The name of the codec that the picture of a VIDEO is in, or will be where it is in memory."""
    from ...sora_core.media.source import opened

    if not isinstance(video, host.VideoFromFile):
        return "h264"
    with opened(str(video.get_stream_source())) as (_, stream):
        return str(stream.codec_context.codec.canonical_name)


class SaveVideo(io.ComfyNode):
    """A VIDEO as a file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveVideo",
            display_name="Save Video",
            category="image/video",
            inputs=[
                io.Video.Input("video"),
                io.String.Input("filename_prefix", default="video/ComfyUI"),
                io.DynamicCombo.Input(
                    "format",
                    options=[
                        *(io.DynamicCombo.Option(name, [codecs()]) for name in ("auto", "mp4", "mkv")),
                        io.DynamicCombo.Option("webm", [codecs("h264")]),
                    ],
                ),
                codecs(),
            ],
            outputs=[io.Video.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, video: Any, filename_prefix: str, format: str, **chosen: Any) -> io.NodeOutput:
        encoding = encoding_for(video, "mp4" if format == "auto" else format, chosen)
        path, result = host.output_path(filename_prefix, encoding.ending, *video.get_dimensions())
        said = clips.save(video, path, saved_metadata(cls.hidden), encoding, hidden=cls.hidden)
        return io.NodeOutput(video, ui=ShownVideo([result], "\n".join(said)))


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
                io.Int.Input("bit_depth", default=8, min=8, max=10, step=2, optional=True),
            ],
            outputs=[io.Video.Output()],
        )

    @classmethod
    def validate_inputs(cls, bit_depth: int = 8) -> bool | str:
        return bit_depth == 8 or "frames have a bit_depth of 8 here; the pixel_format of Sora Save Video writes ten"

    @classmethod
    def execute(cls, images: Any, fps: float, audio: Any = None, bit_depth: int = 8) -> io.NodeOutput:
        return io.NodeOutput(pictures.video_of(images, fps, audio))


class GetVideoComponents(io.ComfyNode):
    """A VIDEO to its frames, which have eight bits and the colours of screens whatever the file has."""

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
                io.Int.Output(display_name="bit_depth"),
                io.Combo.Output(display_name="color_space"),
            ],
        )

    @classmethod
    def execute(cls, video: Any) -> io.NodeOutput:
        parts = video.get_components()
        notes = getattr(parts, "notes", ())
        shown = ui.PreviewText(" ".join(notes)) if notes else None
        return io.NodeOutput(parts.images, parts.audio, float(parts.frame_rate), 8, "sRGB", ui=shown)


class VideoSlice(io.ComfyNode):
    """A part of a VIDEO, with its sound; a start below 0 counts from the end."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Video Slice",
            display_name="Trim Video",
            category="video",
            inputs=[
                io.Video.Input("video"),
                io.Float.Input("start_time", default=0.0, min=-1e5, max=1e5, step=0.001),
                io.Float.Input("duration", default=0.0, min=0.0, step=0.001),
                io.Boolean.Input("strict_duration", default=False),
            ],
            outputs=[io.Video.Output()],
        )

    @classmethod
    def execute(cls, video: Any, start_time: float, duration: float, strict_duration: bool) -> io.NodeOutput:
        parts = video.get_components()
        rate, count = float(parts.frame_rate), len(parts.images)
        begin = start_time if start_time >= 0 else max(count / rate + start_time, 0.0)
        end = begin + duration if duration else count / rate
        first, stop = (math.ceil(second * rate - TOLERANCE) for second in (begin, end))
        if first >= count or first >= stop or (strict_duration and stop > count):
            raise InputError(
                f"from {begin:g} s to {end:g} s is asked for and the video has {count / rate:.3g} s; choose an earlier"
                " start_time or another duration"
            )
        sound = cut_sound(parts.audio, begin, end)
        notes = getattr(parts, "notes", ())
        shown = ui.PreviewText(" ".join(notes)) if notes else None
        return io.NodeOutput(pictures.video_of(parts.images[first:stop], rate, sound), ui=shown)


class SaveWEBM(io.ComfyNode):
    """Pictures as a webm in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveWEBM",
            display_name="Save WEBM",
            category="video",
            inputs=[
                io.Image.Input("images"),
                io.String.Input("filename_prefix", default="ComfyUI"),
                io.Combo.Input("codec", options=["vp9", "av1"]),
                io.Float.Input("fps", default=24.0, min=0.01, max=1000.0, step=0.01),
                io.Float.Input("crf", default=32.0, min=0, max=63.0, step=1),
            ],
            outputs=[io.Image.Output(display_name="images")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any, filename_prefix: str, codec: str, fps: float, crf: float) -> io.NodeOutput:
        path, result = host.output_path(filename_prefix, ".webm", images.shape[2], images.shape[1])
        encoding = Encoding(format="webm", codec=codec, crf=round(crf))
        video = pictures.video_of(images, fps, None)
        said = clips.save(video, path, saved_metadata(cls.hidden), encoding, hidden=cls.hidden)
        return io.NodeOutput(images, ui=ShownVideo([result], "\n".join(said)))


class SaveImage(io.ComfyNode):
    """Pictures as png files in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveImage",
            display_name="Save Image",
            category="image",
            inputs=[io.Image.Input("images"), io.String.Input("filename_prefix", default="ComfyUI")],
            outputs=[io.Image.Output(display_name="images")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any, filename_prefix: str) -> io.NodeOutput:
        results = []
        for number, image in enumerate(images):
            prefix = filename_prefix.replace("%batch_num%", str(number))
            path, result = host.output_path(prefix, ".png", image.shape[1], image.shape[0])
            pictures.save_image(image, path, saved_metadata(cls.hidden), hidden=cls.hidden)
            results.append(result)
        return io.NodeOutput(images, ui=ui.SavedImages(results))


class PreviewImage(io.ComfyNode):
    """Pictures for the eye alone: without an interface there is nothing to do."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewImage",
            display_name="Preview Image",
            category="image",
            inputs=[io.Image.Input("images")],
            outputs=[io.Image.Output(display_name="images")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any) -> io.NodeOutput:
        return io.NodeOutput(images)


NODES: list[type[io.ComfyNode]] = [
    LoadImage, LoadVideo, SaveVideo, CreateVideo, GetVideoComponents, VideoSlice, SaveWEBM, SaveImage, PreviewImage,
]  # fmt: skip
