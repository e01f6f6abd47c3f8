"""What nodes ask of ComfyUI. `runtime/host.py` has the same names for machines without it."""

from __future__ import annotations

import secrets
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy_api.latest import ComfyExtension, InputImpl, Types, io, ui

from ...runtime.video import memory_video
from ...sora_core.errors import InputError
from ..saved_models import is_saved_model

if TYPE_CHECKING:
    from ...sora_core.types import Progress

__all__ = [
    "ComfyExtension", "VideoComponents", "VideoFromComponents", "VideoFromFile", "device", "input_files",
    "input_path", "io", "model_files",
    "model_path", "models", "output_path", "owned_video", "progress", "stream_source", "temp_path", "ui",
]  # fmt: skip

VideoFromFile = InputImpl.VideoFromFile
VideoFromComponents = InputImpl.VideoFromComponents
VideoComponents = Types.VideoComponents


def input_files(kind: str) -> list[str]:
    """Names of the images or videos in the input folder."""
    folder = Path(folder_paths.get_input_directory())
    names = [path.name for path in folder.iterdir() if path.is_file()]
    return sorted(folder_paths.filter_files_content_types(names, [kind]))


def input_path(name: str) -> Path:
    """A file of the input folder. Raises InputError where there is none, or where the name leads elsewhere."""
    plain, folder = folder_paths.annotated_filepath(name)
    root = Path(folder or folder_paths.get_input_directory()).resolve()
    path = root / plain
    if not path.resolve().is_relative_to(root):
        raise InputError(f"the file name {name!r} would leave its folder; give a name inside {root}")
    if not path.is_file():
        raise InputError(f"there is no file {name!r} in {root}")
    return path


def device() -> str:
    """Where weights are loaded to: main memory, from where ComfyUI moves them as it needs them."""
    return "cpu"


def model_files() -> list[str]:
    """Names of the checkpoints in ComfyUI's folders that hold a model of ours."""
    return [name for name in folder_paths.get_filename_list("checkpoints") if is_saved_model(model_path(name))]


def model_path(name: str) -> Path:
    """A checkpoint of that name."""
    return Path(folder_paths.get_full_path_or_raise("checkpoints", name))


def output_path(prefix: str, suffix: str, width: int, height: int) -> tuple[Path, ui.SavedResult]:
    """Where to write the next file of that name, and how the interface calls it."""
    folder, name, number, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), width, height
    )
    file = f"{name}_{number:05}_{suffix}"
    return Path(folder) / file, ui.SavedResult(file, subfolder, io.FolderType.output)


def temp_path(suffix: str) -> Path:
    """A fresh file for what is not kept; ComfyUI empties this folder when it starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"sora_{secrets.token_hex(8)}{suffix}"


def owned_video(path: Path) -> Any:
    """A VIDEO in the temp folder."""
    return VideoFromFile(str(path))


def stream_source(video: Any) -> str | BytesIO:
    """The file of a VIDEO, or what saving its frames gives: by our own writer, or by ComfyUI's where there is sound."""
    if not isinstance(video, VideoFromComponents):
        return video.get_stream_source()
    parts = video.get_components()
    if parts.audio is None:
        return memory_video(parts.images, float(parts.frame_rate))
    buffer = BytesIO()
    video.save_to(buffer, format=Types.VideoContainer.MP4, codec=Types.VideoCodec.H264)
    buffer.seek(0)
    return buffer


def progress() -> Progress:
    """Tells the person how far this node is; raises the host's own exception when they stop it."""
    from .objects import progress_bar

    return progress_bar()


def models() -> ModuleType:
    """What knows ComfyUI's own MODEL, CLIP and VAE."""
    from . import objects

    return objects
