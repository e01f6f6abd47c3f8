"""Training: a run that was stopped and taken up again is the run that never stopped; packs and masks are what they
promise."""

import importlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from sora_nodes.sora_core import checkpoints, training
from sora_nodes.sora_core.data.clips import ClipKind, Shard, scenes_of
from sora_nodes.sora_core.data.latents import cells_with_things, encode_shard, encode_video
from sora_nodes.sora_core.data.packs import GroupSpec, PackSource, keep_mask
from sora_nodes.sora_core.dit import ClipGrid, DiT, DiTConfig
from sora_nodes.sora_core.errors import Cancelled, InputError
from sora_nodes.sora_core.grid import Geometry
from sora_nodes.sora_core.text.encoder import TextConfig, TextEncoder
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.training.codec import CodecLoss
from sora_nodes.sora_core.training.loop import Recipe, Trainer, matrices_in, step_generator
from sora_nodes.sora_core.training.transformer import TextToVideo, TransformerLoss
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig
from sora_nodes.sora_core.world import ClipShape, is_held_out, render, sample_scene, truth

CONFIG = Path(__file__).parent / "data" / "tiny_training.json"
GEOMETRY = Geometry(time_factor=4, space_factor=8, channels=4)
MIX = [
    GroupSpec(kind="mix-32x32", clips=3, frames=3),
    GroupSpec(kind="mix-64x32", clips=2, frames=2),
    GroupSpec(kind="shots-32x32", clips=2, frames=3),
    GroupSpec(kind="mix-32x32", clips=2, frames=1),
]
WORDS = ("a", "red", "ball", "rolls", "left")
TEXT_TOKENS = 6


