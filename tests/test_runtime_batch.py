"""Batches: every row once, whatever stops the machine; a bad row stops nobody else."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_toys import number, registry, session, sum_workflow
from sora_nodes.runtime.batch import Journal, Outcome, run_jobs
from sora_nodes.runtime.command import Callbacks, RunRequest, run, run_batch, validate
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.jobs import read_jobs
from sora_nodes.runtime.results import write_table
from sora_nodes.runtime.saved import from_saved
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.errors import InputError, ResourceError


def graph() -> Graph:
    return Graph.from_api(sum_workflow()).set("4.filename_prefix", "sum")


def table(root: Path, text: str, name: str = "jobs.csv") -> Path:
    (root / name).write_text(text)
    return root / name


class Counting:
    """Runs graphs on toy nodes and notes what ran."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.executor, self.ran, self.stop_after = Executor(registry()), 0, stop_after

    def __call__(self, graph: Graph, session: Session) -> list[str]:
        if self.ran == self.stop_after:
            raise KeyboardInterrupt
        files = self.executor.run(graph, session).files()
        self.ran += 1
        return files


def test_each_row_is_a_run_and_the_files_are_named_after_the_columns(tmp_path: Path) -> None:
    jobs = read_jobs(
        table(tmp_path, "1.value,name\n5,red cube\n6,../../x\n"), graph().set("4.filename_prefix", "{name}_{1.value}")
    )
    outcomes = run_jobs(jobs, Counting(), session(tmp_path))
    assert [o.files for o in outcomes] == [["red-cube_5_00001_.txt"], ["x_6_00001_.txt"]]
    assert (tmp_path / "output" / "red-cube_5_00001_.txt").read_text() == "7"
    assert sorted(p.name for p in (tmp_path / "output").iterdir()) == [
        "journal.jsonl",
        "red-cube_5_00001_.txt",
        "x_6_00001_.txt",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1.value,name\n5,red cube\n6,x\n",
        "\ufeff1.value;name\r\n5;red cube\r\n6;x\r\n",
        "1.value\tname\n5\tred cube\n\n6\tx\n",
        "1.value,name\n5,red cube\n,\n6,x\n , \n,,,\n",
        "1.value,name,,\n5,red cube,,\n6,x,\n",
        "\n\n1.value,name\n5,red cube\n6,x\n",
        "sep=;\r\n1.value;name\r\n5;red cube\r\n6;x\r\n",
        '"1.value";name\n5;"red cube"\n6;x\n',
    ],
    ids=["commas", "semicolons", "tabs", "blank rows", "blank columns", "blank first", "stated", "quotes"],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "jobs.csv").write_text(text, encoding="utf-8", newline="")
    jobs = read_jobs(tmp_path / "jobs.csv", graph().set("4.filename_prefix", "{name}"))
    assert [(job.row, job.error) for job in jobs] == [
        ({"1.value": "5", "name": "red cube"}, ""),
        ({"1.value": "6", "name": "x"}, ""),
    ]


def test_a_comma_in_a_quoted_name_parts_no_columns(tmp_path: Path) -> None:
    named = graph().set("4.filename_prefix", "{name, short}")
    (job,) = read_jobs(table(tmp_path, '"1.value";"name, short"\n5;x\n'), named)
    assert job.row == {"1.value": "5", "name, short": "x"}


def test_cells_of_spaces_and_null_leave_the_workflow_its_own_value(tmp_path: Path) -> None:
    for path in (
        table(tmp_path, "1.value,2.value\n ,4\n"),
        table(tmp_path, '{"1.value": null, "2.value": "4"}\n', "jobs.jsonl"),
    ):
        assert read_jobs(path, graph())[0].row == {"2.value": "4"}


def test_numbers_and_switches_are_read_as_programs_write_them(tmp_path: Path) -> None:
    """A column of whole numbers with a gap comes out of pandas as 7.0; of 1.2E+15 digits are lost."""
    jobs = read_jobs(table(tmp_path, "1.seed,1.negate\n7.0,TRUE\n8,0\n1.2E+15,1\n9.5,1\n1,yes\n"), graph())
    outcomes = run_jobs(jobs, Counting(), session(tmp_path))
    assert [outcome.status for outcome in outcomes] == ["done", "done", "failed", "failed", "failed"]


