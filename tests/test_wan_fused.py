"""What runs on a CPU for inference gives what the plain formulas give."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from threading import Thread
from typing import Any

import pytest
import torch
from sora_nodes.sora_core.dit import ClipGrid, DiT, DiTConfig
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser, noise_level_experts
from sora_nodes.sora_core.dit.model import PREPACKING
from sora_nodes.sora_core.layers.attention import attend
from sora_nodes.sora_core.layers.kernels import cpu
from sora_nodes.sora_core.types import Denoiser

CONFIG = DiTConfig(width=128, depth=2, heads=1, mlp_width=96, text_width=16, text_tokens=24)


@pytest.fixture(scope="module")
def dit() -> DiT:
    torch.manual_seed(0)
    return DiT(CONFIG).requires_grad_(False).eval()


def grid(n: int, mask: torch.Tensor | None = None) -> ClipGrid:
    return ClipGrid(
        shape=(n, 3, 4, 6),
        positions=torch.zeros(n, 3),
        spans=torch.ones(n, 3),
        seconds_per_frame=torch.ones(n),
        mask=mask,
    )


def run(dit: DiT, context: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    x = torch.randn(2, 16, 3, 4, 6, generator=torch.Generator().manual_seed(1)).to(context.dtype)
    return dit([x], torch.tensor([0.3, 0.8]), dit.plan([grid(2, mask)]), dit.text(context))[0]


@pytest.mark.parametrize("words", [0, 7, 24])
def test_the_fused_path_is_the_plain_one(dit: DiT, words: int) -> None:
    context = torch.randn(2, words, 16)
    mask = torch.ones(2, 1, 3, 4, 6)
    mask[:, :, 0] = 0
    for told in (None, mask):
        plain = run(dit, context, told)
        with torch.no_grad():
            torch.testing.assert_close(run(dit, context, told), plain, rtol=1e-4, atol=1e-5)


def test_a_mask_of_many_small_pieces_takes_the_plain_path(dit: DiT) -> None:
    mask = (torch.rand(2, 1, 3, 4, 6, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    with torch.no_grad():
        fast = run(dit, torch.zeros(2, 3, 16), mask)
    torch.testing.assert_close(run(dit, torch.zeros(2, 3, 16), mask), fast, rtol=1e-4, atol=1e-5)


def test_zeros_behind_the_text_are_padding(dit: DiT) -> None:
    context = torch.randn(2, 7, 16)
    with torch.no_grad():
        assert dit.text(context)[0].k.shape[1] == 8
        torch.testing.assert_close(run(dit, torch.nn.functional.pad(context, (0, 0, 0, 17))), run(dit, context))


@pytest.mark.parametrize(
    "keys", [40, 600, 2100], ids=["text: all heads at once", "some heads at once", "one head at a time"]
)
@pytest.mark.parametrize("biased", [False, True])
def test_attention_in_blocks_is_attention(keys: int, biased: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, length, 3, 32).bfloat16() for length in (600, keys, keys))
    bias = None if not biased else torch.linspace(-3, 6, keys)
    exact = attend(q.float(), k.float(), v.float(), bias_S=bias)
    with torch.no_grad():
        made = attend(q, k, v, bias_S=bias).float()
    assert (made - exact).norm() / exact.norm() < 0.005


@pytest.mark.skipif(
    not cpu.onednn(), reason="this processor or torch has no products of bfloat16 to lay weights out for"
)
def test_prepacked_weights_are_the_same_weights(dit: DiT) -> None:
    plain = deepcopy(dit).bfloat16()
    laid = deepcopy(plain).prepacked()
    context = torch.randn(2, 7, 16).bfloat16()
    with torch.no_grad():
        torch.testing.assert_close(run(laid, context), run(plain, context))
    for name, value in laid.state_dict().items():
        assert torch.equal(value.to_dense() if value.is_mkldnn else value, plain.state_dict()[name]), name
    kept = list(laid.parameters())
    assert all(a is b for a, b in zip(laid.prepacked().parameters(), kept, strict=True)), "once is enough"


@pytest.mark.skipif(not cpu.onednn(), reason="needs products of bfloat16")
@pytest.mark.parametrize("copy", [deepcopy, lambda module: pickle.loads(pickle.dumps(module))], ids=["copy", "pickle"])
def test_prepacked_weights_are_copied_and_pickled(copy: Callable[[DiT], DiT], dit: DiT) -> None:
    laid = deepcopy(dit).bfloat16().prepacked()
    again, x = copy(laid), torch.randn(3, dit.config.width).bfloat16()
    for name, layer in laid.named_modules():
        if isinstance(layer, cpu.PrepackedLinear) and name.endswith("self_attn.q"):
            assert torch.equal(layer(x), again.get_submodule(name)(x))
            assert torch.equal(layer.weight.to_dense(), again.get_submodule(name).weight.to_dense())
    assert sum(isinstance(layer, cpu.PrepackedLinear) for layer in again.modules())


def test_threads_wait_until_weights_are_laid_out(dit: DiT) -> None:
    """A network that runs meanwhile would read what is being moved."""
    other = Thread(target=deepcopy(dit).prepacked)
    with PREPACKING:
        other.start()
        other.join(0.05)
        assert other.is_alive()
    other.join()


def test_only_bfloat16_is_prepacked(dit: DiT) -> None:
    kept = list(dit.parameters())
    assert all(a is b for a, b in zip(dit.prepacked().parameters(), kept, strict=True))


def test_the_second_expert_takes_over_below_the_boundary() -> None:
    asked: list[str] = []

    def expert(name: str) -> Denoiser:
        def denoise(x: torch.Tensor, sigma: torch.Tensor, mask: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
            asked.append(name)
            return x

        return denoise

    both = noise_level_experts(expert("high"), expert("low"), 0.875)
    for sigma in (1.0, 0.875, 0.874, 0.1):
        both(torch.zeros(1), torch.tensor([sigma]), torch.ones(1), torch.zeros(1))
    assert asked == ["high", "high", "low", "low"]


def test_plans_and_texts_are_made_once(dit: DiT, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        once = getattr(dit, name)

        def run(*args: Any, **settings: Any) -> Any:
            made.append(name)
            return once(*args, **settings)

        return run

    for name in ("plan", "text"):
        monkeypatch.setattr(dit, name, watched(name))
    denoiser = DiTDenoiser(dit, positions=torch.zeros(3), spans=torch.ones(3), fps=8.0)
    x, mask, context = torch.randn(1, 16, 3, 4, 6), torch.ones(1, 1, 3, 4, 6), torch.randn(1, 5, 16)
    with torch.no_grad():
        for sigma in (0.9, 0.5, 0.1):
            denoiser(x, torch.tensor([sigma]), mask.clone(), context.clone())
    assert made == ["plan", "text"]