def latents_of(width: int, frames: int, *, family: str | None = None, fps: float = 8.0, parts: int = 1) -> Shard:
    """A shard of random latents with captions of every length."""
    kind = ClipKind(height=32, width=width, frames=frames, fps=fps, family=family)
    generator = step_generator(width, frames)
    ids = torch.randint(1, len(WORDS) + 2, (4, 5, parts, TEXT_TOKENS), generator=generator)
    lengths = torch.randint(1, TEXT_TOKENS, (4, 5, parts, 1), generator=generator)
    tensors = {
        "latent": torch.randn(4, 4, (frames - 1) // 4 + 1, 4, width // 8, generator=generator).half(),
        "ids": torch.where(torch.arange(TEXT_TOKENS) < lengths, ids, 0).short(),
        "starts": torch.tensor([0.0, 0.75][:parts]).expand(4, parts).clone(),
        "things": (torch.rand(4, (frames - 1) // 4 + 1, 4, width // 8, generator=generator) < 0.2).byte(),
    }
    return Shard(path=Path(kind.name), kind=kind, first_seed=0, tensors=tensors)


@pytest.fixture(scope="module")
def source() -> PackSource:
    shards = [latents_of(32, 17), latents_of(64, 13, fps=12.0), latents_of(32, 17, family="shots", parts=2)]
    return PackSource(shards=shards, mix=MIX, geometry=GEOMETRY)


def tiny_model() -> TextToVideo:
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(vocabulary=WORDS, width=16, depth=1, heads=2, mlp_width=32, tokens=TEXT_TOKENS))
    dit = DiT(
        DiTConfig(
            width=32,
            depth=2,
            heads=2,
            mlp_width=32,
            channels=4,
            text_width=16,
            text_tokens=8,
            prediction="clean",
            per_position_time=True,
            rope_theta=100.0,
            grid_features=True,
            input_gate=True,
        )
    )
    for module in (text, dit):
        module.init_weights()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return TextToVideo(text, dit)


def clips_of(frames: int) -> Shard:
    kind = ClipKind(height=16, width=16, frames=frames, fps=8.0)
    video = torch.randint(0, 256, (4, frames, 16, 16, 3), generator=step_generator(1, frames), dtype=torch.uint8)
    return Shard(path=Path(kind.name), kind=kind, first_seed=0, tensors={"video": video})


def codec_trainer(path: Path) -> tuple[Trainer, CodecLoss]:
    torch.manual_seed(0)
    codec = BundledCodec(CodecConfig(channels=4, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1)))
    blocks = matrices_in(("encoder.fine", "encoder.down", "decoder.coarse", "decoder.up"))
    trainer = Trainer(codec, Recipe(steps=6, muon_rate=0.002, warmup=2, save_every=3), path, matrices=blocks)
    return trainer, CodecLoss(codec=codec, shards=[clips_of(9), clips_of(5)], pixels=5000)


def transformer_trainer(path: Path, source: PackSource) -> tuple[Trainer, TransformerLoss]:
    model = tiny_model()
    recipe = Recipe(steps=6, muon_rate=0.002, warmup=2, save_every=3)
    trainer = Trainer(model, recipe, path, matrices=matrices_in(("dit.blocks", "text.blocks")))
    return trainer, TransformerLoss(model=model, source=source, steps=6)


@pytest.mark.parametrize("stage", ["codec", "transformer"])
def test_resumed_is_never_stopped(stage: str, source: PackSource, tmp_path: Path) -> None:
    def make(name: str) -> tuple[Trainer, CodecLoss | TransformerLoss]:
        return codec_trainer(tmp_path / name) if stage == "codec" else transformer_trainer(tmp_path / name, source)

    whole, loss = make("whole.safetensors")
    losses = whole.train(loss)
    first, loss = make("parts.safetensors")
    early = first.train(loss, until=3)
    second, loss = make("parts.safetensors")
    assert second.resume() and second.step == 3 and len(second.optimizers) == 2
    assert early + second.train(loss) == losses
    for name, value in whole.averaged().items():
        assert torch.equal(value, second.averaged()[name]), name
    a, b = (checkpoints.load(tmp_path / f"{name}.safetensors").tensors for name in ("whole", "parts"))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_stopped_in_every_stage_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("sora_nodes.sora_core.training.run"), "VOCABULARY_SCENES", 40)
    whole = training.run(CONFIG, folder=tmp_path / "whole", workers=0)

    def stop_at_three(step: int, steps: int) -> None:
        if (step, steps) in stops:
            stops.remove((step, steps))
            raise Cancelled("stopped")

    stops = {(3, 4), (3, 6), (3, 5)}
    for _ in range(3):
        with pytest.raises(Cancelled):
            training.run(CONFIG, folder=tmp_path / "parts", workers=0, progress=stop_at_three)
    parts = training.run(CONFIG, folder=tmp_path / "parts", workers=0, progress=stop_at_three)
    for name in ("codec", "text", "transformer"):
        a, b = (checkpoints.load(folder / f"{name}.safetensors") for folder in (whole, parts))
        assert a.config == b.config and all(torch.equal(a.tensors[key], b.tensors[key]) for key in a.tensors), name


