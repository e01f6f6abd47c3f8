"""From a prompt to a file: the bundled model, and the few calls that everything else is made of.

    model = load_bundled()
    context = encode_text(model, [prompt])
    latent = sample(model, empty_state(model, grid), context, noise=..., ...)
    for frames in decode_stream(model.codec, latent): ...

Legend: B batch, C channels, F pixel frames, T latent frames, H W height and width, S text tokens, D text width.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import checkpoints, open_weights
from .diffusion import (
    FeatureCache,
    SamplerState,
    Stretch,
    anchor,
    draw_noise,
    renoise,
    ring,
    schedule,
    shift_for_tokens,
    span_prompts,
)
from .diffusion import cfg as guided
from .diffusion import sample as run_sampler
from .diffusion.loop import Preview
from .dit import DiT, DiTConfig
from .dit.denoiser import DiTDenoiser, experts
from .errors import InputError, ResourceError
from .files import size_text
from .grid import Geometry, LatentGrid, VideoSize, frames_for, plan, positions, spans
from .media import VideoWriter, check_output, write_image
from .text.encoder import TextConfig, TextEncoder
from .text.expand import known_summary, unknown_words
from .text.tokenizer import WordTokenizer
from .types import Denoiser, LatentState, Progress
from .vae import BundledCodec, CausalCodec, CodecConfig

__all__ = [
    "DEFAULTS", "Defaults", "GenerateResult", "SoraModel", "check_device", "check_memory", "decode_stream",
    "denoiser", "empty_state",
    "encode_text", "generate", "load_bundled", "load_codec", "load_open", "memory_estimate", "sample", "sample_video",
    "time_estimate",
]  # fmt: skip

CHUNK = 4
"""latent frames decoded at once: memory stays the same for a clip of any length"""
TIMED = 1024
"""tokens at most of the step that is run to say how long sampling takes"""
TIMED_WORK = 5 * 10**11
"""multiplications at most of that step, down to an eighth of those tokens: a network of billions of weights is timed
on fewer"""
METADATA_KEY = "sora"
"""in files made by `generate`: prompt and settings as JSON; the keys of ComfyUI's graph stay free"""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What is used where the user says nothing."""

    negative: str = ""
    seconds: float = 2.0
    size: tuple[int, int] = (64, 64)
    """width and height in pixels"""
    fps: float = 8.0
    steps: int = 25
    cfg: float = 2.0
    cfg_interval: tuple[float, float] = (0.1, 1.0)
    """noise levels at which guidance acts (arXiv 2404.07724)"""
    solver: str = "dpmpp_2m"
    scheduler: str = "simple"
    seed: int = 0


DEFAULTS = Defaults()


@dataclass(frozen=True, kw_only=True)
class SoraModel:
    """A model ready to sample: the bundled one, or published weights."""

    codec: CausalCodec
    text: nn.Module
    """[B,S] tokens -> [B,S,D] features"""
    tokenizer: Callable[[Sequence[str]], Tensor]
    dit: DiT
    low: DiT | None = None
    """a second expert, for noise levels below `low_from`"""
    low_from: float = 0.0
    low_cfg: float | None = None
    """guidance of the second expert, where it has its own"""
    shift: float | None = None
    """of the schedule; None: by the number of tokens"""
    cfg_interval: tuple[float, float] = DEFAULTS.cfg_interval
    ring: bool = False
    """samples every clip as a loop"""
    cache: float = 0.0
    """threshold of the feature cache; 0 runs the network at every step"""

    @property
    def geometry(self) -> Geometry:
        return self.codec.geometry

    @property
    def device(self) -> torch.device:
        return self.dit.patch_embedding.weight.device


@dataclass(frozen=True, kw_only=True)
class GenerateResult:
    """What was made: the file, its size, and the seconds each part took."""

    path: Path
    size: VideoSize
    seconds_taken: dict[str, float]


