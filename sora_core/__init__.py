"""A pure PyTorch library for spacetime video diffusion: codec, transformer, samplers, editing, training.

The names in `__all__` are the library that other programs use (docs/library.md has recipes). Each is imported when it
is first asked for, so that importing this package brings neither torch nor a model. It knows nothing of ComfyUI.
`tests/test_house.py` has the order of the folders: each imports only from those before it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .editing import (
        Clip,
        Edit,
        Keyframe,
        Shot,
        animate,
        connect,
        extend,
        fill,
        loop_clip,
        loop_new,
        restyle,
        storyboard,
    )
    from .errors import SoraError
    from .grid import VideoSize
    from .media import read_image, read_video, write_image, write_video
    from .pipeline import SoraModel, edit_video, generate, load_bundled, load_open, sample_edit, sample_video
    from .settings import DEFAULTS, SamplingSettings

__all__ = [
    "DEFAULTS",
    "Clip",
    "Edit",
    "Keyframe",
    "SamplingSettings",
    "Shot",
    "SoraError",
    "SoraModel",
    "VideoSize",
    "animate",
    "connect",
    "edit_video",
    "extend",
    "fill",
    "generate",
    "load_bundled",
    "load_open",
    "loop_clip",
    "loop_new",
    "read_image",
    "read_video",
    "restyle",
    "sample_edit",
    "sample_video",
    "storyboard",
    "write_image",
    "write_video",
]

_FOLDERS = ("settings", "errors", "grid", "media", "editing", "pipeline")
"""where the names are found, cheapest first"""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for folder in _FOLDERS:
            module = import_module(f".{folder}", __name__)
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
