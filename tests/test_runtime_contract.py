"""Saved workflows keep working: node ids, inputs, their order and their defaults are a contract, kept in
contract/nodes.json.

After an addition, run `python tests/test_runtime_contract.py` and commit the file with it.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sora_nodes
from sora_nodes.commands.run import local_registry
from sora_nodes.nodes import SoraExtension
from sora_nodes.runtime.registry import Registry

CONTRACT = Path(__file__).parent / "contract" / "nodes.json"
HELP = Path(__file__).parent.parent / "web" / "docs"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}

MIGRATE = """{what}
Workflows that people saved hold widget values by position and sockets by name, so this change would break them.
To change a node: append new inputs behind the others, with a default. To take one away: keep it, mark it deprecated
in its tooltip
and ignore it. To do something else: add a node with a new id and leave this one as it is.
"""


def ours() -> Registry:
    return Registry.of(SoraExtension())


def entry(info: dict[str, Any]) -> dict[str, Any]:
    """What of a node saved workflows rely on."""
    inputs = [
        {"name": name, "type": spec[0], "required": group == "required", "default": spec[1].get("default")}
        for group in ("required", "optional")
        for name, spec in info["input"].get(group, {}).items()
    ]
    return {"inputs": inputs, "outputs": [list(pair) for pair in zip(info["output_name"], info["output"], strict=True)]}


def contract() -> dict[str, Any]:
    return {name: entry(info) for name, info in ours().object_info().items()}


def test_no_node_and_no_input_was_removed_moved_or_changed() -> None:
    now, was = contract(), json.loads(CONTRACT.read_text())
    for name, node in was.items():
        assert name in now, MIGRATE.format(what=f"The node {name} is gone.")
        for side in ("inputs", "outputs"):
            kept = now[name][side][: len(node[side])]
            assert kept == node[side], MIGRATE.format(
                what=f"{name}: the {side} were {node[side]} and are {now[name][side]}."
            )
        added = now[name]["inputs"][len(node["inputs"]) :]
        required = [item["name"] for item in added if item["required"] and item["default"] is None]
        assert not required, MIGRATE.format(what=f"{name}: the new inputs {required} are required and have no default.")


def test_what_was_added_is_in_the_contract() -> None:
    assert contract() == json.loads(CONTRACT.read_text()), (
        "nodes or inputs were added: run `python tests/test_runtime_contract.py`"
    )


def test_every_node_is_ours_by_name_and_says_what_everything_is() -> None:
    for name, info in ours().object_info().items():
        assert (
            name.startswith("Sora")
            and info["display_name"]
            and info["description"]
            and info["category"].startswith("Sora")
        )
        for group in ("required", "optional"):
            for key, spec in info["input"].get(group, {}).items():
                assert spec[1].get("tooltip"), f"{name}.{key} has no tooltip"
                assert spec[0] not in WIDGETS or spec[0] == "COMBO" or "default" in spec[1], (
                    f"{name}.{key} has no default"
                )
        assert all(info["output_tooltips"]), f"an output of {name} has no tooltip"


def test_every_node_has_a_help_page_that_names_every_input() -> None:
    for name, info in ours().object_info().items():
        page = (HELP / f"{name}.md").read_text()
        for key in [*info["input"]["required"], *info["input"].get("optional", {}), *info["output_name"]]:
            assert key in page, f"the help page of {name} does not speak of {key}"
    assert {path.stem for path in HELP.glob("*.md")} <= set(ours().names())


def test_names_that_nodes_offer_are_those_of_the_core() -> None:
    from sora_nodes.nodes import inputs
    from sora_nodes.sora_core.diffusion.schedule import SCHEDULES
    from sora_nodes.sora_core.diffusion.solvers import SOLVERS

    assert set(inputs.SAMPLERS) == set(SOLVERS) and set(inputs.SCHEDULERS) == set(SCHEDULES)


def test_the_script_of_the_interface_speaks_of_nodes_and_inputs_that_there_are() -> None:
    from sora_nodes.nodes.inputs import FREE

    script, nodes = (HELP.parent / "js" / "sora.js").read_text(encoding="utf-8"), ours().object_info()
    assert set(re.findall(r'"(Sora\w+)"', script)) <= set(nodes)
    assert f'const FREE = "{FREE}"' in script
    values = re.search(r"const GRID_VALUES = (\[.*\]);", script)
    assert values and set(json.loads(values[1])) <= set(nodes["SoraNoiseGrid"]["input"]["required"])


def test_stock_nodes_do_not_take_our_prefix() -> None:
    assert {name for name in local_registry().names() if name.startswith("Sora")} == set(ours().names())


def test_listing_the_nodes_loads_no_model_library() -> None:
    code = """
import asyncio, sys
from sora_nodes.nodes import SoraExtension
asyncio.run(SoraExtension().get_node_list())
print([name for name in ("torch", "av", "PIL") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_our_nodes_call_no_stock_node() -> None:
    """So a pack that replaces one changes nothing of ours; `inside_host.py` replaces some and compares."""
    foreign = {"nodes", "comfy_extras", "execution"}
    for path in (Path(__file__).parent.parent / "nodes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").partition(".")[0] not in foreign, path
            if isinstance(node, ast.Import):
                assert not foreign & {name.name.partition(".")[0] for name in node.names}, path


def test_an_older_comfyui_is_told_what_is_needed_and_a_newer_one_starts() -> None:
    root = Path(__file__).parent.parent
    code = f"""
import importlib.util, sys, types
sys.modules["comfyui_version"] = types.SimpleNamespace(__version__=sys.argv[1])
root = {str(root)!r}
load = importlib.util.spec_from_file_location
spec = load("pack", root + "/__init__.py", submodule_search_locations=[root])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""
    old, new, newest, odd = (
        subprocess.run([sys.executable, "-c", code, version], capture_output=True, text=True)
        for version in ("0.3.9", "0.10.0", "0.99.1", "1.0.0rc2-dev")
    )
    assert "Sora Nodes needs ComfyUI 0.3.64 or newer, and this is 0.3.9" in old.stderr
    assert new.returncode == 0 and not new.stderr
    for later, version in ((newest, "0.99.1"), (odd, "1.0.0rc2-dev")):
        assert later.returncode == 0 and f"not with {version}; what no longer fits will say so" in later.stderr
    assert f'requires-comfyui = ">={".".join(map(str, sora_nodes.OLDEST))}"' in (root / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("folder", "served"),
    [
        ("sora-nodes", True),
        ("sora-nodes - Copy", False),
        ("sora(1)", True),
        ("Sora Nodes", False),
        ("söra", False),
    ],
)
def test_a_folder_that_comfyui_cannot_serve_is_said(folder: str, served: bool) -> None:
    """Its server looks for quoted addresses by names that are not quoted: templates and help would lack in silence."""
    assert bool(re.fullmatch(sora_nodes.SERVED, folder)) is served


if __name__ == "__main__":
    lines = [f" {json.dumps(name)}: {json.dumps(node)}" for name, node in contract().items()]
    CONTRACT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    from test_locales import write

    write()
