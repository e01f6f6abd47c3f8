"""`sora train CONFIG`: from nothing to weights, by steps or by the clock, on a processor as on a card.

Processes render clips all the while (`data.renderers`); `Supply` brings them to the device. The codec is trained first
and frozen; text encoder and transformer follow on its latents, the classifier on what there is in the end. By steps,
each stage keeps a checkpoint and is taken up where it stopped; by the clock a run is one shot, which stops itself early
where clips, speed or loss are not what the configuration asks for: nobody sees such a run before it has ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from .. import checkpoints
from ..data.renderers import Renderers, Work
from ..data.store import ClipStore, stores_for
from ..dit import DiT, DiTConfig
from ..errors import ResourceError
from ..grid import Geometry
from ..perception.classifier import AttributeClassifier, ClassifierConfig, save_classifier
from ..pipeline.limits import check_device
from ..text.encoder import TextConfig, TextEncoder
from ..text.tokenizer import WordTokenizer
from ..vae import BundledCodec, CodecConfig
from ..world.captions import vocabulary as words_of_captions
from .channels_last import FastCodec
from .checks import BLOCK_OF_TRANSFORMER, check_calls, check_networks
from .classifier import ClassifierLoss
from .codec import BLOCK, CodecLoss, measure_latents, psnr
from .compiled import Blocks, compiled_blocks, graphs, rehearsed
from .export import save_codec, save_transformer, trained_by
from .forward import TextToVideo
from .loop import matrices_in, ready_card
from .plan import Stage, TrainingConfig, read_config
from .session import SAID_EVERY, Say, Session, Supply, Watch
from .transformer import Choice, TransformerLoss

__all__ = ["run"]

DECODER_MATRICES = ("fine", "coarse", "up")
CODEC_MATRICES = ("encoder.fine", "encoder.coarse", "encoder.down", "decoder.fine", "decoder.coarse", "decoder.up")
TRANSFORMER_MATRICES = ("dit.blocks", "text.blocks")
OUTPUTS_OF_BLOCK = ("self_attn.o.", "cross_attn.o.", "ffn.2.")
"""what a block of the transformer adds by"""
PUNCTUATION = (".", ",", ":", ";", "!", "?")
LAST = 8.0
"""seconds kept at the end of a run by the clock for what is saved last"""


def run(
    config: Path,
    *,
    device: str = "cpu",
    folder: Path | None = None,
    workers: int = 2,
    seconds: float | None = None,
    cutouts: Path | None = None,
    start: Path | None = None,
    say: Say = lambda _: None,
) -> Path:
    """Run every stage; returns the folder with codec, text, transformer and classifier as safetensors.

    With `seconds` the clock ends the run; `cutouts` are pictures of the world's nouns; `start` is a folder of weights
    to go on from: its codec stays (or its encoder alone, or its latents nearly, where the plan says so), text encoder
    and transformer are trained further. Raises InputError for a
    configuration that does not hold, ResourceError where a run by the clock is not as expected.
    """
    began = time.monotonic()
    plan = read_config(config)
    folder = folder or Path("output") / "training" / config.stem
    check_calls(workers=workers, seconds=seconds, cutouts=cutouts)
    target, tokenizer = check_device(device), vocabulary(plan, start, nouns=cutouts is not None)
    check_networks(plan, tokenizer, folder, device=target, start=start)
    ready_card(target)
    geometry = Geometry(channels=CodecConfig(**plan.codec.model).channels)
    work = Work(
        kinds=plan.clips.kinds,
        vocabulary=tokenizer.vocabulary,
        text_tokens=tokenizer.length,
        channels=geometry.channels,
        seed=plan.clips.seed,
        cutouts=cutouts,
        card_seconds=(seconds or 0) * plan.clips.share,
    )
    on_card = round(workers * plan.clips.on_card) if target.type == "cuda" and seconds is not None else 0
    renderers = Renderers(work, workers, on_card=on_card)
    try:
        stores = stores_for(
            plan.clips.kinds, plan.clips.room, geometry, tokenizer.length, target, unlike=plan.clips.unlike
        )
        session = Session(
            plan=plan,
            device=target,
            folder=folder,
            supply=Supply(
                renderers=renderers,
                stores=stores,
                say=say,
                stream=torch.cuda.Stream() if target.type == "cuda" else None,
            ),
            tokenizer=tokenizer,
            blocks=compiled_blocks() if target.type == "cuda" else Blocks(),
            say=say,
            deadline=None if seconds is None else began + seconds,
            seconds=seconds or 0.0,
            metadata=trained_by(**json.loads(config.read_text())),
        )
        say(f"{workers} processes render, {on_card} of them on the card at first; {tokenizer.size} words")
        stages(session, began, start)
    finally:
        renderers.close()
    return folder


def stages(session: Session, began: float, start: Path | None) -> None:
    """All stages of a session that began at `began`."""
    plan = session.plan
    codec = build_codec(plan, start).to(session.device)
    model = build_transformer(plan, session.tokenizer, start).to(session.device)
    counts = {name: sum(p.numel() for p in m.parameters()) for name, m in (("codec", codec), ("transformer", model))}
    session.say("parameters: " + ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in counts.items()))
    fast = FastCodec(codec, torch.bfloat16 if session.bfloat16 else torch.float32, session.blocks.residual)
    if session.device.type == "cuda":
        session = warmed_up(session, fast, model)
        fast.block = session.blocks.residual
    session.supply.renderers.start()  # beside a compiler they would halve its speed
    if session.device.type == "cuda":
        session.supply.bring_beside()
    first_clips(session, began)
    if start is None or goes_on(plan):
        train_codec(session, fast)
    else:
        save_codec(session.folder, codec, session.metadata)
    session.supply.codec = fast
    session.supply.encode()
    train_transformer(session, model)
    if plan.classifier is not None:
        train_classifier(session, plan.classifier, fast)


def vocabulary(plan: TrainingConfig, start: Path | None, *, nouns: bool = True) -> WordTokenizer:
    """The words of the world's captions; those of the weights to go on from come first, in their order."""
    length = plan.transformer.text.get("tokens", TextConfig.tokens)
    first: Sequence[str] = PUNCTUATION
    if start is not None:
        first = checkpoints.read_header(start / "text.safetensors").config["vocabulary"]
        if not plan.clips.named:
            return WordTokenizer(first, length)
    return WordTokenizer((*first, *sorted(words_of_captions(nouns=nouns).difference(first))), length)