def test_a_bad_row_does_not_stop_the_others(tmp_path: Path) -> None:
    jobs = read_jobs(table(tmp_path, "1.value,1.note\n1,\nmuch,\n2,fail\n3,,4\n4,\n"), graph().set("1.note", ""))
    outcomes = run_jobs(jobs, Counting(), session(tmp_path))
    assert [o.status for o in outcomes] == ["done", "failed", "failed", "failed", "done"]
    assert "node 1 (ToyNumber), input value" in outcomes[1].error and "the note says fail" in outcomes[2].error
    write_table(tmp_path / "results.csv", jobs, outcomes)
    written = (tmp_path / "results.csv").read_text()
    assert written.startswith("\ufeffjob,"), "the mark by which Excel reads letters beyond ASCII"
    assert written.splitlines()[1].startswith("1,done,")


class Broken(Counting):
    """Fails at the output `sum`."""

    def __call__(self, graph: Graph, session: Session) -> list[str]:
        super().__call__(graph, session)
        assert session.staging is not None
        (session.staging / "sum_00001_.txt").unlink()
        raise InputError("this output fails")


def test_what_a_failed_job_had_finished_is_kept_and_told(tmp_path: Path) -> None:
    """No later run takes it away: by then a file of that name may be another one."""
    save = {"class_type": "ToySave", "inputs": {"number": ["1", 0], "filename_prefix": "more/second"}}
    both = Graph.from_api({**sum_workflow(), "9": save}).set("4.filename_prefix", "sum")
    jobs, kept = read_jobs(table(tmp_path, "1.value\n1\n"), both), tmp_path / "output" / "more" / "second_00001_.txt"
    (outcome,) = run_jobs(jobs, Broken(), session(tmp_path))
    assert (outcome.status, outcome.files) == ("failed", ["more/second_00001_.txt"]) and kept.is_file()
    write_table(tmp_path / "results.csv", jobs, [outcome])
    assert "more/second_00001_.txt,this output fails" in (tmp_path / "results.csv").read_text()
    kept.write_text("mine")
    (outcome,) = run_jobs(jobs, Counting(), session(tmp_path))
    assert sorted(outcome.files) == ["more/second_00002_.txt", "sum_00001_.txt"]
    assert kept.read_text() == "mine"


def test_a_batch_says_what_of_the_workflow_is_left_out_and_what_a_failed_job_said(tmp_path: Path) -> None:
    """A row's notes are those of all nodes that ran, also where a later one failed."""
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.png").write_bytes(b"1234")
    flow = sum_workflow()
    flow["1"]["inputs"]["colour"] = "red"
    flow |= {"6": {"class_type": "ToyImage", "inputs": {"image": "a.png"}}}
    flow |= {"7": {"class_type": "ToySize", "inputs": {"image": ["6", 0]}}}
    flow |= {"8": number(["3", 0], note="")}
    flow["4"]["inputs"]["number"] = ["8", 0]
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    request = RunRequest(
        workflow=tmp_path / "flow.json",
        output=tmp_path / "output",
        input=tmp_path / "input",
        each=table(tmp_path, "8.note\nfail\nx\n"),
        nodes=registry,
    )
    told: list[str] = []
    outcomes = run_batch(request, Callbacks(text=lambda node, text: told.append(f"{node.id}: {text}")))
    assert told == ["1: it has no input colour, so this is left out"]
    assert [(o.status, o.notes) for o in outcomes] == [("failed", ["4"]), ("done", ["4"])]


def test_a_second_call_goes_on_where_the_first_was_stopped(tmp_path: Path) -> None:
    jobs = read_jobs(table(tmp_path, "1.value\n1\n2\n3\n4\n"), graph())
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, Counting(stop_after=2), session(tmp_path))
    assert not (tmp_path / "output" / ".sora-batch").exists()
    second = Counting()
    outcomes = run_jobs(jobs, second, session(tmp_path))
    assert second.ran == 2 and [o.files[0] for o in outcomes] == [f"sum_{n:05}_.txt" for n in range(1, 5)]


