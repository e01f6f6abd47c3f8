"""Words to numbers and features: nothing is lost, what is unknown is named, and padding does not count."""

import pytest
import torch
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.text.encoder import TextConfig, TextEncoder
from sora_nodes.sora_core.text.tokenizer import PAD, UNKNOWN, WordTokenizer, split_words

WORDS = ("a", "the", "red", "ball", "ball's", "shadow", "2", "balls", ";")


@pytest.fixture(scope="module")
def tokenizer() -> WordTokenizer:
    return WordTokenizer(WORDS, 12)


@pytest.fixture(scope="module")
def encoder(tokenizer: WordTokenizer) -> TextEncoder:
    torch.manual_seed(0)
    model = TextEncoder(
        TextConfig(vocabulary=tokenizer.vocabulary, width=16, depth=2, heads=2, mlp_width=32, tokens=12)
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def test_known_text_survives_the_round_trip(tokenizer: WordTokenizer) -> None:
    words = {i: word for word, i in tokenizer.ids.items()}
    text = "The Ball's shadow;  a red ball"
    ids = tokenizer([text])[0]
    assert (
        [words[i] for i in ids.tolist() if i != PAD]
        == split_words(text)
        == ["the", "ball's", "shadow", ";", "a", "red", "ball"]
    )


def test_a_word_is_known_once() -> None:
    assert WordTokenizer(WORDS, 12).size == len(WORDS) + 2
    with pytest.raises(InputError, match="name a word twice"):
        WordTokenizer(("a", "red", "a"), 12)


def test_words_that_are_not_known_share_a_token(tokenizer: WordTokenizer) -> None:
    assert tokenizer(["dragon eats"])[0, :3].tolist() == [UNKNOWN, UNKNOWN, PAD]
    assert tokenizer(["a dragon"])[0, :3].tolist() == [tokenizer.ids["a"], UNKNOWN, PAD]


def test_what_is_too_long_is_cut(tokenizer: WordTokenizer) -> None:
    assert torch.equal(tokenizer(["ball " * 50]), tokenizer(["ball " * 12]))
    assert tokenizer([]).shape == (0, 12)


def test_a_word_may_not_be_listed_twice() -> None:
    with pytest.raises(InputError, match="twice"):
        WordTokenizer(["ball", "ball"], 4)


def test_an_empty_prompt_has_no_features(tokenizer: WordTokenizer, encoder: TextEncoder) -> None:
    features = encoder(tokenizer(["", "a red ball"]))
    assert (features[0] == 0).all() and (features[1, :3] != 0).any(-1).all() and (features[1, 3:] == 0).all()


def test_padding_does_not_change_what_is_known(tokenizer: WordTokenizer, encoder: TextEncoder) -> None:
    ids = tokenizer(["a red ball", "the ball's shadow; a red ball"])
    padded = encoder(ids)
    assert torch.allclose(encoder(ids[:1, :3])[0], padded[0, :3], atol=1e-6)
    assert torch.allclose(encoder(ids[1:])[0], padded[1], atol=1e-6), "nor do the other texts of a batch"


def test_the_order_of_words_matters(tokenizer: WordTokenizer, encoder: TextEncoder) -> None:
    a, b = encoder(tokenizer(["red ball cube", "cube ball red"]))
    assert not torch.allclose(a[1], b[1], atol=1e-3)


def test_what_is_longer_than_what_is_read_is_said(tokenizer: WordTokenizer) -> None:
    words = ["ball"] * tokenizer.length
    assert tokenizer.unread(" ".join(words)) == ""
    said = tokenizer.unread(" ".join([*words, "on", "snow"]))
    assert "last 2 are left out" in said and "'on snow'" in said
