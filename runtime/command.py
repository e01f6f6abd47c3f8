"""What `sora run` does: a workflow once, or once per row of a table; here, or on a ComfyUI that the user names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sora_core.claims import sweep, working_folder
from ..sora_core.errors import InputError, SoraError
from ..sora_core.files import check_folder, check_name, check_writable
from .batch import Outcome, run_jobs
from .executor import Executor
from .graph import Graph, Node
from .jobs import Job, columns_in_names, read_jobs
from .reading import is_saved_format, read_document
from .registry import Registry
from .results import SHEET, TABLE, check_reports, write_contact_sheet, write_table
from .saved import from_saved
from .server import RemoteClient
from .session import Report, Session, make_folder
from .validate import check_there, idle, notes_on, plan

if TYPE_CHECKING:
    from ..sora_core.pipeline.stored import RunStore

ROOM = 1 << 20
"""bytes that must be free for results"""

__all__ = ["Callbacks", "RunRequest", "load_graph", "run", "run_batch", "validate"]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What the user asked for."""

    workflow: Path
    settings: list[str] = field(default_factory=list)
    """NODE.INPUT=VALUE each"""
    output: Path = Path("output")
    input: Path = Path("input")
    models: Path = Path("models")
    each: Path | None = None
    server: str | None = None
    device: str = "cpu"
    """where weights run, as torch names it; a server chooses itself"""
    preview: Path | None = None
    """a small video of what is sampled so far, written again and again"""
    nodes: Callable[[], Registry]
    """the nodes that are here; asked once the folders are known, since they list files"""

    def session(self, temp: Path, callbacks: Callbacks) -> Session:
        """Raises InputError for a device or a preview that cannot be, ResourceError for a folder of results whose name
        is too long."""
        check_name(self.output)
        if self.preview is not None:
            if self.preview.suffix.lower() != ".mp4" or self.server is not None:
                raise InputError(f"--preview names an .mp4 and a run on this machine, not {self.preview}")
            check_writable(self.preview)
            if os.path.realpath(self.preview) == os.path.realpath(self.workflow):
                raise InputError(f"{self.preview} is what is run and would be lost; name another --preview")
        if self.server is None and self.device != "cpu":
            from ..sora_core.pipeline import check_device

            check_device(self.device)
        return Session(
            input=self.input, output=self.output, models=self.models, device=self.device, preview=self.preview,
            temp=temp, report=callbacks.progress, warn=callbacks.warn,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """Whom a run tells how far it is."""

    text: Callable[[Node, str], None] = lambda node, text: None
    """what a node shows, as soon as it has run"""
    progress: Report = lambda node, done, total: None
    outcome: Callable[[Outcome, bool], None] = lambda outcome, fresh: None
    warn: Callable[[str], None] = lambda text: None
    """of what no node says, such as stored states that are not used"""


def load_graph(request: RunRequest, info: dict[str, Any] | None, registry: Registry | None) -> Graph:
    """The workflow of a request, in either format, with `--set` applied. `info` is asked of the registry where it is
    None."""
    document, saved = read_document(request.workflow)
    if is_saved_format(document):
        graph = from_saved(document, info if info is not None else registry.object_info() if registry else {})
    else:
        graph = Graph.from_api(document, saved=saved)
    for setting in request.settings:
        target, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set takes NODE.INPUT=VALUE, such as 6.text=hello, not {setting!r}")
        graph.check_input(target, _known(info, registry))
        graph = graph.set(target, value)
    return graph


def _known(info: dict[str, Any] | None, registry: Registry | None) -> Callable[[str], Any]:
    """What a node type's entry in `/object_info` is, or None where there is none."""
    if info is not None:
        return info.get
    return lambda kind: registry.info(kind) if registry and kind in registry else None


def validate(request: RunRequest, callbacks: Callbacks) -> int:
    """Checks a workflow, and every row of `request.each`, without running it. Returns how many nodes would run; of a
    server, how many it has.

    Raises WorkflowError with all that is wrong with the workflow, InputError with the rows that would fail.
    """
    with request.session(request.output / ".temp", callbacks).active():
        registry = None
        if request.server is not None:
            server = RemoteClient(request.server)
            graph, info = _graph_for(server, request), server.object_info()
            count, said = len(graph.nodes), graph
        else:
            registry = request.nodes()
            graph, info = load_graph(request, None, registry), registry.object_info()
            ready = plan(graph, registry)
            count, said = len(ready.order), replace(graph, notes=ready.notes)
        jobs = [] if request.each is None else read_jobs(request.each, graph, known=info.get)
        _say(said, jobs, info, request, callbacks)
        _check_rows(request.each, jobs, registry)
        return count


def _check_rows(table: Path | None, jobs: list[Job], registry: Registry | None) -> None:
    """Raises InputError that names the rows of a table which would fail, and why; without a registry, as far as the
    table itself shows it."""
    wrong = []
    for job in jobs:
        try:
            if job.graph is None:
                raise InputError(job.error)
            if registry is not None:
                plan(job.graph, registry)
        except InputError as error:
            wrong.append(f"row {job.number}: {error}")
    if wrong:
        rest = f"\nand {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise InputError(f"{table}: {len(wrong)} rows would fail\n" + "\n".join(wrong[:10]) + rest)


def run(request: RunRequest, callbacks: Callbacks) -> dict[str, Any]:
    """Runs a workflow once. Returns {"files", "seconds", "shown", "ran"}; files are paths."""
    session = request.session(request.output / ".temp", callbacks)
    if request.server is not None:
        server = RemoteClient(request.server)
        _check_output(request.output)  # before the work there begins
        try:
            graph = _graph_for(server, request)
            _say(graph, [], server.object_info(), request, callbacks)
            files = server(graph, session)
        finally:
            session.release()
        return {"files": [str(request.output / name) for name in files]}
    with session.active():
        registry = request.nodes()
        graph = load_graph(request, None, registry)
        notes = plan(graph, registry).notes  # a mistake is told before any folder is made
    _say(replace(graph, notes=notes), [], registry.object_info(), request, callbacks)
    _check_output(request.output)
    runs = run_store(request.output, callbacks.warn)
    with working_folder(request.output) as temp:
        try:
            within = replace(session, temp=temp, runs=runs)
            result = Executor(registry, keep=False).run(graph, within, on_text=callbacks.text)
            runs.finish()
        finally:
            runs.close()
            session.release()
    files = [str(request.output / name) for name in result.files()]
    return {"files": files, "seconds": round(result.seconds, 3), "shown": result.texts(), "ran": result.ran}


def run_batch(request: RunRequest, callbacks: Callbacks) -> list[Outcome]:
    """Runs a workflow once per row of `request.each`; the table and the contact sheet lie beside the files."""
    if request.each is None:
        raise InputError("a batch needs a table: --each JOBS.csv")
    check_reports(request.output, request.each, request.workflow)
    session = request.session(request.output / ".temp", callbacks)
    runner: Callable[[Graph, Session], list[str]]
    if request.server is not None:
        server = RemoteClient(request.server)
        graph, runner, info = _graph_for(server, request), server, server.object_info()
        notes = graph.notes
    else:
        with session.active():
            registry = request.nodes()
            graph, info = load_graph(request, None, registry), registry.object_info()
            notes = notes_on(graph, registry)
        executor = Executor(registry)
        runs = run_store(request.output, callbacks.warn)

        def runner(graph: Graph, session: Session) -> list[str]:
            try:
                files = executor.run(graph, replace(session, runs=runs)).files()
                runs.finish()
                return files
            finally:
                runs.close()

    with session.active():  # nodes list files
        jobs = read_jobs(request.each, graph, session, info.get)
    _say(replace(graph, notes=notes), jobs, info, request, callbacks)
    _check_output(request.output)
    outcomes = run_jobs(jobs, runner, session, on_outcome=callbacks.outcome)
    for report in (
        lambda: write_table(request.output / TABLE, jobs, outcomes),
        lambda: write_contact_sheet(request.output / SHEET, request.output, outcomes),
    ):
        try:
            report()
        except SoraError as error:  # the files of the jobs are there, and so is what became of each
            callbacks.warn(str(error))
    return outcomes


def _say(graph: Graph, jobs: list[Job], info: Mapping[str, Any], request: RunRequest, callbacks: Callbacks) -> None:
    """What is to be known of a workflow and of the jobs of a table before any of it runs: notes on its nodes, columns
    that nothing fills in, values for nodes that are not run."""
    for key, said in graph.notes.items():
        if key in graph.nodes:
            callbacks.text(graph.nodes[key], said)
    if request.each is None and (names := columns_in_names(graph)):
        asked = ", ".join(f"{{{name[:40]}}}" for name in names[:8])
        callbacks.warn(f"names of files keep {asked} as it stands: only a table (--each) fills that in")
    columns = dict.fromkeys(column for job in jobs for column in job.row if "." in column)
    unused = idle(graph, info)
    for target in (*(setting.partition("=")[0] for setting in request.settings), *columns):
        node, _ = graph.place(target)
        if node.id in unused:
            callbacks.warn(f"{target[:80]} changes nothing: {node} leads to no output, so it is not run")


def _graph_for(server: RemoteClient, request: RunRequest) -> Graph:
    """The workflow as this server's nodes read it. Raises WorkflowError with every node that it does not have."""
    with server.understood():
        info = server.object_info()
        graph = load_graph(request, info, None)
        check_there(graph, info)
    return graph


def run_store(output: Path, warn: Callable[[str], None]) -> RunStore:
    """Where the states of sampling lie until the files in `output` are there; `warn` is told of those not used."""
    from ..sora_core.pipeline.stored import FOLDER, RunStore

    return RunStore(output / FOLDER, warn=warn)


def _check_output(folder: Path) -> None:
    """Makes the folder for results. Raises ResourceError where nothing can be written there, before anything is
    made."""
    make_folder(folder)
    sweep(folder)
    check_folder(folder, ROOM)
