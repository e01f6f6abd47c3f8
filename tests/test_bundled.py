"""The bundled weights: small enough to carry, exact in a stream, and what they show is what was asked for."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from sora_nodes.sora_core import checkpoints, pipeline
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.training.codec import psnr
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from torch import Tensor

FOLDER = Path(str(files("sora_nodes.sora_core") / "weights"))
NAMES = ("codec", "text", "transformer")
MIB = 2**20

pytestmark = pytest.mark.skipif(
    not all((FOLDER / f"{name}.safetensors").exists() for name in NAMES),
    reason="this checkout has no bundled weights; `sora train` makes them",
)


@pytest.fixture(scope="module")
def model() -> pipeline.SoraModel:
    return pipeline.load_bundled()


@pytest.fixture(scope="module")
def video() -> Tensor:
    """Two held-out clips [2,3,F,H,W]."""
    shape = ClipShape(frames=17, height=64, width=64, fps=8.0)
    frames = torch.cat([render([sample_scene(seed, held_out=True)], shape) for seed in (1, 2)])
    return frames.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def test_the_files_are_small_and_carry_their_config() -> None:
    sizes = [path.stat().st_size for path in FOLDER.glob("*.safetensors")]
    assert max(sizes) <= 16 * MIB and sum(sizes) <= 40 * MIB
    assert all(checkpoints.read_header(FOLDER / f"{name}.safetensors").config for name in NAMES)


@torch.no_grad()
def test_the_codec_keeps_what_it_is_given(model: pipeline.SoraModel, video: Tensor) -> None:
    assert psnr(model.codec.decode(model.codec.encode(video)), video).mean() > 27


@torch.no_grad()
def test_the_codec_streams_exactly(model: pipeline.SoraModel, video: Tensor) -> None:
    latent = model.codec.encode(video[:1])
    streamed = torch.cat(list(model.codec.encode_stream(video[:1].split([6, 3, 8], 2))), 2)
    assert (streamed - latent).abs().max() < 1e-4
    prefix = model.codec.encode(video[:1, :, :9])
    assert (prefix - latent[:, :, :3]).abs().max() < 1e-4
    frames = torch.cat(list(model.codec.decode_stream(latent.split([1, 3, 1], 2))), 2)
    assert (frames - model.codec.decode(latent)).abs().max() < 1e-4


def test_colour_follows_the_prompt_and_the_seed_the_frames(model: pipeline.SoraModel) -> None:
    size = VideoSize(frames=1, height=64, width=64, fps=8.0)
    prompts = ["a red ball stands still on snow at noon", "a blue ball stands still on snow at noon"]
    red, blue = pipeline.sample_video(model, prompts, size, seed=3, settings=model.settings.with_(steps=8))
    assert (red[0] - red[2]).amax() > (blue[0] - blue[2]).amax() + 0.2, "the red picture has the reddest spot"
    assert (blue[2] - blue[0]).amax() > (red[2] - red[0]).amax() + 0.2, "and the blue one the bluest"
    again = pipeline.sample_video(model, prompts, size, seed=3, settings=model.settings.with_(steps=8))[0]
    assert torch.equal(again, red)


def test_every_file_of_weights_says_its_licence() -> None:
    for path in sorted(FOLDER.glob("*.safetensors")):
        assert checkpoints.read_header(path).metadata.get("licence") == checkpoints.LICENCE, path.name
