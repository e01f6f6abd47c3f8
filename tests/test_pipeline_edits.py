"""One way from an edit to its latent: the library call and the headless nodes give the same, each at its defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from editing_toys import FPS, H, W, frames, tiny_model, video
from sora_nodes.nodes import assembly, editing, models
from sora_nodes.nodes.sampling import SoraNoiseGrid, SoraSampler
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.editing import (
    Clip,
    Edit,
    Keyframe,
    Shot,
    animate,
    connect,
    extend,
    fill,
    loop_clip,
    loop_new,
    restyle,
    storyboard,
)
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.open_weights import OpenTokens
from sora_nodes.sora_core.pipeline import DEFAULTS, edit_video, sample_edit
from sora_nodes.sora_core.text.pieces import TokenTable
from sora_nodes.sora_core.types import PromptSchedule

MODEL = tiny_model()
CODEC = MODEL.codec
PROMPT, SEED, STEPS = "a red ball", 7, 3
SIZE = VideoSize(frames=16, height=H, width=W, fps=FPS)
NODES = {node.GET_SCHEMA().node_id: node for node in [*editing.NODES, *assembly.NODES, SoraSampler]}


@pytest.fixture(autouse=True)
def _session(tmp_path: Path) -> Iterator[None]:
    with torch.inference_mode(), Session(input=tmp_path, output=tmp_path, temp=tmp_path).active():
        yield


def node(name: str, **inputs: Any) -> tuple[Any, ...]:
    """A node's outputs, its other inputs at their defaults."""
    defaults = {item.id: getattr(item, "default", None) for item in NODES[name].GET_SCHEMA().inputs}
    usual = {name: value for name, value in defaults.items() if value is not None}
    return NODES[name].execute(**{**usual, **inputs}).result


def clip(count: int = 9) -> Clip:
    return Clip(image=frames(count), fps=FPS)


def grid() -> Any:
    return SoraNoiseGrid.execute(MODEL, "free (width x height)", 16, W, H, 2.0, FPS).result[0]


SHOTS = [Shot(prompt="a red ball", seconds=1.0), Shot(prompt="a blue ball", seconds=1.0)]
SHOT_LINES = "1: a red ball\n1: a blue ball"
Both = tuple[Callable[[], tuple[Edit, Any]], Callable[[], tuple[Any, ...]]]
OPERATIONS: dict[str, Both] = {
    "animate": (
        lambda: (animate([Keyframe(image=frames(1), frame_idx=0)], CODEC, size=SIZE), PROMPT),
        lambda: node("SoraAnimateImage", vae=MODEL, image=frames(1), latent=grid()),
    ),
    "extend": (
        lambda: (extend(clip(), CODEC, seconds=1.0), PROMPT),
        lambda: node("SoraExtendVideo", vae=MODEL, video=video(frames(9))),
    ),
    "loop": (
        lambda: (loop_clip(clip(), CODEC, seconds=1.0), PROMPT),
        lambda: node("SoraLoopVideo", vae=MODEL, video=video(frames(9))),
    ),
    "loop from text": (
        lambda: (loop_new(CODEC, size=SIZE), PROMPT),
        lambda: node("SoraLoopVideo", vae=MODEL, latent=grid()),
    ),
    "connect": (
        lambda: (connect(clip(), clip(), CODEC, seconds=1.0), PROMPT),
        lambda: node("SoraConnectVideos", vae=MODEL, first=video(frames(9)), second=video(frames(9))),
    ),
    "fill": (
        lambda: (fill(clip(), CODEC, missing=torch.arange(9) // 2 == 2), PROMPT),
        lambda: node("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="4-5"),
    ),
    "restyle": (
        lambda: (restyle(clip(), CODEC), PROMPT),
        lambda: node("SoraRestyleVideo", vae=MODEL, video=video(frames(9))),
    ),
    "storyboard": (
        lambda: (storyboard(SHOTS, CODEC, size=SIZE).edit, [shot.prompt for shot in SHOTS]),
        lambda: node("SoraStoryboard", clip=MODEL, vae=MODEL, shots=SHOT_LINES, latent=grid()),
    ),
    "storyboard, blended": (
        lambda: (storyboard(SHOTS, CODEC, size=SIZE, fade=0.5).edit, [shot.prompt for shot in SHOTS]),
        lambda: node("SoraStoryboard", clip=MODEL, vae=MODEL, shots=SHOT_LINES, latent=grid(), transition="blend"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_library_and_node_give_the_same_latent(operation: str) -> None:
    library, nodes = OPERATIONS[operation]
    edit, prompts = library()
    outputs = nodes()
    positive = outputs[0] if isinstance(prompts, list) else models.current().encode(MODEL, PROMPT)
    latent = next(output for output in outputs if isinstance(output, dict))
    by_node = node("SoraSampler", model=MODEL, positive=positive, latent=latent, seed=SEED, steps=STEPS)[0]["samples"]
    made = sample_edit(MODEL, edit, prompts, MODEL.settings.with_(steps=STEPS), SEED)
    assert torch.equal(made, by_node)


def test_the_edit_sets_what_the_user_has_left_alone() -> None:
    usual, edit = DEFAULTS.sampling, restyle(clip(), CODEC, denoise=0.6)
    assert (edit.settings(usual, usual).cfg, edit.settings(usual, usual).denoise) == (1.5, 0.6)
    chosen = edit.settings(usual.with_(cfg=4.0, denoise=0.9), usual)
    assert (chosen.cfg, chosen.denoise, chosen.flow_edit) == (4.0, 0.9, True)
    assert loop_new(CODEC, size=SIZE).settings(usual, usual).ring


def test_edit_video_gives_finished_frames() -> None:
    made = edit_video(MODEL, extend(clip(), CODEC, seconds=1.0), PROMPT, MODEL.settings.with_(steps=2))
    assert torch.equal(made[:9], frames(9)) and len(made) == 17


def test_another_number_of_prompts_than_shots_is_named() -> None:
    with pytest.raises(InputError, match="follows 2 prompts, not 1"):
        sample_edit(MODEL, storyboard(SHOTS, CODEC, size=SIZE).edit, PROMPT)
    with pytest.raises(InputError, match="either rows"):
        PromptSchedule(rows=torch.zeros(2, dtype=torch.int64), weights=torch.zeros(2, 2))


def test_unknown_words_are_those_of_the_text_encoder() -> None:
    assert MODEL.unknown_words("a red zorblax and a blueish ball") == ["zorblax", "blueish"]
    pieces = replace(MODEL, tokenizer=OpenTokens(TokenTable(lambda words: [2 + ord(c) % 9 for c in words])))
    assert pieces.unknown_words("a red zorblax") == []
