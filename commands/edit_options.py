"""What the commands of edit operations share: options, names of files, the run itself."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..sora_core.errors import InputError
from ..sora_core.files import check_writable
from .shared import FAST, SAMPLING, asked_sampling, free_name, given
from .terminal import ProgressLine, note, say, warn

if TYPE_CHECKING:
    from ..sora_core.editing import Clip, Edit
    from ..sora_core.media import FrameSource
    from ..sora_core.pipeline import SoraModel
    from ..sora_core.world.captions import Facts

__all__ = ["add_options", "edited", "look", "prepared", "working"]


def add_options(parser: argparse.ArgumentParser, *, fast: bool = True) -> None:
    """Options of every edit operation. fast: whether few steps are as good for it, and what is done unasked."""
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="where to: .mp4 (default: a new name in output/)"
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same video (default: a new one each time)")
    parser.add_argument("--steps", type=int, help="sampling steps: more are slower and finer")
    parser.add_argument("--cfg", type=float, help="how firmly the prompt is followed; 1 is off")
    usual = "the default, unless --steps, --cfg or something to avoid is given" if fast else "default: --no-fast"
    parser.add_argument("--fast", action=argparse.BooleanOptionalAction, help=f"{FAST} ({usual})")
    parser.set_defaults(few_steps=fast)
    parser.add_argument("--negative", default="", help="what not to show")
    parser.add_argument(
        "--no-refine", action="store_true", help="enlarge what is made plainly: softer, in seconds at any size"
    )
    parser.add_argument("--no-expand", action="store_true", help="sample the prompt as it stands")
    parser.add_argument("--device", default="cpu", help="where the weights run: cpu (default), cuda, cuda:1")


def fast_for(args: argparse.Namespace) -> bool:
    """Whether a run takes few steps: as it is asked for, else where they do for it and nothing needs guidance. Raises
    InputError for settings beside --fast."""
    if args.fast is not None or not args.few_steps:
        asked_sampling(args)
        return bool(args.fast)
    from ..sora_core.world.expand import expanded

    guided = given(args, SAMPLING) or args.negative.strip()
    return not guided and (args.no_expand or not expanded(args.prompt).negative)


def existing(path: Path) -> Path:
    """Raises InputError for a path that is no file."""
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        said = f"{path} is no file but a folder or device" if os.path.exists(path) else f"there is no file {path}"
        raise InputError(said)
    return path


def prepared(args: argparse.Namespace, sources: Sequence[Path], what: str) -> tuple[SoraModel, Path]:
    """The model, and the name of the result; both are sure before anything is read."""
    args.fast = fast_for(args)
    if not os.path.exists(sources[0]) and os.path.isfile(args.prompt):
        raise InputError(f'the file comes first: sora {args.command} {args.prompt} "{sources[0]}"')
    for path in sources:
        existing(path)
    out = args.out or free_name(f"{sources[0].stem} {what}", ".mp4")
    check_writable(out)
    if out.exists() and any(out.samefile(path) for path in sources):
        raise InputError(f"{out} is what this command reads and would be lost under what it writes; name another file.")
    if out.suffix.lower() != ".mp4":
        raise InputError(f"a video is saved as .mp4, so {out} needs a name with that ending.")
    if args.seed is None:
        args.seed = secrets.randbelow(2**32)

    from ..sora_core import pipeline
    from ..sora_core.diffusion.noise import check_seed

    check_seed(args.seed)
    return pipeline.load_bundled(device=args.device, fast=args.fast), out


def working(path: Path, model: SoraModel, *, like: Clip | None = None) -> Clip:
    """The clip of a file at the size at which it is edited, or at that of another clip."""
    from ..sora_core.pipeline.edit_files import clip_of
    from ..sora_core.pipeline.working import working_clip

    return working_clip(clip_of(path), model.geometry, like=like)


def look(args: argparse.Namespace, frames: FrameSource | None, *, at_end: bool = True) -> Facts | None:
    """What the end of a clip shows, or its beginning; None where it is not asked for, or cannot be told."""
    from ..sora_core.perception.seen import seen_in

    return None if args.no_expand else seen_in(frames, at_end=at_end)


def edited(
    args: argparse.Namespace,
    model: SoraModel,
    edit: Edit,
    out: Path,
    *,
    seen: Sequence[Facts | None] = (),
    refined: bool = True,
    sounds: Sequence[tuple[Path, float]] = (),
    parents: Sequence[Path] = (),
) -> int:
    """Run an edit and say the name of its file. seen: what the clips show, for what the prompt leaves out."""
    from ..sora_core.pipeline.edit_files import edit_file

    settings = model.settings.with_(**asked_sampling(args))
    with ProgressLine("sampling") as progress:
        frames = edit_file(
            model, edit, args.prompt, out, refined=refined and not args.no_refine, sounds=sounds, seed=args.seed,
            settings=settings, negative=args.negative, expand=not args.no_expand, seen=seen, parents=parents,
            progress=progress, warn=warn, tell=note,
        )  # fmt: skip
    say(str(out))
    note(f"{frames} frames at {edit.fps:g} fps, seed {args.seed}")
    return 0
