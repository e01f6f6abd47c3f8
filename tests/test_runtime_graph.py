"""The headless runtime: order, caching, and every mistake answered by one sentence with node and input."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from runtime_toys import CALLS, number, registry, session, sum_workflow
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.reading import parse, read_document
from sora_nodes.runtime.validate import Problem, WorkflowError, plan
from sora_nodes.sora_core.errors import InputError


def problems(prompt: dict[str, Any], root: Path | None = None) -> list[Problem]:
    with pytest.raises(WorkflowError) as caught:
        if root is None:
            plan(Graph.from_api(prompt), registry())
        else:
            with session(root).active():
                plan(Graph.from_api(prompt), registry())
    return caught.value.problems


def test_a_workflow_runs_and_says_which_files_it_wrote(tmp_path: Path) -> None:
    result = Executor(registry()).run(Graph.from_api(sum_workflow()), session(tmp_path))
    assert result.files() == ["sum_00001_.txt"]
    assert (tmp_path / "output" / "sum_00001_.txt").read_text() == "3"


def test_an_input_that_a_node_does_not_have_is_left_out_and_said(tmp_path: Path) -> None:
    """Even one that is linked to no node of the workflow."""
    prompt = sum_workflow()
    name, node = next((name, node) for name, node in prompt.items() if node["class_type"] == "ToySave")
    node["inputs"] |= {"zzz": ["77", 0], "colour": 7}
    checked = plan(Graph.from_api(prompt), registry())
    assert checked.notes == {name: "it has no input zzz, colour, so this is left out"}
    assert Executor(registry()).run(Graph.from_api(prompt), session(tmp_path)).files() == ["sum_00001_.txt"]


def test_only_what_changed_runs_again(tmp_path: Path) -> None:
    executor = Executor(registry())
    graph = Graph.from_api(sum_workflow())
    executor.run(graph, session(tmp_path))
    CALLS.clear()
    executor.run(graph.set("2.value", 5), session(tmp_path))
    assert CALLS == ["number 5", "add 1 5", "save 6"]
    CALLS.clear()
    executor.run(graph.set("2.value", 5), session(tmp_path))
    assert CALLS == ["save 6"]


def test_a_changed_file_is_a_changed_node(tmp_path: Path) -> None:
    where = session(tmp_path)
    file = where.input / "a.png"
    file.write_bytes(b"12")
    prompt = {
        "1": {"class_type": "ToyImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "ToySize", "inputs": {"image": ["1", 0]}},
    }
    executor, graph = Executor(registry()), Graph.from_api(prompt)
    assert executor.run(graph, where).texts() == {"2": "2"}
    assert executor.run(graph, where).cached == 1
    file.write_bytes(b"12345")
    os.utime(file, (1, 1))
    told: list[str] = []
    result = executor.run(graph, where, on_text=lambda node, text: told.append(f"{node.id}: {text}"))
    assert result.texts() == {"2": "5"} and told == ["2: 5"]


def test_a_chain_of_ten_thousand_nodes_needs_no_recursion() -> None:
    prompt: dict[str, Any] = {"0": number(0.0)}
    for i in range(1, 10_000):
        prompt[str(i)] = {"class_type": "ToyAdd", "inputs": {"a": [str(i - 1), 0], "b": [str(i - 1), 0]}}
    prompt["end"] = {"class_type": "ToySave", "inputs": {"number": ["9999", 0], "filename_prefix": "x"}}
    assert plan(Graph.from_api(prompt), registry()).order[-1] == "end"


BAD = [
    ("value", 1e9, "1000"),
    ("value", "much", "a number"),
    ("value", float("inf"), "a number"),
    ("value", None, "a number"),
    ("seed", -1, "a whole number from 0"),
    ("seed", 1.5, "a whole number"),
    ("seed", True, "a whole number"),
    ("seed", 10**400, "a whole number"),
    ("kind", "doubel", "did you mean double?"),
    ("kind", ["plain"], "one of: plain, double"),
    ("negate", "perhaps", "true or false"),
    ("note", {"a": 1}, "text"),
    ("note", "\ud800", "whole Unicode characters"),
    ("value", ["9", 0], "a node of this workflow"),
    ("value", ["5", 7], "one of its 2 outputs"),
    ("value", ["5", 1], "a link of type FLOAT"),
]


@pytest.mark.parametrize(("name", "value", "expected"), BAD)
def test_a_bad_value_is_named_with_node_input_given_and_expected(name: str, value: Any, expected: str) -> None:
    prompt = sum_workflow()
    prompt["5"] = number()
    prompt["1"]["inputs"][name] = value
    (problem,) = problems(prompt)
    assert (problem.node, problem.kind, problem.input) == ("1", "ToyNumber", name)
    assert expected in problem.expected
    assert "\n" not in str(problem) and len(str(problem)) < 300


def test_all_mistakes_are_told_at_once_and_before_anything_runs(tmp_path: Path) -> None:
    prompt = sum_workflow()
    prompt["1"]["inputs"]["kind"] = "triple"
    prompt["2"]["inputs"].pop("seed")
    CALLS.clear()
    with pytest.raises(WorkflowError) as caught:
        Executor(registry()).run(Graph.from_api(prompt), session(tmp_path))
    assert {(p.node, p.input) for p in caught.value.problems} == {("1", "kind"), ("2", "seed")}
    assert CALLS == []


def test_a_circle_is_named_by_its_nodes() -> None:
    prompt = sum_workflow()
    prompt["1"] = {"class_type": "ToyAdd", "inputs": {"a": ["3", 0], "b": ["2", 0]}}
    (problem,) = problems(prompt)
    assert "circle" in problem.given and "1" in problem.given and "3" in problem.given


def test_a_missing_node_type_names_its_pack() -> None:
    prompt = sum_workflow() | {"9": {"class_type": "WanVideoSampler", "inputs": {}, "_pack": "ComfyUI-WanVideoWrapper"}}
    (problem,) = problems(prompt)
    assert "ComfyUI-WanVideoWrapper" in problem.expected and problem.node == "9"
    del prompt["9"]["_pack"]
    with pytest.raises(WorkflowError, match="does not say its pack, most likely ComfyUI itself"):
        plan(Graph.from_api(prompt, saved={"nodes": []}), registry())


def test_what_no_output_needs_is_not_run_and_not_judged() -> None:
    prompt = sum_workflow() | {"9": {"class_type": "ToyAdd", "inputs": {}}}
    assert "9" not in plan(Graph.from_api(prompt), registry()).order


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a/../../b.png", "C:\\x.png", "~/x.png", "gone.png", "", "a\x00.png"]
)
def test_no_file_outside_the_input_folder_is_reached(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    prompt = {
        "1": {"class_type": "ToyImage", "inputs": {"image": name}},
        "2": {"class_type": "ToySize", "inputs": {"image": ["1", 0]}},
    }
    (problem,) = problems(prompt, tmp_path)
    assert (problem.node, problem.input) == ("1", "image")


def test_a_link_on_the_disk_does_not_lead_out_either(tmp_path: Path) -> None:
    where = session(tmp_path)
    (tmp_path / "secret.png").write_bytes(b"")
    (where.input / "inside.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="leads out"):
        where.input_path("inside.png")


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x", "a\\..\\..\\x", "x\x00"])
def test_no_file_is_written_outside_the_output_folder(tmp_path: Path, prefix: str) -> None:
    graph = Graph.from_api(sum_workflow()).set("4.filename_prefix", prefix)
    CALLS.clear()
    with pytest.raises(InputError, match=r"node 4 \(ToySave\), input filename_prefix"):
        Executor(registry()).run(graph, session(tmp_path))
    assert CALLS == [] and [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("prefix", [".sora-batch/x", ".Sora-Runs\\x", ".sora-temp-1/deep/x"])
def test_no_file_is_written_into_a_folder_that_is_cleared(prefix: str) -> None:
    with pytest.raises(InputError, match=r"node 4 \(ToySave\), input filename_prefix.* is cleared after a run"):
        plan(Graph.from_api(sum_workflow()).set("4.filename_prefix", prefix), registry())
    assert plan(Graph.from_api(sum_workflow()).set("4.filename_prefix", "x/.sora-batch"), registry()).order


NOT_A_WORKFLOW = {
    "not UTF-8": b'{"1": "\xff\xfe"}',
    "not JSON": b'{"1": ',
    "nested deeper": b"[" * 100_000 + b"]" * 100_000,
    "nested deeper than 60": b'{"a":' * 200 + b"1" + b"}" * 200,
    "is empty": b" \n",
    "a list, not a workflow": b"[1, 2]",
    "17 MiB": b" " * (17 * 2**20),
    "cannot be read": b'{"1": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("says", NOT_A_WORKFLOW)
def test_bytes_that_are_no_workflow_are_answered_by_one_sentence(says: str) -> None:
    with pytest.raises(InputError, match=says.replace("nested deeper than 60", "nested deeper")) as caught:
        parse(NOT_A_WORKFLOW[says], where="bad.json")
    assert "bad.json" in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("around", [None, "prompt", "output", "workflow"])
def test_a_workflow_is_read_in_each_encoding_of_json_and_as_programs_keep_it(encoding: str, around: str | None) -> None:
    document = sum_workflow()
    text = json.dumps({around: document, "client_id": "x"} if around else document)
    assert parse(text.encode(encoding), where="a.json") == document


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_none_is_named_by_node_and_input(constant: bytes) -> None:
    prompt = parse(
        json.dumps(sum_workflow()).encode().replace(b'"value": 1.0', b'"value": ' + constant), where="bad.json"
    )
    (problem,) = problems(prompt)
    assert (problem.node, problem.input) == ("1", "value") and "from -1000.0 to 1000.0" in problem.expected


def test_a_million_nodes_are_refused_by_number() -> None:
    with pytest.raises(InputError, match=r"1,000,000 nodes; at most 20,000"):
        Graph.from_api({str(i): {} for i in range(1_000_000)})


@pytest.mark.parametrize(
    "prompt", [{}, {"1": 5}, {"1": {}}, {"1": {"class_type": 3}}, {"1": {"class_type": "A", "inputs": []}}]
)
def test_what_has_no_nodes_is_no_workflow(prompt: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Graph.from_api(prompt)


def test_values_are_set_by_id_title_or_type() -> None:
    prompt = sum_workflow()
    prompt["1"]["_meta"] = {"title": "left"}
    graph = Graph.from_api(prompt)
    assert graph.set("left.value", 7).nodes["1"].inputs["value"] == 7
    assert graph.set("ToySave.filename_prefix", "x").nodes["4"].inputs["filename_prefix"] == "x"
    brings = Graph.from_api(
        {"5": {"class_type": "Save", "inputs": {"format": "mp4", "format.codec": "auto", "codec": ""}}}
    )
    for target in ("5.format.codec", "Save.format.codec"):
        assert brings.set(target, "h264").nodes["5"].inputs == {"format": "mp4", "format.codec": "h264", "codec": ""}
    for wrong, says in (
        ("ToyNumber.value", r"could be any of 1 \(left\), 2 \(ToyNumber\)"),
        ("nobody.x", "has no node"),
        ("value", "NODE.INPUT"),
        ("3.a", "linked"),
    ):
        with pytest.raises(InputError, match=says):
            graph.set(wrong, 1)


def test_a_node_inside_a_subgraph_is_found_by_its_own_id_where_that_is_enough() -> None:
    graph = Graph.from_api({"5:8": number(value=1), "6:8": number(value=2), "6:9": number(value=3)})
    assert graph.find("9").id == "6:9" and graph.find("5:8").id == "5:8"
    with pytest.raises(InputError, match=r"5:8 .*6:8"):
        graph.find("8")


def test_seeds_move_on_as_the_file_says_and_the_same_way_each_time() -> None:
    prompt = {"1": number(seed=7)}
    seeds = {}
    for how in ("fixed", "increment", "decrement", "randomize"):
        graph = Graph.from_api(prompt, controls={("1", "seed"): how})
        seeds[how] = [graph.advance(times).nodes["1"].inputs["seed"] for times in range(3)]
        assert seeds[how] == [graph.advance(times).nodes["1"].inputs["seed"] for times in range(3)]
    assert seeds["fixed"] == [7, 7, 7] and seeds["increment"] == [7, 8, 9] and seeds["decrement"] == [7, 6, 5]
    assert len(set(seeds["randomize"])) == 3


def test_a_picture_of_a_kind_that_carries_no_workflow_is_named_as_that(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a\xff")
    with pytest.raises(InputError, match=r"a\.gif is of a kind that carries no workflow; those that may: .*\.png"):
        read_document(tmp_path / "a.gif")


def test_a_date_in_a_name_that_was_set_is_checked_as_it_will_be() -> None:
    graph = Graph.from_api(sum_workflow())
    assert plan(graph.set("ToySave.filename_prefix", "%date:yyyy-MM-dd%/x"), registry()).order
    with pytest.raises(InputError, match="no usable output name"):
        plan(graph.set("ToySave.filename_prefix", "%date:hh:mm%"), registry())
