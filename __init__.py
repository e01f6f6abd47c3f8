"""Sora Nodes: the pack that ComfyUI loads, and the package `sora_nodes`.

Nothing is imported here but by `comfy_entrypoint`, so that the core stays light to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import SoraExtension

WEB_DIRECTORY = "./web"
"""help pages, one per node, in docs/"""


async def comfy_entrypoint() -> SoraExtension:
    """What ComfyUI calls to learn of our nodes."""
    from .nodes import SoraExtension

    return SoraExtension()
