"""What a node shows of a video: the video itself, and what is to be said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import host
from .host import io, ui

__all__ = ["ShownVideo", "preview_input", "previewed"]


class ShownVideo(ui.PreviewVideo):
    """Videos to play on the node, with lines of text."""

    def __init__(self, results: list[Any], said: str = "") -> None:
        super().__init__(results)
        self.said = said

    def as_dict(self) -> dict[str, Any]:
        """The same keys whether there is something to say or not: of a node that runs for each of a list, ComfyUI
        joins what its runs show by the keys of the first."""
        shown = super().as_dict() if self.values else {}
        return {**shown, "text": (self.said,) if self.said else ()}


def preview_input() -> Any:
    return io.Boolean.Input(
        "preview",
        default=False,
        optional=True,
        tooltip="Play the video on this node, from the temp folder; nothing is saved.",
    )


def previewed(path: Path | None, said: str) -> ShownVideo | None:
    """A video of the temp folder on its node, where there is an interface to show it, and what is to be said."""
    results = [ui.SavedResult(path.name, "", io.FolderType.temp)] if path is not None and host.IN_COMFYUI else []
    return ShownVideo(results, said) if results or said else None
