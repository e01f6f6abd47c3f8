"""From a prompt to a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..diffusion import draw_noise
from ..errors import InputError
from ..grid import VideoSize, frames_for, plan
from ..media import VideoWriter, check_output, write_image
from ..settings import DEFAULTS, SamplingSettings
from ..types import Progress
from ..world.expand import known_summary
from .limits import check_device, check_memory
from .model import SoraModel, load_bundled
from .sampling import decode_stream, empty_state, encode_text, sample

__all__ = ["GenerateResult", "check_prompt", "generate"]

METADATA_KEY = "sora"
"""in files made by `generate`: prompt and settings as JSON; the keys of ComfyUI's graph stay free"""


@dataclass(frozen=True, kw_only=True)
class GenerateResult:
    """What was made: the file, its size, and the seconds each part took."""

    path: Path
    size: VideoSize
    seconds_taken: dict[str, float]


def check_prompt(prompt: str) -> None:
    """Raises InputError for an empty prompt."""
    if not prompt.strip():
        raise InputError(
            "the prompt is empty; say what to show, such as 'a red ball rolls to the left on snow at sunset'"
        )


def warn_of_unknown_words(model: SoraModel, prompt: str, warn: Callable[[str], None]) -> None:
    """Calls `warn` with the words that the model's text encoder does not know, where there are any."""
    if unknown := model.unknown_words(prompt):
        warn(f"the model does not know {', '.join(repr(word) for word in unknown)}; {known_summary()}")


def generate(
    prompt: str,
    *,
    out: str | Path,
    negative: str = DEFAULTS.negative,
    seconds: float = DEFAULTS.seconds,
    size: tuple[int, int] = DEFAULTS.size,
    fps: float = DEFAULTS.fps,
    seed: int = DEFAULTS.seed,
    settings: SamplingSettings | None = None,
    model: SoraModel | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> GenerateResult:
    """Prompt to file: an mp4, or a picture where `seconds` is 0. Raises SoraError before anything is sampled if it
    cannot end well.

    settings: None takes the model's own. The bundled weights are loaded to `device` where no `model` is given.
    """
    out, taken = Path(out), dict[str, float]()
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        taken[name], began = time.perf_counter() - began, time.perf_counter()

    check_prompt(prompt)
    asked = VideoSize(frames=frames_for(seconds, fps), height=size[1], width=size[0], fps=fps)
    check_output(out, asked)
    model = model or load_bundled(device=check_device(device))
    if warn is not None:
        warn_of_unknown_words(model, prompt, warn)
    grid = plan(asked, model.geometry)
    check_memory(model, grid)
    lap("load")
    context = encode_text(model, [prompt])
    against = encode_text(model, [negative]) if negative.strip() else None
    lap("text")
    noise = draw_noise(grid.shape, seed)
    state = empty_state(grid, model.geometry)
    settings = settings or model.settings
    latent = sample(model, state, context, noise=noise, negative=against, fps=fps, settings=settings, progress=progress)
    lap("sample")
    made_with = dict(
        prompt=prompt, negative=negative, seconds=seconds, size=size, fps=fps,
        steps=settings.steps, cfg=settings.cfg, seed=seed,
    )  # fmt: skip
    _save(model, latent, asked, out, {METADATA_KEY: json.dumps(made_with)})
    lap("decode and save")
    return GenerateResult(path=out, size=asked, seconds_taken=taken)


def _save(model: SoraModel, latent: Tensor, asked: VideoSize, out: Path, metadata: dict[str, str]) -> None:
    """Stream a latent into a file of the size asked for; the file tells what it was made with."""
    chunks = (chunk[..., : asked.height, : asked.width] for chunk in decode_stream(model.codec, latent))
    if asked.frames == 1:
        write_image(out, next(chunks)[:, :, :1], metadata=metadata)
        return
    left = asked.frames
    with VideoWriter(out, asked.height, asked.width, asked.fps, metadata=metadata) as writer:
        for chunk in chunks:
            writer.write(chunk[:, :, :left])
            left -= min(left, chunk.shape[2])
