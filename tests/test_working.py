"""Edit operations of larger clips: sampled small, kept frames as they were given, made ones brought up and marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from editing_toys import FPS, sampled, tiny_codec, tiny_model, video
from PIL import Image
from sora_nodes import cli
from sora_nodes.nodes import assembly, calls, editing, models
from sora_nodes.nodes.sampling import SoraSampler
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core.editing import (
    Clip,
    Edit,
    connect,
    continued,
    extend,
    fill,
    loop_clip,
    outlined,
    restyle,
    stitched,
)
from sora_nodes.sora_core.editing import frames as frames_module
from sora_nodes.sora_core.editing.frames import Pending, Shrunk, is_made, pieces_of, read_image
from sora_nodes.sora_core.editing.sizes import Fit, fit_frames
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import TensorSource, read_video
from sora_nodes.sora_core.pipeline import bundled_refiner
from sora_nodes.sora_core.pipeline.drafts import BroughtUp
from sora_nodes.sora_core.pipeline.working import bringing_up, enlarged, finished, result_size, shrunk, working_clip
from sora_nodes.sora_core.refine import stream
from sora_nodes.sora_core.safety.marking import MESSAGE, read_mark
from sora_nodes.sora_core.world import ClipShape, render, sample_scene
from torch import Tensor

CODEC = tiny_codec()
NODES = {node.GET_SCHEMA().node_id: node for node in [*editing.NODES, *assembly.NODES]}
MODEL = replace(tiny_model(), refiner=bundled_refiner())


def world(seed: int, frames: int = 17, height: int = 144, width: int = 256) -> Tensor:
    """A clip of the world, uint8 [F,H,W,3]."""
    return render([sample_scene(seed, family="single")], ClipShape(frames=frames, height=height, width=width, fps=FPS))[
        0
    ]


def clip(seed: int, frames: int = 17, fps: float = FPS, height: int = 144, width: int = 256) -> Clip:
    return Clip(source=TensorSource(world(seed, frames, height, width), fps), fps=fps)


@pytest.mark.parametrize(("height", "width"), [(64, 112), (200, 320), (60, 60)])
@pytest.mark.parametrize("how", ["crop", "fit"])
def test_bytes_come_to_another_size_as_floats_do(height: int, width: int, how: Fit) -> None:
    frames = world(2, frames=2)
    exact = fit_frames(frames.float() / 255, height, width, how)
    quick = fit_frames(frames, height, width, how)
    assert quick.dtype == torch.uint8, "a file's pictures are not widened on the way"
    error = (quick / 255 - exact).abs()
    assert error.mean() < 0.5 / 255 and error.max() < 8 / 255, "hard edges are clamped once more, between both sides"


def missing(first: int, end: int, frames: int = 17) -> Tensor:
    given = torch.zeros(frames)
    given[first:end] = 1
    return given


A = working_clip(clip(1), CODEC.geometry)
B = working_clip(clip(2, 24, 12.0, 200, 200), CODEC.geometry, like=A)
EDITS: dict[str, Callable[[], Edit]] = {
    "extend": lambda: extend(A, CODEC, seconds=1),
    "backward": lambda: extend(A, CODEC, seconds=1, direction="backward"),
    "both": lambda: extend(A, CODEC, seconds=1, direction="both"),
    "loop": lambda: loop_clip(A, CODEC, seconds=1),
    "connect": lambda: connect(A, B, CODEC, seconds=1),
    "fill": lambda: fill(A, CODEC, missing=missing(5, 10)),
    "restyle": lambda: restyle(A, CODEC),
}


def test_a_larger_clip_is_edited_small_and_a_small_one_as_it_is() -> None:
    assert A.source is not None and (A.source.height, A.source.width) == (112, 192) and A.full == (144, 256)
    assert B.source is not None and (B.source.height, B.source.width) == (112, 192) and B.full == (144, 256)
    assert "200x200 is cropped to 256x144." in B.notes
    small = clip(1, height=64, width=112)
    assert working_clip(small, CODEC.geometry) is small
    assert working_clip(clip(2), CODEC.geometry, like=small).full is None, "connect itself brings it to size"


@pytest.mark.parametrize("name", EDITS)
def test_what_stays_is_known_before_it_is_sampled(name: str) -> None:
    """The outline of an edit has the pieces of the finished clip, and its frames where they are kept."""
    edit = EDITS[name]()
    result = Pending(edit.frames, 112, 192, FPS)
    outline = outlined(edit, result)
    whole = stitched(edit, sampled(edit), CODEC)
    result.source = whole
    found = [[(piece.kept, piece.length) for piece in pieces_of(source)] for source in (outline, whole)]
    assert found[0] == found[1] and sum(length for _, length in found[0]) == edit.frames
    assert edit.made == sum(length for kept, length in found[0] if not kept)
    assert torch.equal(read_image(outline), read_image(whole))


def test_what_was_made_smaller_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever range is asked for, in whatever order, the frames are those of the whole clip; little is held."""
    source = TensorSource(world(1, 12, 32, 48), FPS)
    monkeypatch.setattr(frames_module, "RECENT", 5 * 16 * 24 * 3)
    clip, read, asked = shrunk(source, 16, 24), source.read, []
    monkeypatch.setattr(source, "read", lambda start, stop: asked.append((start, stop)) or read(start, stop))
    whole = clip.read(0, 12)
    for start, stop in ((8, 12), (7, 8), (11, 12), (2, 5), (4, 6), (3, 5), (0, 12)):
        part = clip.read(start, stop)
        assert torch.equal(part, whole[start:stop]) and len(clip.recent) <= 5
        part.zero_()  # is the caller's own
    assert asked == [(0, 12), (2, 5), (4, 6), (0, 12)]


