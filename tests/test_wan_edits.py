"""Every edit operation runs on published weights: on one noise level per clip (kept parts re-noised) and on one per
position. Plumbing only."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from device_toys import moved, second_device
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.diffusion import draw_noise
from sora_nodes.sora_core.dit import DiT, DiTConfig
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
    stitch,
    storyboard,
)
from sora_nodes.sora_core.errors import CheckpointError
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.open_weights import OpenText, OpenTokens, published
from sora_nodes.sora_core.pipeline import SoraModel
from sora_nodes.sora_core.pipeline.generation import outside_training
from sora_nodes.sora_core.text.pieces import TokenTable
from sora_nodes.sora_core.text.umt5 import UMT5, UMT5Config
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config

FPS, SIDE = 16.0, 32


def model(kind: str) -> SoraModel:
    """Random weights with one block of everything."""
    torch.manual_seed(0)
    if kind == "TI2V-5B":
        codec: Wan21Codec = Wan22Codec(Wan22Config(width=8, decoder_width=8))
    else:
        codec = Wan21Codec(Wan21Config(width=8))
    channels = codec.geometry.channels
    sizes = {
        "width": 128,
        "depth": 1,
        "heads": 1,
        "mlp_width": 64,
        "channels": channels,
        "text_width": 16,
        "text_tokens": 32,
    }
    dit = DiT(DiTConfig(**sizes, per_position_time=kind == "TI2V-5B"))
    text = UMT5(UMT5Config(vocabulary=200, width=16, depth=1, heads=2, head_dim=8, mlp_width=16))
    for module in (codec, dit, text):
        module.requires_grad_(False).eval()
    return SoraModel(
        codec=codec,
        text=OpenText(text, tokens=32),
        tokenizer=OpenTokens(TokenTable(lambda words: [2 + ord(c) % 100 for c in words], limit=32)),
        dit=dit,
        settings=published(dit.config).settings,
    )


MODELS = {kind: model(kind) for kind in ("T2V", "TI2V-5B")}


@pytest.fixture(autouse=True, params=["where the files are", "on a second device"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "where the files are":
        yield
        return
    far = {kind: model(kind) for kind in MODELS}
    for weights in far.values():
        for module in (weights.codec, weights.text, weights.dit):
            moved(module)
    monkeypatch.setattr(sys.modules[__name__], "MODELS", far)
    with second_device():
        yield


def clip(count: int, seed: int = 0) -> Clip:
    return Clip(image=torch.rand(count, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(seed)), fps=FPS)


SIZE = VideoSize(frames=9, height=SIDE, width=SIDE, fps=FPS)
MISSING = torch.arange(9) // 2 == 2
OPERATIONS: dict[str, Callable[[SoraModel], Edit]] = {
    "animate": lambda m: animate([Keyframe(image=clip(1).image, frame_idx=0)], m.codec, size=SIZE),
    "extend": lambda m: extend(clip(9), m.codec, seconds=0.25),
    "extend backward": lambda m: extend(clip(9), m.codec, seconds=0.25, direction="backward"),
    "connect": lambda m: connect(clip(9), clip(9, 1), m.codec, seconds=0.25),
    "fill": lambda m: fill(clip(9), m.codec, missing=MISSING),
    "loop": lambda m: loop_clip(clip(9), m.codec, seconds=0.25),
    "loop from text": lambda m: loop_new(m.codec, size=SIZE),
    "restyle": lambda m: restyle(clip(9), m.codec),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_runs(kind: str, operation: str) -> None:
    weights = MODELS[kind]
    with torch.no_grad():
        edit = OPERATIONS[operation](weights)
        settings = weights.settings.with_(steps=2, cfg=4.0)
        made = pipeline.sample_edit(weights, edit, "a white car on a dirt road", settings).cpu()
        image = stitch(edit, made, weights.codec)
    assert torch.isfinite(image).all() and len(image) == edit.frames
    kept = (edit.state.mask == 0).expand_as(made)
    assert torch.equal(made[kept], edit.state.clean[kept])


@pytest.mark.parametrize("kind", MODELS)
def test_edits_are_made_for_a_network_that_is_told_no_spans(kind: str) -> None:
    """Whoever calls them need not say so: no strides, no wipe, no correction and no guidance of the bundled weights."""
    codec = MODELS[kind].codec
    for edit in (extend(clip(9), codec, seconds=0.25), connect(clip(9), clip(9), codec, seconds=0.25)):
        assert "told no spans" in " ".join(edit.notes) and edit.state.spans[0] == 1
        assert edit.strides is None and edit.wipe is None
    restyled = restyle(clip(9), codec)
    assert not restyled.flow_edit and restyled.settings(MODELS[kind].settings, MODELS[kind].settings).cfg > 4


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("blended", [False, True], ids=["cut", "blend"])
def test_several_shots_run(kind: str, blended: bool) -> None:
    weights = MODELS[kind]
    board = storyboard(
        [Shot(prompt="a church", seconds=0.25), Shot(prompt="an octopus", seconds=0.25)],
        weights.codec,
        size=SIZE,
        fade=0.25 if blended else 0.0,
    )
    with torch.no_grad():
        made = pipeline.sample_edit(weights, board.edit, board.prompts, weights.settings.with_(steps=2, cfg=4.0))
        image = stitch(board.edit, made, weights.codec)
    assert torch.isfinite(image).all() and len(image) == board.edit.frames


def test_the_second_expert_has_its_own_guidance() -> None:
    weights = replace(MODELS["T2V"], low=MODELS["T2V"].dit, low_from=0.9)
    state = loop_new(weights.codec, size=SIZE).state
    noise = draw_noise(tuple(state.latent.shape[1:]), 0)

    def made(low_cfg: float | None) -> torch.Tensor:
        with torch.no_grad():
            cond = pipeline.encode_text(weights, ["a church"])
            settings = weights.settings.with_(steps=3, cfg=4.0, low_cfg=low_cfg)
            return pipeline.sample(weights, state, cond, noise=noise, settings=settings, fps=FPS)

    assert torch.equal(made(None), made(4.0)) and not torch.equal(made(None), made(3.0))


@pytest.mark.parametrize(
    ("size", "fps", "said"),
    [
        ((832, 480), 16, ""),
        ((480, 832), 16, ""),
        ((64, 64), 16, "64x64 at 16 fps is not what Wan 2.1 T2V 1.3B is made for (832x480 at 16 fps)"),
        ((832, 480), 8, "832x480 at 8 fps is not what Wan 2.1 T2V 1.3B is made for"),
    ],
)
def test_a_size_that_published_weights_are_not_made_for_is_said(size: tuple[int, int], fps: float, said: str) -> None:
    asked = VideoSize(frames=9, width=size[0], height=size[1], fps=fps)
    warned = outside_training(MODELS["T2V"], asked)
    assert warned.startswith(said) and bool(warned) == bool(said)


def test_published_weights_read_a_prompt_as_it_is(tmp_path: Path) -> None:
    """Captions are for the bundled text encoder, which knows few words."""
    prompt = "A drone circles a church"
    weights = MODELS["T2V"].with_settings(steps=1)
    made = pipeline.generate(prompt, out=tmp_path / "a.png", seconds=0, size=(SIDE, SIDE), model=weights)
    assert made.caption == prompt


def test_an_empty_prompt_is_a_prompt() -> None:
    weights = MODELS["T2V"]
    features = pipeline.encode_text(weights, ["", "a drone circles a church"])
    assert features.shape == (2, 32, 16)
    assert features[0, 0].any() and not features[0, 1:].any()


@pytest.mark.parametrize(("part", "name"), [("dit", "blocks.0.ffn.0.weight"), ("text", "encoder.shared.weight")])
def test_damaged_weights_are_named_before_the_second_step(part: str, name: str) -> None:
    weights = model("T2V")
    with torch.no_grad():
        getattr(weights, part).get_parameter(name).fill_(torch.nan)
    done: list[int] = []
    with pytest.raises(CheckpointError, match=r"values that are not numbers .*: its weights are damaged"):
        pipeline.sample_video(weights, "a church", SIZE, progress=lambda step, of: done.append(step))
    assert not sum(done)
