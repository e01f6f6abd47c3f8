"""The watermark: its code corrects, its pattern is found again, its training improves it."""

from pathlib import Path

import pytest
import torch
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.safety import codeword
from sora_nodes.sora_core.safety.marking import MESSAGE, Marker, bundled_watermark, read_mark
from sora_nodes.sora_core.safety.watermark import PILOT, Watermark, WatermarkConfig, load_watermark, luma
from sora_nodes.sora_core.training.attacks import Attacks, attack, coded, cropped, x264
from sora_nodes.sora_core.training.pictures import clips, leaves
from sora_nodes.sora_core.training.watermark import WatermarkTraining, read_training, train
from sora_nodes.sora_core.world import ClipShape, render, sample_scene

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("message", [0, 1, 0xDEADBEEF, 2**32 - 1])
def test_five_unsure_wrong_bits_in_each_half_are_corrected(message: int) -> None:
    sent = codeword.encode(message)
    noise = torch.randn(64, generator=generator(message)) * 0.1
    weak = sent.clone()
    for half in (0, 32):
        weak[half : half + 5] *= -0.3  # wrong, but unsure
    assert codeword.decode(weak + noise)[0] == message
    hard = sent.clone()
    hard[[0, 9, 20, 33, 40, 63]] *= -1  # three wrong in each half, d = 8
    assert codeword.decode(hard)[0] == message


def test_words_are_eight_apart() -> None:
    words = codeword.codebook()
    nearest = (words[1:] != words[:1]).sum(1).min()  # linear: the distance of any two is a weight
    assert int(nearest) == 8


def test_numbers_beyond_32_bits_are_refused() -> None:
    with pytest.raises(InputError, match="2\\*\\*32"):
        codeword.encode(2**32)


@pytest.mark.parametrize("size", [(64, 64), (90, 160), (256, 192)])
def test_an_untrained_watermark_is_found_and_keeps_its_psnr(size: tuple[int, int]) -> None:
    model = Watermark(WatermarkConfig()).eval()
    picture = leaves(1, max(size), generator(1), CPU)[..., : size[0], : size[1]]
    bits = codeword.encode(0xC0FFEE)[None]
    with torch.no_grad():
        marked = model.mark(picture, bits, psnr=36.0)
        values, plain = model.read(marked), model.read(picture)
    assert abs(float(-10 * torch.log10((marked - picture).square().mean())) - 36) < 0.6
    assert float(((values[0, :PILOT] > 0) == (bits[0] > 0)).float().mean()) > 0.85
    assert float(values[0, PILOT]) > 4 and abs(float(plain[0, PILOT])) < 4


def test_a_known_window_is_read_like_the_whole() -> None:
    model = Watermark(WatermarkConfig()).eval()
    picture = leaves(1, 192, generator(2), CPU)
    with torch.no_grad():
        marked = model.mark(picture, codeword.encode(5)[None], psnr=36.0)
        part = marked[..., 19:182, 9:192]
        z = model.read(part, (19 / 192, 182 / 192, 9 / 192, 1.0))[0, PILOT]
        astray = model.read(part)[0, PILOT]
    assert z > 4 > astray


def test_coding_loses_more_at_a_coarser_quantiser_and_passes_gradients() -> None:
    video = clips(2, 2, 32, generator(3), CPU).requires_grad_()
    errors = [(coded(video, q) - video).square().mean() for q in (10, 24, 38)]
    assert errors[0] < errors[1] < errors[2]
    errors[1].backward()
    assert video.grad is not None and video.grad.abs().sum() > 0


def test_x264_gives_back_the_clip_it_was_given() -> None:
    clip = leaves(1, 47, generator(4), CPU).expand(3, 3, 47, 47)
    assert x264(clip, 10).shape == clip.shape
    assert (x264(clip, 10) - clip).abs().mean() < 0.03


def test_crops_say_what_is_left() -> None:
    video = torch.arange(100.0).expand(1, 1, 3, 10, 100)
    left, window = cropped(video, 0.5, lambda low, high: high / 2)
    assert left.shape[-1] == 100 - 25 and window[2] == float(left[0, 0, 0, 0, 0]) / 100
    seen, _ = attack(video / 100, Attacks(), generator(5))
    assert seen.shape[:3] == (1, 1, 3)


def test_training_is_repeatable_and_writes_small_weights(tmp_path: Path) -> None:
    run = WatermarkTraining(
        model=WatermarkConfig(band=16, canvas=32, look=16, width=4),
        steps=2, clips=1, groups=1, frames=2, sides=(32,), scenes=1, attacks=Attacks(real=0.0),
    )  # fmt: skip
    first, second = (load_watermark(train(run, tmp_path / name)) for name in "ab")
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert first.config == run.model


def test_the_shipped_configuration_reads_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert read_training(ROOT / "configs" / "watermark.json").model == WatermarkConfig()
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"watermark": {"minuets": 3}}')
    with pytest.raises(InputError, match="minuets"):
        read_training(wrong)