def load_bundled(folder: Path | None = None, *, device: torch.device | str = "cpu") -> SoraModel:
    """The bundled weights (or another set of the same kind in `folder`). Raises CheckpointError for a damaged file."""
    folder = folder or Path(str(files(__package__) / "weights"))
    codec = load_codec(folder / "codec.safetensors", device=device)
    with torch.device("meta"):
        text = TextEncoder(TextConfig(**_config(folder / "text.safetensors")))
        dit = DiT(DiTConfig(**_config(folder / "transformer.safetensors")))
    _fill(text, folder / "text.safetensors", device)
    _fill(dit, folder / "transformer.safetensors", device)
    return SoraModel(
        codec=codec, text=text, tokenizer=WordTokenizer(text.config.vocabulary, text.config.tokens), dit=dit
    )


def load_open(
    *,
    transformer: Path,
    codec: Path,
    text: Path,
    low: Path | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
) -> SoraModel:
    """Published weights (the Wan family) from their files; `low` is the low-noise expert of Wan 2.2 A14B.

    Raises CheckpointError or ResourceError, naming the file, for what does not fit or does not fit into memory.
    """
    open_weights.check_fits([path for path in (transformer, low, text, codec) if path], device)
    dit = open_weights.load_transformer(transformer, dtype=dtype, device=device)
    settings = open_weights.published(dit.config, two_experts=low is not None)
    encoder, table = open_weights.load_text_encoder(text, dtype=dtype, device=device)
    return SoraModel(
        codec=open_weights.load_codec(codec, dtype=dtype, device=device),
        text=open_weights.OpenText(encoder),
        tokenizer=open_weights.OpenTokens(table),
        dit=dit,
        low=open_weights.load_transformer(low, dtype=dtype, device=device) if low else None,
        low_from=settings.boundary or 0.0,
        low_cfg=settings.cfg_low,
        shift=settings.shift,
        cfg_interval=(0.0, 1.0),
    )


def load_codec(path: Path, *, device: torch.device | str = "cpu") -> BundledCodec:
    """A codec of the bundled kind."""
    with torch.device("meta"):
        codec = BundledCodec(CodecConfig(**_config(path)))
    _fill(codec, path, device)
    return codec


def _config(path: Path) -> dict[str, Any]:
    """The config in a file; JSON has lists where the dataclasses have tuples."""
    config = checkpoints.read_header(path).config
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def _fill(module: torch.nn.Module, path: Path, device: torch.device | str) -> None:
    """Weights into a module made on the meta device, float32, ready for use."""
    module.to_empty(device=device)
    checkpoints.load_into(module, checkpoints.load(path).tensors)
    module.eval().requires_grad_(False)


@torch.no_grad()
def encode_text(model: SoraModel, prompts: Sequence[str]) -> Tensor:
    """Text features [B,S,D]; an empty prompt is all zeros."""
    device = next(model.text.parameters()).device
    return model.text(model.tokenizer(prompts).to(device))


def empty_state(grid: LatentGrid, geometry: Geometry, *, batch: int = 1) -> LatentState:
    """A grid on which everything is to be made."""
    latent = torch.zeros(batch, *grid.shape)
    grid_spans = spans(grid.shape[1], geometry)
    return LatentState(
        latent=latent,
        clean=latent,
        mask=torch.ones_like(latent[:, :1]),
        positions=positions(grid_spans, grid.asked.fps),
        spans=grid_spans,
    )


def denoiser(model: SoraModel, state: LatentState, fps: float, rows: Tensor | None = None) -> Denoiser:
    """The network on the grid of a state, its weights laid out; `rows` [T]: which prompt of several each latent frame
    follows."""
    dits = [dit.laid_out() for dit in (model.dit, model.low) if dit]
    networks = [DiTDenoiser(dit, positions=state.positions, spans=state.spans, fps=fps, rows=rows) for dit in dits]
    return networks[0] if model.low is None else experts(networks[0], networks[1], model.low_from)


