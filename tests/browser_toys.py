"""ComfyUI's interface in a page of Chromium, for `test_comfy_browser.py`.

Needs playwright and a Chromium (CHROMIUM names it; else `chromium` of the PATH, else playwright's own). SCREENSHOTS
names a folder that a picture of every test is put into.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from base64 import b64encode
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from comfy_toys import Comfy

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
SCREENSHOTS = os.environ.get("SCREENSHOTS")
SLOW = 300_000
"""milliseconds that anything may take on a busy machine"""

NODES_2 = """() => {
  const [major, minor] = (window.__COMFYUI_FRONTEND_VERSION__ ?? "").split(".").map(Number)
  return Boolean(window.LiteGraph?.vueNodesMode) && !(major === 1 && minor < 33)
}"""
"""Before 1.33 it is an experiment that draws no text fields."""
SEEN = "() => [...document.querySelectorAll('.sora-says')].map(box => box.textContent)"
WATCH = """() => {
  window.toasted ??= []
  if (app.extensionManager.toast.add.watched) return
  const toast = app.extensionManager.toast, add = toast.add
  toast.add = function (message) {
    toasted.push(`${message.summary}: ${message.detail}`)
    return add.call(this, message)
  }
  toast.add.watched = true
}"""
CLEAN = """() => {
  toasted.length = 0
  const toast = app.extensionManager.toast
  ;(toast.removeAll ?? toast.dismissAll)?.call(toast)
}"""
PLAYS = """async () => {
  const videos = [...document.querySelectorAll('video')].filter(video => video.readyState > 1 && video.duration > 0)
  for (const video of videos) { video.muted = true; await video.play().catch(() => {}) }
  return videos.some(video => video.currentTime > 0)
}"""
BOXES = """() => {
  const {scale, offset} = app.canvas.ds, frame = app.canvas.canvas.getBoundingClientRect()
  const across = x => (x - frame.left) / scale - offset[0], down = y => (y - frame.top) / scale - offset[1]
  const place = ({left, top, right, bottom}) => [across(left), down(top), across(right), down(bottom)]
  const around = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]
  return app.graph.nodes.map(node => {
    const drawn = window.LiteGraph?.vueNodesMode && document.querySelector(`[data-node-id="${node.id}"]`)
    let box = drawn ? place(drawn.getBoundingClientRect())
      : [node.pos[0], node.pos[1] - 30, node.pos[0] + node.size[0], node.pos[1] + node.size[1]]
    const parts = drawn ? [...drawn.querySelectorAll('video, img, .sora-says, textarea')]
      : (node.widgets ?? []).map(widget => widget.element).filter(Boolean)
    for (const part of parts) {
      const rect = part.getBoundingClientRect()
      if (rect.width && rect.height && part.checkVisibility()) box = around(box, place(rect))
    }
    return [node.title, ...box]
  })
}"""
DROP = """async ([data, name]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0)), files = new DataTransfer()
  files.items.add(new File([bytes], name, {type: "video/mp4"}))
  const drop = new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: files, clientX: 5, clientY: 900})
  app.canvas.canvas.dispatchEvent(drop)
}"""
SET = """([kind, name, value]) => app.graph.nodes.filter(node => node.type === kind).forEach(node => {
  const widget = node.widgets.find(widget => widget.name === name)
  if (!widget) return
  widget.value = value
  widget.callback?.(value)
})"""
VALUE = "([kind, name]) => app.graph.nodes.find(n => n.type === kind).widgets.find(w => w.name === name).value"
ADD = """([blueprint, sources]) => {
  const {created} = app.canvas._deserializeItems(
    {nodes: blueprint.nodes, subgraphs: blueprint.definitions.subgraphs}, {position: [2000, 80]})
  const node = created.find(item => item.isSubgraphNode?.()) ?? created[0]
  const find = kind => app.graph.nodes.find(item => item.type === kind)
  node.inputs.forEach((input, i) => {
    if (input.widget || !(input.type in sources) || ["end_image"].includes(input.name)) return
    const [kind, output] = sources[input.type], from = find(kind)
    from.connect(from.outputs.findIndex(item => item.name === output), node, i)
  })
  node.connect(0, find("SoraSaveVideo"), 0)
  const steps = node.widgets?.find(widget => /steps/.test(widget.name))
  if (steps) { steps.value = 1; steps.callback?.(1) }
  return [node.title, node.widgets?.map(widget => widget.name) ?? []]
}"""


class Interface:
    """ComfyUI's interface in a page of its own browser context.

    Args:
        mode: "classic" or "Nodes 2.0".
        locale: the interface's language.
    """

    def __init__(self, browser: Any, comfy: Comfy, mode: str, locale: str = "en") -> None:
        self.context = browser.new_context(viewport={"width": 1600, "height": 1000})
        self.page, self.comfy, self.url, self.mode = self.context.new_page(), comfy, comfy.server.url, mode
        self.page.set_default_timeout(SLOW)
        self.lines: list[tuple[str, str]] = []  # who wrote it, and what
        self.page.on("console", lambda line: self.lines.append((line.location.get("url", ""), line.text)))
        self.page.on("pageerror", lambda error: self.lines.append((str(error.stack), str(error))))
        settings = {
            "Comfy.TutorialCompleted": True,
            "Comfy.VueNodes.Enabled": mode != "classic",
            "Comfy.UseNewMenu": "Top",
            "Comfy.Locale": locale,
        }
        for name, value in settings.items():
            self.page.request.post(
                f"{self.url}/api/settings/{name}",
                data=json.dumps(value),
                headers={"content-type": "application/json"},
            )
        self.page.goto(self.url)
        self.page.wait_for_function("window.app?.graph && window.app.extensionManager?.toast")
        self.page.wait_for_function("app.extensionManager.workflow?.activeWorkflow")  # its own first one
        self.settle()

    def settle(self) -> None:
        """Waits until the page has drawn what it has to draw."""
        self.page.wait_for_timeout(1000)
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def open(self, workflow: dict[str, Any]) -> None:
        """Opens a workflow, with nothing left of what was shown before."""
        self.page.evaluate(WATCH)
        self.page.evaluate(CLEAN)
        self.page.keyboard.press("Escape")
        self.page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
        self.settle()
        if self.mode != "classic" and not self.page.evaluate(NODES_2):
            pytest.skip("this interface has no Nodes 2.0")

    def open_template(self, name: str) -> None:
        listed = self.page.request.get(f"{self.url}/api/workflow_templates").json()
        assert name in listed["sora-nodes"]
        self.open(self.page.request.get(f"{self.url}/api/workflow_templates/sora-nodes/{name}.json").json())

    def set(self, kind: str, name: str, value: Any) -> None:
        """Sets a widget as a person does: its value, and the callback that the interface calls."""
        self.page.evaluate(SET, [kind, name, value])

    def set_steps(self, steps: int) -> None:
        for kind in ("SoraSampler", "KSampler"):
            self.set(kind, "steps", steps)

    def value(self, kind: str, name: str) -> Any:
        return self.page.evaluate(VALUE, [kind, name])

    def drop(self, file: Path) -> None:
        """Lets a file fall on the canvas."""
        self.page.evaluate(DROP, [b64encode(file.read_bytes()).decode(), file.name])

    def add(self, blueprint: dict[str, Any], sources: dict[str, list[str]]) -> list[str]:
        """Puts a blueprint into the open workflow, as the interface's list of nodes does, and links it.

        Each input goes to the node type and output that `sources` has for its type, the video to Sora Save Video.

        Returns:
            The names of its widgets.
        """
        title, widgets = self.page.evaluate(ADD, [blueprint, sources])
        assert title
        self.settle()
        return widgets

    def queue(self) -> None:
        self.page.evaluate("() => app.queuePrompt(0)")

    def run(self, seconds: float = 400) -> None:
        """Queues what is open and waits for its end."""
        before = len(self.page.request.get(f"{self.url}/api/history").json())
        self.queue()
        began = time.monotonic()
        while len(history := self.page.request.get(f"{self.url}/api/history").json()) == before:
            assert time.monotonic() - began < seconds, "the run does not end"
            self.page.wait_for_timeout(250)
        last = list(history.values())[-1]
        assert last["status"]["status_str"] == "success", last["status"]["messages"]
        self.settle()

    def plays(self) -> None:
        """Waits until a video of the page moves."""
        self.page.wait_for_function(PLAYS)

    def apart(self) -> None:
        """No node, with all that is drawn for it, covers another."""
        boxes = self.page.evaluate(BOXES)
        assert len(boxes) > 3
        for a, b in combinations(boxes, 2):
            over = min(a[3], b[3]) - max(a[1], b[1]), min(a[4], b[4]) - max(a[2], b[2])
            assert min(over) <= 1, f"{a[0]} and {b[0]} lie over each other by {over[0]:.0f} x {over[1]:.0f}"

    def sees(self, words: str) -> str:
        """The text of the page, once these words are in it."""
        self.page.wait_for_function("words => document.body.innerText.includes(words)", arg=words)
        return self.page.evaluate("() => document.body.innerText")

    def sees_toast(self, words: str) -> str:
        """A toast with these words in it."""
        self.page.wait_for_function("words => toasted.some(text => text.includes(words))", arg=words)
        return next(text for text in self.page.evaluate("() => toasted") if words in text)

    def sees_everywhere(self, words: str) -> str:
        """All that the page says, once these words stand on a node and have come up as a toast (which goes again)."""
        seen = f"words => ({SEEN})().some(text => text.includes(words))"
        self.page.wait_for_function(
            f"words => ({seen})(words) && toasted.some(text => text.includes(words))", arg=words
        )
        return self.page.evaluate("() => document.body.innerText")

    def written(self) -> list[tuple[str, str]]:
        """What the pack has written to the console, and what of it was not found."""
        return [line for line in self.lines if "sora-nodes" in line[0]]

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}.png")
