"""The refiner: sizes and windows, streams, and what a run of it makes of a draft."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.refine import Refiner, RefinerConfig, passes, refined
from sora_nodes.sora_core.refine.sharpen import sharpened
from sora_nodes.sora_core.refine.stream import (
    MOST,
    enlarged,
    in_windows,
    mended,
    neighbourhoods,
    reach,
    shaped,
    steadied,
    windows,
)

TINY = RefinerConfig(widths=(4, 4, 8, 8), coarse_blocks=1, context=1)


@pytest.fixture(scope="module")
def tiny() -> Refiner:
    torch.manual_seed(0)
    refiner = Refiner(TINY)
    torch.nn.init.normal_(refiner.leave.weight, std=0.05)
    return refiner.eval().requires_grad_(False)


@pytest.mark.parametrize("to", [(144, 256), (256, 256), (720, 1280), (1080, 1920), (2048, 2048), (70, 123), (65, 65)])
def test_passes_end_at_the_size_and_none_is_too_steep(to: tuple[int, int]) -> None:
    sizes = [(64, 64 * to[1] / to[0]), *passes(64, round(64 * to[1] / to[0]), to)]
    ratios = [b[0] / a[0] for a, b in pairwise(sizes)]
    assert sizes[-1] == to
    assert max(ratios) <= MOST * 1.05 and max(ratios) / min(ratios) < 1.05
    assert passes(*to, to) == []


def test_an_untrained_refiner_only_enlarges() -> None:
    video = torch.rand(1, 3, 3, 16, 24) * 2 - 1
    made = torch.cat(list(refined(Refiner(TINY), [video], (48, 72))), 2)
    assert made.shape == (1, 3, 3, 48, 72)
    assert torch.allclose(made[:, :, 1], enlarged(video[:, :, 1], (48, 72), draft=True), atol=1e-5)
    clean = torch.cat(list(refined(Refiner(TINY), [video], (48, 72), draft=False)), 2)
    assert torch.allclose(clean[:, :, 1], enlarged(video[:, :, 1], (48, 72), draft=False), atol=1e-5)


def test_what_is_larger_already_is_made_smaller() -> None:
    video = torch.rand(1, 3, 2, 40, 48) * 2 - 1
    made = torch.cat(list(refined(Refiner(TINY), [video], (20, 24), draft=False)), 2)
    assert made.shape == (1, 3, 2, 20, 24) and abs(float(made.mean() - video.mean())) < 0.05


def test_chunks_do_not_matter(tiny: Refiner) -> None:
    video = torch.rand(1, 3, 7, 16, 16) * 2 - 1
    whole = torch.cat(list(refined(tiny, [video], (40, 40))), 2)
    parts = torch.cat(list(refined(tiny, video.split([1, 4, 2], 2), (40, 40))), 2)
    assert whole.shape == (1, 3, 7, 40, 40) and torch.equal(whole, parts)


def test_one_frame_is_a_still(tiny: Refiner) -> None:
    assert torch.cat(list(refined(tiny, [torch.zeros(1, 3, 1, 16, 16)], (160, 160))), 2).shape == (1, 3, 1, 160, 160)
    assert list(refined(tiny, [], (64, 64))) == []


@pytest.mark.parametrize("length", [1, 2, 3, 6])
@pytest.mark.parametrize("context", [0, 1, 2])
def test_every_frame_has_its_neighbourhood(length: int, context: int) -> None:
    frames = [torch.full((1, 3, 1, 1), float(i)) for i in range(length)]
    near = [[int(frame.mean()) for frame in around] for around in neighbourhoods(iter(frames), context)]
    assert near == [[min(max(i + d, 0), length - 1) for d in range(-context, context + 1)] for i in range(length)]


def test_still_places_do_not_flicker_and_what_moves_is_untouched() -> None:
    noise = torch.randn(9, 1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 0.01
    noise[4:] += 0.012  # a step of one and a half levels, as where latent frames meet
    for i in range(9):
        noise[i, :, :, 8:16, 2 * i : 2 * i + 6] = 1.0  # a thing passes by
    out = torch.stack(list(steadied(iter(noise))))

    def steps(x: torch.Tensor) -> torch.Tensor:
        return (x[1:] - x[:-1])[..., :4, :].abs().mean((1, 2, 3, 4))

    assert (steps(out) < 0.75 * steps(noise)).all(), "everywhere less than before"
    assert steps(out)[3] < 1.5 * steps(out).median(), "and no step any more"
    for i in range(9):
        assert torch.allclose(out[i, ..., 10:14, 2 * i + 2 : 2 * i + 4], noise[i, ..., 10:14, 2 * i + 2 : 2 * i + 4])


def test_frames_are_read_no_further_ahead_than_they_are_seen(tiny: Refiner) -> None:
    read = 0

    def chunks() -> object:
        nonlocal read
        for _ in range(20):
            read += 1
            yield torch.zeros(1, 3, 1, 16, 16)

    stream = refined(tiny, chunks(), (200, 200))  # type: ignore[arg-type]
    next(stream)
    assert read <= 1 + reach(tiny), "those that it is made of"


def test_another_shape_is_cut_evenly() -> None:
    video = torch.arange(10.0).view(1, 1, 1, 10).expand(1, 3, 8, 10)
    assert shaped(video, (100, 100))[0, 0, 0].tolist() == list(range(1, 9))
    assert shaped(video, (50, 100)).shape[2:] == (5, 10)


def test_what_was_made_of_a_smaller_picture_is_stretched_and_not_cut(tiny: Refiner) -> None:
    """A bar at the left border of a 4:3 draft stays there at 16:9."""
    video = -torch.ones(1, 3, 1, 48, 64)
    video[..., :6] = 1
    made = [next(refined(tiny, [video], (90, 160), cut=cut, draft=False))[0, 0, 0, 45] for cut in (True, False)]
    assert made[0].shape == made[1].shape == (160,)
    assert float((made[1] > 0).float().mean()) == pytest.approx(6 / 64, abs=0.01)


@pytest.mark.parametrize("size", [(1080, 1920), (2048, 2048), (8192, 64), (4096, 8192)])
def test_windows_cover_a_picture_within_the_limit(size: tuple[int, int]) -> None:
    rows, columns = windows(*size, 1 << 20)
    for axis, side in ((rows, size[0] // 8), (columns, size[1] // 8)):
        assert axis[0].start == 0 and axis[-1].stop == side
        assert all(b.start < a.stop for a, b in pairwise(axis))
    assert (rows[0].stop - rows[0].start) * (columns[0].stop - columns[0].start) * 64 <= 1 << 20


def test_windows_leave_no_seam(tiny: Refiner) -> None:
    picture = torch.rand(1, 3, 70, 75) * 2 - 1
    picture = torch.nn.functional.interpolate(picture, (560, 600), mode="bicubic").clamp(-1, 1)
    assert [len(axis) for axis in windows(560, 600, 240_000)] == [1, 2]
    for part in (lambda x: sharpened(x, 8, wide=True), lambda x: next(mended(tiny, iter([x])))):
        whole, parts = part(picture), in_windows(part, picture, window=240_000)
        assert torch.allclose(whole, parts, atol=1e-5)


def test_a_neighbourhood_of_another_length_is_named(tiny: Refiner) -> None:
    with pytest.raises(InputError, match="3 frames"):
        tiny(torch.zeros(1, 5, 3, 16, 16))


@pytest.mark.parametrize("wide", [False, True])
def test_a_picture_in_strips_is_sharpened_as_in_one_piece(monkeypatch: pytest.MonkeyPatch, wide: bool) -> None:
    picture = torch.rand(2, 3, 50, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = sharpened(picture, 4, wide=wide)
    monkeypatch.setattr("sora_nodes.sora_core.refine.sharpen.ROWS", 16)
    assert (sharpened(picture, 4, wide=wide) - whole).abs().max() < 1e-5


def test_sharpening_makes_a_soft_edge_crisp_and_leaves_what_does_not_bend() -> None:
    ramp = torch.linspace(-0.8, 0.8, 64).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    assert (sharpened(ramp, 8) - ramp)[..., 12:-12].abs().max() < 1e-4
    x = torch.arange(64) - 31.5
    disc = torch.tanh((16 - (x[:, None].square() + x.square()).sqrt()) / 4).expand(1, 3, 64, 64)
    made = sharpened(disc, 8, wide=True)
    assert made.diff(dim=3).abs().max() > 2 * disc.diff(dim=3).abs().max()
    assert made.min() >= disc.min() - 1e-4 and made.max() <= disc.max() + 1e-4
    assert ((made > 0) == (disc > 0)).float().mean() > 0.98
