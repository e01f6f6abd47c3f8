"""What nodes ask of the program they run in, answered without ComfyUI. `nodes/comfy/host.py` has the same names for
ComfyUI."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sora_core.errors import InputError
from ..sora_core.files import check_folder
from . import schema as io
from . import ui
from .naming import fill_prefix, fill_size
from .schema import ComfyExtension
from .session import current, make_folder
from .video import VideoComponents, VideoFromComponents, VideoFromFile

if TYPE_CHECKING:
    from ..sora_core.pipeline.stored import RunStore
    from ..sora_core.types import Progress

__all__ = [
    "ComfyExtension", "VideoComponents", "VideoFromComponents", "VideoFromFile", "absent", "check_lora",
    "check_room", "device", "input_files", "input_path", "io", "lora_files", "lora_path", "model_files",
    "model_path", "output_path", "owned_video", "prepared", "progress", "queued_prompt", "runs", "schedulers",
    "solvers", "stream_source", "temp_path", "ui", "video_window", "writes_metadata",
]  # fmt: skip


def input_files(kind: str) -> list[str]:
    """Names of the images or videos in the input folder."""
    return current().input_files(kind)


def input_path(name: str) -> Path:
    """A file of the input folder. Raises InputError where there is none, or where the name leads elsewhere."""
    return current().input_path(name)


def device() -> str:
    """Where weights are loaded to."""
    return current().device


def model_files() -> list[str]:
    """Names of further weights: none here, where the bundled ones are all."""
    return []


def model_path(name: str) -> Path:
    """A weights file of that name."""
    raise InputError(f"there are no weights {name!r} here; take the bundled ones")


def lora_files() -> list[str]:
    """Names of the LoRA files."""
    return current().model_files("loras")


def lora_path(name: str) -> Path:
    """A LoRA file of that name."""
    return current().model_path("loras", name)


def check_lora(name: str) -> bool:
    """True, unless an error is raised: the LoRA file of that name is missing, broken or foreign, by its header."""
    from ..sora_core.open_weights import check_part

    check_part(lora_path(name), "lora")
    return True


def output_path(prefix: str, suffix: str, width: int, height: int) -> tuple[Path, ui.SavedResult]:
    """Where to write the next file of that name, and how the interface calls it; `naming` says what may stand between
    percent signs in the prefix."""
    path, name = current().output_path(fill_size(fill_prefix(prefix, lambda *_: None), width, height), suffix)
    folder, _, file = name.rpartition("/")
    return path, ui.SavedResult(file, folder, io.FolderType.output)


def check_room(need: int) -> None:
    """Raises ResourceError where the output folder's disk has no room for that many bytes."""
    if need:
        make_folder(current().output)
        check_folder(current().output, need)


def runs() -> RunStore | None:
    """Where what a run has made so far is kept, in case it is stopped."""
    return current().runs


def temp_path(suffix: str) -> Path:
    """A fresh file for what is not kept."""
    return current().temp_path(suffix)


def owned_video(path: Path) -> VideoFromFile:
    """A VIDEO whose file is deleted when nothing needs it any more."""
    return VideoFromFile(str(path), owned=True)


def stream_source(video: Any) -> str | BytesIO:
    """The file of a VIDEO, or what saving its frames gives."""
    return video.get_stream_source()


def video_window(video: Any) -> tuple[float, float]:
    """(start, length) in seconds of the part of its file that a VIDEO stands for; a length of 0 is to the end."""
    return 0.0, 0.0


def solvers(ours: list[str]) -> list[str]:
    """Names of what samples: ours alone."""
    return ours


def schedulers(ours: list[str]) -> list[str]:
    """Names of how noise levels are spaced, likewise."""
    return ours


def queued_prompt() -> dict[str, Any]:
    """The workflow that runs, for a node that is asked for its fingerprint: here a run knows all links beforehand."""
    return {}


def absent(reason: str) -> Any:
    """What stands for an output that was not made: nothing, since here a run knows all links beforehand."""
    return None


def writes_metadata() -> bool:
    """Whether files may carry their workflow."""
    return True


def prepared(node: Any, aliases: dict[str, list[str]]) -> Any:
    """The node as it is: our own runtime shows the sentence alone, and nobody searches here."""
    return node


def progress() -> Progress:
    """Tells the person how far this node is; raises Cancelled when they stop it."""
    session = current()
    return lambda done, total: session.report(session.node, done, total)
