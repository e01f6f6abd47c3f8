"""The one file that imports `comfy.*`: what our nodes need of ComfyUI's inside. Tested with ComfyUI 0.3.64."""

from __future__ import annotations

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar

from ..sora_core.types import Progress

__all__ = ["progress_bar"]


def progress_bar() -> Progress:
    """The bar of the node that runs; calling it raises ComfyUI's own exception when the person stops the run."""
    bars: list[ProgressBar] = []

    def tell(done: int, total: int) -> None:
        throw_exception_if_processing_interrupted()
        if not bars:
            bars.append(ProgressBar(total))
        bars[0].update_absolute(done, total)

    return tell
