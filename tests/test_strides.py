"""What goes on is made a stretch at a time: each sees what is there by then, and nothing that is still to be made."""

from dataclasses import replace

import pytest
import torch
from editing_toys import FPS, tiny_codec, tiny_model
from sora_nodes.sora_core.editing import Clip, Edit, extend, stitch
from sora_nodes.sora_core.editing.edit import Strides
from sora_nodes.sora_core.editing.extend import Direction
from sora_nodes.sora_core.editing.strides import bundled_strides, stretch_edit, stretches
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.pipeline import edits, sample_edit, sample_edits
from sora_nodes.sora_core.pipeline.edits import edit_seconds
from sora_nodes.sora_core.settings import SamplingSettings

CODEC, MODEL = tiny_codec(), tiny_model()
QUICK = SamplingSettings(steps=2, cfg=1.0)


def extended(direction: Direction, strides: Strides | None, seconds: float = 2.0) -> Edit:
    frames = torch.rand(17, 32, 48, 3, generator=torch.Generator().manual_seed(1))
    edit = extend(Clip(image=frames, fps=FPS), CODEC, seconds=seconds, direction=direction, overlap=12)
    assert edit.strides == bundled_strides(FPS, CODEC.geometry)
    return replace(edit, strides=strides)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("strides", [Strides(length=1, context=3), Strides(length=3, context=2)])
def test_every_latent_is_made_once_behind_what_is_there(direction: Direction, strides: Strides) -> None:
    edit = extended(direction, strides)
    there = edit.state.mask.amax((0, 1, 3, 4)) == 0
    for part in stretches(edit):
        seen = list(range(part.window.start, part.window.stop))
        fresh = list(range(part.made.start, part.made.stop))
        assert not there[fresh].any(), "nothing is made twice"
        assert all(there[place] for place in seen if place not in fresh), "and nothing is seen that is not there"
        assert 1 <= len(fresh) <= strides.length * (2 if seen[0] in fresh else 1), "twice as much before a clip"
        beside = len(seen) - len(fresh)
        assert beside >= min(strides.context, int(there.sum())) or beside == strides.context
        there[fresh] = True
    assert there.all()


def test_the_rate_decides_how_many_latents_a_stretch_has() -> None:
    assert [bundled_strides(fps, CODEC.geometry) for fps in (8, 12, 24)] == [
        Strides(length=1, context=3), Strides(length=1, context=4), Strides(length=3, context=9),
    ]  # fmt: skip


def test_the_time_told_grows_with_the_length_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "time_estimate", lambda model, grid, **settings: grid.tokens)
    told = [edit_seconds(MODEL, extended("forward", Strides(length=1, context=3), n), steps=2) for n in (4, 16)]
    assert 3.5 < told[1] / told[0] < 4.5


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_what_is_kept_stays_and_a_seed_repeats(direction: Direction) -> None:
    edit, done = extended(direction, Strides(length=1, context=3)), []
    latent = sample_edit(MODEL, edit, "a red ball", QUICK, 5, progress=lambda *at: done.append(at))
    kept = (edit.state.mask == 0).expand_as(latent)
    assert torch.equal(latent[kept], edit.state.clean[kept]) and latent[~kept].abs().min() > 0
    assert torch.equal(latent, sample_edit(MODEL, edit, "a red ball", QUICK, 5))
    total = 2 * len(stretches(edit))
    assert done[-1] == (total, total) and [at for at, _ in done] == sorted(at for at, _ in done)
    frames = stitch(edit, latent, CODEC)
    assert len(frames) == edit.frames


def test_a_batch_is_made_as_each_alone() -> None:
    edits = [extended("forward", Strides(length=2, context=3)) for _ in range(2)]
    both = sample_edits(MODEL, edits, ["a red ball", "a blue cube"], QUICK, [3, 9])
    for row, prompt, seed in zip(both, ["a red ball", "a blue cube"], [3, 9], strict=True):
        alone = sample_edit(MODEL, edits[0], prompt, QUICK, seed)
        assert torch.allclose(row[None], alone, atol=1e-5)


def test_a_later_stretch_sees_the_one_before() -> None:
    edit = extended("forward", Strides(length=1, context=3))
    first, second = stretches(edit)[:2]
    whole = edit.state.clean.clone()
    whole[:, :, first.made] = 7.0
    part = stretch_edit(edit, whole, second)
    assert (part.state.clean[:, :, first.made.start - second.window.start] == 7).all()
    assert (
        part.state.mask[:, :, second.inner].all() and part.state.mask.sum() == part.state.mask[:, :, second.inner].sum()
    )


def test_an_edit_without_strides_has_no_stretches() -> None:
    with pytest.raises(InputError, match="at once"):
        stretches(extended("forward", None))
