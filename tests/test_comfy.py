"""The second ring: the pack inside a real ComfyUI, as its users meet it; `comfy_toys.py` says when it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from comfy_toys import (
    COMFY,
    PACK,
    PYTHON,
    Comfy,
    comfy,
    example,
    frames,
    here,
    needs_comfy,
    official_templates,
    psnr,
    session,
)
from sora_nodes.commands.run import local_registry
from sora_nodes.runtime.command import RunRequest, load_graph
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.saved import from_saved
from sora_nodes.runtime.validate import WorkflowError, check_there
from sora_nodes.sora_core.errors import Cancelled, InputError

__all__ = ["comfy", "here"]

EXAMPLES = [path for path in sorted((PACK / "example_workflows").glob("*.json")) if not path.stem.startswith("wan")]
pytestmark = needs_comfy


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gives_the_same_frames_in_both_runtimes(
    path: Path, comfy: Comfy, here: Executor, tmp_path: Path
) -> None:
    graph = example(path, tmp_path)
    there = comfy.server(graph, session(tmp_path, "there"))
    ours = here.run(graph, session(tmp_path, "ours")).files()
    assert len(there) == len(ours) > 0
    for theirs, mine in zip(sorted(there), sorted(ours), strict=True):
        a, b = frames(tmp_path / "there" / theirs), frames(tmp_path / "ours" / mine)
        assert a.shape == b.shape
        level = psnr(a, b)
        sys.stdout.write(f"{path.stem}: {tuple(a.shape)} {level:.1f} dB\n")
        assert level >= 40


def test_object_info_is_the_same_in_both_runtimes(comfy: Comfy, tmp_path: Path) -> None:
    from sora_nodes.nodes import SoraExtension

    with session(tmp_path, "out").active():
        ours = json.loads(json.dumps(Registry.of(SoraExtension()).object_info()))
    theirs = comfy.server.object_info()
    for name, info in ours.items():
        for key in {"sampler_name", "scheduler"} & set(
            info["input"]["required"]
        ):  # theirs has ComfyUI's own behind ours
            mine, there = (side["input"]["required"][key][1] for side in (info, theirs[name]))
            there["options"] = there["options"][: len(mine["options"])]
        if "preview" in info["input"].get("optional", {}):  # an output there, where it plays
            assert theirs[name]["output_node"] and not info["output_node"]
            for side in (info, theirs[name]):
                side["output_node"] = True
                for part in ("input", "input_order"):
                    side[part].pop("hidden", None)
        known = {key: theirs[name].get(key) for key in info}  # newer versions say more of a node
        assert {**known, "python_module": info["python_module"]} == info


def test_the_estimate_of_a_grid_is_answered(comfy: Comfy) -> None:
    asked = "aspect=landscape+16:9&short_side=64&width=64&height=64&seconds=2&fps=8&model=bundled"
    for prefix in ("", "/api"):
        said = comfy.server._json(f"{prefix}/sora/estimate?{asked}")
        assert "16 frames at 8 fps" in said["text"] and "25 steps" in said["text"]


def test_the_pack_costs_no_time_at_start(comfy: Comfy) -> None:
    found = re.search(r"([\d.]+) seconds: \S*sora-nodes", comfy.log.read_text())
    assert found and float(found[1]) < 1


def test_a_run_is_cancelled_midway(comfy: Comfy, tmp_path: Path) -> None:
    graph = example(PACK / "example_workflows/text_to_video.json", tmp_path)
    sampler = next(node for node in graph.nodes.values() if node.kind == "SoraSampler")
    asked = 0

    def stop(node: str, done: int, total: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 6:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        comfy.server(graph.set(f"{sampler.id}.steps", "900"), replace(session(tmp_path, "out"), report=stop))
    began = time.monotonic()
    while any(comfy.server._json("/queue").values()):
        assert time.monotonic() - began < 60, "the run goes on"
        time.sleep(0.1)
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_a_workflow_comes_back_from_its_video(comfy: Comfy, tmp_path: Path) -> None:
    graph = example(PACK / "example_workflows/text_to_video.json", tmp_path)
    name = comfy.server(graph, session(tmp_path, "out"))[0]
    with session(tmp_path, "read").active():
        again = load_graph(RunRequest(workflow=tmp_path / "out" / name, nodes=local_registry), None, local_registry())
    assert {n.kind for n in again.nodes.values()} == {n.kind for n in graph.nodes.values()}
    assert again.saved and [n["id"] for n in again.saved["nodes"]] == [n["id"] for n in (graph.saved or {})["nodes"]]


def test_every_official_template_is_converted_or_refused_by_name(comfy: Comfy) -> None:
    """By what this ComfyUI says of its nodes; those that it does not have are named, all of them."""
    info = comfy.server.object_info()
    templates, refused, lacking = official_templates(), [], Counter[str]()
    for name, document in templates.items():
        try:
            graph = from_saved(document, info)
        except InputError as error:
            assert re.match(r"node \S+ \(\w+\) was saved by another version of it", str(error)), f"{name}: {error}"
            refused.append(f"{name}: {error}")
            continue
        kinds = {node.kind for node in graph.nodes.values()} - {*info}
        if kinds:
            with pytest.raises(WorkflowError) as failed:
                check_there(graph, info)
            assert {problem.kind for problem in failed.value.problems} == kinds
        lacking.update(kinds)
    summary = f"{len(templates)} templates, {len(refused)} refused, {len(lacking)} node types not here"
    sys.stdout.write("\n".join([summary, *refused, *sorted(lacking)]))
    assert len(templates) > 600 and len(refused) < len(templates) / 20


@pytest.mark.parametrize("script", [f"inside_{name}.py" for name in ("objects", "video", "comfy", "sound", "host")])
def test_from_the_inside(script: str, tmp_path: Path) -> None:
    """What needs the inside of ComfyUI: the script measures it there and says what it found."""
    code = Path(__file__).with_name(script)
    done = subprocess.run(
        [PYTHON, str(code), COMFY, str(PACK)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "FOUND" in done.stdout, done.stderr[-4000:]
    found = json.loads(done.stdout.split("FOUND", 1)[1])
    sys.stdout.write(json.dumps(found, indent=1))
    bad = {
        name: value for name, value in found["differences"].items() if not (isinstance(value, float) and value < 1e-3)
    }
    assert not bad and not found["failed"]
