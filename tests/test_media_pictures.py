"""Pictures as people bring them: deep, floating, moving, transparent, turned, broken and huge."""

import zlib
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, features
from sora_nodes.nodes.layouts import pictures
from sora_nodes.sora_core import media
from sora_nodes.sora_core.errors import MediaError, ResourceError
from sora_nodes.sora_core.media.remux import copy_video
from timing_toys import least_seconds

RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", (RAMP * 65535).astype(np.uint16)),
        ("a.tiff", (RAMP * 65535).astype(np.uint16)),
        ("a.tiff", (RAMP * 65535).astype(np.int32)),
        ("a.tiff", (RAMP * (2**31 - 1)).astype(np.int32)),
        ("a.tiff", RAMP.astype(np.float32)),
        ("a.tiff", (RAMP * 255).astype(np.float32)),
        ("a.tiff", (RAMP * 65535).astype(np.float32)),
        ("a.png", (RAMP * 255).round().astype(np.uint8)),
    ],
)
def test_deep_and_floating_pictures_are_scaled(tmp_path: Path, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / name)
    frames = media.read_image(tmp_path / name)
    assert frames.shape == (1, 48, 64, 3)
    assert np.abs(frames[0, ..., 0].numpy() - RAMP * 255).max() <= 1.01


def test_float_beyond_white_and_what_is_no_number(tmp_path: Path) -> None:
    values = np.array([[0.5, 2.0, -1.0, np.nan, np.inf, 1.0]], np.float32).repeat(4, 0)
    Image.fromarray(values).save(tmp_path / "a.tiff")
    assert media.read_image(tmp_path / "a.tiff")[0, 0, :, 0].tolist() == [128, 255, 0, 0, 0, 255]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_an_animation_gives_all_its_frames(tmp_path: Path, name: str) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (9, 9, 9)]
    first, *rest = [Image.new("RGB", (20, 10), colour) for colour in colours]
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=50, lossless=True)
    image, mask = pictures.load_image(tmp_path / name)
    assert image.shape == (5, 10, 20, 3) and mask.shape == (5, 10, 20) and not mask.any()
    assert torch.allclose(image[:, 5, 5] * 255, torch.tensor(colours).float(), atol=3)
    assert media.read_image(tmp_path / name).shape == (1, 10, 20, 3)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("durations", "length", "fps"), [(100, 5, 10), ([40, 40, 200, 40, 40], 9, 25)])
def test_an_avif_that_moves_is_a_video(
    tmp_path: Path, durations: int | list[int], length: int, fps: float, mode: str
) -> None:
    """Beside its frames such a file holds the picture that stands for them, and its transparency as one more video."""
    first, *rest = [Image.new("RGB", (64, 64), (50 * i, 50 * i, 50 * i)).convert(mode) for i in range(5)]
    for number, picture in enumerate([first, *rest] if mode == "RGBA" else []):
        picture.putalpha(200 - number)
    first.save(tmp_path / "a.avif", save_all=True, append_images=rest, duration=durations)
    with media.FileSource(tmp_path / "a.avif") as source:
        assert (source.length, source.fps) == (length, fps)
        assert source.read(length - 1, length).float().mean() == pytest.approx(200, abs=5)
        assert any("variable" in note for note in source.notes) == isinstance(durations, list)
        assert not any("videos" in note for note in source.notes)
        assert any("transparency is not read" in note for note in source.notes) == (mode == "RGBA")
    copy_video(tmp_path / "a.avif", tmp_path / "a.mp4", {})
    with av.open(str(tmp_path / "a.mp4")) as copy:
        assert [(stream.type, stream.frames) for stream in copy.streams] == [("video", 5)], "the moving pictures alone"


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff"])
def test_colours_under_transparency_are_kept(tmp_path: Path, name: str) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0], pixels[:4, :, 3] = 255, 255
    Image.fromarray(pixels).save(tmp_path / name, lossless=True, exact=True)
    image, mask = pictures.load_image(tmp_path / name)
    assert torch.equal(image, torch.tensor([1.0, 0, 0]).expand(1, 8, 8, 3))
    assert mask[0, :4].max() == 0 and mask[0, 4:].min() == 1


