"""Our modules against `diffusers` and `transformers` on the same random weights; run with `pip install .[dev-peer]`.

SORA_PEER_SIZE=full runs them at published sizes (minutes and gigabytes), as `benchmarks/RESULTS.md` records it.
"""

import os
import sys
from collections.abc import Iterator

import pytest
import torch
from sora_nodes.sora_core.bench import peers
from sora_nodes.sora_core.diffusion import cfg, sample
from sora_nodes.sora_core.diffusion.schedule import schedule
from sora_nodes.sora_core.dit import ClipGrid, DiTConfig
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser
from sora_nodes.sora_core.text.umt5 import UMT5Config
from sora_nodes.sora_core.types import LatentState
from sora_nodes.sora_core.vae.wan21 import Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Config

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

FULL = os.environ.get("SORA_PEER_SIZE") == "full"
BOUND = 1e-4
"""relative error in float32"""
TRANSFORMERS = {
    "Wan 2.1 1.3B": DiTConfig(depth=30 if FULL else 2)
    if FULL
    else DiTConfig(width=256, depth=2, heads=2, mlp_width=320, text_width=64),
    "14B, two layers": DiTConfig(width=5120, depth=2, heads=40, mlp_width=13824),
    "TI2V-5B, two layers": DiTConfig(
        width=3072, depth=2, heads=24, mlp_width=14336, channels=48, per_position_time=True
    ),
    "per position": DiTConfig(
        width=256, depth=2, heads=2, mlp_width=320, text_width=64, channels=48, per_position_time=True
    ),
}
CODECS = {
    "2.1": Wan21Config() if FULL else Wan21Config(width=16),
    "2.2": Wan22Config() if FULL else Wan22Config(width=16, decoder_width=16),
}
TEXT = (
    UMT5Config(depth=2) if FULL else UMT5Config(vocabulary=200, width=64, depth=2, heads=4, head_dim=16, mlp_width=96)
)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def error(made: torch.Tensor, expected: torch.Tensor) -> float:
    return float((made.float() - expected.float()).norm() / expected.float().norm())


def report(name: str, value: float) -> None:
    sys.stdout.write(f"\n  {name}: relative error {value:.2e}")


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformer(name: str) -> None:
    config = TRANSFORMERS[name]
    if config.width > 2048 and not FULL:
        pytest.skip("at published sizes only")
    ours = peers.transformer(config, torch.float32)
    peer = peers.peer_transformer(config, ours)
    x, sigma, text = (
        torch.randn(1, config.channels, 3, 8, 12),
        torch.tensor([0.7]),
        torch.randn(1, 512, config.text_width),
    )
    text[:, 100:] = 0
    mask = torch.ones(1, 1, 3, 8, 12)
    mask[:, :, 0] = 0
    told = mask if config.per_position_time else None
    grid = ClipGrid(
        shape=(1, 3, 8, 12),
        positions=torch.zeros(1, 3),
        spans=torch.ones(1, 3),
        seconds_per_frame=torch.ones(1),
        mask=told,
    )
    made = ours([x], sigma, ours.plan([grid]), ours.text(text[:, :100]))[0]
    timestep = (mask[:, 0, :, ::2, ::2].flatten(1) * sigma if config.per_position_time else sigma) * 1000
    value = error(made, peer(x, timestep, text, return_dict=False)[0])
    report(name, value)
    assert value <= BOUND


@pytest.mark.parametrize("name", CODECS)
def test_codec(name: str) -> None:
    config = CODECS[name]
    ours = peers.codec(config, torch.float32)
    peer = peers.peer_codec(config, ours)
    side = config.geometry.space_factor
    clip = torch.rand(1, 3, 9, 2 * side, 3 * side) * 2 - 1
    expected = peer.encode(clip).latent_dist.mean
    latent = ours.encode(clip)
    values = {"encode": error(ours._denormalise(latent), expected)}
    pixels = peer.decode(expected, return_dict=False)[0]
    values["decode"] = error(ours.decode(ours._normalise(expected)).clamp(-1, 1), pixels)
    streamed = torch.cat(list(ours.encode_stream(clip.split([2, 3, 4], 2))), 2)
    values["encode, streamed"] = error(ours._denormalise(streamed), expected)
    played = torch.cat(list(ours.decode_stream(ours._normalise(expected).split([1, 2], 2))), 2)
    values["decode, streamed"] = error(played.clamp(-1, 1), pixels)
    for what, value in values.items():
        report(f"codec {name} {what}", value)
    assert max(values.values()) <= BOUND


