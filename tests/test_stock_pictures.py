"""The small nodes of ComfyUI that the simplest workflows use: sizes, places and colours are as it documents them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from editing_toys import tiny_model
from sora_nodes.nodes.layouts import pictures
from sora_nodes.nodes.stock import StockExtension, media, sampling
from sora_nodes.nodes.stock import pictures as stock
from sora_nodes.runtime.executor import Executor
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.images import FileImages
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.saved import from_saved
from sora_nodes.runtime.session import Session
from sora_nodes.runtime.validate import notes_on
from sora_nodes.sora_core.errors import InputError, ResourceError
from sora_nodes.sora_core.media import FileSource, read_image, write_video


def out(node: Any, *given: Any) -> torch.Tensor:
    return node.execute(*given).args[0]


def ramp(frames: int = 3, height: int = 4, width: int = 6, channels: int = 3) -> torch.Tensor:
    count = frames * height * width * channels
    return torch.arange(count).view(frames, height, width, channels) / count


def test_one_colour() -> None:
    image = out(stock.EmptyImage, 5, 4, 2, 0x33FF00)
    assert image.shape == (2, 4, 5, 3) and torch.allclose(image[1, 3, 4], torch.tensor([0.2, 1.0, 0.0]))


@pytest.mark.parametrize("method", [*stock.METHODS, "lanczos"])
def test_scaling(method: str) -> None:
    image = ramp(10)
    assert out(stock.ImageScale, image, method, 12, 8, "disabled").shape == (10, 8, 12, 3)
    assert out(stock.ImageScale, image, method, 0, 8, "disabled").shape == (10, 8, 12, 3)
    assert out(stock.ImageScale, image, method, 0, 0, "disabled") is image
    assert out(stock.ImageScaleBy, image, method, 0.5).shape == (10, 2, 3, 3)
    flat = torch.full((1, 4, 6, 3), 0.25098040)  # 64 of 255
    assert torch.allclose(out(stock.ImageScale, flat, method, 9, 5, "center"), flat[:, :1, :1], atol=1e-3)


def test_a_centred_crop_keeps_proportions() -> None:
    image = ramp(1, 4, 8)
    assert torch.equal(out(stock.ImageScale, image, "nearest-exact", 4, 4, "center"), image[:, :, 2:6])


def test_no_pictures_and_no_room_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for call, said in (
        (lambda: out(stock.ImageScale, ramp(0), "bilinear", 8, 0, "center"), "image is"),
        (lambda: out(stock.ImageScaleBy, ramp(0), "lanczos", 2.0), "image is"),
        (lambda: out(stock.ImageBatch, ramp(1), ramp(0, height=8)), "image2 is"),
        (lambda: out(sampling.VAEEncode, ramp(0), None), "pixels is"),
        (lambda: out(sampling.VAEDecode, {"samples": torch.zeros(1, 16, 0, 2, 2)}, None), "samples is"),
    ):
        with pytest.raises(InputError, match=rf"{said} \[.*\], which holds nothing"):
            call()
    monkeypatch.setattr("sora_nodes.sora_core.memory.free_memory", lambda *_: 1 << 20)
    with pytest.raises(ResourceError, match="a latent of this size needs about"):
        sampling.EmptyHunyuanLatentVideo.execute(16384, 16384, 16384, 4096)


def test_frames_of_a_file_are_scaled_and_encoded_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.mp4", ramp(9, height=16, width=24), 8.0)
    given: Any = FileImages(FileSource(tmp_path / "a.mp4"))
    monkeypatch.setattr(FileImages, "tensor", None)
    assert out(stock.ImageScale, given, "bilinear", 12, 0, "disabled").shape == (9, 8, 12, 3)
    latent: Any = sampling.VAEEncode.execute(given, tiny_model())
    assert latent.args[0]["samples"].shape[2:] == (3, 2, 3)


def test_a_picture_that_the_vae_cannot_divide_is_cropped_evenly() -> None:
    model, wide = tiny_model(), ramp(5, height=21, width=31)
    made: Any = sampling.VAEEncode.execute(wide, model)
    exact: Any = sampling.VAEEncode.execute(wide[:, 2:18, 3:27], model)
    assert torch.equal(made.args[0]["samples"], exact.args[0]["samples"])
    assert made.ui.value == "31x21 is cropped to 24x16, which the VAE can divide" and exact.ui is None
    with pytest.raises(InputError, match="pixels is 6x4, and this VAE needs at least 8x8"):
        sampling.VAEEncode.execute(ramp(), model)


def test_parts_and_runs() -> None:
    image = ramp()
    assert torch.equal(out(stock.ImageCrop, image, 2, 2, 1, 1), image[:, 1:3, 1:3])
    assert out(stock.ImageCrop, image, 100, 100, 100, 2).shape == (3, 2, 1, 3)
    assert torch.equal(out(stock.ImageFromBatch, image, 1, 9), image[1:])
    assert torch.equal(out(stock.ImageFromBatch, image, -1, 1), image[2:])
    assert len(out(stock.ImageFromBatch, image, 77, 1)) == 1
    assert torch.equal(out(stock.RepeatImageBatch, image, 2), torch.cat([image, image]))
    assert torch.equal(out(stock.ImageInvert, image), 1 - image)
    both = out(stock.ImageBatch, image, ramp(2, 8, 8, 4))
    assert both.shape == (5, 4, 6, 4) and torch.equal(both[:3, ..., :3], image) and (both[:3, ..., 3] == 1).all()


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


EMPTY = node("EmptyImage", width=64, height=48, batch_size=2, color=255)


def files_of(prompt: dict[str, Any], tmp_path: Path) -> list[str]:
    session = Session(input=tmp_path, output=tmp_path / "out", temp=tmp_path / "temp")
    try:
        return Executor(Registry.of(StockExtension())).run(Graph.from_api(prompt), session).files()
    finally:
        session.release()


def test_what_saves_or_shows_hands_on_what_it_was_given(tmp_path: Path) -> None:
    prompt = {
        "1": EMPTY,
        "2": node("SaveImage", images=["1", 0], filename_prefix="a%batch_num%"),
        "3": node("PreviewImage", images=["2", 0]),
        "4": node("CreateVideo", images=["3", 0], fps=8.0, bit_depth=8),
        "5": node("SaveVideo", video=["4", 0], filename_prefix="b", format="auto", codec="auto"),
        "6": node("GetVideoComponents", video=["5", 0]),
        "7": node("PreviewAny", source=["6", 2]),
        "8": node("SaveImage", images=["6", 0], filename_prefix=["7", 0]),
    }
    names = ["a0_00001_.png", "a1_00001_.png", "b_00001_.mp4", "8.0_00001_.png", "8.0_00002_.png"]
    assert files_of(prompt, tmp_path) == names


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ({"format": "mp4", "codec": "h264"}, "v_00001_.mp4"),  # as it was before a format brought its codecs
        ({"format": "auto", "format.codec": "auto"}, "v_00001_.mp4"),
        (
            {
                "format": "mkv", "format.codec": "h264", "format.codec.encoding": "re-encode",
                "format.codec.encoding.crf": 0.0, "format.codec.encoding.color_space": "auto",
            },
            "v_00001_.mkv",
        ),
    ],
)  # fmt: skip
def test_a_video_is_saved_in_the_format_that_is_chosen(chosen: dict[str, Any], name: str, tmp_path: Path) -> None:
    video = node("CreateVideo", images=["1", 0], fps=8.0)
    save = node("SaveVideo", video=["2", 0], filename_prefix="v", **chosen)
    assert files_of({"1": EMPTY, "2": video, "3": save}, tmp_path) == [name]


@pytest.mark.parametrize(
    ("start", "duration", "shown"),
    [
        (0.0, 0.0, range(16)),
        (0.5, 1.0, range(4, 12)),
        (-0.5, 0.0, range(12, 16)),
        (1.5, 9.0, range(12, 16)),
        (-9.0, 0.25, range(2)),
    ],
)
def test_a_part_of_a_video_keeps_its_sound(start: float, duration: float, shown: range) -> None:
    frames = torch.arange(16)[:, None, None, None].expand(16, 8, 8, 3) / 16
    audio = {"waveform": torch.arange(16_000.0).view(1, 1, -1), "sample_rate": 8000}
    (part,) = media.VideoSlice.execute(pictures.video_of(frames, 8.0, audio), start, duration, False).args
    parts = part.get_components()
    assert torch.equal(parts.images, frames[shown.start : shown.stop]) and parts.frame_rate == 8
    assert parts.audio["waveform"].flatten().tolist() == [*range(shown.start * 1000, shown.stop * 1000)]


@pytest.mark.parametrize("switch", [True, False, ["7", 0]])
def test_of_a_switch_the_side_that_counts_is_run(tmp_path: Path, switch: Any) -> None:
    """The other one would fail here."""
    counts = ("on_false", "on_true") if switch is not False else ("on_true", "on_false")
    links = dict(zip(counts, (["8", 0], ["1", 0]), strict=True))
    prompt = {
        "1": EMPTY,
        "8": node("LoadImage", image="gone.png"),
        "7": node("PrimitiveBoolean", value=True),
        "3": node("ComfySwitchNode", switch=switch, **links),
        "4": node("SaveImage", images=["3", 0], filename_prefix="a"),
    }
    assert files_of(prompt, tmp_path) == ["a_00001_.png", "a_00002_.png"]


def test_a_part_that_a_video_does_not_have_is_named() -> None:
    video = pictures.video_of(torch.zeros(16, 8, 8, 3), 8.0, None)
    for asked in ((2.0, 0.0, False), (1.5, 1.0, True)):
        with pytest.raises(InputError, match=r"the video has 2 s; choose an earlier start_time or another duration"):
            media.VideoSlice.execute(video, *asked)


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_pictures_are_saved_as_a_webm(tmp_path: Path, codec: str) -> None:
    save = node("SaveWEBM", images=["1", 0], filename_prefix="w", codec=codec, fps=24.0, crf=32.0)
    assert files_of({"1": EMPTY, "2": save}, tmp_path) == ["w_00001_.webm"]
    with FileSource(tmp_path / "out" / "w_00001_.webm") as source:
        assert (source.length, source.fps, source.width) == (2, 24.0, 64)


def test_what_a_choice_does_not_bring_or_hold_is_named(tmp_path: Path) -> None:
    video = node("CreateVideo", images=["1", 0], fps=8.0)
    wrong = {"format": "webm", "format.codec": "h264"}
    with pytest.raises(InputError, match=r"input format.codec: given 'h264'; expected one of: auto, av1"):
        files_of(
            {"1": EMPTY, "2": video, "3": node("SaveVideo", video=["2", 0], filename_prefix="v", **wrong)}, tmp_path
        )
    graph = Graph.from_api({"3": node("SaveVideo", **{"format": "mp4", "format.codec.encoding.crf": 5})})
    assert "no input format.codec.encoding.crf" in notes_on(graph, Registry.of(StockExtension()))["3"]


def test_a_number_is_named_once_and_linked(tmp_path: Path) -> None:
    prompt = {
        "1": node("PrimitiveInt", value=32),
        "2": {**EMPTY, "inputs": {**EMPTY["inputs"], "width": ["1", 0]}},
        "3": node("GetImageSize", image=["2", 0]),
        "4": {**EMPTY, "inputs": {**EMPTY["inputs"], "height": ["3", 0], "batch_size": 1}},
        "5": node("SaveImage", images=["4", 0], filename_prefix="n"),
    }
    (name,) = files_of(prompt, tmp_path)
    assert read_image(tmp_path / "out" / name).shape == (1, 32, 64, 3)
    prompt["1"] = node("PrimitiveInt", value=-5)
    with pytest.raises(InputError, match=r"input width: given -5 of node 1; expected a whole number from 1"):
        files_of(prompt, tmp_path)


def test_a_number_that_is_drawn_anew_for_each_run_can_be_a_seed() -> None:
    value = {"id": 1, "type": "PrimitiveInt", "widgets_values": [5, "randomize"], "inputs": [], "outputs": []}
    drawn = from_saved({"nodes": [value], "links": []}, Registry.of(StockExtension()).object_info())
    seeds = [drawn.advance(times).nodes["1"].inputs["value"] for times in range(9)]
    assert len(set(seeds)) == 9 and min(seeds) >= 0


def test_a_workflow_of_them_runs(tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 255}},
        "2": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 0.5}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "plain/x"}},
    }  # fmt: skip
    picture = read_image(tmp_path / "out" / files_of(prompt, tmp_path)[0])
    assert picture.shape == (1, 24, 32, 3) and picture[0, 5, 5].tolist() == [0, 0, 255]
