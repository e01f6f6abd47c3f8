"""Sora Nodes: the pack that ComfyUI loads, and the package `sora_nodes`.

Nothing is imported here but by `comfy_entrypoint`, so that the core stays light to import.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # loading `typing` takes longer than all of this
if TYPE_CHECKING:
    from .nodes import SoraExtension

WEB_DIRECTORY = "./web"
"""help pages, one per node, in docs/"""
OLDEST = (0, 3, 64)
"""the first ComfyUI whose node schema these nodes are written in; `requires-comfyui` in pyproject.toml says the same"""
NEWEST = (0, 33)
"""the last ComfyUI that the tests have run with"""

SERVED = r"(?a:[\w.~!$&'()*+,;=:@-]+)"
"""names of folders that ComfyUI finds again in an address: spaces and letters beyond English come back quoted"""


async def comfy_entrypoint() -> SoraExtension:
    """What ComfyUI calls to learn of our nodes."""
    from .nodes import SoraExtension

    return SoraExtension()


def _look_at_the_host() -> None:
    """Raises ImportError inside a ComfyUI that is too old, which shows the sentence; it would miss the nodes without
    a word. Says so in the log of one that is newer than any tried, and where its server cannot serve this folder."""
    version = getattr(sys.modules.get("comfyui_version"), "__version__", None)
    if not version:
        return
    import logging
    import os
    import re

    log, folder = logging.getLogger(__name__), os.path.basename(os.path.dirname(__file__))
    if not re.fullmatch(SERVED, folder):
        log.warning(
            "ComfyUI serves no templates, help or notes on nodes from a folder called %r; rename it to sora-nodes",
            folder,
        )
    numbers = tuple(map(int, re.findall(r"\d+", version)[:3]))  # such as 0.34.0rc1
    if numbers < OLDEST:
        raise ImportError(
            f"Sora Nodes needs ComfyUI {'.'.join(map(str, OLDEST))} or newer, and this is {version}; update ComfyUI"
        )
    if numbers[:2] > NEWEST:
        tried = ".".join(map(str, NEWEST))
        log.warning(
            "Sora Nodes has been tried with ComfyUI up to %s and not with %s; what no longer fits will say so",
            tried,
            version,
        )


_look_at_the_host()
