"""Colours come through as they were: against an accurate decode, the standards' own arithmetic, and over rounds."""

from pathlib import Path

import av
import media_toys as toys
import numpy as np
import pytest
import torch
from sora_nodes.sora_core.media import FileSource, read_video, write_video
from sora_nodes.sora_core.media.colour import OWN_PLACE

ACCURATE = 4 | 0x2000 | 0x4000 | 0x40000
"""swscale's flags: bicubic, full chroma in and out, accurate rounding"""
WEIGHTS = {5: (0.299, 0.114), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""weights of red and blue in luma: BT.601, BT.709, BT.2020"""
PRIMARIES = {5: 6, 1: 1, 9: 9}


def encoded(rgb: np.ndarray, matrix: int, levels: int, bits: int) -> av.VideoFrame:
    """RGB [H,W,3] as a frame of 4:2:0 in float arithmetic by the standard, rounded once."""
    red, blue = WEIGHTS[matrix]
    r, g, b = np.moveaxis(rgb.astype(np.float64) / 255, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    half = [c.reshape(len(c) // 2, 2, -1, 2).mean((1, 3)) for c in ((b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red))]
    low, luma, chroma = (16, 219, 224) if levels == 1 else (0, 255, 255)
    unit, top = 1 << (bits - 8), (1 << bits) - 1
    if levels == 2:
        luma = chroma = top / unit
    planes = [np.rint(unit * (low + luma * y)), *(np.rint(unit * (128 + chroma * c)) for c in half)]
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv420p" if bits == 8 else "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        raw = np.zeros((plane.height, plane.line_size // (1 if bits == 8 else 2)), np.uint8 if bits == 8 else np.uint16)
        raw[:, : plane.width] = np.clip(values, 0, top)
        plane.update(raw.tobytes())
    frame.colorspace, frame.color_range = matrix, levels
    return frame


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("levels", [1, 2], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", WEIGHTS, ids=["601", "709", "2020"])
def test_reading_agrees_with_an_accurate_decode(tmp_path: Path, matrix: int, levels: int, bits: int) -> None:
    """Through a lossless file whose tags say what it is; the limit is .3 levels, by channel and in the mean of all."""
    frames = [encoded(toys.natural(seed=i), matrix, levels, bits) for i in range(3)]
    colours = {"colorspace": matrix, "color_range": levels, "color_primaries": PRIMARIES[matrix], "color_trc": 1}
    path = toys.film(
        tmp_path / "x.mkv", frames, form=frames[0].format.name, codec="ffv1", colours=colours
    )  # fmt: skip
    read = read_video(path).frames.numpy().astype(float)
    with av.open(str(path)) as container:
        accurate = np.stack([
            frame.reformat(format="rgb24", src_colorspace=matrix, dst_colorspace=1 if matrix == 5 else 5,
                           src_color_range=levels, dst_color_range=2, interpolation=ACCURATE).to_ndarray()
            for frame in container.decode(video=0)
        ])  # fmt: skip
    if OWN_PLACE:  # else the reference places chroma between the pixels
        assert np.abs(read - accurate).mean((0, 1, 2)).max() <= 0.3
    exact = np.stack([toys.natural(seed=i) for i in range(3)]).astype(float)
    limit = (
        (0.4 if OWN_PLACE else 0.6) if bits == 10 and levels == 2 else 0.3
    )  # ffmpeg ends full range at 1020 of 1023, .3 levels too bright
    assert np.abs((read - exact).mean((0, 1, 2))).max() <= limit


def test_eight_rounds_keep_the_mean(tmp_path: Path) -> None:
    frames = torch.from_numpy(np.stack([toys.natural(seed=1)] * 6))
    first = frames.float().mean((0, 1, 2))
    for _ in range(8):
        write_video(tmp_path / "x.mp4", frames, 25)
        frames = read_video(tmp_path / "x.mp4").frames
    assert (frames.float().mean((0, 1, 2)) - first).abs().max() < 1


def test_one_writing_moves_no_channel(tmp_path: Path) -> None:
    """Of a natural picture that moves by fractions of a pixel, where an encoder's averages of frames are rounded."""
    large = torch.from_numpy(toys.natural(192, 256, seed=3)).permute(2, 0, 1)[None].float()
    shifts = [torch.nn.functional.avg_pool2d(large[..., i : i + 160, 2 * i : 2 * i + 192], 2) for i in range(24)]
    frames = torch.cat(shifts).permute(0, 2, 3, 1).round().byte()
    write_video(tmp_path / "x.mp4", frames, 25)
    read = read_video(tmp_path / "x.mp4").frames
    assert (read.float().mean((0, 1, 2)) - frames.float().mean((0, 1, 2))).abs().max() <= 0.3


def test_colours_stay_in_their_place_over_rounds(tmp_path: Path) -> None:
    """A red square on blue: chroma placed elsewhere than it is read moves sideways with every round."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[..., 2], picture[16:48, 16:48] = 200, (200, 0, 0)
    frames = torch.from_numpy(np.stack([picture] * 3))
    for _ in range(8):
        write_video(tmp_path / "x.mp4", frames, 25)
        frames = read_video(tmp_path / "x.mp4").frames
    red = frames[0].float()[..., 0].mean(0)
    assert abs(float(red[:32].sum() - red[32:].sum())) < 0.02 * float(red.sum())


def test_what_we_write_says_what_it_is(tmp_path: Path) -> None:
    write_video(tmp_path / "x.mp4", torch.full((2, 32, 32, 3), 90, dtype=torch.uint8), 8)
    with av.open(str(tmp_path / "x.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_trc, context.color_primaries) == (1, 1, 1, 1)


@pytest.mark.parametrize(("size", "matrix"), [((720, 1280), 1), ((1080, 608), 1), ((480, 640), 5), ((576, 720), 5)])
def test_untagged_files_are_read_as_players_do(tmp_path: Path, size: tuple[int, int], matrix: int) -> None:
    rgb = np.broadcast_to(np.array([198, 48, 19], np.uint8), (*size, 3))
    frame = encoded(rgb, matrix, 1, 8)
    frame.colorspace, frame.color_range = 2, 0
    path = toys.film(tmp_path / "x.mkv", [frame], codec="ffv1")
    assert np.abs(read_video(path).frames.numpy().astype(int) - rgb).max() <= 2


def grey(light: float, kind: int) -> av.VideoFrame:
    """A 10-bit frame of grey: cd/m2 under PQ (16), share of the peak of the scene under HLG (18)."""
    if kind == 16:
        root = (light / 10000) ** 0.1593017578125
        level = ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375
    else:
        level = light
    frame = av.VideoFrame(32, 32, "yuv420p10le")
    for plane, value in zip(frame.planes, (round(64 + 876 * level), 512, 512), strict=True):
        plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
    frame.colorspace, frame.color_range = 9, 1
    return frame


@pytest.mark.parametrize(("kind", "white", "grey18"), [(16, 203.0, 26.0), (18, 0.75, 0.38)], ids=["PQ", "HLG"])
def test_high_dynamic_range_is_tone_mapped_and_said(tmp_path: Path, kind: int, white: float, grey18: float) -> None:
    """Diffuse white (BT.2408: 203 cd/m2, HLG 75 %) is nearly white, mid grey stays mid grey, brighter is brighter."""
    levels = [grey18, white, 1000.0 if kind == 16 else 1.0]
    colours = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": kind}
    form = "yuv420p10le"
    path = toys.film(tmp_path / "x.mkv", [grey(v, kind) for v in levels], form=form, codec="ffv1", colours=colours)
    video = read_video(path)
    dark, diffuse, peak = video.frames.float().mean((1, 2)).unbind()
    assert (dark.max() - dark.min()) < 1.1 and 95 < dark[0] < 125 and 215 < diffuse[0] < 240 and peak[0] > 252
    assert "tone-mapped" in video.notes[0] and ("PQ" if kind == 16 else "HLG") in video.notes[0]


def test_rgb_and_grey_are_taken_as_they_are(tmp_path: Path) -> None:
    for form, codec in (("bgr0", "ffv1"), ("gray", "ffv1")):
        picture = np.repeat(toys.natural()[..., :1], 3, -1)
        path = toys.film(tmp_path / f"{form}.mkv", [picture], form=form, codec=codec)
        assert np.abs(read_video(path).frames[0].numpy().astype(int) - picture).max() <= 1


def test_a_wide_gamut_is_said(tmp_path: Path) -> None:
    colours = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 14}
    path = toys.film(tmp_path / "x.mkv", [encoded(toys.natural(), 9, 1, 8)], codec="ffv1", colours=colours)
    with FileSource(path) as source:
        assert "gamut" in source.notes[0]
