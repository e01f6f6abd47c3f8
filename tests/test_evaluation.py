"""The instrument: its measures say what they are meant to, its classifier reads, and every suite has the same form."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from sora_nodes.sora_core.bench.bench import clip_grid, peak, transformer_work
from sora_nodes.sora_core.data.draws import Draws
from sora_nodes.sora_core.data.labels import UNASKED, answers_of
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.errors import CheckpointError, InputError
from sora_nodes.sora_core.evaluation import SUITES, measures, run_suite
from sora_nodes.sora_core.evaluation.connect import score_subjects, whole_subjects
from sora_nodes.sora_core.evaluation.joins import in_view
from sora_nodes.sora_core.evaluation.making import clip_of, held_out, shape_of, true_clips
from sora_nodes.sora_core.evaluation.statistics import MetricAccumulator, median_interval, wilson
from sora_nodes.sora_core.evaluation.text import ask
from sora_nodes.sora_core.grid import Geometry, VideoSize
from sora_nodes.sora_core.perception.classifier import (
    ATTRIBUTES,
    FIRST_ANSWERS,
    AttributeClassifier,
    ClassifierConfig,
    to_read,
)
from sora_nodes.sora_core.training.classifier import corrupted
from sora_nodes.sora_core.world import Cutouts, describe, track_of
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

CPU = torch.device("cpu")
SMALL = VideoSize(frames=9, height=16, width=16, fps=8)


class ExactCodec:
    """A codec that loses nothing: four frames of 8x8 pixels are the channels of a cell."""

    geometry = Geometry(time_factor=4, space_factor=8, channels=3 * 4 * 8 * 8, patch=1)

    def encode(self, video, *, mid_stream=False):
        if not mid_stream:
            video = torch.cat([video[:, :, :1].expand(-1, -1, 3, -1, -1), video], 2)
        b, c, f, h, w = video.shape
        cells = video.reshape(b, c, f // 4, 4, h // 8, 8, w // 8, 8)
        return cells.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, -1, f // 4, h // 8, w // 8)

    def decode(self, latent, *, mid_stream=False):
        b, _, t, h, w = latent.shape
        cells = latent.reshape(b, 3, 4, 8, 8, t, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
        video = cells.reshape(b, 3, 4 * t, 8 * h, 8 * w)
        return video if mid_stream else video[:, :, 3:]


class FrozenGenerator:
    """Makes nothing happen: what is asked of it stands still."""

    def __init__(self):
        self.codec, self.cutouts = ExactCodec(), None

    def generate(self, prompts, size, seed):
        return torch.zeros(len(prompts), 3, size.frames, size.height, size.width)

    def edit(self, edits, prompts, seeds):
        return torch.cat([self.frozen(edit) for edit in edits])

    def frozen(self, edit):
        kept = (edit.state.mask.amax((0, 1, 3, 4)) < 1).nonzero()
        last = edit.state.clean[:, :, int(kept.max()) if len(kept) else 0, None]
        frame = self.codec.decode(last, mid_stream=True)[:, :, -1:]
        still = self.codec.encode(frame.expand(-1, -1, 4, -1, -1), mid_stream=True)
        return torch.where(edit.state.mask > 0, still, edit.state.clean)

    def shots(self, boards, seeds):
        return self.edit([board.edit for board in boards], [], seeds)


class PerfectGenerator(FrozenGenerator):
    """Renders the very scene that a prompt was made from."""

    def __init__(self, n):
        super().__init__()
        quarter = max(1, n // 4)
        scenes = [
            *held_out(n, family="single"),
            *held_out(quarter, family="camera"),
            *held_out(quarter, family="things"),
            *held_out(quarter, family="style"),
        ]
        self.scenes = {describe(scene, "plain"): scene for scene in scenes}

    def generate(self, prompts, size, seed):
        return true_clips([self.scenes[prompt] for prompt in prompts], size)


def tiny_classifier() -> AttributeClassifier:
    """Untrained: it answers, no matter what."""
    return AttributeClassifier(ClassifierConfig(widths=(8, 8, 8), tokens=8, hidden=8)).eval()


def sliding(frames: int, jump_at: int = 0, jump: int = 0) -> torch.Tensor:
    """A bright bar that moves a pixel a frame over black, and once further."""
    out = torch.zeros(frames, 8, 64, 3)
    for i in range(frames):
        x = i + (jump if jump_at and i >= jump_at else 0)
        out[i, :, x : x + 4] = 1
    return out


def test_a_seam_is_measured_in_ordinary_steps():
    assert measures.seam_ratio(sliding(12), 6) == pytest.approx(1.0)
    assert measures.seam_ratio(sliding(12, 6, 20), 6) > 3
    assert measures.seam_ratio(sliding(12, 6, 20), 5) == pytest.approx(1.0)


def test_a_loop_wraps_where_its_end_meets_its_beginning():
    there_and_back = torch.cat([sliding(8), sliding(8).flip(0)[1:-1]])
    assert measures.wrap_ratio(there_and_back) == pytest.approx(1.0)
    assert measures.wrap_ratio(sliding(12)) > 2


def test_a_change_of_speed_is_seen_at_the_seam_alone():
    steady = torch.stack([torch.linspace(0.1, 0.9, 16), torch.full((16,), 0.5)], 1)
    stopped = steady.clone()
    stopped[8:] = steady[7]
    assert measures.speed_seam(steady, 8) == pytest.approx(1.0, abs=1e-3)
    assert measures.speed_seam(stopped, 8) > 5
    assert measures.speed_seam(stopped, 3) == pytest.approx(1.0, abs=1e-3)
    circle = torch.stack([torch.cos(torch.arange(16) * math.tau / 16), torch.sin(torch.arange(16) * math.tau / 16)], 1)
    assert measures.wrap_speed(circle) == pytest.approx(1.0, abs=1e-3)
    assert measures.wrap_speed(steady) > 5


def test_a_crossfade_leaves_nothing_unexplained():
    a, b, other = torch.rand(3, 8, 8, 3)
    fade = torch.stack([a + (b - a) * share for share in (0.2, 0.5, 0.8)])
    assert float(measures.crossfade_residual(fade, a, b).max()) < 1e-2
    assert float(measures.crossfade_residual(other[None], a, b)) > 0.8


def test_drift_tells_light_contrast_and_colour_apart():
    frames = (torch.rand(1, 8, 8, 3) * 0.5).expand(20, -1, -1, -1)
    darker = frames * torch.linspace(1, 0.5, 20).view(-1, 1, 1, 1)
    gray = torch.lerp(frames, frames.mean(-1, keepdim=True), torch.linspace(0, 1, 20).view(-1, 1, 1, 1))
    assert float(measures.drift(frames).max()) < 1e-6
    assert float(measures.drift(darker)[0]) > 0.05
    assert float(measures.drift(gray)[2]) > 0.1 > float(measures.drift(gray)[0])


class NamedClassifier:
    """Says of each frame the shape and colour that its first pixel stands for."""

    names = (("ball", "red"), ("cube", "blue"), ("ball", "blue"))

    def read(self, video, fps):
        said = [self.names[round(float((clip[0, 0, 0, 0] + 1) / 2 * 10))] for clip in video]
        return SimpleNamespace(answers={"shape": [s for s, _ in said], "colour": [c for _, c in said]})


def pair_of_subjects():
    """A red ball and a blue cube."""
    first, second = held_out(2, family="single")
    return tuple(
        replace(scene, things=(replace(scene.things[0], shape=shape, colour=colour),))
        for scene, (shape, colour) in zip((first, second), NamedClassifier.names, strict=False)
    )


@pytest.mark.parametrize(
    ("says", "counted", "subjects", "whole"),
    [
        ([0, 0, 1, 1], [1, 1, 1, 1], 1.0, 1.0),
        ([0, 2, 1, 1], [1, 1, 1, 1], 0.75, 0.0),  # one frame shows the first's shape in the second's colour
        ([0, 2, 1, 1], [1, 0, 1, 1], 1.0, 1.0),  # where neither has to be in view
        ([0, 1, 0, 1], [1, 1, 1, 1], 1.0, 0.0),  # back to the first
    ],
)
def test_a_connected_clip_holds_one_whole_subject_in_every_frame_that_counts(says, counted, subjects, whole):
    made = (torch.tensor(says) / 10).view(-1, 1, 1, 1).expand(-1, 8, 8, 3)
    metrics = MetricAccumulator()
    score_subjects(metrics, NamedClassifier(), made, pair_of_subjects(), torch.tensor(counted).bool())
    assert metrics.figures() == {"subjects": subjects, "whole": whole}


def test_true_frames_between_clips_hold_whole_subjects_and_a_jump_is_one_step():
    size = VideoSize(frames=9, height=16, width=16, fps=8)
    pair = tuple(held_out(2, family="single"))
    made, counted = whole_subjects(pair, size, 8, None)
    assert made.shape == (8, 16, 16, 3) and counted.shape == (8,)
    assert torch.equal(made[4:], clip_of(pair[1], size)[:4])
    assert int(measures.steps(made).argmax()) == 3
    assert measures.largest_step(sliding(9)) == pytest.approx(1 / 8)


def test_a_subject_counts_while_more_than_half_of_it_is_in_view():
    scene = held_out(1, family="single", accept=lambda scene: scene.things[0].motion == "left")[0]
    size = VideoSize(frames=17, height=32, width=32, fps=8)
    seen = in_view(scene, size, 17)
    assert seen[8] and torch.equal(in_view(scene, size, 5, start=12), seen[12:])
    assert not in_view(scene, size, 1, start=200).any()


def test_cuts_paths_and_fidelity():
    clip = torch.cat([sliding(6), 1 - sliding(6)])
    path = torch.full((5, 2), 0.5)
    assert measures.cut_at(clip) == 6
    assert measures.track_error(path + torch.tensor([0.1, 0.0]), path, 1.0) == pytest.approx(0.1)
    assert measures.track_error(path + torch.tensor([0.0, 0.1]), path, 2.0) == pytest.approx(0.05)
    assert math.isnan(measures.track_error(path, path + 1, 1.0))
    assert measures.psnr(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20.0, abs=1e-3)


def test_intervals_hold_the_figure():
    assert wilson(9, 10) == pytest.approx((0.596, 0.982), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = median_interval([float(i) for i in range(101)])
    assert low < 50 < high and high - low < 25


@pytest.mark.parametrize(
    ("height", "width", "frames", "fps"), [(64, 64, 17, 8), (128, 256, 25, 12), (96, 64, 1, 8), (90, 161, 7, 30)]
)
def test_any_size_and_rate_is_brought_to_the_same_frames(height, width, frames, fps):
    read = to_read(torch.zeros(2, 3, frames, height, width), fps)
    assert read.shape[:3] == (2, 9, 3) and min(read.shape[3:]) == 64 and max(read.shape[3:]) <= 128


def test_a_reader_answers_every_question_and_follows_every_frame():
    classifier = tiny_classifier()
    video = torch.rand(2, 3, 5, 64, 96) * 2 - 1
    reading = classifier.read(video, 8)
    assert reading.answers.keys() == ATTRIBUTES.keys() and len(reading) == 2
    assert reading.matches("colour", reading.answers["colour"]) == [True, True]
    track = classifier.follow(video)
    assert track.shape == (2, 5, 2) and bool(((track > 0) & (track < 1)).all())
    with pytest.raises(InputError, match=r"\[B,3,F,H,W\]"):
        classifier.read(video[0], 8)


def test_spoiling_keeps_the_range_and_the_answers_leave_out_what_no_picture_settles():
    frames = torch.rand(3, 9, 3, 16, 16) * 2 - 1
    out = corrupted(frames, Draws(0, 0))
    assert out.shape == frames.shape and float(out.abs().max()) <= 1
    pair = next(s for s in held_out(60, family="things") if s.relation == "orbit")
    assert answers_of(pair)[0] == UNASKED != answers_of(pair)[-1]
    assert bool(track_of(pair, torch.zeros(1), 1.0).isnan().all())


def test_a_perfect_model_reaches_the_floor():
    report = run_suite("text", 4, model=PerfectGenerator(4), classifier=tiny_classifier(), size=SMALL)
    assert set(report) == {"suite", "n", "figures", "ceiling", "intervals"} and report["n"] == 4
    assert report["figures"] == report["ceiling"]
    assert set(report["figures"]) == {"colour", "shape", "motion", "setting", "all", "camera", "count", "style"}


def test_nouns_and_relations_are_asked_for_where_there_are_cutouts():
    block = torch.full((1, 16, 16, 4), 255, dtype=torch.uint8)
    generator = FrozenGenerator()
    generator.cutouts = Cutouts.of({"cat": block, "dog": block, "house": block})
    report = run_suite("text", 8, model=generator, classifier=tiny_classifier(), size=SMALL)
    assert report["figures"].keys() >= {"noun", "relation", "shape", "all"}
    assert report["ceiling"].keys() == report["figures"].keys()
    first = AttributeClassifier(ClassifierConfig(answers=FIRST_ANSWERS))
    with pytest.raises(InputError, match="reads no other, relation"):
        run_suite("text", 8, model=generator, classifier=first, size=SMALL)


def test_prompts_ask_for_what_they_say():
    scene = held_out(1, family="single")[0]
    prompt, wanted = ask(scene, "expanded")
    assert str(wanted["shape"]) and prompt.endswith(".")
    assert ask(scene, "plain")[1]["colour"] == scene.things[0].colour
    with pytest.raises(InputError, match="plain, descriptive"):
        ask(scene, "loud")


@pytest.mark.parametrize("suite", sorted(set(SUITES) - {"text"}))
def test_every_suite_has_the_same_form_and_a_frozen_clip_fails(suite):
    classifier = tiny_classifier()
    more = {"times": 2} if suite == "drift" else {}
    calls = []
    report = run_suite(
        suite,
        2,
        model=FrozenGenerator(),
        classifier=classifier,
        size=SMALL,
        progress=lambda *at: calls.append(at),
        **more,
    )
    assert set(report) == {"suite", "n", "figures", "ceiling", "intervals"} and calls[-1] == (2, 2)
    assert report["figures"].keys() == report["intervals"].keys()
    assert report["figures"].get("kept", 1.0) == 1.0
    for name in report["ceiling"].keys() & {"movement", "movement_forward", "movement_backward", "movement_text"}:
        assert report["figures"][name] <= 0.5 * report["ceiling"][name]


def test_an_unknown_suite_is_answered_with_the_list():
    with pytest.raises(InputError, match="text, animate"):
        run_suite("nonsense")
    with pytest.raises(InputError, match="at least one clip"):
        run_suite("text", 0)


def test_weights_are_measured_from_the_folder_that_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no weights file .*codec.safetensors"):
        run_suite("text", 1, weights=tmp_path)


def test_held_out_scenes_are_fixed():
    assert held_out(3, family="single") == held_out(3, family="single")
    assert shape_of(SMALL, 5).frames == 5


def test_peak_memory_counts_what_lives_at_once() -> None:
    weights, count = torch.ones(256), 256 * 4

    def run() -> torch.Tensor:
        first = weights + 1
        second = first * 2
        del first
        longer = torch.empty(512)
        longer[:256].copy_(second)
        return longer.view(2, -1)

    assert peak(run, CPU) == 3 * count, "the second and the longer; a view is nothing new"
    assert peak(lambda: weights.view(2, -1).add_(0), CPU) == 0, "weights were there before"


def test_the_work_of_the_transformer_is_what_torch_counts() -> None:
    def counted(config: DiTConfig) -> int:
        dit = DiT(config)
        plan, text = dit.plan([clip_grid(2, 8, 8)]), dit.text(torch.randn(1, config.text_tokens, config.text_width))
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            dit([torch.randn(1, config.channels, 2, 8, 8)], torch.ones(1), plan, text)
        return counter.get_total_flops()

    one = DiTConfig(width=32, depth=1, heads=2, mlp_width=48, text_width=8, text_tokens=12)
    assert counted(replace(one, depth=2)) - counted(one) == transformer_work(one, 32, 12)
