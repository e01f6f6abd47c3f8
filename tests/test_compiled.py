"""What a card compiles, compiled for the processor: the functions' own results, and one graph for every size."""

import torch
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.training.channels_last import residual
from sora_nodes.sora_core.training.compiled import compiled_blocks, graphs, rehearsed
from sora_nodes.sora_core.training.forward import block_forward
from torch import Tensor

WIDTH, HEADS, WORDS = 24, 3, 5
SHAPES = ((6, 12), (2, 20), (3, 6), (4, 4), (5, 33), (6, 6), (7, 24), (8, 5), (24, 3), (9, 18))
"""clips and tokens of each; six clips could pass for the six vectors of the modulation, 24 for the width"""


def given(n: int, tokens: int, seed: int) -> list[Tensor]:
    """What a block takes beside itself and its heads."""
    draw = torch.Generator().manual_seed(seed)
    angle = torch.rand(n, tokens, 1, WIDTH // HEADS // 2, generator=draw)
    shapes = ((n, tokens, WIDTH), (n, 1, 6, WIDTH), (1, 1, 6, WIDTH), (n, tokens, 1), (n, WORDS, WIDTH))
    x, made, kept, mask, text = (torch.randn(shape, generator=draw) for shape in shapes)
    bias = torch.zeros(n, 1, tokens, WORDS)
    bias[..., -1] = float("-inf")
    return [x, made, kept, mask.sigmoid(), text, bias, angle.cos(), angle.sin()]


def test_a_compiled_transformer_block_gives_what_it_gives_at_ten_sizes() -> None:
    torch.manual_seed(0)
    config = DiTConfig(width=WIDTH, depth=1, heads=HEADS, mlp_width=32, channels=4, text_width=WIDTH, text_tokens=WORDS)
    block, before = DiT(config).blocks[0], graphs()
    compiled = compiled_blocks("aot_eager").transformer
    for seed, (n, tokens) in enumerate(SHAPES):
        out, slopes = [], []
        for function in (block_forward, compiled):
            values = given(n, tokens, seed)
            values[0].requires_grad_()
            made = function(block, *values, HEADS)
            out.append(made.detach())
            slopes += torch.autograd.grad(made.square().mean(), [values[0], block.ffn[0].weight])  # type: ignore
        torch.testing.assert_close(out[1], out[0], rtol=1e-4, atol=1e-5)
        for mine, expected in zip(slopes[2:], slopes[:2], strict=True):
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6)
    assert graphs() - before <= 2


def test_a_compiled_residual_block_gives_what_it_gives_at_ten_sizes() -> None:
    torch.manual_seed(0)
    c, before = 8, graphs()
    weights = [torch.rand(c), torch.randn(c, c, 3, 3) / 9, torch.randn(c), torch.rand(c), torch.randn(c, 3 * c) / 5]
    compiled = compiled_blocks("aot_eager").residual
    with torch.no_grad():
        for n, side in SHAPES:
            x = torch.randn(n, 2 + side % 4, side, side + 1, c)
            torch.testing.assert_close(
                compiled(x, *weights, torch.zeros(c)), residual(x, *weights, torch.zeros(c)), rtol=1e-4, atol=1e-5
            )
    assert graphs() - before <= 2


def test_after_the_rehearsal_what_fits_no_graph_runs_uncompiled(monkeypatch) -> None:
    """A card compiles one for half a minute."""
    torch._dynamo.reset()
    compiled = compiled_blocks("eager").residual
    monkeypatch.setattr("sora_nodes.sora_core.training.compiled.GRAPHS", 1)
    before, c = graphs(), 4
    weights = [torch.rand(c), torch.randn(c, c, 3, 3), torch.randn(c), torch.rand(c), torch.randn(c, 3 * c)]
    with torch._dynamo.config.patch(recompile_limit=8):  # what is set within is undone behind it
        rehearsed()
        for dtype in (torch.float32, torch.float64):
            x, *given = (value.to(dtype) for value in (torch.randn(2, 3, 4, 5, c), *weights, torch.zeros(c)))
            torch.testing.assert_close(compiled(x, *given), residual(x, *given))
    assert graphs() - before == 1
