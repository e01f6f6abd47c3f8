"""A decode that is stopped goes on at its segment, to the same file; segments go away when the file has its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from editing_toys import tiny_model
from sora_nodes.sora_core import media, pipeline
from sora_nodes.sora_core.errors import Cancelled
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import FileSource, Segmented, publish, segments
from sora_nodes.sora_core.pipeline.sampling import decode_from, decode_stream
from sora_nodes.sora_core.pipeline.stored import FOLDER, RunStore, stored_runs
from sora_nodes.sora_core.safety.doors import Protection
from torch import Tensor

MODEL = tiny_model()
SIZE = VideoSize(frames=41, height=47, width=64, fps=8)
PROTECTION = Protection(watermark=True, sign=False, review=False)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "PIXELS", 10 * SIZE.height * SIZE.width)


def clip(folder: Path, seen: list[int], *, stop: int = 1 << 30) -> Segmented:
    def frames(start: int) -> Iterator[Tensor]:
        picture = torch.rand(1, SIZE.height, SIZE.width, 3, generator=torch.Generator().manual_seed(1))
        for i in range(start, SIZE.frames):
            if i == stop:
                raise Cancelled("stopped")
            seen.append(i)
            yield (picture * (0.3 + i / 60)).clamp(0, 1)

    return Segmented(folder=folder, size=SIZE, frames=frames)


def test_a_file_in_segments_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    seen: list[int] = []
    assert publish(tmp_path / "whole.mp4", clip(tmp_path / "a", seen)) == SIZE.frames
    assert seen == list(range(41)) and len(list((tmp_path / "a").glob("*.mp4"))) == 5
    for stop in (25, 32):
        with pytest.raises(Cancelled):
            publish(tmp_path / "out.mp4", clip(tmp_path / "b", seen, stop=stop))
        assert not (tmp_path / "out.mp4").exists()
    seen.clear()
    publish(tmp_path / "out.mp4", clip(tmp_path / "b", seen))
    assert seen == list(range(30, 41)), "three segments were whole"
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    source = FileSource(tmp_path / "out.mp4")
    assert (source.length, source.height, source.width) == (41, 47, 64) and not source.notes


@pytest.mark.parametrize("spoil", ["empty", "cut", "of another clip", "a flipped bit", "no checksum"])
def test_a_segment_that_was_spoilt_is_made_again(tmp_path: Path, spoil: str) -> None:
    seen: list[int] = []
    publish(tmp_path / "whole.mp4", clip(tmp_path / "a", seen))
    path = tmp_path / "a" / "000002.mp4"
    data = {"empty": b"", "cut": path.read_bytes()[:-300], "of another clip": (tmp_path / "whole.mp4").read_bytes()}
    if spoil == "a flipped bit":  # among the pictures' bytes, where most decoders see nothing wrong
        flipped = bytearray(path.read_bytes())
        flipped[flipped.index(b"mdat") + 1000] ^= 1
        data[spoil] = bytes(flipped)
    if spoil == "no checksum":  # stopped between the two files
        path.with_suffix(".sum").unlink()
    else:
        path.write_bytes(data[spoil])
    seen.clear()
    publish(tmp_path / "out.mp4", clip(tmp_path / "a", seen))
    assert seen[0] == 20 and (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize("start", [0, 1, 5, 21, 60, 78])
def test_decoding_from_a_frame_gives_the_same_bits(start: int) -> None:
    latent = torch.randn(1, MODEL.geometry.channels, 24, 3, 4, generator=torch.Generator().manual_seed(0))
    whole = torch.cat(list(decode_stream(MODEL.codec, latent)), 2)
    assert MODEL.codec.reach is not None and MODEL.codec.reach < 24
    assert torch.equal(torch.cat(list(decode_from(MODEL.codec, latent, start)), 2), whole[:, :, start:])


def generate(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    settings = MODEL.settings.with_(steps=2)
    return pipeline.generate(
        "a red ball", out=folder / "out.mp4", seconds=5.0, size=(64, 48), fps=8, expand=False, settings=settings,
        model=MODEL, protection=PROTECTION,
    ).path  # fmt: skip


def test_a_prompt_goes_on_at_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = generate(tmp_path / "a")
    assert not (tmp_path / "a" / FOLDER).exists()
    count, write = 0, segments.write_video

    def stopped(*given: object, **named: object) -> int:
        nonlocal count
        count += 1
        if count == 3:
            raise Cancelled("stopped")
        return write(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(segments, "write_video", stopped)
    with pytest.raises(Cancelled):
        generate(tmp_path / "b")
    found = stored_runs(tmp_path / "b")
    assert sorted((run.step, run.segments) for run in found if run.segments is None) == [(2, None)]
    assert [run.segments for run in found if run.segments is not None] == [2]
    monkeypatch.setattr(segments, "write_video", write)
    assert generate(tmp_path / "b").read_bytes() == whole.read_bytes()
    assert not (tmp_path / "b" / FOLDER).exists()


def test_two_runs_do_not_share_their_segments(tmp_path: Path) -> None:
    one, two = RunStore(tmp_path / FOLDER), RunStore(tmp_path / FOLDER)
    first, second = one.segments("k"), two.segments("k")
    assert first != second
    first.mkdir()
    second.mkdir()
    two.finish()
    assert first.exists() and not second.exists()
    one.finish()
    assert not (tmp_path / FOLDER).exists()


def test_short_clips_are_one_piece() -> None:
    assert media.segment_frames(VideoSize(frames=9, height=64, width=64, fps=8)) * 64 * 64 > 0
    assert media.segment_frames(VideoSize(frames=9, height=4096, width=8192, fps=8)) == 8