def test_the_last_stage_trains_the_decoder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("sora_nodes.sora_core.training.run"), "VOCABULARY_SCENES", 40)
    folder = training.run(CONFIG, folder=tmp_path, workers=0)
    before, after = (checkpoints.load(folder / f"{name}.safetensors").tensors for name in ("codec-first", "codec"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("decoder.") for name in changed), "latents made before stay what they are"
    training.run(CONFIG, folder=tmp_path, workers=0)
    again = checkpoints.load(folder / "codec.safetensors").tensors
    assert all(torch.equal(after[name], again[name]) for name in after), "a finished run stays as it is"


def test_every_cell_with_a_thing_is_known() -> None:
    kind = ClipKind(height=32, width=64, frames=9, fps=8.0, family="single")
    for seed in range(3):
        scene = sample_scene(seed, family="single")
        cells = cells_with_things(scene, kind.shape, GEOMETRY)
        seen = (truth(scene, kind.shape).ids >= 2).view(9, 4, 8, 8, 8).float().mean((2, 4))
        late = torch.stack([seen[0], seen[1:5].amax(0), seen[5:].amax(0)])
        assert cells.shape == (3, 4, 8) and bool(cells[late > 0.5].all()) and not cells[late == 0].any()


def test_an_error_on_a_thing_counts_for_more(source: PackSource, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    pack = source.pack(step_generator(0, 0), 0.0)

    def loss_if_wrong(where: list[torch.Tensor], emphasis: float) -> float:
        outputs = [latent + cells for latent, cells in zip(pack.latents, where, strict=True)]
        monkeypatch.setattr(model.dit, "forward", lambda *_: outputs)
        return float(TransformerLoss(model=model, source=source, keep=(0.0, 0.0), emphasis=emphasis)(0))

    around = [1 - things for things in pack.things]
    assert loss_if_wrong(pack.things, 4.0) > loss_if_wrong(pack.things, 0.0)
    assert loss_if_wrong(around, 4.0) < loss_if_wrong(around, 0.0)


def test_kept_parts_carry_errors_and_what_is_made_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = latents_of(32, 17)
    shard.tensors["error"] = torch.full_like(shard.tensors["latent"], 9.0)
    source = PackSource(shards=[shard], mix=[GroupSpec(kind="mix", clips=4, frames=3)], geometry=GEOMETRY)
    model, seen = tiny_model(), []
    monkeypatch.setattr(model.dit, "forward", lambda noisy, *_: (seen.append(noisy[0]), noisy)[1])
    most = 0.0
    for step in range(20):
        for share in (0.0, 1.5):
            TransformerLoss(model=model, source=source, keep=(1.0, 1.0), kept_error=share)(step)
        mask = source.pack(step_generator(0, step), keep=1.0).grids[0].mask
        error = seen[-1] - seen[-2]
        assert not (error * mask).any(), "what is made is true"
        most = max(most, float(error.abs().max()))
    assert 4 < most <= 1.5 * 9, "what is kept is wrong by up to one and a half times the error"


def test_the_moving_average_follows_every_step(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    recipe = Recipe(steps=5, warmup=1, ema=0.5, save_every=5)
    trainer = Trainer(model, recipe, tmp_path / "run.safetensors")
    seen = []

    def loss(step: int) -> torch.Tensor:
        seen.append(model.weight.detach().clone())
        return (model.weight - 3).square().sum()

    trainer.train(loss)
    expected, *after = [*seen, model.weight.detach()]
    for step, value in enumerate(after):
        expected = expected.lerp(value, 1 - recipe.average(step))
    assert torch.allclose(trainer.averaged()["weight"], expected)
    assert recipe.average(0) < 0.1 and recipe.average(1000) == 0.5


def test_divergence_is_named(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 1)
    trainer = Trainer(model, Recipe(steps=2), tmp_path / "run.safetensors")
    with pytest.raises(InputError, match="diverged at step 0"):
        trainer.train(lambda step: model.weight.sum() * float("nan"))
    assert not (tmp_path / "run.safetensors").exists()


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Recipe(steps=1000, warmup=100)
    rates = [recipe.rate(step) for step in range(1000)]
    assert rates[0] == 0.01 and rates[99] == rates[500] == 1 and rates[-1] == 0.02
    assert all(a >= b for a, b in pairwise(rates[600:]))


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 4, 8), (3, 8, 14), (5, 8, 8), (9, 14, 12)])
def test_keep_masks_keep_a_part_in_whole_patches(shape: tuple[int, int, int]) -> None:
    generator = step_generator(0, 0)
    masks = torch.stack([keep_mask(shape, generator) for _ in range(200)])
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert (masks.flatten(1).sum(1) > 0).all(), "something is always made"
    assert (masks.flatten(1).mean(1) < 1).float().mean() > 0.7, "and nearly always something is kept"
    patches = masks.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    assert (patches == patches[:, :, :, :1, :, :1]).all(), "a patch is made or kept as a whole"
    assert ((masks[:, 0] == 0).all((1, 2))).any() and ((masks[:, -1] == 0).all((1, 2))).any(), (
        "beginnings and ends are kept"
    )


