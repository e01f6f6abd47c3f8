"""`sora train CONFIG`: from nothing to weights, stage by stage, each stage taken up where it stopped.

pixels (render clips) -> codec -> latents (encode and caption more clips) -> transformer (with its text encoder) ->
decoder (once more, on
what the transformer makes). Everything lies in one folder; a stage whose result is there is not run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from .. import checkpoints
from ..data.clips import ClipKind, Shard, open_shards, render_shard
from ..data.latents import encode_shard, wordings
from ..data.packs import GroupSpec, PackSource
from ..dit import DiT, DiTConfig
from ..errors import InputError
from ..pipeline import load_bundled, load_codec
from ..text.encoder import TextConfig, TextEncoder
from ..text.tokenizer import WordTokenizer
from ..types import Progress
from ..vae import BundledCodec, CodecConfig
from ..world import describe, sample_scene
from .codec import CodecLoss, measure_latents
from .decoder import DecoderLoss, blended, made_again
from .loop import Recipe, Trainer, matrices_in
from .recycling import errors_of
from .transformer import TextToVideo, TransformerLoss

__all__ = ["Plan", "read_config", "run"]

VOCABULARY_SCENES = 6000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training configuration, as read from its file."""

    pixels: dict[str, Any]
    codec: dict[str, Any]
    latents: dict[str, Any]
    transformer: dict[str, Any]
    seed: int = 0
    decoder: dict[str, Any] = field(default_factory=dict)
    reader: dict[str, Any] = field(default_factory=dict)


def read_config(path: Path) -> Plan:
    """Read a JSON configuration; raises InputError that names the file and what is wrong with it."""
    try:
        return Plan(**json.loads(path.read_text()))
    except OSError as error:
        raise InputError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a training configuration: {error}") from error


def jobs(stage: dict[str, Any]) -> list[tuple[ClipKind, int, int]]:
    """(kind, first seed, clips) of every shard of a stage."""
    out, seed = [], int(stage["seed"])
    for entry in stage["kinds"]:
        sizes = {k: v for k, v in entry.items() if k not in ("clips", "shards")}
        for _ in range(entry.get("shards", 1)):
            out.append((ClipKind(**{**sizes, "fps": float(sizes["fps"])}), seed, int(entry["clips"])))
            seed += int(entry["clips"])
    return out


