"""Odd but ordinary files: every frame that is there comes once, at its time, or a note says why not."""

import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from PIL import Image
from sora_nodes.sora_core import media
from sora_nodes.sora_core.errors import MediaError, frame_count
from sora_nodes.sora_core.media.decode import square
from sora_nodes.sora_core.media.timing import closed, placed, raster

MS = Fraction(1, 1000)


def film(path: Path, times: list[int], **more: object) -> Path:
    return toys.film(path, [toys.numbered(i) for i in range(len(times))], times, unit=MS, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [12, 15, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 120])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_millisecond_stamps_are_the_rate_they_are_rounded_from(tmp_path: Path, rate: float, ending: str) -> None:
    path = film(tmp_path / f"x.{ending}", [round(i * 1000 / rate) for i in range(60)])
    video = media.read_video(path)
    assert video.fps == pytest.approx(rate, rel=2e-3) and toys.numbers(video.frames) == list(range(60))
    assert not video.notes


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([round(k * 1000 / 60) for k in range(40)] + [667 + round(k * 1000 / 24) for k in range(24)], 60),
        ([round(k * 1000 / 24) for k in range(24)] + [1000 + round(k * 1000 / 60) for k in range(30)], 60),
        ([t for k in range(20) for t in (k * 100, k * 100 + 10)], 100),
        ([round(k * 1000 / 30) for k in range(60) if k != 30], 30),
        ([0, 40, 80, 120, 160, 1160, 1200, 1240], 25),
    ],
    ids=["60 then 24", "24 then 60", "pairs", "one left out", "a pause"],
)
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_a_rate_that_varies_loses_no_frame(tmp_path: Path, times: list[int], rate: float, ending: str) -> None:
    path = film(tmp_path / f"x.{ending}", times)
    video = media.read_video(path)
    found = toys.numbers(video.frames)
    assert video.fps == rate and "variable" in video.notes[0]
    assert found == sorted(found) and set(found) == set(range(len(times)))
    ideal = [round(t * rate / 1000) for t in times]
    assert all(abs(found.index(i) - slot) <= 1 for i, slot in enumerate(ideal))


def test_a_burst_that_does_not_fit_is_said_and_moves_nothing_else() -> None:
    """Twenty frames within one step: what follows keeps its time."""
    clock = [i * 40 for i in range(200)] + [8000 + i for i in range(10)] + [8040 + i * 40 for i in range(200)]
    notes: list[str] = []
    slots, shown, fps, _ = raster(clock, 1e-3, None, notes)
    assert fps == 25 and slots[-1] == 400 and "leaves out" in notes[0]
    assert len(slots) == len(shown) and all(a < b for a, b in pairwise(slots))


def test_a_gap_of_years_is_closed(tmp_path: Path) -> None:
    path = film(tmp_path / "x.mkv", [0, 125, 250, 1 << 36])
    began = time.process_time()
    video = media.read_video(path)
    assert toys.numbers(video.frames) == [0, 1, 2, 3] and video.fps == 8 and time.process_time() - began < 5
    assert "gap is closed" in video.notes[0]


def test_a_slide_show_is_no_gap(tmp_path: Path) -> None:
    video = media.read_video(film(tmp_path / "x.mkv", [0, 90_000, 180_000, 270_000]))
    assert len(video.frames) == 4 and video.fps == pytest.approx(1 / 90)