def sample(
    model: SoraModel,
    state: LatentState,
    cond: Tensor,
    *,
    noise: Tensor,
    negative: Tensor | None = None,
    steps: int = DEFAULTS.steps,
    cfg: float = DEFAULTS.cfg,
    solver: str = DEFAULTS.solver,
    scheduler: str = DEFAULTS.scheduler,
    denoise: float = 1.0,
    fps: float = DEFAULTS.fps,
    loop: bool = False,
    anchored: bool = False,
    shots: Tensor | None = None,
    stretch: Stretch | None = None,
    progress: Progress | None = None,
    preview: Preview | None = None,
    resume: SamplerState | None = None,
    checkpoint: Callable[[SamplerState], None] | None = None,
) -> Tensor:
    """A sampled latent [B,C,T,H,W] from a state and text features [B,S,D]; without `negative` guidance is against no
    text.

    loop: the clip is a ring. anchored: what is lost of `state.latent` on the way is given back (`diffusion.anchor`).
    shots: features
    are [B,P,S,D] for P prompts, and these are the prompt of each latent frame, [T] int64, or the share of each prompt
    in each, [P,T]
    float (as many runs of the network). stretch: some of the steps alone.
    """
    _, t, h, w = state.latent.shape[1:]
    p, q, r = model.dit.config.patch
    shift = shift_for_tokens("picture", t // p * (h // q) * (w // r), t // p) if model.shift is None else model.shift
    sigmas = schedule(scheduler, steps, shift=shift, denoise=denoise)
    if stretch is not None:
        sigmas = stretch.of(sigmas)
        if stretch.noised:
            resume = SamplerState(step=0, x=state.latent.float(), sigmas=sigmas, solver=solver)
    uncond = encode_text(model, [""] * len(cond)).to(cond) if negative is None else negative
    if shots is not None and shots.ndim == 2:
        network: Denoiser = span_prompts(denoiser(model, state, fps), shots)
    else:
        network = denoiser(model, state, fps, shots)
        uncond = uncond if cond.ndim == 3 else uncond[:, None].expand(-1, cond.shape[1], -1, -1)
    plain, network = network, guided(network, cfg, uncond=uncond, interval=model.cfg_interval)
    if model.low_cfg is not None and cfg != 1:
        network = experts(
            network, guided(plain, model.low_cfg, uncond=uncond, interval=model.cfg_interval), model.low_from
        )
    if anchored:
        network = anchor(network, plain, state.latent, noise, uncond)
    if loop or model.ring:
        network = ring(network, sigmas)
    if model.cache:
        network = FeatureCache(network, model.cache)
    if not model.dit.config.per_position_time:
        network = renoise(network, noise.to(state.latent))
    return run_sampler(
        network, state.to(model.device), noise, sigmas, cond, solver=solver,
        progress=progress, preview=preview, resume=resume, checkpoint=checkpoint,
    )  # fmt: skip


@torch.no_grad()
def decode_stream(codec: CausalCodec, latent: Tensor, *, mid_stream: bool = False) -> Iterator[Tensor]:
    """Chunks [B,3,F,H,W] in -1..1 of a latent, in bounded memory."""
    for chunk in codec.decode_stream(latent.to(codec.latent_mean.device).split(CHUNK, 2), mid_stream=mid_stream):
        yield chunk.clamp(-1, 1)


def sample_video(
    model: SoraModel, prompts: Sequence[str], size: VideoSize, *, seed: int = 0, **settings: Any
) -> Tensor:
    """Videos [B,3,F,H,W] in -1..1 of a batch of prompts, trimmed to `size`. `settings` are those of `sample`."""
    grid = plan(size, model.geometry)
    noise = draw_noise(grid.shape, seed, count=len(prompts))
    latent = sample(
        model,
        empty_state(grid, model.geometry, batch=len(prompts)),
        encode_text(model, prompts),
        noise=noise,
        **settings,
    )
    video = torch.cat(list(decode_stream(model.codec, latent)), 2)
    return video[:, :, : size.frames, : size.height, : size.width]


def memory_estimate(model: SoraModel, grid: LatentGrid) -> int:
    """Bytes that sampling and decoding a grid take beyond the weights, from above."""
    config = model.dit.config
    step = (
        2 * grid.tokens * (config.width * 12 + config.mlp_width * 2) * model.dit.patch_embedding.weight.element_size()
    )
    channels, t, h, w = grid.shape
    factor = model.geometry.space_factor
    decode = min(t, CHUNK) * h * w * factor * factor // 16 * 192 * 4 * 6
    return step + decode + channels * t * h * w * 4 * 8


@torch.no_grad()
def time_estimate(model: SoraModel, grid: LatentGrid, *, steps: int = DEFAULTS.steps) -> float:
    """Seconds that sampling a grid takes here and now: one guided step of as many tokens is run.

    Beyond TIMED tokens, or TIMED_WORK, the step is shorter, and scaled by the multiplications that it leaves out.
    """
    config = model.dit.config
    weights = sum(weight.numel() for weight in model.dit.blocks.parameters())
    tokens = min(grid.tokens, TIMED, max(TIMED // 8, TIMED_WORK // weights))
    p, q, r = config.patch
    strip = replace(grid, shape=(config.channels, p, q, r * tokens))
    state = empty_state(strip, model.geometry, batch=2).to(model.device)
    context = torch.ones(2, config.text_tokens, config.text_width, device=model.device)
    network = denoiser(model, state, grid.asked.fps)
    taken = 0.0
    for _ in range(2):  # the first call prepares what later ones find
        began = time.perf_counter()
        network(state.latent, torch.ones(2, device=model.device), state.mask, context).sum().item()
        taken = time.perf_counter() - began
    work, timed = (n * (weights + 2 * n * config.width * config.depth) for n in (grid.tokens, tokens))
    return steps * taken * work / timed


def check_memory(model: SoraModel, grid: LatentGrid) -> None:
    """Raises ResourceError, with the estimate, where a grid is beyond the machine; nothing has been allocated yet."""
    need = memory_estimate(model, grid)
    free = _free_memory(model.device)
    if free is not None and need > free:
        raise ResourceError(
            f"{grid.asked} needs about {size_text(need)} of memory ({grid.tokens:,} tokens) and {size_text(free)} is"
            " free; choose a smaller size or fewer seconds"
        )


def check_device(name: str) -> torch.device:
    """The device of that name. Raises InputError for one that is not here, or that this torch was not built for."""
    try:
        return torch.empty(1, device=name).device
    except (AssertionError, RuntimeError) as error:  # torch has no error of its own for it
        here = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(f"there is no device {name!r} here; this torch can use {here}") from error


def _free_memory(device: torch.device) -> int | None:
    """Free bytes where the model runs, or None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def check_prompt(prompt: str, warn: Callable[[str], None] | None) -> None:
    """Raises InputError for an empty prompt; warns of words that the bundled model does not know."""
    if not prompt.strip():
        raise InputError(
            "the prompt is empty; say what to show, such as 'a red ball rolls to the left on snow at sunset'"
        )
    unknown = unknown_words(prompt)
    if unknown and warn is not None:
        warn(f"the bundled model does not know {', '.join(repr(word) for word in unknown)}; {known_summary()}")


def generate(
    prompt: str,
    *,
    out: Path,
    negative: str = DEFAULTS.negative,
    seconds: float = DEFAULTS.seconds,
    size: tuple[int, int] = DEFAULTS.size,
    fps: float = DEFAULTS.fps,
    steps: int = DEFAULTS.steps,
    cfg: float = DEFAULTS.cfg,
    seed: int = DEFAULTS.seed,
    model: SoraModel | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> GenerateResult:
    """Prompt to file: an mp4, or a picture where `seconds` is 0. Raises SoraError before anything is sampled if it
    cannot end well.

    The bundled weights are loaded to `device` where no `model` is given.
    """
    taken: dict[str, float] = {}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        taken[name], began = time.perf_counter() - began, time.perf_counter()

    check_prompt(prompt, warn)
    asked = VideoSize(frames=frames_for(seconds, fps), height=size[1], width=size[0], fps=fps)
    check_output(out, asked)
    model = model or load_bundled(device=check_device(device))
    grid = plan(asked, model.geometry)
    check_memory(model, grid)
    lap("load")
    context = encode_text(model, [prompt])
    against = encode_text(model, [negative]) if negative.strip() else None
    lap("text")
    noise = draw_noise(grid.shape, seed)
    state = empty_state(grid, model.geometry)
    latent = sample(
        model, state, context, noise=noise, negative=against, steps=steps, cfg=cfg, fps=fps, progress=progress
    )
    lap("sample")
    made_with = dict(
        prompt=prompt, negative=negative, seconds=seconds, size=size, fps=fps, steps=steps, cfg=cfg, seed=seed
    )
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
