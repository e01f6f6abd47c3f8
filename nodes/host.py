"""The program our nodes run in: ComfyUI where it is installed, else our own runtime. The one place that decides."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("comfy_api") is None:
    from ..runtime.host import (
        ComfyExtension,
        VideoComponents,
        VideoFromComponents,
        VideoFromFile,
        device,
        input_files,
        input_path,
        io,
        model_files,
        model_path,
        models,
        output_path,
        owned_video,
        progress,
        stream_source,
        temp_path,
        ui,
        video_window,
        writes_metadata,
    )
else:
    from .comfy.host import (
        ComfyExtension,
        VideoComponents,
        VideoFromComponents,
        VideoFromFile,
        device,
        input_files,
        input_path,
        io,
        model_files,
        model_path,
        models,
        output_path,
        owned_video,
        progress,
        stream_source,
        temp_path,
        ui,
        video_window,
        writes_metadata,
    )

__all__ = [
    "ComfyExtension", "VideoComponents", "VideoFromComponents", "VideoFromFile", "device", "input_files",
    "input_path", "io", "model_files",
    "model_path", "models", "output_path", "owned_video", "progress", "stream_source", "temp_path", "ui",
    "video_window", "writes_metadata",
]  # fmt: skip
