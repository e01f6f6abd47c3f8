"""The sampling loop on toy denoisers whose exact answer is known."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
from diffusion_toys import MEAN, NO_TEXT, SHAPE, STD, gaussian, state_of, text
from sora_nodes.sora_core.diffusion import (
    SOLVERS,
    SamplerState,
    cfg,
    denoised_from,
    draw_noise,
    enlarge_noise,
    flow_edit,
    get_solver,
    renoise,
    sample,
    schedule,
    start,
)
from sora_nodes.sora_core.errors import Cancelled, InputError
from torch import Tensor


def exact(noise: Tensor) -> Tensor:
    """Where the flow of `gaussian` carries pure noise: onto its own quantile."""
    return MEAN + STD * noise


def error(solver: str, steps: int) -> float:
    noise = draw_noise(SHAPE, 0)
    made = sample(gaussian, state_of(), noise, schedule("simple", steps), NO_TEXT, solver=solver)
    return float((made - exact(noise)).abs().mean())


def test_more_steps_come_closer_to_the_exact_solution() -> None:
    for solver in SOLVERS:
        assert error(solver, 160) < 0.5 * error(solver, 40) < 0.25 * error(solver, 5)


def test_second_order_beats_euler_at_equal_evaluations() -> None:
    assert error("dpmpp_2m", 32) < 0.3 * error("euler", 32)
    assert error("heun", 16) < 0.3 * error("euler", 32)


def test_a_step_to_zero_returns_the_estimate_itself() -> None:
    for solver in SOLVERS.values():
        x, _ = solver(lambda x, sigma: x * 0 + 3.25, torch.randn(2, 3), 0.7, 0.0, {})
        assert torch.equal(x, torch.full((2, 3), 3.25))


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_kept_comes_back_bit_for_bit(solver: str) -> None:
    kept, mask = torch.randn(1, *SHAPE), torch.ones(1, 1, *SHAPE[1:])
    mask[:, :, :2] = 0

    def careless(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        return torch.where(mask > 0, gaussian(x, sigma, mask, context), torch.nan)

    made = sample(
        careless, state_of(kept=kept, mask=mask), draw_noise(SHAPE, 1), schedule("simple", 6), NO_TEXT, solver=solver
    )
    assert torch.equal(made[:, :, :2], kept[:, :, :2])
    assert made.isfinite().all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_flow_edit_gives_the_clip_back_for_the_same_prompt_and_moves_it_by_the_difference(solver: str) -> None:
    source, noise = torch.randn(1, *SHAPE), draw_noise(SHAPE, 2)

    def worded(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        return 0.3 * x.sin() + context.mean()

    def made(words: Tensor) -> Tensor:
        state = state_of().with_(latent=source)
        return sample(
            flow_edit(worded, worded, source, noise),
            state,
            noise,
            schedule("simple", 8, denoise=0.8),
            words,
            solver=solver,
        )

    assert torch.allclose(made(torch.zeros(1, 2, 3)), source, atol=1e-5)
    assert float((made(torch.ones(1, 2, 3)) - source).mean()) == pytest.approx(1, abs=0.3)


def test_what_is_made_never_reads_what_is_kept_elsewhere() -> None:
    kept, mask = torch.full((1, *SHAPE), torch.nan), torch.ones(1, 1, *SHAPE[1:])
    mask[:, :, 0] = 0
    kept[:, :, 0] = 1.0
    assert (
        sample(gaussian, state_of(kept=kept, mask=mask), draw_noise(SHAPE, 1), schedule("simple", 4), NO_TEXT)
        .isfinite()
        .all()
    )


def test_a_mask_of_one_half_lands_between() -> None:
    kept, mask = torch.full((1, *SHAPE), -1.0), torch.full((1, 1, *SHAPE[1:]), 0.5)
    made = sample(
        lambda x, *_: torch.ones_like(x),
        state_of(kept=kept, mask=mask),
        draw_noise(SHAPE, 1),
        schedule("simple", 4),
        NO_TEXT,
    )
    assert torch.allclose(made, torch.zeros_like(made), atol=1e-6)


def test_denoise_starts_from_the_latent_at_a_lower_level() -> None:
    latent, noise = torch.randn(1, *SHAPE), draw_noise(SHAPE, 2)
    sigmas = schedule("simple", 5, denoise=0.5)
    first: list[Tensor] = []
    sample(lambda x, *_: first.append(x) or x, state_of(latent=latent), noise, sigmas, NO_TEXT)  # type: ignore[func-returns-value]
    assert float(sigmas[0]) == 0.5
    assert torch.allclose(first[0], 0.5 * latent + 0.5 * noise)
    assert torch.equal(first[0], start(state_of(latent=latent), noise, 0.5))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stopped_run_goes_on_to_the_same_bits_from_every_step(solver: str) -> None:
    noise, sigmas = draw_noise(SHAPE, 3), schedule("simple", 6, shift=3.0)
    stored: list[SamplerState] = []
    whole = sample(gaussian, state_of(), noise, sigmas, NO_TEXT, solver=solver, checkpoint=stored.append)
    assert [run.step for run in stored] == [1, 2, 3, 4, 5, 6]
    for run in stored:
        again = SamplerState.from_tensors(safetensors.torch.load(safetensors.torch.save(run.to_tensors())))
        assert torch.equal(sample(gaussian, state_of(), noise, sigmas, NO_TEXT, solver=solver, resume=again), whole)


def test_a_foreign_run_is_not_resumed() -> None:
    noise, sigmas = draw_noise(SHAPE, 3), schedule("simple", 4)
    stored: list[SamplerState] = []
    sample(gaussian, state_of(), noise, sigmas, NO_TEXT, checkpoint=stored.append)
    with pytest.raises(InputError, match="used euler"):
        sample(gaussian, state_of(), noise, sigmas, NO_TEXT, solver="heun", resume=stored[0])
    with pytest.raises(InputError, match="other sigmas"):
        sample(gaussian, state_of(), noise, schedule("simple", 5), NO_TEXT, resume=stored[0])
    with pytest.raises(InputError, match="lacks sigmas, solver"):
        SamplerState.from_tensors({"x": noise, "step": torch.tensor(1)})


def test_progress_counts_steps_and_may_cancel() -> None:
    seen: list[tuple[int, int]] = []

    def stop_after_two(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        sample(gaussian, state_of(), draw_noise(SHAPE, 0), schedule("simple", 9), NO_TEXT, progress=stop_after_two)
    assert seen == [(0, 9), (1, 9), (2, 9)]


def test_the_preview_is_the_clean_estimate() -> None:
    shown: list[Tensor] = []
    noise = draw_noise(SHAPE, 0)
    made = sample(
        gaussian,
        state_of(),
        noise,
        schedule("simple", 5),
        NO_TEXT,
        preview=lambda done, denoised: shown.append(denoised),
    )
    assert len(shown) == 5 and torch.equal(shown[-1], made)
    assert torch.allclose(shown[0], torch.full_like(made, MEAN))


def test_bad_input_is_named() -> None:
    noise = draw_noise(SHAPE, 0)
    with pytest.raises(InputError, match="euler, heun, dpmpp_2m"):
        get_solver("ddim")
    with pytest.raises(InputError, match="differ in shape"):
        sample(gaussian, state_of(batch=2), noise, schedule("simple", 2), NO_TEXT)
    with pytest.raises(InputError, match="falling"):
        sample(gaussian, state_of(), noise, torch.tensor([0.5, 0.5, 0.0]), NO_TEXT)
    with pytest.raises(InputError, match="clean, velocity"):
        denoised_from(noise, noise, noise, "epsilon")
    with pytest.raises(InputError, match="negative prompt"):
        cfg(gaussian, 4.0, uncond=None)
    with pytest.raises(InputError, match="seed"):
        draw_noise(SHAPE, -1)


def test_noise_is_fixed_by_the_seed_whatever_the_batch() -> None:
    three = draw_noise(SHAPE, 42, count=3)
    assert torch.equal(three[:1], draw_noise(SHAPE, 42)) and torch.equal(three[:2], draw_noise(SHAPE, 42, count=2))
    assert not torch.equal(three[0], three[1]) and not torch.equal(three[:1], draw_noise(SHAPE, 43))
    assert torch.equal(three, torch.randn(3, *SHAPE, generator=torch.manual_seed(42)))


def test_both_parametrizations_name_the_same_estimate() -> None:
    clean, noise, mask = torch.randn(2, *SHAPE), torch.randn(2, *SHAPE), torch.rand(2, 1, *SHAPE[1:])
    mask[:, :, 0] = 0
    sigma = torch.tensor([0.3, 0.9])
    level = sigma.view(-1, 1, 1, 1, 1) * mask
    x = (1 - level) * clean + level * noise
    for kind, output in (("clean", clean), ("velocity", noise - clean)):
        assert torch.allclose(denoised_from(output, x, level, kind), clean, atol=1e-6)


@pytest.mark.parametrize("batched", [True, False])
def test_guidance_moves_away_from_the_negative_prompt(batched: bool) -> None:
    x, sigma, mask = torch.zeros(2, *SHAPE), torch.full((2,), 0.5), torch.ones(2, 1, *SHAPE[1:])
    cond, uncond = torch.full((2, 3, 1), 2.0), torch.full((1, 3, 1), 1.0)
    calls: list[int] = []

    def counted(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        calls.append(len(x))
        return text(x, sigma, mask, context)

    assert torch.equal(cfg(counted, 4.0, uncond=uncond, batched=batched)(x, sigma, mask, cond), torch.full_like(x, 5.0))
    assert calls == ([4] if batched else [2, 2])
    only_late = cfg(counted, 4.0, uncond=uncond, interval=(0.0, 0.4))
    assert torch.equal(only_late(x, sigma, mask, cond), torch.full_like(x, 2.0)) and calls[-1] == 2
    longer = torch.full((1, 7, 1), 1.0)
    assert torch.equal(cfg(counted, 4.0, uncond=longer)(x, sigma, mask, cond), torch.full_like(x, 5.0))
    assert cfg(text, 1.0, uncond=None) is text


def test_renoise_shows_one_level_everywhere_and_keeps_the_rest() -> None:
    kept, noise, mask = torch.randn(1, *SHAPE), draw_noise(SHAPE, 5), torch.ones(1, 1, *SHAPE[1:])
    mask[:, :, -1] = 0
    seen: list[tuple[Tensor, Tensor, float]] = []

    def network(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        seen.append((x, mask, float(sigma[0])))
        return gaussian(x, sigma, mask, context)

    state = state_of(kept=kept, mask=mask)
    made = sample(renoise(network, noise), state, noise, schedule("simple", 4), NO_TEXT)
    for x, told, sigma in seen:
        assert bool((told == 1).all())
        assert torch.allclose(x[:, :, -1], (1 - sigma) * kept[:, :, -1] + sigma * noise[:, :, -1], atol=1e-6)
    assert torch.equal(made[:, :, -1], kept[:, :, -1])


def test_renoise_brings_a_half_kept_position_up_to_the_level() -> None:
    clean, noise, mask, sigma = (
        torch.randn(1, *SHAPE),
        draw_noise(SHAPE, 5),
        torch.rand(1, 1, *SHAPE[1:]),
        torch.tensor([0.7]),
    )
    x = (1 - 0.7 * mask) * clean + 0.7 * mask * noise
    seen = renoise(lambda x, *_: x, noise)(x, sigma, mask, NO_TEXT)
    assert torch.allclose(seen, 0.3 * clean + 0.7 * noise, atol=1e-5)
    at_one = renoise(lambda x, *_: x, noise)(x, torch.ones(1), torch.ones_like(mask), NO_TEXT)
    assert torch.equal(at_one, x)


@pytest.mark.parametrize("shape", [SHAPE, (4, 8, 12, 10), (4, 5, 9, 16)])
def test_enlarged_noise_is_white_and_has_the_coarse_structure_of_the_small(shape: tuple[int, int, int, int]) -> None:
    small = draw_noise(SHAPE, 1, count=2)
    big = enlarge_noise(small, shape, 2)
    assert big.shape == (2, *shape) and float(big.std()) == pytest.approx(1, abs=0.06) and abs(float(big.mean())) < 0.06
    assert torch.allclose(
        big.sum((2, 3, 4)) / big[0, 0].numel() ** 0.5, small.sum((2, 3, 4)) / small[0, 0].numel() ** 0.5, atol=1e-4
    )
    if shape == SHAPE:
        assert torch.allclose(big, small, atol=1e-5)
    with pytest.raises(InputError, match="cannot be enlarged"):
        enlarge_noise(small, (4, 5, 4, 3), 2)
