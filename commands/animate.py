"""`sora animate PICTURE "PROMPT"`: the picture becomes the first frame of a video."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..sora_core.files import check_writable
from .edit_options import add_options, edited, look, prepared
from .shared import names_released, size
from .terminal import note, warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", type=Path, help="the first frame")
    parser.add_argument("prompt", nargs="?", default="", help="what happens")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the video (default: 2)")
    parser.add_argument("--fps", type=float, help="frames per second")
    parser.add_argument(
        "--size",
        type=size,
        metavar="WxH",
        help="size of the video (default: the picture's own, up to as many pixels as 1920x1080)",
    )
    parser.add_argument(
        "--hold", action="store_true", help="for a picture unlike the model's own: what it shows stays, and moves less"
    )
    add_options(parser)


@names_released()
def execute(args: argparse.Namespace) -> int:
    model, out = prepared(args, [args.picture], "animated")

    from ..sora_core.editing import Keyframe, animate
    from ..sora_core.editing.sizes import fit_frames, resized
    from ..sora_core.grid import VideoSize, frames_for
    from ..sora_core.media import TensorSource, estimated_bytes, read_pictures
    from ..sora_core.pipeline.drafts import small_size
    from ..sora_core.pipeline.working import from_picture, result_size
    from ..sora_core.settings import DEFAULTS

    found = read_pictures(args.picture, most=2)
    if len(found.frames) > 1:
        warn(f"{args.picture.name} holds several pictures, of which the first is animated")
    if int(found.alpha.min()) < 255:
        warn(f"the transparency of {args.picture.name} is left out")
    picture = found.frames[:1].float() / 255
    height, width = picture.shape[1:3]
    (wide, tall) = args.size or result_size(height, width)[::-1]
    fps = DEFAULTS.fps if args.fps is None else args.fps
    asked = VideoSize(frames=frames_for(args.seconds, fps), height=tall, width=wide, fps=fps)
    check_writable(out, estimated_bytes(asked))
    if (tall, wide) != (height, width):
        note(f"a picture of {width}x{height} is {'cropped' if args.size else 'scaled'} to {wide}x{tall}")
        picture = fit_frames(picture, tall, wide)
    height, width = small_size(tall, wide, model.geometry)
    size = replace(asked, height=height, width=width)
    first = Keyframe(image=resized(picture, height, width), frame_idx=0)
    edit = from_picture(animate([first], model.codec, size=size, hold=args.hold), picture)
    refined = not args.hold  # the refiner knows the model's own world, and would paint what is held
    seen = [look(args, TensorSource(picture, fps))] if args.prompt.strip() else []
    return edited(args, model, edit, out, seen=seen, refined=refined, parents=[args.picture])
