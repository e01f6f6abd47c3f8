"""The clip of Sora Stitch Video: what a model made of it is marked, once; what the user gave and the IMAGE are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from editing_toys import FPS, frames, tiny_model, video
from sora_nodes.nodes import SoraExtension, assembly, calls, clips, doors, editing, models
from sora_nodes.nodes.layouts import pictures
from sora_nodes.nodes.layouts.pictures import EXACT
from sora_nodes.nodes.refining import SoraRefineVideo
from sora_nodes.nodes.sampling import SoraSampler
from sora_nodes.nodes.stock import StockExtension
from sora_nodes.runtime.registry import Registry
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.editing.frames import Joined, Made
from sora_nodes.sora_core.encoding import Encoding
from sora_nodes.sora_core.media import TensorSource, read_image, read_video
from sora_nodes.sora_core.safety.marking import MESSAGE, read_mark
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from torch import Tensor

NODE = {node.GET_SCHEMA().node_id: node for node in [*editing.NODES, *assembly.NODES]}
MODEL = tiny_model()
LEVEL = 1 / 255


@pytest.fixture(autouse=True)
def session(tmp_path: Path, own_home: None) -> Iterator[None]:
    with torch.inference_mode(), Session(input=tmp_path, output=tmp_path, temp=tmp_path).active():
        yield


def sampled(name: str, **inputs: Any) -> Any:
    latent = NODE[name].execute(vae=MODEL, **inputs).result[0]
    return SoraSampler.execute(
        model=MODEL, positive=models.current().encode(MODEL, "a red ball"), latent=latent, seed=1, steps=2, cfg=2.0,
        sampler_name="euler", scheduler="simple", denoise=1.0,
    ).result[0]  # fmt: skip


def extended(**given: Any) -> Any:
    return sampled("SoraExtendVideo", seconds=1.0, direction="forward", overlap=8, **given)


def stitched(latent: Any, **chosen: Any) -> tuple[Any, Tensor, Tensor]:
    """(VIDEO, its frames, IMAGE)."""
    clip, image, _ = NODE["SoraStitchVideo"].execute(samples=latent, vae=MODEL, colour_match=True, **chosen).result
    return clip, clip.get_components().images, image


def check_marked(shown: Tensor, image: Tensor) -> None:
    """Every frame differs, by little."""
    change = (shown - image).abs().flatten(1)
    assert bool((change.amax(1) > 2 * LEVEL).all()) and float(change.mean()) < 8 * LEVEL


def test_what_is_made_is_marked_in_the_video_alone() -> None:
    given = frames(17)
    latent = extended(video=video(given))
    _, shown, image = stitched(latent)
    assert torch.equal(shown[:17], given) and torch.equal(image[:17], given)
    check_marked(shown[17:], image[17:])
    _, plain, _ = stitched(latent, watermark=False)
    assert torch.equal(plain, image)


def test_frames_that_were_made_before_are_marked_where_they_are_kept() -> None:
    first = extended(video=video(frames(17)))
    clip, once, image = stitched(first)
    by_latent, by_video = stitched(extended(samples=first)), stitched(extended(video=clip))
    for _, shown, longer in (by_latent, by_video):
        assert torch.equal(longer[:25], image), "the next edit goes on from frames without a mark"
        assert torch.equal(shown[:25], once), "and they are marked once"
        check_marked(shown[25:], longer[25:])


def test_pixels_that_are_kept_stay() -> None:
    given, mask = frames(9), torch.zeros(1, 16, 32)
    mask[:, :, 16:] = 1
    _, shown, image = stitched(sampled("SoraFillFrames", video=video(given), frames="", mask=mask))
    assert torch.equal(shown[:, :, :16], given[:, :, :16])
    check_marked(shown[:, :, 16:], image[:, :, 16:])


def test_decode_video_leaves_kept_frames_as_they_are(tmp_path: Path) -> None:
    latent = extended(video=video(frames(17)))
    made = []
    for watermark in (True, False):
        path = tmp_path / f"{watermark}.mp4"
        calls.decode_to_file(MODEL, latent, path, fps=FPS, progress=lambda *_: None, watermark=watermark)
        made.append(read_video(path).frames.float())
    change = (made[0] - made[1]).abs().flatten(1).mean(1)
    assert float(change[:17].max()) < 0.05 < 0.5 < float(change[17:].min())


def clip(seed: int) -> Tensor:
    return render([sample_scene(seed)], ClipShape(frames=8, height=128, width=192, fps=FPS))[0]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("encoding", [Encoding(), Encoding(format="mkv", codec="h265"), Encoding(crf=20)])
def test_a_saved_clip_tells_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: Encoding, large: bool
) -> None:
    monkeypatch.setattr(clips, "LARGE", 0 if large else 1 << 30)
    whole = Joined([TensorSource(clip(1), FPS), Made(clip(2).float() / 255, FPS)])
    made, image, _ = clips.of_frames(whole, FPS, None, in_memory=not large, watermark=True)
    assert (image is None) == large and getattr(made, EXACT) is whole
    path = tmp_path / f"saved{encoding.ending}"
    clips.save(made, path, {}, encoding, sign=False)
    found = read_video(path).frames
    assert not read_mark([found[:8]], search=False).found
    assert read_mark([found[8:]], search=False).message == MESSAGE
    assert float((found[8:].float() - doors.marked(whole).read(8, 16).float()).square().mean()) < 12, "marked once"


def hidden(*classes: str) -> Any:
    """What a node is told that runs last of a row of nodes."""
    graph = {str(i): {"class_type": name, "inputs": {"in": [str(i - 1), 0]}} for i, name in enumerate(classes)}
    return SimpleNamespace(prompt=graph, unique_id=str(len(classes) - 1), extra_pnginfo=None)


def found_in(path: Path) -> int | None:
    frames = read_image(path) if path.suffix == ".png" else read_video(path).frames
    return read_mark([frames], search=False).message


def test_frames_of_a_sampler_are_marked_where_they_are_saved(tmp_path: Path) -> None:
    made, given = hidden("KSampler", "VAEDecode", "SaveImage"), hidden("LoadImage", "SaveImage")
    image = clip(3)[:2].float() / 255
    for name, behind, number in (("made", made, MESSAGE), ("given", given, None)):
        pictures.save_image(image[0], tmp_path / f"{name}.png", {}, hidden=behind)
        pictures.save_video(video(image), tmp_path / f"{name}.mp4", {}, hidden=behind, sign=False)
        clips.save(
            video(image), tmp_path / f"{name}.mkv", {}, Encoding(format="mkv", crf=20), hidden=behind, sign=False
        )
        assert {found_in(tmp_path / f"{name}{ending}") for ending in (".png", ".mp4", ".mkv")} == {number}
    once = read_image(tmp_path / "made.png")
    pictures.save_image(once[0] / 255, tmp_path / "again.png", {}, hidden=made)
    assert torch.equal(read_image(tmp_path / "again.png"), once), "what is marked already is not marked again"
    unmarked, *_ = clips.of_frames(Made(image, FPS), FPS, None, in_memory=True)
    pictures.save_video(unmarked, tmp_path / "chosen.mp4", {}, hidden=made, sign=False)
    assert found_in(tmp_path / "chosen.mp4") is None, "the user turned the watermark off"


def test_every_sampler_is_known() -> None:
    for name, info in Registry.of(SoraExtension(), StockExtension()).object_info().items():
        inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        makes = "MODEL" in [spec[0] for spec in inputs.values()] and "LATENT" in info["output"]
        assert not (makes and {"seed", "noise_seed"} & set(inputs)) or name in doors.SAMPLING_NODES


def test_a_made_clip_that_is_only_enlarged_is_marked() -> None:
    made, *_ = clips.of_frames(Made(clip(2)[:2, ::2, ::2], FPS), FPS, None, in_memory=True, watermark=True)
    larger, first = SoraRefineVideo.execute(video=made, height=128, draft=False).result
    assert read_mark([larger.get_components().images.mul(255).byte()], search=False).message == MESSAGE
    assert first.shape == (1, 128, 192, 3)
    own, _ = SoraRefineVideo.execute(image=clip(2)[:2, ::2, ::2] / 255, height=128, draft=False).result
    assert not read_mark([own.get_components().images.mul(255).byte()], search=False).found
