"""`sora run WORKFLOW`: a workflow of ComfyUI without ComfyUI, once or once per row of a table."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sora_core.errors import Cancelled, SoraError
from .terminal import ProgressLine, duration, note, note_kernels, say, warn

if TYPE_CHECKING:
    from ..runtime.batch import Outcome
    from ..runtime.command import RunRequest
    from ..runtime.graph import Node
    from ..runtime.registry import Registry

SOME_FAILED = 2
"""exit code where a row of a batch failed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "workflow", type=Path, help="workflow.json in either format, or an mp4, png or webp that carries one"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="change a value; NODE is an id, a title or a type",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("output"), metavar="DIR", help="where the files go (default: output)"
    )
    parser.add_argument(
        "--input", type=Path, default=Path("input"), metavar="DIR", help="where loaders look for files (default: input)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=Path("models"),
        metavar="DIR",
        help="where published weights lie, in folders as ComfyUI has them (default: models)",
    )
    parser.add_argument(
        "--each",
        type=Path,
        metavar="TABLE",
        help=(
            "one run per row of a .csv or .jsonl with columns NODE.INPUT; a second call goes on where the first stopped"
        ),
    )
    parser.add_argument("--device", default="cpu", help="where the weights run: cpu (default), cuda, cuda:1")
    parser.add_argument(
        "--preview",
        type=Path,
        metavar="FILE",
        help="an early look: a small .mp4, written every few seconds of sampling",
    )
    parser.add_argument("--server", metavar="URL", help="run on this ComfyUI instead and bring the files back")
    parser.add_argument("--validate", action="store_true", help="only say whether the workflow would run")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def execute(args: argparse.Namespace) -> int:
    from ..runtime.command import Callbacks, RunRequest, validate
    from ..runtime.validate import WorkflowError

    request = RunRequest(
        workflow=args.workflow,
        settings=args.settings,
        output=args.out,
        input=args.input,
        models=args.models,
        each=args.each,
        server=args.server,
        device=args.device,
        preview=args.preview,
        nodes=local_registry,
    )
    try:
        if args.validate:
            lines = _Lines()
            count = validate(request, Callbacks(text=lines.text, warn=lines.warn))
            say(
                json.dumps({"valid": True, "nodes": count})
                if args.json
                else f"{args.workflow}: fine, {count} nodes would run"
            )
            return 0
        code = _batch(request, args.json) if request.each else _once(request, args.json)
        if request.server is None:
            note_kernels(request.device)
        return code
    except Cancelled:
        raise
    except SoraError as error:
        if not args.json:
            raise
        if not isinstance(error, WorkflowError):
            say(json.dumps({"valid": False, "error": str(error)}))
            note(str(error))
            return SOME_FAILED
        say(json.dumps({"valid": False, "problems": [vars(problem) for problem in error.problems]}))
        return SOME_FAILED


def local_registry() -> Registry:
    """The nodes that run without ComfyUI: ours, and the stock ones under their own names."""
    from ..nodes import SoraExtension
    from ..nodes.stock import StockExtension
    from ..runtime.registry import Registry

    return Registry.of(SoraExtension(), StockExtension())


def _once(request: RunRequest, as_json: bool) -> int:
    from ..runtime.command import Callbacks, run

    with _Lines() as lines:
        report = run(request, Callbacks(progress=lines.progress, text=lines.text, warn=lines.warn))
    if as_json:
        say(json.dumps(report))
        return 0
    for file in report["files"]:
        say(file)
    return 0


def _batch(request: RunRequest, as_json: bool) -> int:
    from ..runtime.command import Callbacks, run_batch

    with _Lines() as lines:
        callbacks = Callbacks(progress=lines.progress, text=lines.text, outcome=lines.outcome, warn=lines.warn)
        outcomes = run_batch(request, callbacks)
    failed = sum(outcome.status != "done" for outcome in outcomes)
    if as_json:
        say(
            json.dumps(
                {"done": len(outcomes) - failed, "failed": failed, "jobs": [vars(outcome) for outcome in outcomes]}
            )
        )
    else:
        say(f"{len(outcomes) - failed} of {len(outcomes)} jobs done; {request.output / 'results.csv'} lists them")
    return SOME_FAILED if failed else 0


class _Lines:
    """The bar of the node that works, what nodes show, and a line per job."""

    def __init__(self) -> None:
        self.stack, self.node = ExitStack(), ""
        self.bar: ProgressLine | None = None

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *failure: Any) -> None:
        self.stack.close()

    def progress(self, node: str, done: int, total: int) -> None:
        if node != self.node or self.bar is None:
            self.stack.close()
            self.node, self.bar = node, self.stack.enter_context(ProgressLine(node or "on the server"))
        if total:
            self.bar(done, total)

    def text(self, node: Node, text: str) -> None:
        self._clear()
        note(f"{node.title or node.kind}: {text}")

    def warn(self, text: str) -> None:
        self._clear()
        warn(text)

    def _clear(self) -> None:
        self.stack.close()
        self.bar = None

    def outcome(self, outcome: Outcome, fresh: bool) -> None:
        self._clear()
        if fresh:
            files = " ".join(outcome.files)
            if outcome.status == "done":
                note(f"job {outcome.job} done in {duration(outcome.seconds)}: {files}")
            else:
                note(f"job {outcome.job} failed: {outcome.error}" + (f" (it made {files})" if files else ""))
