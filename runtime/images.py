"""IMAGE of a long video file: frames that are read when a node asks for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..sora_core.errors import ResourceError
from ..sora_core.files import size_text
from ..sora_core.memory import free_memory

if TYPE_CHECKING:
    from torch import Tensor

    from ..sora_core.media import FileSource

__all__ = ["LARGE", "FileImages", "images_of"]

LARGE = 1 << 30
"""bytes of frames in floating point from which on a file is read when it is needed"""
CHUNK = 16
"""frames that are read at once"""


class FileImages:
    """Stands for the IMAGE, float [F,H,W,3] in 0..1, of a video file.

    Its length, shape, frames one after another (`for frame in images`) and runs of them (`images[8:16]`) hold no more
    than is asked for. Whatever else is done with it happens to a tensor of all frames, which is made for that alone;
    ResourceError is raised where it does not fit into memory.
    """

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self._said = list(source.notes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.source.length, self.source.height, self.source.width, 3

    @property
    def ndim(self) -> int:
        return 4

    def __len__(self) -> int:
        return self.source.length

    def __iter__(self) -> Iterator[Tensor]:
        from ..sora_core.media import as_image, chunks

        for chunk in chunks(self.source, CHUNK):
            yield from as_image(chunk)

    def __getitem__(self, place: Any) -> Tensor:
        from ..sora_core.media import as_image

        if isinstance(place, int) and -len(self) <= place < len(self):
            at = place % len(self)
            return as_image(self.source.read(at, at + 1))[0]
        if isinstance(place, slice) and place.step in (None, 1):
            start, stop, _ = place.indices(len(self))
            if start < stop:
                return self._filled(start, stop)
        return self.tensor()[place]

    def tensor(self) -> Tensor:
        """All frames."""
        return self._filled(0, len(self))

    def new_notes(self) -> list[str]:
        """What was found wrong with the file since the last call, a sentence each."""
        found = [note for note in self.source.notes if note not in self._said]
        self._said += found
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.tensor(), name)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return function(*whole(given), **whole(named or {}))

    def _filled(self, start: int, stop: int) -> Tensor:
        import torch

        from ..sora_core.media import as_image, chunks

        _, height, width, channels = self.shape
        check_fits(self.source.path.name, stop - start, height, width)
        images, at = torch.empty(stop - start, height, width, channels), 0
        for chunk in chunks(self.source, CHUNK, start=start, stop=stop):
            images[at : at + len(chunk)] = as_image(chunk)
            at += len(chunk)
        return images


def check_fits(name: str, frames: int, height: int, width: int) -> None:
    """Raises ResourceError, before anything is allocated, where so many frames in floating point do not fit."""
    each, free = 12 * height * width, free_memory()
    if free is not None and frames * each > free:
        raise ResourceError(
            f"{name} as pictures ({frames} of {width}x{height}) needs about {size_text(frames * each)} of memory and"
            f" {size_text(free)} is free, enough for {free // each} of them; cut it shorter or scale it down"
        )


def whole(value: Any) -> Any:
    """Arguments of torch with tensors for the files among them."""
    if isinstance(value, FileImages):
        return value.tensor()
    if isinstance(value, (list, tuple)):
        return type(value)(whole(item) for item in value)
    return {name: whole(item) for name, item in value.items()} if isinstance(value, dict) else value


def images_of(source: FileSource) -> Any:
    """The IMAGE of a video file: a tensor, or what stands for one where it would take more than LARGE bytes."""
    images = FileImages(source)
    return images if 4 * math.prod(images.shape) > LARGE else images.tensor()
