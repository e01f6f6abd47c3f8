"""The door of files: reviewed, marked, written, signed, in that order, whole or not at all."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sora_nodes.sora_core.errors import InputError, MediaError
from sora_nodes.sora_core.media import Guards, iter_frames, probe, publish, read_image, read_metadata, write_video
from sora_nodes.sora_core.safety.doors import Protection, guards_for
from sora_nodes.sora_core.safety.frames import FrameReview
from sora_nodes.sora_core.safety.marking import MESSAGE, Marker, bundled_watermark, read_mark
from sora_nodes.sora_core.safety.policy import FramePolicy, parse_policy
from sora_nodes.sora_core.safety.provenance import can_sign, verify
from sora_nodes.sora_core.safety.review import PolicyError
from sora_nodes.sora_core.training.attacks import x264
from sora_nodes.sora_core.training.pictures import clips
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from torch import Tensor

pytestmark = pytest.mark.usefixtures("own_home")


def frames(count: int = 6, side: int = 96, seed: int = 0) -> Tensor:
    made = clips(1, count, side, torch.Generator().manual_seed(seed), torch.device("cpu"))[0]
    return (made.permute(0, 2, 3, 1) * 255).round().byte()


class RedJudge:
    """Objects to red frames."""

    category = "sexual"

    def __call__(self, frames: Tensor) -> list[float]:
        return [float(f[..., 0].float().mean() > 200 and f[..., 1].float().mean() < 50) for f in frames]


def with_red(*places: int, count: int = 12) -> Tensor:
    clip = frames(count)
    for place in places:
        clip[place] = torch.tensor([255, 0, 0], dtype=torch.uint8)
    return clip


def step(name: str, log: list[str]):  # type: ignore[no-untyped-def]
    def guard(chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        for chunk in chunks:
            log.append(name)
            yield chunk

    return guard


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_the_order_is_review_mark_write_sign(tmp_path: Path, name: str) -> None:
    log: list[str] = []

    def sign(written: Path, signed: Path, called: str) -> None:
        assert written.stat().st_size > 0 and called == name and not (tmp_path / name).exists()
        log.append("sign")
        signed.write_bytes(written.read_bytes())

    guards = Guards(review=step("review", log), mark=step("mark", log), sign=sign)
    publish(tmp_path / name, frames(1), fps=8.0, metadata={"prompt": "x"}, guards=guards)
    assert log == ["review", "mark", "sign"]
    assert read_metadata(tmp_path / name)["prompt"] == "x"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("content", ["frames", "copy"])
def test_what_is_stopped_leaves_nothing(tmp_path: Path, content: str) -> None:
    given = tmp_path / "given.mp4"
    write_video(given, with_red(5), 8.0)
    review = FrameReview(FramePolicy(action="stop"), 8.0, [RedJudge()])
    with pytest.raises(PolicyError, match=r"sexual.*0\.6"):
        publish(
            tmp_path / "out.mp4", with_red(5) if content == "frames" else given, fps=8.0, guards=Guards(review=review)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["given.mp4"]


def test_spans_are_blurred_and_reported() -> None:
    clip = with_red(4, 5, 9)
    clip[4, :48] = 0
    clip[4, 40:] = torch.tensor([255, 0, 0], dtype=torch.uint8)
    review = FrameReview(FramePolicy(action="blur", threshold=0.5), 8.0, [RedJudge()])
    passed = torch.cat(list(review(clip.split(3))))
    assert torch.equal(passed[:4], clip[:4]) and len(passed) == len(clip)
    spans = [(span.start, span.end) for span in review.report()]
    assert (9 / 8, 10 / 8) in spans and spans == sorted(spans)


def test_frames_can_be_looked_at_now_and_then() -> None:
    seen: list[int] = []

    class Counter(RedJudge):
        def __call__(self, frames: Tensor) -> list[float]:
            seen.append(len(frames))
            return [0.0] * len(frames)

    list(FrameReview(FramePolicy(every=4), 8.0, [Counter()])(frames(10).split(3)))
    assert sum(seen) == 3


def test_a_copy_whose_frames_must_change_is_stopped(tmp_path: Path) -> None:
    write_video(tmp_path / "given.mp4", with_red(5), 8.0)
    review = FrameReview(FramePolicy(action="blur"), 8.0, [RedJudge()])
    with pytest.raises(MediaError, match="save its frames"):
        publish(tmp_path / "out.mp4", tmp_path / "given.mp4", guards=Guards(review=review))


def test_the_policy_of_frames_is_read_and_checked() -> None:
    policy = parse_policy('{"frames": {"action": "blur", "every": 2}}', "mine")
    assert policy.frames.action == "blur" and policy.frames.every == 2
    for text in ('{"frames": {"action": "melt"}}', '{"frames": {"evry": 2}}', '{"frames": {"every": 0.5}}'):
        with pytest.raises(InputError, match="mine"):
            parse_policy(text, "mine")


def test_without_a_reviewer_the_policy_decides() -> None:
    with pytest.raises(InputError, match=r"frame-review"):
        FrameReview(FramePolicy(missing="stop"), 8.0, [])
    clip = frames(2)
    assert next(iter(FrameReview(FramePolicy(), 8.0, [])([clip]))) is clip


def test_a_marked_clip_is_recognised_after_compression_scaling_and_crop() -> None:
    clip = frames(12, 256, seed=3)
    marked = torch.cat(list(Marker(bundled_watermark(), 0xBEEF1234)(clip.split(5))))
    error = (marked.float() - clip.float()).square().mean()
    assert 38.9 <= float(10 * torch.log10(255**2 / error)) < 42
    found = read_mark([marked])
    assert found.found and found.message == 0xBEEF1234
    small = F.interpolate(marked.permute(0, 3, 1, 2).float() / 255, scale_factor=0.75, mode="bilinear", antialias=True)
    coded = x264(small[..., 8:-10, 6:-12], 26)
    seen = (coded.permute(0, 2, 3, 1) * 255).round().byte()
    cut = read_mark([seen])
    assert cut.found and cut.message == 0xBEEF1234
    assert not read_mark([clip]).found


def test_a_small_clip_is_recognised_where_its_number_cannot_be_read() -> None:
    clip = render([sample_scene(6_000_001)], ClipShape(frames=12, height=64, width=64, fps=8.0))[0]
    usual, other = (torch.cat(list(Marker(bundled_watermark(), number)([clip]))) for number in (MESSAGE, 12345))
    seen, unseen = ((x264(m.permute(0, 3, 1, 2).float() / 255, 28) * 255).round().byte() for m in (usual, clip))
    assert read_mark([seen.permute(0, 2, 3, 1)], search=False).message == MESSAGE
    assert not read_mark([unseen.permute(0, 2, 3, 1)]).found
    assert read_mark([other]).message == 12345 and read_mark([usual], expected=None).message == MESSAGE


def test_marking_adds_what_there_is_room_for_and_looks_again_after_a_cut() -> None:
    dark, light = frames(3, 64) // 20, 255 - frames(3, 64, seed=1) // 20
    marker = Marker(bundled_watermark(), 1)
    marked = torch.cat(list(marker([torch.cat([dark, light])])))
    assert (marked[:3].int() - dark).abs().max() < 40 and (marked[3:].int() - light).abs().max() < 40
    levels = marker.added.to(torch.int8).int()
    assert torch.equal(marked[3:].int(), (light.int() + levels).clamp(0, 255))


def test_tiny_frames_pass_and_have_no_mark() -> None:
    clip = frames(2, 96)[:, :8, :8]
    assert next(iter(Marker(bundled_watermark(), 1)([clip]))) is clip
    assert not read_mark([clip]).found
    with pytest.raises(MediaError, match="without frames"):
        read_mark([])


def test_everything_at_the_door(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    guards = guards_for(Protection(message=77), fps=8.0)
    assert publish(path, frames(9, 192).split(4), fps=8.0, metadata={"workflow": "{}"}, guards=guards) == 9
    assert probe(path).frames == 9 and read_metadata(path)["workflow"] == "{}"
    assert read_mark(iter_frames(path, 4)).message == 77
    if can_sign():
        assert verify(path).status == "unknown signer" and verify(path).generated


def test_a_still_is_marked_losslessly(tmp_path: Path) -> None:
    picture = frames(1, 192, seed=5)
    publish(tmp_path / "out.png", picture, guards=guards_for(Protection(message=5, sign=False), fps=1.0))
    back = read_image(tmp_path / "out.png")
    assert read_mark([back]).message == 5 and not np.array_equal(back.numpy(), picture.numpy())
