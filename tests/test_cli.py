"""The command: light to start, one line for a mistake, and nothing half done when it is stopped."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sora_nodes import cli
from sora_nodes.commands import eval as eval_command
from sora_nodes.commands import shared, terminal
from sora_nodes.sora_core import media, pipeline
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.errors import Cancelled, CheckpointError, InputError
from sora_nodes.sora_core.text.encoder import TextConfig, TextEncoder
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def failing(fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command that meets `fault`."""

    def execute(args: object) -> int:
        raise fault

    monkeypatch.setattr("sora_nodes.commands.info.execute", execute)
    return cli.main(["info"])


def test_little_is_loaded_before_a_stop_is_heeded(tmp_path: Path) -> None:
    out, _ = python(
        "import sys, sora_nodes.cli; print({'argparse', 'logging'} & {*sys.modules})", tmp_path
    ).communicate()
    assert out == "set()\n"


def test_help_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys, sora_nodes.cli as cli\ntry: cli.main(['generate', '--help'])\nexcept SystemExit: print('torch' in"
        " sys.modules)"
    )
    out, _ = python(code, tmp_path).communicate()
    assert "--seconds" in out and out.endswith("False\n")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0 and f"sora {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["a.mp4 --seconds 3 --backward", "--seconds 3 a.mp4 --backward", "a.mp4 --backward --seconds 3"]
)
@pytest.mark.parametrize("prompt", [[], ["it stops"]])
def test_a_prompt_may_stand_behind_the_options(line: str, prompt: list[str]) -> None:
    args = cli.parse(["extend", *line.split(), *prompt])
    assert (args.command, args.clip, args.prompt) == ("extend", Path("a.mp4"), "".join(prompt))
    assert (args.seconds, args.backward) == (3, True)


def test_two_prompts_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["extend", "a.mp4", "it", "stops"])
    assert "sora extend: error: unrecognized arguments: stops" in capsys.readouterr().err


def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(InputError("a video needs at least one frame, not 0."), monkeypatch) == 2
    assert capsys.readouterr().err == "sora: a video needs at least one frame, not 0.\n"


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), Cancelled("stop")])
def test_a_stop_is_no_fault(fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(fault, monkeypatch) == 130


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError(), monkeypatch)


