"""The detector: the bundled model's clips are known without a watermark, true ones are left alone."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from PIL import Image
from sora_nodes.cli import main
from sora_nodes.commands.detect import frames_of
from sora_nodes.sora_core.errors import MediaError, SoraError
from sora_nodes.sora_core.evaluation.fuzz import mutated, targets
from sora_nodes.sora_core.media import write_video
from sora_nodes.sora_core.safety.detect import Detector, clip_features, detect
from sora_nodes.sora_core.training.attacks import x264
from sora_nodes.sora_core.training.detector import DetectorTraining, fit
from sora_nodes.sora_core.training.pictures import clips


def drawn(seed: int, frames: int = 9, side: int = 64) -> torch.Tensor:
    made = clips(1, frames, side, torch.Generator().manual_seed(seed), torch.device("cpu"))[0]
    return (made.permute(0, 2, 3, 1) * 255).round().byte()


def test_drawn_clips_are_not_called_generated() -> None:
    coded = [x264(drawn(seed, 17).permute(0, 3, 1, 2).float() / 255, 23) for seed in range(6)]
    seen = [(video.permute(0, 2, 3, 1) * 255).round().byte() for video in coded]
    assert sum(detect([clip], search=False).generated for clip in seen) <= 1


def test_a_clip_larger_than_those_it_was_fitted_on_is_not_judged() -> None:
    seen = detect([torch.randint(0, 255, (2, 144, 256, 3), dtype=torch.uint8)], search=False)
    assert not seen.generated and not seen.judged and "up to 128 pixels" in seen.sentence()
    assert detect([torch.randint(0, 255, (2, 128, 256, 3), dtype=torch.uint8)], search=False).judged


def test_statistics_are_finite_for_any_clip() -> None:
    black = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    sizes = {len(clip_features(clip)) for clip in (black, black.repeat(2, 1, 1, 1), drawn(0), drawn(0, 1, 200))}
    assert len(sizes) == 1
    assert all(torch.isfinite(clip_features(clip)).all() for clip in (black, black[:, :1, :1], drawn(1)))
    with pytest.raises(MediaError, match="without frames"):
        detect([])


def test_fitting_tells_two_kinds_apart_and_keeps_false_alarms_down(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(200) % 2).float()
    features = torch.randn(200, 5, generator=generator) + 3 * labels[:, None] * torch.tensor([1.0, 0, 0, 1, 0])
    scores = Detector.load(fit(DetectorTraining(steps=100, margin=0.0), features, labels, tmp_path)).logit(features)
    assert (scores[labels == 0] > 0).float().mean() <= 0.01
    assert (scores[labels == 1] > 0).float().mean() > 0.5


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "clip.mp4", drawn(3), 8.0)
    assert main(["detect", "--json", str(tmp_path / "clip.mp4")]) == 0
    assert json.loads(capsys.readouterr().out)["generated"] is False


@pytest.mark.parametrize("command", ["detect", "verify"])
def test_a_file_that_cannot_be_read_does_not_silence_the_others(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a name that begins with a dash, behind `--`."""
    if command == "verify":
        pytest.importorskip("c2pa")
    monkeypatch.chdir(tmp_path)
    write_video("-clip.mp4", drawn(3), 8.0)
    assert main([command, "--json", "--", "none.mp4", "-clip.mp4"]) == 2
    said = capsys.readouterr()
    none, clip = (json.loads(line) for line in said.out.splitlines())
    assert none["file"] == "none.mp4" and none["error"] in said.err and clip["file"] == "-clip.mp4"


@pytest.mark.parametrize("name", ["still.bmp", "still", "still.tiff", "moves.webp", "moves.gif", "moves.png"])
def test_pictures_of_any_kind_and_name_are_judged_and_animations_by_all_their_frames(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(frame) for frame in drawn(1, 3).numpy()]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 100} if "moves" in name else {}
    frames[0].save(tmp_path / name, format=None if "." in name else "BMP", **moving)
    assert sum(len(chunk) for chunk in frames_of(tmp_path / name)) == (3 if moving else 1)


def test_mutations_change_what_they_are_given(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for data, try_it in targets(tmp_path):
        for _ in range(6):
            changed = mutated(data, generator)
            assert changed and changed != data
            with suppress(SoraError):
                assert not try_it(changed)
