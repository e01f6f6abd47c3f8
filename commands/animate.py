"""`sora animate PICTURE "PROMPT"`: the picture becomes the first frame of a video."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .edit_options import add_options, edited, names_released, prepared
from .generate import size
from .terminal import note

if TYPE_CHECKING:
    from ..sora_core.grid import VideoSize
    from ..sora_core.pipeline import SoraModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, help="the first frame")
    parser.add_argument("prompt", nargs="?", default="", help="what happens")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the video (default: 2)")
    parser.add_argument("--fps", type=float, help="frames per second")
    parser.add_argument("--size", type=size, metavar="WxH", help="size of the video (default: the picture's own)")
    parser.add_argument(
        "--hold", action="store_true", help="for a picture unlike the model's own: what it shows stays, and moves less"
    )
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    model, out = prepared(args, [args.picture], "animated")

    from ..sora_core.editing import Keyframe, animate
    from ..sora_core.editing.sizes import fit_frames
    from ..sora_core.grid import VideoSize, frames_for
    from ..sora_core.media import FrameSource, read_image
    from ..sora_core.pipeline.edit_files import enlarged_picture, resized, result_size, working_size
    from ..sora_core.settings import DEFAULTS

    picture = read_image(args.picture).float() / 255
    height, width = picture.shape[1:3]
    (wide, tall) = args.size or result_size(height, width)[::-1]
    if (tall, wide) != (height, width):
        note(f"a picture of {width}x{height} is {'cropped' if args.size else 'scaled'} to {wide}x{tall}")
        picture = fit_frames(picture, tall, wide)
    fps = args.fps or DEFAULTS.fps
    asked = VideoSize(frames=frames_for(args.seconds, fps), height=tall, width=wide, fps=fps)
    height, width = working_size(tall, wide, model)
    small = replace(asked, height=height, width=width)
    refiner = None if args.hold else model.refiner  # it knows the model's own world, and would paint what is held
    foretell_size(model, small, asked, refined=refiner is not None)
    first = Keyframe(image=resized(picture, height, width), frame_idx=0)
    edit = animate([first], model.codec, size=small, hold=args.hold)

    def timeline(result: FrameSource) -> Sequence[FrameSource]:
        return enlarged_picture(result, picture, refiner)

    return edited(args, model, edit, out, timeline, parents=[args.picture])


def foretell_size(model: SoraModel, small: VideoSize, asked: VideoSize, *, refined: bool) -> None:
    """Say that a clip is made small and brought to its size, and what a refiner takes for it. Raises ResourceError
    where memory is short."""
    from ..sora_core.grid import plan
    from ..sora_core.pipeline.drafts import check_refine_memory, refine_seconds

    if (small.height, small.width) == (asked.height, asked.width):
        return
    said = f"made at {small.width}x{small.height} and brought to {asked.width}x{asked.height}"
    if refined and small.height * small.width < asked.height * asked.width:
        check_refine_memory(model, (small.height, small.width), asked)
        said += f" by the refiner: about {refine_seconds(model, plan(small, model.geometry), asked):.0f} s"
    note(said)
