"""Pictures made, put together and taken apart, as the simplest workflows of ComfyUI do it.

IMAGE [F,H,W,C] in 0..1, MASK [F,H,W]; the names, inputs and results are ComfyUI's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...runtime import schema as io
from ...sora_core.errors import InputError
from ...sora_core.memory import check_memory_for

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NODES"]

MAX_SIDE = 16384
MAX_FRAMES = 4096
SIDE: dict[str, Any] = {"min": 1, "max": MAX_SIDE, "step": 1}
METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
"""ways to scale, by torch's names; the last one is Pillow's"""


class EmptyImage(io.ComfyNode):
    """Pictures of one colour."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmptyImage",
            display_name="EmptyImage",
            category="image",
            inputs=[
                io.Int.Input("width", default=512, **SIDE),
                io.Int.Input("height", default=512, **SIDE),
                io.Int.Input("batch_size", default=1, min=1, max=MAX_FRAMES),
                io.Int.Input("color", default=0, min=0, max=0xFFFFFF, step=1),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, width: int, height: int, batch_size: int = 1, color: int = 0) -> io.NodeOutput:
        import torch

        check_memory_for(12 * batch_size * height * width, "an image of this size", "make it smaller")
        colour = torch.tensor([color >> 16 & 255, color >> 8 & 255, color & 255]) / 255
        return io.NodeOutput(colour.expand(batch_size, height, width, 3).contiguous())


class ImageScale(io.ComfyNode):
    """Pictures at another size; a side of 0 follows from the other."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScale",
            display_name="Upscale Image",
            category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                io.Int.Input("width", default=512, min=0, max=MAX_SIDE, step=1),
                io.Int.Input("height", default=512, min=0, max=MAX_SIDE, step=1),
                io.Combo.Input("crop", options=["disabled", "center"]),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, upscale_method: str, width: int, height: int, crop: str) -> io.NodeOutput:
        if not width and not height:
            return io.NodeOutput(image)
        check_pictures(image)
        _, tall, wide, _ = image.shape
        width = width or max(1, round(wide * height / tall))
        height = height or max(1, round(tall * width / wide))
        return io.NodeOutput(
            scaled(centred(image, width, height) if crop == "center" else image, width, height, upscale_method)
        )


class ImageScaleBy(io.ComfyNode):
    """Pictures so many times as large."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScaleBy",
            display_name="Upscale Image By",
            category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                io.Float.Input("scale_by", default=1.0, min=0.01, max=8.0, step=0.01),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, upscale_method: str, scale_by: float) -> io.NodeOutput:
        check_pictures(image)
        _, tall, wide, _ = image.shape
        width, height = max(1, round(wide * scale_by)), max(1, round(tall * scale_by))
        return io.NodeOutput(scaled(image, width, height, upscale_method))


class ImageCrop(io.ComfyNode):
    """A part of each picture; what lies outside is moved in."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        place: dict[str, Any] = {"default": 0, "min": 0, "max": MAX_SIDE, "step": 1}
        return io.Schema(
            node_id="ImageCrop",
            display_name="Image Crop",
            category="image/transform",
            inputs=[
                io.Image.Input("image"),
                io.Int.Input("width", default=512, **SIDE),
                io.Int.Input("height", default=512, **SIDE),
                io.Int.Input("x", **place),
                io.Int.Input("y", **place),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, width: int, height: int, x: int, y: int) -> io.NodeOutput:
        left, top = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
        return io.NodeOutput(image[:, top : top + height, left : left + width])


class ImageBatch(io.ComfyNode):
    """Two runs of pictures as one; the second is brought to the size of the first."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageBatch",
            display_name="Batch Images",
            category="image",
            inputs=[io.Image.Input("image1"), io.Image.Input("image2")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image1: Any, image2: Any) -> io.NodeOutput:
        import torch

        _, height, width, channels = image1.shape
        if image2.shape[1:3] != image1.shape[1:3]:
            check_pictures(image1, "image1")
            check_pictures(image2, "image2")
            image2 = scaled(centred(image2, width, height), width, height, "bilinear")
        most = max(channels, image2.shape[3])
        frames = len(image1) + len(image2)
        check_memory_for(4 * frames * height * width * most, f"{frames} pictures together", "join fewer")
        return io.NodeOutput(torch.cat([opaque(image1, most), opaque(image2, most)]))


