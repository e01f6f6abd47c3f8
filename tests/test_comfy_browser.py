"""The second ring, as a person meets it: a real ComfyUI in a real browser, on the classic canvas and in Nodes 2.0.

    COMFYUI_PATH=/path/to/ComfyUI python -m pytest tests/test_comfy_browser.py -c tests/pytest.ini --rootdir tests

Needs playwright and a Chromium (CHROMIUM names it; else `chromium` of the PATH, else playwright's own).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from base64 import b64encode
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from comfy_toys import PACK, Comfy, comfy, needs_comfy
from sora_nodes.runtime.saved import from_saved
from sora_nodes.sora_core.media.read import probe

__all__ = ["comfy"]

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = needs_comfy
EXAMPLES = [path.stem for path in sorted((PACK / "example_workflows").glob("*.json"))]
OURS = [name for name in EXAMPLES if not name.startswith("wan")]
MODES = ["classic", "Nodes 2.0"]
SEEN = "() => [...document.querySelectorAll('.sora-says')].map(box => box.textContent)"


class Interface:
    """ComfyUI's interface in a page."""

    def __init__(self, page: Any, comfy: Comfy, mode: str) -> None:
        self.page, self.comfy, self.url, self.mode = page, comfy, comfy.server.url, mode
        self.lines: list[str] = []
        page.on("console", lambda line: self.lines.append(f"{line.location.get('url', '')}: {line.text}"))
        page.on("pageerror", lambda error: self.lines.append(f"{error.stack}: {error}"))
        settings = {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": mode != "classic"}
        for name, value in {**settings, "Comfy.UseNewMenu": "Top"}.items():
            page.request.post(
                f"{self.url}/api/settings/{name}",
                data=json.dumps(value),
                headers={"content-type": "application/json"},
            )
        page.goto(self.url)
        page.wait_for_function("window.app?.graph && window.app.extensionManager?.toast", timeout=120_000)

    def open(self, workflow: dict[str, Any]) -> None:
        self.page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
        self.page.wait_for_timeout(1500)
        drawn = self.page.evaluate("() => Boolean(window.LiteGraph?.vueNodesMode)")
        if self.mode != "classic" and not drawn:
            pytest.skip("this interface has no Nodes 2.0")

    def open_template(self, name: str) -> None:
        listed = self.page.request.get(f"{self.url}/api/workflow_templates").json()
        assert name in listed["sora-nodes"]
        self.open(self.page.request.get(f"{self.url}/api/workflow_templates/sora-nodes/{name}.json").json())

    def set(self, kind: str, name: str, value: Any) -> None:
        """Sets a widget as a person does: its value, and the callback that the interface calls."""
        self.page.evaluate(
            """([kind, name, value]) => app.graph.nodes.filter(node => node.type === kind).forEach(node => {
                 const widget = node.widgets.find(widget => widget.name === name)
                 widget.value = value
                 widget.callback?.(value)
               })""",
            [kind, name, value],
        )

    def queue(self) -> None:
        self.page.evaluate("() => app.queuePrompt(0)")

    def run(self, seconds: float = 240) -> None:
        """Queues what is open and waits for its end."""
        before = len(self.page.request.get(f"{self.url}/api/history").json())
        self.queue()
        began = time.monotonic()
        while len(history := self.page.request.get(f"{self.url}/api/history").json()) == before:
            assert time.monotonic() - began < seconds, "the run does not end"
            self.page.wait_for_timeout(250)
        last = list(history.values())[-1]
        assert last["status"]["status_str"] == "success", last["status"]["messages"]
        self.page.wait_for_timeout(1000)

    def boxes(self) -> list[tuple[str, float, float, float, float]]:
        """Title, left, top, right and bottom of each node, its title bar included."""
        return [tuple(box) for box in self.page.evaluate(BOXES)]

    def sees(self, words: str, seconds: float = 15) -> str:
        """The text of the page, once these words are in it."""
        self.page.wait_for_function(
            "words => document.body.innerText.includes(words)", arg=words, timeout=1000 * seconds
        )
        return self.page.evaluate("() => document.body.innerText")

    def sees_error(self, words: str, seconds: float = 60) -> str:
        """The text of the page, once an error with these words is shown; newer interfaces hide it behind a button."""
        began = time.monotonic()
        while words not in (text := self.page.evaluate("() => document.body.innerText")):
            assert time.monotonic() - began < seconds, text[-2000:]
            details = self.page.get_by_text("View details").first
            if details.is_visible():
                details.click()
            self.page.wait_for_timeout(500)
        return text


BOXES = """() => app.graph.nodes.map(node => {
  const drawn = window.LiteGraph?.vueNodesMode && document.querySelector(`[data-node-id="${node.id}"]`)
  if (!drawn) return [node.title, node.pos[0], node.pos[1] - 30, node.pos[0] + node.size[0], node.pos[1] + node.size[1]]
  const {scale, offset} = app.canvas.ds, frame = app.canvas.canvas.getBoundingClientRect()
  const {left, top, right, bottom} = drawn.getBoundingClientRect()
  return [node.title, (left - frame.left) / scale - offset[0], (top - frame.top) / scale - offset[1],
          (right - frame.left) / scale - offset[0], (bottom - frame.top) / scale - offset[1]]
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module", params=MODES)
def interface(request: pytest.FixtureRequest, browser: Any, comfy: Comfy) -> Iterator[Interface]:
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    yield Interface(page, comfy, request.param)
    page.close()


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
    apart(interface)


@pytest.mark.parametrize("name", OURS)
def test_a_template_runs_and_plays(name: str, interface: Interface) -> None:
    """Each of our own, at three steps; afterwards, too, no node covers another."""
    if interface.mode != "classic" and name not in ("text_to_video", "extend_video"):
        pytest.skip("one of each kind is run in Nodes 2.0")
    interface.open_template(name)
    for kind in ("SoraSampler", "KSampler"):
        interface.set(kind, "steps", 3)
    interface.run()
    apart(interface)
    if name == "text_to_image":
        return
    plays = "() => [...document.querySelectorAll('video')].some(video => video.readyState > 1 && video.duration > 0)"
    interface.page.wait_for_function(plays, timeout=20_000)
    if interface.mode == "classic" and name == "text_to_video":
        assert interface.page.evaluate("() => document.querySelector('.sora-preview')?.naturalWidth") > 0


def apart(interface: Interface) -> None:
    boxes = interface.boxes()
    assert len(boxes) > 3
    for a, b in combinations(boxes, 2):
        over = min(a[3], b[3]) - max(a[1], b[1]), min(a[4], b[4]) - max(a[2], b[2])
        assert min(over) <= 1, f"{a[0]} and {b[0]} lie over each other by {over[0]:.0f} x {over[1]:.0f}"


def test_an_expanded_prompt_can_be_edited(interface: Interface) -> None:
    interface.open_template("text_to_video")
    interface.set("SoraSampler", "steps", 1)
    interface.run()
    interface.page.locator(".sora-says button").dispatch_event("click")
    value = (
        "() => app.graph.nodes.find(n => n.type === 'SoraExpandPrompt').widgets.find(w => w.name === 'caption').value"
    )
    caption = interface.page.evaluate(value)
    assert len(caption) > 30
    interface.set("SoraExpandPrompt", "caption", "a blue cube spins on sand at noon")
    interface.run()
    assert "a blue cube spins on sand at noon" in interface.page.evaluate(SEEN)


def test_a_video_dropped_on_the_canvas_brings_its_workflow(interface: Interface) -> None:
    interface.open_template("text_to_video")
    interface.set("SoraSampler", "steps", 1)
    interface.set("SoraNoiseGrid", "short_side", 72)
    interface.run()
    made = max((interface.comfy.base / "output").rglob("*.mp4"), key=lambda path: path.stat().st_mtime)
    assert probe(made).frames == 16
    interface.open_template("text_to_image")
    drop = """async data => {
      const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
      await app.handleFile(new File([bytes], "made.mp4", {type: "video/mp4"}))
    }"""
    interface.page.evaluate(drop, b64encode(made.read_bytes()).decode())
    interface.page.wait_for_timeout(2000)
    side = (
        "() => app.graph.nodes.find(n => n.type === 'SoraNoiseGrid').widgets.find(w => w.name === 'short_side').value"
    )
    assert interface.page.evaluate(side) == 72


MISTAKES = {
    "frames that are no numbers": ("fill_frames", "SoraFillFrames", "frames", "four", "such as '5, 12-20, -1'"),
    "a range that goes down": ("fill_frames", "SoraFillFrames", "frames", "9-4", "go upwards"),
    "a shot without its length": ("storyboard", "SoraStoryboard", "shots", "1: a ball\na cube", "shot 2 is written"),
    "a place that is none": ("animate_image", "SoraAnimateImage", "frame_idx", "8; 16", "frame_idx are numbers"),
    "places without pictures": ("animate_image", "SoraAnimateImage", "frame_idx", "3", "0 keyframes need as many"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said_in_a_sentence_without_paths(mistake: str, interface: Interface) -> None:
    interface.page.reload()
    interface.page.wait_for_function("window.app?.graph && window.app.extensionManager?.toast", timeout=120_000)
    template, kind, name, value, words = MISTAKES[mistake]
    interface.open_template(template)
    for sampler in ("SoraSampler", "KSampler"):
        interface.set(sampler, "steps", 1)
    interface.set(kind, name, value)
    interface.queue()
    text = interface.sees_error(words)
    assert "sora_core" not in text and "InputError" not in text


def dynamic_templates(info: dict[str, Any], count: int) -> list[Path]:
    """Official templates whose nodes this ComfyUI has, with inputs that come and go."""
    package = find_spec("comfyui_workflow_templates_json")
    if package is None or not package.submodule_search_locations:
        pytest.skip("comfyui-workflow-templates-json is not installed")
    found = []
    for path in sorted((Path(package.submodule_search_locations[0]) / "templates").glob("*.json")):
        document = json.loads(path.read_text())
        drawings = [document, *document.get("definitions", {}).get("subgraphs", [])] if "nodes" in document else []
        kinds = {node["type"] for drawing in drawings for node in drawing["nodes"]}
        kinds -= {drawing.get("id") for drawing in drawings} | {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}
        dynamic = any("COMFY_DYNAMICCOMBO_V3" in json.dumps(info[kind]["input"]) for kind in kinds if kind in info)
        if kinds and kinds <= set(info) and dynamic and len(kinds) < 30:
            found.append(path)
    return found[:: max(1, len(found) // count)][:count]


def test_official_templates_are_converted_as_the_interface_queues_them(interface: Interface) -> None:
    if interface.mode != "classic":
        pytest.skip("both renderings queue the same")
    info, differ = interface.comfy.server.object_info(), []
    for path in dynamic_templates(info, 10):
        document = json.loads(path.read_text())
        ours = from_saved(document, info).to_api()
        interface.open(document)
        theirs = interface.page.evaluate("async () => (await app.graphToPrompt()).output")
        for key in sorted({*ours, *theirs}):
            kind = (theirs.get(key) or ours[key])["class_type"]
            a, b = (side.get(key, {}).get("inputs", {}) for side in (ours, theirs))
            asked = {**info[kind]["input"].get("required", {}), **info[kind]["input"].get("optional", {})}
            shown = {name for name, spec in asked.items() if spec[0] == "IMAGECOMPARE"}  # for the eye alone
            told = {name for name in {*a, *b} if name.partition(".")[0] in asked} - shown
            other = [name for name in sorted(told) if a.get(name) != b.get(name)]
            differ += [f"{path.stem} {key} {kind}.{name}: {a.get(name)!r}, {b.get(name)!r}" for name in other]
    assert not differ, "\n".join(differ)


def test_the_pack_writes_nothing_to_the_console(interface: Interface) -> None:
    """Last, after all that was done above."""
    assert not [line for line in interface.lines if "sora-nodes" in line]
