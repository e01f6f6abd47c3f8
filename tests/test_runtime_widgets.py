"""Files that today's interface saves: inputs that come and go, nodes of the drawing alone, names with dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sora_nodes.runtime.choices import chosen
from sora_nodes.runtime.naming import fill_prefix, fill_size, filled, prompt_values
from sora_nodes.runtime.saved import from_saved
from sora_nodes.sora_core.errors import InputError

CODEC = [
    "COMFY_DYNAMICCOMBO_V3",
    {
        "options": [
            {"key": "auto", "inputs": {"required": {}}},
            {"key": "h264", "inputs": {"required": {}, "optional": {"crf": ["FLOAT", {"default": 23.0}]}}},
        ]
    },
]
INFO: dict[str, Any] = {
    "Save": {
        "input": {
            "required": {
                "video": ["VIDEO", {}],
                "filename_prefix": ["STRING", {"default": "video/x"}],
                "format": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "auto", "inputs": {"required": {}}},
                            {"key": "mp4", "inputs": {"required": {"codec": CODEC}}},
                        ]
                    },
                ],
                "rate": ["FLOAT,INT", {"default": 8, "widgetType": "FLOAT"}],
                "sums": [
                    "COMFY_AUTOGROW_V3",
                    {"template": {"input": {"required": {"v": ["INT", {}]}}, "names": ["a"]}},
                ],
                "quality": ["INT", {"default": 5}],
            }
        },
        "output": [],
    },
    "Seeded": {"input": {"required": {"seed": ["INT", {"default": 0, "control_after_generate": True}]}}, "output": []},
}


def node(number: int, kind: str, values: Any = None, inputs: Any = (), **more: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "widgets_values": values, "inputs": list(inputs), "outputs": [], **more}


def socket(name: str, link: int | None = None, *, widget: bool = False) -> dict[str, Any]:
    return {"name": name, "link": link, "type": "*", **({"widget": {"name": name}} if widget else {})}


def converted(nodes: list[Any], links: Any = (), info: Any = None) -> dict[str, Any]:
    graph = from_saved({"nodes": nodes, "links": [list(link) for link in links]}, info or INFO)
    return {key: found.inputs for key, found in graph.nodes.items()}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["a", "auto", 12.0, 7], {"format": "auto", "rate": 12.0, "quality": 7}),
        (["a", "mp4", "auto", 12.0, 7], {"format": "mp4", "format.codec": "auto", "rate": 12.0, "quality": 7}),
        (
            ["a", "mp4", "h264", 18.0, 12.0, 7],
            {"format": "mp4", "format.codec": "h264", "format.codec.crf": 18.0, "rate": 12.0, "quality": 7},
        ),
        (["a"], {"format": "auto", "rate": 8, "quality": 5}),
        (
            ["a", "mp4", "h264"],
            {"format": "mp4", "format.codec": "h264", "format.codec.crf": 23.0, "rate": 8, "quality": 5},
        ),
    ],
)
def test_inputs_that_a_choice_brings_take_their_values_and_no_others(values: Any, found: Any) -> None:
    assert converted([node(1, "Save", values)])["1"] == {"filename_prefix": "a", **found}


def test_inputs_that_grow_are_linked_by_their_own_names() -> None:
    nodes = [node(1, "Save", ["a"], [socket("sums.a", 5)]), node(2, "Seeded", [1, "fixed"])]
    assert converted(nodes, [(5, 2, 0, 1, 0)])["1"]["sums.a"] == ("2", 0)


def test_a_file_of_a_version_with_more_inputs_keeps_each_value_its_own() -> None:
    names = [socket(name, widget=True) for name in ("filename_prefix", "bitrate", "format", "rate", "quality")]
    got = converted([node(1, "Save", ["a", 900, "auto", 12.0, 7], names)])["1"]
    assert got == {"filename_prefix": "a", "format": "auto", "rate": 12.0, "quality": 7}
    said = from_saved({"nodes": [node(1, "Save", ["a", 900, "auto", 12.0, 7], names)], "links": []}, INFO).notes["1"]
    assert "bitrate is not known here and left out" in said
    with pytest.raises(InputError, match=r"another version of it, with 'bitrate'"):
        converted([node(1, "Save", ["a", 900, "auto", 12.0, 7, 8, 9], names)])


def test_the_names_that_today_s_interface_saves_say_which_value_is_whose() -> None:
    """Wherever buttons leave gaps in the list; a list that was changed by hand counts, as in the interface."""
    named = {"filename_prefix": "a", "format": "mp4", "format.codec": "auto", "grain": 0.5, "rate": 12.0, "quality": 7}
    saved = node(1, "Save", [None, "a", "mp4", "auto", None, 0.5, 12.0, 7], widgets_values_named=named)
    graph = from_saved({"nodes": [saved], "links": []}, INFO)
    assert graph.nodes["1"].inputs == {name: value for name, value in named.items() if name != "grain"}
    assert "grain is not known here" in graph.notes["1"]
    saved["widgets_values"] = ["b", "auto", 9.0, 3]
    assert converted([saved])["1"] == {"filename_prefix": "b", "format": "auto", "rate": 9.0, "quality": 3}
    del saved["widgets_values"]
    assert converted([saved])["1"]["filename_prefix"] == "a", "a program that writes names alone"
    seeded = node(
        1, "Seeded", [1, "increment"], widgets_values_named={"seed": 1, "control_after_generate": "increment"}
    )
    assert from_saved({"nodes": [seeded], "links": []}, INFO).controls == {("1", "seed"): "increment"}


def test_values_by_name_that_a_file_lacks_take_their_defaults() -> None:
    got = converted([node(1, "Save", {"filename_prefix": "a", "quality": 7})])["1"]
    assert got == {"filename_prefix": "a", "format": "auto", "rate": 8, "quality": 7}


def test_inputs_that_a_later_version_appended_are_left_out() -> None:
    """The file names one of them; the values are in the order of the inputs, whether all are named or not."""
    for named in (["quality", "grain"], ["grain"]):
        saved = node(1, "Save", ["a", "auto", 12.0, 7, 0.5, 8], [socket(name, widget=True) for name in named])
        assert converted([saved])["1"] == {"filename_prefix": "a", "format": "auto", "rate": 12.0, "quality": 7}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", "avi", 12.0, 7], "'avi' for 'format'"),
        (["a", "auto", "high", 7, 5], "'high' for 'rate'"),
        (["a", "auto", "high"], "'high' for 'rate'"),
    ],
)
def test_values_that_cannot_be_those_of_this_version_are_refused_by_name(values: Any, words: str) -> None:
    with pytest.raises(InputError, match=rf"node 1 \(Save\) was saved by another version of it: .*{words}"):
        converted([node(1, "Save", values)])


def test_what_the_interface_adds_to_a_node_is_sent_too() -> None:
    info = {"CustomCombo": {"input": {"required": {"choice": ["COMBO", {"options": []}]}}, "output": []}}
    got = converted([node(1, "CustomCombo", ["b", 1, "a", "b", ""])], info=info)["1"]
    assert got["choice"] == "b" and got["index"] == 1


def test_nodes_of_the_drawing_alone_are_not_run() -> None:
    kinds = ["Note", "Label (rgthree)", "Bookmark (rgthree)", "Fast Groups Bypasser (rgthree)", "Fast Muter (rgthree)"]
    drawn = [node(i, kind, ["x"]) for i, kind in enumerate(kinds)]
    assert list(converted([*drawn, node(99, "Seeded", [1, "fixed"])])) == ["99"]


def test_a_get_node_stands_for_what_the_set_node_of_its_name_is_given() -> None:
    nodes = [
        node(1, "Seeded", [4, "fixed"]), node(2, "SetNode", ["clip"], [socket("IMAGE", 1)]),
        node(3, "GetNode", ["clip"]), node(4, "Save", ["a"], [socket("video", 2)]),
    ]  # fmt: skip
    assert converted(nodes, [(1, 1, 0, 2, 0), (2, 3, 0, 4, 0)])["4"]["video"] == ("1", 0)
    with pytest.raises(InputError, match=r"node 3 gets 'other', which no Set node"):
        converted([*nodes[:2], node(3, "GetNode", ["other"]), nodes[3]], [(1, 1, 0, 2, 0), (2, 3, 0, 4, 0)])


def test_what_becomes_of_a_primitive_after_a_run_becomes_of_what_it_feeds() -> None:
    nodes = [
        node(1, "PrimitiveNode", [100, "increment"]),
        node(2, "Seeded", [4, "fixed"], [socket("seed", 1, widget=True)]),
    ]
    graph = from_saved({"nodes": nodes, "links": [[1, 1, 0, 2, 0, "INT"]]}, INFO)
    assert [graph.advance(times).nodes["2"].inputs["seed"] for times in range(3)] == [100, 101, 102]


@pytest.mark.parametrize("held", [64, 64.0, "64"])
def test_what_moves_from_run_to_run_stays_in_the_range_of_its_input(held: Any) -> None:
    def wide(spec: list[Any]) -> dict[str, Any]:
        return {"Wide": {"input": {"required": {"width": spec}}}}

    whole, moved = ["INT", {"min": 16, "max": 96.0, "step": 16}], {}
    for how in ("increment", "decrement", "randomize"):
        nodes = [node(1, "PrimitiveNode", [held, how]), node(2, "Wide", [32], [socket("width", 1, widget=True)])]
        graph = from_saved({"nodes": nodes, "links": [[1, 1, 0, 2, 0, "INT"]]}, wide(whole))
        moved[how] = [graph.advance(times).nodes["2"].inputs["width"] for times in range(1, 5)]
    assert moved["increment"] == [80, 96, 96, 96] and moved["decrement"] == [48, 32, 16, 16]
    assert set(moved["randomize"]) <= {16, 32, 48, 64, 80, 96} and len(set(moved["randomize"])) > 1
    for spec, value in ((["FLOAT", {"min": 0.0, "max": 64.2, "step": 0.1}], 64.2), ([["64", "128"], {}], held)):
        graph = from_saved({"nodes": nodes, "links": [[1, 1, 0, 2, 0, "INT"]]}, wide(spec))
        graph = replace(graph, controls=dict.fromkeys(graph.controls, "increment"))
        assert graph.advance(5).nodes["2"].inputs["width"] == value


def test_a_prompt_makes_its_choices_anew_for_every_run_and_the_same_ones_again() -> None:
    text = r"a {red|{dark|light} blue} ball \{so\} // a note"
    info = {"Say": {"input": {"required": {"text": ["STRING", {"dynamicPrompts": True}], "raw": ["STRING", {}]}}}}
    graph = from_saved({"nodes": [node(1, "Say", [text, text])], "links": []}, info)
    assert graph.nodes["1"].inputs == {"text": chosen(text, 0), "raw": text}
    made = [graph.advance(times).nodes["1"].inputs["text"] for times in range(40)]
    assert {*made} == {f"a {colour} ball {{so}} " for colour in ("red", "dark blue", "light blue")}
    assert made == [chosen(text, times) for times in range(40)]
    assert graph.set("1.text", "a {b|c}").advance(1).nodes["1"].inputs["text"] == "a {b|c}", (
        "what is set is taken as it is"
    )


def test_names_of_files_are_filled_in_as_comfyui_does() -> None:
    now = datetime(2026, 3, 4, 15, 6, 7)
    prompt = {"3": {"class_type": "KSampler", "inputs": {"seed": 7, "model": ["1", 0]}, "_meta": {"title": "My one"}}}
    fill = lambda text: fill_prefix(text, prompt_values(prompt), now)  # noqa: E731
    assert fill("%date:yyyy-MM-dd%/%date:yy_M_d_hh-mm-ss%") == "2026-03-04/26_3_4_15-06-07"
    assert fill("%KSampler.seed% %My one.seed% %KSampler.model% %Other.seed% %width%") == (
        "7 7 %KSampler.model% %Other.seed% %width%"
    )
    assert fill_size("%year%%month%%day% %hour%:%minute%:%second% %width%x%height% %odd%", 64, 48, now) == (
        "20260304 15:06:07 64x48 %odd%"
    )
    saver = node(1, "Save", ["%date:yyyy%/%The seed.seed%"])
    seeds = [node(2, "Seeded", [9, "increment"], title="The seed"), node(3, "Seeded", [5, "fixed"])]
    seeds[1]["properties"] = {"Node name for S&R": "Mine"}
    info = INFO | {"Seeded": INFO["Seeded"] | {"display_name": "A Seed"}}
    saved = from_saved({"nodes": [saver, *seeds], "links": []}, info)
    graphs = (saved, saved.advance(1), saved.set("2.seed", 4))
    names = [filled(graph).nodes["1"].inputs["filename_prefix"] for graph in graphs]
    assert names == [f"{datetime.now().year}/{seed}" for seed in (9, 10, 4)], "what runs counts, not what the file has"
    other = filled(saved.set("1.filename_prefix", "%Mine.seed% %A Seed.seed% %Seeded.seed%"))
    assert other.nodes["1"].inputs["filename_prefix"] == "5 5 9"


@pytest.mark.parametrize("values", ["512", 512])
def test_widget_values_that_are_no_list_are_no_defaults(values: Any) -> None:
    with pytest.raises(InputError, match=r"node 1 \(Seeded\): its widgets_values are .*512.* and must be a list"):
        converted([node(1, "Seeded", values)])
