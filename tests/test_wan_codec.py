"""Both Wan codecs: causal, streamed as whole, the first frame alone, names as in the published files."""

import pytest
import torch
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.vae import banded
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config
from torch.nn.attention import SDPBackend, sdpa_kernel


def tiny(which: str) -> Wan21Codec:
    torch.manual_seed(0)
    codec = Wan21Codec(Wan21Config(width=8)) if which == "2.1" else Wan22Codec(Wan22Config(width=8, decoder_width=8))
    return codec.requires_grad_(False).eval()


@pytest.fixture(scope="module", params=["2.1", "2.2"])
def codec(request: pytest.FixtureRequest) -> Wan21Codec:
    return tiny(request.param)


def video(codec: Wan21Codec, frames: int) -> torch.Tensor:
    side = codec.geometry.space_factor
    return torch.rand(1, 3, frames, side, 2 * side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def latent(codec: Wan21Codec, frames: int) -> torch.Tensor:
    return torch.randn(1, codec.geometry.channels, frames, 1, 2, generator=torch.Generator().manual_seed(2))


def test_the_first_latent_frame_is_one_frame_and_every_later_one_four(codec: Wan21Codec) -> None:
    with torch.no_grad():
        assert codec.encode(video(codec, 9)).shape == (1, codec.geometry.channels, 3, 1, 2)
        assert codec.decode(latent(codec, 3)).shape == video(codec, 9).shape


def test_streamed_is_whole(codec: Wan21Codec) -> None:
    clip, grid = video(codec, 9), latent(codec, 3)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.cat(list(codec.encode_stream(clip.split([2, 3, 4], 2))), 2), codec.encode(clip)
        )
        torch.testing.assert_close(torch.cat(list(codec.decode_stream(grid.split([1, 2], 2))), 2), codec.decode(grid))


def test_a_prefix_gives_the_prefix(codec: Wan21Codec) -> None:
    clip, grid = video(codec, 9), latent(codec, 3)
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(clip[:, :, :5]), codec.encode(clip)[:, :, :2])
        torch.testing.assert_close(codec.decode(grid[:, :, :2]), codec.decode(grid)[:, :, :5])


def test_a_clip_that_begins_mid_stream_is_all_fours(codec: Wan21Codec) -> None:
    with torch.no_grad():
        assert codec.encode(video(codec, 8), mid_stream=True).shape[2] == 2
        assert codec.decode(latent(codec, 2), mid_stream=True).shape[2] == 8


def test_attention_never_forms_the_matrix_of_all_cells_by_all_cells(codec: Wan21Codec) -> None:
    """At 1280x720 it would be 14,400 by 14,400, twice: 1.7 GB. Torch forms it for tokens that lie apart in memory."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # raises where it cannot be had
        codec.encode(video(codec, 5))
        codec.decode(latent(codec, 2))


@pytest.mark.parametrize("band", [1, 3000, 1 << 19])
def test_the_path_for_inference_gives_what_training_would(
    codec: Wan21Codec, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(banded, "BAND", band)
    clip, grid = video(codec, 5), latent(codec, 2)
    with torch.no_grad():
        encoded, decoded = codec.encode(clip), codec.decode(grid)
    torch.testing.assert_close(codec.encode(clip), encoded, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(codec.decode(grid), decoded, rtol=1e-4, atol=1e-5)


def test_a_length_that_does_not_fit_is_named(codec: Wan21Codec) -> None:
    with pytest.raises(InputError, match=r"4n\+1 frames; 1 frames are left over"), torch.no_grad():
        list(codec.encode_stream([video(codec, 6)]))


@pytest.mark.parametrize(
    ("which", "name"),
    [
        ("2.1", "encoder.conv1.weight"),
        ("2.1", "encoder.downsamples.5.time_conv.weight"),
        ("2.1", "decoder.middle.0.residual.2.weight"),
        ("2.1", "decoder.upsamples.4.shortcut.bias"),
        ("2.1", "decoder.head.0.gamma"),
        ("2.2", "encoder.downsamples.1.downsamples.2.time_conv.weight"),
        ("2.2", "decoder.upsamples.0.upsamples.3.resample.1.weight"),
    ],
)
def test_names_are_those_of_the_published_files(which: str, name: str) -> None:
    assert name in tiny(which).state_dict()
