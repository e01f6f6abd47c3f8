"""The second ring: the pack inside a real ComfyUI. Runs where COMFYUI_PATH names a checkout (0.3.64 is the oldest).

COMFYUI_PYTHON: the Python that ComfyUI runs with, where it is not this one. COMFYUI_FULL=1: examples at full size and steps.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sora_nodes.commands.run import local_registry
from sora_nodes.runtime.command import Order, load_graph
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.server import Server
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.errors import Cancelled, ResourceError, SoraError
from sora_nodes.sora_core.media.images import read_image
from sora_nodes.sora_core.media.read import read_video

PACK = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((PACK / "example_workflows").glob("*.json"))
COMFY = os.environ.get("COMFYUI_PATH", "")
PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)
FULL = bool(os.environ.get("COMFYUI_FULL"))

pytestmark = [
    pytest.mark.skipif(not COMFY, reason="COMFYUI_PATH names no ComfyUI checkout"),
    pytest.mark.skipif(not (PACK / "sora_core/weights/transformer.safetensors").exists(), reason="the bundled weights are not here"),
]


class Comfy:
    """A ComfyUI with the pack, in folders of its own."""

    def __init__(self, base: Path) -> None:
        for name in ("custom_nodes", "input", "output", "temp", "user", "models"):
            (base / name).mkdir()
        (base / "custom_nodes" / "sora-nodes").symlink_to(PACK)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = base / "log.txt"
        command = [PYTHON, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
        command += ["--database-url", "sqlite:///:memory:", "--disable-api-nodes"]
        self.process = subprocess.Popen(command, cwd=COMFY, stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        self.server = Server(f"http://127.0.0.1:{port}", timeout=120)

    def wait(self, seconds: float = 600) -> None:
        began = time.monotonic()
        while True:
            try:
                self.server.object_info()
                return
            except ResourceError:
                assert self.process.poll() is None and time.monotonic() - began < seconds, self.log.read_text()
                time.sleep(0.5)


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comfy]:
    started = Comfy(tmp_path_factory.mktemp("comfy"))
    try:
        started.wait()
        yield started
    finally:
        started.process.terminate()
        started.process.wait(30)


@pytest.fixture(scope="module")
def here() -> Executor:
    """Our own runtime; the model stays loaded between tests."""
    return Executor(local_registry())


def session(root: Path, name: str) -> Session:
    for folder in ("input", name, "temp"):
        (root / folder).mkdir(exist_ok=True)
    return Session(input=root / "input", output=root / name, temp=root / "temp")


def example(path: Path, root: Path) -> Graph:
    """An example as it is, or small."""
    with session(root, "read").active():
        graph = load_graph(Order(workflow=path, nodes=local_registry), None, local_registry())
    for node in () if FULL else list(graph.nodes.values()):
        if node.kind == "SoraSampler":
            graph = graph.set(f"{node.id}.steps", "4")
        if node.kind == "SoraNoiseGrid":
            graph = graph.set(f"{node.id}.short_side", str(int(node.inputs["short_side"]) * 2 // 3))
    return graph


def frames(path: Path) -> torch.Tensor:
    """Pixels in 0..255 of a video or a picture."""
    return (read_video(path).frames if path.suffix == ".mp4" else read_image(path)).float()


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    error = float((a - b).square().mean())
    return 99.0 if error == 0 else float(10 * torch.log10(torch.tensor(255.0**2 / error)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gives_the_same_frames_in_both_runtimes(path: Path, comfy: Comfy, here: Executor, tmp_path: Path) -> None:
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
    assert {name: {**theirs[name], "python_module": info["python_module"]} for name, info in ours.items()} == ours


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
        again = load_graph(Order(workflow=tmp_path / "out" / name, nodes=local_registry), None, local_registry())
    assert {n.kind for n in again.nodes.values()} == {n.kind for n in graph.nodes.values()}
    assert again.saved and [n["id"] for n in again.saved["nodes"]] == [n["id"] for n in (graph.saved or {})["nodes"]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def stock(**changes: Any) -> Graph:
    """Text to pictures on our model by ComfyUI's own nodes."""
    return Graph.from_api(
        {
            "1": node("SoraLoadModel", model="bundled"),
            "2": node("CLIPTextEncode", clip=["1", 1], text="a red ball rolls to the left on snow at sunset"),
            "3": node("CLIPTextEncode", clip=["1", 1], text=""),
            "4": node("SoraNoiseGrid", vae=["1", 2], aspect="square 1:1", short_side=96, width=96, height=96, seconds=0.6, fps=8.0),
            "5": node(
                "KSampler", model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0],
                seed=3, steps=4, cfg=3.0, sampler_name="euler", scheduler="simple", denoise=1.0,
            ),
            "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
            "7": node("SaveImage", images=["6", 0], filename_prefix="stock"),
            **changes,
        }
    )  # fmt: skip


def test_stock_nodes_sample_our_model_as_we_do(comfy: Comfy, here: Executor, tmp_path: Path) -> None:
    there = comfy.server(stock(), session(tmp_path, "there"))
    ours = here.run(stock(), session(tmp_path, "ours")).files()
    assert len(there) == len(ours) == 5
    for a, b in zip(sorted(there), sorted(ours), strict=True):
        assert psnr(frames(tmp_path / "there" / a), frames(tmp_path / "ours" / b)) >= 40


def test_a_mistake_is_one_sentence(comfy: Comfy, tmp_path: Path) -> None:
    graph = stock(
        **{
            "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
            "5": node(
                "SoraSampler", model=["1", 0], positive=["2", 0], latent=["4", 0],
                seed=3, steps=4, cfg=3.0, sampler_name="euler", scheduler="simple", denoise=1.0,
            ),
        }
    )  # fmt: skip
    with pytest.raises(SoraError, match=r"SoraSampler.*five dimensions"):
        comfy.server(graph, session(tmp_path, "out"))


@pytest.mark.parametrize("script", ["inside_comfy.py", "inside_host.py"])
def test_from_the_inside(script: str, tmp_path: Path) -> None:
    """What needs the inside of ComfyUI: the script measures it there and says what it found."""
    code = Path(__file__).with_name(script)
    done = subprocess.run([PYTHON, str(code), COMFY, str(PACK)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "FOUND" in done.stdout, done.stderr[-4000:]
    found = json.loads(done.stdout.split("FOUND", 1)[1])
    sys.stdout.write(json.dumps(found, indent=1))
    bad = {name: value for name, value in found["differences"].items() if not (isinstance(value, float) and value < 1e-3)}
    assert not bad and not found["failed"]
