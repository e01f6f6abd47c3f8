"""The bundled classifier: it reads clips of scenes that no training has seen, whatever their size and rate."""

from __future__ import annotations

from sora_nodes.sora_core.evaluation.making import held_out, true_clips
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.perception.classifier import load_classifier
from sora_nodes.sora_core.world import ClipShape, render


def test_the_bundled_reader_reads_held_out_clips():
    scenes = held_out(24, family="single", seed=7)
    reading = load_classifier().read(true_clips(scenes, VideoSize(frames=17, height=64, width=64, fps=8)), 8)
    for name, wanted in (
        ("colour", [s.things[0].colour for s in scenes]),
        ("shape", [s.things[0].shape for s in scenes]),
        ("motion", [s.things[0].motion for s in scenes]),
        ("ground", [s.setting.ground for s in scenes]),
        ("light", [s.setting.light for s in scenes]),
    ):
        assert sum(reading.matches(name, wanted)) >= 22, name


def test_the_bundled_reader_does_not_mind_size_and_rate():
    scene = held_out(1, family="single", seed=9)[0]
    classifier = load_classifier()
    wide = render([scene], ClipShape(frames=25, height=96, width=144, fps=12)).permute(0, 4, 1, 2, 3) / 127.5 - 1
    assert classifier.read(wide, 12).answers["colour"] == [scene.things[0].colour]
