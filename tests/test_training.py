"""Training: a run that was stopped and taken up again is the run that never stopped; batches are what they promise; the
forward passes of training are the networks' own."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from sora_nodes.sora_core import checkpoints, training
from sora_nodes.sora_core.data.altered import altered
from sora_nodes.sora_core.data.batches import Source
from sora_nodes.sora_core.data.clips import ClipKind, cells_with_things, make_clip, scene_of
from sora_nodes.sora_core.data.draws import Draws
from sora_nodes.sora_core.data.labels import UNASKED
from sora_nodes.sora_core.data.masks import keep_mask
from sora_nodes.sora_core.data.renderers import Renderers, Work
from sora_nodes.sora_core.data.store import ClipStore
from sora_nodes.sora_core.dit import ClipGrid
from sora_nodes.sora_core.errors import InputError, ResourceError
from sora_nodes.sora_core.grid import Geometry
from sora_nodes.sora_core.pipeline import load_bundled
from sora_nodes.sora_core.text.tokenizer import UNKNOWN, WordTokenizer
from sora_nodes.sora_core.training.average import average
from sora_nodes.sora_core.training.channels_last import FastCodec
from sora_nodes.sora_core.training.codec import CodecLoss, cropped
from sora_nodes.sora_core.training.export import save_codec, save_transformer
from sora_nodes.sora_core.training.forward import Places, predicted
from sora_nodes.sora_core.training.loop import Recipe, Trainer, matrices_in
from sora_nodes.sora_core.training.muon import Muon, orthogonal
from sora_nodes.sora_core.training.plan import read_config
from sora_nodes.sora_core.training.session import Supply
from sora_nodes.sora_core.training.transformer import Choice, Curriculum, TransformerLoss
from sora_nodes.sora_core.world import is_held_out
from training_toys import GEOMETRY, TEXT_TOKENS, WORDS, clip_of, kind_of, store_of, tiny_codec, tiny_model

run_module = sys.modules["sora_nodes.sora_core.training.run"]
CONFIG = Path(__file__).parent / "data" / "tiny_training.json"
BUNDLED = Path(__file__).parents[1] / "configs" / "bundled.json"


class Quadratic:
    """The loss of a linear layer that is drawn to 3."""

    def __init__(self, model: torch.nn.Linear, *, wait: float = 0.0, factor: float = 1.0) -> None:
        self.model, self.wait, self.factor, self.seen = model, wait, factor, []

    def backward(self, step: int, share: float) -> torch.Tensor:
        time.sleep(self.wait)
        self.seen.append(self.model.weight.detach().clone())
        loss = (self.model.weight - 3).square().sum() * self.factor
        loss.backward()
        return loss.detach()


def codec_trainer(path: Path) -> tuple[Trainer, CodecLoss]:
    codec = tiny_codec()
    store = store_of(kind_of())
    trainer = Trainer(codec, RECIPE, path, matrices=matrices_in(("encoder.fine", "encoder.down", "decoder.coarse")))
    return trainer, CodecLoss(codec=FastCodec(codec, torch.float32), stores=[store], crop=16, clips=2)


def transformer_trainer(path: Path) -> tuple[Trainer, TransformerLoss]:
    model = tiny_model()
    stores = [store_of(kind_of(21, window=4)), store_of(kind_of(13, family="storyboard"))]
    trainer = Trainer(model, RECIPE, path, matrices=matrices_in(("dit.blocks", "text.blocks")))
    loss = TransformerLoss(model=model, stores=stores, tokens=64, curriculum=Curriculum(least=1, stills=0.0))
    return trainer, loss


RECIPE = Recipe(steps=6, muon_rate=0.002, warmup=2, save_every=3)


@pytest.mark.parametrize("make", [codec_trainer, transformer_trainer])
def test_resumed_is_never_stopped(make, tmp_path: Path) -> None:
    whole, loss = make(tmp_path / "whole.safetensors")
    losses: list[float] = []
    whole.train(loss, watch=lambda step: losses.append(float(step.loss)))
    first, loss = make(tmp_path / "parts.safetensors")
    first.train(loss, until=3)
    second, loss = make(tmp_path / "parts.safetensors")
    assert second.resume() and second.step == 3
    late: list[float] = []
    second.train(loss, watch=lambda step: late.append(float(step.loss)))
    assert late == losses[3:]
    for name, value in whole.averaged().items():
        assert torch.equal(value, second.averaged()[name]), name


def test_the_clock_ends_a_run_and_keeps_no_checkpoint(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    trainer = Trainer(model, Recipe(steps=1), tmp_path / "run.safetensors", seconds=0.3)
    shares: list[float] = []
    began = time.monotonic()
    trainer.train(Quadratic(model, wait=0.02), watch=lambda step: shares.append(step.share))
    assert time.monotonic() - began >= 0.3 and len(shares) > 2
    assert shares == sorted(shares) and shares.index(1) == len(shares) - 1 and not list(tmp_path.iterdir())


def test_the_moving_average_follows_every_step(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    recipe = Recipe(steps=5, warmup=1, ema=0.5, save_every=5)
    trainer, loss = Trainer(model, recipe, tmp_path / "run.safetensors"), Quadratic(model)
    trainer.train(loss)
    expected, *after = [*loss.seen, model.weight.detach()]
    for step, value in enumerate(after):
        expected = expected.lerp(value, 1 - recipe.average(step))
    assert torch.allclose(trainer.averaged()["weight"], expected)
    assert recipe.average(0) < 0.1 and recipe.average(1000) == 0.5


def test_divergence_is_named(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    trainer = Trainer(model, Recipe(steps=2), tmp_path / "run.safetensors")
    with pytest.raises(InputError, match="diverged at step 0"):
        trainer.train(Quadratic(model, factor=float("nan")))
    assert not (tmp_path / "run.safetensors").exists()


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Recipe(steps=1000, warmup=100)
    rates = [recipe.rate(step, step / 1000) for step in range(1000)]
    assert rates[0] == 0.01 and rates[99] == rates[500] == 1 and rates[-1] == 0.02
    assert all(a >= b for a, b in pairwise(rates[600:]))


def test_muon_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours = [torch.randn(6, 4), torch.randn(4, 8), torch.randn(6, 4)]
    theirs = [torch.nn.Parameter(p.clone()) for p in ours]
    reference = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    muon = Muon(ours)
    for step in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=torch.Generator().manual_seed(step))
            other.grad = mine.grad.clone()
        muon.step(0.02)
        reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, atol=2e-3), float((mine - other).abs().max())
    singular = torch.linalg.svdvals(orthogonal(torch.randn(3, 16, 8)))
    assert float(singular.min()) > 0.5 and float(singular.max()) < 1.4


@pytest.mark.parametrize("mid_stream", [False, True])
def test_the_codec_of_training_is_the_codec(mid_stream: bool) -> None:
    codec = tiny_codec()
    codec.latent_mean.normal_()
    codec.latent_std.uniform_(0.5, 2)
    fast = FastCodec(codec, torch.float32)
    video = torch.rand(2, 3, 8 + (not mid_stream), 16, 24) * 2 - 1
    with torch.no_grad():
        latent = codec.encode(video, mid_stream=mid_stream)
        assert torch.allclose(fast.encode(video, mid_stream=mid_stream), latent, atol=1e-4)
        frames = codec.decode(latent, mid_stream=mid_stream)
        assert torch.allclose(fast.decode(latent, mid_stream=mid_stream), frames, atol=1e-4)


def test_the_forward_pass_of_training_is_the_transformer() -> None:
    model, store = tiny_model(), store_of(kind_of(21, family="storyboard", window=4))
    source = Source(store, (32, 64), 4)
    draws = Draws(0, 3)
    batch = source.batch(4, draws, keep=1.0)
    assert set(batch.variant.tolist()) == {0, 1} and 0 < float(batch.late.mean()) < 1
    noisy, sigma = draws.normal(*batch.latents.shape), torch.tensor([0.2, 0.5, 0.7, 0.95])
    grid = ClipGrid(
        shape=(4, 4, 4, 8),
        positions=source.positions[batch.variant],
        spans=source.spans[batch.variant],
        seconds_per_frame=torch.full((4,), 1 / 8),
        mask=batch.mask,
        text_rows=torch.arange(4)[:, None] * 2 + batch.late.long(),
        texts=8,
    )
    with torch.no_grad():
        text = model.dit.text(model.text(batch.ids.flatten(0, 1)))
        expected = model.dit([noisy], sigma, model.dit.plan([grid]), text)[0]
        places = Places.of(source, model.dit)
        given = predicted(model, places, noisy, sigma, batch.mask, batch.ids, batch.late, batch.variant)
    assert torch.allclose(given, expected, atol=1e-4), float((given - expected).abs().max())


def test_one_compiled_block_serves_stills_and_clips_of_every_size() -> None:
    compiled = training.compiled.compiled_blocks("eager")
    before = training.compiled.graphs()
    model, store = tiny_model(), store_of(kind_of(21, window=4))
    small = store_of(kind_of(13, width=32))
    loss = TransformerLoss(model=model, stores=[store], tokens=64, block=compiled.transformer)
    for where, size, frames in ((store, (32, 64), 4), (store, (16, 32), 1), (small, (32, 32), 4), (store, (32, 64), 1)):
        loss.rehearse(Choice(store=where, size=size, frames=frames, weight=1.0))
    assert training.compiled.graphs() - before <= 1


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 4, 8), (3, 8, 14), (5, 8, 8), (9, 14, 12)])
def test_keep_masks_keep_a_part_in_whole_patches(shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([keep_mask(shape, generator) for _ in range(200)])
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert (masks.flatten(1).sum(1) > 0).all(), "something is always made"
    assert (masks.flatten(1).mean(1) < 1).float().mean() > 0.7, "and nearly always something is kept"
    patches = masks.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    assert (patches == patches[:, :, :, :1, :, :1]).all(), "a patch is made or kept as a whole"
    assert ((masks[:, 0] == 0).all((1, 2))).any() and ((masks[:, -1] == 0).all((1, 2))).any()


def test_a_batch_holds_windows_of_its_clips() -> None:
    source = Source(store_of(kind_of(21, window=4), 6), (16, 32), 4)
    variants = []
    for step in range(20):
        batch = source.batch(6, Draws(0, step), keep=0.0)
        assert batch.latents.shape == (6, 4, 4, 2, 4) and (batch.mask == 1).all()
        frames = batch.latents[:, 0, :, 0, 0] % 100
        assert (frames.diff(dim=1) == 1).all() and ((frames[:, 0] > 0) == (batch.variant == 1)).all()
        variants.append(batch.variant)
    assert 0.3 < torch.cat(variants).float().mean() < 0.7, "half of the clips begin mid-stream"
    assert source.spans[:, 0].tolist() == [1, 4] and (source.spans[:, 1:] == 4).all()
    assert (source.positions[:, 0] == 0).all()
    still = Source(source.store, (32, 64), 1).batch(6, Draws(0, 0), keep=1.0)
    assert (still.mask == 1).all() and (still.variant == 0).all() and (still.latents % 100 == 0).all()


def test_a_batch_follows_from_its_step() -> None:
    source = Source(store_of(kind_of(21, window=4)), (32, 64), 4)
    one, same, other = (source.batch(8, Draws(0, step), keep=1.0) for step in (7, 7, 8))
    assert (
        torch.equal(one.latents, same.latents) and torch.equal(one.mask, same.mask) and torch.equal(one.ids, same.ids)
    )
    assert not torch.equal(one.latents, other.latents)
    kept = (one.mask.amin((1, 2, 3, 4)) == 0).float().mean()
    assert kept > 0.6 and (one.mask.amax((1, 2, 3, 4)) == 1).all()


def test_a_ring_begins_anywhere_and_is_made_whole() -> None:
    source = Source(store_of(kind_of(16, family="loop")), (32, 64), 4)
    begins = set()
    for step in range(20):
        batch = source.batch(2, Draws(0, step), keep=1.0)
        assert (batch.mask == 1).all()
        for clip in (batch.latents[:, 0, :, 0, 0] % 100).long().tolist():
            assert [(c - clip[0]) % 4 for c in clip] == [0, 1, 2, 3], "a turn without its own turn before"
            begins.add(clip[0])
    assert len(begins) == 4 and (source.spans == 4).all()


def test_a_bridge_is_made_mid_stream_between_two_kept_ends() -> None:
    source = Source(store_of(kind_of(25, family="bridge", window=6)), (32, 64), 6)
    for step in range(10):
        batch = source.batch(2, Draws(0, step), keep=0.0)
        mask = batch.mask[:, 0, :, 0, 0]
        assert (batch.variant == 1).all() and (mask[:, 0] == 0).all() and (mask[:, -1] == 0).all()
        assert (mask[:, 2:4] == 1).all()


def test_what_looks_unlike_the_world_is_always_continued() -> None:
    store = store_of(kind_of(21, window=4), 24, unlike=0.5)
    assert 4 < int(store.strange.sum()) < 20
    video = torch.rand(4, 3, 5, 16, 16) * 2 - 1
    changed = altered(video, Draws(0, 0))
    assert changed.shape == video.shape and changed.abs().max() <= 1 and not torch.allclose(changed, video, atol=0.1)
    clips, still = Source(store, (32, 64), 4), Source(store, (32, 64), 1)
    for step in range(10):
        batch = clips.batch(24, Draws(0, step), keep=0.0)
        strange = store.strange[(batch.latents[:, 0, 0, 0, 0] // 100).long()]
        kept = batch.mask.amin((1, 2, 3, 4)) == 0
        assert not (kept & ~strange).any() and kept[strange].float().mean() > 0.5
        whole = still.batch(24, Draws(0, step), keep=0.0).latents[:, 0, 0, 0, 0]
        assert not store.strange[(whole // 100).long()].any()


def test_what_the_captions_have_no_word_for_is_continued_and_often_as_a_picture() -> None:
    kind = kind_of(21, window=4)
    store = store_of(kind, 24)
    assert not store.strange.any()
    told = ClipStore(kind, 24, GEOMETRY, TEXT_TOKENS, "cpu", 0.0)
    for seed in range(24):
        clip = clip_of(kind, seed)
        if seed % 3 == 0:
            clip.ids[0, 0, 0] = UNKNOWN
        told.add(clip)
    assert told.strange.tolist() == [seed % 3 == 0 for seed in range(24)]
    told.latents, told.cells, told.encoded = store.latents, store.cells, 24
    source, pictures, strangers = Source(told, (32, 64), 4), 0, 0
    for step in range(20):
        batch = source.batch(24, Draws(0, step), keep=0.0)
        numbers = (batch.latents[:, 0, :, 0, 0]).long()
        strange, mask = told.strange[numbers[:, 0] // 100], batch.mask[:, 0, :, 0, 0]
        assert (mask[~strange] == 1).all() and (batch.mask.amax((1, 2, 3, 4)) == 1).all()
        alone = strange & (batch.mask.mean((1, 3, 4)) == torch.tensor([0.0, 1, 1, 1])).all(1) & (batch.variant == 0)
        assert (numbers[alone, 0] % 100 == 0).all(), "a picture is the first frame of its clip"
        pictures, strangers = pictures + int(alone.sum()), strangers + int(strange.sum())
    assert 0.4 < pictures / strangers < 0.7


def test_crops_hold_things_and_stay_inside() -> None:
    store = store_of(kind_of(13))
    store.things.zero_()
    store.things[:, :, 3, 7] = 1
    loss = CodecLoss(codec=FastCodec(tiny_codec(), torch.float32), stores=[store], crop=16, clips=4, whole=0.0)
    seen = [loss.crops(Draws(0, step)) for step in range(20)]
    assert {mid for _, _, mid in seen} == {False, True}
    assert all(video.shape[2] % 4 == (not mid) for video, _, mid in seen)
    assert torch.stack([cells.amax((1, 2, 3, 4)).mean() for _, cells, _ in seen]).mean() > 0.8
    video = torch.arange(2 * 8 * 8.0).view(2, 1, 1, 8, 8)
    part = cropped(video, torch.tensor([0, 3]), torch.tensor([1, 4]), 4)
    assert torch.equal(part[0, 0, 0], video[0, 0, 0, :4, 1:5]) and torch.equal(part[1, 0, 0], video[1, 0, 0, 3:7, 4:])


def test_a_pixel_of_a_thing_that_moves_counts_for_more() -> None:
    loss = CodecLoss(codec=FastCodec(tiny_codec(), torch.float32), stores=[store_of(kind_of())])
    video, seen = torch.zeros(1, 3, 3, 8, 8), torch.zeros(1, 1, 3, 8, 8)
    seen[..., :4] = 1
    video[:, :, 1:, :2] = 1
    weight = loss.weight(video, seen)
    assert weight.mean().isclose(torch.tensor(1.0)) and weight[0, 0, 2, 5, 0] > 2 * weight[0, 0, 2, 5, 7]
    assert weight[0, 0, 1, 0, 0] > weight[0, 0, 1, 5, 0]


def test_noise_levels_reach_down_to_where_edges_are_made() -> None:
    def below(even: float) -> float:
        loss = TransformerLoss(model=tiny_model(), stores=[store_of(kind_of())], even=even)
        return float((loss.sigma(torch.zeros(4000, 4, 1, 18, 32), Draws(0, 0)) < 0.35).float().mean())

    assert below(0.0) < 0.04 and below(0.25) > 0.08


def test_sizes_grow_in_the_course_of_a_run() -> None:
    kind = ClipKind(height=144, width=256, frames=21, fps=8.0, scales=((144, 256), (112, 192), (64, 112)), window=5)
    store = store_of(kind_of())
    store.kind = kind
    curriculum = Curriculum(least=1)

    def share_of(share: float, wanted) -> float:
        choices = curriculum.choices([store], share)
        return sum(c.weight for c in choices if wanted(c)) / sum(c.weight for c in choices)

    assert share_of(0.05, lambda c: c.frames == 1) == 1
    assert share_of(0.2, lambda c: c.frames == 5 and c.size == (64, 112)) > 0.5
    assert share_of(0.9, lambda c: c.frames == 5 and c.size == (144, 256)) > 0.4
    with pytest.raises(InputError, match="no kind has 12 encoded clips"):
        Curriculum().choices([replace_count(store)], 0.5)


def replace_count(store):
    store.encoded = 3
    return store


def test_training_never_sees_what_is_held_out() -> None:
    for family in (None, "single", "shots"):
        kind = ClipKind(height=16, width=16, frames=5, fps=8.0, family=family)
        assert not any(is_held_out(scene_of(kind, seed)) for seed in range(5000, 5060))


@pytest.mark.parametrize("family", [None, "storyboard", "loop", "bridge"])
def test_a_clip_follows_from_kind_and_seed(family: str | None) -> None:
    kind = ClipKind(height=16, width=32, frames=8 if family == "loop" else 9, fps=8.0, family=family)
    tokenizer, geometry = WordTokenizer(WORDS, 16), Geometry(channels=4)
    one, same, other = (make_clip(kind, seed, tokenizer, geometry) for seed in (3, 3, 4))
    assert (
        torch.equal(one.video, same.video)
        and torch.equal(one.ids, same.ids)
        and not torch.equal(one.video, other.video)
    )
    assert one.video.shape == (17 if family == "loop" else 9, 16, 32, 3) and one.things.shape[1:] == (2, 4)
    assert (one.starts[1] < 100) == (family == "storyboard")
    assert (one.answers != UNASKED).any() == (family in (None, "loop"))


def test_a_whole_run_by_steps(tmp_path: Path) -> None:
    said: list[str] = []
    folder = training.run(CONFIG, folder=tmp_path, workers=1, say=said.append)
    model = load_bundled(folder)
    assert model.dit.config.width == 32 and model.codec.latent_std.min() >= 0.25
    assert any("classifier saved" in line for line in said)
    before = checkpoints.load(folder / "transformer.safetensors").tensors["head.head.weight"].clone()
    training.run(CONFIG, folder=tmp_path, workers=1)
    after = checkpoints.load(folder / "transformer.safetensors").tensors["head.head.weight"]
    assert torch.equal(before, after), "what is done is not done again"
    training.run(CONFIG, folder=tmp_path / "further", workers=1, start=folder)
    further = load_bundled(tmp_path / "further")
    assert torch.equal(further.codec.decoder.start.weight, load_bundled(folder).codec.decoder.start.weight)
    assert not torch.equal(further.dit.head.head.weight, load_bundled(folder).dit.head.head.weight)


def test_a_decoder_trained_alone_leaves_the_latents_as_they_are(tmp_path: Path) -> None:
    folder = training.run(CONFIG, folder=tmp_path / "first", workers=1)
    plan = json.loads(CONFIG.read_text())
    plan["codec"]["loss"]["decoder_alone"] = True
    (tmp_path / "further.json").write_text(json.dumps(plan))
    training.run(tmp_path / "further.json", folder=tmp_path / "further", workers=1, start=folder)
    before, after = (load_bundled(made).codec for made in (folder, tmp_path / "further"))
    video = torch.rand(1, 3, 9, 32, 32) * 2 - 1
    assert torch.equal(before.encode(video), after.encode(video))
    assert not torch.equal(before.decoder.fine[0].space.conv.weight, after.decoder.fine[0].space.conv.weight)


def test_an_anchored_codec_goes_on_near_its_latents_with_more_blocks(tmp_path: Path) -> None:
    folder = training.run(CONFIG, folder=tmp_path / "first", workers=1)
    plan = json.loads(CONFIG.read_text())
    fine, coarse = plan["codec"]["model"]["encoder_blocks"]
    plan["codec"]["model"]["encoder_blocks"] = [fine + 1, coarse + 1]
    video, away = torch.rand(1, 3, 9, 32, 32) * 2 - 1, []
    before = load_bundled(folder).codec
    (tmp_path / "further.json").write_text(json.dumps(plan))
    deeper = run_module.build_codec(read_config(tmp_path / "further.json"), folder)
    assert torch.allclose(deeper.encode(video), before.encode(video), atol=1e-5)
    for anchor in (1e-6, 1e3):
        plan["codec"]["loss"]["anchor"] = anchor
        (tmp_path / "further.json").write_text(json.dumps(plan))
        training.run(tmp_path / "further.json", folder=tmp_path / f"{anchor}", workers=1, start=folder)
        after = load_bundled(tmp_path / f"{anchor}").codec
        assert torch.equal(after.latent_std, before.latent_std)
        away.append(float((after.encode(video) - before.encode(video)).square().mean()))
    assert away[0] > away[1] > 0


def test_new_words_come_after_those_of_the_weights(tmp_path: Path) -> None:
    """Going on from weights keeps their words and rows; what the world has learned to say since is appended."""
    plan, known = read_config(CONFIG), ("a", "behind", ",")
    length = plan.transformer.text["tokens"]
    before = run_module.build_transformer(plan, WordTokenizer(known, length))
    save_transformer(tmp_path, before, before.state_dict(), {})
    tokenizer = run_module.vocabulary(plan, tmp_path, nouns=False)
    assert tokenizer.vocabulary[:3] == known and "front" in tokenizer.vocabulary and "cat" not in tokenizer.vocabulary
    further = run_module.build_transformer(plan, tokenizer, tmp_path)
    assert torch.allclose(further.text.embedding.weight[: len(known) + 2], before.text.embedding.weight, atol=0.02)


def test_a_transformer_goes_on_with_more_blocks(tmp_path: Path) -> None:
    """They add nothing at first: the larger network computes what the smaller one does."""
    plan, words = read_config(CONFIG), WordTokenizer(("a",), read_config(CONFIG).transformer.text["tokens"])
    before = run_module.build_transformer(plan, words)
    for parameter in before.dit.parameters():
        parameter.data.normal_(std=0.2)
    save_transformer(tmp_path, before, before.state_dict(), {})
    known = run_module.build_transformer(plan, words, tmp_path).dit
    given = json.loads(CONFIG.read_text())
    given["transformer"]["model"]["depth"] = known.config.depth * 2 + 1
    (tmp_path / "deeper.json").write_text(json.dumps(given))
    deeper = run_module.build_transformer(read_config(tmp_path / "deeper.json"), words, tmp_path).dit
    grid = ClipGrid(
        shape=(1, 2, 4, 4), positions=torch.tensor([[0.0, 0.4]]), spans=torch.tensor([[1, 4]]),
        seconds_per_frame=torch.tensor([0.125]),
    )  # fmt: skip
    x, sigma = torch.randn(1, known.config.channels, 2, 4, 4), torch.tensor([0.7])
    text = torch.randn(1, 3, known.config.text_width)
    outputs = [dit([x], sigma, dit.plan([grid]), dit.text(text))[0] for dit in (known, deeper)]
    assert len(deeper.blocks) > len(known.blocks) and torch.allclose(*outputs, atol=1e-4)


def test_a_kind_of_clip_may_show_solids_alone() -> None:
    kind = ClipKind(height=16, width=16, frames=5, fps=8.0, family="single")
    solids = replace(kind, living=False)
    shapes = [{scene_of(k, seed, ("cat", "car")).things[0].shape for seed in range(20)} for k in (kind, solids)]
    assert "cat" in shapes[0] and not {"cat", "car"} & shapes[1] and kind.name != solids.name


def test_sun_and_moon_count_as_things() -> None:
    """Else, an area of a few cells among sky, they come out as squares."""
    kind = ClipKind(height=64, width=112, frames=1, fps=8.0, family="single", living=False)
    scene = next(s for s in (scene_of(kind, seed) for seed in range(99)) if s.setting.light == "sunset")
    noon = replace(scene, setting=replace(scene.setting, light="noon"))
    cells = [cells_with_things(s, kind.shape, Geometry()).int() for s in (scene, noon)]
    assert 0 < (cells[0] - cells[1]).float().mean() < 0.1 and (cells[0] >= cells[1]).all()


def test_a_run_by_the_clock_stops_itself(tmp_path: Path) -> None:
    given = json.loads(CONFIG.read_text())
    path = tmp_path / "config.json"
    given["clips"] |= {"least": 10_000, "room": 10_000, "share": 0.02}
    path.write_text(json.dumps(given))
    with pytest.raises(ResourceError, match=r"\d+ clips were rendered in .*, not 10000"):
        training.run(path, folder=tmp_path, workers=1, seconds=60)
    given["clips"] |= {"least": 2, "share": 0.4}
    given["codec"] |= {"largest_loss": 1e-6, "share": 0.05}
    path.write_text(json.dumps(given))
    with pytest.raises(ResourceError, match=r"the loss of the codec is .* above 1e-06"):
        training.run(path, folder=tmp_path, workers=1, seconds=50)


def test_a_renderer_that_fails_says_why() -> None:
    kinds = (replace(kind_of(5), family="nothing"),)
    renderers = Renderers(Work(kinds=kinds, vocabulary=WORDS, text_tokens=8, channels=4, seed=0), 1)
    renderers.start()
    try:
        with pytest.raises(ResourceError, match="renders clips has failed: ValueError: unknown family 'nothing'"):
            next(renderers.collect(300, wait=300))
    finally:
        renderers.close()


def test_clips_may_be_brought_by_a_thread_of_their_own() -> None:
    """It ends when all room is taken, and what stops it is told where clips are asked for."""
    store = ClipStore(kind_of(5), 2, GEOMETRY, TEXT_TOKENS, "cpu", 0.0)

    class Made:
        notes = ()

        def collect(self, limit: float, *, wait: float):
            yield clip_of(store.kind, 0)
            raise ResourceError("a process has failed")

        def close(self) -> None:
            pass

    supply = Supply(renderers=Made(), stores={store.kind.name: store})  # type: ignore[arg-type]
    supply.bring_beside()
    supply.beside.join(10)
    assert store.count == 1
    with pytest.raises(ResourceError, match="has failed"):
        supply.take()


def test_nothing_is_rendered_that_has_no_room() -> None:
    kind = kind_of(5)
    renderers = Renderers(Work(kinds=(kind,), vocabulary=WORDS, text_tokens=TEXT_TOKENS, channels=4, seed=0), 1)
    renderers.start()
    try:
        store = ClipStore(kind, 2, GEOMETRY, TEXT_TOKENS, "cpu", 0.0)
        supply = Supply(renderers=renderers, stores={kind.name: store})
        while not store.full:
            supply.take(2.0, wait=1.0)
        supply.take()
        for process in renderers.processes:
            process.join(30)
            assert not process.is_alive()
        supply.take()
        assert store.count == 2
    finally:
        renderers.close()


ORPHANS = """
import sys, time
from pathlib import Path
from sora_nodes.sora_core.data.clips import ClipKind
from sora_nodes.sora_core.data.renderers import Renderers, Work
if __name__ == "__main__":
    kinds = (ClipKind(height=16, width=16, frames=1, fps=8.0),)
    renderers = Renderers(Work(kinds=kinds, vocabulary=("a",), text_tokens=8, channels=4, seed=0), 1)
    renderers.start()
    next(renderers.collect(300, wait=300))
    print(renderers.processes[0].pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_processes_end_with_the_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(ORPHANS)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(200):
        with suppress(OSError, IndexError):
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                os.kill(child, 0)
                time.sleep(0.1)
                continue
        return
    os.kill(child, signal.SIGKILL)
    pytest.fail("a process goes on rendering for nobody")


def test_a_process_that_cannot_use_the_card_says_so_and_goes_on() -> None:
    if torch.cuda.is_available():
        pytest.skip("a card is here")
    work = Work(kinds=(kind_of(5),), vocabulary=WORDS, text_tokens=8, channels=4, seed=0, card_seconds=600.0)
    renderers = Renderers(work, 1, on_card=1)
    renderers.start()
    try:
        clip = next(renderers.collect(300, wait=300))
        assert clip.video.shape == (5, 32, 64, 3) and "renders on the CPU alone" in renderers.notes[0]
    finally:
        renderers.close()


def test_weights_in_several_files_are_one(tmp_path: Path) -> None:
    tensors = {f"part{i}": torch.full((100,), float(i)) for i in range(5)}
    assert len(checkpoints.save_sharded(tmp_path, "w", tensors, config={"a": 1}, largest=800)) == 3
    loaded = checkpoints.load_sharded(tmp_path, "w")
    assert loaded.config == {"a": 1} and set(loaded.tensors) == set(tensors)
    assert all(torch.equal(loaded.tensors[k], v) for k, v in tensors.items())
    (tmp_path / "w-2.safetensors").unlink()
    with pytest.raises(checkpoints.CheckpointError, match=r"lacks w-2\.safetensors of the 3 files"):
        checkpoints.load_sharded(tmp_path, "w")
    checkpoints.save_sharded(tmp_path, "w", tensors, config={}, largest=10_000)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("path", [CONFIG, BUNDLED])
def test_the_configurations_hold(path: Path) -> None:
    plan = training.plan.read_config(path)
    assert len({kind.name for kind in plan.clips.kinds}) == len(plan.clips.kinds)
    assert plan.codec.share + (plan.classifier.share if plan.classifier else 0) + plan.clips.share < 1


def test_the_wrong_kind_of_clip_is_named() -> None:
    with pytest.raises(InputError, match="window of 9 latent frames cannot come from clips of 4"):
        replace(kind_of(13), window=9)
    with pytest.raises(InputError, match="whole latent frames"):
        kind_of(13, family="loop")
    assert clip_of(kind_of(13), 0).things.shape == (4, 4, 8)


def test_averaged_weights_are_the_weighted_mean(tmp_path: Path) -> None:
    """Of words that one of the runs learned alone, its own rows."""
    models = {}
    for name, words in (("few", ("a", "red")), ("more", ("a", "red", "behind"))):
        plan = read_config(CONFIG)
        model = run_module.build_transformer(plan, WordTokenizer(words, plan.transformer.text["tokens"]))
        model.text.embedding.weight.data.normal_()
        model.dit.head.head.weight.data.normal_()
        (tmp_path / name).mkdir()
        save_transformer(tmp_path / name, model, model.state_dict(), {})
        save_codec(tmp_path / name, run_module.build_codec(plan), {})
        models[name] = model
    average({tmp_path / "few": 0.25, tmp_path / "more": 0.75}, tmp_path / "out")
    made = checkpoints.load_sharded(tmp_path / "out", "text")
    assert list(made.config["vocabulary"]) == ["a", "red", "behind"]
    few, more = (models[name].text.embedding.weight.detach() for name in ("few", "more"))
    wanted = torch.cat([0.25 * few + 0.75 * more[: len(few)], more[len(few) :]])
    assert torch.allclose(made.tensors["embedding.weight"].float(), wanted, atol=0.02)
    heads = [models[name].dit.head.head.weight.detach() for name in ("few", "more")]
    head = checkpoints.load_sharded(tmp_path / "out", "transformer").tensors["head.head.weight"].float()
    assert torch.allclose(head, 0.25 * heads[0] + 0.75 * heads[1], atol=0.02)
    assert load_bundled(tmp_path / "out").tokenizer.size == 5, "a whole set of weights"
