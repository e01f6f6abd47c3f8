"""The blueprints of `subgraphs/`: each edit operation as one node, whose inside fits together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sora_nodes.nodes import SoraExtension
from sora_nodes.runtime.graph import Link, types_fit
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.saved import from_saved

BLUEPRINTS = sorted((Path(__file__).parent.parent / "subgraphs").glob("*.json"))


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_fits_together(path: Path) -> None:
    document, registry = json.loads(path.read_text()), Registry.of(SoraExtension())
    (inside,) = document["definitions"]["subgraphs"]
    nodes: dict[Any, Any] = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        source, target = nodes.get(link["origin_id"]), nodes.get(link["target_id"])
        given = (source["outputs"] if source else inside["inputs"])[link["origin_slot"]]["type"]
        wanted = (target["inputs"] if target else inside["outputs"])[link["target_slot"]]["type"]
        assert types_fit(given, wanted), link
    graph = from_saved(document, registry.object_info())
    kinds = [node.kind for node in graph.nodes.values()]
    assert (
        len(kinds) == 3 and all(kind in registry for kind in kinds) and kinds[1:] == ["SoraSampler", "SoraStitchVideo"]
    )
    sampler = next(node for node in graph.nodes.values() if node.kind == "SoraSampler")
    assert isinstance(sampler.inputs["latent"], Link) and sampler.inputs["steps"] == 25
    outer = document["nodes"][0]
    fields = [item["name"] for item in outer["inputs"] if "widget" in item]
    assert {"seed", "steps"} <= set(fields), (
        "what is set on the node is an input of the subgraph: ids inside may change"
    )
    assert outer["properties"]["proxyWidgets"] == [["-1", name] for name in fields]
    assert [item["name"] for item in outer["inputs"]] == [item["name"] for item in inside["inputs"]]
