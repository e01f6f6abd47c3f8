"""The Sora nodes from end to end on a tiny random model: what `sora run` makes of the example workflows, and of its
own files."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from device_toys import moved, second_device
from sora_nodes import cli
from sora_nodes.nodes import calls, host, models
from sora_nodes.nodes.host import io, ui
from sora_nodes.nodes.layouts.latents import KEY, LatentInfo
from sora_nodes.nodes.layouts.pictures import check_video
from sora_nodes.nodes.sampling import SoraSampler
from sora_nodes.nodes.showing import ShownVideo
from sora_nodes.nodes.video import SoraDecodeVideo, lost_note
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import VideoSize, plan
from sora_nodes.sora_core.media import probe, read_image, read_metadata, read_video, write_video
from sora_nodes.sora_core.media.remux import remux
from sora_nodes.sora_core.text.encoder import TextConfig, TextEncoder
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig

EXAMPLES = Path(__file__).parent.parent / "example_workflows"
SECOND = VideoSize(frames=8, height=32, width=32, fps=8.0)
QUICK = ["--set", "SoraSampler.steps=2"]


@pytest.fixture(scope="module")
def tiny() -> pipeline.SoraModel:
    """A model of the bundled kind with random weights, small enough to sample in a moment."""
    torch.manual_seed(0)
    codec = BundledCodec(CodecConfig(channels=4, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1)))
    text = TextEncoder(TextConfig(vocabulary=("a", "red", "ball"), width=16, depth=1, heads=2, mlp_width=16, tokens=8))
    sizes = {"width": 32, "depth": 1, "heads": 2, "mlp_width": 32, "channels": 4, "text_width": 16, "text_tokens": 8}
    dit = DiT(DiTConfig(**sizes, time_features=16, prediction="clean", per_position_time=True, grid_features=True))
    for module in (codec, text, dit):
        module.eval().requires_grad_(False)
    return pipeline.SoraModel(codec=codec, text=text, tokenizer=WordTokenizer(text.config.vocabulary, 8), dit=dit)


@pytest.fixture(autouse=True)
def _tiny_is_bundled(tiny: pipeline.SoraModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "load_bundled", lambda device="cpu", fast=False: tiny)
    monkeypatch.chdir(tmp_path)


def frames_of(path: Path) -> torch.Tensor:
    return read_video(path).frames


def test_text_to_video_makes_a_file_that_carries_its_workflow_and_makes_itself_again(tmp_path: Path) -> None:
    assert cli.main(["run", str(EXAMPLES / "text_to_video.json"), *QUICK]) == 0
    first = tmp_path / "output" / "video" / "sora_00001_.mp4"
    info = probe(first)
    assert (info.width, info.height, info.frames, info.fps) == (400, 224, 16, 8.0)
    carried = read_metadata(first)
    assert json.loads(carried["workflow"])["nodes"] and json.loads(carried["prompt"])
    assert cli.main(["run", str(first)]) == 0
    assert torch.equal(frames_of(first), frames_of(tmp_path / "output" / "video" / "sora_00002_.mp4"))
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["video"]


def test_weights_on_a_second_device_give_the_same_video(
    tiny: pipeline.SoraModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example, videos = str(EXAMPLES / "text_to_video.json"), tmp_path / "output" / "video"
    assert cli.main(["run", example, *QUICK]) == 0
    far = replace(tiny, **{part: moved(deepcopy(getattr(tiny, part))) for part in ("codec", "text", "dit")})
    monkeypatch.setattr(pipeline, "load_bundled", lambda device="cpu", fast=False: far)
    with second_device():
        assert cli.main(["run", example, *QUICK]) == 0
        pipeline.generate(
            "a red ball", out=tmp_path / "b.mp4", seconds=1, settings=far.settings.with_(steps=2), model=far
        )
    near, there = (frames_of(videos / f"sora_{number:05}_.mp4").float() for number in (1, 2))
    assert (near - there).abs().mean() < 1


def test_no_step_waits_for_the_device(tiny: pipeline.SoraModel) -> None:
    far = replace(tiny, **{part: moved(deepcopy(getattr(tiny, part))) for part in ("codec", "text", "dit")})
    grid = plan(VideoSize(frames=9, height=32, width=32, fps=8.0), tiny.geometry)

    def waits(steps: int) -> list[str]:
        with second_device() as waited:
            state, noise = pipeline.empty_state(grid, tiny.geometry), torch.zeros(1, *grid.shape)
            cond, settings = pipeline.encode_text(far, ["a red ball"]), far.settings.with_(steps=steps)
            pipeline.sample(far, state, cond, noise=noise, settings=settings, fps=8.0)
        return waited

    assert waits(9) == waits(2)


def test_a_device_that_is_not_here_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["run", str(EXAMPLES / "text_to_video.json")], ["generate", "a red ball"]):
        assert cli.main([*command, "--device", "abacus"]) == 2
        assert "there is no device 'abacus' here; this torch can use cpu" in capsys.readouterr().err


def test_an_image_is_a_grid_of_one_frame(tmp_path: Path) -> None:
    assert cli.main(["run", str(EXAMPLES / "text_to_image.json"), *QUICK]) == 0
    assert read_image(tmp_path / "output" / "image" / "sora_00001_.png").shape == (1, 288, 288, 3)


def test_the_same_prompt_and_seed_give_what_the_command_gives(tmp_path: Path, tiny: pipeline.SoraModel) -> None:
    settings = [
        "SoraExpandPrompt.prompt=x",
        "SoraSampler.seed=3",
        "SoraNoiseGrid.seconds=1",
        "SoraDecodeVideo.height=0",
    ]
    assert (
        cli.main(
            ["run", str(EXAMPLES / "text_to_video.json"), *QUICK, *(part for s in settings for part in ("--set", s))]
        )
        == 0
    )
    made = tmp_path / "output" / "video" / "sora_00001_.mp4"
    prompt = json.loads(read_metadata(made)["prompt"])
    from sora_nodes.sora_core.world.expand import expand

    caption = expand(
        "x", next(node["inputs"]["seed"] for node in prompt.values() if node["class_type"] == "SoraExpandPrompt")
    )
    sampler = next(node["inputs"] for node in prompt.values() if node["class_type"] == "SoraSampler")
    pipeline.generate(
        caption,
        out=tmp_path / "b.mp4",
        seconds=1,
        size=(200, 112),
        settings=tiny.settings.with_(steps=2, cfg=sampler["cfg"]),
        seed=3,
        model=tiny,
    )
    assert torch.equal(frames_of(made), frames_of(tmp_path / "b.mp4"))


def test_a_draft_and_its_full_size_come_from_one_seed(tmp_path: Path) -> None:
    settings = ["--set", "Draft.steps=2", "--set", "Full size.steps=2"]
    assert cli.main(["run", str(EXAMPLES / "draft_then_full.json"), *settings]) == 0
    sizes = {path.name: (probe(path).width, probe(path).height) for path in (tmp_path / "output" / "video").iterdir()}
    assert sizes == {"draft_00001_.mp4": (114, 64), "full_00001_.mp4": (400, 224)}


def test_a_batch_leaves_a_table_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "jobs.csv"
    table.write_text("SoraExpandPrompt.prompt,SoraSampler.steps,name\na red ball,2,red\na cube,0,cube\n")
    run = [
        "run",
        str(EXAMPLES / "vertical_video.json"),
        "--each",
        str(table),
        "--set",
        "SoraSaveVideo.filename_prefix={name}",
        "--json",
    ]
    assert cli.main(run) == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["done"], report["failed"]) == (1, 1) and "input steps" in report["jobs"][1]["error"]
    names = {path.name for path in (tmp_path / "output").iterdir()}
    assert names == {"journal.jsonl", "results.csv", "contact.png", "red_00001_.mp4"}
    table = (tmp_path / "output" / "results.csv").read_text("utf-8-sig")
    assert table.startswith("job,status,seconds,files,error,notes,")
    assert json.loads((tmp_path / "output" / "journal.jsonl").read_text().splitlines()[0])["notes"], "what nodes said"


@pytest.mark.parametrize("how", [["--validate"], [], ["--each", "jobs.csv"]])
def test_a_folder_whose_name_is_too_long_is_what_is_named(
    how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.csv").write_text("SoraSampler.seed\n1\n")
    assert cli.main(["run", str(EXAMPLES / "text_to_video.json"), "--out", "x" * 300, *how]) == 2
    assert capsys.readouterr().err.startswith(
        f"sora: cannot write {'x' * 57}...: the name is too long, 300 bytes where"
    )


def test_a_folder_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").touch()
    assert cli.main(["run", str(EXAMPLES / "text_to_video.json"), "--out", "taken"]) == 2
    assert capsys.readouterr().err.endswith("the folder taken cannot be made: a file has that name; name another.\n")


def test_validate_says_what_is_wrong_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = str(EXAMPLES / "text_to_video.json")
    assert cli.main(["run", example, "--validate"]) == 0
    assert cli.main(["run", example, "--validate", "--json", "--set", "SoraSampler.steps=0"]) == 2
    problems = json.loads(capsys.readouterr().out.splitlines()[-1])["problems"]
    assert [(p["kind"], p["input"]) for p in problems] == [("SoraSampler", "steps")]
    assert cli.main(["run", example, "--set", "SoraSampler.step=3"]) == 2
    assert "no input 'step'" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


def test_validate_checks_every_row_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example, table = str(EXAMPLES / "text_to_video.json"), tmp_path / "jobs.csv"
    table.write_text("SoraSampler.steps\n4\n0\nmany\n")
    assert cli.main(["run", example, "--validate", "--each", str(table)]) == 2
    said = capsys.readouterr().err
    assert "2 rows would fail" in said and "row 2:" in said and "row 3:" in said and "row 1:" not in said
    table.write_text("SoraSampler.steps\n4\n5\n")
    assert cli.main(["run", example, "--validate", "--each", str(table)]) == 0


def test_a_grid_beyond_the_machine_is_refused_before_anything_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    huge = [
        "--set",
        "SoraNoiseGrid.short_side=8192",
        "--set",
        "SoraNoiseGrid.seconds=3600",
        "--set",
        "SoraNoiseGrid.aspect=square 1:1",
    ]
    assert cli.main(["run", str(EXAMPLES / "text_to_video.json"), *huge]) == 2
    assert "memory" in capsys.readouterr().err


def test_the_grid_says_what_sampling_will_take(tiny: pipeline.SoraModel) -> None:
    _, summary = calls.empty_latent(tiny, SECOND)
    told = r"tokens; about [\d.]+ [kM]B of memory and [\d.]+ s for 25 steps$"
    assert re.search(told, summary)
    apart = replace(tiny, dit=None)
    for model, known in ((None, False), (object(), False), (tiny, True)):
        _, summary = calls.empty_latent(apart, SECOND, model=model)
        assert bool(re.search(told, summary)) is known, "what came from a file of its own must be linked"
    size = [VideoSize(frames=frames, height=side, width=side, fps=8.0) for frames, side in ((9, 32), (900, 1024))]
    short, long = (pipeline.time_estimate(tiny, plan(one, tiny.geometry)) for one in size)
    assert long > 1000 * short
    assert [calls.time_text(seconds) for seconds in (0.84, 12.3, 200, 9000)] == ["0.8 s", "12 s", "3.3 min", "2.5 h"]


def test_latents_of_image_models_and_masks_of_another_size_are_named(tiny: pipeline.SoraModel) -> None:
    latent, _ = calls.empty_latent(tiny, SECOND)
    text = models.current().encode(tiny, "a red ball")
    settings = {
        "model": tiny,
        "positive": text,
        "seed": 0,
        "steps": 1,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    for wrong, says in (
        ({"samples": torch.zeros(1, 4, 8, 8)}, "five dimensions"),
        ({"samples": torch.zeros(1, 16, 3, 4, 4)}, "16 channels and the model 4"),
        ({**latent, "noise_mask": torch.ones(1, 1, 9, 4, 4)}, "the mask of this LATENT"),
    ):
        with pytest.raises(InputError, match=says):
            SoraSampler.execute(latent=wrong, **settings)


def test_a_latent_in_half_precision_is_decoded(tiny: pipeline.SoraModel) -> None:
    latent, _ = calls.empty_latent(tiny, SECOND)
    for kind in (torch.float16, torch.bfloat16):
        half = {**latent, "samples": latent["samples"].to(kind)}
        assert SoraDecodeVideo.execute(half, tiny, 0.0).args[1].dtype == torch.float32


def test_kept_latents_stay_and_the_given_latent_is_not_touched(tiny: pipeline.SoraModel) -> None:
    latent, _ = calls.empty_latent(tiny, SECOND)
    latent["samples"] = torch.randn(latent["samples"].shape)
    latent["noise_mask"] = torch.ones_like(latent["samples"][:, :1])
    latent["noise_mask"][:, :, 0] = 0
    before = latent["samples"].clone()
    text = models.current().encode(tiny, "a red ball")
    made = SoraSampler.execute(
        model=tiny, positive=text, latent=latent, seed=0, steps=2, cfg=3.0, sampler_name="dpmpp_2m", scheduler="simple",
        denoise=1.0,
    ).result[0]["samples"]  # fmt: skip
    assert (
        torch.equal(made[:, :, 0], before[:, :, 0])
        and not torch.equal(made, before)
        and torch.equal(latent["samples"], before)
    )


def test_a_video_copied_into_a_new_file_keeps_its_frames_and_takes_the_tags(tmp_path: Path) -> None:
    frames = (torch.rand(5, 32, 48, 3) * 255).to(torch.uint8)
    write_video(tmp_path / "a.mp4", frames, 8.0, metadata={"prompt": "old", "artist": "me"})
    remux(tmp_path / "a.mp4", tmp_path / "b.mp4", {"prompt": "{}"})
    assert torch.equal(frames_of(tmp_path / "a.mp4"), frames_of(tmp_path / "b.mp4"))
    assert read_metadata(tmp_path / "b.mp4")["prompt"] == "{}" and read_metadata(tmp_path / "b.mp4")["artist"] == "me"


def test_a_decoded_video_goes_away_with_the_last_that_needs_it(tmp_path: Path) -> None:
    with Session(input=tmp_path, output=tmp_path, temp=tmp_path / "temp").active():
        path = host.temp_path(".mp4")
        video = host.owned_video(path)
        assert path.exists()
        del video
        assert not path.exists()


def test_a_latent_is_written_at_the_rate_it_was_sampled_for() -> None:
    from sora_nodes.nodes.video import rate_of

    latent = {"samples": None, "sora": LatentInfo(size=replace(SECOND, fps=12.0))}
    assert rate_of(latent, 0) == (12.0, "") and rate_of(latent, 12.0) == (12.0, "")
    rate, note = rate_of(latent, 24.0)
    assert rate == 24.0 and "12" in note and "2 times" in note
    rate, note = rate_of({"samples": None}, 0)
    assert rate == 8.0 and "names no rate" in note


def test_a_stored_state_of_another_run_is_named_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "output" / ".sora-runs" / "0123.safetensors"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"of another run")
    assert cli.main(["run", str(EXAMPLES / "text_to_video.json"), *QUICK]) == 0
    said = capsys.readouterr().err
    assert "not used: 0123.safetensors" in said and other.read_bytes() == b"of another run"


def test_a_latent_that_lost_what_it_knew_is_said_where_it_is_decoded() -> None:
    """Rebatch Latents gives every latent a mask and drops all else; one without a mask is a stock sampler's own."""
    mask = torch.ones(1, 1, 8, 8)
    assert "Rebatch Latents" in lost_note({"samples": None, "noise_mask": mask})
    assert not lost_note({"samples": None}) and not lost_note({"samples": None, "noise_mask": mask, KEY: LatentInfo()})


def test_what_a_node_shows_has_the_same_keys_with_and_without_words() -> None:
    """ComfyUI joins what a node shows of each of a list of videos by the keys of the first."""
    video = [ui.SavedResult("a.mp4", "", io.FolderType.output)]
    silent, told = ShownVideo(video).as_dict(), ShownVideo(video, "it has no sound").as_dict()
    assert silent.keys() == told.keys() and [*silent["text"], *told["text"]] == ["it has no sound"]


def test_a_video_whose_file_is_gone_is_said(tmp_path: Path) -> None:
    """A result that is kept may name a file of a temp folder that somebody has emptied since."""
    with pytest.raises(InputError, match=r"the file .*gone\.mp4, which is there no more; change any input"):
        check_video(host.VideoFromFile(str(tmp_path / "gone.mp4")))
