"""The example workflows: they read, they are valid as they are, and a person can read them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sora_nodes import cli
from sora_nodes.commands.run import local_registry
from sora_nodes.runtime.command import RunRequest, load_graph
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.session import Session
from sora_nodes.runtime.validate import plan
from wan_toys import FOLDERS, put_tokenizer_beside, tiny, write

TITLE = 30
"""pixels that the title of a node or group takes"""
EXAMPLES = sorted((Path(__file__).parent.parent / "example_workflows").glob("*.json"))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(autouse=True)
def a_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    put_tokenizer_beside(monkeypatch)


def session(path: Path, root: Path) -> Session:
    """A session in which the weights that a workflow names lie in their folders, with a few numbers."""
    for node in json.loads(path.read_text())["nodes"]:
        if node["type"] in FOLDERS:
            kind, name = node["type"], node["widgets_values"][0]
            write(root / FOLDERS[kind] / name, tiny(kind, name))
    return Session(input=root, output=root, temp=root, models=root)


def graph(path: Path, root: Path, *settings: str) -> Graph:
    with session(path, root).active():
        return load_graph(
            RunRequest(workflow=path, settings=list(settings), nodes=local_registry), None, local_registry()
        )


def test_there_are_examples() -> None:
    assert {"text_to_video", "text_to_image", "vertical_video", "draft_then_full"} <= {path.stem for path in EXAMPLES}


def test_an_example_is_valid_as_it_is(example: Path, tmp_path: Path) -> None:
    with session(example, tmp_path).active():
        checked = plan(graph(example, tmp_path), local_registry())
    drawn = [
        node
        for node in json.loads(example.read_text())["nodes"]
        if node["type"] not in ("MarkdownNote", "PrimitiveNode")
    ]
    assert len(checked.order) == len(drawn)


def test_an_example_opens_as_an_app(example: Path) -> None:
    """What App mode shows (extra.linearData) are fields that are free and nodes that save; the graph opens first."""
    document = json.loads(example.read_text())
    nodes, app = {str(node["id"]): node for node in document["nodes"]}, document["extra"]["linearData"]
    assert "linearMode" not in document["extra"] and app["inputs"] and app["outputs"]
    names = []
    for key, widget in app["inputs"]:
        fields = {item["name"]: item for item in nodes[key].get("inputs", []) if "widget" in item}
        assert nodes[key]["type"] == "PrimitiveNode" or fields[widget]["link"] is None, (key, widget)
        names.append(fields.get(widget, {}).get("label", widget))
    assert len(set(names)) == len(names), "two fields of one name"
    saving = [key for key, node in nodes.items() if node["type"] in ("SoraSaveVideo", "SaveImage")]
    assert sorted(app["outputs"]) == sorted(saving)


def test_an_example_is_laid_out_for_a_person(example: Path) -> None:
    """A note, each node with its title in one group, nothing on top of anything else, and links that agree on both
    ends."""
    document = json.loads(example.read_text())
    nodes: dict[int, dict[str, Any]] = {node["id"]: node for node in document["nodes"]}
    assert any(node["type"] == "MarkdownNote" for node in nodes.values()) and len(document["groups"]) >= 3
    groups = [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in document["groups"])]
    boxes = [
        (x, y - TITLE, x + w, y + h) for (x, y), (w, h) in ((node["pos"], node["size"]) for node in nodes.values())
    ]
    for shapes in (groups, boxes):
        for i, a in enumerate(shapes):
            for b in shapes[i + 1 :]:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], f"{a} and {b} overlap"
    for box in boxes:
        assert any(g[0] <= box[0] and g[1] + TITLE <= box[1] and box[2] <= g[2] and box[3] <= g[3] for g in groups), (
            f"{box} in no group"
        )
    for number, origin, slot, target, target_slot, kind in document["links"]:
        assert (
            number in nodes[origin]["outputs"][slot]["links"] and nodes[target]["inputs"][target_slot]["link"] == number
        )
        assert nodes[origin]["outputs"][slot]["type"] == kind == nodes[target]["inputs"][target_slot]["type"]


def test_one_seed_drives_both_passes_of_the_draft_workflow(tmp_path: Path) -> None:
    found = graph(next(path for path in EXAMPLES if path.stem == "draft_then_full"), tmp_path)
    assert [node.inputs["seed"] for node in found.nodes.values() if node.kind == "SoraSampler"] == [7, 7]


def test_a_value_is_set_by_the_title_that_the_person_sees(tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "text_to_video")
    assert graph(path, tmp_path, "SoraExpandPrompt.prompt=a cone").find("SoraExpandPrompt").inputs["prompt"] == "a cone"


def test_the_forty_prompts_can_be_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Path(__file__).parent.parent / "benchmarks" / "forty_prompts.csv"
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert len(rows) == 80 and len({row["SoraExpandPrompt.prompt"] for row in rows}) == 40
    assert len({row["SoraSaveVideo.filename_prefix"] for row in rows}) == 80
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main(
            [
                "run",
                str(table.parent.parent / "example_workflows" / "text_to_video.json"),
                "--each",
                str(table),
                "--validate",
            ]
        )
        == 0
    )
