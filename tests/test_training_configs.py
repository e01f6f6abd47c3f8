"""Mistakes in training configurations and arguments are one sentence, before any process starts."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sora_nodes import cli
from sora_nodes.sora_core import checkpoints, training
from sora_nodes.sora_core.errors import InputError, ResourceError, SoraError
from sora_nodes.sora_core.training import checks, refiner
from sora_nodes.sora_core.training.watermark import read_training

CONFIG = Path(__file__).parent / "data" / "tiny_training.json"
CONFIGS = Path(__file__).parents[1] / "configs"
run_module = sys.modules["sora_nodes.sora_core.training.run"]
"""the package gives its function under that name"""
NOTHING = object()
"""the part is left out"""
NAN, INF = float("nan"), float("inf")

MISTAKES: list[tuple[str, Any, str]] = [
    ("", [], "must be an object"), ("", 7, "must be an object"), ("", "text", "must be an object"),
    ("clips", NOTHING, "it lacks clips"), ("codec", NOTHING, "it lacks codec"), ("codec", None, "codec must be an obj"),
    ("transformer", NOTHING, "it lacks transformer"), ("transformer", [1], "must be an object"),
    ("classifier", 3, "classifier must be an object"), ("speed", 3, "no part 'speed'"), ("seed", "x", "seed must be"),
    ("seed", 1.5, "whole number"), ("seed", True, "whole number"), ("seed", -1, "whole number"),
    ("clips.kinds", NOTHING, "clips lacks kinds"), ("clips.kinds", [], "at least one kind"),
    ("clips.kinds", {}, "must be a list"), ("clips.kinds", [3], r"clips.kinds\[0\] must be an object"),
    ("clips.kinds.0.height", NOTHING, "lacks height"), ("clips.kinds.0.height", 0, "height must be"),
    ("clips.kinds.0.height", -16, "height must be"), ("clips.kinds.0.height", 1e30, "height must be"),
    ("clips.kinds.0.width", "64", "width must be a whole number"), ("clips.kinds.0.width", 10**9, "width must be"),
    ("clips.kinds.0.fps", NOTHING, "lacks fps"), ("clips.kinds.0.fps", 0, "fps must be"),
    ("clips.kinds.0.fps", NAN, "fps must be"), ("clips.kinds.0.fps", None, "fps must be"),
    ("clips.kinds.0.frames", 0, "frames must be"), ("clips.kinds.0.frames", 2.5, "frames must be a whole"),
    ("clips.kinds.0.family", "nothing", "family must be one of"), ("clips.kinds.0.family", 3, "must be text"),
    ("clips.kinds.0.window", 40, "window of 40 latent frames cannot come"), ("clips.kinds.0.weight", -1, "weight must"),
    ("clips.kinds.0.weight", INF, "weight must be"), ("clips.kinds.0.colour", "red", "no field 'colour'"),
    ("clips.kinds.0.scales", [[32]], r"scales\[0\] must be a list of 2"), ("clips.kinds.0.scales", 5, "must be a list"),
    ("clips.kinds.0.scales", [[24, 56]], "multiples of 16"), ("clips.kinds.0.scales", [[320, 640]], "no larger than"),
    ("clips.kinds.5.frames", 13, "whole latent frames"), ("clips.kinds.0.seconds", 0, "seconds must be"),
    ("clips.least", 0.5, "least must be"), ("clips.room", 3, "must be at least clips.least"),
    ("clips.room", 0, "room must be"), ("clips.share", 2, "from 0 to 1"), ("clips.unlike", -0.1, "from 0 to 1"),
    ("codec.recipe", NOTHING, "codec lacks recipe"), ("codec.recipe", 3, "must be an object"),
    ("codec.recipe.steps", NOTHING, "recipe lacks steps"), ("codec.recipe.steps", 0, "steps must be"),
    ("codec.recipe.steps", "many", "steps must be a whole number"), ("codec.recipe.warmup", 0, "warmup must be"),
    ("codec.recipe.learning_rate", NAN, "learning_rate must be"), ("codec.recipe.learning_rate", 50, "from 0 to 1"),
    ("codec.recipe.ema", 1.0, "ema must be"), ("codec.recipe.clip", 0, "clip must be"),
    ("codec.recipe.decay", -1, "decay must be"), ("codec.recipe.momentum", 0.9, "no field 'momentum'"),
    ("codec.model.channels", 0, "channels must be"), ("codec.model.channels", 8, "they must be the same"),
    ("codec.model.widths", [16], "must be a list of 2"), ("codec.model.widths", "wide", "must be a list"),
    ("codec.model.widths", [16, -1], r"widths\[1\] must be"), ("codec.model.depth", 3, "no field 'depth'"),
    ("codec.model.encoder_blocks", [10**6, 1], "encoder_blocks"), ("codec.loss.crop", 33, "multiple of 16"),
    ("codec.loss.crop", 128, "no kind of clip is as large"), ("codec.loss.clips", 0, "clips must be"),
    ("codec.loss.stores", [], "no field 'stores'"), ("codec.loss.before", 1, "no field 'before'"),
    ("codec.text", {"width": 8}, "of no use"),
    ("codec.share", 0.9, "leaves the transformer none"), ("codec.share", None, "share must be"),
    ("transformer.text.heads", 0, "heads must be"), ("transformer.text.heads", 3, "must divide into 3 heads"),
    ("transformer.text.width", 32, "they must be the same"), ("transformer.text.vocabulary", ["a"], "no field"),
    ("transformer.text.tokens", 8, "they must be the same"), ("transformer.model.heads", 0, "heads must be"),
    ("transformer.model.heads", 5, "must divide into 5 heads"), ("transformer.model.depth", 10**9, "depth must be"),
    ("transformer.model.depth", [1], "depth must be"), ("transformer.model.prediction", "noise", "must be one of"),
    ("transformer.model.input_gate", 1, "true or false"), ("transformer.model.patch", [1, 4, 4], "must be .1, 2, 2"),
    ("transformer.model.width", {"a": 1}, "width must be"), ("transformer.model.eps", 0, "eps must be"),
    ("transformer.curriculum.bounds", [1], "must be a list of 2"), ("transformer.curriculum", 5, "must be an object"),
    ("transformer.curriculum.small", 7, "from 0 to 1"), ("transformer.loss.tokens", 0, "tokens must be"),
    ("transformer.loss.keep", [0.1, "x"], r"keep\[1\] must be"), ("transformer.loss.model", 3, "no field 'model'"),
    ("classifier.model.widths", [8, 8], "must be a list of 3"),
    ("classifier.model.widths", [8, 9, 8], "multiples of 8"),
    ("classifier.model.short_side", 20, "multiple of 8"), ("classifier.model.answers", {}, "no field 'answers'"),
    ("classifier.loss.batches", -3, "batches must be"), ("classifier.recipe.seed", [], "seed must be"),
]  # fmt: skip


def changed(path: Path, where: str, value: Any, source: Path = CONFIG) -> Path:
    """The configuration with one part changed, as a file."""
    given = json.loads(source.read_text())
    *names, last = where.split(".")
    if not where:
        given = value
    else:
        part = given
        for name in names:
            part = part[int(name)] if isinstance(part, list) else part.setdefault(name, {})
        if value is NOTHING:
            del part[last]
        else:
            part[last] = value
    path.write_text(json.dumps(given))
    return path


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "Renderers", lambda *_, **__: pytest.fail("processes were started"))


@pytest.mark.parametrize(("where", "value", "problem"), MISTAKES)
def test_a_mistake_is_a_sentence_that_names_it(where: str, value: Any, problem: str, tmp_path: Path) -> None:
    path = changed(tmp_path / "mine.json", where, value)
    with pytest.raises(InputError, match=f"mine.json is not a training configuration: .*{problem}") as found:
        training.run(path, folder=tmp_path / "out")
    assert "\n" not in str(found.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "\x00", "[" * 100_000, '{"clips": 1e999}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_what_is_no_json_is_named(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=r"mine\.json"):
        training.run(path, folder=tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"config": "missing.json"}, "cannot read the configuration"), ({"config": "."}, "cannot read"),
        ({"workers": 0}, "not 0"), ({"workers": -3}, "not -3"), ({"workers": 10**6}, "can render clips"),
        ({"seconds": NAN}, "takes some time"), ({"seconds": -60.0}, "takes some time"), ({"seconds": 0.0}, "some time"),
        ({"device": "tpu"}, "no device 'tpu'"), ({"device": ""}, "no device"), ({"start": "nowhere"}, "nowhere"),
        ({"cutouts": "nowhere.safetensors"}, "nowhere"), ({"folder": "a.file/out"}, "cannot be made"),
        ({"folder": "x" * 300}, "cannot be made"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(
    given: dict[str, Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.file").touch()
    paths = {name: Path(value) for name, value in given.items() if name in ("start", "cutouts", "folder", "config")}
    arguments = {"config": CONFIG, "folder": tmp_path / "out", **given, **paths}
    with pytest.raises(SoraError, match=problem):
        training.run(arguments.pop("config"), **arguments)


@pytest.mark.parametrize(("key", "value"), [("decoder_alone", True), ("anchor", 0.01)])
def test_a_codec_that_goes_on_needs_weights_to_go_on_from(key: str, value: Any, tmp_path: Path) -> None:
    path = changed(tmp_path / "mine.json", f"codec.loss.{key}", value)
    with pytest.raises(InputError, match="name them with --start"):
        training.run(path, folder=tmp_path / "out")


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ([], "must be an object"), ({}, "come to 0"), ({"a": 0.5}, "come to 0.5"), ({"a": "x"}, "share of a must be"),
        ({"a": 1.5, "b": -0.5}, "share of a must be"), ({"a": True}, "share of a must be"), ({"nowhere": 1}, "nowhere"),
    ],
)  # fmt: skip
def test_shares_that_make_no_average_are_named(
    shares: Any, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"average": shares}))
    assert cli.main(["train", str(path), "--out", str(tmp_path / "out")]) == 2
    assert problem in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_networks_beyond_memory_are_refused(tmp_path: Path) -> None:
    path = changed(tmp_path / "mine.json", "transformer.model.depth", 1000)
    path = changed(path, "transformer.model.mlp_width", 65536, path)
    path = changed(path, "transformer.model.width", 65536, path)
    with pytest.raises(ResourceError, match=r"training networks of these sizes needs about .* choose smaller ones"):
        training.run(path, folder=tmp_path / "out")


def test_other_sizes_than_those_of_a_run_that_is_there_are_refused(tmp_path: Path) -> None:
    plan = training.plan.read_config(CONFIG)
    networks = checks.networks_on_meta(plan, run_module.vocabulary(plan, None))
    tensors = {f"model.{key}": torch.zeros(value.shape) for key, value in networks["codec"].state_dict().items()}
    checkpoints.save(tmp_path / "codec-run.safetensors", tensors, config={"step": 4})
    path = changed(tmp_path / "mine.json", "codec.model.widths", [16, 24])
    with pytest.raises(InputError, match=r"has a codec of other sizes than the configuration .* name another folder"):
        training.run(path, folder=tmp_path)


WATERMARK: list[tuple[str, Any, str]] = [
    ("watermark", 3, "must be an object"), ("watermark.minutes", "two", "minutes must be"),
    ("watermark.minutes", -1, "minutes must be"), ("watermark.sides", [], "at least one side"),
    ("watermark.sides", [0], "sides"), ("watermark.psnr", [50, 40], "from the lower to the higher"),
    ("watermark.model.band", 500, "band is 8 to 192"), ("watermark.model.width", 0, "width must be"),
    ("watermark.attacks.quality", [1], "list of 2"), ("watermark.attacks.crop", 1.0, "at most"),
    ("watermark.attacks.rain", 1, "no field 'rain'"), ("watermark.clips", 0, "clips must be"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "value", "problem"), WATERMARK)
def test_a_mistake_in_the_watermark_is_named(where: str, value: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"not a .*configuration.*: .*{problem}"):
        read_training(changed(tmp_path / "mine.json", where, value, CONFIGS / "watermark.json"))


REFINER: list[tuple[str, Any, str]] = [
    ("refiner", 3, "must be an object"), ("refiner.minutes", "two", "minutes must be"),
    ("refiner.pairs.clips", 0, "clips must be"), ("refiner.pairs.frames", 8, "4n\\+1 frames"),
    ("refiner.model.rain", 1, "no field 'rain'"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "value", "problem"), REFINER)
def test_a_mistake_in_the_refiner_is_named(where: str, value: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"not a configuration of refiner training: .*{problem}"):
        refiner.read_training(changed(tmp_path / "mine.json", where, value, CONFIGS / "refiner.json"))


def test_a_configuration_nested_too_deeply_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert cli.main(["train", str(tmp_path / "deep.json"), "--out", str(tmp_path / "out")]) == 2
    assert "is not a training configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "option"),
    [("prompts", "--minutes=2"), ("few_steps", "--workers=3"), ("watermark", "--cutouts=x"), ("detector", "--start=x")],
)
def test_an_option_that_a_training_would_not_hear_is_refused(
    config: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["train", str(CONFIGS / f"{config}.json"), option, "--out", str(out)]) == 2
    assert f"takes no {option.partition('=')[0]}" in capsys.readouterr().err and not out.exists()