def build_codec(plan: TrainingConfig, start: Path | None = None) -> BundledCodec:
    """The codec as the plan sizes it, from scratch or with the weights of a folder."""
    torch.manual_seed(plan.seed)
    codec = BundledCodec(CodecConfig(**plan.codec.model))
    if start is not None:
        checkpoints.load_into(codec, with_blocks(checkpoints.load(start / "codec.safetensors").tensors, codec))
    return codec


def with_blocks(given: Mapping[str, Tensor], codec: BundledCodec) -> dict[str, Tensor]:
    """A codec's weights with the residual blocks of `codec` that they lack, which add nothing at first."""
    lacking = {name: value for name, value in codec.state_dict().items() if name not in given and BLOCK.match(name)}
    return {**given, **{name: value * (".time." not in name) for name, value in lacking.items()}}


def build_transformer(plan: TrainingConfig, tokenizer: WordTokenizer, start: Path | None = None) -> TextToVideo:
    """Text encoder and transformer as the plan sizes them, from scratch or with the weights of a folder."""
    torch.manual_seed(plan.seed)
    stage = plan.transformer
    text = TextEncoder(TextConfig(vocabulary=tokenizer.vocabulary, **stage.text))
    model = TextToVideo(text, DiT(DiTConfig(**{"patch": (1, 2, 2), **stage.model})))
    model.text.init_weights()
    model.dit.init_weights()
    if start is not None:
        checkpoints.load_into(model.text, with_rows(checkpoints.load_sharded(start, "text").tensors, model.text))
        given = checkpoints.load_sharded(start, "transformer").tensors
        checkpoints.load_into(model.dit, with_depth(given, model.dit.config.depth))
    return model


