"""What nodes ask of ComfyUI. `runtime/host.py` has the same names for machines without it."""

from __future__ import annotations

import secrets
import sys
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy_api.latest import ComfyExtension, InputImpl, Types, io, ui

from ...runtime.video import memory_video
from ...sora_core.errors import InputError
from ...sora_core.files import check_folder
from ..saved_models import is_saved_model
from .mistakes import plainly

if TYPE_CHECKING:
    from ...sora_core.types import Progress

__all__ = [
    "ComfyExtension", "VideoComponents", "VideoFromComponents", "VideoFromFile", "absent", "check_lora",
    "check_room", "device", "input_files", "input_path", "io", "lora_files", "lora_path", "model_files",
    "model_path", "output_path", "owned_video", "prepared", "progress", "queued_prompt", "runs", "schedulers",
    "solvers", "stream_source", "temp_path", "ui", "video_window", "writes_metadata",
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


def lora_files() -> list[str]:
    """Names of the LoRA files."""
    return list(folder_paths.get_filename_list("loras"))


def lora_path(name: str) -> Path:
    """A LoRA file of that name."""
    return Path(folder_paths.get_full_path_or_raise("loras", name))


def queued_prompt() -> dict[str, Any]:
    """The workflow that runs, for a node that is asked for its fingerprint, which ComfyUI does not tell it; empty where
    there is no server."""
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    running = [] if server is None else list(server.prompt_queue.currently_running.values())
    return running[0][2] if running else {}


def check_lora(name: str) -> bool:
    """True, unless an error is raised: there is no LoRA file of that name. What it may hold is for ComfyUI's loader to
    say, which knows more kinds."""
    if name not in lora_files():
        raise InputError(f"there is no LoRA file {name!r}; choose one of the list, or put it into the folder loras")
    return True


def output_path(prefix: str, suffix: str, width: int, height: int) -> tuple[Path, ui.SavedResult]:
    """Where to write the next file of that name, and how the interface calls it."""
    folder, name, number, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), width, height
    )
    file = f"{name}_{number:05}_{suffix}"
    return Path(folder) / file, ui.SavedResult(file, subfolder, io.FolderType.output)


def check_room(need: int) -> None:
    """Raises ResourceError where the output folder's disk has no room for that many bytes."""
    if need:
        folder = Path(folder_paths.get_output_directory())
        folder.mkdir(parents=True, exist_ok=True)  # ComfyUI makes it when it saves for the first time
        check_folder(folder, need)


def runs() -> None:
    """ComfyUI keeps what a node has made itself; a run that is stopped begins with the node that was at work."""


def temp_path(suffix: str) -> Path:
    """A fresh file for what is not kept; ComfyUI empties this folder when it starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"sora_{secrets.token_hex(8)}{suffix}"


def owned_video(path: Path) -> Any:
    """A VIDEO in the temp folder."""
    return VideoFromFile(str(path))


def stream_source(video: Any) -> str | BytesIO:
    """The file of a VIDEO that is a whole file; of any other, one that holds just what it stands for.

    Frames of eight bits are written by our own writer, all else by ComfyUI's, into a file.
    """
    if isinstance(video, VideoFromFile) and video_window(video) == (0.0, 0.0):
        return video.get_stream_source()
    depth = video.get_bit_depth() if hasattr(video, "get_bit_depth") else 8
    if isinstance(video, VideoFromComponents) and depth == 8:
        parts = video.get_components()
        return memory_video(parts.images, float(parts.frame_rate), parts.audio)
    path = temp_path(".mp4")
    video.save_to(str(path), format=Types.VideoContainer.MP4, codec=Types.VideoCodec.H264)
    return str(path)


def video_window(video: Any) -> tuple[float, float]:
    """(start, length) in seconds of the part of its file that a trimmed VIDEO stands for; a length of 0 is to the end.

    ComfyUI before 0.24 keeps both to itself, under these names.
    """
    if hasattr(video, "get_active_trim_window"):
        return video.get_active_trim_window()
    start, length = (float(getattr(video, f"_VideoFromFile__{name}", 0)) for name in ("start_time", "duration"))
    return (start if start >= 0 else max(video._get_raw_duration() + start, 0.0)), length


def solvers(ours: list[str]) -> list[str]:
    """Names of what samples: ours first, then all others of ComfyUI's, which samples in our place here."""
    from comfy.samplers import KSampler

    return [*ours, *(name for name in KSampler.SAMPLERS if name not in ours)]


def schedulers(ours: list[str]) -> list[str]:
    """Names of how noise levels are spaced, likewise."""
    from comfy.samplers import KSampler

    return [*ours, *(name for name in KSampler.SCHEDULERS if name not in ours)]


def absent(reason: str) -> Any:
    """What stands for an output that was not made: a node that takes it does not run, and says why."""
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(f"{reason}; change any input of the node that makes it, and run again.")


def writes_metadata() -> bool:
    """Whether files may carry their workflow: not under `--disable-metadata`."""
    from comfy.cli_args import args

    return not args.disable_metadata


def prepared(node: type[io.ComfyNode], aliases: dict[str, list[str]]) -> type[io.ComfyNode]:
    """The same node as ComfyUI's users meet it: with search words, where this version knows such, and with mistakes to
    mend said `plainly`."""
    execute, define = node.execute.__func__, node.define_schema.__func__  # type: ignore[attr-defined]
    if hasattr(execute, "__wrapped__"):
        return node

    @wraps(define)
    def searched(cls: type[io.ComfyNode]) -> io.Schema:
        schema = define(cls)
        if hasattr(schema, "search_aliases"):
            schema.search_aliases = aliases.get(schema.node_id, [])
        return schema

    node.execute, node.define_schema = classmethod(plainly(execute)), classmethod(searched)  # type: ignore[method-assign, assignment]
    return node


def progress() -> Progress:
    """Tells the person how far this node is; raises the host's own exception when they stop it."""
    from .sampling import progress_bar

    return progress_bar()
