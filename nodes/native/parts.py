"""A `SoraModel` of which one part is there, as ComfyUI's loaders bring MODEL, CLIP and VAE one by one. What asks for
another part is told which loader brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...sora_core.errors import InputError

if TYPE_CHECKING:
    from ...sora_core.grid import Geometry
    from ...sora_core.pipeline import SoraModel

__all__ = ["is_loaded", "part_of"]

LOADED_BY = {"dit": "Load Diffusion Model", "text": "Load CLIP", "codec": "Load VAE"}


class NotLoaded:
    """In the place of a part that this loader did not load: any use of it raises InputError."""

    def __init__(self, part: str, geometry: Geometry | None = None) -> None:
        self.part = part
        if geometry is not None:
            self.geometry = geometry

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(f"this needs what {LOADED_BY[self.part]} gives: link it")

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self.called


def is_loaded(part: Any) -> bool:
    """Whether a part of a SoraModel is there."""
    return part is not None and not isinstance(part, NotLoaded)


def part_of(geometry: Geometry | None = None, **parts: Any) -> SoraModel:
    """A `SoraModel` with these parts alone; geometry: of the codec that they belong to, where they are known by it."""
    from ...sora_core.pipeline import SoraModel

    missing: Any = NotLoaded("text")
    others: dict[str, Any] = {"dit": NotLoaded("dit"), "codec": NotLoaded("codec", geometry)}
    return SoraModel(**{"text": missing, "tokenizer": missing, **others, **parts})
