"""`sora animate PICTURE "PROMPT"`: the picture becomes the first frame of a video."""

from __future__ import annotations

import argparse
from pathlib import Path

from .edit_options import add_options, edited, names_released, prepared
from .generate import size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, help="the first frame")
    parser.add_argument("prompt", nargs="?", default="", help="what happens")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the video (default: 2)")
    parser.add_argument("--fps", type=float, help="frames per second")
    parser.add_argument(
        "--size", type=size, metavar="WxH", help="size of the video (default: a size that suits the model)"
    )
    parser.add_argument(
        "--hold", action="store_true", help="for a picture unlike the model's own: what it shows stays, and moves less"
    )
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    model, out = prepared(args, [args.picture], "animated")

    from ..sora_core.editing import Keyframe, animate
    from ..sora_core.grid import VideoSize, frames_for
    from ..sora_core.media import FrameSource, read_image
    from ..sora_core.pipeline.edit_files import working_size
    from ..sora_core.settings import DEFAULTS

    picture = read_image(args.picture).float()
    picture = picture / 255 if picture.max() > 1 else picture
    height, width = working_size(picture.shape[1], picture.shape[2], model)
    width, height = args.size or (width, height)
    fps = args.fps or DEFAULTS.fps
    asked = VideoSize(frames=frames_for(args.seconds, fps), height=height, width=width, fps=fps)
    edit = animate([Keyframe(image=picture[..., :3], frame_idx=0)], model.codec, size=asked, hold=args.hold)

    def timeline(result: FrameSource) -> list[FrameSource]:
        return [result]

    return edited(args, model, edit, out, timeline, parents=[args.picture])