@pytest.mark.parametrize("fault", [ValueError("no shape"), CheckpointError("x.safetensors cannot be read.")])
def test_a_stop_that_a_library_turns_into_its_own_error_is_a_stop(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading a tensor of safetensors does so: the code in between is not Python."""

    def execute(args: object) -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise fault from None
        return 0

    monkeypatch.setattr("sora_nodes.commands.info.execute", execute)
    assert cli.main(["info", "--json"]) == 130 and capsys.readouterr() == ("", "sora: stopped.\n")


@pytest.mark.parametrize(("text", "size"), [("128x72", (128, 72)), ("1920X1080", (1920, 1080)), ("7×9", (7, 9))])
def test_a_size_is_width_by_height(text: str, size: tuple[int, int]) -> None:
    assert shared.size(text) == size


@pytest.mark.parametrize("text", ["128", "axb", "-1x5", "12x", "1x2x3", ""])
def test_another_size_is_refused_with_an_example(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["generate", "a ball", f"--size={text}"])
    assert end.value.code == 2 and "such as 128x72" in capsys.readouterr().err


def test_a_name_is_made_of_the_prompt_and_never_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = shared.free_name("A red ball, rolling/../ left!", ".mp4")
    assert first == Path("output/a-red-ball-rolling-left.mp4")
    first.touch()
    assert shared.free_name("A red ball, rolling/../ left!", ".mp4").name == "a-red-ball-rolling-left-2.mp4"
    assert shared.free_name("?!", ".png").name == "untitled.png"


def test_info_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["versions"]["torch"] == torch.__version__ and "red" in report["knows"]["colours"]


def test_figures_stand_beside_their_ceiling() -> None:
    report = {"suite": "text", "n": 2, "figures": {"colour": 0.9, "all": 0.5}, "ceiling": {"colour": 1.0}}
    assert re.search(r"colour +0\.900 +1\.000 +0\.900\n", eval_command.table(report))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An untrained model of a few thousand numbers in place of the bundled one, and an empty folder to work in."""
    text = TextEncoder(TextConfig(vocabulary=("a", "red", "ball"), width=16, depth=1, heads=2, mlp_width=32, tokens=8))
    net = DiT(DiTConfig(width=32, depth=1, heads=2, mlp_width=32, text_width=16, text_tokens=8, per_position_time=True))
    for module in (text, net):
        module.init_weights()
        module.eval().requires_grad_(False)
    codec = (
        BundledCodec(CodecConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1)))
        .eval()
        .requires_grad_(False)
    )
    model = pipeline.SoraModel(codec=codec, text=text, tokenizer=WordTokenizer(text.config.vocabulary, 8), dit=net)
    monkeypatch.setattr(pipeline.generation, "load_bundled", lambda device="cpu", fast=False: model)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_prompt_becomes_a_video_of_the_size_asked_for(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = "--size 37x22 --seconds 1.1 --fps 7.5 --steps 2 -o x.mp4"
    assert cli.main(["generate", "a red ball", *args.split()]) == 0
    info = media.probe(tiny / "x.mp4")
    assert (info.width, info.height, info.frames, info.fps) == (37, 22, 8, 7.5)
    assert capsys.readouterr().out == "x.mp4\n"


@pytest.mark.parametrize("name", ["x.mp4", "x.png"])
def test_a_file_tells_what_it_was_made_with(tiny: Path, name: str) -> None:
    length = ["--seconds", "0.5"] if name.endswith(".mp4") else []
    asked = ["--size", "32x32", *length, "--steps", "1", "--seed", "7", "-o", name]
    assert cli.main(["generate", "a red ball", *asked]) == 0
    tags = media.read_metadata(tiny / name)
    assert tags.keys() == {pipeline.generation.METADATA_KEY}, "the keys prompt and workflow belong to ComfyUI's graph"
    made_with = json.loads(tags[pipeline.generation.METADATA_KEY])
    assert (made_with["prompt"], made_with["size"], made_with["seed"], made_with["steps"]) == (
        "a red ball",
        [32, 32],
        7,
        1,
    )


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ("--seconds 0", "output/a-red-ball.png"),
        ("--seconds 0.01", "output/a-red-ball.png"),
        ("-o still.png", "still.png"),
    ],
)
def test_no_seconds_or_a_png_name_make_a_still(tiny: Path, args: str, path: str) -> None:
    assert cli.main(["generate", "a red ball", "--size", "32x32", "--steps", "1", *args.split()]) == 0
    assert media.read_image(tiny / path).shape == (1, 32, 32, 3)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("--size 0x32", "width"),
        ("--size 4000x4000 --seconds 60", "memory"),
        ("-o none/x.mp4", "no folder"),
        ("-o x.gif", ".mp4"),
        (f"-o {'x' * 300}.mp4", "too long"),
        ("--fps 0", "fps"),
        ("--fps nan", "fps"),
        ("--cfg nan", "cfg"),
        ("--cfg -1", "cfg"),
        ("--seconds -1", "seconds"),
        ("--steps 0", "steps"),
        ("--seed -1", "seed"),
    ],
)
def test_what_cannot_be_made_is_refused_before_sampling(
    tiny: Path, args: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["generate", "a red ball", *args.split()]) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("sora: ") and error.count("\n") == 1
    assert [path for path in tiny.rglob("*") if path.is_file()] == []


