"""Files that are loaded and saved: streams are copied where they are sound, and faults go no further."""

import json
from io import BytesIO
from pathlib import Path

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from sora_nodes import cli
from sora_nodes.sora_core import media
from sora_nodes.sora_core.media.remux import copy_video, remux
from test_media_channels import loud, speaking

pytestmark = pytest.mark.usefixtures("workplace")


def run(folder: Path, graph: dict[str, object]) -> int:
    (folder / "w.json").write_text(json.dumps(graph))
    return cli.main(["run", "w.json"])


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_a_sound_file_is_copied_bit_for_bit_and_keeps_its_tags(tmp_path: Path) -> None:
    muxing = {"movflags": "use_metadata_tags"}
    toys.film(tmp_path / "a.mp4", [toys.numbered(i) for i in range(9)], tags={"prompt": "{}"}, muxing=muxing)
    copy_video(tmp_path / "a.mp4", tmp_path / "b.mp4", {"workflow": "[]"})
    assert packets(tmp_path / "a.mp4") == packets(tmp_path / "b.mp4")
    assert media.read_metadata(tmp_path / "b.mp4") == {"prompt": "{}", "workflow": "[]"}


def test_what_fits_into_no_mp4_is_written_anew(tmp_path: Path) -> None:
    toys.film(tmp_path / "a.avi", [toys.numbered(i) for i in range(9)], codec="huffyuv", form="yuv422p")
    copy_video(tmp_path / "a.avi", tmp_path / "b.mp4", {"workflow": "[]"})
    assert toys.numbers(media.read_video(tmp_path / "b.mp4").frames) == list(range(9))
    assert media.read_metadata(tmp_path / "b.mp4")["workflow"] == "[]"


