"""The editing nodes on a tiny model with random weights: video in, sampler, stitch, and the kept frames are those
given."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from device_toys import moved, second_device
from editing_toys import FPS, H, W, frames, tiny_model, video
from sora_nodes.nodes import assembly, calls, clips, editing, host, models
from sora_nodes.nodes.inputs import output_linked
from sora_nodes.nodes.layouts.edits import sound_for
from sora_nodes.nodes.layouts.latents import KEY, LatentInfo, decoded_size, finished_size
from sora_nodes.nodes.sampling import SoraNoiseGrid, SoraSampler
from sora_nodes.nodes.stock.sampling import KSampler, KSamplerAdvanced, ModelSamplingSD3, VAEDecode
from sora_nodes.nodes.video import SoraDecodeVideo
from sora_nodes.runtime.session import Session
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.editing.restyle import DENOISE
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import Geometry, VideoSize
from sora_nodes.sora_core.media import read_video, write_video

NODE = {node.GET_SCHEMA().node_id: node for node in [*editing.NODES, *assembly.NODES]}


MODEL = tiny_model()


@pytest.fixture(autouse=True, params=["where the files are", "on a second device"])
def session(tmp_path: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    far = request.param == "on a second device"
    if far:
        model = tiny_model()
        for module in (model.codec, model.text, model.dit):
            moved(module)
        monkeypatch.setattr(sys.modules[__name__], "MODEL", model)
    with (
        second_device() if far else torch.inference_mode(),
        Session(input=tmp_path, output=tmp_path, temp=tmp_path).active(),
    ):
        yield


def run(name: str, **inputs: Any) -> tuple[Any, ...]:
    return NODE[name].execute(**inputs).result


def sampled(latent: Any, positive: Any = None, **settings: Any) -> Any:
    positive = positive or models.current().encode(MODEL, "a red ball")
    settings = {
        "seed": 1,
        "steps": 2,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    } | settings
    return SoraSampler.execute(latent=latent, model=MODEL, positive=positive, **settings).result[0]


def grid(seconds: float = 2.0, draft: Any = None) -> Any:
    return SoraNoiseGrid.execute(MODEL, "free (width x height)", 16, W, H, seconds, FPS, draft).result[0]


def test_an_edit_that_a_node_between_has_dropped_is_missed() -> None:
    """Rebatch Latents makes a new LATENT of samples and mask alone."""
    latent = run("SoraExtendVideo", video=video(frames(17)), vae=MODEL, seconds=0.5, direction="forward", overlap=4)[0]
    bare = {key: value for key, value in sampled(latent).items() if key != "sora"}
    note = clips.stitched(MODEL, bare, colour_match=True, in_memory=True)[3]
    assert "says nothing of an edit, so it is decoded alone, at 8 fps" in note and "Rebatch Latents" in note


def stitched(latent: Any) -> torch.Tensor:
    return run("SoraStitchVideo", samples=latent, vae=MODEL, colour_match=True)[1]


def test_animate() -> None:
    picture = frames(1, height=40, width=40)
    latent, notes = run(
        "SoraAnimateImage", vae=MODEL, image=picture, latent=grid(), fit="crop", strength=1.0, end_image=frames(1)
    )
    out = stitched(sampled(latent))
    assert out.shape == (16, H, W, 3)
    assert "40x40 is cropped to 32x16" in notes
    assert tuple(latent["noise_mask"].shape) == (1, 1, 5, 2, 4)


@pytest.mark.parametrize(
    ("direction", "where"), [("forward", slice(0, 17)), ("backward", slice(8, 25)), ("both", slice(8, 25))]
)
def test_extend_keeps_the_video(direction: str, where: slice) -> None:
    given = frames(17)
    latent, _ = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction=direction, overlap=8, video=video(given))
    assert torch.equal(stitched(sampled(latent))[where], given)


def test_an_edit_says_what_a_long_sampling_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"vae": MODEL, "seconds": 1.0, "direction": "forward", "overlap": 8, "video": video(frames(17))}
    brief = NODE["SoraExtendVideo"].execute(**asked)
    monkeypatch.setattr(pipeline.edits, "time_estimate", lambda *_, **__: 350.0)  # of each of two stretches
    long = NODE["SoraExtendVideo"].execute(**asked)
    assert "12 min for 25 steps" in str(long.ui.as_dict()) and "25 steps" not in str(brief.ui.as_dict())
    assert long.result[1] == brief.result[1], "notes that a workflow links stay those of the edit"


def test_a_long_clip_becomes_a_file_and_goes_on_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    given = frames(17)
    latent, _ = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, video=video(given))
    done = sampled(latent)
    whole = stitched(done)
    monkeypatch.setattr(clips, "LARGE", 0)
    assert torch.equal(stitched(done), whole), "frames that a workflow links are made, however long"
    long, nothing, fps, _ = clips.stitched(MODEL, done, colour_match=True, in_memory=False)
    assert nothing is None
    assert fps == FPS
    assert read_video(long.get_stream_source()).frames.shape == whole.shape
    latent, _ = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, video=long)
    assert torch.equal(stitched(sampled(latent))[:25], whole)


def test_what_is_kept_of_a_file_is_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", (frames(17) * 255).byte(), FPS)
    given = host.VideoFromFile(str(tmp_path / "a.mp4"))
    latent, _ = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, video=given)
    monkeypatch.setattr(clips, "LARGE", 0)
    long, _, _, note = clips.stitched(MODEL, sampled(latent), colour_match=True, in_memory=False)
    assert note == "17 frames of a.mp4 are copied without decoding them"
    before, after = (read_video(path).frames for path in (tmp_path / "a.mp4", long.get_stream_source()))
    assert len(after) == 25
    assert torch.equal(after[:17], before)


def test_frames_are_made_for_a_link_to_them_alone() -> None:
    linked = {"1": {"inputs": {}}, "2": {"inputs": {"images": ["1", 1]}}, "3": {"inputs": {"video": ["1", 0]}}}
    assert output_linked(linked, "1", 1)
    assert not output_linked({**linked, "2": {"inputs": {}}}, "1", 1)
    assert output_linked(None, None, 1), "a workflow that is not known may link them"


def test_extend_goes_on_from_a_latent() -> None:
    first = sampled(
        run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, video=video(frames(17)))[0]
    )
    second = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, samples=first)[0]
    assert torch.equal(second["samples"][:, :, :2], first["samples"][:, :, -2:])
    assert torch.equal(stitched(sampled(second))[:25], stitched(first))
    plain = sampled(grid())
    assert (
        len(
            stitched(
                sampled(
                    run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, samples=plain)[0]
                )
            )
        )
        == 25
    )


def test_a_file_is_read_by_our_own_reader(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [frames(17).movedim(-1, 0)[None] * 2 - 1], FPS)
    given = read_video(tmp_path / "clip.mp4").frames.float() / 255
    file = host.VideoFromFile(str(tmp_path / "clip.mp4"))
    latent, _ = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, video=file)
    assert torch.equal(stitched(sampled(latent))[:17], given)


def test_loops() -> None:
    new, _ = run("SoraLoopVideo", vae=MODEL, seconds=1.0, overlap=8, latent=grid())
    assert len(stitched(sampled(new))) == 16
    given = frames(17)
    closed, _ = run("SoraLoopVideo", vae=MODEL, seconds=1.0, overlap=8, video=video(given))
    assert torch.equal(stitched(sampled(closed))[:17], given)
    assert len(stitched(sampled(closed))) == 25


def test_connect_keeps_both_videos_and_their_sound() -> None:
    a, b = frames(17), frames(16, seed=2)
    sounds = [{"waveform": torch.full((1, 2, 2000), value), "sample_rate": 1000} for value in (0.25, 0.5)]
    latent, notes = run(
        "SoraConnectVideos",
        vae=MODEL,
        first=video(a, audio=sounds[0]),
        second=video(b, audio=sounds[1]),
        seconds=1.0,
        overlap=8,
        fit="crop",
    )
    made, image, fps = run("SoraStitchVideo", samples=sampled(latent), vae=MODEL, colour_match=True)
    assert torch.equal(image[:17], a) and torch.equal(image[-16:], b) and fps == FPS
    wave = made.get_components().audio["waveform"][0, 0]
    assert wave[1900] == 0.25 and wave[2500] == 0 and wave[3200] == 0.5
    assert "silent" in notes


def test_nothing_is_said_to_be_silent_where_all_is_heard() -> None:
    whole = {"waveform": torch.full((1, 1, 2200), 0.25), "sample_rate": 1000}
    _, notes = run("SoraFillFrames", vae=MODEL, video=video(frames(17), audio=whole), frames="5-8")
    assert "silent" not in notes
    short = {**whole, "waveform": whole["waveform"][..., :1000]}
    _, notes = run("SoraFillFrames", vae=MODEL, video=video(frames(17), audio=short), frames="5-8")
    assert "silent" in notes


def test_fill_keeps_what_is_not_named() -> None:
    given = frames(17)
    latent, notes = run("SoraFillFrames", vae=MODEL, video=video(given), frames="5-8, -1")
    out = stitched(sampled(latent))
    kept = torch.ones(17, dtype=torch.bool)
    kept[5:9] = kept[16] = False
    assert torch.equal(out[kept], given[kept]) and not torch.equal(out[6], given[6])
    assert "3 given frames share" in notes


def test_fill_takes_a_mask_of_any_size() -> None:
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1
    latent, _ = run("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="", mask=mask)
    assert latent["noise_mask"][0, 0, 0].tolist() == [[0, 0, 1, 1]] * 2


def test_a_new_restyle_node_begins_at_what_is_measured() -> None:
    denoise = next(item for item in NODE["SoraRestyleVideo"].define_schema().inputs if item.id == "denoise")
    assert denoise.default == DENOISE


def test_restyle_gives_the_denoise_to_the_sampler() -> None:
    latent, denoise, _ = run("SoraRestyleVideo", vae=MODEL, denoise=0.5, fit="crop", video=video(frames(15)))
    assert denoise == 0.5
    assert stitched(sampled(latent, denoise=denoise)).shape == (15, H, W, 3)


@pytest.mark.parametrize("size", [None, 2])
def test_restyle_of_a_clip_that_is_trimmed_is_trimmed(size: int | None) -> None:
    """16 frames are sampled as 17, of which the last is not shown: not by the restyle either."""
    given = grid(2.0)
    wanted = ("free (width x height)", 16, W * (size or 1), H * (size or 1), 1.0, FPS)
    other = {} if size is None else {"latent": SoraNoiseGrid.execute(MODEL, *wanted).result[0]}
    latent, *_ = run("SoraRestyleVideo", vae=MODEL, denoise=0.5, fit="crop", samples=sampled(given), **other)
    assert given[KEY].frames == 16
    assert len(stitched(sampled(latent, denoise=0.5))) == 16


@pytest.mark.parametrize("transition", ["cut", "blend"])
def test_storyboard(transition: str) -> None:
    text = "1: a red ball\n1.5: a blue ball\n"
    positive, latent, _ = run(
        "SoraStoryboard", clip=MODEL, vae=MODEL, shots=text, transition=transition, blend_seconds=0.5, latent=grid()
    )
    assert positive[0][0].shape[1] == 2
    assert len(stitched(sampled(latent, positive))) == 20


def test_a_stock_sampler_keeps_what_is_kept() -> None:
    given = frames(17)
    latent, _ = run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, video=video(given))
    words = models.current().encode(MODEL, "a red ball")
    settings = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple"}
    done = KSampler.execute(latent_image=latent, model=MODEL, positive=words, negative=words, **settings).result[0]
    assert torch.equal(done["samples"][:, :, :2], latent["samples"][:, :, :2])
    assert torch.equal(stitched(done)[:17], given)


def test_stock_samplers_leave_a_latent_as_it_is_where_no_step_is_asked_for() -> None:
    latent, words = sampled(grid()), models.current().encode(MODEL, "a red ball")
    given = {"model": MODEL, "positive": words, "negative": words, "latent_image": latent, "steps": 4, "cfg": 2.0}
    given |= {"sampler_name": "euler", "scheduler": "simple"}
    made = KSampler.execute(**given, seed=1, denoise=0.0).result[0]
    assert torch.equal(made["samples"], latent["samples"])
    for first, last, same in ((2, 2, True), (3, 1, True), (4, 10000, True), (0, 0, True), (3, 10000, False)):
        made = KSamplerAdvanced.execute(
            **given, noise_seed=1, add_noise="enable", start_at_step=first, end_at_step=last,
            return_with_leftover_noise="disable",
        ).result[0]  # fmt: skip
        assert torch.equal(made["samples"], latent["samples"]) == same


@pytest.mark.parametrize("shift", [0.0, 0.001, float("nan")])
def test_a_shift_that_leaves_no_noise_levels_is_said_before_the_run(shift: float) -> None:
    with pytest.raises(InputError, match=f"ModelSamplingSD3: shift is at least 0.01, not {shift:g}"):
        ModelSamplingSD3.execute(MODEL, shift)
    assert "at least 0.01" in ModelSamplingSD3.validate_inputs(shift)
    assert ModelSamplingSD3.validate_inputs(3.0) is True


def test_decode_video_gives_the_same_clip() -> None:
    latent = sampled(run("SoraLoopVideo", vae=MODEL, seconds=1.0, overlap=8, latent=grid())[0])
    assert torch.allclose(calls.decode_image(MODEL, latent), stitched(latent), atol=1e-5)


def extension(**more: Any) -> tuple[Any, ...]:
    given = {"video": video(frames(9)), **more}
    return run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8, **given)


def enlarged(latent: Any) -> Any:
    """As LatentUpscale does it: other numbers, the rest handed on."""
    return {**latent, "samples": latent["samples"].repeat(1, 1, 1, 2, 2)}


def test_what_is_linked_and_not_used_is_said() -> None:
    made = sampled(extension()[0])
    assert "video is linked too and not used" in extension(samples=made)[1]
    assert "not used" not in extension()[1]
    both = {"vae": MODEL, "seconds": 1.0, "overlap": 8, "latent": grid(), "video": video(frames(9))}
    assert "video is linked too and not used" in run("SoraLoopVideo", **both)[1]


def test_a_latent_of_no_edit_is_stitched_by_decoding_it() -> None:
    latent = sampled(grid())
    assert torch.allclose(stitched(latent), calls.decode_image(MODEL, latent))


def test_a_latent_that_was_resized_or_lengthened_since_is_decoded_whole() -> None:
    made = sampled(SoraNoiseGrid.execute(MODEL, "free (width x height)", 16, W - 8, H, 0.875, FPS).result[0])
    longer = {**made, "samples": torch.cat([made["samples"], made["samples"]], 2)}
    for latent, shape in ((made, (7, H, W - 8, 3)), (enlarged(made), (9, 2 * H, 2 * W, 3)), (longer, (21, H, W, 3))):
        assert calls.decode_image(MODEL, latent).shape == shape
        assert stitched(latent).shape == shape
        shown = SoraDecodeVideo.execute(samples=latent, vae=MODEL, fps=0.0).result[0]
        assert read_video(shown.get_stream_source()).frames.shape == shape
    other = Geometry(channels=4, patch=1)  # as a VAE has it that knows nothing of the transformer
    assert decoded_size(made, other) == made["sora"].size and decoded_size(longer, other).frames == 21
    sized = run("SoraRestyleVideo", vae=MODEL, denoise=0.5, fit="crop", samples=enlarged(made))[0]
    assert stitched(sampled(sized)).shape[1:3] == (2 * H, 2 * W)


def test_a_batch_is_sampled_as_its_clips_are() -> None:
    one = grid()
    words = models.current().encode(MODEL, "a red ball")
    settings = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple"}

    def of(count: int, negative: Any) -> Any:
        given = {**one, "samples": one["samples"].repeat(count, 1, 1, 1, 1)}
        made = KSampler.execute(latent_image=given, model=MODEL, positive=words, negative=negative, **settings)
        return made.result[0]

    for negative in (None, models.current().encode(MODEL, "")):
        two = of(2, negative)
        assert torch.allclose(two["samples"][:1], of(1, negative)["samples"], atol=1e-5)
        images = VAEDecode.execute(samples=two, vae=MODEL).result[0]
        assert torch.allclose(images[:16], calls.decode_image(MODEL, of(1, negative)), atol=1e-5) and len(images) == 32
    board, latent, _ = run(
        "SoraStoryboard", clip=MODEL, vae=MODEL, shots="1: a red ball\n1: a blue ball", transition="blend",
        blend_seconds=0.5, latent=one,
    )  # fmt: skip
    assert len(sampled({"samples": latent["samples"].repeat(2, 1, 1, 1, 1)}, board)["samples"]) == 2


def test_an_empty_positive_prompt_is_said() -> None:
    from sora_nodes.nodes.prompting import SoraTextEncode
    from sora_nodes.nodes.sampling import SoraSampler

    empty, told = (SoraTextEncode.execute(MODEL, text).result[0] for text in (" ", "a red ball"))
    shown = [
        SoraSampler.execute(
            model=MODEL, positive=positive, latent=grid(), seed=1, steps=1, cfg=1.0, sampler_name="euler",
            scheduler="simple", denoise=1.0,
        ).ui
        for positive in (empty, told)
    ]  # fmt: skip
    assert "empty prompt" in shown[0].value and shown[1] is None


BAD = {
    "nothing given": (
        lambda: run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=8),
        "no clip is given",
    ),
    "an edit that was resized": (lambda: stitched(enlarged(extension()[0])), "an edit cannot be resized"),
    "an edit that is sampled resized": (lambda: sampled(enlarged(extension()[0])), "an edit cannot be resized"),
    "a latent without frames": (
        lambda: extension(samples={"samples": torch.zeros(1, 4, 0, 2, 4)}),
        "which holds nothing",
    ),
    "a grid without frames": (lambda: sampled({"samples": torch.zeros(1, 4, 0, 2, 4)}), "which holds nothing"),
    "a sound without a rate": (
        lambda: extension(video=video(frames(9), audio={"waveform": torch.zeros(1, 2, 80), "sample_rate": 0})),
        "at a rate of 0",
    ),
    "a sound of two axes": (
        lambda: extension(video=video(frames(9), audio={"waveform": torch.zeros(2, 80), "sample_rate": 80})),
        r"the sound of the video is \[2, 80\]",
    ),
    "words for frames": (
        lambda: run("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="the end"),
        "not 'the'",
    ),
    "frames outside": (lambda: run("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="3-12"), "use 0 to 8"),
    "a shot without seconds": (
        lambda: run(
            "SoraStoryboard", clip=MODEL, vae=MODEL, shots="a ball", transition="cut", blend_seconds=0, latent=grid()
        ),
        "shot 1 is written",
    ),
    "keyframes without places": (
        lambda: run(
            "SoraAnimateImage", vae=MODEL, image=frames(1), latent=grid(), fit="crop", strength=1.0, keyframes=frames(2)
        ),
        "2 keyframes need as many",
    ),
    "several pictures for one frame": (lambda: animated(image=frames(3)), "image holds 3 pictures and the first frame"),
    "several pictures for the last frame": (lambda: animated(end_image=frames(2)), "end_image holds 2 pictures"),
    "a picture of no numbers": (lambda: animated(image=frames(1) * torch.nan), "image holds values that are not"),
    "an end of no numbers": (lambda: animated(end_image=frames(1) / 0), "end_image holds values that are not"),
    "a picture without a batch": (lambda: animated(image=frames(1)[0]), r"image is to be an IMAGE.*\[\d+, \d+, 3\]"),
    "a clip of no numbers": (
        lambda: run("SoraFillFrames", vae=MODEL, video=video(frames(9) * torch.nan), frames="3"),
        "video holds values that are not numbers",
    ),
    "frames for a video": (
        lambda: run("SoraFillFrames", vae=MODEL, video=frames(9), frames="3"),
        "video is to be a VIDEO and is Tensor; Create Video",
    ),
    "a mask of another length": (
        lambda: run("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="", mask=torch.ones(5, 1, H, W)),
        r"the mask has 5 frames and the clip 9; .* not \[5, 1, \d+, \d+\]",
    ),
    "a mask of nothing": (
        lambda: run("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="", mask=torch.ones(1, 0, W)),
        r"the mask has 1 frames and the clip 9; .* not \[1, 0, \d+\]",
    ),
    "latents of no numbers": (
        lambda: sampled({"samples": grid()["samples"] * torch.nan}),
        "latent holds values that are not numbers",
    ),
    "latents of another model to go on from": (
        lambda: run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=4, samples=foreign()),
        "samples has 16 channels",
    ),
    "latents of another model to restyle": (
        lambda: run("SoraRestyleVideo", vae=MODEL, denoise=0.5, fit="crop", samples=foreign()),
        "samples has 16 channels",
    ),
    "image latents to decode": (
        lambda: SoraDecodeVideo.execute({"samples": torch.zeros(1, 4, 8, 8)}, MODEL, 0.0),
        r"samples is \[1, 4, 8, 8\]",
    ),
    "an edit that was cut, to decode": (
        lambda: SoraDecodeVideo.execute({**grid_of_an_edit(), "samples": grid()["samples"]}, MODEL, 0.0),
        "an edit cannot be resized",
    ),
    "a draft of another model": (lambda: grid(draft=foreign()), r"draft is \[16, .*larger in nothing"),
    "a draft that is larger": (lambda: grid(0.5, draft=grid(2.0)), r"draft is .*larger in nothing"),
    "the prompts of another storyboard": (
        lambda: sampled(
            grid(3.0), run("SoraStoryboard", **{**BOARD, "clip": MODEL, "vae": MODEL, "latent": grid()})[0]
        ),
        "a storyboard's over .* link the LATENT of the same Sora Storyboard",
    ),
}
BOARD: dict[str, Any] = {"shots": "1: a ball\n1: a cube", "transition": "cut", "blend_seconds": 0}


def animated(**changed: Any) -> Any:
    return run(
        "SoraAnimateImage", **{"vae": MODEL, "image": frames(1), "latent": grid(), "fit": "crop", "strength": 1.0}
        | changed,
    )  # fmt: skip


def foreign() -> Any:
    return {"samples": torch.zeros(1, 16, 2, 2, 2)}


def grid_of_an_edit() -> Any:
    return run("SoraExtendVideo", vae=MODEL, seconds=1.0, direction="forward", overlap=4, video=video(frames(17)))[0]


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, said = BAD[case]
    with pytest.raises(InputError, match=said):
        call()


@pytest.mark.parametrize("shape", [(H, W), (1, H, W), (9, H, W), (9, 1, H, W)])
def test_a_mask_is_taken_in_the_shapes_that_nodes_give(shape: tuple[int, ...]) -> None:
    mask = torch.zeros(shape)
    mask[..., : H // 2, :] = 1
    given = run("SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="", mask=mask)[0]
    known = run(
        "SoraFillFrames", vae=MODEL, video=video(frames(9)), frames="", mask=mask.reshape(-1, H, W).expand(9, H, W)
    )[0]
    assert torch.equal(given["noise_mask"], known["noise_mask"])


def test_latents_of_an_odd_size_are_closed_into_a_loop() -> None:
    samples = {"samples": torch.randn(1, grid()["samples"].shape[1], 3, 3, 5)}
    latent = run("SoraLoopVideo", vae=MODEL, seconds=0.5, overlap=4, samples=samples)[0]
    assert latent["samples"].shape[3:] == (3, 5)
    assert stitched(latent).shape[1:] == (24, 40, 3)


def test_mistakes_in_text_are_said_before_anything_runs() -> None:
    from sora_nodes.nodes import sampling

    check = editing.SoraFillFrames.validate_inputs
    assert check("5, 12-20, -1") is True and check("") is True and check(None) is True and check("3--2") is True
    assert "'x'" in check("5, x") and "'12-20'" in check("20-12")
    assert "frame_idx" in editing.SoraAnimateImage.validate_inputs("8; 16")
    assert "not '8-16'" in editing.SoraAnimateImage.validate_inputs("4, 8-16")
    assert assembly.SoraStoryboard.validate_inputs("1: a ball\n2s: a cube") is True
    assert "shot 2" in assembly.SoraStoryboard.validate_inputs("1: a ball\na cube")
    assert "shots is empty" in assembly.SoraStoryboard.validate_inputs(" \n")
    assert sampling.SoraNoiseGrid.validate_inputs(2.0, 8.0) is True and sampling.SoraNoiseGrid.validate_inputs() is True
    assert "seconds" in sampling.SoraNoiseGrid.validate_inputs(-1.0, 8.0)


class Nested:
    """A picture and its sound, as ComfyUI keeps them in one LATENT."""

    is_nested = True

    def __init__(self, *parts: torch.Tensor) -> None:
        self.parts, self.shape = parts, parts[0].shape

    def unbind(self) -> tuple[torch.Tensor, ...]:
        return self.parts


def test_sound_is_as_long_as_the_clip_that_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine frames were asked for, and the latent was lengthened since."""
    heard = SimpleNamespace(decode_sound=lambda *_: {"waveform": torch.zeros(1, 2, 8000), "sample_rate": 1000})
    monkeypatch.setattr(models, "current", lambda: heard)
    size = VideoSize(frames=9, height=16, width=16, fps=8.0)
    picture, sound = torch.zeros(1, 4, 5, 2, 2), torch.zeros(1, 8, 50, 16)
    latent = {"samples": Nested(picture, sound), KEY: LatentInfo(size=size, grid=(3, 2, 2))}
    longer = finished_size(latent, MODEL.geometry)
    made, said = sound_for(latent, object(), longer)
    assert longer is not None and longer.frames == 17 and not said
    assert made is not None and made["waveform"].shape[-1] == 2125
