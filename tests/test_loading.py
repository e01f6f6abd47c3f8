"""Sora Load Video and Sora Save Video as a workflow runs them, with all their choices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sora_nodes.commands.run import local_registry
from sora_nodes.nodes.layouts.cuts import Cut
from sora_nodes.nodes.loading import SoraLoadVideo
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.errors import InputError, SoraError
from sora_nodes.sora_core.media import probe, read_video, write_video
from sora_nodes.sora_core.media.sound import Sound, read_sound

FRAMES, FPS = 24, 8.0


def session(root: Path) -> Session:
    """With a clip of grey frames, each known by its level, and a tone that rises."""
    for name in ("input", "output", "temp"):
        (root / name).mkdir(exist_ok=True)
    levels = (8 * torch.arange(FRAMES)).view(-1, 1, 1, 1).expand(-1, 64, 96, 3).to(torch.uint8)
    second = torch.arange(48000 * 3) / 48000
    wave = 0.5 * torch.sin(2 * torch.pi * (200 * second + 100 * second**2))[None]  # 200 Hz, and 200 more each second
    write_video(root / "input" / "clip.mp4", levels.contiguous(), FPS, sound=Sound(waveform=wave, rate=48000))
    return Session(input=root / "input", output=root / "output", temp=root / "temp")


def run(root: Path, load: dict[str, Any], save: dict[str, Any]) -> tuple[list[Path], Any]:
    where = session(root)
    graph = {
        "1": {"class_type": "SoraLoadVideo", "inputs": {"file": "clip.mp4", **load}},
        "2": {"class_type": "SoraSaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "made", **save}},
    }
    done = Executor(local_registry()).run(Graph.from_api(graph), where)
    return [root / "output" / name for name in done.files()], done


CUTS = {
    "seconds": ({"start": 1.0, "length": 1.0}, range(8, 16), FPS),
    "frames": ({"start": 5, "length": 6, "unit": "frames"}, range(5, 11), FPS),
    "to the end": ({"start": 2.0}, range(16, 24), FPS),
    "capped": ({"frame_cap": 4}, range(4), FPS),
    "thinned": ({"start": 1.0, "every_nth": 2}, range(8, 24, 2), FPS / 2),
    "thinned and capped": ({"every_nth": 3, "frame_cap": 5}, range(0, 15, 3), FPS / 3),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_part_of_a_video_is_loaded_and_saved(name: str, tmp_path: Path) -> None:
    """The frames asked for at their rate, with the sound of the same moments."""
    asked, places, fps = CUTS[name]
    (path,), _ = run(tmp_path, asked, {})
    found = read_video(path)
    assert found.frames.float().mean((1, 2, 3)).div(8).round().tolist() == list(places)
    assert abs(found.fps - fps) < 0.01
    sound = read_sound(path)
    assert sound is not None
    first, last = places[0] / FPS, (places[-1] + places.step) / FPS
    assert abs(sound.waveform.shape[1] / sound.rate - (last - first)) < 0.1
    middle = sound.waveform[0, sound.waveform.shape[1] // 4 : -sound.waveform.shape[1] // 4]
    hertz = float((middle[1:] * middle[:-1] < 0).float().mean()) * sound.rate / 2
    assert abs(hertz - 200 - 200 * (first + last) / 2) < 20, hertz


@pytest.mark.parametrize(
    ("asked", "size"), [({"width": 48}, (48, 32)), ({"height": 96}, (144, 96)), ({"width": 64, "height": 64}, (64, 64))]
)
def test_a_video_is_scaled_and_never_squashed(asked: dict[str, int], size: tuple[int, int], tmp_path: Path) -> None:
    (path,), _ = run(tmp_path, asked, {})
    info = probe(path)
    assert (info.width, info.height) == size and info.frames == FRAMES


def test_pictures_are_given_where_they_are_linked(tmp_path: Path) -> None:
    where = session(tmp_path)
    for cut in ({}, {"start": 1.0, "length": 0.5}):
        graph = {
            "1": {"class_type": "SoraLoadVideo", "inputs": {"file": "clip.mp4", **cut}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 5], "filename_prefix": "still"}},
        }
        done = Executor(local_registry()).run(Graph.from_api(graph), where)
        assert len(done.files()) == (4 if cut else FRAMES)


@pytest.mark.parametrize("kind", ["mov", "mkv", "webm", "gif", "webp"])
def test_each_format_is_written(kind: str, tmp_path: Path) -> None:
    (path,), _ = run(tmp_path, {"length": 0.5}, {"format": kind})
    assert path.suffix == f".{kind}" and path.stat().st_size > 100
    if kind in ("mov", "mkv", "webm"):
        found = read_video(path)
        assert found.frames.float().mean((1, 2, 3)).div(8).round().tolist() == [0, 1, 2, 3]
        assert read_sound(path) is not None


def test_streams_are_copied_into_another_container(tmp_path: Path) -> None:
    """Nothing is encoded twice where nothing asks for it."""
    (path,), _ = run(tmp_path, {}, {"format": "mkv"})
    assert torch.equal(read_video(path).frames, read_video(tmp_path / "input" / "clip.mp4").frames)


MISTAKES = {
    "start is 9 seconds and the video has 3 seconds": ({"start": 9.0}, {}),
    "start is 30 frames and the video has 24 frames": ({"start": 30, "unit": "frames"}, {}),
    "input codec: given 'h264'; .* webm holds vp9, av1, not h264": ({}, {"format": "webm", "codec": "h264"}),
    "input crf: given 60; .* crf of h264 is from 0 to 51": ({}, {"codec": "h264", "crf": 60}),
}


@pytest.mark.parametrize("says", MISTAKES)
def test_a_mistake_is_a_sentence_before_the_run(says: str, tmp_path: Path) -> None:
    with pytest.raises(SoraError, match=says):
        run(tmp_path, *MISTAKES[says])
    assert not list((tmp_path / "output").iterdir())


def test_an_input_of_a_newer_version_is_left_out_as_comfyui_does(tmp_path: Path) -> None:
    (path,), _ = run(tmp_path, {"start": 1.0, "of_a_later_version": 5}, {"bitrate": 900})
    assert probe(path).frames == 16


def test_what_a_cut_takes() -> None:
    assert Cut().whole and Cut(unit="frames").whole and not Cut(width=8).whole
    assert list(Cut(start=0.5, length=0.01).frames(24, 8.0)) == [4], "a length above 0 takes a frame at least"
    with pytest.raises(InputError, match="every_nth"):
        Cut(every_nth=0).frames(24, 8.0)


def test_without_choices_the_file_itself_is_loaded(tmp_path: Path) -> None:
    where = session(tmp_path)
    with where.active():
        video, *about = SoraLoadVideo.execute(file="clip.mp4").result
        assert video.get_stream_source() == str(tmp_path / "input" / "clip.mp4")
        assert about[:4] == [FRAMES, FPS, 96, 64] and about[4].shape == (FRAMES, 64, 96, 3)
