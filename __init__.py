"""Sora Nodes: the pack that ComfyUI loads, and the package `sora_nodes`.

Nothing is imported here but by `comfy_entrypoint`, so that the core stays light to import.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import SoraExtension

WEB_DIRECTORY = "./web"
"""help pages, one per node, in docs/"""
OLDEST = (0, 3, 64)
"""the first ComfyUI whose node schema these nodes are written in; `requires-comfyui` in pyproject.toml says the same"""


async def comfy_entrypoint() -> SoraExtension:
    """What ComfyUI calls to learn of our nodes."""
    from .nodes import SoraExtension

    return SoraExtension()


def _refuse_an_older_host() -> None:
    """Raises ImportError inside a ComfyUI that is too old, which shows the sentence; it would miss the nodes without
    a word."""
    version = getattr(sys.modules.get("comfyui_version"), "__version__", None)
    numbers = tuple(int(part) for part in version.split(".")[:3]) if version else OLDEST
    if numbers < OLDEST:
        raise ImportError(
            f"Sora Nodes needs ComfyUI {'.'.join(map(str, OLDEST))} or newer, and this is {version}; update ComfyUI"
        )


_refuse_an_older_host()
