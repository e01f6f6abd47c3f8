"""Attention within each clip of a pack.

Legend: L tokens of all clips, n clips of a group, S text tokens, N heads, K head dim.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import fused
from .packing import Group, texts_of, tokens_of

__all__ = ["attend", "cross_attention", "self_attention"]


SHORT = 1024
"""tokens up to which a compiled CPU graph fuses the plain formula faster than it calls the flash kernel (measured in
training)"""


def _plain(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None) -> Tensor:
    """The formula itself; float32 products of this size beat bfloat16 ones here."""
    n, _, heads, dim = q.shape
    q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))
    scores = torch.bmm(q, k.transpose(1, 2)) * dim**-0.5
    if known is not None:
        scores = scores.unflatten(0, (n, heads)).masked_fill(~known[:, None, None], float("-inf")).flatten(0, 1)
    return torch.bmm(scores.softmax(-1), v).unflatten(0, (n, heads)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, known: Tensor | None = None, bias_S: Tensor | None = None) -> Tensor:
    """[n,L,N,K], [n,S,N,K] -> [n,L,N,K]; q may be overwritten.

    `known` [n,S] tells which keys there are, `bias_S` is added to the scores of each.
    """
    if torch.compiler.is_compiling() and q.device.type == "cpu" and k.shape[1] <= SHORT:
        with torch.autocast("cpu", enabled=False):
            return _plain(q.float(), k.float(), v.float(), known).to(v.dtype)
    if fused.usable(q) and q.dtype == torch.bfloat16 and q.shape[1] >= fused.LONG and known is None:
        return fused.attention(q, k, v, bias_S)
    mask = known[:, None, None] if known is not None else None if bias_S is None else bias_S[None, None, None]
    return F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
    ).transpose(1, 2)


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