def test_a_flat_picture_carries_a_fainter_mark_and_a_small_one_a_stronger() -> None:
    model = Watermark(WatermarkConfig())
    busy = leaves(1, 192, generator(1), CPU)
    flat = torch.full_like(busy, 0.5)
    asked = [model.strength(model.contrast(p)[1], *p.shape[2:]) for p in (flat, busy, busy[..., :64, :64])]
    assert asked[0] > asked[1] == model.config.psnr > asked[2]
    blues = [model.blue(model.contrast(p)[1], *p.shape[2:]) for p in (flat, busy, flat[..., :64, :64])]
    assert blues[0] > blues[1] == blues[2] == 0, "the blue is marked where the luma fades"


def test_the_blue_of_a_flat_picture_is_marked_and_found_without_its_luma() -> None:
    flat = torch.full((2, 144, 256, 3), 120, dtype=torch.uint8)
    marked = next(iter(Marker(bundled_watermark(), MESSAGE)([flat])))
    red, green, blue = (marked[..., channel].float() - 120 for channel in range(3))
    assert blue.std() > 2.5 > 2 * red.std(), "luma hardly changes"
    assert float((0.299 * red + 0.587 * green + 0.114 * blue).std()) < 1
    assert read_mark([marked], search=False).message == MESSAGE
    tinted = flat.clone()
    tinted[..., 2] = (120 + (blue - red)).byte()
    assert read_mark([tinted], search=False).message == MESSAGE
    grey = (0.299 * marked[..., 0] + 0.587 * marked[..., 1] + 0.114 * marked[..., 2]).round().byte()
    assert read_mark([grey[..., None].repeat(1, 1, 1, 3)], search=False).message == MESSAGE


def test_a_number_of_ones_own_and_a_strength_that_was_asked_for_are_in_the_luma_alone() -> None:
    flat = torch.full((1, 144, 256, 3), 120, dtype=torch.uint8)
    for marker in (Marker(bundled_watermark(), 12345), Marker(bundled_watermark(), MESSAGE, psnr=40.0)):
        marked = next(iter(marker([flat])))
        assert torch.equal(marked[..., 0], marked[..., 2]) and not torch.equal(marked, flat)


def test_a_mark_in_the_luma_alone_is_found_as_before_the_blue_was_marked() -> None:
    frames = render([sample_scene(6_000_001)], ClipShape(frames=4, height=112, width=192, fps=8.0))[0]
    marked = next(iter(Marker(bundled_watermark(), MESSAGE, psnr=42.0)([frames])))
    seen = (x264(marked.permute(0, 3, 1, 2).float() / 255, 28) * 255).byte().permute(0, 2, 3, 1)
    assert read_mark([seen], search=False).message == MESSAGE


@pytest.mark.parametrize(("size", "least"), [((112, 112), 39.0), ((112, 192), 42.0)])
def test_the_mark_of_a_flat_clip_is_hard_to_see_and_outlasts_strong_compression(
    size: tuple[int, int], least: float
) -> None:
    frames = render([sample_scene(6_000_000)], ClipShape(frames=8, height=size[0], width=size[1], fps=8.0))[0]
    marked = next(iter(Marker(bundled_watermark(), MESSAGE)([frames])))
    error = luma(marked.movedim(-1, 1).float() - frames.movedim(-1, 1).float()).square().mean()
    assert float(10 * torch.log10(255**2 / error)) > least
    seen = x264(marked.permute(0, 3, 1, 2).float() / 255, 28)
    assert read_mark([(seen * 255).byte().permute(0, 2, 3, 1)], search=False).message == MESSAGE


def test_a_frame_that_is_marked_is_given_no_second_mark_and_an_unmarked_one_all_of_it() -> None:
    scene = render([sample_scene(6_000_000)], ClipShape(frames=2, height=112, width=192, fps=8.0))[0]
    marker = Marker(bundled_watermark(), MESSAGE)
    once = marker.marked(scene)
    assert marker.given == (1.0, 1.0)
    assert torch.equal(Marker(bundled_watermark(), MESSAGE).marked(once), once)


@pytest.mark.parametrize("size", [(64, 64), (112, 192)])
def test_the_mark_does_not_grow_with_generations_that_carry_it_on(size: tuple[int, int]) -> None:
    """As extensions do: what is made goes on from marked frames, blurred a little, and is marked in its turn."""
    scene = render([sample_scene(6_000_000)], ClipShape(frames=1, height=size[0], width=size[1], fps=8.0))[0]
    first = Marker(bundled_watermark(), MESSAGE).marked(scene)
    marked = first
    for _ in range(6):
        mark = (marked.float() - scene).permute(0, 3, 1, 2)
        carried = torch.nn.functional.avg_pool2d(mark, 3, 1, 1, count_include_pad=False).permute(0, 2, 3, 1)
        marked = Marker(bundled_watermark(), MESSAGE).marked((scene + carried).round().clamp(0, 255).byte())
    assert (marked.float() - scene).std() < 1.5 * (first.float() - scene).std()
    assert read_mark([marked], search=False).message == MESSAGE
