"""Parts of files and new frames in one stream: what is copied is the same bit for bit, the rest is encoded."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from sora_nodes.sora_core.editing.frames import Joined, Made, Window, pieces_of
from sora_nodes.sora_core.errors import MediaError
from sora_nodes.sora_core.media import (
    FileSource,
    Guards,
    Piece,
    Sound,
    SoundFile,
    Splice,
    TensorSource,
    publish,
    read_sound,
    write_video,
)
from sora_nodes.sora_core.media.h264 import ParameterSets, begins_anew, framed

RATE = 25
GOP = {"bf": "2", "g": "12", "x264-params": "scenecut=0"}


def made(count: int, first: int = 40) -> Made:
    pictures = np.stack([toys.numbered(first + i) for i in range(count)])
    return Made(torch.from_numpy(pictures), float(RATE))


def film(path: Path, count: int = 36, first: int = 0, **changes: object) -> FileSource:
    return FileSource(toys.film(path, [toys.numbered(first + i) for i in range(count)], options=GOP, **changes))  # type: ignore[arg-type]


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def spliced(path: Path, parts: list[Piece]) -> Splice:
    splice = Splice.of(parts, float(RATE))
    assert publish(path, splice) == splice.length
    return splice


def check_clock(path: Path) -> None:
    """One even step from 0, decoding never behind showing."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        step = 1 / (RATE * stream.time_base)
        assert sorted(p.pts for p in packets) == [round(i * step) for i in range(len(packets))]
        assert all(p.dts <= p.pts for p in packets) and stream.average_rate == RATE
        assert all(b.dts > a.dts for a, b in pairwise(packets))
    source = FileSource(path)
    assert not source.notes and source.fps == RATE


@pytest.mark.parametrize("backward", [False, True])
def test_a_file_is_extended_without_decoding_it(tmp_path: Path, backward: bool) -> None:
    source, new, out = film(tmp_path / "a.mp4"), made(10), tmp_path / "out.mp4"
    parts = [Piece(source=source, kept=True), Piece(source=new)]
    splice = spliced(out, parts[::-1] if backward else parts)
    assert splice.note == "36 frames of a.mp4 are copied without decoding them"
    at, whole = 10 if backward else 0, decoded(out)
    assert all(np.array_equal(a, b) for a, b in zip(decoded(tmp_path / "a.mp4"), whole[at : at + 36], strict=True))
    expected = [*range(40, 50), *range(36)] if backward else [*range(36), *range(40, 50)]
    with FileSource(out) as result:
        assert toys.numbers(result.read(0, 46)) == expected
        assert toys.numbers(result.read(41, 43)) == expected[41:43], "a player can jump into either part"
        assert toys.numbers(result.read(3, 5)) == expected[3:5]
    check_clock(out)


def test_frames_in_the_middle_are_filled(tmp_path: Path) -> None:
    source, out = film(tmp_path / "a.mp4"), tmp_path / "out.mp4"
    parts = [Piece(source=source, stop=8, kept=True), Piece(source=made(5)), Piece(source=source, start=13, kept=True)]
    splice = spliced(out, parts)
    copied = [(run.first, run.stop) for run in splice.runs if not isinstance(run, tuple)]
    assert copied[0][0] == 0 and 5 <= copied[0][1] <= 8 and copied[1] == (24, 36)
    assert "beside the cut are encoded again" in splice.note
    before, after = decoded(tmp_path / "a.mp4"), decoded(out)
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(same[: copied[0][1]]) and all(same[24:])
    assert toys.numbers(FileSource(out).read(0, 36)) == [*range(8), *range(40, 45), *range(13, 36)]
    check_clock(out)


def test_a_result_is_extended_again_and_again(tmp_path: Path) -> None:
    source = film(tmp_path / "0.mp4")
    for i in range(1, 4):
        out = tmp_path / f"{i}.mp4"
        assert "without decoding" in spliced(out, [Piece(source=source, kept=True), Piece(source=made(3))]).note
        source = FileSource(out)
    with av.open(str(out)) as container:
        assert len(ParameterSets.of(bytes(container.streams.video[0].codec_context.extradata)).sps) == 2
    assert toys.numbers(source.read(0, 45)) == [*range(36), *[40, 41, 42] * 3]


