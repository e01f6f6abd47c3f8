"""From a prompt to a file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from ..claims import sweep
from ..diffusion import draw_noise, schedule
from ..diffusion.noise import check_seed
from ..errors import InputError
from ..files import size_text
from ..grid import LatentGrid, VideoSize, frames_for, plan
from ..layers.surroundings import unaffected
from ..media import Segmented, check_output, evened, publish, room_for, segment_frames
from ..open_weights import published
from ..safety.doors import Protection, guards_for
from ..safety.provenance import Origin, can_sign
from ..settings import DEFAULTS, SamplingSettings
from ..types import Progress
from ..vae import CausalCodec
from .drafts import brought_up, draft_size, refine_memory, refine_seconds
from .limits import check_memory, decode_estimate, in_tiles, memory_estimate, time_estimate
from .model import SoraModel, load_bundled
from .preview import EarlyLook
from .sampling import decode_from, empty_state, encode_text, sample, settings_of, texts_of
from .stored import FOLDER, RunStore, key_of
from .wording import review_both, worded

__all__ = ["LONG", "GenerateResult", "generate", "segmented"]

TRAINED = "64x64 to 256x256"
TRAINED_SIDE, TRAINED_PIXELS, TRAINED_SECONDS = 64, 256 * 256, 5.5
"""smallest side, largest picture and longest clip of the bundled weights' training"""
NEAR = 0.25, 2.5
"""pixels of a picture that published weights make, as a share of those of the size they are made for"""
LONG = 10.0
"""seconds of sampling above which the estimate is told before it begins"""
METADATA_KEY = "sora"
"""in files made by `generate`: prompt and settings as JSON; the keys of ComfyUI's graph stay free"""


@dataclass(frozen=True, kw_only=True)
class GenerateResult:
    """What was made: the file, its size, and the seconds each part took."""

    path: Path
    size: VideoSize
    seed: int
    caption: str
    """the text that was sampled"""
    seconds_taken: dict[str, float]


def pair(size: Iterable[int]) -> tuple[int, int]:
    """A width and a height. Raises InputError for what is not two of something."""
    try:
        width, height = size
    except (TypeError, ValueError) as error:
        raise InputError(f"a size is (width, height) in pixels, such as (128, 72), not {size!r}") from error
    return width, height


def check_not_empty(prompt: str) -> None:
    """Raises InputError for an empty prompt."""
    if not prompt.strip():
        raise InputError(
            "the prompt is empty; say what to show, such as 'a red ball rolls to the left on snow at sunset'"
        )


def outside_training(model: SoraModel, asked: VideoSize) -> str:
    """A sentence where a size, rate or length is beyond what the weights were trained on, else nothing."""
    return outside_bundled(asked) if model.vocabulary is not None else outside_published(model, asked)


def outside_published(model: SoraModel, asked: VideoSize) -> str:
    """The same of published weights: another rate, or several times more or less of pixels than they are made for."""
    made = published(model.dit.config, two_experts=model.low is not None)
    width, height = made.size
    least, most = NEAR
    near = least <= asked.height * asked.width / (width * height) <= most
    if near and (asked.frames == 1 or asked.fps == made.fps):
        return ""
    rate = "" if asked.frames == 1 else f" at {asked.fps:g} fps"
    return (
        f"{asked.width}x{asked.height}{rate} is not what {made.name} is made for ({width}x{height} at {made.fps:g}"
        " fps); expect less of the picture"
    )


def outside_bundled(asked: VideoSize) -> str:
    pixels, short = asked.height * asked.width, min(asked.height, asked.width)
    if short < TRAINED_SIDE or pixels > TRAINED_PIXELS:
        return f"{asked.width}x{asked.height} is outside the sizes of training ({TRAINED}); expect less of the picture"
    if asked.frames > 1 and asked.frames / asked.fps > TRAINED_SECONDS:
        return (
            f"{asked.frames / asked.fps:.3g} s is longer than the clips of training ({TRAINED_SECONDS:g} s); expect"
            " repetition, or extend a shorter clip"
        )
    return ""