def test_rows_may_be_added_and_moved_without_doing_any_again(tmp_path: Path) -> None:
    run_jobs(read_jobs(table(tmp_path, "1.value\n1\n2\n2\n"), graph()), Counting(), session(tmp_path))
    runner, told = Counting(), []
    jobs = read_jobs(table(tmp_path, "1.value\n2\n9\n1\n2\n"), graph())
    outcomes = run_jobs(jobs, runner, session(tmp_path), on_outcome=lambda outcome, fresh: told.append(outcome.job))
    assert runner.ran == 1 and told == [outcome.job for outcome in outcomes] == [1, 2, 3, 4]


def test_a_half_written_line_of_the_journal_is_cut_off(tmp_path: Path) -> None:
    jobs = read_jobs(table(tmp_path, "1.value\n1\n2\n"), graph())
    run_jobs(jobs, Counting(), session(tmp_path))
    journal = tmp_path / "output" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    runner = Counting()
    run_jobs(jobs, runner, session(tmp_path))
    assert runner.ran == 1 and all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_file_that_is_no_journal_is_not_overwritten(tmp_path: Path) -> None:
    where = session(tmp_path)
    where.output.mkdir()
    (where.output / "journal.jsonl").write_text("my diary\n")
    with pytest.raises(InputError, match="not of a batch"):
        run_jobs(read_jobs(table(tmp_path, "1.value\n1\n"), graph()), Counting(), where)
    assert (where.output / "journal.jsonl").read_text() == "my diary\n"


@pytest.mark.parametrize("name", ["results.csv", "contact.png"])
def test_a_report_replaces_no_file_that_is_not_of_a_batch(tmp_path: Path, name: str) -> None:
    out = tmp_path / "output"
    out.mkdir()
    (tmp_path / "flow.json").write_text(json.dumps(sum_workflow()))
    request = RunRequest(
        workflow=tmp_path / "flow.json", output=out, each=table(tmp_path, "1.value\n1\n"), nodes=registry
    )
    (out / name).write_text("1.value\n7\n")
    with pytest.raises(InputError, match=rf"{name}, which no batch made; move it away or name another --out"):
        run_batch(request, Callbacks())
    assert [path.name for path in out.iterdir()] == [name] and (out / name).read_text() == "1.value\n7\n"
    (out / name).unlink()
    for _ in range(2):
        assert run_batch(request, Callbacks())[0].files == ["sum_00001_.txt"]
    with pytest.raises(InputError, match=r"results\.csv, which it reads"):
        run_batch(replace(request, each=out / "results.csv"), Callbacks())


