"""Published weights in workflows without ComfyUI: its own loaders, its own names for folders, tiny random files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.commands.run import local_registry
from sora_nodes.nodes.native.models import feature_cache
from sora_nodes.nodes.native.parts import part_of
from sora_nodes.runtime.command import RunRequest, load_graph
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.session import Session
from sora_nodes.runtime.validate import WorkflowError, plan
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.settings import StepRange
from sora_nodes.sora_core.text.pieces import TokenTable
from sora_nodes.sora_core.text.umt5 import UMT5, UMT5Config
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config
from torch import nn

EXAMPLES = sorted((Path(__file__).parent.parent / "example_workflows").glob("wan*.json"))
FOLDERS = {
    "UNETLoader": "diffusion_models",
    "SoraLoadLora": "loras",
    "CLIPLoader": "text_encoders",
    "VAELoader": "vae",
}


def write(path: Path, module: nn.Module) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    save_file(
        {name: torch.randn(value.shape, generator=generator) * 0.05 for name, value in module.state_dict().items()},
        path,
    )


def nest(path: str, module: nn.Module) -> nn.Module:
    """A module whose parameters have this path before their names."""
    for name in reversed(path.split(".")):
        module = nn.ModuleDict({name: module})
    return module


def tiny(loader: str, name: str) -> nn.Module:
    """A network of the kind that a file of this name holds."""
    if loader == "SoraLoadLora":
        layer = nn.Module()
        layer.lora_A, layer.lora_B = nn.Linear(128, 2, bias=False), nn.Linear(2, 128, bias=False)
        return nest("diffusion_model.blocks.0.self_attn.q", layer)
    if loader == "UNETLoader":
        channels = 48 if "5B" in name else 16
        return DiT(
            DiTConfig(
                width=128,
                depth=1,
                heads=1,
                mlp_width=64,
                channels=channels,
                text_width=16,
                per_position_time=channels == 48,
            )
        )
    if loader == "CLIPLoader":
        return UMT5(UMT5Config(vocabulary=200, width=16, depth=1, heads=2, head_dim=8, mlp_width=16))
    return Wan22Codec(Wan22Config(width=8, decoder_width=8)) if "2.2" in name else Wan21Codec(Wan21Config(width=8))


def read(path: Path, session: Session, *settings: str) -> Graph:
    with session.active():
        return load_graph(
            RunRequest(workflow=path, settings=list(settings), nodes=local_registry), None, local_registry()
        )


def session_with(root: Path, files: dict[str, str]) -> Session:
    """A session whose models folder has these files: name -> loader."""
    for name, loader in files.items():
        write(root / "models" / FOLDERS[loader] / name, tiny(loader, name))
    return Session(input=root, output=root / "output", temp=root / "temp", models=root / "models")


def files_of(path: Path) -> dict[str, str]:
    nodes = json.loads(path.read_text())["nodes"]
    return {node["widgets_values"][0]: node["type"] for node in nodes if node["type"] in FOLDERS}


@pytest.fixture(autouse=True)
def a_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny files have none."""
    table = TokenTable(lambda words: [2 + ord(c) % 100 for c in words], limit=512)
    monkeypatch.setattr(TokenTable, "near", classmethod(lambda cls, folder: table))


def small(graph: Graph) -> Graph:
    """The same workflow on a few pixels, in a few steps."""
    for node in graph.nodes.values():
        values: dict[str, Any] = {"short_side": 32, "width": 32, "height": 32, "seconds": 0.5, "length": 9}
        if node.kind == "KSamplerAdvanced":
            first = node.inputs["start_at_step"] == 0
            values |= {"steps": 4, "start_at_step": 0 if first else 2, "end_at_step": 2 if first else 10000}
        elif "steps" in node.inputs:
            values["steps"] = 2
        for name, value in values.items():
            if name in node.inputs:
                graph = graph.set(f"{node.id}.{name}", value)
    return graph


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_of_published_weights_run(path: Path, tmp_path: Path) -> None:
    session = session_with(tmp_path, files_of(path))
    graph = small(read(path, session))
    with session.active():
        result = Executor(local_registry()).run(graph, session)
    assert [name for name in result.files() if name.endswith(".mp4")]


def test_there_is_an_example_for_each_family() -> None:
    assert {"wan2.1_text_to_video", "wan2.1_four_steps", "wan2.2_5b_text_to_video", "wan2.2_14b_text_to_video"} <= {
        path.stem for path in EXAMPLES
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    session = session_with(tmp_path, {})
    with session.active(), pytest.raises(WorkflowError, match=r"unet_name.*a \.safetensors file in .*diffusion_models"):
        plan(read(EXAMPLES[0], session), local_registry())


def test_a_weights_name_stays_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave its folder"):
        session_with(tmp_path, {}).model_path("vae", "../secret.safetensors")


def test_what_a_loader_did_not_bring_is_named() -> None:
    with pytest.raises(InputError, match="Load CLIP gives: link it"):
        pipeline.encode_text(part_of(), ["a church"])
    with pytest.raises(InputError, match="Load VAE"):
        _ = part_of().geometry


def test_a_cached_model_is_a_copy() -> None:
    model = part_of()
    assert feature_cache(model, 0.1).settings.cache == 0.1 and model.settings.cache == 0


def test_two_step_ranges_are_the_whole_schedule() -> None:
    sigmas = torch.linspace(1, 0, 6)
    high, low = StepRange(last=2, leave_noise=True).of(sigmas), StepRange(first=2, noised=True).of(sigmas)
    assert torch.equal(torch.cat([high, low[1:]]), sigmas) and high[-1] == low[0]
    assert StepRange(last=2).of(sigmas)[-1] == 0
    with pytest.raises(InputError, match="none of the 5 steps"):
        StepRange(first=5).of(sigmas)
