"""Sound is kept where frames are kept, or a note says why not."""

import json
from fractions import Fraction
from pathlib import Path

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from sora_nodes import cli
from sora_nodes.nodes.layouts.sounds import mixed
from sora_nodes.runtime.video import VideoFromFile
from sora_nodes.sora_core import media
from sora_nodes.sora_core.errors import MediaError
from sora_nodes.sora_core.media.sound import resampled
from sora_nodes.sora_core.pipeline.edit_files import joined_sound
from torch import Tensor

pytestmark = pytest.mark.usefixtures("workplace")


def tone(seconds: float, rate: int = 44100, channels: int = 2, *, hertz: float = 440.0) -> Tensor:
    """[C,S], each channel an octave above the last."""
    time = torch.arange(round(seconds * rate)) / rate
    return torch.stack([0.5 * torch.sin(2 * torch.pi * hertz * 2**c * time) for c in range(channels)])


def loudest(wave: Tensor, rate: int) -> float:
    """The frequency of a channel [S] that is heard most."""
    return float(torch.fft.rfft(wave).abs().argmax()) * rate / len(wave)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    frames = torch.from_numpy(np.stack([toys.numbered(i) for i in range(24)]))
    sound = media.Sound(waveform=tone(1), rate=44100)
    media.write_video(tmp_path / "input" / "clip.mp4", frames, 24, sound=sound)
    return tmp_path / "input" / "clip.mp4"


def test_what_is_written_is_heard(clip: Path) -> None:
    sound = media.read_sound(clip)
    assert sound is not None and sound.rate == 44100 and abs(sound.waveform.shape[1] - 44100) < 2048
    assert [round(loudest(c, 44100), -1) for c in sound.waveform] == [440, 880]
    reference, start = tone(1)[0, 4096:40000], sound.waveform[0, 4096:40000]
    assert (reference - start).abs().mean() < 0.02  # in step with the frames, to the sample


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (22050, 2), (48000, 6), (12345, 1), (192000, 2), (44100, 7)])
def test_any_rate_and_channels_are_kept_as_aac_can_hold_them(tmp_path: Path, rate: int, channels: int) -> None:
    sound = media.Sound(waveform=tone(0.6, rate, channels, hertz=150), rate=rate)
    media.write_video(tmp_path / "x.mp4", torch.zeros(6, 16, 16, 3, dtype=torch.uint8), 10, sound=sound)
    back = media.read_sound(tmp_path / "x.mp4")
    assert back is not None and back.waveform.shape[0] == (channels if channels != 7 else 1)
    assert back.waveform.shape[1] / back.rate == pytest.approx(0.6, abs=0.1)
    if channels < 6:
        assert loudest(back.waveform[0], back.rate) == pytest.approx(150, abs=5)


@pytest.mark.parametrize(("seconds", "heard"), [(0.2, 0.2), (5.0, 1.0)])
def test_sound_ends_with_the_frames_at_the_latest(tmp_path: Path, seconds: float, heard: float) -> None:
    sound = media.Sound(waveform=tone(seconds), rate=44100)
    media.write_video(tmp_path / "x.mp4", torch.zeros(24, 16, 16, 3, dtype=torch.uint8), 24, sound=sound)
    back = media.read_sound(tmp_path / "x.mp4")
    assert back is not None and back.waveform.shape[1] / back.rate == pytest.approx(heard, abs=0.1)


