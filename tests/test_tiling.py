"""Codecs in tiles and chunks: what they give is what the whole picture gives, within the memory they are given."""

import math

import pytest
import torch
import torch.nn.functional as F
from sora_nodes.sora_core.errors import InputError, ResourceError
from sora_nodes.sora_core.layers.causal import StreamCache
from sora_nodes.sora_core.pipeline import load_bundled
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig, Tiles, bounded, decode_bounded, encode_bounded, tiling
from sora_nodes.sora_core.vae.tiling import choose_tiles, weights
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config


def tiny(which: str):
    torch.manual_seed(0)
    if which == "bundled":
        codec = BundledCodec(CodecConfig(channels=4, widths=(8, 16), encoder_blocks=(2, 2), decoder_blocks=(3, 3)))
    elif which == "2.1":
        codec = Wan21Codec(Wan21Config(width=4))
    else:
        codec = Wan22Codec(Wan22Config(width=4, decoder_width=4))
    return codec.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["bundled", "2.1", "2.2"])
def codec(request):
    return tiny(request.param)


def smooth(codec, frames: int, height: int, width: int) -> torch.Tensor:
    """A video with structure of many sizes."""
    generator, f = torch.Generator().manual_seed(1), codec.geometry.space_factor
    size = (frames, height * f, width * f)
    layers = (torch.randn(1, 3, 2, size[1] // k, size[2] // k, generator=generator) for k in (f, f // 2, f // 4))
    return sum(F.interpolate(x, size, mode="trilinear") / 3 for x in layers).clamp(-1, 1)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return 10 * math.log10(float((a.max() - a.min()) ** 2 / ((a - b) ** 2).mean()))


TILES = Tiles(chunk=2, size=(14, 14), spill=True)


def test_tiles_give_what_the_whole_picture_gives_and_no_edge_shows(codec):
    video = smooth(codec, 5, 14, 20)
    with torch.no_grad():
        latent = codec.encode(video)
        tiled = torch.cat(list(codec.encode_stream([video], tiles=TILES)), 2)
        whole = codec.decode(latent)
        decoded = torch.cat(list(codec.decode_stream(latent.split(2, 2), tiles=TILES)), 2)
    assert psnr(latent, tiled) > 45
    assert psnr(whole, decoded) > 45
    shared = slice(6 * codec.geometry.space_factor, 14 * codec.geometry.space_factor)  # columns of both tiles

    def steps(x: torch.Tensor) -> torch.Tensor:
        return (x[..., 1:] - x[..., :-1]).abs().mean((0, 1, 2, 3))[shared].mean()

    assert float(steps(decoded) / steps(whole)) == pytest.approx(1, abs=0.02)


def test_caches_on_disk_change_nothing(codec):
    latent = torch.randn(1, codec.geometry.channels, 3, 14, 20, generator=torch.Generator().manual_seed(3))
    kept = Tiles(chunk=2, size=(14, 14), spill=False)
    with torch.no_grad():
        on_disk, in_memory = (
            torch.cat(list(codec.decode_stream(latent.split(2, 2), tiles=tiles)), 2) for tiles in (TILES, kept)
        )
    assert torch.equal(on_disk, in_memory)


def test_what_is_kept_is_what_the_codec_says(codec):
    cache, f = StreamCache(), codec.geometry.space_factor
    with torch.no_grad():
        for first in (True, False, False):
            raw = torch.randn(1, codec.geometry.channels, 1, 4, 4)
            codec.decode_tile(codec.decode_whole(raw, StreamCache(), first), cache, first)
        kept = sum(x.numel() for x in cache._kept.values()) * 4 / 16
        assert kept == pytest.approx(codec.need(encode=False).kept, rel=0.1)
        cache = StreamCache()
        for first in (True, False, False):
            codec.encode_tile(torch.randn(1, 3, 1 if first else 4, 4 * f, 4 * f), cache, first)
    assert sum(x.numel() for x in cache._kept.values()) * 4 / 16 == pytest.approx(codec.need(encode=True).kept, rel=0.1)


@pytest.mark.parametrize("budget", [2 << 30, 1 << 30, 300 << 20])
def test_the_plan_keeps_within_the_budget_with_the_largest_pieces(budget):
    codec = load_bundled().codec
    need = codec.need(encode=False)
    tiles = choose_tiles(need, 135, 240, budget)
    assert need.bytes(135, 240, tiles) <= budget
    assert (tiles.size is None) == (need.bytes(135, 240, Tiles(chunk=1)) <= budget)
    assert choose_tiles(need, 135, 240, 1).spill, "where nothing fits, the smallest pieces are tried"
    assert choose_tiles(need, 8, 8, None).chunk == 4


def test_weights_sum_to_one_and_ignore_borders():
    windows = tiling._windows(50, 20, 8)
    total = torch.zeros(100)
    for window, weight in zip(windows, weights(windows, 2), strict=True):
        total[2 * window.start : 2 * window.stop] += weight
        assert window.start == 0 or weight[0] == 0
    torch.testing.assert_close(total, torch.ones(100))


def test_bounded_is_whole(codec):
    video = smooth(codec, 9, 6, 6)
    with torch.no_grad():
        latent = codec.encode(video)
        torch.testing.assert_close(torch.cat(list(encode_bounded(codec, video.split(2, 2))), 2), latent)
        torch.testing.assert_close(
            torch.cat(list(decode_bounded(codec, latent)), 2), codec.decode(latent).clamp(-1, 1), rtol=1e-5, atol=1e-5
        )


def test_a_decode_that_runs_out_of_memory_goes_on_in_smaller_pieces(monkeypatch):
    codec = tiny("bundled")
    latent = torch.randn(1, 4, 6, 14, 20)
    whole, calls = codec.decode(latent).clamp(-1, 1), []
    decode = codec.decode_tile

    def fails(features, cache, first):
        calls.append(features.shape)
        if len(calls) == 2 or (len(calls) == 3 and features.shape[3] == 14):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")
        return decode(features, cache, first)

    monkeypatch.setattr(codec, "decode_tile", fails)
    again = torch.cat(list(decode_bounded(codec, latent)), 2)
    assert again.shape == whole.shape
    assert psnr(whole, again) > 45
    monkeypatch.setattr(codec, "decode_tile", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(ResourceError, match="160x112 in the smallest pieces"):
        list(decode_bounded(codec, latent))
    monkeypatch.setattr(codec, "decode_tile", lambda *_: (_ for _ in ()).throw(RuntimeError("another")))
    with pytest.raises(RuntimeError, match="another"):
        list(decode_bounded(codec, latent))
    assert bounded.TRIES > 1


def test_tiles_that_cannot_be_are_named():
    with pytest.raises(InputError, match=f"6x4 latent cells cannot share {tiling.OVERLAP}"):
        Tiles(chunk=1, size=(4, 6))
    with pytest.raises(InputError, match="at least one latent frame"):
        Tiles(chunk=0)
