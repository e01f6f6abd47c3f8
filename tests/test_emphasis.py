"""Weights of words: read as ComfyUI reads them, kept by expansion, felt by the text encoder."""

import pytest
import torch
from sora_nodes.sora_core.emphasis import emphasised, plain, weighted
from sora_nodes.sora_core.open_weights import OpenTokens
from sora_nodes.sora_core.pipeline import encode_text, load_bundled
from sora_nodes.sora_core.safety import review_prompt
from sora_nodes.sora_core.text.pieces import TokenTable
from sora_nodes.sora_core.world.expand import expanded

READINGS = {
    "a red ball": [("a red ball", 1.0)],
    "a (red) ball": [("a ", 1.0), ("red", 1.1), (" ball", 1.0)],
    "a (red:1.3) ball": [("a ", 1.0), ("red", 1.3), (" ball", 1.0)],
    "((red))": [("red", 1.21)],
    "(a (red:0.5) ball)": [("a ", 1.1), ("red", 0.5), (" ball", 1.1)],
    "(a (red) ball:2)": [("a ", 2.0), ("red", 2.2), (" ball", 2.0)],
    "a \\(red:1.3\\) ball": [("a (red:1.3) ball", 1.0)],
    "a smile :) or (": [("a smile :) or (", 1.0)],
    "(red:nan) (at 10:30 pm)": [("red:nan", 1.1), (" ", 1.0), ("at 10:30 pm", 1.1)],
    "(red:1e9)": [("red:1e9", 1.1)],
    "(red: -1 )": [("red", -1.0)],
    "(:1.3)()": [],
    "": [],
}


@pytest.mark.parametrize("text", READINGS)
def test_a_prompt_is_read_as_comfyui_reads_it(text: str) -> None:
    found = [(part, round(weight, 6)) for part, weight in weighted(text)]
    assert found == READINGS[text] and plain(text) == "".join(part for part, _ in READINGS[text])


def test_many_brackets_take_no_time() -> None:
    for text in ("(" * 50_000, ")" * 50_000, "(" * 50_000 + ")" * 50_000, "(a:1.2)" * 10_000):
        assert len(weighted(text)) <= 10_000


def test_the_bundled_encoder_scales_the_words_features_and_no_others() -> None:
    model = load_bundled()
    usual, more = encode_text(model, ["a red ball"]), encode_text(model, ["a (red:1.5) ball"])
    assert torch.allclose(more[:, 1], 1.5 * usual[:, 1])
    assert torch.equal(more[:, :1], usual[:, :1]) and torch.equal(more[:, 2:], usual[:, 2:])
    assert not model.unknown_words("a (red:1.5) ball")


def test_published_encoders_are_given_weights_too() -> None:
    tokens = OpenTokens(TokenTable(lambda words: [2 + ord(letter) for letter in words]))
    assert torch.equal(tokens(["a (b:2)"]), tokens(["a b"]))
    assert tokens.weights(["a (b:2)", "abcdef"]).tolist() == [[1, 1, 2, 1, 1, 1, 1], [1] * 7]


def test_expansion_keeps_weights() -> None:
    made, usual = expanded("a (red:1.4) ball on snow", 3), expanded("a red ball on snow", 3)
    assert plain(made.caption) == usual.caption and "(red:1.4)" in made.caption
    assert "(red ball:1.2)" in expanded("a (red ball:1.2) on snow").caption
    assert emphasised("a ball on sand", weighted("a (red:2) (ball)")) == ("a (ball:1.1) on sand", ["red"])


def test_weights_hide_nothing_from_the_policy() -> None:
    for prompt in ("a (naked:1.3) woman", "a n(ake:1)d woman", "a ((naked)) woman"):
        assert review_prompt(prompt).action == review_prompt("a naked woman").action == "refuse", prompt
