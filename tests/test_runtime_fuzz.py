"""Mutated workflows: whatever a file says, the runtime answers with a result or a sentence, soon."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from runtime_toys import number, registry, session, sum_workflow
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.reading import is_saved_format, parse
from sora_nodes.runtime.saved import from_saved
from sora_nodes.sora_core.errors import SoraError
from test_runtime_saved import NUMBER, drawn, nested, workflow

ODD: list[Any] = [
    None, True, False, 0, -1, 3, 10**30, 1.5, -0.0, 1e308, "", "x", "../x", "1", "ToyAdd", "\ud800", "{job}", -10,
    -20, 4, 2,
    [], {}, [0], ["1", 0], ["4", 0], ["3", 99], ["3", -1], [1, 2, 3], [[]], {"__value__": [1]}, {"a": {"b": []}},
    "Reroute", "PrimitiveNode", "plus", "5:1",
]  # fmt: skip


def seeds() -> list[dict[str, Any]]:
    """Workflows in both formats to start from."""
    drawing = workflow(
        [drawn(1, "ToyNumber", NUMBER), drawn(2, "ToyAdd"), drawn(3, "ToySave", ["x"])],
        [[1, 0, 2, 0], [1, 0, 2, 1], [2, 0, 3, 0]],
    )
    return [sum_workflow(), sum_workflow() | {"7": number(note="hi")}, drawing, nested(), nested(values=[3.0])]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found, queue = [], [value]
    while queue:
        item = queue.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else []
        for key in keys:
            found.append((item, key))
            queue.append(item[key])
    return found


def mutate(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy with one to four things replaced, removed, doubled, swapped or renamed."""
    document = copy.deepcopy(document)
    for _ in range(chance.randint(1, 4)):
        container, key = chance.choice(places(document) or [(document, "1")])
        other_container, other_key = chance.choice(places(document) or [(document, "1")])
        match chance.randrange(5):
            case 0:
                container[key] = copy.deepcopy(chance.choice(ODD))
            case 1:
                del container[key]
            case 2 if isinstance(container, list):
                container.insert(key, copy.deepcopy(container[key]))
            case 3:
                container[key] = copy.deepcopy(other_container[other_key])
            case _ if isinstance(container, dict):
                container[str(chance.choice(ODD))] = container.pop(key)
    return document


def outcome(data: bytes, root: Path) -> str:
    """ "ran", or the kind of error that answered. Anything but a SoraError is a crash and comes out of here."""
    where = session(root)
    try:
        document = parse(data, where="fuzz.json")
        graph = (
            from_saved(document, registry().object_info()) if is_saved_format(document) else Graph.from_api(document)
        )
        Executor(registry(), keep=False).run(graph, where)
    except SoraError as error:
        assert str(error).strip(), f"an error without a word: {type(error).__name__}"
        return type(error).__name__
    return "ran"


def fuzz(count: int, seed: int, root: Path) -> dict[str, int]:
    """Runs `count` mutated workflows; every third is also broken as bytes."""
    chance, counts = random.Random(seed), dict.fromkeys(("ran", "InputError", "WorkflowError"), 0)
    starts = seeds()
    for index in range(count):
        data = json.dumps(mutate(chance.choice(starts), chance)).encode()
        if index % 3 == 0:
            place = chance.randrange(len(data))
            data = data[:place] + chance.randbytes(chance.randint(0, 3)) + data[place + chance.randint(0, 3) :]
        kind = outcome(data, root)
        counts[kind] = counts.get(kind, 0) + 1
    return counts


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_workflows_neither_crash_nor_hang_nor_write_elsewhere(tmp_path: Path, seed: int) -> None:
    counts = fuzz(250, seed, tmp_path)
    assert sum(counts.values()) == 250 and all(counts[kind] > 10 for kind in ("ran", "InputError", "WorkflowError")), (
        counts
    )
    assert {path.name for path in tmp_path.iterdir()} <= {"input", "output", "temp"}
