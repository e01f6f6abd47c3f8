"""Published weights in workflows without ComfyUI: its own loaders, its own names for folders, tiny random files."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.commands.run import local_registry
from sora_nodes.nodes.native.models import early_look, feature_cache, measurable
from sora_nodes.nodes.native.parts import part_of
from sora_nodes.nodes.patches import SoraLoadLora
from sora_nodes.runtime.command import RunRequest, load_graph
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.session import Session
from sora_nodes.runtime.validate import WorkflowError, plan
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.errors import CheckpointError, InputError
from sora_nodes.sora_core.grid import Geometry, VideoSize
from sora_nodes.sora_core.grid import plan as pixels
from sora_nodes.sora_core.media import read_video
from sora_nodes.sora_core.open_weights import load_transformer
from sora_nodes.sora_core.pipeline.limits import decoding_memory
from sora_nodes.sora_core.pipeline.stored import RunStore
from sora_nodes.sora_core.settings import StepRange
from wan_toys import FOLDERS, put_tokenizer_beside, tiny, write

EXAMPLES = sorted((Path(__file__).parent.parent / "example_workflows").glob("wan*.json"))
EXAMPLE = next(path for path in EXAMPLES if path.stem == "wan2.1_text_to_video")


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
    put_tokenizer_beside(monkeypatch)


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


def test_a_run_without_guidance_needs_no_negative_prompt(tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "wan2.1_four_steps")
    session = session_with(tmp_path, files_of(path))
    graph = small(read(path, session))
    sampler = next(node for node in graph.nodes.values() if node.kind == "SoraSampler")
    alone = replace(sampler, inputs={name: value for name, value in sampler.inputs.items() if name != "negative"})
    graph = replace(graph, nodes={**graph.nodes, sampler.id: alone})
    with session.active():
        assert Executor(local_registry()).run(graph, session).files()
        with pytest.raises(InputError, match="need a negative prompt here: link one"):
            Executor(local_registry()).run(graph.set(f"{sampler.id}.cfg", 2.0), session)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["wan2.1_text_to_video", "wan2.1_four_steps"])
def test_weights_of_half_the_size_run(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    """As they are published, and kept in case the run is stopped."""
    path = next(path for path in EXAMPLES if path.stem == name)
    session = session_with(tmp_path, {})
    for file, loader in files_of(path).items():
        write(session.models / FOLDERS[loader] / file, tiny(loader, file), dtype)
    session = replace(session, runs=RunStore(tmp_path / "runs"))
    graph = small(read(path, session))
    with session.active():
        assert Executor(local_registry()).run(graph, session).files()


def test_the_lora_loader_of_comfyui_gives_what_ours_gives(tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "wan2.1_four_steps")
    session, seen = session_with(tmp_path, files_of(path)), []
    graph = small(read(path, session))
    ours = next(node for node in graph.nodes.values() if node.kind == "SoraLoadLora")
    values = {"strength_model" if name == "strength" else name: value for name, value in ours.inputs.items()}
    theirs = replace(ours, kind="LoraLoaderModelOnly", inputs=values)
    for node in (ours, theirs):
        with session.active():
            made = Executor(local_registry()).run(replace(graph, nodes={**graph.nodes, node.id: node}), session)
        seen.append(read_video(tmp_path / "output" / made.files()[0]).frames)
    assert torch.equal(*seen)


def test_weights_in_the_folders_of_earlier_comfyui_are_found(tmp_path: Path) -> None:
    session = session_with(tmp_path, files_of(EXAMPLE))
    for now, before in (("diffusion_models", "unet"), ("text_encoders", "clip")):
        (session.models / now).rename(session.models / before)
    with session.active():
        assert plan(read(EXAMPLE, session), local_registry()).order


def test_an_early_look_has_the_colours_of_the_vae_that_is_loaded(tmp_path: Path) -> None:
    session = replace(session_with(tmp_path, files_of(EXAMPLE)), preview=tmp_path / "look.mp4")
    graph = small(read(EXAMPLE, session))
    with session.active():
        Executor(local_registry()).run(graph, session)
    assert (tmp_path / "look.mp4").is_file()


def test_an_early_look_that_cannot_be_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    session = replace(session_with(tmp_path, {}), preview=tmp_path / "look.mp4", warn=said.append)
    with session.active():
        assert early_look(part_of(Geometry(channels=99)), None) is None
    assert said == ["no early look is written: it needs the colours of the model's VAE, so load that too"]


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


def test_decoding_belongs_to_what_a_run_takes() -> None:
    """Load Diffusion Model brings no codec: that of the VAE is measured with it, before hours of sampling."""
    dit, codec = tiny("UNETLoader", ""), tiny("VAELoader", "")
    model, vae = part_of(codec.geometry, dit=dit), part_of(codec=codec)
    known = measurable(vae, model)
    assert known is not None and known.codec is codec and known.dit is dit
    assert measurable(vae, None) is None, "a VAE alone tells nothing of sampling"
    grid = pixels(VideoSize(frames=9, height=256, width=256, fps=16), codec.geometry)
    assert decoding_memory(known, grid) > 10 * decoding_memory(model, grid)


def test_a_sampler_that_takes_no_step_says_so(tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "wan2.2_14b_text_to_video")
    session, said = session_with(tmp_path, files_of(path)), []
    graph = small(read(path, session))
    last = next(n for n in graph.nodes.values() if n.kind == "KSamplerAdvanced" and n.inputs["start_at_step"])
    with session.active():
        Executor(local_registry()).run(
            graph.set(f"{last.id}.start_at_step", 9), session, on_text=lambda node, text: said.append((node.id, text))
        )
    assert (last.id, "steps 9 to 10000 are none of its 4, so the latent goes on as it came.") in said


def test_two_step_ranges_are_the_whole_schedule() -> None:
    sigmas = torch.linspace(1, 0, 6)
    high, low = StepRange(last=2, leave_noise=True).of(sigmas), StepRange(first=2, noised=True).of(sigmas)
    assert torch.equal(torch.cat([high, low[1:]]), sigmas) and high[-1] == low[0]
    assert StepRange(last=2).of(sigmas)[-1] == 0
    with pytest.raises(InputError, match="none of the 5 steps"):
        StepRange(first=5).of(sigmas)


def refusal(root: Path, *settings: str) -> str:
    """What is said of an example with these settings before anything runs."""
    session = session_with(root, files_of(EXAMPLE))
    with session.active(), pytest.raises(WorkflowError) as caught:
        plan(read(EXAMPLE, session, *settings), local_registry())
    return str(caught.value)


@pytest.mark.parametrize(
    ("loader", "name", "says"),
    [
        ("VAELoader", "1.unet_name", "is a Wan 2.1 codec, and a transformer is wanted here"),
        ("UNETLoader", "3.clip_name", "is a Wan transformer, and a text encoder is wanted here"),
        ("CLIPLoader", "4.vae_name", r"is a umT5 text encoder, and a codec \(VAE\) is wanted here"),
        ("SoraLoadLora", "1.unet_name", "is a LoRA, not a model"),
    ],
)
def test_another_kind_of_file_is_named_before_the_run(tmp_path: Path, loader: str, name: str, says: str) -> None:
    folder = {"1": "diffusion_models", "3": "text_encoders", "4": "vae"}[name[0]]
    write(tmp_path / "models" / folder / "other.safetensors", tiny(loader, "other"))
    said = refusal(tmp_path, f"{name}=other.safetensors")
    assert re.search(rf"node {name[0]} .*input {name[2:]}.*{says}", said) and "\n" not in said


Q = "diffusion_model.blocks.0.self_attn.q"


def test_a_lora_file_that_changed_is_loaded_again(tmp_path: Path) -> None:
    """Trained again under its name, it is not what an earlier run had loaded."""
    session = session_with(tmp_path, {"a.safetensors": "SoraLoadLora"})
    told = set()
    with session.active():
        for time in (1, 2):
            os.utime(session.models / "loras" / "a.safetensors", (time, time))
            told.add(SoraLoadLora.fingerprint_inputs(lora_name="a.safetensors"))
    assert len(told) == 2


@pytest.mark.parametrize("kind", ["SoraLoadLora", "LoraLoaderModelOnly"])
@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({f"{Q}.lora_A.weight": (2, 128), f"{Q}.lora_B.weight": (128, 2)}, ""),
        ({"blocks.29.ffn.0.diff_b": (64,)}, ""),
        ({f"{Q}.lora_A.weight": (2, 128)}, "lacks one half of"),
        ({"blocks.0.self_attn.q.weight": (128, 128)}, "is no LoRA"),
        (
            {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (2, 64),
             "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": (64, 2)},
            "is a LoRA of another kind of model: none of its 1 layers",
        ),
    ],
)  # fmt: skip
def test_a_lora_is_looked_at_before_the_run(
    tmp_path: Path, kind: str, tensors: dict[str, tuple[int, ...]], says: str
) -> None:
    path = next(path for path in EXAMPLES if path.stem == "wan2.1_four_steps")
    session = session_with(tmp_path, files_of(path))
    graph = read(path, session)
    node = next(node for node in graph.nodes.values() if node.kind == "SoraLoadLora")
    values = {"strength_model" if name == "strength" else name: value for name, value in node.inputs.items()}
    if kind != node.kind:
        graph = replace(graph, nodes={**graph.nodes, node.id: replace(node, kind=kind, inputs=values)})
    save_file({n: torch.zeros(s) for n, s in tensors.items()}, session.models / "loras" / str(values["lora_name"]))
    with session.active():
        if not says:
            assert plan(graph, local_registry()).order
            return
        with pytest.raises(WorkflowError, match=rf"node {node.id} .*input lora_name.*{says}"):
            plan(graph, local_registry())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("cut.safetensors", b"\x08", "is not a safetensors file, or is truncated; fetch it again"),
        ("empty.safetensors", b"", "is empty; fetch it again"),
        ("wan.gguf", b"GGUF\x03\0\0\0", r"is a GGUF file.*take one that ends in \.safetensors"),
        ("wan.safetensors", b"GGUF\x03\0\0\0", "is a GGUF file"),
        ("wan.pth", b"PK\x03\x04", r"is a pickle checkpoint.*convert it to \.safetensors"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_before_the_run(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = tmp_path / "models" / "diffusion_models" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert re.search(says, refusal(tmp_path, f"1.unet_name={name}"))


def test_a_text_encoder_without_tokenizer_is_named_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert re.search(r"node 3 .*input clip_name.*there is no tokenizer in or beside .*spiece\.model", refusal(tmp_path))


def test_a_type_that_weights_cannot_be_given_is_named_before_the_run(tmp_path: Path) -> None:
    assert "set weight_dtype to default" in refusal(tmp_path, "1.weight_dtype=fp8_e4m3fn")


def test_a_file_is_checked_anew_when_it_has_changed(tmp_path: Path) -> None:
    session = session_with(tmp_path, files_of(EXAMPLE))
    with session.active():
        plan(read(EXAMPLE, session), local_registry())
        write(session.models / "vae" / "wan_2.1_vae.safetensors", tiny("UNETLoader", ""))
        with pytest.raises(WorkflowError, match="is a Wan transformer"):
            plan(read(EXAMPLE, session), local_registry())


@pytest.mark.parametrize("name", ["sub/wan.safetensors", "wan: [fp8] why?.safetensors", "Ein Modell é.SAFETENSORS"])
def test_weights_have_any_name(tmp_path: Path, name: str) -> None:
    session = session_with(tmp_path, {name: "UNETLoader"})
    assert session.model_files("diffusion_models") == [name]
    assert session.model_path("diffusion_models", name).is_file()


def test_a_folder_may_be_written_as_windows_does(tmp_path: Path) -> None:
    session = session_with(tmp_path, {**files_of(EXAMPLE), "sub/wan.safetensors": "UNETLoader"})
    with session.active():
        checked = plan(read(EXAMPLE, session, "1.unet_name=sub\\wan.safetensors"), local_registry())
    assert checked.graph.nodes["1"].inputs["unet_name"] == "sub/wan.safetensors"


def test_links_among_the_weights_are_followed(tmp_path: Path) -> None:
    """Large files lie on other disks, or in the store of a downloader under names without an ending."""
    session, store = session_with(tmp_path, {}), tmp_path / "store"
    write(store / "0a1b2c", tiny("UNETLoader", ""))
    write(store / "more" / "wan.safetensors", tiny("UNETLoader", ""))
    folder = session.models / "diffusion_models"
    folder.mkdir(parents=True)
    (folder / "linked.safetensors").symlink_to(store / "0a1b2c")
    (folder / "more").symlink_to(store / "more")
    (store / "more" / "back").symlink_to(folder)
    assert session.model_files("diffusion_models") == ["linked.safetensors", "more/wan.safetensors"]
    for name in session.model_files("diffusion_models"):
        load_transformer(session.model_path("diffusion_models", name))


@pytest.mark.parametrize(
    ("part", "loader", "name", "says"),
    [
        ("codec", "VAELoader", "2.2", r"codec is of another model than .*dit: 48 channels, where that has 16 channels"),
        ("low", "UNETLoader", "5B", "low is of another model than .*dit: width 128, 1 blocks and 48 channels, where"),
    ],
)
def test_parts_of_different_models_are_named(tmp_path: Path, part: str, loader: str, name: str, says: str) -> None:
    kinds = {"dit": "UNETLoader", "codec": "VAELoader", "text": "CLIPLoader"}
    for file, kind in kinds.items():
        write(tmp_path / file, tiny(kind, ""))
    paths = {"transformer": tmp_path / "dit", "codec": tmp_path / "codec", "text": tmp_path / "text"}
    assert pipeline.load_open(**paths).settings.steps == 50
    write(tmp_path / part, tiny(loader, name))
    with pytest.raises(CheckpointError, match=says):
        pipeline.load_open(**{**paths, part: tmp_path / part})


@pytest.mark.parametrize(
    ("transformer", "low", "says"),
    [
        ("a.safetensors", "a.safetensors", "transformer and low are both .*a.safetensors"),
        ("wan2.2_low_noise.safetensors", "wan2.2_high_noise.safetensors", "are swapped"),
        ("low_noise_model/a.safetensors", "high_noise_model/a.safetensors", "are swapped"),
        ("wan2.2_high_noise.safetensors", None, "is the high-noise expert alone; give the low-noise one as low"),
        ("wan2.2_low_noise.safetensors", None, ""),
        ("wan2.2_high_noise.safetensors", "wan2.2_low_noise.safetensors", ""),
        ("wan2.2_5B.safetensors", "other_5B.safetensors", "is no expert; leave it out"),
    ],
)
def test_experts_are_two_and_in_their_order(tmp_path: Path, transformer: str, low: str | None, says: str) -> None:
    """What their files are called tells more than their sizes, which are the same."""
    codec = "2.2" if "5B" in transformer else "2.1"
    for file, kind in ((transformer, "UNETLoader"), (low, "UNETLoader"), (codec, "VAELoader"), ("text", "CLIPLoader")):
        if file is not None:
            write(tmp_path / file, tiny(kind, file))
    files = {"transformer": tmp_path / transformer, "low": low and tmp_path / low}
    paths = {**files, "codec": tmp_path / codec, "text": tmp_path / "text"}
    if not says:
        assert (pipeline.load_open(**paths).low is None) == (low is None)
        return
    with pytest.raises(InputError, match=says):
        pipeline.load_open(**paths)
