"""Schedules against their formulas, written here a second time and differently."""

from __future__ import annotations

import pytest
import torch
from sora_nodes.sora_core.diffusion import SCHEDULES, get_schedule, schedule, shift_for_grid, shift_sigma
from sora_nodes.sora_core.errors import InputError


def shifted(t: float, shift: float) -> float:
    return shift * t / (1 + (shift - 1) * t)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("shift", [1.0, 3.0, 12.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 50])
def test_every_schedule_falls_from_one_to_zero(name: str, shift: float, steps: int) -> None:
    sigmas = schedule(name, steps, shift=shift)
    assert sigmas.shape == (steps + 1,) and sigmas.dtype == torch.float32
    assert float(sigmas[0]) == 1.0 and float(sigmas[-1]) == 0.0 and bool((sigmas.diff() < 0).all())


def test_simple_reads_every_nth_level() -> None:
    expected = [shifted((1000 - int(i * 1000 / 7)) / 1000, 5.0) for i in range(7)] + [0.0]
    assert schedule("simple", 7, shift=5.0).tolist() == pytest.approx(expected, abs=1e-6)
    assert schedule("simple", 4).tolist() == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


def test_normal_and_sgm_uniform_space_timesteps_evenly() -> None:
    low = shifted(0.001, 3.0)
    normal = [shifted(1 + (low - 1) * i / 4, 3.0) for i in range(5)] + [0.0]
    uniform = [shifted(1 + (low - 1) * i / 5, 3.0) for i in range(5)] + [0.0]
    assert schedule("normal", 5, shift=3.0).tolist() == pytest.approx(normal, abs=1e-6)
    assert schedule("sgm_uniform", 5, shift=3.0).tolist() == pytest.approx(uniform, abs=1e-6)


def test_beta_is_symmetric_and_dense_at_both_ends() -> None:
    sigmas = schedule("beta", 20)
    gaps = -sigmas.diff()
    assert float(sigmas[10]) == pytest.approx(0.5, abs=0.002)
    assert float(gaps[0]) < 0.5 * float(gaps[9]) > float(gaps[-1])


def test_denoise_is_the_end_of_a_longer_schedule() -> None:
    for name in SCHEDULES:
        assert torch.equal(schedule(name, 6, shift=3.0, denoise=0.35), schedule(name, int(6 / 0.35), shift=3.0)[-7:])


def test_shift_keeps_the_ends_and_moves_the_middle_towards_noise() -> None:
    t = torch.tensor([0.0, 0.5, 1.0])
    assert shift_sigma(t, 3.0).tolist() == pytest.approx([0.0, 0.75, 1.0])
    assert torch.equal(shift_sigma(t, 1.0), t)


def test_a_larger_picture_is_sampled_with_more_noise_and_a_longer_clip_is_not() -> None:
    """The shift goes with the side of a picture: enlarged twice, the same noise hides half as much of it."""
    assert shift_for_grid((5, 8, 8), (1, 2, 2)) == shift_for_grid((1, 8, 8), (1, 2, 2)) == 3
    assert shift_for_grid((1, 16, 16), (1, 2, 2)) == 6
    assert shift_for_grid((1, 7, 15), (1, 2, 2)) == shift_for_grid((1, 8, 16), (1, 2, 2)), "a cut patch is a whole one"
    assert shift_for_grid((1, 4, 4), (1, 2, 2)) == 3, "and never with less than at 64x64"


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="simple, normal, sgm_uniform, beta"):
        get_schedule("karras")
    for wrong in (
        {"steps": 0},
        {"steps": 2000},
        {"steps": 5, "denoise": 0.0},
        {"steps": 5, "denoise": 1.5},
        {"steps": 5, "shift": 0.0},
    ):
        with pytest.raises(InputError, match="must be"):
            schedule("simple", **wrong)  # type: ignore[arg-type]


def test_no_size_of_picture_begins_above_pure_noise() -> None:
    """In float32 the quotient of the shift may round to a little more than 1."""
    shifts = {shift_for_grid((1, height, width), (1, 2, 2)) for height in range(2, 60) for width in range(2, 60)}
    assert max(float(schedule("simple", 2, shift=shift)[0]) for shift in shifts) == 1
