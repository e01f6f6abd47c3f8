"""The umT5 encoder and its tokenizer."""

import sys

import pytest
import torch
from sora_nodes.sora_core.errors import CheckpointError, InputError, ResourceError
from sora_nodes.sora_core.open_weights import OpenText, OpenTokens
from sora_nodes.sora_core.text.pieces import END, TokenTable
from sora_nodes.sora_core.text.umt5 import UMT5, UMT5Config, relative_kinds

CONFIG = UMT5Config(vocabulary=50, width=16, depth=2, heads=2, head_dim=8, mlp_width=24)


@pytest.fixture(scope="module")
def encoder() -> UMT5:
    torch.manual_seed(0)
    return UMT5(CONFIG).requires_grad_(False).eval()


def test_a_prompt_does_not_see_the_others(encoder: UMT5) -> None:
    both = encoder.encode([[5, 6, 7, 1], [9, 1]])
    torch.testing.assert_close(both[1:, :2], encoder.encode([[9, 1]]))
    assert both.shape == (2, 4, 16) and not both[1, 2:].any()


def test_order_matters(encoder: UMT5) -> None:
    assert not torch.allclose(encoder.encode([[5, 6, 1]])[0, 2], encoder.encode([[6, 5, 1]])[0, 2])


def test_relative_positions_are_told_near_by_and_pooled_far_off() -> None:
    kinds = relative_kinds(300, CONFIG)
    behind, ahead = kinds[:299].flip(0), kinds[300:]
    assert kinds[299] == 0 and behind[:7].tolist() == list(range(1, 8))
    assert torch.equal(ahead, behind + CONFIG.buckets // 2)
    assert bool((behind.diff() >= 0).all()) and behind[127:].unique().tolist() == [15]


def test_every_prompt_ends_and_none_is_cut_in_silence() -> None:
    table = TokenTable(lambda text: [ord(c) for c in text], limit=5)
    assert table("abc") == [97, 98, 99, END]
    with pytest.raises(InputError, match="has 6 tokens and this model reads 5"):
        table("abcde")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ResourceError, match="needs the package sentencepiece"):
        TokenTable.from_bytes(b"")


def test_a_missing_tokenizer_is_one_sentence(tmp_path: object) -> None:
    with pytest.raises(CheckpointError, match="there is no tokenizer in or beside"):
        TokenTable.near(str(tmp_path))


def test_a_tokenizer_of_another_encoder_is_named(encoder: UMT5) -> None:
    tokens = OpenTokens(TokenTable(lambda text: [7, 50]))
    with pytest.raises(InputError, match=r"tokenizer is of another text encoder: it gives token 50 .* knows 50"):
        OpenText(encoder)(tokens(["a church"]))
