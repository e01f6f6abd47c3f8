"""The program our nodes run in: ComfyUI where it is installed, else our own runtime. The one place that decides."""

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

IN_COMFYUI = find_spec("comfy_api") is not None

if TYPE_CHECKING or not IN_COMFYUI:
    from ..runtime.host import *  # noqa: F403
    from ..runtime.host import writes_metadata
else:
    from .comfy.host import *  # noqa: F403
    from .comfy.host import writes_metadata


def saved_metadata(hidden: Any) -> dict[str, str]:
    """What travels inside a file: `prompt`, what ran, and `workflow`, what the interface showed; nothing where the
    user wants no metadata."""
    found = {"prompt": hidden.prompt, **(hidden.extra_pnginfo or {})} if writes_metadata() else {}
    return {key: json.dumps(value) for key, value in found.items() if value is not None}
