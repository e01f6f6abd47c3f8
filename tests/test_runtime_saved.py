"""The format that the interface saves: what its queue button would send is what the runtime reads."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from runtime_toys import registry
from sora_nodes.runtime.drawing import redrawn
from sora_nodes.runtime.given import typed
from sora_nodes.runtime.graph import Graph, Link
from sora_nodes.runtime.saved import from_saved
from sora_nodes.runtime.validate import WorkflowError, plan
from sora_nodes.sora_core.errors import InputError

TYPES = {"ToyNumber": ([], ["FLOAT", "STRING"]), "ToyAdd": (["a", "b"], ["FLOAT"]), "ToySave": (["number"], [])}


def drawn(key: int, kind: str, values: Any = None, **changes: Any) -> dict[str, Any]:
    """A node as the interface saves it."""
    inputs, outputs = TYPES.get(kind, ([], []))
    return {
        "id": key,
        "type": kind,
        "mode": 0,
        "inputs": [{"name": name, "type": "FLOAT", "link": None} for name in inputs],
        "outputs": [{"name": kind, "type": kind, "links": []} for kind in outputs],
        "properties": {},
        "widgets_values": values,
        **changes,
    }


def workflow(nodes: list[dict[str, Any]], links: list[list[Any]], **extra: Any) -> dict[str, Any]:
    """A saved workflow; links are [origin, slot, target, target slot]."""
    by_id = {node["id"]: node for node in nodes}
    rows = []
    for number, (origin, slot, target, target_slot) in enumerate(links, start=1):
        rows.append([number, origin, slot, target, target_slot, "FLOAT"])
        by_id[target]["inputs"][target_slot]["link"] = number
    return {"nodes": nodes, "links": rows, "groups": [{"title": "all"}], "version": 0.4, **extra}


def convert(document: dict[str, Any]) -> Graph:
    return from_saved(document, registry().object_info())


NUMBER = [2.5, 7, "increment", "double", True, "hello"]


def test_widget_values_are_read_by_position_and_the_seed_control_is_kept() -> None:
    graph = convert(workflow([drawn(1, "ToyNumber", NUMBER), drawn(2, "ToySave", ["x"])], [[1, 0, 2, 0]]))
    assert graph.nodes["1"].inputs == {"value": 2.5, "seed": 7, "kind": "double", "negate": True, "note": "hello"}
    assert graph.controls == {("1", "seed"): "increment"}
    assert graph.nodes["2"].inputs == {"filename_prefix": "x", "number": Link("1", 0)}


def test_a_node_without_a_title_is_found_by_what_the_interface_shows() -> None:
    graph = convert(workflow([drawn(1, "ToyNumber", NUMBER), drawn(2, "ToyNumber", NUMBER, title="mine")], []))
    assert graph.set("Toy Number.seed", 3).nodes["1"].inputs["seed"] == 3
    assert graph.find("mine").id == "2"


def test_a_file_from_before_an_input_was_added_takes_its_default() -> None:
    graph = convert(workflow([drawn(1, "ToyNumber", [2.5, 7, "fixed"])], []))
    assert graph.nodes["1"].inputs == {"value": 2.5, "seed": 7, "kind": "plain", "negate": False, "note": ""}


def test_values_by_name_are_read_too() -> None:
    graph = convert(workflow([drawn(1, "ToyNumber", {"seed": 3, "kind": "double", "videopreview": {}})], []))
    assert graph.nodes["1"].inputs == {"value": 1.0, "seed": 3, "kind": "double", "negate": False, "note": ""}


def test_notes_reroutes_and_primitives_are_only_drawn() -> None:
    nodes = [
        drawn(1, "ToyNumber", NUMBER),
        drawn(2, "Reroute", inputs=[{"name": "", "type": "*", "link": None}]),
        drawn(3, "Reroute", inputs=[{"name": "", "type": "*", "link": None}]),
        drawn(4, "PrimitiveNode", [9.5, "fixed"]),
        drawn(5, "ToyAdd"),
        drawn(6, "MarkdownNote", ["# read me"]),
        drawn(7, "ToySave", ["x"]),
    ]
    graph = convert(workflow(nodes, [[1, 0, 2, 0], [2, 0, 3, 0], [3, 0, 5, 0], [4, 0, 5, 1], [5, 0, 7, 0]]))
    assert list(graph.nodes) == ["1", "5", "7"]
    assert graph.nodes["5"].inputs == {"a": Link("1", 0), "b": 9.5}


def test_a_bypassed_node_hands_on_its_input_and_a_muted_one_nothing() -> None:
    nodes = [
        drawn(1, "ToyNumber", NUMBER),
        drawn(2, "ToyAdd", mode=4),
        drawn(3, "ToyNumber", NUMBER, mode=2),
        drawn(4, "ToyAdd"),
    ]
    graph = convert(workflow(nodes, [[1, 0, 2, 0], [2, 0, 4, 0], [3, 0, 4, 1]]))
    assert list(graph.nodes) == ["1", "4"]
    assert graph.nodes["4"].inputs == {"a": Link("1", 0)}


@pytest.mark.parametrize(
    ("wanted", "source"),
    [("FLOAT", 2), ("*", 1), ("IMAGE", None), ("INT,FLOAT", 2)],
)
def test_a_bypassed_node_hands_on_what_the_last_input_asks_for(wanted: str, source: int | None) -> None:
    """Through reroutes too: an input of any type is given what lies beside the output, whatever that is."""
    mixed = [{"name": "words", "type": "STRING", "link": None}, {"name": "value", "type": "FLOAT", "link": None}]
    nodes = [
        drawn(1, "ToyWords", ["x"], outputs=[{"name": "words", "type": "STRING"}]),
        drawn(2, "ToyNumber", NUMBER),
        drawn(3, "Mixed", mode=4, inputs=mixed, outputs=[{"name": "out", "type": "FLOAT"}]),
        drawn(4, "Reroute", inputs=[{"name": "", "type": "*", "link": None}]),
        drawn(5, "Shown", inputs=[{"name": "source", "type": wanted, "link": None}]),
    ]
    links = [[1, 0, 3, 0], [2, 0, 3, 1], [3, 0, 4, 0], [4, 0, 5, 0]]
    inputs = convert(workflow(nodes, links)).nodes["5"].inputs
    assert inputs == ({} if source is None else {"source": Link(str(source), 0)})


def nested(**user: Any) -> dict[str, Any]:
    """A subgraph (its input + 1, and a promoted widget) used by a workflow; inner links are objects."""
    inner = [drawn(1, "ToyNumber", NUMBER), drawn(2, "ToyAdd")]
    inner[0]["inputs"] = [{"name": "value", "type": "FLOAT", "link": 13, "widget": {"name": "value"}}]
    inner[1]["inputs"][0]["link"], inner[1]["inputs"][1]["link"] = 11, 12
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    rows = [(11, -10, 0, 2, 0), (12, 1, 0, 2, 1), (13, -10, 1, 1, 0), (14, 2, 0, -20, 0)]
    plus = {
        "id": "plus",
        "name": "Plus",
        "nodes": inner,
        "links": [dict(zip(names, row, strict=True)) for row in rows],
        "inputs": [{"name": "in", "linkIds": [11]}, {"name": "value", "linkIds": [13]}],
        "outputs": [{"name": "out", "linkIds": [14]}],
    }
    nodes = [
        drawn(1, "ToyNumber", NUMBER),
        drawn(5, "plus", user.pop("values", None), **user),
        drawn(3, "ToySave", ["x"]),
    ]
    nodes[1]["inputs"] = [{"name": "in", "type": "FLOAT", "link": None}]
    nodes[1]["outputs"] = [{"name": "out", "type": "FLOAT"}]
    return workflow(nodes, [[1, 0, 5, 0], [5, 0, 3, 0]], definitions={"subgraphs": [plus]})


def test_a_subgraph_is_laid_open_under_the_ids_that_the_interface_gives() -> None:
    graph = convert(nested())
    assert list(graph.nodes) == ["1", "3", "5:1", "5:2"]
    assert graph.nodes["5:2"].inputs == {"a": Link("1", 0), "b": Link("5:1", 0)}
    assert graph.nodes["3"].inputs["number"] == Link("5:2", 0)
    assert graph.nodes["5:1"].inputs["value"] == 2.5


def test_a_promoted_widget_takes_the_value_that_its_user_holds() -> None:
    assert convert(nested(values=[8.25])).nodes["5:1"].inputs["value"] == 8.25


def test_the_seed_of_a_promoted_widget_moves_on_as_the_node_inside_says() -> None:
    document = nested(values=[8.25, 700])
    plus = document["definitions"]["subgraphs"][0]
    plus["nodes"][0]["inputs"].append({"name": "seed", "type": "INT", "link": 15, "widget": {"name": "seed"}})
    plus["links"].append({"id": 15, "origin_id": -10, "origin_slot": 2, "target_id": 1, "target_slot": 1})
    plus["inputs"].append({"name": "seed", "linkIds": [15]})
    assert [convert(document).advance(run).nodes["5:1"].inputs["seed"] for run in range(3)] == [700, 701, 702]


def test_a_promoted_widget_that_its_user_holds_no_value_of_gives_its_own_to_all_that_it_leads_to() -> None:
    document = nested(values=[])
    plus = document["definitions"]["subgraphs"][0]
    plus["links"].append({"id": 16, "origin_id": -10, "origin_slot": 1, "target_id": 2, "target_slot": 1})
    plus["inputs"][1]["linkIds"] = [13, 16]
    plus["nodes"][1]["inputs"][1]["link"] = 16
    assert convert(document).nodes["5:2"].inputs["b"] == 2.5


def test_a_bypassed_node_is_read_as_the_interface_draws_it_though_the_file_lists_fewer_inputs() -> None:
    second = {"name": "b", "type": "FLOAT", "link": None}
    nodes = [drawn(1, "ToyNumber", NUMBER), drawn(2, "ToyAdd", mode=4, inputs=[second]), drawn(3, "ToyAdd")]
    assert convert(workflow(nodes, [[1, 0, 2, 0], [2, 0, 3, 0]])).nodes["3"].inputs == {}, "beside the output is a"


@pytest.mark.parametrize(("mode", "why"), [(2, "muted"), (4, "bypassed, with nothing of that type to hand on")])
def test_an_input_that_lacks_what_a_switched_off_node_gave_names_that_node(mode: int, why: str) -> None:
    nodes = [drawn(1, "ToyNumber", NUMBER, mode=mode), drawn(2, "ToySave", ["x"])]
    with pytest.raises(WorkflowError, match=rf"given nothing, since node 1 \(ToyNumber\) is {why}; expected a link"):
        plan(convert(workflow(nodes, [[1, 0, 2, 0]])), registry())


@pytest.mark.parametrize("mode", [2, 4])
def test_a_widget_that_counts_since_what_feeds_it_is_switched_off_is_told(mode: int) -> None:
    linked = drawn(2, "ToyNumber", NUMBER)
    linked["inputs"] = [{"name": "note", "type": "STRING", "link": None, "widget": {"name": "note"}}]
    graph = convert(workflow([drawn(1, "ToyNumber", NUMBER, mode=mode), linked], [[1, 1, 2, 0]]))
    assert graph.notes["2"].startswith("note gets nothing, since node 1 (ToyNumber) is ")
    assert graph.notes["2"].endswith(": its own value 'hello' counts") and graph.nodes["2"].inputs["note"] == "hello"


def test_gaps_among_the_links_are_skipped() -> None:
    document = workflow([drawn(1, "ToyNumber", NUMBER), drawn(2, "ToySave", ["x"])], [[1, 0, 2, 0]])
    document["links"].insert(0, None)
    assert convert(document).nodes["2"].inputs["number"] == Link("1", 0)
    assert convert({**document, "links": None}).nodes.keys() == {"1", "2"}


def test_a_workflow_whose_nodes_are_all_switched_off_is_refused_for_that() -> None:
    with pytest.raises(InputError, match="all are muted"):
        convert(workflow([drawn(1, "ToyNumber", NUMBER, mode=2)], []))


def test_a_bypassed_subgraph_hands_on_its_input() -> None:
    graph = convert(nested(mode=4))
    assert list(graph.nodes) == ["1", "3"] and graph.nodes["3"].inputs["number"] == Link("1", 0)


def test_a_subgraph_within_itself_is_refused() -> None:
    document = nested()
    document["definitions"]["subgraphs"][0]["nodes"].append(drawn(9, "plus"))
    with pytest.raises(InputError, match="contains itself"):
        convert(document)


def test_reroutes_in_a_circle_are_refused() -> None:
    wire = [{"name": "", "type": "*", "link": None}]
    nodes = [drawn(1, "Reroute", inputs=wire), drawn(2, "Reroute", inputs=[dict(wire[0])]), drawn(3, "ToySave", ["x"])]
    with pytest.raises(InputError, match="circle"):
        convert(workflow(nodes, [[2, 0, 1, 0], [1, 0, 2, 0], [1, 0, 3, 0]]))


def test_an_unknown_node_is_kept_with_the_pack_that_the_file_names() -> None:
    unknown = drawn(1, "WanVideoSampler", [1, 2], properties={"cnr_id": "ComfyUI-WanVideoWrapper"})
    assert convert(workflow([unknown], [])).nodes["1"].pack == "ComfyUI-WanVideoWrapper"


def test_a_group_node_of_an_older_interface_is_named_as_that() -> None:
    with pytest.raises(WorkflowError, match="a group node of an older interface: make it a subgraph"):
        plan(convert(workflow([drawn(1, "workflow>Mine"), drawn(2, "ToySave", ["x"])], [[1, 0, 2, 0]])), registry())


def test_a_switch_is_named_with_what_does_without_it() -> None:
    with pytest.raises(WorkflowError, match="link the side that is wanted straight to where the switch leads"):
        nodes = [drawn(1, "ComfySoftSwitchNode"), drawn(2, "ToySave", ["x"])]
        plan(convert(workflow(nodes, [[1, 0, 2, 0]])), registry())


def named(values: list[Any], **changes: Any) -> dict[str, Any]:
    """A ToyNumber as interfaces from 1.49 on save it."""
    keys = ("value", "seed", "control_after_generate", "kind", "negate", "note")
    return drawn(1, "ToyNumber", values, widgets_values_named=dict(zip(keys, values, strict=True)), **changes)


PRIMITIVE = workflow([drawn(4, "PrimitiveNode", [9.5, "fixed"]), drawn(5, "ToyAdd")], [[4, 0, 5, 0], [4, 0, 5, 1]])


@pytest.mark.parametrize(
    ("document", "change"),
    [
        (workflow([drawn(1, "ToyNumber", NUMBER)], []), {"1.value": "3", "1.negate": "false", "1.note": "7"}),
        (workflow([drawn(1, "ToyNumber", [2.5, 7])], []), {"1.seed": 8, "1.negate": True}),
        (workflow([drawn(1, "ToyNumber", {"seed": 3, "value": 1.0})], []), {"1.seed": 8}),
        (workflow([named([7, 7, "fixed", "double", True, "7"])], []), {"1.seed": 8, "1.note": "x"}),
        (nested(), {"5:1.value": 4, "5:1.seed": 6}),
        (nested(values=[8.25]), {"5:1.value": 4.0}),
        (nested(values=[8.25], widgets_values_named={"value": 8.25}), {"5:1.value": 4.0}),
        (PRIMITIVE, {"5.a": 1.0, "5.b": 1.0}),
    ],
    ids=["places", "older file", "names", "both", "within a subgraph", "promoted", "promoted by name", "primitive"],
)
def test_the_drawing_that_files_carry_shows_what_ran(document: dict[str, Any], change: dict[str, Any]) -> None:
    before, graph = deepcopy(document), convert(document)
    for target, value in change.items():
        graph = graph.set(target, value)
    ran = typed(graph, registry().object_info())
    drawing = redrawn(graph, ran, registry().object_info())
    assert drawing is not None and convert(drawing).to_api() == ran.to_api()
    assert document == before, "the workflow of the next row is untouched"


def test_seeds_that_moved_on_and_choices_that_were_made_are_drawn() -> None:
    document = workflow([drawn(1, "ToyNumber", NUMBER)], [])
    moved = convert(document).advance(3)
    drawing = redrawn(moved, moved, registry().object_info())
    assert drawing is not None and drawing["nodes"][0]["widgets_values"][1] == 10
    info = {"Say": {"input": {"required": {"text": ["STRING", {"dynamicPrompts": True}]}}}}
    said = from_saved({"nodes": [drawn(1, "Say", ["a {red|blue} ball"])], "links": []}, info)
    drawing = redrawn(said, said, info)
    assert drawing is not None and drawing["nodes"][0]["widgets_values"] == [said.nodes["1"].inputs["text"]]
    asis = said.set("1.text", "a {b|c}")
    drawing = redrawn(asis, asis, info)
    assert drawing is not None and from_saved(drawing, info).nodes["1"].inputs["text"] == "a {b|c}"


def test_what_the_drawing_cannot_hold_leaves_it_out() -> None:
    two = convert(PRIMITIVE).set("5.a", 1.0)
    assert redrawn(two, two, registry().object_info()) is None, "one primitive, two values"


@pytest.mark.parametrize(
    "document",
    [
        {"nodes": [{"id": 1}], "links": []},
        {"nodes": [{"type": "ToyAdd"}], "links": []},
        {"nodes": [drawn(1, "ToyAdd"), drawn(1, "ToyAdd")], "links": []},
        {"nodes": [drawn(1, "ToyAdd")], "links": [[1, 2]]},
        {"nodes": [drawn(1, "ToyAdd")], "links": [[1, 1, "a", 1, 0, "X"]]},
        {"nodes": [drawn(1, "ToyAdd")], "links": ["x"]},
    ],
)
def test_a_drawing_that_cannot_be_read_is_answered_by_one_sentence(document: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="saved workflow"):
        convert(document)


def test_comfy_cli_reads_the_same_workflow_the_same_way() -> None:
    converter = pytest.importorskip("comfy_cli.workflow_to_api")
    document = nested()
    document["definitions"]["subgraphs"][0]["id"] = document["nodes"][1]["type"] = (
        "11111111-2222-3333-4444-555555555555"
    )
    theirs = converter.convert_ui_to_api(document, registry().object_info())
    ours = convert(document).to_api()
    assert {key: node["inputs"] for key, node in theirs.items()} == {key: node["inputs"] for key, node in ours.items()}


def test_links_are_counted_across_the_uses_of_a_subgraph() -> None:
    """A small file may not unfold into a large one: a hundred uses of one subgraph of many links."""
    nodes = [drawn(i, "ToyNumber") for i in range(20)]
    links = [{"id": i, "origin_id": 0, "origin_slot": 0, "target_id": 1, "target_slot": 0} for i in range(4000)]
    many = {"id": "many", "name": "many", "nodes": nodes, "links": links, "inputs": [], "outputs": []}
    document = workflow([drawn(i, "many") for i in range(100)], [], definitions={"subgraphs": [many]})
    with pytest.raises(InputError, match="links with its subgraphs"):
        from_saved(document, {})