class Laps:
    """Measures the parts of a run: each call names what has passed since the last one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """what each part took"""
        self._began = time.perf_counter()

    def __call__(self, part: str) -> None:
        """Ends a part."""
        now = time.perf_counter()
        self.seconds[part], self._began = now - self._began, now


@unaffected
def generate(
    prompt: str,
    *,
    out: str | Path,
    negative: str = DEFAULTS.negative,
    seconds: float = DEFAULTS.seconds,
    size: tuple[int, int] = DEFAULTS.size,
    fps: float = DEFAULTS.fps,
    seed: int = DEFAULTS.seed,
    expand: bool = True,
    refine: bool = True,
    settings: SamplingSettings | None = None,
    model: SoraModel | None = None,
    fast: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda text: None,
    tell: Callable[[str], None] = lambda text: None,
    protection: Protection | None = None,
    preview: str | Path | None = None,
) -> GenerateResult:
    """Prompt to file: an mp4, or a picture where `seconds` is 0. Raises SoraError before anything is sampled if it
    cannot end well.

    The prompt passes the policy, and the file is reviewed, marked and signed as `protection` says (None: all of it).
    expand: sample the descriptive caption that `world.expanded` makes of the prompt; published weights read it as it
    is. refine: a size beyond what the model makes well is sampled small and brought up by its refiner, if it has one.
    settings: None takes the model's own. The bundled weights are loaded to `device` where no `model` is given, with
    `fast` those of few steps. `warn` is called with what may go wrong, `tell` with what is made of the prompt and,
    above ten seconds, what it will take.
    preview: an mp4 that shows small, every few seconds of sampling, what is made so far.
    """
    out, laps, protection = Path(out), Laps(), protection or Protection()
    prompt, negative = texts_of([prompt, negative])
    check_not_empty(prompt)
    check_seed(seed)
    expand = expand and (model is None or model.vocabulary is not None)
    review_both(prompt, negative, protection.policy, warn, expand=expand)
    width, height = pair(size)
    asked = VideoSize(frames=frames_for(seconds, fps), height=height, width=width, fps=fps)
    fps = asked.fps
    check_output(out, asked, room=room_for(asked) * (2 if protection.sign and can_sign() else 1))
    if asked.frames > 1 and (padded := evened(asked.height, asked.width)):
        tell(padded)
    if preview is not None:
        if os.path.realpath(preview) == os.path.realpath(out):
            raise InputError(f"{out} is named for the early look and for the result; give the early look another name")
        check_output(preview, VideoSize(frames=2, height=2, width=2, fps=fps))
    model = model or load_bundled(device=device, fast=fast)
    settings = settings_of(model, settings)
    draft = draft_size(model, asked) if refine else None
    sampled = draft or asked
    grid = plan(sampled, model.geometry)
    check_memory(model, grid)
    schedule(settings.scheduler, settings.steps, denoise=settings.denoise)  # raises for steps that cannot be
    caption, negative = worded(model, prompt, negative, settings, seed=seed, expand=expand, warn=warn, tell=tell)
    if outside := outside_training(model, sampled):
        warn(outside)
    laps("load")
    foretell(model, grid, draft and asked, settings, tell)
    laps("estimate")
    context = encode_text(model, [caption])
    against = encode_text(model, [negative]) if negative.strip() else None
    laps("text")
    noise = draw_noise(grid.shape, seed)
    state = empty_state(grid, model.geometry)
    sweep(out.absolute().parent)
    runs = RunStore(out.absolute().parent / FOLDER, warn=warn)
    try:
        latent = sample(
            model, state, context, noise=noise, negative=against, fps=fps, settings=settings, progress=progress,
            runs=runs, preview=None if preview is None else EarlyLook(Path(preview), model.codec, fps, warn=warn),
        )  # fmt: skip
        laps("sample")
        made_with = dict(
            prompt=prompt, negative=negative, seconds=float(seconds), size=(asked.width, asked.height), fps=asked.fps,
            steps=int(settings.steps), cfg=float(settings.cfg), seed=int(seed), caption=caption,
            solver=settings.solver, scheduler=settings.scheduler, fast=fast,
            **({"draft": (draft.width, draft.height)} if draft else {}),
        )  # fmt: skip
        guards = guards_for(protection, fps=fps, origin=Origin(settings=made_with))
        metadata = {METADATA_KEY: json.dumps(made_with)}
        content = content_of(model, latent, asked, draft, runs, protection)
        publish(out, content, fps=fps, metadata=metadata, guards=guards)
        runs.finish()
    finally:
        runs.close()
    laps("decode and save")
    return GenerateResult(path=out, size=asked, seed=seed, caption=caption, seconds_taken=laps.seconds)


def content_of(
    model: SoraModel,
    latent: Tensor,
    asked: VideoSize,
    draft: VideoSize | None,
    runs: RunStore,
    protection: Protection,
) -> Iterator[Tensor] | Segmented:
    """What is published of a sampled latent: frames of the size asked for, brought up from that of its draft where it
    has one; a long or large clip in segments."""
    frames, refiner = partial(frames_of, model.codec, latent, draft or asked), model.refiner if draft else None
    if refiner is not None:
        frames = partial(brought_up, refiner, frames, (asked.height, asked.width))
    if asked.frames <= segment_frames(asked):
        return frames(0)
    key = None if refiner is None else key_of([refiner], (), None)
    said = (protection.watermark, protection.message, draft, key)
    return segmented(model.codec, latent, asked, runs, said, frames)


def segmented(
    codec: CausalCodec,
    latent: Tensor,
    asked: VideoSize,
    runs: RunStore,
    said: Any = None,
    frames: Callable[[int], Iterator[Tensor]] | None = None,
) -> Segmented:
    """The frames of a latent as a clip whose segments are kept with a run's states until the file is there.

    said: what else decides how the frames look. frames: its chunks from a frame on, where they are not simply decoded.
    """
    key = key_of([codec], [latent], (asked, said))
    frames = frames or partial(frames_of, codec, latent, asked)
    return Segmented(folder=runs.segments(key), size=asked, frames=frames)


def foretell(
    model: SoraModel,
    grid: LatentGrid,
    asked: VideoSize | None,
    settings: SamplingSettings,
    tell: Callable[[str], None],
) -> None:
    """Say how a run will go: that it is drafted and brought up to the size `asked` for, and what it takes, above ten
    seconds."""
    seconds = time_estimate(model, grid, steps=settings.steps, guided=settings.cfg != 1)
    memory = memory_estimate(model, grid)
    seconds += decode_estimate(model, grid)
    if asked is not None:
        tell(
            f"drafted at {grid.sampled.width}x{grid.sampled.height}, brought up to {asked.width}x{asked.height} by the"
            " refiner"
        )
        seconds, memory = seconds + refine_seconds(model, grid, asked), memory + refine_memory(model, grid, asked)
    if seconds > LONG:
        tell(f"{asked or grid.asked}: about {seconds:.0f} s and {size_text(memory)} of memory{in_tiles(model, grid)}")


def frames_of(codec: CausalCodec, latent: Tensor, asked: VideoSize, start: int = 0) -> Iterator[Tensor]:
    """Chunks [1,3,F,H,W] of a latent from frame `start` on, trimmed to the size asked for."""
    left = asked.frames - start
    for chunk in decode_from(codec, latent, start):
        if left:
            yield chunk[:, :, :left, : asked.height, : asked.width]
        left -= min(left, chunk.shape[2])
