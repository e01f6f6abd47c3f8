"""A word tokenizer: its vocabulary is the words of the training captions and travels in the weights file's config.

The bundled model knows a small world, so a word is a token and a word outside the vocabulary can be named to the user.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from ..emphasis import weighted
from ..errors import InputError

__all__ = ["PAD", "UNKNOWN", "WordTokenizer", "split_words"]

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unknown>")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+|[.,:;!?]")


def split_words(text: str) -> list[str]:
    """Lower-case words, numbers and punctuation marks of a text."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def weighted_words(text: str) -> list[str]:
    """The words of a text in which some may have a weight."""
    return [word for part, _ in weighted(text) for word in split_words(part)]


class WordTokenizer:
    """Text to token ids; `vocabulary` is the list of words, without the two special tokens."""

    def __init__(self, vocabulary: Sequence[str], length: int) -> None:
        if len(set(vocabulary)) != len(vocabulary):
            raise InputError("a vocabulary must not name a word twice")
        self.vocabulary = tuple(vocabulary)
        self.length = length
        self.ids = {word: i for i, word in enumerate((*SPECIAL, *vocabulary))}

    @property
    def size(self) -> int:
        """Rows of an embedding table for this vocabulary."""
        return len(self.ids)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Token ids [B,length] int64, padded with PAD; what is longer is cut."""
        out = torch.full((len(texts), self.length), PAD, dtype=torch.int64)
        for row, text in zip(out, texts, strict=True):
            ids = [self.ids.get(word, UNKNOWN) for word in weighted_words(text)]
            row[: len(ids)] = torch.tensor(ids[: self.length], dtype=torch.int64)
        return out

    def weights(self, texts: Sequence[str]) -> Tensor:
        """The weight [B,length] that each token's word has in its text, 1 where none is given."""
        out = torch.ones(len(texts), self.length)
        for row, text in zip(out, texts, strict=True):
            given = [weight for part, weight in weighted(text) for _ in split_words(part)]
            row[: len(given)] = torch.tensor(given[: self.length])
        return out

    def unread(self, text: str) -> str:
        """What is to be said of a text that is longer than what is read of it; empty where it is not."""
        rest = weighted_words(text)[self.length :]
        if not rest:
            return ""
        return (
            f"the text encoder reads {self.length} words and marks, so the last {len(rest):,} are left out, from"
            f" {' '.join(rest[:4])!r} on"
        )
