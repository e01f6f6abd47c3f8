"""The part of ComfyUI's `ui` that our nodes use: what a node shows after it ran."""

from __future__ import annotations

from typing import Any

from .schema import FolderType

__all__ = ["PreviewText", "PreviewVideo", "SavedImages", "SavedResult"]


class SavedResult(dict[str, str]):
    """A file that a node wrote, as the interface names it."""

    def __init__(self, filename: str, subfolder: str, type: FolderType) -> None:
        super().__init__(filename=filename, subfolder=subfolder, type=type.value)


class SavedImages:
    """Images, one or more."""

    def __init__(self, results: list[SavedResult]) -> None:
        self.results = results

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.results}


class PreviewVideo:
    """A video to play on the node."""

    def __init__(self, values: list[SavedResult]) -> None:
        self.values = values

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": (True,)}


class PreviewText:
    """A line of text on the node."""

    def __init__(self, value: str) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        return {"text": (self.value,)}