def test_clips_of_two_encoders_are_connected(tmp_path: Path) -> None:
    one, two, out = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", 24), tmp_path / "out.mp4"
    spliced(out, [Piece(source=one, kept=True), Piece(source=made(2)), Piece(source=two, kept=True)])
    before = decoded(tmp_path / "a.mp4") + decoded(tmp_path / "b.mp4")
    after = decoded(out)
    assert all(np.array_equal(a, b) for a, b in zip(before, after[:36] + after[38:], strict=True))
    other = toys.film(tmp_path / "c.mp4", [toys.numbered(i) for i in range(24)], options={"bf": "0", "refs": "5"})
    parts = [Piece(source=one, kept=True), Piece(source=made(2)), Piece(source=FileSource(other), kept=True)]
    note = spliced(out, parts).note
    assert "36 frames of a.mp4 are copied" in note and "frames 0 to 23 of c.mp4 are encoded again" in note
    assert toys.numbers(FileSource(out).read(38, 62)) == list(range(24))


@pytest.mark.parametrize("tags", [{}, {"colorspace": 6, "color_primaries": 6, "color_trc": 6, "color_range": 1},
                                  {"colorspace": 1, "color_range": 2}])  # fmt: skip
def test_new_frames_have_the_colours_of_the_file(tmp_path: Path, tags: dict[str, int]) -> None:
    pictures = [toys.natural(seed=3)] * 6
    source = FileSource(toys.film(tmp_path / "a.mp4", pictures, colours=tags))
    new = TensorSource(source.read(0, 4), float(RATE))
    spliced(tmp_path / "out.mp4", [Piece(source=source, kept=True), Piece(source=new)])
    whole = FileSource(tmp_path / "out.mp4").read(0, 10).float()
    assert (whole[6:].mean((0, 1, 2)) - whole[:6].mean((0, 1, 2))).abs().max() < 1, (
        "swscale rounds full range by half a level"
    )
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len({(int(f.colorspace), int(f.color_range)) for f in frames}) == 1


def test_odd_sizes_keep_their_size(tmp_path: Path) -> None:
    clip = torch.from_numpy(np.stack([toys.natural(47, 63, seed=i) for i in range(6)]))
    write_video(tmp_path / "a.mp4", clip, RATE)
    parts = [Piece(source=FileSource(tmp_path / "a.mp4"), kept=True), Piece(source=TensorSource(clip, float(RATE)))]
    assert "6 frames of a.mp4 are copied" in spliced(tmp_path / "out.mp4", parts).note
    result = FileSource(tmp_path / "out.mp4")
    assert (result.height, result.width, result.length) == (47, 63, 12) and not result.notes


def test_what_does_not_fit_is_encoded_and_said(tmp_path: Path) -> None:
    cases = {
        "its pixels are yuv444p": {"form": "yuv444p"},
        "it is mpeg4": {"codec": "mpeg4"},
        "pixels that are not square": {"aspect": Fraction(16, 11)},
        "time stamps are uneven": {"times": [0, 1, 2, 3, 5, 6, 9, 10, 11]},
    }
    for words, changes in cases.items():
        path = toys.film(tmp_path / "a.mp4", [toys.numbered(i) for i in range(9)], **changes)  # type: ignore[arg-type]
        source = FileSource(path)
        new = torch.zeros(3, source.height, source.width, 3, dtype=torch.uint8)
        splice = Splice.of([Piece(source=source, kept=True), Piece(source=TensorSource(new, source.fps))], source.fps)
        assert splice.sets is None and words in splice.note, (words, splice.note)
        assert publish(tmp_path / "out.mp4", splice) == source.length + 3
    for ending in ("nut", "ts"):  # their H.264 has start codes, where an mp4 has lengths
        broadcast = film(tmp_path / f"b.{ending}")
        splice = Splice.of([Piece(source=broadcast, kept=True)], float(RATE))
        assert splice.sets is None and "stored as for broadcasting" in splice.note
    slow = Splice.of([Piece(source=film(tmp_path / "b.mp4"), kept=True)], 24.0)
    assert "25 frames a second, not 24" in slow.note


