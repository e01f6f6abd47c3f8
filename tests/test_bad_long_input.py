"""What can go wrong with long clips and stopped runs ends in a sentence, before the work where that is possible."""

import shutil
from collections import namedtuple
from pathlib import Path

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from editing_toys import tiny_model
from sora_nodes import cli
from sora_nodes.nodes.clips import loaded
from sora_nodes.nodes.layouts.cuts import Cut
from sora_nodes.nodes.layouts.edits import file_clip
from sora_nodes.runtime.video import VideoFromFile
from sora_nodes.sora_core.errors import Cancelled, InputError, MediaError, ResourceError
from sora_nodes.sora_core.media import (
    FileSource,
    Piece,
    Sound,
    SoundFile,
    Splice,
    TensorSource,
    publish,
    read_sound,
    read_video,
    write_video,
)
from sora_nodes.sora_core.media.sound import unheard_note
from sora_nodes.sora_core.pipeline import generate
from sora_nodes.sora_core.pipeline.edit_files import clip_of
from sora_nodes.sora_core.pipeline.stored import FOLDER, RunStore, stored_runs

MODEL = tiny_model()
RATE = 25.0


def little_room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1 << 40, 0, free))


def film(path: Path, count: int = 30) -> FileSource:
    return FileSource(toys.film(path, [toys.numbered(i) for i in range(count)]))


def made(count: int) -> Piece:
    return Piece(source=TensorSource(torch.zeros(count, 48, 64, 3, dtype=torch.uint8), RATE))


