"""Sources of frames: every range is the same range of the whole clip, in whatever order it is asked for."""

from pathlib import Path

import media_toys as toys
import pytest
import torch
from sora_nodes.sora_core.errors import InputError, MediaError
from sora_nodes.sora_core.media import FileSource, FrameSource, TensorSource, as_image, chunks, read_video, write_video
from torch import Tensor


def noise(frames: int = 40) -> Tensor:
    return torch.randint(0, 256, (frames, 16, 24, 3), dtype=torch.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 frames hold several key frames."""
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    write_video(path, noise(300), 25)
    return path


def test_a_file_tells_its_length_size_and_rate_unread(clip: Path) -> None:
    with FileSource(clip) as source:
        assert (source.length, source.height, source.width, source.fps) == (300, 16, 24, 25)
        assert source.notes == ()


def test_ranges_in_any_order_are_those_of_the_whole(clip: Path) -> None:
    whole = read_video(clip).frames
    with FileSource(clip) as source:
        for start, stop in [(0, 3), (3, 9), (299, 300), (120, 122), (0, 1), (251, 300), (7, 8)]:
            assert torch.equal(source.read(start, stop), whole[start:stop])
        source.close()
        assert torch.equal(source.read(5, 6), whole[5:6])


def test_chunks_in_order_read_the_file_once(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sora_nodes.sora_core.media import source as module

    opened, real = [], module.pictures
    monkeypatch.setattr(module, "pictures", lambda *given: opened.append(given) or real(*given))
    with FileSource(clip) as source:
        parts = list(chunks(source, 64, start=10))
    assert [len(part) for part in parts] == [64, 64, 64, 64, 34] and len(opened) == 1


def test_every_nth_frame_takes_one_pass_and_no_colours_of_the_others(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sora_nodes.sora_core.media import decode
    from sora_nodes.sora_core.media import source as module

    whole, opened, turned = read_video(clip).frames, [], []
    real, picture = module.pictures, decode.Display.picture
    monkeypatch.setattr(module, "pictures", lambda *given: opened.append(given) or real(*given))
    monkeypatch.setattr(decode.Display, "picture", lambda *given: turned.append(given) or picture(*given))
    with FileSource(clip) as source:
        for place in range(0, 200, 10):
            assert torch.equal(source.read(place, place + 1), whole[place : place + 1])
        assert len(opened) == 1 and len(turned) == 20
        assert torch.equal(source.read(298, 300), whole[298:])
        assert len(opened) == 2, "a key frame on the way is the shorter one"
        assert torch.equal(source.read(3, 5), whole[3:5]) and torch.equal(source.read(9, 11), whole[9:11])


def test_frames_that_were_just_read_are_not_decoded_again(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sora_nodes.sora_core.media import source as module

    opened, real = [], module.pictures
    monkeypatch.setattr(module, "pictures", lambda *given: opened.append(given) or real(*given))
    monkeypatch.setattr(module, "RECENT", 10 * 16 * 24 * 3)
    whole = read_video(clip).frames
    opened.clear()
    with FileSource(clip) as source:
        for start, stop in [(100, 112), (102, 105), (110, 114), (104, 120), (118, 119)]:
            assert torch.equal(source.read(start, stop), whole[start:stop])
        assert len(opened) == 1
        assert torch.equal(source.read(109, 111), whole[109:111]) and len(opened) == 2, "what is kept is bounded"


def test_a_jump_leaves_out_frames_that_no_other_needs_and_changes_none(tmp_path: Path) -> None:
    pictures = [toys.natural(48, 64, seed=i // 3) for i in range(60)]
    path = toys.film(tmp_path / "b.mp4", pictures, options={"bf": "3", "g": "60", "sc_threshold": "0"})
    whole = read_video(path).frames
    for start in (1, 2, 3, 17, 30, 58, 59):
        with FileSource(path) as source:
            assert torch.equal(source.read(start, start + 1), whole[start : start + 1]) and not source.notes


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 3), (4, 2), (0, 41)])
def test_a_range_outside_is_named(start: int, stop: int) -> None:
    with pytest.raises(InputError, match="40 frames"):
        TensorSource(noise(), 8).read(start, stop)


def test_a_tensor_is_a_source_and_is_not_copied() -> None:
    image = torch.rand(5, 8, 8, 3)
    source: FrameSource = TensorSource(image, 8, notes=("a note",))
    assert source.read(1, 3).data_ptr() == image[1:].data_ptr() and source.notes == ("a note",)
    assert as_image(source.read(1, 3)) is not None and torch.equal(
        as_image(noise(2) * 0 + 255), torch.ones(2, 16, 24, 3)
    )


@pytest.mark.parametrize("frames", [torch.zeros(0, 4, 4, 3), torch.zeros(1, 4, 4, 4), torch.zeros(1, 4, 4, 3).long()])
def test_what_are_no_frames_is_named(frames: Tensor) -> None:
    with pytest.raises(InputError, match="frames are"):
        TensorSource(frames, 8)


def test_a_broken_file_is_named_when_the_source_is_made(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"x\.mp4"):
        FileSource(tmp_path / "x.mp4")


def test_a_source_keeps_what_its_file_goes_away_with(tmp_path: Path) -> None:
    """Decoded clips are files that vanish with their VIDEO: an edit that will read one later must hold it."""
    import gc

    from sora_nodes.nodes.layouts.edits import file_clip
    from sora_nodes.runtime.video import VideoFromFile

    path = tmp_path / "made.mp4"
    write_video(path, noise(5), 8)
    video = VideoFromFile(str(path), owned=True)
    clip, _ = file_clip(video, str(path))
    del video
    gc.collect()
    assert path.is_file()
    del clip
    gc.collect()
    assert not path.exists()


@pytest.mark.parametrize("how", ["replaced", "longer", "removed"])
def test_a_file_that_is_changed_between_two_reads_is_refused(tmp_path: Path, how: str) -> None:
    """What was made of its frames would stand beside those of another clip."""
    path, other = tmp_path / "a.mp4", tmp_path / "other.mp4"
    toys.film(path, [toys.numbered(i) for i in range(8)])
    toys.film(other, [toys.numbered(40 + i) for i in range(8 if how == "replaced" else 12)])
    source = FileSource(path)
    source.read(0, 2)
    path.unlink()
    if how != "removed":
        other.rename(path)
    source.close()
    with pytest.raises(MediaError, match=r"a\.mp4 was changed or removed while it was read"):
        source.read(0, 2)
