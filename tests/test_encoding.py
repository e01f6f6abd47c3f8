"""Videos in other containers and codecs: what goes together, that it is read back, and that the rest is a sentence."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch
from sora_nodes.nodes.video import SoraSaveVideo
from sora_nodes.sora_core.encoding import AUTO, CODECS, FORMATS, PIXEL_FORMATS, Codec, Encoding
from sora_nodes.sora_core.errors import InputError, MediaError
from sora_nodes.sora_core.media.encode import encode_video
from sora_nodes.sora_core.media.images import read_pictures
from sora_nodes.sora_core.media.metadata import read_metadata
from sora_nodes.sora_core.media.read import read_video
from sora_nodes.sora_core.media.sound import Sound, read_sound

METADATA = {"prompt": '{"1": 2}', "workflow": "{}"}


def moving(height: int = 33, width: int = 47, frames: int = 12) -> torch.Tensor:
    level = torch.linspace(20, 200, height * width).view(1, height, width, 1) + 4 * torch.arange(frames).view(
        -1, 1, 1, 1
    )
    return torch.cat([level, 255 - 0.8 * level, level], -1).clamp(0, 255).byte()


@pytest.mark.parametrize(
    ("kind", "codec", "pixels"),
    [
        ("mp4", AUTO, "yuv444p"),
        ("mp4", "h264", "yuv420p10le"),
        ("mov", "prores", AUTO),
        ("mkv", AUTO, "yuv422p"),
        ("webm", AUTO, AUTO),
        ("mp4", "av1", AUTO),
    ],
)
def test_a_video_comes_back(kind: str, codec: str, pixels: str, tmp_path: Path) -> None:
    """Every frame at its place, odd sides whole, colours right, sound and workflow in it."""
    given, path = moving(), tmp_path / f"made.{kind}"
    sound = Sound(waveform=torch.sin(torch.arange(44100) / 20)[None] * 0.3, rate=44100)
    encoding = Encoding(format=kind, codec=codec, pixel_format=pixels)
    assert encode_video(path, given.split(5), 12.0, encoding, metadata=METADATA, sound=sound) == 12
    found, heard = read_video(path), read_sound(path)
    assert found.frames.shape == given.shape and abs(found.fps - 12) < 0.01
    error = (found.frames.float() - given.float()).abs().mean((1, 2, 3))
    assert error.max() < 4, error
    assert heard is not None and abs(heard.waveform.shape[1] / heard.rate - 1) < 0.1
    assert read_metadata(path).items() >= METADATA.items()
    deep = "10le" in encoding.pixels
    assert any("its 10 bits a colour are read as 8" in note for note in found.notes) is deep, found.notes


def test_a_sudden_change_of_light_is_no_flash_in_h265(tmp_path: Path) -> None:
    """Its encoder weights frames by what it finds in memory that nobody set, in most of a few runs."""
    given = (torch.arange(40).view(-1, 1, 1, 1) * 9 % 256).expand(-1, 64, 64, 3).byte()
    for number in range(5):
        path = tmp_path / f"{number}.mp4"
        encode_video(path, [given], 15.0, Encoding(codec="h265"))
        assert (read_video(path).frames.float() - given.float()).abs().mean((1, 2, 3)).max() < 4


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_comes_back(kind: str, tmp_path: Path) -> None:
    given, path = moving(), tmp_path / f"made.{kind}"
    assert encode_video(path, given.split(5), 12.5, Encoding(format=kind), metadata=METADATA) == 12
    found = read_pictures(path).frames
    assert found.shape == given.shape and (found.float() - given.float()).abs().mean() < 8
    assert kind == "gif" or read_metadata(path) == METADATA


def test_a_short_gif_has_the_rate_that_it_was_saved_at(tmp_path: Path) -> None:
    """Its times are of hundredths of a second: those of 12 frames a second are 80 or 90 ms, the last one too."""
    encode_video(tmp_path / "x.gif", [moving(frames=3)], 12.0, Encoding(format="gif"))
    found = read_video(tmp_path / "x.gif")
    assert len(found.frames) == 3 and found.fps == 12.0


@pytest.mark.parametrize("channels", range(1, 9))
def test_a_webm_has_sound_of_any_number_of_channels(channels: int, tmp_path: Path) -> None:
    """Opus has no four channels with one behind: they are four of six."""
    sound = Sound(waveform=0.3 * torch.sin(torch.arange(48000) / 20).expand(channels, -1), rate=48000)
    encode_video(tmp_path / "x.webm", [moving()], 12.0, Encoding(format="webm"), sound=sound)
    heard = read_sound(tmp_path / "x.webm")
    assert heard is not None and len(heard.waveform) == {4: 6, 7: 1}.get(channels, channels)
    assert heard.waveform[0].abs().max() > 0.2


def test_less_quality_is_a_smaller_file(tmp_path: Path) -> None:
    given = torch.randint(0, 255, (8, 64, 96, 3), generator=torch.Generator().manual_seed(0)).byte()
    sizes = []
    for crf in (10, -1, 40):
        path = tmp_path / f"{crf}.mkv"
        encode_video(path, [given], 8.0, Encoding(format="mkv", codec="h264", crf=crf))
        sizes.append(path.stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


def test_each_combination_is_right_or_a_sentence() -> None:
    right = wrong = 0
    for kind in FORMATS:
        for codec in (AUTO, *CODECS):
            for pixels in (AUTO, *PIXEL_FORMATS):
                for crf in (-1, 0, 30, 63):
                    said = SoraSaveVideo.validate_inputs(kind, codec, crf, pixels)
                    right += said is True
                    if said is not True:
                        wrong += 1
                        assert isinstance(said, str) and "\n" not in said and 20 < len(said) < 200, said
    assert right > 100 and wrong > 100


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"format": "webm", "codec": "h264"}, "not h264; take one of them as codec, or mp4 or mov or mkv"),
        ({"format": "gif", "crf": 20}, "a gif is an animation"),
        ({"codec": "prores", "format": "mov", "crf": 20}, "prores has no crf"),
        ({"codec": "h264", "crf": 63}, "crf of h264 is from 0 to 51"),
        ({"codec": "av1", "pixel_format": "yuv444p"}, "av1 takes pixel_format yuv420p, yuv420p10le"),
        ({"format": "avi"}, "format is one of mp4"),
    ],
)
def test_what_does_not_go_together_is_named(given: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Encoding(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", list(CODECS.values()), ids=list(CODECS))
def test_an_encoder_takes_each_pixel_format_that_is_offered_for_it(codec: Codec) -> None:
    """What it cannot take is refused before the run, and not by the encoder at its end."""
    formats = av.Codec(codec.encoder, "w").video_formats
    assert {*codec.pixels} <= {form.name for form in formats or ()}


def test_what_depends_on_the_frames_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="at most 50 frames a second and this video has 60"):
        encode_video(tmp_path / "fast.gif", [moving()], 60.0, Encoding(format="gif"))
    with pytest.raises(MediaError, match="h265 is for pictures of at least 64"):
        encode_video(tmp_path / "small.mp4", [moving()], 8.0, Encoding(codec="h265"))
    with pytest.raises(MediaError, match="av1 is for pictures of at least 32 pixels a side, not 1000x16; take vp9"):
        encode_video(tmp_path / "flat.webm", [moving(16, 1000)], 8.0, Encoding(format="webm", codec="av1"))
