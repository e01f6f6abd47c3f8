"""Prompts to features with umT5, called as the bundled text encoder is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..text.pieces import END, TokenTable
from ..text.umt5 import UMT5

__all__ = ["OpenText", "OpenTokens"]


class OpenTokens:
    """`tokens = tokenizer(prompts)`: [B,S] int64, zero behind the end of each prompt."""

    def __init__(self, table: TokenTable) -> None:
        self.table = table

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        rows = [torch.tensor(self.table(prompt)) for prompt in prompts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class OpenText(nn.Module):
    """`features = text(tokens)`: [B,S] -> [B,tokens,D], zero behind each prompt, as the Wan transformers are
    trained."""

    def __init__(self, encoder: UMT5, *, tokens: int = 512) -> None:
        super().__init__()
        self.encoder, self.tokens = encoder, tokens

    def forward(self, tokens_BS: Tensor) -> Tensor:
        rows = [row[: row.index(END) + 1] for row in tokens_BS.tolist()]
        features = self.encoder.encode(rows)
        return F.pad(features, (0, 0, 0, self.tokens - features.shape[1]))