@pytest.mark.parametrize("name", EDITS)
def test_kept_frames_come_out_as_they_were_given_and_made_ones_at_their_size(name: str) -> None:
    edit = EDITS[name]()
    whole = finished(edit, stitched(edit, sampled(edit), CODEC), None)
    assert (whole.length, whole.height, whole.width) == (edit.frames, 144, 256)
    assert A.source is not None and isinstance(A.source, Shrunk)
    given = A.source.source.read(0, 17)
    kept = [whole.read(at, at + 1) for at in range(whole.length)]
    exact = [at for at, frame in enumerate(kept) if any(torch.equal(frame[0], own) for own in given)]
    count = {"fill": 12, "restyle": 0, "loop": 17}.get(name, 17)
    assert len(exact) == count, "and nothing else is among the user's own frames"
    made = [piece for piece in pieces_of(whole) if not piece.kept]
    assert sum(piece.length for piece in made) == edit.made and all(is_made(piece.source) for piece in made)


def test_what_is_brought_up_is_made() -> None:
    """Frames behind any reading of another source are marked like that source's."""
    for source, expected in ((Pending(4, 64, 112, FPS), True), (TensorSource(world(1, 4, 64, 112), FPS), False)):
        for size in ((128, 224), (144, 256)):
            larger = enlarged(source, *size, bundled_refiner())
            assert is_made(larger) is expected and (larger.height, larger.width) == size
            assert isinstance(larger, BroughtUp), "at its very size: made larger once more, its edges would be softer"


def test_any_frames_are_brought_up_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same frames as of the whole clip, at the cost of those that are asked for."""
    larger = BroughtUp(TensorSource(world(1, 9, 64, 112), FPS), bundled_refiner(), 128, 224)
    whole, plain, count = larger.read(0, 9), stream.enlarged, []
    monkeypatch.setattr(stream, "enlarged", lambda *given, **more: (count.append(1), plain(*given, **more))[1])
    assert torch.equal(larger.read(3, 5), whole[3:5]) and len(count) == 2


def test_a_clip_in_several_steps_keeps_its_frames() -> None:
    """Extending an extended clip by its latents: the first frames are the user's, the others are brought up."""
    first = extend(A, CODEC, seconds=1)
    second = extend(continued(first, sampled(first), CODEC), CODEC, seconds=1)
    assert second.full == (144, 256)
    whole = finished(second, stitched(second, sampled(second), CODEC), bundled_refiner())
    assert whole.length == 33 and torch.equal(read_image(whole, 0, 17), read_image(TensorSource(world(1), FPS)))
    assert [(piece.kept, piece.length) for piece in pieces_of(whole)] == [(True, 17), (False, 16)]