def with_depth(given: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """A transformer's weights with more blocks: copies of theirs, each behind its own, which add nothing at first
    (block expansion, arXiv 2401.02415)."""
    numbers = {int(found[1]) for name in given if (found := BLOCK_OF_TRANSFORMER.match(name))}
    out = {name: value for name, value in given.items() if not BLOCK_OF_TRANSFORMER.match(name)}
    source = [place * len(numbers) // depth for place in range(depth)]
    for place, number in enumerate(source):
        copied = number in source[:place]
        for name, value in given.items():
            found = BLOCK_OF_TRANSFORMER.match(name)
            if found and int(found[1]) == number:
                silent = copied and found[2].startswith(OUTPUTS_OF_BLOCK)
                out[f"blocks.{place}.{found[2]}"] = value * (not silent)
    return out


def with_rows(given: Mapping[str, Tensor], text: TextEncoder) -> dict[str, Tensor]:
    """A text encoder's weights with rows as they are in `text` for the words that they lack."""
    known, own = given["embedding.weight"], text.embedding.weight.detach()
    return {**given, "embedding.weight": torch.cat([known.to(own.dtype), own[len(known) :]])}


def warmed_up(session: Session, fast: FastCodec, model: TextToVideo) -> Session:
    """The session with its blocks compiled; or, where that fails, with plain ones."""
    try:
        largest = max(session.stores, key=lambda s: s.kind.height * s.kind.width)
        loss = transformer_loss(session, model)
        frames = largest.kind.window or largest.latent_frames
        for size, count in ((largest.kind.sizes[0], frames), (largest.kind.sizes[-1], 1)):
            loss.rehearse(Choice(store=largest, size=size, frames=count, weight=1.0))
        session.say(f"transformer's block compiled: {graphs()} graphs")
        CodecLoss(codec=fast, stores=session.stores, **session.plan.codec.loss).rehearse()
        session.say(f"codec's block compiled: {graphs()} graphs")
        rehearsed()
    except Exception as error:  # whatever a compiler may raise
        session.say(f"blocks are not compiled, all runs slower: {type(error).__name__}: {str(error)[:400]}")
        session = replace(session, blocks=Blocks())
    model.zero_grad(set_to_none=True)
    fast.codec.zero_grad(set_to_none=True)
    return session


def first_clips(session: Session, began: float) -> None:
    """Wait for the clips that training begins with: for the share of the run that is theirs, and then for as long
    again where there are too few."""
    clips, supply = session.plan.clips, session.supply
    share = session.seconds * clips.share
    said = time.monotonic()

    def enough() -> bool:
        if session.deadline is None:
            return supply.count >= clips.least
        passed = time.monotonic() - began
        return passed > 2 * share or (passed > share and supply.count >= clips.least)

    while not enough():
        supply.take(2.0, wait=1.0)
        if time.monotonic() - said > SAID_EVERY:
            said = time.monotonic()
            session.say(f"{supply.count} clips")
    if supply.count < clips.least:
        raise ResourceError(
            f"{supply.count} clips were rendered in {time.monotonic() - began:.0f} s, not {clips.least}: give more"
            " time or processes, or ask for fewer"
        )
    supply.take(5.0)
    session.say(f"{supply.count} clips: " + ", ".join(f"{n} {s.count}" for n, s in supply.stores.items()))


def goes_on(plan: TrainingConfig) -> bool:
    """Whether a codec is trained further, with the mean and deviation that its latents had."""
    return bool(plan.codec.loss.get("decoder_alone") or plan.codec.loss.get("anchor"))


def train_codec(session: Session, fast: FastCodec) -> None:
    """The codec stage: train, measure the latents, save the average. A codec that goes on keeps the measures of its
    latents, and with the decoder trained alone the latents themselves."""
    stage, codec = session.plan.codec, fast.codec
    loss = CodecLoss(codec=fast, stores=session.stores, seed=session.plan.seed, **stage.loss)
    name, network = ("decoder", codec.decoder) if loss.decoder_alone else ("codec", codec)
    matrices = matrices_in(DECODER_MATRICES if loss.decoder_alone else CODEC_MATRICES)
    trainer = session.trainer(name, network, stage, session.stage_seconds(stage.share), matrices=matrices)
    torch.backends.cudnn.benchmark = session.device.type == "cuda"  # crops are all of one size
    trainer.train(loss, watch=Watch(session, name, stage, db=True))
    torch.backends.cudnn.benchmark = False
    network.load_state_dict(trainer.averaged())
    measured = [store for store in session.stores if store.count >= 2]
    with torch.no_grad():
        if not goes_on(session.plan):
            videos = [whole_clips(store, slice(0, 8)) for store in measured]
            measure_latents(codec, [fast.moments(video, mid_stream=False)[0] for video in videos])
        for store in measured:
            video = whole_clips(store, slice(store.count - 2, store.count))
            quality = psnr(fast.decode(fast.encode(video)), video).mean()
            session.say(f"codec on {store.kind.name}: {float(quality):.2f} dB")
    save_codec(session.folder, codec, session.metadata)


def whole_clips(store: ClipStore, which: slice) -> Tensor:
    """Some clips of a store [B,3,F,H,W] with a number of frames that the codec takes."""
    chosen = torch.arange(store.count, device=store.device)[which]
    return store.clips(chosen, 0, (store.video.shape[1] - 1) // 4 * 4 + 1)


def transformer_loss(session: Session, model: TextToVideo) -> TransformerLoss:
    """The loss of the transformer stage."""
    stage = session.plan.transformer
    return TransformerLoss(
        model=model,
        stores=session.stores,
        curriculum=stage.curriculum,
        seed=session.plan.seed,
        bfloat16=session.bfloat16,
        block=session.blocks.transformer,
        **stage.loss,
    )


def train_transformer(session: Session, model: TextToVideo) -> None:
    """The transformer stage, with what it has so far saved now and then."""
    stage, after = session.plan.transformer, session.plan.classifier
    seconds = None
    if session.deadline is not None:
        kept = LAST + (session.seconds * after.share if after else 0.0)
        seconds = max(1.0, session.deadline - kept - time.monotonic())
    trainer = session.trainer("transformer", model, stage, seconds, matrices=matrices_in(TRANSFORMER_MATRICES))

    def save() -> None:
        save_transformer(session.folder, model, trainer.averaged(), session.metadata)
        session.say(f"transformer saved at step {trainer.step}")

    trainer.train(transformer_loss(session, model), watch=Watch(session, "transformer", stage, save=save))
    save()


def train_classifier(session: Session, stage: Stage, fast: FastCodec) -> None:
    """The classifier stage, on the clips that are there in the end."""
    torch.manual_seed(session.plan.seed)
    classifier = AttributeClassifier(ClassifierConfig(**stage.model)).to(session.device)
    loss = ClassifierLoss(
        classifier=classifier,
        stores=session.stores,
        codec=fast,
        seed=session.plan.seed,
        bfloat16=session.bfloat16,
        **stage.loss,
    )
    seconds = None if session.deadline is None else max(1.0, session.deadline - LAST / 2 - time.monotonic())
    trainer = session.trainer("reader", classifier, stage, seconds)
    trainer.train(loss, watch=Watch(session, "classifier", stage))
    save_classifier(session.folder / "reader.safetensors", classifier, trainer.averaged(), session.metadata)
    session.say(f"classifier saved at step {trainer.step}")
