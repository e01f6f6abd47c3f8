"""The stand-in for ComfyUI's schema gives what ComfyUI gives. Runs where COMFYUI_PATH names a checkout (0.3.64 is the
oldest)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sora_nodes.nodes import SoraExtension
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.session import Session

PACK = Path(__file__).resolve().parent.parent
COMFY = os.environ.get("COMFYUI_PATH", "")

ASK = """
import asyncio, importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
sys.argv = ["main.py", "--cpu"]
spec = importlib.util.spec_from_file_location("sora_pack", PACK + "/__init__.py", submodule_search_locations=[PACK])
pack = importlib.util.module_from_spec(spec)
sys.modules["sora_pack"] = pack
spec.loader.exec_module(pack)
nodes = asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
print("INFO" + json.dumps({node.GET_SCHEMA().node_id: node.GET_NODE_INFO_V1() for node in nodes}))
"""


@pytest.mark.skipif(not COMFY, reason="COMFYUI_PATH names no ComfyUI")
def test_object_info_is_the_same_in_both_runtimes(tmp_path: Path) -> None:
    code = f"PACK = {str(PACK)!r}\n" + ASK
    done = subprocess.run([sys.executable, "-c", code, COMFY], capture_output=True, text=True, check=False, cwd=COMFY)
    assert "INFO" in done.stdout, done.stderr
    theirs = json.loads(done.stdout[done.stdout.index("INFO") + 4 :])
    with Session(input=tmp_path, output=tmp_path, temp=tmp_path).active():
        ours = json.loads(json.dumps(Registry.of(SoraExtension()).object_info()))
    for name, info in theirs.items():
        info["python_module"] = ours[name]["python_module"]  # where the host found the pack
    assert theirs == ours
