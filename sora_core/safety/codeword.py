"""The error-correcting code of the watermark: 32 message bits become 64 channel bits, decoded from soft values.

Each half of the message is a word of the Reed-Muller code RM(2,5), [32,16,8]: the values at the 32 points of {0,1}^5 of
a polynomial of degree two over GF(2). A word is decoded by maximum likelihood over all 65,536 words, which is one
matrix product, so that every received value counts with its weight.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["CHANNEL_BITS", "MESSAGE_BITS", "decode", "encode"]

MESSAGE_BITS = 32
CHANNEL_BITS = 64
HALF, WORD = 16, 32


@cache
def generator() -> Tensor:
    """The monomials of degree at most two at every point, int64 [16,32]."""
    point = torch.arange(WORD)
    variables = [(point >> bit) & 1 for bit in range(5)]
    products = [a * b for a, b in combinations(variables, 2)]
    return torch.stack([torch.ones_like(point), *variables, *products])


@cache
def codebook() -> Tensor:
    """Every word as -1 and 1, float [65536,32]; row n encodes the number n."""
    numbers = torch.arange(1 << HALF)
    bits = (numbers[:, None] >> torch.arange(HALF)) & 1
    return ((bits.float() @ generator().float()) % 2) * 2 - 1


def encode(message: int) -> Tensor:
    """The channel bits of a message in 0..2^32-1, as -1 and 1, float [64]. Raises InputError outside that range."""
    if not 0 <= message < 1 << MESSAGE_BITS:
        raise InputError(f"a watermark carries a number from 0 to 2**32 - 1, not {message}")
    return torch.cat([codebook()[message & 0xFFFF], codebook()[message >> HALF]])


def decode(values: Tensor) -> tuple[int, float]:
    """The likeliest message of soft channel values [64], and its margin.

    The margin is the mean agreement of the values with the word found, over their mean size: 1 where every sign agrees,
    near 0.5 for noise.
    """
    low, high = (codebook() @ values[half * WORD : (half + 1) * WORD].float().cpu() for half in range(2))
    first, second = int(low.argmax()), int(high.argmax())
    size = float(values.abs().sum().clamp(min=1e-12))
    return first | second << HALF, float(low[first] + high[second]) / size
