"""Sora / video: what was made small, brought up by the refiner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..sora_core.errors import InputError
from ..sora_core.settings import DEFAULTS, MAX_FPS, MAX_SIDE
from . import calls, doors, host
from .host import io
from .inputs import wanted_size
from .layouts.edits import clip_of
from .layouts.pictures import rgb

if TYPE_CHECKING:
    from ..sora_core.grid import VideoSize
    from ..sora_core.media import FrameSource

__all__ = ["NODES", "check_room", "size_inputs"]


def size_inputs(height: int = 0) -> list[Any]:
    """Width and height that a video is brought up to."""
    side: dict[str, Any] = {"min": 0, "max": MAX_SIDE, "step": 8, "optional": True}
    return [
        io.Int.Input("width", default=0, **side, tooltip="Width after refining; 0 is by the height, or as it comes."),
        io.Int.Input(
            "height", default=height, **side, tooltip="Height after refining; 0 is by the width, or as it comes."
        ),
    ]


def check_room(size: VideoSize | None, width: int = 0, height: int = 0) -> None:
    """Raises ResourceError where the disk has no room for a clip of that size, brought up to a width and height as
    `size_inputs` ask for, and for its file once it is saved. None, and a picture, need none."""
    from ..sora_core.media import estimated_bytes

    if size is None or size.frames == 1:
        return
    tall, wide = wanted_size(width, height, (size.height, size.width)) or (size.height, size.width)
    host.check_room(2 * estimated_bytes(replace(size, height=tall, width=wide)))


class SoraRefineVideo(io.ComfyNode):
    """A small video or picture at a larger size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraRefineVideo",
            display_name="Sora Refine Video",
            category="Sora",
            description=(
                "Brings a small video or picture to a larger size: mends lumps and specks of a draft, and enlarges with"
                " crisp edges."
            ),
            inputs=[
                io.Video.Input("video", optional=True, tooltip="A video to be brought up."),
                io.Image.Input("image", optional=True, tooltip="Or frames, or one picture."),
                *size_inputs(256),
                io.Boolean.Input(
                    "draft",
                    default=True,
                    optional=True,
                    tooltip=(
                        "What comes in was sampled by the bundled model: its lumps and specks are mended. Off: it is"
                        " clean, and only enlarged."
                    ),
                ),
                io.Float.Input(
                    "fps",
                    default=DEFAULTS.fps,
                    min=1.0,
                    max=MAX_FPS,
                    step=0.5,
                    optional=True,
                    tooltip="Rate of frames that come as an image.",
                ),
            ],
            outputs=[
                io.Video.Output(tooltip="The larger video, to be saved or edited."),
                io.Image.Output(display_name="first_frame", tooltip="Its first frame; of one picture, the picture."),
            ],
        )

    @classmethod
    def execute(
        cls,
        video: Any = None,
        image: Any = None,
        width: int = 0,
        height: int = 256,
        draft: bool = True,
        fps: float = DEFAULTS.fps,
    ) -> io.NodeOutput:
        from ..sora_core.editing import Clip
        from ..sora_core.grid import VideoSize

        if video is not None and image is not None:
            raise InputError("video and image are both linked; link the one that is to be brought up")
        if video is None and image is None:
            raise InputError("no video or image is linked; link the one that is to be brought up")
        if image is not None:
            clip, sound = Clip(image=rgb(image), fps=fps), None
        else:
            clip, heard = clip_of(None, video)
            sound = heard.audio
        source = cast("FrameSource", clip.source)
        check_room(
            VideoSize(frames=source.length, height=source.height, width=source.width, fps=source.fps), width, height
        )
        path = host.temp_path(".mp4")
        first = calls.refine_to_file(source, (width, height), path, sound=sound, draft=draft, progress=host.progress())
        return io.NodeOutput(doors.decoded_here(path), first)


NODES: list[type[io.ComfyNode]] = [SoraRefineVideo]
