"""Video and picture files: what is written is read back, streamed, at its own size, and never half."""

import resource
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence, PngImagePlugin
from sora_nodes.sora_core import media
from sora_nodes.sora_core.encoding import Encoding
from sora_nodes.sora_core.errors import InputError, MediaError, ResourceError
from sora_nodes.sora_core.grid import VideoSize
from torch import Tensor

TAGS = {"prompt": '{"1": "a bäll, 红球"}', "workflow": '{"nodes": []}'}


def clip(frames: int = 8, height: int = 32, width: int = 48) -> Tensor:
    """A smooth picture that grows brighter: uint8 [F,H,W,3]."""
    f = torch.arange(frames).view(-1, 1, 1) * 10
    y, x = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    return (
        torch.stack([(60 + f + 0 * (x + y)), (2 * x + 0 * (f + y)), (3 * y + 0 * (f + x))], -1)
        .clamp(0, 255)
        .to(torch.uint8)
    )


def close(a: Tensor, b: Tensor, *, mean: float = 2.5) -> bool:
    return a.shape == b.shape and bool((a.float() - b.float()).abs().mean() < mean)


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    media.write_video(tmp_path / "clip.mp4", clip(), 12, metadata=TAGS)
    return tmp_path / "clip.mp4"


def stamped(path: Path, times: list[int]) -> Path:
    """A file whose frame i is shown at times[i] / 100 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=100, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for time, pixels in zip(times, clip(len(times)).numpy(), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_layouts_turn_into_each_other_without_loss() -> None:
    frames = clip()
    video = media.frames_to_video(frames)
    assert video.shape == (1, 3, 8, 32, 48) and video.min() >= -1 and video.max() <= 1
    assert torch.equal(media.video_to_frames(video), frames)
    image = media.video_to_image(video)
    assert image.shape == (8, 32, 48, 3) and torch.allclose(media.image_to_video(image), video, atol=1e-6)


def test_what_is_no_number_is_not_shown_as_black() -> None:
    with pytest.raises(MediaError, match="NaN"):
        media.video_to_frames(torch.full((1, 3, 1, 4, 4), float("nan")))


def test_a_video_comes_back(mp4: Path) -> None:
    info = media.probe(mp4)
    assert (info.frames, info.height, info.width, info.fps) == (8, 32, 48, 12)
    assert not (info.has_audio or info.variable_rate or info.rotation)
    assert close(media.read_video(mp4).frames, clip())


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 65), (17, 48)])
def test_odd_sizes_keep_every_pixel_in_its_place(tmp_path: Path, size: tuple[int, int]) -> None:
    media.write_video(tmp_path / "odd.mp4", clip(4, *size), 8)
    assert close(media.read_video(tmp_path / "odd.mp4").frames, clip(4, *size))
    assert (media.probe(tmp_path / "odd.mp4").height, media.probe(tmp_path / "odd.mp4").width) == size


def test_lossless_is_lossless(tmp_path: Path) -> None:
    noise = torch.randint(0, 256, (5, 33, 47, 3), dtype=torch.uint8)
    media.write_video(tmp_path / "x.mp4", noise, 24, lossless=True)
    assert torch.equal(media.read_video(tmp_path / "x.mp4").frames, noise)


def test_strong_colours_survive(tmp_path: Path) -> None:
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [200, 100, 50]], dtype=torch.uint8)
    flat = colours.view(5, 1, 1, 3).expand(5, 32, 32, 3)
    media.write_video(tmp_path / "x.mp4", flat, 5)
    assert (media.read_video(tmp_path / "x.mp4").frames.int() - flat.int()).abs().max() <= 4


def test_chunks_of_either_layout_make_the_same_file(tmp_path: Path) -> None:
    frames = clip(7)
    media.write_video(tmp_path / "a.mp4", frames, 12)
    media.write_video(tmp_path / "b.mp4", (media.frames_to_video(frames[i : i + 3]) for i in range(0, 7, 3)), 12)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_streaming_reads_what_reading_at_once_reads(mp4: Path, chunk: int) -> None:
    parts = list(media.iter_frames(mp4, chunk))
    assert all(len(part) == chunk for part in parts[:-1])
    assert torch.equal(torch.cat(parts), media.read_video(mp4).frames)


@pytest.mark.parametrize(("start", "frames"), [(0, 3), (5, 10), (301, 4), (599, None)])
def test_a_part_is_the_same_part_of_the_whole(tmp_path: Path, start: int, frames: int | None) -> None:
    """600 frames hold several keyframes, so that reading begins at one in the middle."""
    media.write_video(tmp_path / "long.mp4", torch.randint(0, 256, (600, 16, 16, 3), dtype=torch.uint8), 25)
    whole = media.read_video(tmp_path / "long.mp4").frames
    part = media.read_video(tmp_path / "long.mp4", start=start, frames=frames).frames
    assert torch.equal(part, whole[start : None if frames is None else start + frames])


def test_a_start_beyond_the_end_is_named(mp4: Path) -> None:
    with pytest.raises(InputError, match="8 frames"):
        media.read_video(mp4, start=8)


@pytest.mark.parametrize("fps", [1, 7.5, 23.976, 29.97, 60])
def test_the_rate_comes_back(tmp_path: Path, fps: float) -> None:
    media.write_video(tmp_path / "x.mp4", clip(4), fps)
    assert media.probe(tmp_path / "x.mp4").fps == pytest.approx(fps, rel=1e-5)


def test_a_variable_rate_becomes_constant_with_a_note(tmp_path: Path) -> None:
    """Frames at 0, .1, .2, then none until .6: the third is held."""
    path = stamped(tmp_path / "variable.mp4", [0, 10, 20, 60, 70])
    assert media.probe(path).variable_rate and media.probe(path).fps == pytest.approx(10)
    video = media.read_video(path)
    assert "resampled to 10 fps" in video.notes[0]
    assert close(video.frames, clip(5)[[0, 1, 2, 2, 2, 2, 3, 4]])
    assert torch.equal(media.read_video(path, start=4, frames=3).frames, video.frames[4:7])


def test_a_steady_rate_with_rounded_stamps_is_left_alone(tmp_path: Path) -> None:
    path = stamped(tmp_path / "steady.mp4", [0, 3, 7, 10, 13, 17, 20])
    assert not media.probe(path).variable_rate and media.read_video(path).frames.shape[0] == 7


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((0, 1, -1, 0), lambda frames: torch.rot90(frames, -1, (1, 2))),
        ((-1, 0, 0, 1), lambda frames: frames.flip(2)),
        ((1, 0, 0, -1), lambda frames: frames.flip(1)),
        ((0, 1, 1, 0), lambda frames: frames.transpose(1, 2)),
    ],
    ids=["turned", "mirrored", "upside down", "turned in a mirror"],
)
def test_a_phone_that_turns_or_mirrors_gives_what_it_shows(
    mp4: Path, matrix: tuple[int, ...], shown: Callable[[Tensor], Tensor]
) -> None:
    """The matrix in the track header says how; what is shown is neither copied as it is stored."""
    data = bytearray(mp4.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    mp4.write_bytes(data)
    expected = shown(clip())
    info = media.probe(mp4)
    assert (info.height, info.width) == expected.shape[1:3]
    assert close(media.read_video(mp4).frames, expected)
    source = media.FileSource(mp4)
    splice = media.Splice.of([media.Piece(source=source, kept=True)], source.fps)
    assert splice.sets is None and "shown turned or mirrored" in splice.note


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a.webp"])
def test_prompt_and_workflow_travel_inside(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("mp4"):
        media.write_video(path, clip(), 12, metadata=TAGS)
    else:
        media.write_image(path, clip(1), metadata=TAGS)
    assert media.read_metadata(path) == TAGS


def test_the_workflow_in_an_animation_of_comfyui_is_found(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"comf", b'prompt\0{"1": {}}', after_idat=True)
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / "a.png", pnginfo=info, save_all=True, append_images=pictures[1:])
    assert media.read_metadata(tmp_path / "a.png") == {"prompt": '{"1": {}}'}


def test_metadata_lies_where_comfyui_looks(tmp_path: Path) -> None:
    media.write_image(tmp_path / "a.webp", clip(1), metadata={"workflow": "{}", "prompt": "{}"})
    exif = Image.open(tmp_path / "a.webp").getexif()
    assert exif[0x0110] == "prompt:{}" and exif[0x010F] == "workflow:{}"


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_still_comes_back_exactly(tmp_path: Path, name: str) -> None:
    media.write_image(tmp_path / name, media.frames_to_video(clip(1)))
    assert torch.equal(media.read_image(tmp_path / name), clip(1))


def test_an_animated_webp_keeps_its_time(tmp_path: Path) -> None:
    media.encode_video(tmp_path / "a.webp", [clip(8)], 12, Encoding(format="webp"), metadata=TAGS)
    with Image.open(tmp_path / "a.webp") as image:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image) if frame.load()]
    assert len(durations) == 8 and sum(durations) == round(1000 * 8 / 12)
    assert media.read_metadata(tmp_path / "a.webp") == TAGS


@pytest.mark.parametrize("content", [b"", b"not a video at all", b"\0\0\0\x20ftypisom" + bytes(400)])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    for reader in (media.probe, media.read_video, lambda path: list(media.iter_frames(path, 2))):
        with pytest.raises(MediaError, match=r"x\.mp4"):
            reader(tmp_path / "x.mp4")


def test_a_truncated_file_gives_what_is_there_with_a_note(tmp_path: Path) -> None:
    """The index stands at the front, so that half of the frames can be read; without it there is nothing to go by."""
    noise = torch.randint(0, 256, (60, 64, 64, 3), dtype=torch.uint8)
    media.write_video(tmp_path / "x.mp4", noise, 12)
    data = (tmp_path / "x.mp4").read_bytes()
    whole = media.read_video(tmp_path / "x.mp4").frames
    (tmp_path / "x.mp4").write_bytes(data[: len(data) // 2])
    half = media.read_video(tmp_path / "x.mp4")
    assert 20 < len(half.frames) < 40 and torch.equal(half.frames, whole[: len(half.frames)])
    assert f"{len(half.frames)} of 60 frames" in half.notes[0]
    (tmp_path / "y.mp4").write_bytes(data[:600])
    with pytest.raises(MediaError, match=r"y\.mp4"):
        media.read_video(tmp_path / "y.mp4")


@pytest.mark.parametrize("read", [media.probe, media.read_image])
def test_a_missing_file_is_named(tmp_path: Path, read: object) -> None:
    with pytest.raises(MediaError, match=r"no .*none\.mp4"):
        read(tmp_path / "none.mp4")  # type: ignore[operator]


@pytest.mark.parametrize(("name", "frames"), [("x.gif", 8), ("x.png", 8), ("x", 8), ("x.mp4", 1)])
def test_an_ending_that_will_not_do_is_refused_before_any_work(tmp_path: Path, name: str, frames: int) -> None:
    with pytest.raises(MediaError, match=r"saved as \.(mp4|png)"):
        media.check_output(tmp_path / name, VideoSize(frames=frames, height=8, width=8, fps=8))


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"\.mp4"):
        media.VideoWriter(tmp_path / "x.avi", 8, 8, 8)
    with pytest.raises(MediaError, match=r"\.png or \.webp"):
        media.write_image(tmp_path / "x.bmp", clip(1))


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, OSError])
def test_whatever_stops_the_writing_leaves_the_old_file_alone(mp4: Path, fault: type[BaseException]) -> None:
    before = mp4.read_bytes()
    with pytest.raises(fault), media.VideoWriter(mp4, 32, 48, 12) as writer:
        writer.write(clip())
        raise fault
    assert mp4.read_bytes() == before and list(mp4.parent.iterdir()) == [mp4]


def test_frames_of_another_size_are_refused(mp4: Path) -> None:
    with pytest.raises(MediaError, match=r"48x32.*16x8"), media.VideoWriter(mp4, 32, 48, 12) as writer:
        writer.write(clip(1, 8, 16))


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frames"), media.VideoWriter(tmp_path / "x.mp4", 32, 48, 12):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [300, 5_000, 100_000])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, room: int) -> None:
    """A limit on the file's size stands in for the disk; it is met early, in the middle and at the very end."""
    noise = torch.randint(0, 256, (40, 64, 64, 3), dtype=torch.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(ResourceError, match="larger than"):
            media.write_video(tmp_path / "x.mp4", noise, 12)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_contact_sheet_shows_every_clip() -> None:
    sheet = media.contact_sheet([clip(8), clip(8, 24, 60)], 4, captions=["a red ball", "a very long caption " * 20])
    assert sheet.width >= 4 * 60 and sheet.height >= 32 + 24
    stills = media.contact_sheet([clip(1)] * 5, 3)
    assert stills.width < 4 * 52 and stills.height >= 2 * 32


def test_arrays_of_other_shapes_are_named() -> None:
    with pytest.raises(MediaError, match=r"float32.*\[4, 4\]"):
        media.contact_sheet([torch.from_numpy(np.zeros((4, 4), np.float32))])
