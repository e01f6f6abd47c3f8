"""What is said of memory and time grows as the work does; what is run to say it is small."""

from copy import deepcopy
from dataclasses import replace

import pytest
from editing_toys import tiny_model
from sora_nodes.sora_core.errors import ResourceError
from sora_nodes.sora_core.grid import LatentGrid, VideoSize, plan
from sora_nodes.sora_core.layers.kernels import cpu
from sora_nodes.sora_core.pipeline import limits
from sora_nodes.sora_core.vae import Tiles, bounded
from sora_nodes.sora_core.vae.tiling import Need
from torch import nn


def grid(frames: int, side: int) -> LatentGrid:
    return plan(VideoSize(frames=frames, height=side, width=side, fps=8.0), tiny_model().geometry)


def test_memory_of_decoding_does_not_grow_with_length_and_that_of_sampling_does() -> None:
    model, (short, long) = tiny_model(), (grid(frames, 512) for frames in (65, 1025))
    latent = limits.latents_memory(long) - limits.latents_memory(short)
    assert limits.decoding_memory(model, long) - limits.decoding_memory(model, short) == latent // limits.LATENTS
    assert limits.sampling_memory(model, long) > 8 * limits.sampling_memory(model, short)
    assert limits.memory_estimate(model, long) == limits.sampling_memory(model, long)


def test_time_has_a_part_that_grows_with_tokens_and_one_that_grows_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a clock by which every run takes a second: a step of 1,024 tokens, and the attention of 2,048."""
    ticks = iter(range(1000))
    model, large = tiny_model(), grid(129, 512)
    said = limits.time_estimate(model, large, steps=3, clock=lambda: float(next(ticks)))
    pairs = model.dit.config.depth / limits.ATTENDED**2
    others = (1 - pairs * limits.TIMED**2) / limits.TIMED
    assert said == pytest.approx(3 * (others * large.tokens + pairs * large.tokens**2))


def test_time_of_decoding_counts_frames_and_what_tiles_share(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ticks = tiny_model(), iter(range(1000))

    def said(frames: int) -> float:
        one = grid(frames, 512)
        return limits.decode_estimate(model, one, clock=lambda: float(next(ticks))) - limits.WRITE * frames * 512**2

    assert said(129) == pytest.approx(said(65) * 33 / 17)
    whole = said(65)
    monkeypatch.setattr(limits, "tiles_for", lambda *_, **__: Tiles(chunk=1, size=(37, 64)))
    assert said(65) == pytest.approx(whole * 74 / 64)
    assert limits.in_tiles(model, grid(65, 512)) == ", decoded in 2 tiles"
    assert limits.decode_estimate(replace(model, codec=None), grid(65, 512)) == 0  # type: ignore[arg-type]


def test_a_processor_is_not_filled_by_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "free_memory", lambda device: 10**12)
    model = tiny_model()
    monkeypatch.setattr(type(model.codec), "need", lambda *_, **__: Need(kept=10**6, work=0, whole=0, frame=0))
    tiles = bounded.tiles_for(model.codec, 90, 160, encode=False)
    assert tiles.size is not None and model.codec.need(encode=False).bytes(90, 160, tiles) <= bounded.ENOUGH


def test_weights_that_the_first_step_lays_out_anew_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then they lie in a mapped file, which is no memory in use."""
    model, some = tiny_model(), grid(9, 64)
    monkeypatch.setattr(limits, "free_memory", lambda device: limits.memory_estimate(model, some))
    limits.check_memory(model, some)
    monkeypatch.setattr(cpu, "onednn", lambda: True)
    half = replace(model, dit=deepcopy(model.dit).bfloat16())
    weights = sum(w.nbytes for layer in half.dit.blocks.modules() if type(layer) is nn.Linear for w in [layer.weight])
    monkeypatch.setattr(limits, "free_memory", lambda device: limits.memory_estimate(half, some) + weights)
    limits.check_memory(half, some)
    monkeypatch.setattr(limits, "free_memory", lambda device: limits.memory_estimate(half, some) + weights - 1)
    with pytest.raises(ResourceError, match=r"tokens, .* for the weights\) and"):
        limits.check_memory(half, some)