def test_a_pack_follows_from_its_step(source: PackSource) -> None:
    one, same, other = (source.pack(step_generator(0, step)) for step in (7, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(one.latents, same.latents, strict=True)) and torch.equal(
        one.ids, same.ids
    )
    assert all(torch.equal(a.mask, b.mask) for a, b in zip(one.grids, same.grids, strict=True))
    assert not torch.equal(one.latents[0], other.latents[0])


def test_every_pack_has_the_composition_of_the_mix(source: PackSource) -> None:
    for step in range(8):
        pack = source.pack(step_generator(0, step), keep=1.0)
        assert [tuple(x.shape) for x in pack.latents] == [
            (3, 4, 3, 4, 4),
            (2, 4, 2, 4, 8),
            (2, 4, 3, 4, 4),
            (2, 4, 1, 4, 4),
        ]
        assert [grid.shape for grid in pack.grids] == [(x.shape[0], *x.shape[2:]) for x in pack.latents]
        assert pack.ids.shape == (3 + 2 + 2 * 2 + 2, TEXT_TOKENS)
        moving, still = pack.grids[0], pack.grids[3]
        assert (still.mask == 1).all() and (still.spans == 1).all(), "a still is a first frame, and all of it is made"
        assert set(moving.spans[:, 0].tolist()) <= {1, 4} and (moving.spans[:, 1:] == 4).all()
        assert (moving.positions[:, 0] == 0).all() and (moving.mask.amin((1, 2, 3, 4)) == 0).any()
    begun_late = [source.pack(step_generator(1, step)).grids[0].spans[:, 0] == 4 for step in range(40)]
    assert 0.3 < torch.cat(begun_late).float().mean() < 0.7, "half of the clips begin mid-stream"


def test_latent_frames_of_a_shot_follow_its_caption(source: PackSource) -> None:
    for step in range(8):
        grid = source.pack(step_generator(0, step)).grids[2]
        assert grid.texts == 4
        for clip, rows in enumerate(grid.text_rows.tolist()):
            assert rows == sorted(rows) and set(rows) <= {2 * clip, 2 * clip + 1}


def family_source(family: str, latents: int) -> PackSource:
    """Packs of two clips of a family, each latent frame of which holds its own number."""
    shard = latents_of(32, 4 * latents - 3, family=family)
    shard.tensors["latent"].copy_(torch.arange(float(latents)).view(1, 1, -1, 1, 1))
    return PackSource(shards=[shard], mix=[GroupSpec(kind=family, clips=2, frames=latents)], geometry=GEOMETRY)


def test_a_ring_begins_anywhere_and_is_made_whole() -> None:
    source = family_source("loop", 4)
    begins = set()
    for step in range(20):
        pack = source.pack(step_generator(0, step), keep=1.0)
        grid = pack.grids[0]
        assert (grid.spans == 4).all() and (grid.mask == 1).all() and (grid.positions[:, 0] == 0).all()
        for clip in pack.latents[0][:, 0, :, 0, 0].long().tolist():
            assert clip == [(clip[0] + i) % 4 for i in range(4)]
            begins.add(clip[0])
    assert begins == {0, 1, 2, 3}


def test_a_bridge_is_made_mid_stream_between_two_kept_ends() -> None:
    source = replace(family_source("bridge", 7), mix=[GroupSpec(kind="bridge", clips=2, frames=6)])
    for step in range(20):
        grid = source.pack(step_generator(0, step), keep=0.0).grids[0]
        mask = grid.mask[:, 0, :, 0, 0]
        assert (
            (grid.spans == 4).all()
            and (mask[:, 0] == 0).all()
            and (mask[:, -1] == 0).all()
            and (mask[:, 2:4] == 1).all()
        )


def test_a_loop_is_encoded_behind_its_own_turn_before(tmp_path: Path) -> None:
    torch.manual_seed(0)
    codec = BundledCodec(CodecConfig(channels=4, widths=(16, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1))).eval()
    scene = sample_scene(3, family="loop")
    once = encode_shard(
        tmp_path,
        codec,
        WordTokenizer(WORDS, TEXT_TOKENS),
        ClipKind(height=16, width=16, frames=8, fps=4.0, family="loop"),
        3,
        1,
    )
    twice = encode_video(codec, render([scene], ClipShape(height=16, width=16, frames=17, fps=4.0)))
    kept = checkpoints.load(once).tensors
    assert kept["latent"].shape == (1, 4, 2, 2, 2) and kept["things"].shape == (1, 2, 2, 2)
    assert torch.allclose(kept["latent"].float(), twice[:, :, 3:5], atol=1e-2)


def test_a_kind_without_shards_is_named(source: PackSource) -> None:
    with pytest.raises(InputError, match=r"'mix-9x9'.*mix-32x32-17f-8fps"):
        PackSource(shards=source.shards, mix=[GroupSpec(kind="mix-9x9", clips=1, frames=1)], geometry=GEOMETRY)


def test_training_never_sees_what_is_held_out() -> None:
    for family in (None, "single", "shots"):
        kind = ClipKind(height=16, width=16, frames=5, fps=8.0, family=family)
        assert not any(is_held_out(scene) for scene in scenes_of(kind, 5000, 60))


def padded_loss(loss: TransformerLoss, seen: tuple, step: int) -> torch.Tensor:
    """The loss as a batch of padded clips has it: every clip alone through the network, zeros around it up to the
    largest."""
    noisy, sigma, plan, _ = seen
    pack = loss.source.pack(step_generator(loss.seed, step), loss.keep[0])
    features = loss.model.text(pack.ids)
    errors, counts = [], []
    for group, latents, grid, things, inputs in zip(
        plan.layout.groups, pack.latents, pack.grids, pack.things, noisy, strict=True
    ):
        for i in range(group.clips):
            rows = [group.first_text + row for row in ([i] if grid.text_rows is None else grid.text_rows[i].tolist())]
            own = ClipGrid(
                shape=(1, *grid.shape[1:]),
                positions=grid.positions[i : i + 1],
                spans=grid.spans[i : i + 1],
                seconds_per_frame=grid.seconds_per_frame[i : i + 1],
                mask=grid.mask[i : i + 1],
                text_rows=None if grid.text_rows is None else torch.arange(len(rows))[None],
                texts=len(rows),
            )
            at = sigma[len(errors) : len(errors) + 1]
            (out,) = loss.model.dit(
                [inputs[i : i + 1]], at, loss.model.dit.plan([own]), loss.model.dit.text(features[rows])
            )
            share = own.mask * (1 + loss.emphasis * things[i : i + 1])
            weight = share / at.clamp(min=loss.least_sigma).square()
            error = torch.zeros(4, 3, 4, 8)
            _, c, t, h, w = out.shape
            error[:c, :t, :h, :w] = (weight * (out - latents[i : i + 1]).square())[0]
            errors.append(error)
            counts.append(share.sum() * c)
    return torch.stack(errors).sum() / torch.stack(counts).sum()


def test_the_loss_of_a_pack_is_that_of_padded_clips(source: PackSource) -> None:
    model = tiny_model()
    loss = TransformerLoss(model=model, source=source, keep=(1.0, 1.0), bfloat16=False)
    seen: list[tuple] = []
    model.dit.register_forward_pre_hook(lambda module, args: seen.append(args))
    for step in range(2):
        value = loss(step)
        with torch.no_grad():
            assert torch.allclose(value, padded_loss(loss, seen[-1], step), rtol=1e-4)


def test_shapes_in_training_do_not_depend_on_the_text(source: PackSource) -> None:
    loss = TransformerLoss(model=tiny_model(), source=source)
    seen: list[tuple] = []
    loss.model.dit.register_forward_pre_hook(lambda module, args: seen.append(args))
    for step in range(3):
        loss(step)
    for _, _, _, text in seen:
        assert all(block.k.shape[:2] == block.v.shape[:2] == (11, 8) and block.bias is None for block in text)


@pytest.mark.parametrize(
    ("text", "problem"), [("", "Expecting value"), (json.dumps({"steps": 3}), "unexpected keyword")]
)
def test_a_bad_configuration_is_named(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"config.json is not a training configuration: .*{problem}"):
        training.run(path, folder=tmp_path)