def run(config: Path, *, folder: Path | None = None, workers: int = 2, progress: Progress | None = None) -> Path:
    """Run every stage that is not done; returns the folder, which holds codec.safetensors and
    transformer.safetensors."""
    plan = read_config(config)
    folder = folder or Path("output") / "training" / config.stem
    for name in ("pixels", "latents"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pixels = [(folder / "pixels", *job) for job in jobs(plan.pixels)]
    if not (folder / "codec.safetensors").exists():
        train_codec(plan, list(open_shards(_in_processes(_render, pixels, workers))), folder, progress)
    tokenizer = vocabulary(plan)
    made = [(folder / "latents", folder / "codec.safetensors", tokenizer, *job) for job in jobs(plan.latents)]
    shards = _in_processes(_encode, made, workers)
    train_transformer(plan, list(open_shards(shards)), tokenizer, folder, progress)
    if plan.decoder:
        train_decoder(plan, list(open_shards(_in_processes(_render, pixels, workers))), folder, progress)
    return folder


def _in_processes(work: Callable[..., Path], arguments: Sequence[tuple[Any, ...]], workers: int) -> list[Path]:
    """Run `work` for every tuple in processes of one thread each: small pictures gain nothing from more. No workers:
    here."""
    if not workers:
        return [work(*one) for one in arguments]
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        return list(pool.map(work, *zip(*arguments, strict=True)))


def _render(folder: Path, kind: ClipKind, first_seed: int, count: int) -> Path:
    return render_shard(folder, kind, first_seed, count)


def _encode(folder: Path, codec: Path, tokenizer: WordTokenizer, kind: ClipKind, first_seed: int, count: int) -> Path:
    return encode_shard(folder, load_codec(codec), tokenizer, kind, first_seed, count)


def _tuples(config: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the configs have tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def train_codec(plan: Plan, shards: list[Shard], folder: Path, progress: Progress | None) -> None:
    """The codec stage: train, measure the latents, save the average."""
    torch.manual_seed(plan.seed)
    codec = BundledCodec(CodecConfig(**_tuples(plan.codec["model"])))
    loss = CodecLoss(codec=codec, shards=shards, pixels=plan.codec["pixels_per_step"], seed=plan.seed)
    blocks = matrices_in(
        ("encoder.fine", "encoder.coarse", "encoder.down", "decoder.fine", "decoder.coarse", "decoder.up")
    )
    trainer = Trainer(codec, Recipe(**plan.codec["recipe"]), folder / "codec-run.safetensors", matrices=blocks)
    trainer.resume()
    trainer.train(loss, progress)
    codec.load_state_dict(trainer.averaged())
    sample = [shard.tensors["video"][:16].permute(0, 4, 1, 2, 3).float() / 127.5 - 1 for shard in shards[:8]]
    step = codec.geometry.time_factor
    measure_latents(codec, [video[:, :, : (video.shape[2] - 1) // step * step + 1] for video in sample])
    save_model(folder / "codec.safetensors", codec, asdict(codec.config))


def vocabulary(plan: Plan) -> WordTokenizer:
    """The words of the world's captions."""
    scenes = [sample_scene(seed, held_out=None) for seed in range(VOCABULARY_SCENES)]
    captions = (describe(scene, level, seed) for scene in scenes for level, seed in wordings(scene))
    return WordTokenizer.train(captions, plan.transformer["text"]["tokens"])


def build(plan: Plan, tokenizer: WordTokenizer) -> TextToVideo:
    """Text encoder and transformer as the plan sizes them, at the start of training."""
    torch.manual_seed(plan.seed)
    text = TextEncoder(TextConfig(vocabulary=tokenizer.vocabulary, **plan.transformer["text"]))
    model = TextToVideo(text, DiT(DiTConfig(**_tuples({"patch": (1, 2, 2), **plan.transformer["model"]}))))
    model.text.init_weights()
    model.dit.init_weights()
    return model


def train_transformer(
    plan: Plan, shards: list[Shard], tokenizer: WordTokenizer, folder: Path, progress: Progress | None
) -> None:
    """The transformer stage: phases of one run, each with its own mix of sizes."""
    model = build(plan, tokenizer)
    geometry = load_codec(folder / "codec.safetensors").geometry
    recipe = Recipe(**plan.transformer["recipe"])
    trainer = Trainer(
        model, recipe, folder / "transformer-run.safetensors", matrices=matrices_in(("dit.blocks", "text.blocks"))
    )
    trainer.resume()
    if plan.transformer.get("compile", True):
        for block in (*model.dit.blocks, *model.text.blocks):
            block.compile(dynamic=False)
    for phase in plan.transformer["phases"]:
        if trainer.step < phase["until"] and "errors" in phase:
            export(trainer, model, folder)
            shards = _with_errors(shards, phase["errors"], folder)
        source = PackSource(shards=shards, mix=[GroupSpec(**group) for group in phase["mix"]], geometry=geometry)
        loss = TransformerLoss(
            model=model, source=source, steps=recipe.steps, seed=plan.seed, **_tuples(phase.get("loss", {}))
        )
        trainer.train(loss, progress, until=phase["until"])
    export(trainer, model, folder)


def _with_errors(shards: Sequence[Shard], wanted: dict[str, int], folder: Path) -> list[Shard]:
    """The shards; those whose kind begins as one that is wanted, with the transformer's errors on so many clips,
    measured once."""
    model, out = load_bundled(folder), []
    for shard in shards:
        count = next((count for kind, count in wanted.items() if shard.kind.name.startswith(kind)), 0)
        if count:
            errors = _once(folder / "errors" / shard.path.name, partial(errors_of, model, shard, count))
            shard = replace(shard, tensors=shard.tensors | errors)
        out.append(shard)
    return out


def train_decoder(plan: Plan, shards: list[Shard], folder: Path, progress: Progress | None) -> None:
    """The last stage: the decoder learns what the transformer makes; the codec as it was first trained stays beside
    it."""
    first = folder / "codec-first.safetensors"
    if not first.exists():
        save_model(first, codec := load_codec(folder / "codec.safetensors"), asdict(codec.config))
    codec, start = load_codec(first), load_codec(first)
    codec.decoder.requires_grad_(True)
    blocks = matrices_in(("fine", "coarse", "up"))
    trainer = Trainer(
        codec.decoder, Recipe(**plan.decoder["recipe"]), folder / "decoder-run.safetensors", matrices=blocks
    )
    trainer.resume()
    clips = CodecLoss(codec=codec, shards=shards, pixels=plan.decoder["pixels_per_step"], seed=plan.seed)
    trainer.train(DecoderLoss(clips=clips, made=_made_again(plan, shards, folder)), progress)
    blended(start, trainer.averaged())
    save_model(folder / "codec.safetensors", start, asdict(start.config))


def _made_again(plan: Plan, shards: list[Shard], folder: Path) -> list[dict[str, Tensor]]:
    """Some clips of every shard of pixels as the transformer makes them, made once."""
    model, count = load_bundled(folder), plan.decoder["clips"]
    return [_once(folder / "made" / shard.path.name, partial(made_again, model, shard, count)) for shard in shards]


def _once(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What is in the file, made if it is not there."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        checkpoints.save(path, make(), config={})
    return dict(checkpoints.load(path).tensors)


def export(trainer: Trainer, model: TextToVideo, folder: Path) -> None:
    """Save the averaged text encoder and transformer as they are shipped."""
    averaged: dict[str, Tensor] = trainer.averaged()
    text = {k.removeprefix("text."): v for k, v in averaged.items() if k.startswith("text.")}
    dit = {k.removeprefix("dit."): v for k, v in averaged.items() if k.startswith("dit.")}
    checkpoints.save(folder / "text.safetensors", halved(text), config=asdict(model.text.config))
    checkpoints.save(folder / "transformer.safetensors", halved(dit), config=asdict(model.dit.config))


def save_model(path: Path, model: nn.Module, config: dict[str, Any]) -> None:
    """Save weights in bfloat16 with their config."""
    checkpoints.save(path, halved(model.state_dict()), config=config)


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices in bfloat16; vectors and tables stay float32."""
    return {k: v.detach().to(torch.bfloat16 if v.ndim > 1 else torch.float32).contiguous() for k, v in tensors.items()}
