"""The codec is causal and a stream gives what the whole clip gives."""

import pytest
import torch
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.layers import kernels
from sora_nodes.sora_core.training.codec import measure_latents
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig, banded


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    config = CodecConfig(channels=4, widths=(16, 16), encoder_blocks=(1, 1), decoder_blocks=(2, 1))
    return BundledCodec(config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def video():
    return torch.rand(1, 3, 17, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_first_latent_frame_stands_for_one_frame_and_the_others_for_four(codec, video):
    assert codec.encode(video).shape == (1, 4, 5, 2, 3)
    assert codec.encode(video[:, :, :1]).shape[2] == 1
    assert codec.decode(codec.encode(video)).shape == video.shape
    assert codec.encode(video[:, :, 1:], mid_stream=True).shape[2] == 4
    assert codec.decode(codec.encode(video[:, :, 1:], mid_stream=True), mid_stream=True).shape[2] == 16


def test_encoding_a_prefix_is_the_prefix_of_the_encoding(codec, video):
    assert torch.allclose(codec.encode(video[:, :, :9]), codec.encode(video)[:, :, :3], atol=1e-5)


def test_decoding_a_prefix_is_the_prefix_of_the_decoding(codec, video):
    latent = codec.encode(video)
    assert torch.allclose(codec.decode(latent[:, :, :2]), codec.decode(latent)[:, :, :5], atol=1e-5)


@pytest.mark.parametrize("cuts", [(1, 16), (3, 7, 7), (17,), (5, 4, 4, 4)])
@pytest.mark.parametrize("mid_stream", [False, True])
def test_a_stream_encodes_to_what_the_whole_clip_does(codec, video, cuts, mid_stream):
    clip = video[:, :, 1:] if mid_stream else video
    chunks = torch.cat(
        list(codec.encode_stream(clip.split([cuts[0] - mid_stream, *cuts[1:]], 2), mid_stream=mid_stream)), 2
    )
    assert torch.allclose(chunks, codec.encode(clip, mid_stream=mid_stream), atol=1e-5)


@pytest.mark.parametrize("cuts", [(1, 4), (2, 2, 1), (1, 1, 1, 1, 1)])
@pytest.mark.parametrize("mid_stream", [False, True])
def test_a_stream_decodes_to_what_the_whole_latent_does(codec, video, cuts, mid_stream):
    latent = codec.encode(video)
    chunks = torch.cat(list(codec.decode_stream(latent.split(list(cuts), 2), mid_stream=mid_stream)), 2)
    assert torch.allclose(chunks, codec.decode(latent, mid_stream=mid_stream), atol=1e-5)


def test_measured_latents_are_normalised():
    torch.manual_seed(0)
    codec = BundledCodec(
        CodecConfig(channels=4, widths=(16, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1))
    ).requires_grad_(False)
    videos = [torch.rand(4, 3, 5, 32, 32) * 2 - 1]
    measure_latents(codec, [codec.moments(video)[0] for video in videos])
    assert codec.latent_std.min() >= 0.25
    assert codec.encode(videos[0]).movedim(1, 0).flatten(1).mean(1).abs().max() < 0.05


@pytest.mark.parametrize(
    "shape,message",
    [((1, 3, 5, 12, 16), "16x12"), ((1, 4, 5, 16, 16), r"\[B,3,F,H,W\]"), ((1, 3, 4, 16, 16), "4n\\+1")],
)
def test_clips_the_codec_cannot_have_are_named(codec, shape, message):
    with pytest.raises(InputError, match=message):
        list(codec.encode_stream([torch.zeros(shape)]))


def test_latents_of_another_codec_are_named(codec):
    with pytest.raises(InputError, match=r"\[B,4,T,H,W\]"):
        codec.decode(torch.zeros(1, 16, 1, 2, 2))


@pytest.mark.parametrize("band", [1, 1500, 1 << 19])
@pytest.mark.parametrize("clips", [1, 2])
def test_rows_in_bands_and_a_stream_of_them_give_what_the_layers_give(codec, video, band, clips, monkeypatch):
    monkeypatch.setattr(banded, "BAND", band)
    clip = torch.cat([video, video.flip(3)][:clips])
    latent = codec.encode(clip)
    frames = codec.decode(latent)  # where gradients may be asked for, the layers themselves run
    with torch.no_grad():
        assert kernels.of(clip).in_bands and banded.is_plain(codec.decoder, latent)
        assert torch.allclose(codec.encode(clip), latent, atol=1e-5)
        assert torch.allclose(codec.decode(latent), frames, atol=1e-5)
        stream = codec.encode_stream(clip.split([3, 7, 7], 2))
        assert torch.allclose(torch.cat(list(stream), 2), latent, atol=1e-5)
        stream = codec.decode_stream(latent.split([2, 2, 1], 2))
        assert torch.allclose(torch.cat(list(stream), 2), frames, atol=1e-5)
