"""`sora extend CLIP` and its kin: from files to a file, the clip's own frames as they were."""

import json
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from media_toys import film, numbered
from PIL import Image
from sora_nodes import cli
from sora_nodes.commands.edit_options import fast_for
from sora_nodes.sora_core.errors import Cancelled, MediaError
from sora_nodes.sora_core.media import Sound, read_video, write_video
from sora_nodes.sora_core.pipeline import edit_files
from sora_nodes.sora_core.pipeline.edits import sample_edit
from sora_nodes.sora_core.world import ClipShape, render, sample_scene

QUICK = ["--steps", "2", "--seed", "3", "-o"]


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clips larger than the working size, of one shape, and a picture."""
    monkeypatch.chdir(tmp_path)
    for name, seed in (("a.mp4", 1), ("b.mp4", 2)):
        video = render([sample_scene(seed, family="single")], ClipShape(frames=17, height=120, width=200, fps=8))[0]
        write_video(name, video, 8, lossless=True)
    Image.fromarray(np.full((90, 160, 3), 120, np.uint8)).save("p.png")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "made", "kept"),
    [
        (["extend", "a.mp4", "a red ball", "--seconds", "1"], 25, slice(0, 17)),
        (["extend", "a.mp4", "--seconds", "1", "--backward"], 25, slice(8, 25)),
        (["loop", "a.mp4", "--seconds", "1"], 25, slice(0, 17)),
        (["fill", "a.mp4", "a red ball", "--frames", "5-9"], 17, slice(0, 5)),
        (["connect", "a.mp4", "b.mp4", "--seconds", "1"], 42, slice(0, 17)),
        (["restyle", "a.mp4", "a red ball on snow"], 17, None),
    ],
    ids=["extend", "backward", "loop", "fill", "connect", "restyle"],
)
def test_a_clip_is_edited_at_its_own_size(
    clips: Path, command: list[str], made: int, kept: slice | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, *QUICK, "out.mp4"]) == 0
    said = capsys.readouterr()
    assert said.out == "out.mp4\n" and "about" in said.err and "of memory" in said.err
    frames = read_video("out.mp4").frames
    assert len(frames) == made and frames.shape[1:] == (120, 200, 3)
    if kept is not None:
        given = read_video("a.mp4").frames[: kept.stop - kept.start]
        error = (frames[kept].float() - given.float()).abs().mean()
        assert error < 1.5, "kept frames differ from the file's by no more than one encoding"


def test_few_steps_have_settings_of_their_own(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extend = ["extend", "a.mp4", "a red ball, no snow", "--seconds", "0.5", "--fast", "-o", "out.mp4"]
    assert cli.main([*extend, "--steps", "9"]) == 2
    assert "leave out --steps" in capsys.readouterr().err and not Path("out.mp4").exists()
    assert cli.main(extend) == 0
    assert "nothing is kept out, so this has no effect: snow" in capsys.readouterr().err
    with av.open("out.mp4") as file:
        made_with = json.loads(file.metadata["sora_edit"])
    assert (made_with["steps"], made_with["cfg"], made_with["solver"]) == (4, 1.0, "euler")


@pytest.mark.parametrize(
    ("command", "fast"),
    [
        (["extend", "a.mp4", "a red ball"], True),
        (["animate", "p.png", "a red ball"], True),
        (["extend", "a.mp4", "a red ball", "--no-fast"], False),
        (["extend", "a.mp4", "a red ball", "--cfg", "3"], False),
        (["extend", "a.mp4", "a red ball", "--negative", "snow"], False),
        (["extend", "a.mp4", "a red ball, no snow"], False),
        (["extend", "a.mp4", "a red ball, no snow", "--no-expand"], True),
        (["restyle", "a.mp4", "on snow"], False),
        (["restyle", "a.mp4", "on snow", "--fast"], True),
    ],
)
def test_few_steps_are_taken_where_they_do(command: list[str], fast: bool) -> None:
    assert fast_for(cli.parse(command)) is fast


def test_a_clip_is_not_written_over_itself(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = Path("b.mp4").read_bytes()
    Path("link.mp4").symlink_to("b.mp4")
    for name in ("b.mp4", "./b.mp4", "link.mp4"):
        assert cli.main(["connect", "a.mp4", "b.mp4", "--seconds", "1", *QUICK, name]) == 2
        assert "would be lost under what it writes" in capsys.readouterr().err
    assert Path("b.mp4").read_bytes() == given


def test_a_second_clip_of_another_shape_and_rate_is_cut_and_not_squashed(clips: Path) -> None:
    ring = torch.zeros(12, 160, 160, 3)
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")
    ring[:, ((y - 80) ** 2 + (x - 80) ** 2).sqrt() < 30] = 0.8
    write_video("ring.mp4", (ring * 255).byte(), fps=12)
    assert cli.main(["connect", "a.mp4", "ring.mp4", "--seconds", "1", *QUICK, "out.mp4"]) == 0
    last = read_video("out.mp4").frames[-1].float()
    assert last.shape == (120, 200, 3)
    high, wide = ((last.mean(2) > 100).any(side).sum() for side in (1, 0))
    assert abs(int(high) - int(wide)) <= 2 and abs(int(wide) - 75) <= 3, "a disc of 60 pixels, enlarged by 200/160"


@pytest.mark.parametrize("hold", [[], ["--hold"]])
def test_a_picture_is_animated_at_its_own_size(
    clips: Path, hold: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An odd shape larger than the working size; its fine stripes could not survive being made smaller."""
    picture = np.full((131, 230, 3), 120, np.uint8)
    picture[::2] = 150
    Image.fromarray(picture).save("p.png")
    assert cli.main(["animate", "p.png", "a red ball", *hold, "--seconds", "1", *QUICK, "out.mp4"]) == 0
    said = capsys.readouterr().err
    assert "made at 192x112 and brought to 230x131" in said and "saved as 230x132: H.264 has even sides" in said
    frames = read_video("out.mp4").frames.float()
    assert frames.shape == (8, 131, 230, 3)
    assert (frames[0] - torch.from_numpy(picture)).abs().mean() < 6, "the first frame is the picture"
    assert abs(frames[1, 30:100].mean() - 135) < 25, "and what follows is of it"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--size", "40000x40000"], "width must be between 1 and 8192 pixels, not 40000"),
        (["--size", "8000x8000", "--fps", "240", "--seconds", "3600"], "cannot write out.mp4: that needs about 13."),
    ],
    ids=["side", "disk"],
)
def test_a_picture_is_not_scaled_to_what_cannot_be_made(
    clips: Path, asked: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sora_nodes.sora_core.editing.sizes.fit_frames", None)
    assert cli.main(["animate", "p.png", "a red ball", *asked, *QUICK, "out.mp4"]) == 2
    assert words in capsys.readouterr().err


def test_a_picture_is_animated_at_the_size_asked_for(clips: Path) -> None:
    assert cli.main(["animate", "p.png", "a red ball", "--size", "72x96", "--seconds", "1", *QUICK, "out.mp4"]) == 0
    assert read_video("out.mp4").frames.shape == (8, 96, 72, 3)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["extend", "none.mp4"], "there is no file none.mp4"),
        (["extend", "a.mp4", "--seconds", "0"], "seconds must be above 0"),
        (["fill", "a.mp4", "--frames", "9-40"], "frames 0 to 16"),
        (["fill", "a.mp4", "--frames", "9-4"], "say 4-9"),
        (["fill", "a.mp4", "--frames", "x"], "FIRST-LAST"),
        (["extend", "a.mp4", "--seconds", "inf"], "3600, not inf"),
        (["restyle", "a.mp4", "x", "--denoise", "3"], "--denoise"),
        (["extend", "p.png"], "p.png"),
        (["loop", "a.mp4", "-o", "x.gif"], ".mp4"),
    ],
)
def test_a_mistake_is_one_line(clips: Path, command: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert torch.equal(
        torch.tensor(sorted(p.name == "a.mp4" for p in clips.glob("*.mp4"))), torch.tensor([False, True])
    )


@pytest.mark.parametrize("command", [["extend", "x.mp4", "--seconds", "1"], ["restyle", "x.mp4", "a red ball"]])
def test_damage_that_is_met_on_the_way_is_said(
    clips: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    film(Path("x.mp4"), [numbered(i) for i in range(40)], options={"g": "10", "keyint_min": "10", "sc_threshold": "0"})
    with av.open("x.mp4") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(Path("x.mp4").read_bytes())
    for packet in packets[22:26]:
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    Path("x.mp4").write_bytes(data)
    assert cli.main([*command, *QUICK, "out.mp4"]) == 0
    assert "x.mp4: it is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["extend", "a.mp4", "--seed", "-1"], "a seed is a whole number from 0"),
        (["animate", "p.png", "--fps", "0"], "fps must be above 0"),
        (["animate", "p.png", "--fps", "0.1"], "at least 2 frames, not 1; make it longer or faster"),
        (["extend", "a.mp4", "-o", ".mp4"], "so .mp4 needs a name with that ending"),
        (["extend", "p.webp"], "an animated WEBP; save it as .gif or .mp4"),
        (["extend", "."], "is no file but a folder"),
        (["extend", "a red ball rolls on " * 20], "there is no file a red ball"),
        (["extend", "a.mp4", "a red ball", "--negative", "child porn"], "the policy refuses this prompt: minors"),
        (["extend", "a red ball", "a.mp4"], 'the file comes first: sora extend a.mp4 "a red ball"'),
        (["extend", "a.mp4", "-o", "link.mp4"], "cannot write link.mp4: there is no folder"),
        (["detect", "pipe"], "there is no video file pipe"),
        (["detect", "x" * 300], "there is no video file xxx"),
        (["run", "x" * 300], "there is no workflow file xxx"),
        (["run", "p.png", "--input", "x" * 300], "carries no workflow"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    clips: Path, command: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [Image.fromarray(np.full((40, 64, 3), level, np.uint8)) for level in (0, 90, 180)]
    frames[0].save("p.webp", save_all=True, append_images=frames[1:], duration=100)
    Path("link.mp4").symlink_to("gone/x.mp4")
    os.mkfifo("pipe")
    assert cli.main(command) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("steps", ["0", "-1", "99999999999"])
def test_steps_that_cannot_be_are_refused_before_anything_is_said_of_the_run(
    clips: Path, steps: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["extend", "a.mp4", "--no-expand", "--steps", steps]) == 2
    assert capsys.readouterr().err == f"sora: steps must be between 1 and 1000, not {steps}\n"


def test_sound_that_cannot_be_read_is_dropped_with_a_word_before_anything_is_sampled(
    clips: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found behind the sampling it would fail the run, now and at every later call."""

    def unreadable(path: Path) -> Sound | None:
        if path.name == "b.mp4":
            raise MediaError(f"{path} has sound that cannot be decoded.")
        return None

    def sampled(*given: object, **named: object) -> None:
        raise Cancelled

    monkeypatch.setattr("sora_nodes.sora_core.pipeline.edit_files.read_sound", unreadable)
    monkeypatch.setattr("sora_nodes.sora_core.pipeline.edit_files.sample_edit", sampled)
    assert cli.main(["connect", "a.mp4", "b.mp4", "--seconds", "0.2", "--no-refine", *QUICK, "out.mp4"]) == 130
    said = capsys.readouterr().err
    assert "warning: the sound is dropped: b.mp4 has sound that cannot be decoded." in said


def test_what_of_a_picture_is_not_animated_is_said(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.fromarray(np.full((40, 64, 4), level, np.uint8)) for level in (90, 180)]
    frames[0].save("p.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    assert cli.main(["animate", "p.webp", "a ball", "--seconds", "0.3", "--no-refine", *QUICK, "out.mp4"]) == 0
    said = capsys.readouterr().err
    assert "several pictures, of which the first" in said and "the transparency of p.webp is left out" in said


def test_sound_of_a_file_that_was_replaced_is_not_taken(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a restyled clip nothing but its sound is read once it is sampled."""

    def replacing(*given: Any, **named: Any) -> torch.Tensor:
        Path("b.mp4").replace("a.mp4")
        return sample_edit(*given, **named)

    monkeypatch.setattr(edit_files, "sample_edit", replacing)
    assert cli.main(["restyle", "a.mp4", "on snow", *QUICK, "out.mp4"]) == 2 and not Path("out.mp4").exists()
