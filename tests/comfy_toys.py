"""A real ComfyUI with the pack for `test_comfy*.py`. They run where COMFYUI_PATH names a checkout (0.3.64 is the
oldest).

COMFYUI_PYTHON: the Python that ComfyUI runs with, where it is not this one. COMFYUI_FRONTEND: the folder `static` of a
comfyui-frontend-package, where it is not the installed one. COMFYUI_FULL=1: examples at full size and steps.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from sora_nodes.commands.run import local_registry
from sora_nodes.nodes import doors
from sora_nodes.runtime.command import RunRequest, load_graph
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.server import RemoteClient
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.errors import ResourceError
from sora_nodes.sora_core.media.images import read_image
from sora_nodes.sora_core.media.read import read_video

PACK = Path(__file__).resolve().parent.parent
COMFY = os.environ.get("COMFYUI_PATH", "")
PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)
FRONTEND = os.environ.get("COMFYUI_FRONTEND", "")
FULL = bool(os.environ.get("COMFYUI_FULL"))

needs_comfy = [
    pytest.mark.skipif(not COMFY, reason="COMFYUI_PATH names no ComfyUI checkout"),
    pytest.mark.skipif(
        not (PACK / "sora_core/weights/transformer.safetensors").exists(), reason="the bundled weights are not here"
    ),
]


class Comfy:
    """A ComfyUI with the pack, in folders of its own."""

    def __init__(self, base: Path) -> None:
        self.base = base
        for name in ("custom_nodes", "input", "output", "temp", "user", "models"):
            (base / name).mkdir()
        (base / "custom_nodes" / "sora-nodes").symlink_to(PACK)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = base / "log.txt"
        command = [
            PYTHON,
            "main.py",
            "--cpu",
            "--listen",
            "127.0.0.1",
            "--port",
            str(port),
            "--base-directory",
            str(base),
        ]
        command += ["--database-url", "sqlite:///:memory:", "--disable-api-nodes"]
        command += ["--front-end-root", FRONTEND] if FRONTEND else []
        self.process = subprocess.Popen(command, cwd=COMFY, stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        self.server = RemoteClient(f"http://127.0.0.1:{port}", timeout=120)

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
def here() -> Iterator[Executor]:
    """Our own runtime; the model stays loaded between tests. What is saved by way of an IMAGE is not marked, as
    ComfyUI's own nodes mark nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "sampled_behind", lambda hidden: False)
        yield Executor(local_registry())


def official_templates() -> dict[str, dict[str, Any]]:
    """The workflows that ComfyUI's own template browser offers, by name; the test is skipped where they are not
    installed (`pip install comfyui-workflow-templates-json`)."""
    package = find_spec("comfyui_workflow_templates_json")
    if package is None or not package.submodule_search_locations:
        pytest.skip("comfyui-workflow-templates-json is not installed")
    files = sorted((Path(package.submodule_search_locations[0]) / "templates").glob("*.json"))
    documents = {path.stem: json.loads(path.read_text()) for path in files}
    return {name: found for name, found in documents.items() if isinstance(found, dict) and "nodes" in found}


def session(root: Path, name: str) -> Session:
    for folder in ("input", name, "temp"):
        (root / folder).mkdir(exist_ok=True)
    return Session(input=root / "input", output=root / name, temp=root / "temp")


def example(path: Path, root: Path) -> Graph:
    """An example as it is, or small."""
    with session(root, "read").active():
        graph = load_graph(RunRequest(workflow=path, nodes=local_registry), None, local_registry())
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


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def stock(**changes: Any) -> Graph:
    """Text to pictures on our model by ComfyUI's own nodes."""
    return Graph.from_api(
        {
            "1": node("SoraLoadModel", model="bundled"),
            "2": node("CLIPTextEncode", clip=["1", 1], text="a red ball rolls to the left on snow at sunset"),
            "3": node("CLIPTextEncode", clip=["1", 1], text=""),
            "4": node("SoraNoiseGrid", vae=["1", 2], aspect="square 1:1", short_side=96, width=96, height=96,
            seconds=0.6, fps=8.0),
            "5": node(
                "KSampler", model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0],
                seed=3, steps=4, cfg=3.0, sampler_name="euler", scheduler="simple", denoise=1.0,
            ),
            "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
            "7": node("SaveImage", images=["6", 0], filename_prefix="stock"),
            **changes,
        }
    )  # fmt: skip


class Socket:
    """What the server tells of one run as it goes: (kind, JSON) for its messages, ("preview", bytes) for pictures."""

    def __init__(self, server: RemoteClient) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.client, key = secrets.token_hex(8), b64encode(secrets.token_bytes(16)).decode()
        self.line = socket.create_connection((host, int(port)), timeout=120)
        asked = (
            f"GET /ws?clientId={self.client} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection:"
            " Upgrade\r\n"
        )
        self.line.sendall(f"{asked}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.stream = self.line.makefile("rb")
        while self.stream.readline().strip():
            pass

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        while True:
            opcode, data = self._frame()
            if opcode == 1:
                told = json.loads(data)
                yield told["type"], told["data"]
            elif opcode == 2 and int.from_bytes(data[:4], "big") == 1:
                yield "preview", data[8:]

    def _frame(self) -> tuple[int, bytes]:
        first, length = self.stream.read(2)
        if length in (126, 127):
            length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
        return first & 15, self.stream.read(length)
