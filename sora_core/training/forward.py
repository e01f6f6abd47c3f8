"""The transformer's forward pass for a batch of clips of one size, on plain tensors: the numbers of `DiT.forward`.

Packed sequences carry their layout as numbers of the host, for each of which a compiler makes the block anew. Here a
block takes tensors alone, and its sizes are unknowns: compiled once, it serves stills and clips of every size.

Legend: n clips, L tokens of a clip, T latent frames, C channels, D width, N heads, K head dim, S text tokens,
P parts of a clip's time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ..data.batches import Source
from ..dit import DiT
from ..dit.positions import grid_features, metric_coordinates
from ..layers.modulation import sinusoid
from ..layers.rotary import rotary_table
from ..text.encoder import TextEncoder

__all__ = ["Places", "TextToVideo", "block_forward", "predicted"]

BlockForward = Callable[..., Tensor]


class TextToVideo(nn.Module):
    """Text encoder and transformer, as they are trained."""

    def __init__(self, text: TextEncoder, dit: DiT) -> None:
        super().__init__()
        self.text, self.dit = text, dit


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the tokens of a source's clips are, by variant: rotary tables [2,L,1,K/2] and grid features [2,L,.]."""

    cos: Tensor
    sin: Tensor
    features: Tensor

    @staticmethod
    def of(source: Source, dit: DiT) -> Places:
        """The places of a source, on its device."""
        _, q, r = dit.config.patch
        h, w = source.height // q, source.width // r
        device = source.store.device
        coordinates = metric_coordinates(source.positions, h, w).to(device)
        cos, sin = rotary_table(coordinates, dit.config.head_dim, dit.config.rope_theta)
        seconds = torch.full((2,), 1 / source.store.kind.fps)
        features = grid_features(source.positions, source.spans, seconds, h, w).to(device)
        return Places(
            cos=cos.unflatten(0, (2, -1)), sin=sin.unflatten(0, (2, -1)), features=features.unflatten(0, (2, -1))
        )


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without weights, then x * (1 + scale) + shift, in float32."""
    return (F.layer_norm(x.float(), x.shape[-1:], eps=1e-6) * (1 + scale) + shift).to(x.dtype)


def normed(x: Tensor, weight: Tensor, heads: int) -> Tensor:
    """RMS norm over all heads: [...,D] -> [...,N,K]."""
    return F.rms_norm(x.float(), (x.shape[-1],), weight.float(), 1e-6).to(x.dtype).unflatten(-1, (heads, -1))


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, in float32."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)


def attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """[n,L,N,K], [n,S,N,K] -> [n,L,D]; bias [n,1,L,S] is added to the scores."""
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)


def block_forward(
    block: Any, x: Tensor, made: Tensor, kept: Tensor, mask: Tensor, text: Tensor, bias: Tensor,
    cos: Tensor, sin: Tensor, heads: int,
) -> Tensor:  # fmt: skip
    """One block: x [n,L,D]; made [n,1,6,D] and kept [1,1,6,D] modulation; mask [n,L,1]; text [n,P*S,D]; bias
    [n,1,L,P*S] hides from each token the parts of the text that it does not follow; cos, sin [n,L,1,K/2]."""
    table = block.modulation.float()[None]
    made, kept = made + table, kept + table
    mod = [kept[:, :, i] + mask * (made[:, :, i] - kept[:, :, i]) for i in range(6)]
    own, words = block.self_attn, block.cross_attn
    h = modulated(x, mod[0], mod[1])
    q = turned(normed(own.q(h), own.norm_q.weight, heads), cos, sin)
    k = turned(normed(own.k(h), own.norm_k.weight, heads), cos, sin)
    h = own.o(attended(q, k, own.v(h).unflatten(-1, (heads, -1))))
    x = (x.float() + h.float() * mod[2]).to(x.dtype)
    h = F.layer_norm(x.float(), x.shape[-1:], block.norm3.weight.float(), block.norm3.bias.float(), 1e-6).to(x.dtype)
    q, k = normed(words.q(h), words.norm_q.weight, heads), normed(words.k(text), words.norm_k.weight, heads)
    x = x + words.o(attended(q, k, words.v(text).unflatten(-1, (heads, -1)), bias.to(q.dtype)))
    h = block.ffn(modulated(x, mod[3], mod[4]))
    return (x.float() + h.float() * mod[5]).to(x.dtype)


def followed(late: Tensor, per_frame: int, tokens: int) -> Tensor:
    """What is added to the scores of each token's words: 0 for those of the part of the text that its latent frame
    follows, -inf for the other's; late [n,T] -> [n,1,T*per_frame,2*tokens]."""
    second = late.bool().repeat_interleave(per_frame, 1)[:, None, :, None]
    parts = torch.arange(2 * tokens, device=late.device) >= tokens
    return torch.where(second == parts, 0.0, float("-inf"))


def predicted(
    model: TextToVideo, places: Places, noisy: Tensor, sigma: Tensor, mask: Tensor, ids: Tensor, late: Tensor,
    variant: Tensor, *, block: BlockForward = block_forward,
) -> Tensor:  # fmt: skip
    """The clean latents [n,C,T,H,W] of noisy ones at levels sigma [n]; mask [n,1,T,H,W] 0 where a cell is kept, ids
    [n,P,S], late [n,T], variant [n]."""
    dit = model.dit
    n, c, t, height, width = noisy.shape
    h, w = height // 2, width // 2
    tokens = noisy.view(n, c, t, h, 2, w, 2).permute(0, 2, 3, 5, 1, 4, 6).reshape(n, t * h * w, c * 4)
    x = F.linear(tokens, dit.patch_embedding.weight.flatten(1), dit.patch_embedding.bias)
    x = x + dit.grid_embedding(places.features[variant])  # type: ignore[misc]
    levels = torch.cat([sigma, sigma.new_zeros(1)])
    time = dit.time_embedding(sinusoid(levels * 1000, dit.config.time_features).to(x.dtype))
    projected = dit.time_projection(time).float().unflatten(1, (6, -1))
    made, kept = projected[:-1, None], projected[-1:, None]
    text = dit.text_embedding(model.text(ids.flatten(0, 1))).unflatten(0, ids.shape[:2]).flatten(1, 2)
    made_tokens = F.max_pool3d(mask, (1, 2, 2)).flatten(1)[..., None].clone()
    bias = followed(late, h * w, ids.shape[2]).to(x.dtype)
    cos, sin = places.cos[variant], places.sin[variant]
    for layer in dit.blocks:
        x = block(layer, x, made, kept, made_tokens, text, bias, cos, sin, dit.config.heads)
    table = dit.head.modulation.float()[None]
    made, kept = time.float()[:-1, None, None] + table, time.float()[-1:, None, None] + table
    shift, scale = (kept[:, :, i] + made_tokens * (made[:, :, i] - kept[:, :, i]) for i in range(2))
    out = dit.head.head(modulated(x, shift, scale))
    out = out.view(n, t, h, w, 2, 2, -1).permute(0, 6, 1, 2, 4, 3, 5).reshape(n, -1, t, height, width).float()
    if not dit.config.input_gate:
        return out
    own, share = out.chunk(2, 1)
    return own + share * noisy