def swapped_profile() -> bytes:
    """The profile of a screen whose red and green have changed places."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")


def test_a_picture_to_animate_is_read_by_its_colour_profile_and_load_image_reads_it_as_comfyui_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (8, 8), (220, 30, 40)).save(path, icc_profile=swapped_profile())
    assert (media.read_image(path)[0, 0, 0] - torch.tensor([30, 220, 40])).abs().max() <= 3
    assert media.read_pictures(path).frames[0, 0, 0].tolist() == [220, 30, 40]


@pytest.mark.parametrize("profile", ["sRGB", "broken"])
def test_the_profile_of_srgb_or_one_that_cannot_be_read_changes_no_bit(tmp_path: Path, profile: str) -> None:
    known = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if profile == "sRGB" else b"no profile"
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png", icc_profile=known)
    assert np.array_equal(media.read_image(tmp_path / "a.png")[0].numpy(), values)


def test_a_picture_that_is_cut_short_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:650])
    with pytest.raises(
        MediaError, match=r"a\.jpg cannot be read as a picture: it is cut short; fetch or save it again"
    ):
        media.read_image(tmp_path / "a.jpg")


def test_a_turned_photograph_is_upright_and_a_broken_exif_is_not_obeyed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), (200, 10, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert media.read_image(tmp_path / "a.jpg").shape == (1, 30, 20, 3)
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    at = data.index(b"MM\x00*")
    for case in range(200):
        broken = bytearray(data)
        rng = np.random.default_rng(case)
        broken[at + 4 + rng.integers(22)] = rng.integers(256)
        (tmp_path / "b.jpg").write_bytes(broken)
        assert sorted(media.read_image(tmp_path / "b.jpg").shape) == [1, 3, 20, 30]


def huge(width: int, height: int) -> bytes:
    """A png that says it has that many pixels, in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10**4, 10**4), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_hundred_million_pixels_are_counted_before_they_are_read(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr("sora_nodes.sora_core.memory.free_memory", lambda: 10**9)
    (tmp_path / "x.png").write_bytes(huge(*size))

    def refused() -> None:
        with pytest.raises((ResourceError, MediaError), match=r"x\.png"):
            media.read_image(tmp_path / "x.png")

    assert least_seconds(refused) < 1 and not recwarn.list


def test_a_script_named_as_a_picture_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.raises(MediaError, match="damaged or of no kind that is read; save it as"):
        media.read_image(tmp_path / "x.png")


def test_a_file_taken_for_another_kind_is_said_to_be_what_it_is(tmp_path: Path) -> None:
    picture, video, empty = tmp_path / "p.png", tmp_path / "v.mp4", tmp_path / "e.mp4"
    phone = tmp_path / "photo.heic"
    phone.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    Image.new("RGB", (32, 32), "red").save(picture)
    media.write_video(video, torch.zeros(3, 32, 32, 3, dtype=torch.uint8), fps=8)
    empty.touch()
    for read, path, words in (
        (media.FileSource, picture, "as a video: it is a picture"),
        (media.FileSource, empty, "as a video: it is empty"),
        (media.read_image, video, "as a picture: it is a video"),
        (media.read_image, empty, "as a picture: it is empty"),
        (media.read_image, phone, "it is a picture of the kind HEIC, which is not read; save it as .png or .jpg"),
        (media.FileSource, phone, "it is a picture of the kind HEIC"),
    ):
        with pytest.raises(MediaError, match=words):
            read(path)
    picture.write_bytes(picture.read_bytes()[:60])
    with pytest.raises(MediaError, match=r"as a picture: (?!it is (?:a |empty))"):
        media.read_image(picture)
    video.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(MediaError, match="as a video: it is damaged, cut short or of no kind"):
        media.FileSource(video)