def test_a_line_that_could_not_be_written_whole_never_appears(tmp_path: Path) -> None:
    """The disk is full at the moment of journalling (a limit on the file's size stands in for it)."""
    where = session(tmp_path)
    where.output.mkdir()
    journal = Journal(where.output / "journal.jsonl")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with journal.opened():
        journal.add(Outcome(key="a", job=1, status="done"))
        whole = journal.path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limits[1]))
        try:
            with pytest.raises(ResourceError, match="larger than"):
                journal.add(Outcome(key="b", job=2, status="done"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert journal.path.read_bytes() == whole and "b" not in journal.outcomes
        journal.add(Outcome(key="c", job=3, status="done"))
    assert [json.loads(line)["key"] for line in journal.path.read_text().splitlines()] == ["a", "c"]


def test_a_job_whose_file_is_gone_is_done_again(tmp_path: Path) -> None:
    jobs = read_jobs(table(tmp_path, "1.value\n1\n2\n"), graph())
    first = run_jobs(jobs, Counting(), session(tmp_path))
    (tmp_path / "output" / first[0].files[0]).unlink()
    runner = Counting()
    outcomes = run_jobs(jobs, runner, session(tmp_path))
    assert runner.ran == 1 and all((tmp_path / "output" / o.files[0]).is_file() for o in outcomes)


def test_a_name_with_the_time_in_it_does_not_make_another_job(tmp_path: Path) -> None:
    node = {"id": 4, "type": "ToyNumber", "inputs": [], "widgets_values": [2.5, 7, "increment", "plain", False, ""]}
    saver = {"id": 5, "type": "ToySave", "inputs": [{"name": "number", "type": "FLOAT", "link": 1}]}
    saver["widgets_values"] = ["%date:yyyy-MM-dd hh-mm-ss% %ToyNumber.value%"]
    document = {"nodes": [node, saver], "links": [[1, 4, 0, 5, 0, "FLOAT"]]}
    rows, runner = table(tmp_path, "4.value\n3\n"), Counting()
    for wait in (0, 1.1):
        time.sleep(wait)
        jobs = read_jobs(rows, from_saved(document, registry().object_info()), session(tmp_path))
        files = run_jobs(jobs, runner, session(tmp_path))[0].files
    assert runner.ran == 1 and re.fullmatch(r"[-0-9]{10} [-0-9]{8} 3_00001_\.txt", files[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [("a.png", "a.png"), ("a.png", "a.png [input]"), ("a [1].png", "a [1].png"), ("a [1].png", "a [1].png [input]")],
)
def test_a_changed_input_file_makes_another_job(tmp_path: Path, name: str, value: str) -> None:
    where = session(tmp_path)
    where.input.mkdir(exist_ok=True)
    (where.input / name).write_bytes(b"1")
    names = graph().set("1.note", value)
    rows = table(tmp_path, "1.value\n1\n")
    keys = [read_jobs(rows, names, where)[0].key for _ in range(2)]
    (where.input / name).write_bytes(b"22")
    assert keys[0] == keys[1] != read_jobs(rows, names, where)[0].key
    assert read_jobs(rows, graph(), where)[0].key == read_jobs(rows, graph())[0].key


def test_two_batches_do_not_write_one_journal(tmp_path: Path) -> None:
    jobs = read_jobs(table(tmp_path, "1.value\n1\n"), graph())

    def nested(graph: Graph, where: Session) -> list[str]:
        with pytest.raises(ResourceError, match="another batch"):
            run_jobs(jobs, Counting(), session(tmp_path))
        return []

    run_jobs(jobs, nested, session(tmp_path))


def test_seeds_move_on_from_row_to_row_unless_the_row_gives_one(tmp_path: Path) -> None:
    controlled = Graph.from_api(sum_workflow(), controls={("1", "seed"): "increment"})
    jobs = read_jobs(table(tmp_path, "2.value,1.seed\n1,\n1,\n1,50\n1,\n"), controlled)
    assert [job.graph and job.graph.nodes["1"].inputs["seed"] for job in jobs] == [0, 1, "50", 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows|name each column"),
        ("1.value\n", "no rows"),
        ("1.valu\n3\n", "no input 'valu'"),
        ("7.value\n3\n", "has no node '7'"),
        ("colour\nred\n", "neither NODE.INPUT nor used"),
        ("1.value,job\n1,mine\n", "the column 'job' another name"),
        ("1.value,1.value\n1,2\n", "each column once"),
        ('1.value\n"1\n', "no CSV table"),
        ("4.filename_prefix,ToySave.filename_prefix\na,b\n", "'ToySave.filename_prefix' are one input"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_before_anything_runs(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_jobs(table(tmp_path, text), graph())


def test_a_column_may_be_an_input_that_the_workflow_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(sum_workflow()))
    flow, out = tmp_path / "flow.json", tmp_path / "output"
    request = RunRequest(workflow=flow, output=out, each=table(tmp_path, "1.note\nfail\nx\n"), nodes=registry)
    assert [outcome.status for outcome in run_batch(request, Callbacks())] == ["failed", "done"]
    with pytest.raises(InputError, match=r"jobs\.csv: node 1 \(ToyNumber\) has no input 'nota'"):
        run_batch(replace(request, each=table(tmp_path, "1.nota\nx\n")), Callbacks())


def test_a_value_for_a_node_that_is_not_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps({**sum_workflow(), "9": number(9.0)}))
    said: list[str] = []
    request = RunRequest(
        workflow=tmp_path / "flow.json", output=tmp_path / "output", settings=["9.value=3", "1.value=3"], nodes=registry
    )
    run(request, Callbacks(warn=said.append))
    each = table(tmp_path, "1.value,9.seed\n5,6\n6,6\n")
    run_batch(replace(request, settings=[], each=each), Callbacks(warn=said.append))
    assert validate(request, Callbacks(warn=said.append)) == 4
    told = "changes nothing: node 9 (ToyNumber) leads to no output, so it is not run"
    assert said == [f"9.value {told}", f"9.seed {told}", f"9.value {told}"]


def test_a_report_that_cannot_be_written_hides_no_outcome(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(sum_workflow()))
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "journal.jsonl").touch()
    (tmp_path / "output" / "results.csv").mkdir()
    said: list[str] = []
    each = table(tmp_path, "1.value\n5\n")
    request = RunRequest(workflow=tmp_path / "flow.json", output=tmp_path / "output", each=each, nodes=registry)
    assert [outcome.status for outcome in run_batch(request, Callbacks(warn=said.append))] == ["done"]
    assert len(said) == 1 and "results.csv" in said[0]


def test_a_name_that_asks_for_a_column_is_told_where_there_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(sum_workflow()))
    said: list[str] = []
    for name in ("sum", "{job}"):
        request = RunRequest(
            workflow=tmp_path / "flow.json",
            settings=[f"4.filename_prefix={name}"],
            output=tmp_path / "output",
            nodes=registry,
        )
        run(request, Callbacks(warn=said.append))
    assert said == ["names of files keep {job} as it stands: only a table (--each) fills that in"]


def test_jsonl_rows_are_read_and_broken_lines_fail_alone(tmp_path: Path) -> None:
    jobs = read_jobs(
        table(tmp_path, '{"1.value": 3}\n\n{oops\n{"1.value": [1]}\n{"1.value": 4.5}\n', "jobs.jsonl"), graph()
    )
    assert [bool(job.error) for job in jobs] == [False, True, True, False]


def kill_at_random_moments(root: Path, *, jobs: int, kills: int, seed: int) -> list[Outcome]:
    """Runs a batch in a process that is killed again and again, then lets it finish."""
    table(root, "1.value\n" + "\n".join(str(n) for n in range(jobs)) + "\n")
    (root / "log").touch()
    chance = random.Random(seed)
    command = [sys.executable, __file__, str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(kills):
        before = (root / "log").stat().st_size
        process = subprocess.Popen(command, env=environment)
        while (root / "log").stat().st_size == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, env=environment, check=True)
    return [Outcome(**json.loads(line)) for line in (root / "output" / "journal.jsonl").read_text().splitlines()]


def check_exactly_once(root: Path, outcomes: list[Outcome], jobs: int) -> None:
    assert Counter(outcome.job for outcome in outcomes) == Counter(range(1, jobs + 1))
    files = sorted(path.name for path in (root / "output").glob("*.txt"))
    assert files == [f"sum_{n:05}_.txt" for n in range(1, jobs + 1)]
    values = sorted(float((root / "output" / outcome.files[0]).read_text()) for outcome in outcomes)
    assert values == [n + 2 for n in range(jobs)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill")
def test_killed_at_random_moments_each_job_is_done_exactly_once(tmp_path: Path) -> None:
    check_exactly_once(tmp_path, kill_at_random_moments(tmp_path, jobs=60, kills=3, seed=1), 60)


def _slow_batch(root: Path) -> None:
    """What the killed process does: jobs of some milliseconds that leave a trace when they begin."""
    counting = Counting()

    def runner(graph: Graph, where: Session) -> list[str]:
        with (root / "log").open("a") as log:
            log.write(".")
        files = counting(graph, where)
        time.sleep(0.008)
        return files

    run_jobs(read_jobs(root / "jobs.csv", graph()), runner, session(root))


if __name__ == "__main__":
    _slow_batch(Path(sys.argv[1]))


def test_a_batch_whose_folder_is_moved_away_stops(tmp_path: Path) -> None:
    """What is done would be written where no second call looks, and be made twice."""

    def moving(graph: Graph, session: Session) -> list[str]:
        (tmp_path / "output").rename(tmp_path / "kept")
        return []

    jobs = read_jobs(table(tmp_path, "1.value\n1\n2\n"), graph())
    with pytest.raises(ResourceError, match=r"journal\.jsonl was moved or removed while the batch ran; run the same"):
        run_jobs(jobs, moving, session(tmp_path))
    assert not (tmp_path / "kept" / "journal.jsonl").read_text()
