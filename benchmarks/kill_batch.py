"""A batch that is killed again and again, and still does each job exactly once: `python benchmarks/kill_batch.py`.

Real sampling on the bundled weights, 64x64, one second, few steps. Each kill -9 falls at a random moment of a random
job; the same command is then called again. At the end every file is decoded to its last frame and must carry its own
row's seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from sora_nodes.sora_core.media import read_metadata, read_video
from table import show

WORKFLOW = Path(__file__).parent.parent / "example_workflows" / "text_to_video.json"
SETTINGS = {
    "SoraNoiseGrid.aspect": "square 1:1", "SoraNoiseGrid.short_side": "64", "SoraNoiseGrid.seconds": "1",
    "SoraSampler.steps": "4",
    "SoraSaveVideo.filename_prefix": "{name}",
}  # fmt: skip
FRAMES, SIDE = 8, 64
FIRST_SEED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_jobs(root / "jobs.csv", args.jobs)
        began = time.monotonic()
        moments = kill_again_and_again(root, args.jobs, args.kills, random.Random(args.seed))  # noqa: S311
        finish(root)
        seconds = time.monotonic() - began
        check(root, args.jobs)
    rows = [(f"killed {where}", count) for where, count in sorted(moments.items())]
    rows += [("jobs done exactly once, files whole", args.jobs), ("seconds", round(seconds))]
    show(f"{args.jobs} jobs, {args.kills} kills", ("what", "count"), rows, as_json=args.json)


def write_jobs(path: Path, jobs: int) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["SoraExpandPrompt.prompt", "SoraSampler.seed", "name"])
        colours, things = ("red", "blue", "green", "yellow"), ("ball", "cube", "cone")
        table.writerows(
            [f"a {colours[n % 4]} {things[n % 3]} rolls to the left", FIRST_SEED + n, f"job{n + 1}"]
            for n in range(jobs)
        )


def command(root: Path) -> list[str]:
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    out = ["--out", str(root / "out"), "--each", str(root / "jobs.csv")]
    return [sys.executable, "-m", "sora_nodes.cli", "run", str(WORKFLOW), *out, *settings]


def done(root: Path) -> list[dict[str, object]]:
    """The whole lines of the journal."""
    journal = root / "out" / "journal.jsonl"
    whole = journal.read_bytes().rpartition(b"\n")[0] if journal.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


def kill_again_and_again(root: Path, jobs: int, kills: int, chance: random.Random) -> Counter[str]:
    """Kills at random jobs, at most a job's length after the one before has ended. Returns how often which moment was
    hit."""
    moments: Counter[str] = Counter()
    for target in sorted(chance.randrange(jobs) for _ in range(kills)):
        process = subprocess.Popen(command(root), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
        while (len(done(root)) < target or not begun(root)) and process.poll() is None:
            time.sleep(0.002)
        seconds = [float(str(line["seconds"])) for line in done(root)[-5:]] or [1.0]
        time.sleep(chance.random() * 1.2 * sum(seconds) / len(seconds))
        process.kill()
        if process.wait() == 0:
            raise SystemExit("the batch ended before it was killed; give more jobs")
        moments[moment(root)] += 1
    return moments


def begun(root: Path) -> list[Path]:
    """The folders of jobs that are under way or not yet delivered."""
    return list((root / "out" / ".sora-batch").glob("job-*"))


def moment(root: Path) -> str:
    """What the kill interrupted, seen from what it left."""
    known = {f"job-{line['key']}" for line in done(root)}
    left, temp = begun(root), root / "out" / ".sora-batch" / "temp"
    if any(folder.name in known for folder in left):
        return "when a job was done, its folder not yet cleared"
    if any(path.is_file() for folder in left for path in folder.rglob("*")):
        return "when a file was saved, not yet in the journal"
    if left and any(temp.glob("*")):
        return "while frames were decoded"
    return "while a job was sampled" if left else "between two jobs"


def finish(root: Path) -> None:
    """Lets the batch end, and calls it once more: nothing may be left to do."""
    subprocess.run(command(root), check=True, capture_output=True)  # noqa: S603
    journal = (root / "out" / "journal.jsonl").read_bytes()
    subprocess.run(command(root), check=True, capture_output=True)  # noqa: S603
    require((root / "out" / "journal.jsonl").read_bytes() == journal, "a finished batch did something again")


def check(root: Path, jobs: int) -> None:
    """Each job in the journal once, each file whole and its own, and nothing else in the folder."""
    counts = Counter((line["job"], line["status"]) for line in done(root))
    require(counts == Counter((n + 1, "done") for n in range(jobs)), "a job was lost, failed or done twice")
    names = {f"job{n + 1}_00001_.mp4" for n in range(jobs)}
    odd = {path.name for path in (root / "out").iterdir()} ^ (names | {"journal.jsonl", "results.csv", "contact.png"})
    require(not odd, f"files too many or missing: {odd}")
    for n in range(jobs):
        path = root / "out" / f"job{n + 1}_00001_.mp4"
        require(read_video(path).frames.shape == (FRAMES, SIDE, SIDE, 3), f"{path.name} is not whole")
        prompt = json.loads(read_metadata(path)["prompt"])
        seeds = [node["inputs"]["seed"] for node in prompt.values() if node["class_type"] == "SoraSampler"]
        require([int(seed) for seed in seeds] == [FIRST_SEED + n], f"{path.name} is another job's")


def require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    main()