def test_sound_that_begins_later_is_on_the_time_of_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=8000)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio.codec_context.layout = "mono"
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(toys.numbered(i), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        beep = av.AudioFrame.from_ndarray(np.full((1, 2000), 9000, np.int16), format="s16", layout="mono")
        beep.rate, beep.pts, beep.time_base = 8000, 4000, Fraction(1, 8000)
        container.mux(audio.encode(beep))
        container.mux(audio.encode(None))
    sound = media.read_sound(path)
    assert sound is not None
    begin = int((sound.waveform[0].abs() > 0.1).nonzero()[0])
    assert begin / sound.rate == pytest.approx(0.5, abs=0.01)


def test_sound_is_on_the_time_of_the_frames_where_the_first_ones_have_no_time_stamp(tmp_path: Path) -> None:
    """What trimming without decoding leaves in an mkv: all before second 0 of its clock is without a stamp."""
    frames, wave = torch.from_numpy(np.stack([toys.numbered(i) for i in range(48)])), tone(2, channels=1)
    wave[:, :44100] = 0
    media.write_video(tmp_path / "whole.mp4", frames, 24, sound=media.Sound(waveform=wave, rate=44100))
    path, copy = tmp_path / "x.mkv", tmp_path / "copy.mp4"
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(tmp_path / "whole.mp4")) as source, av.open(str(path), "w", options=options) as target:
        streams = [target.add_stream_from_template(given) for given in source.streams]
        for packet in source.demux():
            if packet.size:
                early = round(Fraction(3, 5) / packet.time_base)
                packet.pts, packet.dts = packet.pts - early, packet.dts - early
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    with av.open(str(path)) as container:
        assert next(container.demux(video=0)).pts is None
    media.write_video(copy, media.read_video(path).frames, 24, sound=media.SoundFile.of(path, 0.0))
    for each in (path, copy):
        sound = media.read_sound(each)
        assert sound is not None and sound.waveform.shape[1] / sound.rate == pytest.approx(2, abs=0.05)
        begin = int((sound.waveform[0].abs() > 0.1).nonzero()[0])
        assert begin / sound.rate == pytest.approx(1, abs=0.03)


def test_no_sound_is_none_and_nonsense_is_named(tmp_path: Path) -> None:
    toys.film(tmp_path / "x.mp4", [toys.numbered(1)] * 2)
    assert media.read_sound(tmp_path / "x.mp4") is None
    with pytest.raises(MediaError, match="sound is a waveform"):
        media.Sound(waveform=torch.zeros(5), rate=44100)
    wave = torch.zeros(2, 44100)
    wave[1, 22050:22053] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    with pytest.raises(MediaError, match=r"3 of the 44100 samples .* NaN or infinite, the first at 0\.50 s"):
        media.Sound(waveform=wave, rate=44100)


@pytest.mark.parametrize("broken", [(0.5, 1.0), (1.5, 9.0)])
def test_sound_that_is_broken_is_silent_there_and_said(tmp_path: Path, broken: tuple[float, float]) -> None:
    """What follows keeps its place."""
    frames = torch.zeros(48, 48, 64, 3, dtype=torch.uint8)
    media.write_video(tmp_path / "a.mp4", frames, 24, sound=media.Sound(waveform=tone(2), rate=44100))
    data, first, last = bytearray((tmp_path / "a.mp4").read_bytes()), *broken
    with av.open(str(tmp_path / "a.mp4")) as container:
        for packet in container.demux(audio=0):
            if packet.size and first <= packet.pts * packet.time_base < last:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "b.mp4").write_bytes(data)
    sound = media.read_sound(tmp_path / "b.mp4")
    assert sound is not None and "b.mp4: 0.5 s of its sound cannot be read, and are silent." in sound.note
    assert sound.note in VideoFromFile(str(tmp_path / "b.mp4")).get_components().notes
    heard = sound.waveform.abs().amax(0)
    if last < 2:
        assert heard[: int(0.45 * sound.rate)].max() > 0.1 and heard[int(1.1 * sound.rate) :].max() > 0.1
        assert heard[int(0.6 * sound.rate) : int(0.95 * sound.rate)].max() < 0.01
        assert sound.waveform.shape[1] / sound.rate == pytest.approx(2, abs=0.05)