def test_the_door_sees_every_frame_and_marks_the_new_ones(tmp_path: Path) -> None:
    source, seen, marked = film(tmp_path / "a.mp4"), [], []

    def review(chunks):  # type: ignore[no-untyped-def]
        for chunk in chunks:
            seen.append(len(chunk))
            yield chunk

    def mark(chunks):  # type: ignore[no-untyped-def]
        for chunk in chunks:
            marked.append(len(chunk))
            yield chunk

    splice = Splice.of([Piece(source=source, kept=True), Piece(source=made(10))], float(RATE))
    publish(tmp_path / "out.mp4", splice, guards=Guards(review=review, mark=mark))
    assert sum(seen) == 46 and sum(marked) == 10
    marked.clear()
    publish(tmp_path / "out.mp4", splice, guards=Guards(mark=mark))
    assert sum(marked) == 10


@pytest.mark.parametrize("start", [0.0, 0.4])
def test_sound_is_copied_and_ends_with_the_frames(tmp_path: Path, start: float) -> None:
    tone = torch.sin(torch.arange(4 * 44100) / 44100 * 6.2832 * 440)[None] * 0.5
    pictures = torch.from_numpy(np.stack([toys.numbered(i) for i in range(36)]))
    write_video(tmp_path / "a.mp4", pictures, RATE, sound=Sound(waveform=tone, rate=44100))
    parts = [Piece(source=FileSource(tmp_path / "a.mp4"), kept=True), Piece(source=made(10))]
    splice = Splice.of(parts[::-1] if start else parts, float(RATE))
    publish(tmp_path / "out.mp4", splice, sound=SoundFile.of(tmp_path / "a.mp4", start))
    before, after = read_sound(tmp_path / "a.mp4"), read_sound(tmp_path / "out.mp4")
    assert before is not None and after is not None and after.rate == 44100
    at, length = round(start * 44100) + 4410, 22050
    assert torch.allclose(after.waveform[:, at : at + length], before.waveform[:, 4410 : 4410 + length], atol=1e-3)
    assert abs(after.waveform.shape[1] / 44100 - (1.44 + start)) < 0.06


def test_a_clip_is_taken_apart_into_files_and_new_frames(tmp_path: Path) -> None:
    source, new = film(tmp_path / "a.mp4"), made(10)
    clip = Joined([Window(source, 0, 20), Window(Joined([Window(source, 20, 36), new]), 0, 20)])
    assert [(p.start, p.stop, p.kept) for p in pieces_of(clip)] == [(0, 36, True), (0, 4, False)]


def test_records_are_read_and_written() -> None:
    with pytest.raises(MediaError):
        ParameterSets.of(b"\x01\x64\x00")
    sps, pps = b"\x67\x64\x00\x0a\xac\xd9", b"\x68\xef\x82"
    sets = ParameterSets.of(b"\0\0\0\1" + sps + b"\0\0\1" + pps)
    assert ParameterSets.of(sets.record()) == sets and list(sets.sps) == [0]
    third = ParameterSets.of(b"\0\0\1\x67\x64\x00\x0b\x22\xcd\0\0\1\x68\x21\x2f")
    both = sets.with_(third)
    assert both is not None and list(both.sps) == [0, 3] and both.record()[3] == 0x0B
    assert sets.with_(ParameterSets.of(b"\0\0\1" + sps + b"\x01\0\0\1" + pps)) is None
    assert begins_anew(framed(b"\0\0\1\x06\x05\0\0\1\x65\x88")) and not begins_anew(framed(b"\0\0\1\x41\x9a"))


def test_a_file_that_was_replaced_is_not_copied(tmp_path: Path) -> None:
    path, out = tmp_path / "a.mp4", tmp_path / "out.mp4"
    splice = Splice.of([Piece(source=film(path), kept=True), Piece(source=made(4))], float(RATE))
    film(tmp_path / "b.mp4", first=50)
    (tmp_path / "b.mp4").replace(path)
    with pytest.raises(MediaError, match="changed or removed"):
        publish(out, splice)
    assert not out.exists()