def test_text_encoder() -> None:
    ours = peers.text_encoder(TEXT, torch.float32)
    peer = peers.peer_text_encoder(TEXT, ours)
    tokens = torch.randint(2, TEXT.vocabulary, (1, 512))
    there = torch.zeros(1, 512, dtype=torch.int64)
    there[:, :77] = 1
    short = error(ours.encode(tokens[:, :77].tolist()), peer(tokens, attention_mask=there).last_hidden_state[:, :77])
    whole = error(ours.encode(tokens.tolist()), peer(tokens).last_hidden_state)
    report("text encoder, 77 of 512 tokens", short)
    report("text encoder, 512 tokens", whole)
    assert max(short, whole) <= BOUND


def test_the_whole_sampling_loop() -> None:
    config = TRANSFORMERS["Wan 2.1 1.3B"]
    ours = peers.transformer(config, torch.float32)
    peer = peers.peer_transformer(config, ours)
    shape = (1, 16, 3, 8, 12)
    noise, sigmas = torch.randn(shape), schedule("simple", 6, shift=5.0)
    cond, uncond = torch.randn(1, 20, config.text_width), torch.randn(1, 8, config.text_width)
    cond, uncond = (torch.nn.functional.pad(c, (0, 0, 0, 512 - c.shape[1])) for c in (cond, uncond))
    zeros, ones = torch.zeros(shape), torch.ones(1, 1, *shape[2:])
    state = LatentState(
        latent=zeros, clean=zeros, mask=ones, positions=torch.zeros(3), spans=torch.ones(3, dtype=torch.int64)
    )
    network = cfg(DiTDenoiser(ours, positions=state.positions, spans=state.spans, fps=16.0), 5.0, uncond=uncond)
    made = sample(network, state, noise, sigmas, cond)

    scheduler = peers.diffusers().FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=sigmas[:-1].tolist())
    x = noise
    for t in scheduler.timesteps:
        negative = peer(x, t.expand(1), uncond, return_dict=False)[0]
        velocity = negative + 5.0 * (peer(x, t.expand(1), cond, return_dict=False)[0] - negative)
        x = scheduler.step(velocity, t, x, return_dict=False)[0]
    value = error(made, x)
    report("sampling loop, 6 steps, cfg 5", value)
    assert value <= BOUND


@pytest.mark.parametrize("tokens", [24, 1024])
def test_bfloat16_is_as_exact_as_the_peer(tokens: int) -> None:
    config = DiTConfig(width=256, depth=4, heads=2, mlp_width=512, text_width=64)
    exact = peers.transformer(config, torch.float32)
    ours = peers.transformer(config, torch.bfloat16)
    exact.load_state_dict({name: value.float() for name, value in ours.state_dict().items()})
    peer = peers.peer_transformer(config, ours)
    t, h, w = (1, 8, 12) if tokens == 24 else (4, 32, 32)
    x, sigma, text = torch.randn(1, 16, t, h, w).bfloat16(), torch.tensor([0.7]), torch.randn(1, 512, 64).bfloat16()
    grid = ClipGrid(
        shape=(1, t, h, w), positions=torch.zeros(1, t), spans=torch.ones(1, t), seconds_per_frame=torch.ones(1)
    )
    plan = ours.plan([grid])
    reference = exact([x.float()], sigma, plan, exact.text(text.float()))[0]
    made = error(ours([x], sigma, plan, ours.text(text))[0], reference)
    theirs = error(peer(x, sigma * 1000, text, return_dict=False)[0], reference)
    sys.stdout.write(f"\n  bfloat16 at {tokens} tokens: ours {made:.2e}, peer {theirs:.2e}")
    assert made <= 1.1 * theirs