def test_sound_that_ends_before_its_file_says_is_said(tmp_path: Path) -> None:
    """The pictures lie before the sound, whose last bytes are gone."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart", "max_interleave_delta": "1"}) as out:
        video, audio = out.add_stream("mpeg4", rate=24), out.add_stream("pcm_s16le", rate=44100, layout="mono")
        video.width, video.height = 64, 48
        pictures = [av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24") for _ in range(48)]
        packets = [packet for picture in [*pictures, None] for packet in video.encode(picture)]
        samples = (tone(2)[:1] * 32767).to(torch.int16).numpy()
        for packet in packets:
            out.mux(packet)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate, frame.pts = 44100, 0
        out.mux([*audio.encode(frame), *audio.encode(None)])
    path.write_bytes(path.read_bytes()[:-44100])
    sound = media.read_sound(path)
    assert sound is not None and "0.5 s of its sound cannot be read" in sound.note


def test_components_have_the_sound(clip: Path) -> None:
    parts = VideoFromFile(str(clip)).get_components()
    assert parts.audio is not None and parts.audio["waveform"].shape[:2] == (1, 2)
    assert parts.images.shape == (24, 48, 64, 3) and parts.notes == ()


def test_create_video_and_save_video_keep_it(clip: Path, tmp_path: Path) -> None:
    """Load, take apart, put together, save: as a person re-encodes a clip without a host."""
    saved = {"filename_prefix": "re", "format": "auto", "codec": "auto"}
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": clip.name}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "audio": ["2", 1], "fps": ["2", 2]}},
        "4": {"class_type": "SaveVideo", "inputs": {"video": ["3", 0], **saved}},
    }
    (tmp_path / "w.json").write_text(json.dumps(graph))
    assert cli.main(["run", "w.json"]) == 0
    sound = media.read_sound(tmp_path / "output" / "re_00001_.mp4")
    assert sound is not None and round(loudest(sound.waveform[0], sound.rate), -1) == 440
    assert toys.numbers(media.read_video(tmp_path / "output" / "re_00001_.mp4").frames) == list(range(24))


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sounds_of_other_rates_and_channels_are_joined(tmp_path: Path, channels: int) -> None:
    pictures = torch.zeros(10, 16, 16, 3, dtype=torch.uint8)
    first, second = tone(1, 48000, channels, hertz=300), tone(1, 44100, 2, hertz=500)
    media.write_video(tmp_path / "a.mp4", pictures, 10, sound=media.Sound(waveform=first, rate=48000))
    media.write_video(tmp_path / "b.mp4", pictures, 10, sound=media.Sound(waveform=second, rate=44100))
    joined = joined_sound([(tmp_path / "a.mp4", 0.0), (tmp_path / "b.mp4", 1.5)], 2.5)
    assert joined is not None and joined.rate == 48000 and joined.waveform.shape == (max(2, channels), 120_000)
    before, between, after = (joined.waveform[0, at : at + 24_000] for at in (12_000, 48_500, 84_000))
    assert loudest(before, 48000) == pytest.approx(300, abs=4) and loudest(after, 48000) == pytest.approx(500, abs=4)
    assert between.abs().mean() < 0.02 < after.abs().mean()


def test_a_dull_sound_does_not_make_the_other_one_dull(tmp_path: Path) -> None:
    """Telephone sound that comes first: what is high in the second clip is still heard."""
    pictures = torch.zeros(10, 16, 16, 3, dtype=torch.uint8)
    parts = []
    for start, rate, hertz in ((0.0, 8000, 300.0), (1.0, 48000, 9000.0)):
        parts.append((tmp_path / f"{rate}.mp4", start))
        sound = media.Sound(waveform=tone(1, rate, 1, hertz=hertz), rate=rate)
        media.write_video(parts[-1][0], pictures, 10, sound=sound)
    joined = joined_sound(parts, 2.0)
    assert joined is not None and joined.rate == 48000
    for at, hertz in ((12_000, 300), (60_000, 9000)):
        part = joined.waveform[0, at : at + 24_000]
        assert loudest(part, joined.rate) == pytest.approx(hertz, abs=4) and part.abs().max() > 0.3


@pytest.mark.parametrize(("given", "made"), [(6, 2), (1, 2), (2, 1), (2, 2)])
def test_given_sound_goes_over_into_made_sound_of_other_channels(given: int, made: int) -> None:
    """Mono is on all channels, stereo on the first two of more."""
    rate, seconds = 8000, 2
    parts = ({"waveform": torch.full((1, n, seconds * rate), level), "sample_rate": rate}
             for n, level in ((given, 0.5), (made, 0.25)))  # fmt: skip
    wave = mixed(next(parts), [(0.0, 1.0)], next(parts))["waveform"][0]
    assert wave[:, rate // 2].tolist() == [0.5] * max(given, made)
    assert wave[:, -1].tolist() == [0.25] * 2 + [0.0] * (max(given, made) - 2)


def test_a_waveform_at_another_rate_is_as_long_and_sounds_the_same() -> None:
    for rate, to in ((44100, 48000), (48000, 8000), (8000, 44100)):
        other = resampled(tone(1, rate, 2), rate, to)
        assert other.shape == (2, pytest.approx(to, abs=50))
        assert [loudest(channel, to) for channel in other] == [pytest.approx(440, abs=4), pytest.approx(880, abs=4)]