def test_it_is_said_what_bringing_up_takes() -> None:
    edit = EDITS["extend"]()
    said = bringing_up(MODEL, edit)
    assert said.startswith("8 frames are made at 192x112 and brought to 256x144 by the refiner: about ")
    assert "refiner" not in bringing_up(MODEL, edit, refined=False)
    assert not bringing_up(MODEL, extend(clip(1, height=64, width=112), CODEC, seconds=1))


class TestNodes:
    @pytest.fixture(autouse=True)
    def _session(self, tmp_path: Path) -> Iterator[None]:
        with torch.inference_mode(), Session(input=tmp_path, output=tmp_path, temp=tmp_path).active():
            yield

    def run(self, name: str, model: Any = MODEL, **inputs: Any) -> tuple[Any, Any, Any]:
        """(VIDEO, IMAGE, notes) of an operation, sampled and stitched."""
        found = NODES[name].execute(vae=model, **inputs).result
        latent = SoraSampler.execute(
            model=model, positive=models.current().encode(model, "a red ball"), latent=found[0], seed=1, steps=2,
            cfg=2.0, sampler_name="euler", scheduler="simple", denoise=1.0,
        ).result[0]  # fmt: skip
        clip, image, _ = NODES["SoraStitchVideo"].execute(samples=latent, vae=model, colour_match=True).result
        return clip, image, found[-1]

    def video(self, seed: int, height: int = 144, width: int = 256) -> Any:
        images = world(seed, height=height, width=width).float() / 255
        return video(images, fps=8.0)

    @pytest.mark.parametrize(
        ("name", "inputs", "kept"),
        [
            ("SoraExtendVideo", {"seconds": 1.0, "direction": "forward", "overlap": 8}, range(17)),
            ("SoraLoopVideo", {"seconds": 1.0, "overlap": 8}, range(17)),
            ("SoraFillFrames", {"frames": "5-9"}, [0, 4, 10, 16]),
            ("SoraRestyleVideo", {"denoise": 0.8, "fit": "crop"}, []),
        ],
    )
    def test_a_node_does_as_the_command(self, name: str, inputs: dict[str, Any], kept: Any) -> None:
        video = self.video(1)
        clip, image, _ = self.run(name, video=video, **inputs)
        given = video.get_components().images
        assert image.shape[1:] == (144, 256, 3) and all(torch.equal(image[i], given[i]) for i in kept)
        shown = clip.get_components().images
        assert all(torch.equal(shown[i], given[i]) for i in kept)
        made = [i for i in range(len(shown)) if not torch.equal(shown[i], image[i])]
        assert len(made) == len(shown) - len([0 for i in range(min(17, len(shown))) if torch.equal(image[i], given[i])])
        assert read_mark([(shown[made] * 255).round().byte()], search=False).message == MESSAGE

    def test_two_clips_of_different_shapes_are_connected(self) -> None:
        first, second = self.video(1), self.video(2, 200, 200)
        clip, image, notes = self.run(
            "SoraConnectVideos", first=first, second=second, seconds=1.0, overlap=8, fit="crop"
        )
        assert image.shape == (42, 144, 256, 3) and "200x200 is cropped to 256x144." in notes
        assert torch.equal(image[:17], first.get_components().images)

    def test_a_mask_and_a_chosen_size_are_followed(self) -> None:
        """A mask is of the clip's own pixels, and a grid says the size: neither is sampled smaller."""
        mask = torch.zeros(1, 72, 128)
        mask[:, :, 64:] = 1
        given = {"video": self.video(1, 72, 128), "frames": "", "mask": mask}
        assert NODES["SoraFillFrames"].execute(vae=MODEL, **given).result[0]["samples"].shape[3:] == (10, 16)
        size = VideoSize(frames=17, height=96, width=128, fps=8.0)
        grid, _ = calls.empty_latent(MODEL, size)
        latent = (
            NODES["SoraRestyleVideo"]
            .execute(vae=MODEL, denoise=0.8, fit="crop", video=self.video(1), latent=grid)
            .result[0]
        )
        assert latent["samples"].shape[3:] == (12, 16)

    def test_pixels_that_were_kept_before_stay(self) -> None:
        """A larger clip is filled by a mask, then extended: the user's own pixels are neither rounded nor marked."""
        mask = torch.zeros(1, 96, 160)
        mask[:, :, 80:] = 1
        given = torch.rand(9, 96, 160, 3, generator=torch.Generator().manual_seed(1))
        filled, before, _ = self.run("SoraFillFrames", video=video(given, fps=8.0), frames="", mask=mask)
        longer, image, _ = self.run("SoraExtendVideo", video=filled, seconds=1.0, direction="forward", overlap=4)
        shown = longer.get_components().images
        assert torch.equal(shown[:9, :, :80], given[:, :, :80]) and torch.equal(image[:9], before)
        assert not torch.equal(shown[:9, :, 80:], image[:9, :, 80:]), "what was made is marked"

    def test_weights_without_a_refiner_are_sampled_at_the_clips_size(self) -> None:
        inputs = {"video": self.video(1, 96, 128), "seconds": 1.0, "direction": "forward", "overlap": 8}
        latent = NODES["SoraExtendVideo"].execute(vae=tiny_model(), **inputs).result[0]
        assert latent["samples"].shape[3:] == (12, 16)