@pytest.mark.parametrize(
    ("delays", "rate", "expected"),
    [
        ([100, 500, 1000], 10, [0] + 5 * [1] + 10 * [2]),
        ([40, 200, 40, 400], 25, [0] + 5 * [1] + [2] + 10 * [3]),
        ([100, 100, 500], 10, [0, 1] + 5 * [2]),
        ([200, 40], 25, 5 * [0] + [1]),
        ([100, 100, 120], 10, [0, 1, 2]),
        ([100, 100, 100], 10, [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("ending", ["gif", "png"])
def test_the_last_picture_of_an_animation_is_shown_for_its_time(
    tmp_path: Path, ending: str, delays: list[int], rate: float, expected: list[int]
) -> None:
    path, pictures = tmp_path / f"x.{ending}", [Image.fromarray(toys.numbered(i)) for i in range(len(delays))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=delays)
    video = media.read_video(path)
    assert toys.numbers(video.frames) == expected and video.fps == rate


def test_the_last_frame_of_a_varying_rate_is_shown_for_its_time_where_it_is_plausible(tmp_path: Path) -> None:
    times = [0, 40, 80, 280, 320]
    for last, length in ((40, 9), (200, 13), (0, 9), (10**6, 9)):
        assert media.probe(held(tmp_path / "x.mp4", times, last)).frames == length
    for last in (40, 400):
        video = media.read_video(held(tmp_path / "x.mp4", [0, 40, 80, 120], last))
        assert len(video.frames) == 4 and video.fps == 25


def held(path: Path, times: list[int], last: int) -> Path:
    """A film whose last packet is said to last `last` ms."""
    film(path.with_suffix(".mkv"), times)
    with av.open(str(path.with_suffix(".mkv"))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet, following in zip(packets, [*times[1:], times[-1] + last], strict=True):
            packet.duration, packet.stream = following - packet.pts, stream
            target.mux(packet)
    return path


def with_tone(path: Path, seconds: float, **options: str) -> Path:
    """An mkv of three seconds of pictures and so many seconds of sound, interleaved."""
    with av.open(str(path), "w", format="matroska", options=options) as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=8000)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio.codec_context.layout = "mono"
        for i in range(max(75, round(seconds * 25))):
            if i < 75:
                frame = av.VideoFrame.from_ndarray(toys.numbered(i % 64), "rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 25)
                container.mux(video.encode(frame))
            if i < seconds * 25:
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), format="s16", layout="mono")
                sound.rate, sound.pts, sound.time_base = 8000, 320 * i, Fraction(1, 8000)
                container.mux(audio.encode(sound))
        container.mux(video.encode(None))
    return path


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_matroska_that_is_cut_short_is_said(tmp_path: Path, seconds: float) -> None:
    path = with_tone(tmp_path / "x.mkv", seconds)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = media.FileSource(path)
    assert 20 < source.length < 60 and "is cut short: " in source.notes[0] and "of 3.0 s are there" in source.notes[0]
    assert len(source.info.faults) == 1


def test_a_matroska_that_is_whole_or_tells_no_end_is_not_called_cut_short(tmp_path: Path) -> None:
    for seconds in (0.0, 1.0, 3.0, 6.0):
        assert media.FileSource(with_tone(tmp_path / "x.mkv", seconds)).notes == ()
    live = with_tone(tmp_path / "x.mkv", 3.0, live="1")
    live.write_bytes(live.read_bytes()[: live.stat().st_size * 6 // 10])
    assert not any("cut short" in note for note in media.FileSource(live).notes)
    assert media.FileSource(film(tmp_path / "x.mkv", [0, 90_000, 180_000, 190_000])).info.faults == ()


def test_equal_stamps_give_the_stated_rate(tmp_path: Path) -> None:
    """All frames of an mp4 at the same moment: its table of durations is set to nothing."""
    path = toys.film(tmp_path / "x.mp4", [toys.numbered(i) for i in range(16)], rate=8)
    data = bytearray(path.read_bytes())
    at = data.index(b"stts") + 4
    count = int.from_bytes(data[at + 4 : at + 8], "big")
    for i in range(count):
        data[at + 12 + 8 * i : at + 16 + 8 * i] = bytes(4)
    path.write_bytes(data)
    video = media.read_video(path)
    assert toys.numbers(video.frames) == list(range(16)) and video.fps == 8
    assert "time stamp of another" in video.notes[0]


def test_a_clock_that_begins_anew_is_joined(tmp_path: Path) -> None:
    """Two transport streams, one behind the other, as recorders cut them."""
    for i, name in enumerate(("a.ts", "b.ts")):
        toys.film(tmp_path / name, [toys.numbered(20 * i + k) for k in range(20)], rate=25)
    joined = tmp_path / "x.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    video = media.read_video(joined)
    assert toys.numbers(video.frames) == list(range(40)) and video.fps == 25
    assert "begin anew" in video.notes[0]


def test_a_stream_that_begins_between_key_frames(tmp_path: Path) -> None:
    """Cut from the middle of a transport stream: all from the next key frame on comes, and the rest is counted."""
    options = {"g": "15", "keyint_min": "15", "sc_threshold": "0"}
    path = toys.film(tmp_path / "x.ts", [toys.numbered(i) for i in range(60)], options=options)
    with av.open(str(path)) as container:
        places = [p.pos for p in container.demux(video=0) if p.size]
    path.write_bytes(path.read_bytes()[places[7] :])
    video = media.read_video(path)
    found = toys.numbers(video.frames)
    assert found == list(range(60 - len(found), 60)) and len(found) >= 45
    assert "between key frames" in video.notes[0]
    source = media.FileSource(path)
    assert all(toys.numbers(source.read(i, i + 1)) == [found[i]] for i in (20, 3, 40))


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("start", [3, 8])
def test_a_clip_that_was_trimmed_without_decoding_begins_where_it_was_cut(
    tmp_path: Path, start: int, bframes: int
) -> None:
    """A phone's or ffmpeg's trimming keeps the frames from the key frame on and hides those before the cut."""
    options = {"bf": str(bframes), "g": "6", "keyint_min": "6", "sc_threshold": "0"}
    whole = toys.film(tmp_path / "whole.mp4", [toys.numbered(i) for i in range(20)], options=options)
    cut = toys.trimmed(whole, tmp_path / "cut.mp4", start, key=start // 6 * 6)
    source = media.FileSource(cut)
    assert source.notes == () and toys.numbers(source.read(0, source.length)) == list(range(start, 20))
    assert toys.numbers(source.read(4, 9)) == list(range(start + 4, start + 9))


@pytest.mark.parametrize("bframes", [0, 3])
@pytest.mark.parametrize("ending", ["mkv", "mp4", "ts", "avi", "mov", "nut"])
def test_any_range_of_any_container(tmp_path: Path, ending: str, bframes: int) -> None:
    options = {"bf": str(bframes), "g": "12", "keyint_min": "12", "sc_threshold": "0"}
    path = toys.film(tmp_path / f"x.{ending}", [toys.numbered(i) for i in range(50)], options=options)
    with media.FileSource(path) as source:
        assert source.length == 50 and source.fps == 25, source.notes
        for start, stop in [(0, 50), (13, 20), (11, 13), (40, 41), (0, 3), (37, 50)]:
            assert toys.numbers(source.read(start, stop)) == list(range(start, stop))


@pytest.mark.parametrize(
    ("codec", "ending"), [("libvpx", "webm"), ("libvpx-vp9", "webm"), ("mpeg4", "avi"), ("mpeg2video", "mpg")]
)
def test_other_codecs_lose_nothing(tmp_path: Path, codec: str, ending: str) -> None:
    options = {"bf": "2"} if "mpeg" in codec else {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "realtime"}
    path = toys.film(tmp_path / f"x.{ending}", [toys.numbered(i) for i in range(40)], codec=codec, options=options)
    video = media.read_video(path)
    assert toys.numbers(video.frames) == list(range(40)) and video.fps == 25, video.notes


def test_damage_in_the_middle_leaves_the_rest_in_its_place(tmp_path: Path) -> None:
    options = {"g": "10", "keyint_min": "10", "sc_threshold": "0"}
    path = toys.film(tmp_path / "x.mkv", [toys.numbered(i) for i in range(50)], options=options)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for packet in packets[20:24]:
        at = data.index(bytes(packet))
        data[at : at + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    video = media.read_video(path)
    found = toys.numbers(video.frames)
    assert len(found) == 50 and found[:20] == list(range(20)) and found[30:] == list(range(30, 50))
    assert any("damaged" in note for note in video.notes)


def test_a_size_that_changes_midway_is_scaled_and_said(tmp_path: Path) -> None:
    for name, size in (("a.ts", (48, 64)), ("b.ts", (96, 128))):
        toys.film(tmp_path / name, [toys.numbered(i, *size) for i in range(10)])
    path = tmp_path / "x.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    video = media.read_video(path)
    assert video.frames.shape == (20, 48, 64, 3) and any("change size" in note for note in video.notes)


@pytest.mark.parametrize(("aspect", "size"), [("4/3", (48, 85)), ("1/2", (96, 64)), ("16/11", (48, 93))])
def test_pixels_that_are_not_square_are_made_square(tmp_path: Path, aspect: str, size: tuple[int, int]) -> None:
    path = toys.film(tmp_path / "x.mp4", [toys.numbered(i) for i in range(3)], aspect=Fraction(aspect))
    video = media.read_video(path)
    assert video.frames.shape == (3, *size, 3) and "pixels are" in video.notes[0]
    assert (media.probe(path).height, media.probe(path).width) == size


@pytest.mark.parametrize("aspect", ["12/11", "100/1", "1/99", "0/1"])
def test_nearly_square_and_absurd_pixels_leave_frames_untouched(aspect: str) -> None:
    frame, stream, notes = av.VideoFrame(64, 48, "yuv420p"), SimpleNamespace(sample_aspect_ratio=Fraction(aspect)), []
    assert square(frame, stream, notes) == (48, 64) and len(notes) == (aspect != "0/1")  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", ["0x0", "²x²", "63x47", "-1x5", "64x", "x", "1e3x9", "99999999999x1", "32x24"])
def test_a_crop_that_cannot_be_ours_is_ignored_with_a_note(tmp_path: Path, tag: str) -> None:
    muxing = {"movflags": "use_metadata_tags"}
    path = toys.film(tmp_path / "x.mp4", [toys.numbered(1)] * 2, tags={"crop": tag}, muxing=muxing)
    video = media.read_video(path)
    if tag == "63x47":  # what our writer says of odd sides
        assert video.frames.shape == (2, 47, 63, 3) and not video.notes
    else:
        assert video.frames.shape == (2, 48, 64, 3) and "'crop'" in video.notes[0]


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "x.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = 0x400  # an attached picture
        noise = np.zeros((1, 16000), np.float32)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.rate = 16000
        picture = av.VideoFrame.from_ndarray(toys.numbered(1), "rgb24")
        picture.pts = 0
        container.mux(cover.encode(picture))
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        container.mux(cover.encode(None))
    with pytest.raises(MediaError, match=r"x\.m4a holds no video"):
        media.probe(path)


@pytest.mark.parametrize(
    "name", ["What is this? [abc-12].mp4", "a:b.mp4", "%05d.mp4", "-i.mp4", "#1 & 'co'.mp4", "红球.mp4", "http:x.mp4"]
)
def test_any_name_that_exists_is_read(tmp_path: Path, name: str) -> None:
    path = toys.film(tmp_path / "x.mp4", [toys.numbered(i) for i in range(3)]).rename(tmp_path / name)
    assert toys.numbers(media.read_video(path).frames) == [0, 1, 2]


@pytest.mark.parametrize("script", ["ffconcat version 1.0\nfile secret.mp4\n", "#EXTM3U\n#EXTINF:9,\nsecret.mp4\n"])
def test_a_script_with_the_name_of_a_video_is_not_obeyed(tmp_path: Path, script: str) -> None:
    toys.film(tmp_path / "secret.mp4", [toys.numbered(i) for i in range(3)])
    (tmp_path / "x.mp4").write_text(script)
    for read in (media.read_video, media.read_metadata, media.read_sound):
        with pytest.raises(MediaError, match=r"x\.mp4"):
            read(tmp_path / "x.mp4")


def test_an_hour_of_black_is_counted_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size comes from the packets; what does not fit is refused in a moment, and a part is read."""
    from sora_nodes.sora_core.errors import ResourceError

    black = np.zeros((360, 640, 3), np.uint8)
    path = toys.film(tmp_path / "x.mkv", [black] * 50, [i * 1000 for i in range(49)] + [3_600_000], unit=MS)
    monkeypatch.setattr("sora_nodes.sora_core.memory.free_memory", lambda: 300 << 20)
    source = media.FileSource(path)
    monkeypatch.setattr(source, "length", 108_000)
    with pytest.raises(ResourceError, match=r"108000 frames of 640x360 needs about 74\.6 GB"):
        source.read(0, source.length)


def test_placing_keeps_order_and_gaps_close_to_the_usual_step() -> None:
    assert closed([0, 40, 80, 10**9], 1e-3, []) == [0, 40, 80, 120]
    assert placed([0, 40, 41, 80, 120], 40.0) == ([0, 1, 2, 3], [0, 1, 3, 4])
    assert placed([0, 40, 41, 120, 160], 40.0) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])


def test_what_is_not_read_of_a_file_is_said(tmp_path: Path) -> None:
    path, picture = tmp_path / "much.mkv", av.VideoFrame.from_ndarray(toys.numbered(1), "rgb24")
    with av.open(str(path), "w") as container:
        films = [container.add_stream("ffv1", rate=8) for _ in range(2)]
        for stream, form in zip(films, ["bgra", "yuv420p"], strict=True):
            stream.width, stream.height, stream.pix_fmt = 64, 48, form
        tracks = [container.add_stream("pcm_s16le", rate=8000) for _ in range(2)]
        for stream in films:
            picture.pts = 0
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
            container.mux(stream.encode(None))
        for stream in tracks:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
            sound.sample_rate, sound.pts = 8000, 0
            container.mux(stream.encode(sound))
        part = {"id": 0, "start": 0, "end": 100, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
        container.set_chapters([part])
    told = " ".join(media.FileSource(path).notes)
    expected = ["first of its 2 videos", "first of its 2 sound tracks", "transparency is not read"]
    for words in [*expected, "chapters are left out"]:
        assert words in told


def test_interlaced_video_is_said(tmp_path: Path) -> None:
    woven = toys.film(
        tmp_path / "tv.mpg", [toys.natural()] * 4, codec="mpeg2video", options={"flags": "+ildct+ilme", "top": "1"}
    )
    assert any("interlaced" in note for note in media.FileSource(woven).notes)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_a_picture_that_is_renewed_part_by_part_is_read_from_where_it_is_whole(tmp_path: Path, ending: str) -> None:
    """What an encoder calls key frames there gives no whole picture for a while."""
    options = {"x264-params": "intra-refresh=1:keyint=24", "crf": "23", "bf": "0"}
    path = toys.film(tmp_path / f"a{ending}", [toys.natural(72)] * 72, options=options)
    whole = media.FileSource(path).read(0, 72)
    for start in (30, 55, 67):
        assert torch.equal(media.FileSource(path).read(start, 72), whole[start:])


def test_an_avi_that_shows_a_frame_twice_has_its_own_rate_and_is_whole(tmp_path: Path) -> None:
    path = toys.film(tmp_path / "x.avi", [toys.numbered(i) for i in range(48)], [0, *range(2, 49)], rate=24)
    source = media.FileSource(path)
    assert source.fps == 24 and source.notes == ()
    assert toys.numbers(source.read(0, source.length)) == list(range(48))


def test_one_frame_is_no_plural() -> None:
    assert [frame_count(frames) for frames in (0, 1, 2, 1200)] == ["0 frames", "1 frame", "2 frames", "1,200 frames"]
