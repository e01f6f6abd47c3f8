"""Prompts to features with umT5, called as the bundled text encoder is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..emphasis import weighted
from ..errors import InputError
from ..text.pieces import END, TokenTable
from ..text.umt5 import UMT5

__all__ = ["OpenText", "OpenTokens"]


class OpenTokens:
    """`tokens = tokenizer(prompts)`: [B,S] int64, zero behind the end of each prompt."""

    def __init__(self, table: TokenTable) -> None:
        self.table = table

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        rows = [torch.tensor([number for number, _ in self.pieces(prompt)]) for prompt in prompts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def weights(self, prompts: Sequence[str]) -> Tensor:
        """The weight [B,S] of each token, 1 where none is given."""
        rows = [torch.tensor([weight for _, weight in self.pieces(prompt)]) for prompt in prompts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=1.0)

    def pieces(self, prompt: str) -> list[tuple[int, float]]:
        """Tokens with their weights; parts of different weight are cut into pieces apart."""
        parts = weighted(prompt) or [("", 1.0)]
        found = [(number, weight) for part, weight in parts for number in self.table(part) if number != END]
        self.table.check(len(found) + 1)
        return [*found, (END, 1.0)]


class OpenText(nn.Module):
    """`features = text(tokens)`: [B,S] -> [B,tokens,D], zero behind each prompt, as the Wan transformers are
    trained."""

    def __init__(self, encoder: UMT5, *, tokens: int = 512) -> None:
        super().__init__()
        self.encoder, self.tokens = encoder, tokens

    def forward(self, tokens_BS: Tensor) -> Tensor:
        known, last = self.encoder.shared.num_embeddings, int(tokens_BS.max())
        if last >= known:
            raise InputError(
                f"the tokenizer is of another text encoder: it gives token {last} and this one knows {known}; put"
                " spiece.model or tokenizer.json of this encoder beside it"
            )
        rows = [row[: row.index(END) + 1] for row in tokens_BS.tolist()]
        features = self.encoder.encode(rows)
        return F.pad(features, (0, 0, 0, self.tokens - features.shape[1]))
