"""Sound of any number of channels keeps its speakers, and ends with its frames in any container."""

import re
from fractions import Fraction
from pathlib import Path

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from sora_nodes.sora_core import media
from sora_nodes.sora_core.media.sound import unheard_note

RATE = 48000


def speaking(
    path: Path, layout: str, codec: str, *, speaker: str, seconds: float = 1.0, late: float = 0.0, waits: float = 0.0
) -> Path:
    """A second of frames, beginning when it has waited so many, and sound that only one speaker of a layout gives,
    beginning `late`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg2video" if path.suffix == ".mpg" else "libx264", rate=25)
        audio = container.add_stream(codec, rate=RATE)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio.codec_context.layout = layout
        channels = [channel.name for channel in av.AudioLayout(layout).channels]
        wave = np.zeros((round(seconds * RATE), len(channels)), np.float32)
        wave[:, channels.index(speaker)] = 0.5 * np.sin(2 * np.pi * 60 / RATE * np.arange(len(wave)))
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="flt", layout=layout)
        frame.rate, frame.pts = RATE, round(late * RATE)
        pictures = [av.VideoFrame.from_ndarray(toys.numbered(i), "rgb24") for i in range(25)]
        for i, picture in enumerate(pictures):
            picture.pts, picture.time_base = round(waits * 25) + i, Fraction(1, 25)
        packets = [p for picture in [*pictures, None] for p in video.encode(picture)]
        packets += [*audio.encode(frame), *audio.encode(None)]
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    return path


def loud(path: Path) -> list[int]:
    """The channels of a file's sound in which something is heard."""
    sound = media.read_sound(path)
    assert sound is not None and sound.rate == RATE
    return [i for i, channel in enumerate(sound.waveform) if channel.abs().max() > 0.3]


@pytest.mark.parametrize(
    ("layout", "codec", "ending", "speaker", "place"),
    [
        ("stereo", "pcm_s16le", "mov", "FR", 1), ("5.1", "pcm_s16le", "mov", "LFE", 3), ("5.1", "aac", "mp4", "FC", 2),
        ("7.1", "flac", "mkv", "FC", 2), ("7.1", "pcm_s16le", "mov", "SL", 6), ("7.1", "aac", "mp4", "BR", 5),
        ("2.1", "flac", "mkv", "LFE", 3), ("quad", "flac", "mkv", "BL", 4), ("5.1(side)", "flac", "mkv", "SR", 5),
    ],
)  # fmt: skip
def test_what_one_speaker_gives_is_read_and_written_for_that_speaker(
    tmp_path: Path, layout: str, codec: str, ending: str, speaker: str, place: int
) -> None:
    given = speaking(tmp_path / f"x.{ending}", layout, codec, speaker=speaker)
    assert loud(given) == [place]
    frames = torch.zeros(25, 16, 16, 3, dtype=torch.uint8)
    media.write_video(tmp_path / "out.mp4", frames, 25, sound=media.read_sound(given))
    assert loud(tmp_path / "out.mp4") == [place]


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts", "mpg", "flv", "wmv"])
def test_sound_is_heard_to_the_last_frame_and_no_longer(tmp_path: Path, ending: str) -> None:
    codec = {"mpg": "mp2", "wmv": "libmp3lame"}.get(ending, "aac")
    path = speaking(tmp_path / f"x.{ending}", "stereo", codec, speaker="FL", seconds=2.0)
    sound = media.read_sound(path)
    assert sound is not None and sound.waveform.shape[1] / RATE == pytest.approx(1, abs=0.05)
    assert re.search(r"goes on for 1\.[01] s behind its last frame", unheard_note(path))
    even = speaking(tmp_path / f"even.{ending}", "stereo", codec, speaker="FL")
    whole = media.read_sound(even)
    assert whole is not None and whole.waveform.shape[1] / RATE == pytest.approx(1, abs=0.05)
    assert unheard_note(even) == ""


def test_sound_that_begins_late_and_ends_late_is_said_to_be_cut(tmp_path: Path) -> None:
    path = speaking(tmp_path / "x.mp4", "stereo", "aac", speaker="FL", late=0.6)
    assert "goes on for 0.6 s behind its last frame" in unheard_note(path)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts"])
def test_sound_that_begins_before_the_frames_is_cut_at_both_ends_and_said(tmp_path: Path, ending: str) -> None:
    path = speaking(tmp_path / f"x.{ending}", "stereo", "aac", speaker="FL", waits=0.6, seconds=2.6)
    sound = media.read_sound(path)
    assert sound is not None and sound.waveform.shape[1] / RATE == pytest.approx(1, abs=0.03)
    said = unheard_note(path)
    assert re.search(r"begins 0\.6 s before its first frame and goes on for 1\.0 s behind its last frame", said), said
