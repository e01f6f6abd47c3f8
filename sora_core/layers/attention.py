"""Attention within each clip of a pack.

Legend: L tokens of all clips, n clips of a group, S text tokens, N heads, K head dim.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import kernels
from .packing import Group, texts_of, tokens_of

__all__ = ["attend", "cross_attention", "self_attention"]


def attend(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None = None, bias_S: Tensor | None = None) -> Tensor:
    """[n,L,N,K], [n,S,N,K] -> [n,L,N,K]; q may be overwritten.

    `known` [n,S] tells which keys there are, `bias_S` is added to the scores of each.
    """
    return kernels.of(q).attention(q, k, v, known, bias_S)


def self_attention(q_LNK: Tensor, k_LNK: Tensor, v_LNK: Tensor, groups: Sequence[Group]) -> Tensor:
    """Each clip attends to itself alone."""
    parts = zip(*(tokens_of(x, groups) for x in (q_LNK, k_LNK, v_LNK)), strict=True)
    out = [attend(*part).flatten(0, 1) for part in parts]
    return out[0] if len(out) == 1 else torch.cat(out)


def cross_attention(
    q_LNK: Tensor, k_BSNK: Tensor, v_BSNK: Tensor, bias_S: Tensor | None, groups: Sequence[Group]
) -> Tensor:
    """Each clip, or each latent frame, attends to its own text; bias_S is added to the scores of each text token."""
    queries = [group.by_text(tokens) for group, tokens in zip(groups, tokens_of(q_LNK, groups), strict=True)]
    parts = zip(queries, texts_of(k_BSNK, groups), texts_of(v_BSNK, groups), strict=True)
    out = [attend(*part, bias_S=bias_S).flatten(0, 1) for part in parts]
    return out[0] if len(out) == 1 else torch.cat(out)