class RepeatImageBatch(io.ComfyNode):
    """Pictures again and again."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RepeatImageBatch",
            display_name="RepeatImageBatch",
            category="image/batch",
            inputs=[io.Image.Input("image"), io.Int.Input("amount", default=1, min=1, max=MAX_FRAMES)],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, amount: int) -> io.NodeOutput:
        frames, height, width, channels = image.shape
        need = 4 * amount * frames * height * width * channels
        check_memory_for(need, f"{amount * frames} pictures", "repeat them less often")
        return io.NodeOutput(image.repeat(amount, 1, 1, 1))


class ImageFromBatch(io.ComfyNode):
    """Some of several pictures; those asked for beyond the last are left out."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageFromBatch",
            display_name="ImageFromBatch",
            category="image/batch",
            inputs=[
                io.Image.Input("image"),
                io.Int.Input("batch_index", default=0, min=-MAX_SIDE, max=MAX_SIDE),
                io.Int.Input("length", default=1, min=1, max=MAX_FRAMES),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, batch_index: int, length: int) -> io.NodeOutput:
        count = len(image)
        first = max(0, batch_index + count) if batch_index < 0 else min(batch_index, count - 1)
        return io.NodeOutput(image[first : min(count, first + length)])


class ImageInvert(io.ComfyNode):
    """Negatives."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageInvert",
            display_name="Invert Image",
            category="image",
            inputs=[io.Image.Input("image")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any) -> io.NodeOutput:
        return io.NodeOutput(1.0 - image)


def check_pictures(image: Any, name: str = "image") -> None:
    """Raises InputError for IMAGE of no pictures or no pixels."""
    if not all(image.shape):  # of a file, its shape is known without reading it
        raise InputError(f"{name} is {list(image.shape)}, which holds nothing; link at least one picture")


def scaled(image: Any, width: int, height: int, method: str) -> Tensor:
    """IMAGE of another size. Raises ResourceError where it does not fit into memory."""
    import torch
    import torch.nn.functional as F

    frames, channels = image.shape[0], image.shape[3]
    need = 8 * frames * channels * height * width
    check_memory_for(need, f"{frames} pictures of {width}x{height}", "scale to a smaller size")
    if method == "lanczos":
        return torch.stack([lanczos(frame, width, height) for frame in image])
    if method not in METHODS:
        raise InputError(f"upscale_method is one of {', '.join(METHODS)}, not {method!r}")
    parts = []
    for first in range(0, frames, 8):
        part = image[first : first + 8].movedim(-1, 1)
        parts.append(F.interpolate(part, (height, width), mode=method).movedim(1, -1))
    return torch.cat(parts)


def lanczos(frame: Tensor, width: int, height: int) -> Tensor:
    """One picture [H,W,C] through Pillow, in 8 bits as ComfyUI does."""
    import numpy as np
    import torch
    from PIL import Image

    levels = (frame * 255).clamp(0, 255).byte().numpy()
    picture = Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
    values = np.array(picture.resize((width, height), Image.Resampling.LANCZOS), dtype=np.float32) / 255
    return torch.from_numpy(values.reshape(height, width, -1))


def centred(image: Any, width: int, height: int) -> Any:
    """The middle of each picture with the proportions of width x height."""
    _, tall, wide, _ = image.shape
    x = max(0, round((wide - wide * (width / height) / (wide / tall)) / 2))
    y = max(0, round((tall - tall * (wide / tall) / (width / height)) / 2))
    return image[:, y : tall - y, x : wide - x]


def opaque(image: Any, channels: int) -> Any:
    """IMAGE of so many channels: alpha that is missing is 1."""
    import torch.nn.functional as F

    return image if image.shape[3] == channels else F.pad(image, (0, channels - image.shape[3]), value=1.0)


NODES: list[type[io.ComfyNode]] = [
    EmptyImage, ImageScale, ImageScaleBy, ImageCrop, ImageBatch, RepeatImageBatch, ImageFromBatch, ImageInvert,
]  # fmt: skip