@pytest.mark.parametrize("layout", ["stereo", "7.1"])
def test_the_sound_of_cameras_is_heard_in_an_mp4(
    tmp_path: Path, layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An mp4 may hold PCM, which few players take; the pictures are copied as they are."""
    given = speaking(tmp_path / "input" / "x.mov", layout, "pcm_s16le", speaker="FR")
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "x.mov"}},
        "2": {"class_type": "SoraSaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "x"}},
    }
    assert run(tmp_path, graph) == 0
    assert "x.mov: its sound is encoded as aac; a mov or mkv keeps pcm_s16le." in capsys.readouterr().err
    made = tmp_path / "output" / "x_00001_.mp4"
    before, after = media.read_sound(given), media.read_sound(made)
    assert before is not None and after is not None and before.waveform.shape == after.waveform.shape
    assert (before.waveform - after.waveform).abs().mean() < 0.01 and loud(made) == [1]
    with av.open(str(made)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    assert [p[-100:] for p in packets(made)] == [p[-100:] for p in packets(given)]


def test_faults_of_a_file_are_said_and_not_handed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.film(tmp_path / "input" / "x.mkv", [toys.numbered(i) for i in range(4)], [0, 125, 250, 1 << 36],
              unit=toys.Fraction(1, 1000))  # fmt: skip
    for loader in ("SoraLoadVideo", "LoadVideo"):
        graph = {
            "1": {"class_type": loader, "inputs": {"file": "x.mkv"}},
            "2": {"class_type": "SoraSaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": loader}},
        }
        assert run(tmp_path, graph) == 0
        assert "gap is closed" in capsys.readouterr().err
        video = media.read_video(tmp_path / "output" / f"{loader}_00001_.mp4")
        assert toys.numbers(video.frames) == [0, 1, 2, 3] and video.fps == 8 and not video.notes


def test_a_cut_file_is_copied_as_far_as_it_goes(tmp_path: Path) -> None:
    path = toys.film(tmp_path / "a.mp4", [toys.natural(seed=i) for i in range(40)], muxing={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    there = media.read_video(path)
    copy_video(path, tmp_path / "b.mp4", {})
    copied = media.read_video(tmp_path / "b.mp4")
    assert there.notes and not copied.notes and len(copied.frames) == len(there.frames)


def test_names_that_exist_are_found_and_new_ones_stay_plain(tmp_path: Path) -> None:
    name = "What is this? [abc-12].mp4"
    toys.film(tmp_path / "input" / name, [toys.numbered(i) for i in range(3)])
    graph = {
        "1": {"class_type": "SoraLoadVideo", "inputs": {"file": name}},
        "2": {"class_type": "SoraSaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "a/copy"}},
    }
    assert run(tmp_path, graph) == 0 and (tmp_path / "output" / "a" / "copy_00001_.mp4").is_file()
    graph["2"]["inputs"]["filename_prefix"] = "a?b"  # type: ignore[index,call-overload]
    assert run(tmp_path, graph) == 2


def test_an_animation_is_saved_frame_by_frame(tmp_path: Path) -> None:
    from PIL import Image

    first, *rest = [Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)) for i in range(1, 6)]
    first.save(tmp_path / "input" / "anim.gif", save_all=True, append_images=rest)
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "anim.gif"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "img/o"}},
    }
    assert run(tmp_path, graph) == 0
    assert sorted(p.name for p in (tmp_path / "output" / "img").iterdir()) == [f"o_0000{i}_.png" for i in range(1, 6)]


def test_filling_the_first_frame_alone() -> None:
    """One latent frame of one picture: there are no later ones to group."""
    import torch
    from sora_nodes.sora_core.editing.fill import latent_mask
    from sora_nodes.sora_core.grid import Geometry

    geometry = Geometry(channels=4, time_factor=4, space_factor=8, patch=1)
    assert latent_mask(torch.ones(1, dtype=torch.bool), (16, 16), geometry).shape == (1, 1, 1, 2, 2)


@pytest.mark.parametrize("name", ["a.mkv", "a.h264", "a.ts", "a.mov", "a.avi"])
def test_frames_that_are_decoded_in_another_order_are_all_copied(tmp_path: Path, name: str) -> None:
    """Matroska does not store when frames are decoded, and a bare stream no times at all."""
    pictures = [toys.numbered(i) for i in range(12)]
    source = toys.film(tmp_path / name, pictures, options={"bf": "3", "g": "250"})
    copy_video(source, tmp_path / "b.mp4", {})
    assert toys.numbers(media.read_video(tmp_path / "b.mp4").frames) == list(range(12))


@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv"])
def test_what_was_trimmed_away_does_not_come_back(tmp_path: Path, name: str) -> None:
    whole = toys.film(tmp_path / "a.mp4", [toys.numbered(i) for i in range(12)], options={"g": "250"})
    copy_video(toys.trimmed(whole, tmp_path / "cut.mp4", 5, key=0), tmp_path / name, {})
    assert toys.numbers(media.read_video(tmp_path / name).frames) == list(range(5, 12))


def test_what_a_copy_could_not_show_is_written_anew(tmp_path: Path) -> None:
    source = toys.film(tmp_path / "a.y4m", [toys.numbered(i) for i in range(9)], codec="rawvideo")
    copy_video(source, tmp_path / "b.mov", {})
    assert toys.numbers(media.read_video(tmp_path / "b.mov").frames) == list(range(9))


def test_sound_that_begins_with_what_its_encoder_adds_is_copied(tmp_path: Path) -> None:
    pictures = torch.from_numpy(np.stack([toys.numbered(i) for i in range(9)]))
    media.write_video(
        tmp_path / "a.mp4", pictures, 9, sound=media.Sound(waveform=torch.rand(2, 48_000) - 0.5, rate=48_000)
    )
    remux(BytesIO((tmp_path / "a.mp4").read_bytes()), tmp_path / "b.mkv", {})
    assert toys.numbers(media.read_video(tmp_path / "b.mkv").frames) == list(range(9))
    assert media.read_sound(tmp_path / "b.mkv") is not None
