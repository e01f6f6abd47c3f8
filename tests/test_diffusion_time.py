"""Decorators over time: rings, span prompts and the feature cache, on toy denoisers."""

from __future__ import annotations

import pytest
import torch
from diffusion_toys import NO_TEXT, SHAPE, gaussian, state_of, text
from sora_nodes.sora_core.diffusion import (
    SOLVERS,
    CachePerCall,
    FeatureCache,
    cfg,
    draw_noise,
    renoise,
    ring,
    sample,
    schedule,
    span_prompts,
    span_weights,
)
from sora_nodes.sora_core.errors import InputError
from torch import Tensor

SIGMAS = schedule("simple", 8, shift=3.0)


def run(denoiser, noise: Tensor, context: Tensor = NO_TEXT) -> Tensor:  # type: ignore[no-untyped-def]
    return sample(denoiser, state_of(), noise, SIGMAS, context, solver="dpmpp_2m")


def smooth(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
    """Averages neighbours in time, but not across the ends: a network that believes in a first and a last frame."""
    before = torch.cat([x[:, :, :1], x[:, :, :-1]], 2)
    after = torch.cat([x[:, :, 1:], x[:, :, -1:]], 2)
    return (before + x + after) / 3


def test_rolled_noise_gives_the_rolled_clip_on_a_ring() -> None:
    noise = draw_noise(SHAPE, 0)
    assert torch.equal(run(ring(gaussian, SIGMAS), noise.roll(2, 2)), run(ring(gaussian, SIGMAS), noise).roll(2, 2))


def test_a_ring_closes_the_seam_that_the_network_leaves() -> None:
    noise = draw_noise((4, 5, 16, 16), 0)
    state = state_of().with_(
        **{"latent": torch.zeros_like(noise), "clean": torch.zeros_like(noise), "mask": torch.ones(1, 1, 5, 16, 16)}
    )

    def seam(denoiser) -> float:  # type: ignore[no-untyped-def]
        made = sample(denoiser, state, noise, SIGMAS, NO_TEXT)
        return float((made[:, :, 0] - made[:, :, -1]).square().mean() / made.diff(dim=2).square().mean())

    assert seam(ring(smooth, SIGMAS)) < 1.5 < seam(smooth)


def test_a_ring_rolls_the_mask_too_and_visits_every_cut() -> None:
    cuts = []

    def network(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        assert torch.equal(x[:, :1], mask)
        cuts.append(int(x[0, 0, 0, 0, 0]))
        return x

    x = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(1, 4, 5, 4, 4)
    for sigma in SIGMAS[:-1]:
        assert torch.equal(ring(network, SIGMAS)(x, sigma.view(1), x[:, :1], NO_TEXT), x)
    assert set(cuts) == set(range(5)) and cuts[0] == 0


def test_each_span_follows_its_own_prompt() -> None:
    prompts = torch.stack([torch.full((1, 2, 1), value) for value in (1.0, 5.0)], 1)
    made = run(span_prompts(text, span_weights([2, 3])), draw_noise(SHAPE, 0), prompts)
    assert torch.equal(made[:, :, :2], torch.ones_like(made[:, :, :2])) and torch.equal(
        made[:, :, 2:], torch.full_like(made[:, :, 2:], 5.0)
    )
    plain = span_prompts(text, span_weights([2, 3]))
    assert torch.equal(run(plain, draw_noise(SHAPE, 0), prompts[:, 1]), torch.full((1, *SHAPE), 5.0))


def test_span_weights_cut_or_fade() -> None:
    assert torch.equal(span_weights([1, 2]), torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
    faded = span_weights([4, 4], fade=4)
    assert torch.allclose(faded.sum(0), torch.ones(8))
    assert faded[1].tolist() == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_the_feature_cache_saves_runs_at_little_cost() -> None:
    noise, sigmas = draw_noise(SHAPE, 0), schedule("simple", 40)
    exact = sample(gaussian, state_of(), noise, sigmas, NO_TEXT)
    cached = FeatureCache(gaussian)
    made = sample(cached, state_of(), noise, sigmas, NO_TEXT)
    assert cached.skipped >= 20
    assert float((made - exact).abs().mean()) < 0.01
    assert torch.equal(sample(cached, state_of(), noise, sigmas, NO_TEXT), made)  # a new run starts afresh


def test_a_host_that_calls_twice_per_level_has_a_cache_for_each() -> None:
    sigmas, mask = schedule("simple", 30), torch.ones(1, 1, *SHAPE[1:])
    grids = [torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    alone, shared = [FeatureCache(gaussian), FeatureCache(gaussian)], CachePerCall(0.05)
    for sigma in sigmas[:-1]:
        for x, cache in zip(grids, alone, strict=True):
            found = shared(gaussian, sigmas)(x, sigma.expand(1), mask, NO_TEXT)
            assert torch.equal(found, cache(x, sigma.expand(1), mask, NO_TEXT))
    assert alone[0].skipped > 0


def test_a_run_that_was_stopped_leaves_nothing_to_the_next() -> None:
    """The next run begins below the level where that stopped, which alone does not tell it from a further step."""

    def straight(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        return x - sigma * x

    mask, caches, sigmas = torch.ones(1, 1, *SHAPE[1:]), CachePerCall(0.05), schedule("simple", 30)
    for run, levels in enumerate((sigmas[:9], sigmas[9:-1])):
        x = draw_noise(SHAPE, run)
        for sigma in levels:
            found = caches(straight, levels)(x, sigma.expand(1), mask, NO_TEXT)
            assert torch.allclose(found, straight(x, sigma, mask, NO_TEXT), atol=1e-5)


def test_a_threshold_of_zero_caches_nothing() -> None:
    cached = FeatureCache(gaussian, 0.0)
    assert torch.equal(run(cached, draw_noise(SHAPE, 0)), run(gaussian, draw_noise(SHAPE, 0))) and cached.skipped == 0


def test_bad_input_is_named() -> None:
    x, sigma, mask = torch.zeros(1, *SHAPE), torch.ones(1), torch.ones(1, 1, *SHAPE[1:])
    with pytest.raises(InputError, match="3 prompts over 5"):
        span_prompts(gaussian, span_weights([2, 3]))(x, sigma, mask, torch.zeros(1, 3, 2, 1))
    with pytest.raises(InputError, match="at least one latent frame"):
        span_weights([2, 0])
    with pytest.raises(InputError, match="threshold"):
        FeatureCache(gaussian, 1.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_waits_for_the_device(solver: str) -> None:
    """On the meta device tensors have no values, so any read on the host would raise."""
    state, noise = state_of().to("meta"), draw_noise(SHAPE, 0)
    prompts, uncond = torch.zeros(1, 2, 2, 1, device="meta"), torch.zeros(1, 2, 1, device="meta")
    stack = span_prompts(gaussian, span_weights([2, 3]))
    stack = renoise(ring(cfg(stack, 4.0, uncond=uncond), SIGMAS), noise)
    assert sample(stack, state, noise, SIGMAS, prompts, solver=solver).shape == (1, *SHAPE)


def test_the_whole_stack_agrees_with_the_plain_denoiser_where_nothing_should_change() -> None:
    noise, prompt = draw_noise(SHAPE, 0), torch.zeros(1, 2, 1)
    stack = span_prompts(gaussian, span_weights([2, 3]))
    stack = renoise(FeatureCache(ring(cfg(stack, 4.0, uncond=prompt), SIGMAS), 0.0), noise)
    assert torch.allclose(run(stack, noise, prompt[:, None].expand(1, 2, 2, 1)), run(gaussian, noise), atol=1e-5)
