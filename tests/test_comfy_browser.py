"""The second ring, as a person meets it: a real ComfyUI in a real browser, on the classic canvas and in Nodes 2.0.

    make browser COMFYUI=/path/to/ComfyUI

It needs playwright and a Chromium. What can be set: `browser_toys.py`, `comfy_toys.py`; TEMPLATES, how many official
templates are compared.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from browser_toys import CHROMIUM, SEEN, Interface
from comfy_toys import PACK, Comfy, comfy, needs_comfy, official_templates
from sora_nodes.runtime.naming import filled
from sora_nodes.runtime.saved import from_saved
from sora_nodes.runtime.widgets import ADDED
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.media.read import probe

__all__ = ["comfy"]

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = needs_comfy
EXAMPLES = [path.stem for path in sorted((PACK / "example_workflows").glob("*.json"))]
OURS = [name for name in EXAMPLES if not name.startswith("wan")]
BLUEPRINTS = sorted((PACK / "subgraphs").glob("*.json"))
MODES = ["classic", "Nodes 2.0"]
FILL = """() => {
  const node = app.graph.nodes.find(node => node.isSubgraphNode?.())
  const frames = node.widgets.find(widget => /frames/.test(widget.name))
  frames.value = "4-7"
  frames.callback?.("4-7")
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module", params=MODES)
def opened(request: pytest.FixtureRequest, browser: Any, comfy: Comfy) -> Iterator[Interface]:
    interface = Interface(browser, comfy, request.param)
    yield interface
    interface.context.close()


@pytest.fixture
def interface(opened: Interface, request: pytest.FixtureRequest) -> Iterator[Interface]:
    yield opened
    opened.picture(request.node.name)


def test_the_estimate_follows_the_values(interface: Interface) -> None:
    interface.open_template("text_to_video")
    interface.sees("16 frames at 8 fps")
    first = interface.page.evaluate(SEEN)[0]
    assert "tokens" in first and "memory" in first and "25 steps" in first
    interface.set("SoraNoiseGrid", "seconds", 4.0)
    interface.sees("32 frames at 8 fps")
    interface.set("SoraNoiseGrid", "aspect", "free (width x height)")
    interface.set("SoraNoiseGrid", "width", 96)
    interface.sees("96x64")
    hidden = (
        "() => app.graph.nodes.find(n => n.type === 'SoraNoiseGrid').widgets.filter(w => w.hidden).map(w => w.name)"
    )
    assert interface.page.evaluate(hidden) == ["short_side"]
    saved = interface.page.evaluate("() => app.graph.serialize().nodes.find(n => n.type === 'SoraNoiseGrid')")
    assert len(saved["widgets_values"]) == 6, "what the pack draws is not saved"
    queued = interface.page.evaluate("async () => (await app.graphToPrompt()).output")
    assert not any("sora-says" in node["inputs"] for node in queued.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_node_covers_another(name: str, interface: Interface) -> None:
    interface.open_template(name)
    interface.apart()


@pytest.mark.parametrize("name", OURS)
def test_a_template_runs_and_plays(name: str, interface: Interface) -> None:
    """Each of our own, at two steps; afterwards, too, no node covers another."""
    interface.open_template(name)
    interface.set_steps(2)
    interface.run()
    if name != "text_to_image":
        interface.plays()
    interface.apart()
    if interface.mode == "classic" and name == "text_to_video":
        assert interface.page.evaluate("() => document.querySelector('.sora-preview')?.naturalWidth") > 0


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_is_put_into_a_workflow_and_runs(path: Path, interface: Interface) -> None:
    listed = interface.page.request.get(f"{interface.url}/api/global_subgraphs")
    if not listed.ok:
        pytest.skip("this ComfyUI has no blueprints")
    (found,) = [key for key, entry in listed.json().items() if entry["name"] == path.stem]
    data = interface.page.request.get(f"{interface.url}/api/global_subgraphs/{found}").json()["data"]
    interface.open_template("text_to_video")
    sources = {
        "MODEL": ["SoraLoadModel", "MODEL"],
        "VAE": ["SoraLoadModel", "VAE"],
        "CONDITIONING": ["SoraTextEncode", "CONDITIONING"],
        "LATENT": ["SoraNoiseGrid", "LATENT"],
        "VIDEO": ["SoraDecodeVideo", "VIDEO"],
        "IMAGE": ["SoraDecodeVideo", "first_frame"],
    }
    widgets = interface.add(json.loads(data), sources)
    assert any("steps" in name for name in widgets), widgets
    if path.stem == "fill_frames":
        interface.queue()
        assert "Sora Fill Frames" in interface.sees_toast("nothing is missing"), "inside a subgraph the node is named"
        interface.page.evaluate(FILL)
    interface.set_steps(1)
    interface.run()
    interface.plays()


def test_app_mode_shows_the_fields_and_the_result(interface: Interface) -> None:
    interface.open_template("connect_videos")
    commands = interface.page.evaluate("() => app.extensionManager.command.commands.map(command => command.id)")
    if "Comfy.ToggleLinear" not in commands:
        pytest.skip("this interface has no App mode")
    toggle = "() => app.extensionManager.command.execute('Comfy.ToggleLinear')"
    interface.page.evaluate(toggle)
    try:
        for label in ("first clip", "second clip", "between them", "seconds between", "short_side", "seed"):
            interface.page.get_by_text(label, exact=True).locator("visible=true").first.wait_for()
    finally:
        interface.picture("app mode " + interface.mode)
        interface.page.keyboard.press("Escape")
        interface.page.evaluate(toggle)
        interface.settle()


def test_the_interface_speaks_chinese(browser: Any, comfy: Comfy) -> None:
    interface = Interface(browser, comfy, "classic", "zh")
    interface.open_template("text_to_video")
    titles = interface.page.evaluate("() => app.graph.nodes.map(node => node.title)")
    assert "Sora 噪声网格" in titles and "Sora 采样器" in titles
    page = interface.page.request.get(f"{interface.url}/extensions/sora-nodes/docs/SoraNoiseGrid/zh.md")
    assert page.ok and page.text().startswith("# Sora 噪声网格") and "html" not in page.headers["content-type"]
    assert not interface.written()
    interface.picture("chinese")
    interface.context.close()


def test_templates_stand_in_order(interface: Interface) -> None:
    """What the interface lists: the first one first, those of weights to be downloaded last, each with a picture."""
    names = interface.page.evaluate("async () => (await app.api.getWorkflowTemplates())['sora-nodes']")
    assert names[0] == "text_to_video" and {*names[-5:]} == {*EXAMPLES} - {*OURS} and len(names) == len(EXAMPLES)
    for name in names:
        assert interface.page.request.get(f"{interface.url}/api/workflow_templates/sora-nodes/{name}.jpg").ok


def test_an_expanded_prompt_can_be_edited(interface: Interface) -> None:
    interface.open_template("text_to_video")
    interface.set_steps(1)
    interface.run()
    interface.page.locator(".sora-says button").dispatch_event("click")
    assert len(interface.value("SoraExpandPrompt", "caption")) > 30
    interface.set("SoraExpandPrompt", "caption", "a blue cube spins on sand at noon")
    interface.run()
    assert "a blue cube spins on sand at noon" in interface.page.evaluate(SEEN)


def test_what_an_earlier_run_said_is_said_of_that_run_alone(interface: Interface) -> None:
    """Its nodes have the same numbers as those of a later one, whose results the server has kept."""
    for prompt in ("a purple zeppelin rolls on snow", "a red ball rolls on snow", "a red ball rolls on snow"):
        interface.open_template("text_to_video")
        interface.set_steps(1)
        interface.set("SoraNoiseGrid", "seconds", 0.5)
        interface.set("SoraExpandPrompt", "prompt", prompt)
        interface.run()
        said = "zeppelin'" in " ".join(interface.page.evaluate(SEEN))
        assert said is ("zeppelin" in prompt)


def test_a_preview_plays_where_nothing_is_saved(interface: Interface) -> None:
    interface.open_template("text_to_video")
    interface.set_steps(1)
    interface.set("SoraDecodeVideo", "preview", True)
    interface.page.evaluate("() => app.graph.remove(app.graph.nodes.find(node => node.type === 'SoraSaveVideo'))")
    interface.run()
    interface.plays()
    interface.apart()


def test_inputs_of_a_later_version_are_named(interface: Interface) -> None:
    workflow = json.loads((PACK / "example_workflows/text_to_video.json").read_text())
    sampler = next(node for node in workflow["nodes"] if node["type"] == "SoraSampler")
    sampler["inputs"].append({"name": "rescale", "type": "FLOAT", "widget": {"name": "rescale"}, "link": None})
    sampler["widgets_values"].append(0.5)
    interface.open(workflow)
    interface.sees_everywhere("saved by a later version of this node: rescale")
    interface.set_steps(1)
    interface.run()


def test_a_video_dropped_on_the_canvas_brings_its_workflow(interface: Interface) -> None:
    interface.open_template("text_to_video")
    interface.set_steps(1)
    interface.set("SoraNoiseGrid", "short_side", 72)
    interface.run()
    made = max((interface.comfy.base / "output").rglob("*.mp4"), key=lambda path: path.stat().st_mtime)
    assert probe(made).frames == 16
    interface.open_template("text_to_image")
    interface.drop(made)
    interface.page.wait_for_function("() => app.graph.nodes.some(node => node.type === 'SoraSaveVideo')")
    interface.settle()
    assert interface.value("SoraNoiseGrid", "short_side") == 72
    assert "later version" not in str(interface.page.evaluate("() => toasted"))


MISTAKES = {
    "frames that are no numbers": ("fill_frames", "SoraFillFrames", "frames", "four", "such as '5, 12-20, -1'"),
    "a range that goes down": ("fill_frames", "SoraFillFrames", "frames", "9-4", "go upwards"),
    "a shot without its length": ("storyboard", "SoraStoryboard", "shots", "1: a ball\na cube", "shot 2 is written"),
    "a place that is none": ("animate_image", "SoraAnimateImage", "frame_idx", "8; 16", "frame_idx are numbers"),
    "places without pictures": ("animate_image", "SoraAnimateImage", "frame_idx", "3", "0 keyframes need as many"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_in_a_sentence_without_paths(mistake: str, interface: Interface) -> None:
    """On the node and in a toast, before anything runs."""
    template, kind, name, value, words = MISTAKES[mistake]
    interface.open_template(template)
    interface.set_steps(1)
    interface.set(kind, name, value)
    interface.queue()
    text = interface.sees_everywhere(words)
    assert "sora_core" not in text and "InputError" not in text


def test_a_mended_mistake_is_no_longer_said(interface: Interface) -> None:
    interface.open_template("storyboard")
    interface.set_steps(1)
    right = interface.value("SoraStoryboard", "shots")
    interface.set("SoraStoryboard", "shots", "1: a ball\na cube")
    interface.queue()
    interface.sees_everywhere("shot 2 is written")
    interface.set("SoraStoryboard", "shots", right)
    interface.run()
    assert "shot 2 is written" not in " ".join(interface.page.evaluate(SEEN))


def dynamic_templates(info: dict[str, Any], count: int) -> dict[str, dict[str, Any]]:
    """Official templates whose nodes this ComfyUI has, with inputs that come and go, and that are not refused."""
    found = {}
    for name, document in official_templates().items():
        drawings = [document, *document.get("definitions", {}).get("subgraphs", [])]
        kinds = {node["type"] for drawing in drawings for node in drawing["nodes"]}
        kinds -= {drawing.get("id") for drawing in drawings} | {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}
        described = "".join(json.dumps(info[kind]["input"]) for kind in kinds if kind in info)
        dynamic = re.search(r'COMFY_(DYNAMICCOMBO|AUTOGROW|DYNAMICSLOT)_V3|"[A-Z]+,[A-Z,]+"', described)
        if kinds and kinds <= {*info} and dynamic and len(kinds) < 30:
            with suppress(InputError):
                found[name] = {"document": document, "ours": filled(from_saved(document, info)).to_api()}
    return dict([*found.items()][:: max(1, len(found) // count)][:count])


def renamed(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """`theirs` by our ids: of a subgraph that is used twice the interface numbers the second use's nodes anew."""

    def alone(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, str, str]]:
        return sorted((key.rpartition(":")[0], one[key]["class_type"], key) for key in {*one} - {*other})

    pairs = list(zip(alone(theirs, ours), alone(ours, theirs), strict=False))
    ids = {a[2]: b[2] for a, b in pairs if a[:2] == b[:2] and [p[0][:2] for p in pairs].count(a[:2]) == 1}
    out: dict[str, Any] = {}
    for key, node in theirs.items():
        inputs = {
            name: [ids.get(v[0], v[0]), v[1]] if isinstance(v, list) and len(v) == 2 and str(v[0]) in theirs else v
            for name, v in node["inputs"].items()
        }
        out[ids.get(key, key)] = {**node, "inputs": inputs}
    return out


def test_official_templates_are_converted_as_the_interface_queues_them(browser: Any, comfy: Comfy) -> None:
    info, differ = comfy.server.object_info(), []
    picked = dynamic_templates(info, int(os.environ.get("TEMPLATES", "10")))
    assert picked or not any("COMFY_DYNAMICCOMBO_V3" in json.dumps(node) for node in info.values())
    interface = Interface(browser, comfy, "classic")
    for title, both in picked.items():
        interface.open(both["document"])
        ours, theirs = both["ours"], interface.page.evaluate("async () => (await app.graphToPrompt()).output")
        theirs = renamed(theirs, ours)
        for key in sorted({*ours, *theirs}):
            kind = (theirs.get(key) or ours[key])["class_type"]
            a, b = (side.get(key, {}).get("inputs", {}) for side in (ours, theirs))
            asked = {**info[kind]["input"].get("required", {}), **info[kind]["input"].get("optional", {})}
            drawn = {
                name for name, spec in asked.items() if spec[0] in ("IMAGECOMPARE", "LOAD_3D")
            }  # by the page alone
            told = {name for name in {*a, *b} if name.partition(".")[0] in {*asked, *ADDED.get(kind, ())}} - drawn
            other = [name for name in sorted(told) if a.get(name) != b.get(name)]
            differ += [f"{title} {key} {kind}.{name}: {a.get(name)!r}, {b.get(name)!r}" for name in other]
    interface.context.close()
    assert not differ, "\n".join(differ)


def test_the_pack_writes_nothing_to_the_console(interface: Interface) -> None:
    """Last, after all that was done above."""
    assert not interface.written()