def test_ctrl_c_between_two_steps_leaves_no_file(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: terminal.ProgressLine, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(terminal.ProgressLine, "__call__", stop)
    assert cli.main(["generate", "a red ball", "--size", "32x32", "-o", "x.mp4"]) == 130
    assert list(tiny.iterdir()) == []


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


def run_progress(monkeypatch: pytest.MonkeyPatch, *, step: float, tty: bool) -> str:
    clock, stream = Clock(), io.StringIO()
    monkeypatch.setattr(terminal, "time", clock)
    monkeypatch.setattr(stream, "isatty", lambda: tty)
    with terminal.ProgressLine("sampling", stream=stream) as progress:
        for done in range(1, 31):
            clock.now += step
            progress(done, 30)
    return stream.getvalue()


def test_short_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_progress(monkeypatch, step=0.05, tty=True) == ""


class Unwritable(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, Unwritable()])
def test_work_goes_on_where_nothing_can_be_shown(stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(terminal, "time", clock)
    monkeypatch.setattr(terminal.sys, "stderr", stream)
    with terminal.ProgressLine("sampling") as progress:
        for done in range(1, 31):
            clock.now += 1.0
            progress(done, 30)


def test_long_work_tells_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "15/30, 0:15 left" in run_progress(monkeypatch, step=1.0, tty=True)
    assert 3 <= run_progress(monkeypatch, step=1.0, tty=False).count("\n") <= 7


WRITING = """
import torch
from sora_nodes import cli
from sora_nodes.commands import info
from sora_nodes.sora_core import media
def execute(args):
    with media.VideoWriter("x.mp4", 64, 64, 12) as writer:
        while True:
            writer.write(torch.randint(0, 256, (12, 64, 64, 3), dtype=torch.uint8))
            print("written", flush=True)
info.execute = execute
raise SystemExit(cli.main(["info"]))
"""


@pytest.mark.parametrize(
    ("number", "code", "left"), [(signal.SIGINT, 130, 0), (signal.SIGTERM, 130, 0), (signal.SIGKILL, -9, 1)]
)
def test_a_stopped_command_leaves_nothing_under_the_final_name(
    tmp_path: Path, number: int, code: int, left: int
) -> None:
    """Killed outright, only a hidden file with the ending .part stays behind."""
    process = python(WRITING, tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "written\n"
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in errors
    assert not (tmp_path / "x.mp4").exists()
    assert len(list(tmp_path.iterdir())) == left and all(path.suffix == ".part" for path in tmp_path.iterdir())


LOADING = """
import os, sys
from sora_nodes import cli
from sora_nodes.commands import info
def execute(args):
    import stopped_library
    print(stopped_library.whole)
    while True:
        pass
info.execute = execute
raise SystemExit(cli.main(["info"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_library_that_is_being_loaded_is_loaded_before_the_stop(tmp_path: Path) -> None:
    """Torch and numpy break, end the process or go on where a KeyboardInterrupt meets them half loaded."""
    half = "import os, signal\ntry: os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException: pass\nwhole = True\n"
    (tmp_path / "stopped_library.py").write_text(half)
    process = python(LOADING, tmp_path)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (130, "True\n", "sora: stopped.\n")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_that_the_shell_lets_ignore_is_ignored(tmp_path: Path) -> None:
    """Under `nohup` a run outlives its terminal, in the background of a script Ctrl-C."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + WRITING
    process = python(code, tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "written\n"
    os.kill(process.pid, signal.SIGHUP)
    assert [process.stdout.readline() for _ in range(3)] == ["written\n"] * 3 and process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
@pytest.mark.parametrize(("where", "words"), [(">/dev/full", "cannot be written"), (">&-", "it is closed")])
def test_an_output_that_takes_nothing_is_one_line(where: str, words: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m sora_nodes.cli info {where}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("a\x1b[31mb\x9bc\u202ed\ttab\nline")
    assert capsys.readouterr().out == "a\ufffd[31mb\ufffdc\ufffdd\ttab\nline\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("generate x --seconds -1", "seconds"),
        ("eval --suite none", "no suite"),
        ("eval --suite text --clips x.mp4", "takes no clips"),
        ("eval --suite text --fps nan", "fps"),
        ("eval --suite text --n 99999999999", "at most"),
        ("eval --suite detector --clips none.mp4", "no video file none.mp4"),
        ("bench text --against nobody", "nobody"),
        ("review x --policy none.json", "none.json"),
        ("run none.json", "none.json"),
        ("detect none.mp4", "none.mp4"),
        ("verify none.mp4", "none.mp4"),
    ],
)
def test_json_answers_a_mistake_too(tiny: Path, args: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*args.split(), "--json"]) == 2
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert words in error and said.err == f"sora: {error}\n"


def test_info_of_a_folder_that_cannot_be_is_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--json", "--out", "x" * 5000]) == 0
    assert json.loads(capsys.readouterr().out)["stored_runs"] == []