@pytest.mark.parametrize("command", [
    ["extend", "a.mp4", "a red ball", "--seconds", "200", "-o", "out.mp4"],
    ["generate", "a red ball", "--seconds", "200", "-o", "out.mp4"],
    ["run", "w.json"],
])  # fmt: skip
def test_a_clip_longer_than_the_disk_has_room_for_is_refused_before_the_work(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = torch.from_numpy(np.stack([toys.natural(64, 64, seed=i) for i in range(9)]))
    write_video("a.mp4", pictures, 8.0)
    workflow = Path(__file__).parent.parent / "example_workflows" / "text_to_video.json"
    if command[0] == "run":
        command = ["run", str(workflow), "--set", "SoraNoiseGrid.seconds=40"]
    little_room(monkeypatch, (17 << 20) + 1000)
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert "free space" in said and "Traceback" not in said and "sampling 1/" not in said


def test_frames_that_change_size_or_rate_midway_are_not_copied(tmp_path: Path) -> None:
    one = toys.film(tmp_path / "a.mp4", [toys.numbered(i) for i in range(10)])
    two = toys.film(tmp_path / "b.mp4", [toys.numbered(i).repeat(2, 0).repeat(2, 1) for i in range(10)])
    joined(tmp_path / "c.mkv", [one, two])
    source = FileSource(tmp_path / "c.mkv")
    said = "c.mkv: its frames change size to 128x96 on the way, and are scaled."
    assert source.notes == (said,), "before anything is read"
    splice = Splice.of([Piece(source=source, kept=True), made(5)], source.fps)
    assert splice.sets is None and "are encoded again" in splice.note
    assert publish(tmp_path / "out.mp4", splice) == source.length + 5
    result = read_video(tmp_path / "out.mp4")
    assert toys.numbers(result.frames[:20]) == [*range(10)] * 2 and not result.notes
    assert source.notes == (said,)
    (tmp_path / "c.ts").write_bytes(
        b"".join(
            toys.film(tmp_path / f"{n}.ts", pictures).read_bytes()
            for n, pictures in enumerate(
                [[toys.numbered(i) for i in range(5)], [toys.numbered(i).repeat(2, 0) for i in range(5)]]
            )
        )
    )
    assert [note for note in FileSource(tmp_path / "c.ts").notes if "change size to 64x96" in note]
    uneven = toys.film(tmp_path / "d.mp4", [toys.numbered(i) for i in range(12)], [*range(6), *range(6, 18, 2)])
    source = FileSource(uneven)
    assert "time stamps are uneven" in Splice.of([Piece(source=source, kept=True)], source.fps).note


def joined(path: Path, films: list[Path]) -> None:
    """Packets of several encoders in a row, each key frame with its own parameter sets, as live streams have them."""
    with av.open(str(path), "w") as made:
        with av.open(str(films[0])) as first:
            stream = made.add_stream_from_template(first.streams.video[0])
        late = 0
        for film in films:
            with av.open(str(film)) as given:
                source = given.streams.video[0]
                record = bytes(source.codec_context.extradata)
                size = int.from_bytes(record[6:8], "big")
                at = 8 + size + 1
                sets = [record[8 : 8 + size], record[at + 2 : at + 2 + int.from_bytes(record[at : at + 2], "big")]]
                head = b"".join(len(unit).to_bytes(4, "big") + unit for unit in sets)
                for packet in [p for p in given.demux(source) if p.size]:
                    fresh = av.Packet(head + bytes(packet) if packet.is_keyframe else bytes(packet))
                    fresh.time_base, fresh.is_keyframe, fresh.stream = packet.time_base, packet.is_keyframe, stream
                    fresh.pts, fresh.dts = packet.pts + late, packet.dts + late
                    made.mux(fresh)
                late += round(10 / (RATE * source.time_base))


def test_a_source_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = toys.film(tmp_path / "a.mp4", [toys.natural(48, 64, seed=i) for i in range(40)],
                     muxing={"movflags": "faststart"})  # fmt: skip
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    source = FileSource(path)
    splice = Splice.of([Piece(source=source, kept=True), made(5)], source.fps)
    assert splice.sets is None and "faulty" in splice.note
    assert publish(tmp_path / "out.mp4", splice) == source.length + 5
    assert not FileSource(tmp_path / "out.mp4").notes


def test_a_file_that_changes_while_it_is_copied_is_said(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4")
    splice = Splice.of([Piece(source=source, kept=True), made(5)], RATE)
    film(tmp_path / "a.mp4", 20)
    with pytest.raises(MediaError):
        publish(tmp_path / "out.mp4", splice)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_sound_longer_or_shorter_than_the_picture_is_kept_as_far_as_its_own_picture_goes(
    tmp_path: Path, seconds: float
) -> None:
    pictures = torch.from_numpy(np.stack([toys.numbered(i) for i in range(25)]))
    tone = torch.rand(1, int(seconds * 48000), generator=torch.Generator().manual_seed(0)) - 0.5
    write_video(tmp_path / "short.mp4", pictures, RATE, sound=Sound(waveform=tone, rate=48000))
    write_video(tmp_path / "silent.mp4", pictures, RATE)
    path = with_sound(tmp_path / "a.mp4", tmp_path / "silent.mp4", tone) if seconds > 1 else tmp_path / "short.mp4"
    splice = Splice.of([Piece(source=FileSource(path), kept=True), made(25)], RATE)
    assert publish(tmp_path / "out.mp4", splice, sound=SoundFile.of(path, 0.0)) == 50
    heard = read_sound(tmp_path / "out.mp4")
    assert heard is not None and abs(heard.waveform.shape[1] / 48000 - min(seconds, 1.0)) < 0.05
    result = FileSource(tmp_path / "out.mp4")
    assert result.length == 50 and not result.notes


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_sound_is_read_to_the_last_frame_unless_all_is_asked_for(tmp_path: Path, ending: str) -> None:
    pictures = torch.from_numpy(np.stack([toys.numbered(i) for i in range(25)]))
    write_video(tmp_path / "silent.mp4", pictures, RATE)
    path = with_sound(tmp_path / f"a{ending}", tmp_path / "silent.mp4", torch.zeros(1, 3 * 48000))
    for whole, seconds in ((False, 1.0), (True, 3.0)):
        heard = read_sound(path, whole=whole)
        assert heard is not None and abs(heard.waveform.shape[1] / 48000 - seconds) < 0.05


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_sound_behind_the_last_frame_is_said_to_be_left_out(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "silent.mp4", torch.from_numpy(np.stack([toys.numbered(i) for i in range(25)])), RATE)
    path = with_sound(tmp_path / f"a{ending}", tmp_path / "silent.mp4", torch.zeros(1, 3 * 48000))
    command = ["extend", str(path), "--seconds", "0.1", "--no-expand", "--no-refine", "--steps", "1"]
    assert cli.main([*command, "-o", str(tmp_path / "out.mp4")]) == 0
    said = f"a{ending}: its sound goes on for 2.0 s behind its last frame, and is cut there"
    assert said in capsys.readouterr().err
    clip, sound = file_clip(VideoFromFile(str(path)), str(path))
    assert sound is not None and any(said in note for note in clip.notes)
    assert unheard_note(tmp_path / "out.mp4") == unheard_note(tmp_path / "silent.mp4") == ""


@pytest.mark.parametrize(
    ("rate", "width", "words"),
    [
        (1000, 64, "1000 frames a second and at most 240 are edited"),
        (25, 9000, "frames of 9000x48 and sides of at most"),
    ],
)
def test_a_file_beyond_what_is_edited_is_named(tmp_path: Path, rate: int, width: int, words: str) -> None:
    path = toys.film(tmp_path / "a.mp4", [np.zeros((48, width, 3), np.uint8)] * 6, rate=rate)
    video = VideoFromFile(str(path))
    for read in (
        lambda: clip_of(path),
        lambda: file_clip(video, str(path)),
        lambda: loaded(path, Cut(), in_memory=False),
    ):
        with pytest.raises(InputError, match=rf"a\.mp4 has {words}"):
            read()


def with_sound(path: Path, silent: Path, tone: torch.Tensor) -> Path:
    """A file whose sound goes on after its last frame."""
    with av.open(str(silent)) as given, av.open(str(path), "w") as made:
        source = given.streams.video[0]
        stream = made.add_stream_from_template(source)
        sound = made.add_stream("aac", rate=48000)
        sound.codec_context.layout = "mono"
        for packet in [p for p in given.demux(source) if p.size]:
            packet.stream = stream
            made.mux(packet)
        frame = av.AudioFrame.from_ndarray(tone.numpy(), format="fltp", layout="mono")
        frame.rate, frame.pts = 48000, 0
        made.mux(sound.encode(frame))
        made.mux(sound.encode(None))
    return path


def test_a_stored_state_of_another_setting_is_named_and_not_used(tmp_path: Path) -> None:
    def run(steps: int, stop: int | None, warn=lambda text: None):  # type: ignore[no-untyped-def]
        def progress(done: int, total: int) -> None:
            if done == stop:
                raise Cancelled("stopped")

        return generate("a red ball", out=tmp_path / "out.mp4", seconds=1.0, size=(32, 16), expand=False, model=MODEL,
                        settings=MODEL.settings.with_(steps=steps), progress=progress, warn=warn)  # fmt: skip

    RunStore.__init__.__kwdefaults__["every"], every = 0.0, RunStore.__init__.__kwdefaults__["every"]
    try:
        with pytest.raises(Cancelled):
            run(5, 3)
    finally:
        RunStore.__init__.__kwdefaults__["every"] = every
    (left,) = stored_runs(tmp_path)
    said: list[str] = []
    run(4, None, said.append)
    assert [line for line in said if left.path.name in line and "another model, prompt or setting" in line]
    assert [run.path for run in stored_runs(tmp_path)] == [left.path], "it still waits for its own run"
    run(5, None)
    assert not (tmp_path / FOLDER).exists()


def test_a_disk_that_fills_up_while_a_file_is_spliced_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sora_nodes.sora_core.media import splicing

    splice = Splice.of([Piece(source=film(tmp_path / "a.mp4"), kept=True), made(5)], RATE)

    def full(self: object, packet: object, place: int) -> None:
        raise av.FFmpegError(28, "No space left on device")

    monkeypatch.setattr(splicing.Stream, "add", full)
    with pytest.raises(ResourceError, match="the disk is full"):
        publish(tmp_path / "out.mp4", splice)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]
