"""An early look is a small video of what is sampled so far, and never stops a run."""

from pathlib import Path

import torch
from editing_toys import tiny_model
from sora_nodes import cli
from sora_nodes.sora_core.media import FileSource
from sora_nodes.sora_core.pipeline import generate
from sora_nodes.sora_core.pipeline.preview import EarlyLook

MODEL = tiny_model()
LATENT = torch.randn(1, MODEL.geometry.channels, 5, 2, 4, generator=torch.Generator().manual_seed(0))


def test_a_run_writes_an_early_look(tmp_path: Path) -> None:
    generate("a red ball", out=tmp_path / "out.mp4", preview=tmp_path / "look.mp4", seconds=2.0, size=(64, 32),
             expand=False, model=MODEL, settings=MODEL.settings.with_(steps=2))  # fmt: skip
    look = FileSource(tmp_path / "look.mp4")
    assert (look.height, look.width, look.length, look.fps) == (128, 256, 5, 2.0)


def test_a_look_shows_the_colours_of_the_decoded_clip() -> None:
    look = EarlyLook(Path("x.mp4"), MODEL.codec, 8.0)
    frames = look.frames(LATENT)
    assert frames.shape == (5, 128, 256, 3) and frames.min() >= 0 and frames.max() <= 1


def test_it_is_written_every_few_seconds_and_its_faults_stop_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    look = EarlyLook(tmp_path / "look.mp4", MODEL.codec, 8.0, every=3600.0, warn=said.append)
    look(1, LATENT)
    first = (tmp_path / "look.mp4").stat().st_mtime_ns
    look(2, LATENT)
    assert (tmp_path / "look.mp4").stat().st_mtime_ns == first
    nowhere = EarlyLook(tmp_path / "none" / "look.mp4", MODEL.codec, 8.0, every=0.0, warn=said.append)
    nowhere(1, LATENT)
    nowhere(2, LATENT)
    assert len(said) == 1 and "no early look" in said[0]


def test_where_it_cannot_be_is_said_before_the_work(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert cli.main(["generate", "a ball", "--preview", str(tmp_path / "look.gif"), "-o", str(tmp_path / "o.mp4")]) == 2
    workflow = Path(__file__).parent.parent / "example_workflows" / "text_to_video.json"
    assert cli.main(["run", str(workflow), "--preview", str(tmp_path / "x.gif"), "--out", str(tmp_path)]) == 2
    assert ".mp4" in capsys.readouterr().err
