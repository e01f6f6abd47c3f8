"""The second ring: ComfyUI's own nodes and interface on our objects, over HTTP; `comfy_toys.py` says when it runs."""

from __future__ import annotations

import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from comfy_toys import PACK, Comfy, Socket, comfy, frames, here, needs_comfy, node, psnr, session, stock
from PIL import Image
from sora_nodes.commands.run import local_registry
from sora_nodes.runtime.command import RunRequest, load_graph
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.sora_core.errors import SoraError
from sora_nodes.sora_core.media import write_video

__all__ = ["comfy", "here"]

pytestmark = needs_comfy
SAMPLED = {"seed": 3, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
TOLD = {"told": node("SoraModelForLatent", model=["1", 0], latent=["4", 0])}


def sora_sampler(**links: Any) -> dict[str, Any]:
    return node("SoraSampler", **{"model": ["1", 0], "positive": ["2", 0], "latent": ["4", 0], **SAMPLED, **links})


def k_sampler(**links: Any) -> dict[str, Any]:
    given = {
        "model": ["told", 0],
        "positive": ["2", 0],
        "negative": ["3", 0],
        "latent_image": ["4", 0],
        **SAMPLED,
        **links,
    }
    return node("KSampler", **given)


def same(there: list[str], ours: list[str], root: Path) -> None:
    assert len(there) == len(ours) > 0
    for a, b in zip(sorted(there), sorted(ours), strict=True):
        assert psnr(frames(root / "there" / a), frames(root / "ours" / b)) >= 40


def custom(guider: dict[str, Any]) -> dict[str, Any]:
    """SamplerCustomAdvanced in the place of KSampler."""
    return {
        **TOLD,
        "noise": node("RandomNoise", noise_seed=3),
        "solver": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node("BasicScheduler", model=["told", 0], scheduler="simple", steps=4, denoise=1.0),
        "guider": guider,
        "5": node(
            "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["solver", 0],
            sigmas=["sigmas", 0],
            latent_image=["4", 0],
        ),
    }  # fmt: skip


CFG = node("CFGGuider", model=["told", 0], positive=["2", 0], negative=["3", 0], cfg=3.0)
BASIC = node("BasicGuider", model=["told", 0], conditioning=["2", 0])
TILED = node(
    "VAEDecodeTiled", samples=["5", 0], vae=["1", 2], tile_size=512, overlap=64, temporal_size=64, temporal_overlap=8
)


@pytest.mark.parametrize(
    ("changed", "alike"),
    [
        ({**TOLD, "5": k_sampler()}, {"5": sora_sampler(negative=["3", 0])}),
        (custom(CFG), {"5": sora_sampler(negative=["3", 0])}),
        (custom(BASIC), {"5": sora_sampler(cfg=1.0)}),
        ({**TOLD, "5": k_sampler(), "6": TILED}, {"5": sora_sampler(negative=["3", 0])}),
    ],
    ids=["KSampler", "CFGGuider", "BasicGuider", "VAEDecodeTiled"],
)
def test_stock_nodes_sample_our_model_as_we_do(
    changed: dict[str, Any], alike: dict[str, Any], comfy: Comfy, here: Executor, tmp_path: Path
) -> None:
    there = comfy.server(stock(**changed), session(tmp_path, "there"))
    same(there, here.run(stock(**alike), session(tmp_path, "ours")).files(), tmp_path)


def test_a_stock_sampler_makes_a_loop(comfy: Comfy, here: Executor, tmp_path: Path) -> None:
    """The same graph on both sides; on the one KSampler is ComfyUI's."""
    graph = stock(
        told=node("SoraModelForLatent", model=["1", 0], latent=["loop", 0]),
        loop=node("SoraLoopVideo", vae=["1", 2], seconds=1.0, overlap=4, latent=["4", 0]),
        **{
            "4": node(
                "SoraNoiseGrid",
                vae=["1", 2],
                aspect="square 1:1",
                short_side=96,
                width=96,
                height=96,
                seconds=1.0,
                fps=12.0,
            ),
            "5": k_sampler(latent_image=["loop", 0]),
            "6": node("SoraStitchVideo", samples=["5", 0], vae=["1", 2], colour_match=True),
            "7": node("SoraSaveVideo", video=["6", 0], filename_prefix="loop"),
        },
    )
    there = comfy.server(graph, session(tmp_path, "there"))
    same(there, here.run(graph, session(tmp_path, "ours")).files(), tmp_path)


@pytest.mark.parametrize(
    "patch",
    [
        node("ModelSamplingSD3", model=["1", 0], shift=3.0),
        node("EasyCache", model=["1", 0], reuse_threshold=0.05, start_percent=0.15, end_percent=0.95, verbose=False),
        node("LazyCache", model=["1", 0], reuse_threshold=0.2, start_percent=0.15, end_percent=0.95, verbose=False),
        node("SoraRingTime", model=["1", 0]),
        node("RenormCFG", model=["1", 0], cfg_trunc=100.0, renorm_cfg=1.0),
    ],
    ids=lambda patch: patch["class_type"],
)
def test_a_patch_on_our_model_runs_under_a_stock_sampler(patch: dict[str, Any], comfy: Comfy, tmp_path: Path) -> None:
    assert len(comfy.server(stock(told=patch, **{"5": k_sampler()}), session(tmp_path, "out"))) == 5


def test_a_saved_checkpoint_is_loaded_again(comfy: Comfy, tmp_path: Path) -> None:
    first = stock()
    saver = node("CheckpointSave", model=["1", 0], clip=["1", 1], vae=["1", 2], filename_prefix="checkpoints/ours")
    picture, *_ = comfy.server(stock(save=saver), session(tmp_path, "first"))
    comfy.server._info = None
    assert (
        "ours_00001_.safetensors"
        in comfy.server.object_info()["SoraLoadModel"]["input"]["required"]["model"][1]["options"]
    )
    again = stock(**{"1": node("SoraLoadModel", model="ours_00001_.safetensors")})
    other, *_ = comfy.server(again, session(tmp_path, "again"))
    assert first and psnr(frames(tmp_path / "first" / picture), frames(tmp_path / "again" / other)) >= 40


def test_frames_that_are_linked_after_a_run_are_read(comfy: Comfy, tmp_path: Path) -> None:
    """Sora Load Video reads its frames where they are linked, and what it kept of a run without that link has none."""
    write_video(comfy.base / "input" / "linked.mp4", torch.zeros(1, 3, 5, 64, 64), fps=8.0)
    nodes = {
        "1": node("SoraLoadVideo", file="linked.mp4"),
        "2": node("PreviewAny", source=["1", 1]),
        "3": node("SaveImage", images=["1", 5], filename_prefix="linked"),
    }
    comfy.server(Graph.from_api({name: nodes[name] for name in "12"}), session(tmp_path, "before"))
    assert len(comfy.server(Graph.from_api(nodes), session(tmp_path, "after"))) == 5


def test_an_example_of_another_model_lacks_its_files_alone(comfy: Comfy, tmp_path: Path) -> None:
    graph = load_graph(
        RunRequest(workflow=PACK / "example_workflows/wan_loop.json", nodes=local_registry),
        comfy.server.object_info(),
        None,
    )
    with pytest.raises(SoraError) as raised:
        comfy.server(graph, session(tmp_path, "out"))
    mistakes = str(raised.value).splitlines()
    assert len(mistakes) == 3 and all(
        "Value not in list" in mistake and "safetensors" in mistake for mistake in mistakes
    )


def queued(comfy: Comfy, graph: Graph) -> Socket:
    line = Socket(comfy.server)
    comfy.server._json("/prompt", {"prompt": graph.to_api(), "client_id": line.client})
    return line


def test_the_preview_moves(comfy: Comfy) -> None:
    """Each step shows all frames, small, as an animated picture."""
    seen = []
    for kind, told in queued(comfy, stock(**{"5": sora_sampler(seed=11)})):
        if kind == "preview":
            seen.append(Image.open(BytesIO(told)))
        if kind == "execution_success":
            break
    assert len(seen) == 4
    assert all(picture.n_frames == 2 and max(picture.size) == 256 for picture in seen)


def test_a_run_is_cancelled_within_a_step(comfy: Comfy) -> None:
    line, steps, asked, took = queued(comfy, stock(**{"5": sora_sampler(steps=900, seed=12)})), 0, 0.0, 0.0
    for kind, told in line:
        if kind == "progress" and told["node"] == "5":
            steps += 1
            if steps == 3:
                comfy.server._open("/interrupt", json.dumps({"prompt_id": told["prompt_id"]}).encode()).close()
                asked = time.monotonic()
        assert kind != "execution_success"
        if kind == "execution_interrupted":
            took = time.monotonic() - asked
            break
    assert steps <= 5 and took < 5


MISTAKES = {
    "a LATENT of pictures": (
        {"4": node("EmptyLatentImage", width=64, height=64, batch_size=1)},
        r"SoraSampler.*latent is \[1, 4, 8, 8\].*five dimensions",
    ),
    "a LATENT of another model": (
        {"4": node("EmptyHunyuanLatentVideo", width=64, height=64, length=5, batch_size=1)},
        r"SoraSampler.*latent has 16 channels and the model \(SoraBase\) takes 32",
    ),
    "a batch to go on from": (
        {
            "more": node("RepeatLatentBatch", samples=["4", 0], amount=2),
            "4b": node(
                "SoraExtendVideo", vae=["1", 2], seconds=0.5, direction="forward", overlap=4, samples=["more", 0]
            ),
            "5": sora_sampler(latent=["4b", 0]),
        },
        r"SoraExtendVideo.*batch of 2",
    ),
    "a batch to decode": (
        {
            "more": node("RepeatLatentBatch", samples=["5", 0], amount=2),
            "6": node("SoraDecodeVideo", samples=["more", 0], vae=["1", 2], fps=8.0),
            "7": node("SaveImage", images=["6", 1], filename_prefix="none"),
        },
        r"SoraDecodeVideo.*samples is a batch of 2",
    ),
    "prompts joined beyond what the model reads": (
        {
            "joined": node("ConditioningConcat", conditioning_to=["2", 0], conditioning_from=["3", 0]),
            "5": k_sampler(model=["1", 0], positive=["joined", 0]),
        },
        r"\(KSampler\): the bundled MODEL reads 64 words",
    ),
    "prompts of a node for two text encoders": (
        {"2": node("CLIPTextEncodeFlux", clip=["1", 1], clip_l="a ball", t5xxl="a ball", guidance=3.5)},
        r"\(CLIPTextEncodeFlux\): the CLIP of Sora Load Model has one text encoder",
    ),
    "noise levels of another model": (
        {
            **custom(BASIC),
            "sigmas": node("KarrasScheduler", steps=4, sigma_max=14.6, sigma_min=0.03, rho=7.0),
        },
        r"\(SamplerCustomAdvanced\): the bundled MODEL takes sigmas from 1 to 0",
    ),
    "no steps, by a link": (
        {"number": node("PrimitiveInt", value=0), "5": sora_sampler(steps=["number", 0])},
        r"SoraSampler.*steps must be at least 1 and denoise above 0",
    ),
    "latents of another model in VAE Decode": (
        {"5": node("EmptyHunyuanLatentVideo", width=64, height=64, length=5, batch_size=1)},
        r"\(VAEDecode\): this codec decodes latents \[B,32,T,H,W\]",
    ),
    "pictures without a latent in VAE Encode": (
        {
            "small": node("EmptyImage", width=4, height=4, batch_size=5, color=0),
            "5": node("VAEEncode", pixels=["small", 0], vae=["1", 2]),
        },
        r"\(VAEEncode\): pixels are 4x4",
    ),
    "prompts of another storyboard": (
        {
            "told": node(
                "SoraStoryboard",
                clip=["1", 1],
                vae=["1", 2],
                shots="1: a ball\n1: a cube",
                transition="cut",
                blend_seconds=0.5,
                latent=["4", 0],
            ),
            "5": k_sampler(model=["1", 0], positive=["told", 0]),
        },
        r"\(KSampler\): the prompts are a storyboard's over 5 latent frames and the latent has 2",
    ),
    "a width that is none": (
        {
            "4": node(
                "SoraNoiseGrid",
                vae=["1", 2],
                aspect="square 1:1",
                short_side=3,
                width=96,
                height=96,
                seconds=0.6,
                fps=8.0,
            )
        },
        r"SoraNoiseGrid.*short_side.*16",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake: str, comfy: Comfy, tmp_path: Path) -> None:
    changes, said = MISTAKES[mistake]
    with pytest.raises(SoraError, match=said) as raised:
        comfy.server(stock(**{"5": sora_sampler(), **changes}), session(tmp_path, "out"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("mistake", sorted({*MISTAKES} - {"a width that is none"}))  # which is seen before the run
def test_a_mistake_shows_no_path_before_its_sentence(mistake: str, comfy: Comfy) -> None:
    """ComfyUI shows the class of an exception with its module, which of ours is a path, unless it is Python's own."""
    graph = stock(**{"5": sora_sampler(), **MISTAKES[mistake][0]})
    told = next(told for kind, told in queued(comfy, graph) if kind == "execution_error")
    assert told["exception_type"] == "ValueError"
