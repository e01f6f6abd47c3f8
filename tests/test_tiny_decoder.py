"""The tiny decoder of previews: sizes from the file, causal, and a picture that moves."""

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sora_nodes.nodes.preview import moving_preview
from sora_nodes.sora_core.errors import CheckpointError, InputError
from sora_nodes.sora_core.vae.tiny import TinyDecoder, load_tiny

KINDS = {"taew2_1": (16, 1), "taew2_2": (48, 2)}
"""latent channels, pixels to a side of a patch"""


def written(path: Path, channels: int, patch: int) -> Path:
    torch.manual_seed(0)
    made = TinyDecoder(channels, (24, 12, 8, 8), (1, 2, 2), patch)
    save_file({**made.state_dict(), "encoder.0.weight": torch.zeros(2, 2)}, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_come_from_the_file(tmp_path: Path, kind: str) -> None:
    channels, patch = KINDS[kind]
    decoder = load_tiny(written(tmp_path / "tiny.safetensors", channels, patch))
    latent = torch.randn(2, channels, 3, 2, 5)
    video = decoder(latent)
    assert video.shape == (2, 3, 9, 16 * patch, 40 * patch) and decoder.space_factor == 8 * patch
    torch.testing.assert_close(decoder(latent[:, :, :2]), video[:, :, :5], rtol=1e-4, atol=1e-5, msg="causal")
    torch.testing.assert_close(decoder(latent[1:]), video[1:], rtol=1e-4, atol=1e-5, msg="clips see themselves alone")
    with pytest.raises(InputError, match=rf"\[B,{channels},T,h,w\], not \[2, 3, 3, 2, 5\]"):
        decoder(latent[:, :3])


def test_another_file_is_named(tmp_path: Path) -> None:
    save_file({"decoder.1.weight": torch.zeros(4, 4)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"no tiny decoder: it lacks decoder\.1\.weight"):
        load_tiny(tmp_path / "x.safetensors")


DAMAGED = {
    "lacks decoder.7.conv.weight": {"decoder.7.conv.weight": torch.zeros(0, 0, 1, 1)},
    "weights of other types": {"decoder.1.bias": torch.zeros(24, dtype=torch.int8)},
    "do not fit TinyDecoder: 1 foreign": {"decoder.99.weight": torch.zeros(1)},
}


@pytest.mark.parametrize("says", DAMAGED)
def test_a_damaged_file_is_named(tmp_path: Path, says: str) -> None:
    path = written(tmp_path / "tiny.safetensors", 16, 1)
    save_file({**load_file(path), **DAMAGED[says]}, path)
    with pytest.raises(CheckpointError, match=f"tiny.safetensors.*{says}"):
        load_tiny(path)


def test_a_preview_shows_its_pictures(tmp_path: Path) -> None:
    decoder = load_tiny(written(tmp_path / "tiny.safetensors", 16, 1))
    found = moving_preview(torch.randn(1, 16, 21, 60, 104), SimpleNamespace(latent_rgb_factors=None), 16.0, decoder)
    assert found is not None
    file = BytesIO()
    found[1].save(file)
    picture = Image.open(file)
    assert picture.size == (256, 144) and picture.n_frames == 21, "81 frames, every fourth, no larger than it is shown"