@pytest.mark.parametrize("size", [(144, 256), (128, 224)], ids=["another shape", "the shape of the draft"])
def test_an_animated_picture_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.asarray(world(1, 1, *size)[0])).save("p.png")
    assert cli.main(["animate", "p.png", "a red ball", "--seconds", "1", "--steps", "2", "-o", "out.mp4"]) == 0
    assert read_mark([read_video("out.mp4").frames[1:]], search=False).message == MESSAGE


def test_what_a_command_adds_is_as_sharp_as_what_was_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seam does not show: an extension of a clip made at 448x256 has its edges."""
    monkeypatch.chdir(tmp_path)
    prompt = "a red ball rolling across a meadow at noon"
    large = ["--size", "448x256", "--steps", "6", "--seconds", "1"]
    assert cli.main(["generate", prompt, "--seed", "1", *large, "-o", "a.mp4"]) == 0
    assert cli.main(["extend", "a.mp4", prompt, "--seed", "3", "--steps", "6", "--seconds", "1", "-o", "b.mp4"]) == 0
    grey = read_video("b.mp4").frames.float().mean(-1)
    edges = (grey[:, 1:] - grey[:, :-1]).abs().flatten(1).topk(200).values.mean(1)
    assert edges[8:].mean() > 0.8 * edges[:8].mean()
    plain = ["extend", "a.mp4", prompt, "--seed", "3", "--steps", "6", "--seconds", "1", "--no-refine", "-o", "c.mp4"]
    assert cli.main(plain) == 0
    grey = read_video("c.mp4").frames.float().mean(-1)
    softer = (grey[:, 1:] - grey[:, :-1]).abs().flatten(1).topk(200).values.mean(1)
    assert softer[8:].mean() < 0.7 * edges[8:].mean(), "where it is asked for"


@pytest.mark.parametrize(
    ("given", "made"),
    [((90, 160), (90, 160)), ((2, 9000), (1, 8192)), ((90000, 3), (8192, 1)), ((4000, 4000), (1440, 1440))],
)
def test_a_video_is_made_of_any_picture_in_its_shape(given: tuple[int, int], made: tuple[int, int]) -> None:
    assert result_size(*given) == made
