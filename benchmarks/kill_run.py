"""One video that is killed, stopped and starved of disk again and again, and still becomes the same file:

    python benchmarks/kill_run.py --kills 20 --stops 5 --fills 5

`sora generate` (or `--command extend`, on a clip of two seconds) on the bundled weights, beside one run that nobody
disturbs. Each kill -9, Ctrl-C or full disk falls at a random moment of sampling or decoding; the same command is then
called again until the file is there, which must have the same bytes, and nothing may lie beside it. So that a short
clip has many places to go on from, its state is stored at every step and a segment is 8 frames. Full disks need Linux
and root: a small file system in memory is filled up.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from sora_nodes import cli
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.media import segments, write_video
from sora_nodes.sora_core.pipeline.stored import RunStore, stored_runs
from table import show

PROMPT = "a red ball rolls to the left on grass at noon"
DISK = 24 << 20
"""bytes of the small disk; a run looks for 17 MB before it begins"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", choices=["generate", "extend"], default="generate")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=5, help="by Ctrl-C")
    parser.add_argument("--fills", type=int, default=0, help="of the disk")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the video")
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    chance, counts = random.Random(args.seed), Counter[str]()  # noqa: S311
    cli.module_of(args.command)
    pipeline.load_bundled()  # imports all that children need
    with TemporaryDirectory() as folder:
        options = asked(args, Path(folder))
        whole = Path(folder) / "whole"
        whole.mkdir()
        process = Child(whole, options)
        wait_for(process.begun)
        began = time.monotonic()
        require(process.end() == 0, f"the run that nobody disturbs failed: {process.words()[-500:]}")
        known, length = (whole / "out.mp4").read_bytes(), time.monotonic() - began
        for number, word in ((args.kills, "killed"), (args.stops, "stopped"), (args.fills, "disk full")):
            tried = Path(folder) / word.replace(" ", "-")
            tried.mkdir()
            with small_disk(tried) if word == "disk full" else untouched():
                disturbed(tried, options, word, number, length, known, chance, counts)
    rows = [*sorted(counts.items()), ("seconds of the run that nobody disturbs", round(length, 1))]
    show(f"one video of `sora {args.command}`, disturbed", ("what", "count"), rows, as_json=args.json)


def asked(args: argparse.Namespace, folder: Path) -> list[str]:
    """The command that is disturbed, but for the name of its file."""
    seconds = ["--seconds", f"{args.seconds:g}", "--steps", str(args.steps), "--seed", "7"]
    if args.command == "generate":
        return ["generate", PROMPT, "--fps", "8", "--size", f"{args.side}x{args.side}", *seconds]
    clip = folder / "clip.mp4"
    shades = torch.arange(args.side).view(1, -1, 1, 1) + 8 * torch.arange(16).view(-1, 1, 1, 1)
    write_video(clip, (shades % 256).expand(-1, -1, args.side, 3).to(torch.uint8), 8.0)
    return ["extend", str(clip), PROMPT, *seconds]


@contextmanager
def untouched() -> Iterator[None]:
    yield


class Child:
    """The command in a process of its own, which has torch imported already."""

    def __init__(self, folder: Path, options: list[str]) -> None:
        self.said, self.code = folder.parent / f"{folder.name}.txt", -1
        self.said.write_bytes(b"")
        self.pid = os.fork()
        if not self.pid:
            os.dup2(os.open(self.said, os.O_WRONLY), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            RunStore.__init__.__kwdefaults__ = {**(RunStore.__init__.__kwdefaults__ or {}), "every": 0.0}
            segments.PIXELS = 0
            try:
                code = cli.main([*options, "-o", str(folder / "out.mp4")])
            except BaseException:
                traceback.print_exc()
                code = 1
            os._exit(code)

    def runs(self) -> bool:
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid, self.code = 0, os.waitstatus_to_exitcode(status)
        return bool(self.pid)

    def begun(self) -> bool:
        """Whether it has said its caption, which comes before sampling."""
        return not self.runs() or self.said.stat().st_size > 0

    def end(self, number: int = 0) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        if number and self.runs():
            os.kill(self.pid, number)
        while self.runs():
            time.sleep(0.005)
        return self.code

    def words(self) -> str:
        return self.said.read_text(errors="replace")


def disturbed(
    folder: Path, options: list[str], word: str, number: int, length: float, known: bytes, chance: random.Random,
    counts: Counter[str],
) -> None:  # fmt: skip
    """Disturb runs `number` times; each that comes to its end must have given the known file."""
    left = number
    while left:
        process = Child(folder, options)
        wait_for(process.begun)
        end = time.monotonic() + chance.random() * 0.6 * length
        wait_for(lambda: not process.runs() or time.monotonic() >= end)  # noqa: B023
        if process.runs():
            counts[f"{word} {moment(folder)}"] += 1
            left -= 1
            disturb(process, folder, word)
        else:
            finished(process, folder, known, counts)
    if number:
        process = Child(folder, options)
        process.end()
        finished(process, folder, known, counts)


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.002)


def disturb(process: Child, folder: Path, word: str) -> None:
    """Kill or stop it, or fill its disk, and see that it says no more than a sentence."""
    if word == "disk full":
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while process.runs():
                    file.write(bytes(1 << 12))
            except OSError:
                pass
        code = process.end()
        filler.unlink()
        said = process.words()
        require("Traceback" not in said and code in (0, 2), f"a full disk ended with {code}: {said[-500:]}")
        if code == 0:
            (folder / "out.mp4").unlink()
    elif word == "stopped":
        code = process.end(signal.SIGINT)
        said = process.words()
        require("Traceback" not in said and code in (0, 130), f"Ctrl-C ended with {code}: {said[-500:]}")
        if code == 0:
            (folder / "out.mp4").unlink()
    else:
        process.end(signal.SIGKILL)


def moment(folder: Path) -> str:
    """What is under way, seen from what is stored."""
    runs = stored_runs(folder)
    decoded = [run.segments for run in runs if run.segments is not None]
    if decoded:
        return "while frames were decoded"
    return "while it was sampled" if any(run.step < run.steps for run in runs) or not runs else "between the two"


def finished(process: Child, folder: Path, known: bytes, counts: Counter[str]) -> None:
    """The file must be there, the same to the byte, and alone; it is removed, so that the next run begins anew."""
    require(process.end() == 0, f"a run failed: {process.words()[-500:]}")
    require((folder / "out.mp4").read_bytes() == known, "a run that went on gave another file")
    beside = [path.name for path in folder.iterdir() if path.name != "out.mp4"]
    require(not beside, f"left beside the file: {beside}")
    (folder / "out.mp4").unlink()
    counts["files, all the same to the byte"] += 1


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of DISK bytes in that folder."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)  # noqa: S603
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607


def require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    main()
