"""The kernels of a card give what the plain formulas give; what is chosen by measurement is measured once."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import inside_triton
import pytest
import torch
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser
from sora_nodes.sora_core.layers import eight_bit, kernels
from sora_nodes.sora_core.layers.kernels import choice, cuda, graphs
from sora_nodes.sora_core.layers.kernels.choice import AttentionChoice
from sora_nodes.sora_core.layers.kernels.cuda import CardKernels, works
from sora_nodes.sora_core.pipeline.sampling import runs_as_one_batch


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton, for its interpreter")
@pytest.mark.parametrize("part", ["transformer", "codec", "eight_bit"])
def test_fused_kernels_are_the_formulas(part: str) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, Path(inside_triton.__file__), part],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def dit() -> DiT:
    torch.manual_seed(0)
    config = DiTConfig(width=96, depth=2, heads=3, mlp_width=80, text_width=16, text_tokens=24)
    return DiT(config).requires_grad_(False).eval()


class Card(CardKernels):
    """A card without cards: what needs none of them."""

    graphed_tokens = 64


@pytest.fixture
def card() -> Card:
    return Card(AttentionChoice({}))


def denoised(dit: DiT, denoiser: DiTDenoiser, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return denoiser(x, torch.full((len(x),), 0.6), torch.ones(len(x), 1, *x.shape[2:]), context)


def test_text_made_where_it_is_used_is_text_that_was_kept(dit: DiT, card: Card) -> None:
    x, context = torch.randn(2, 16, 2, 4, 4), torch.randn(2, 7, 16)
    made = []
    for chosen in (kernels.Kernels(), card):
        kernels.use("cpu", chosen)
        try:
            network = DiTDenoiser(dit, positions=torch.zeros(2), spans=torch.ones(2), fps=8.0)
            made.append(denoised(dit, network, x, context))
        finally:
            kernels.use("cpu", None)
    torch.testing.assert_close(made[1], made[0], rtol=1e-4, atol=1e-5)


def test_a_forward_is_recorded_once_for_each_plan_and_text(
    dit: DiT, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[int] = []

    def record(self: graphs.Recording, forward: graphs.Forward, pool: object) -> None:
        recorded.append(1)
        self.graph = type("Graph", (), {"replay": lambda _: self.__setattr__("output", forward(self.x, self.sigma))})()

    monkeypatch.setattr(graphs.Recording, "record", record)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    kernels.use("cpu", card)
    try:
        network = DiTDenoiser(dit, positions=torch.zeros(2), spans=torch.ones(2), fps=8.0)
        contexts = [torch.randn(1, 7, 16), torch.randn(1, 9, 16)]
        for _ in range(5):
            for context in contexts:
                x = torch.randn(1, 16, 2, 4, 4)
                plain = DiTDenoiser(dit, positions=torch.zeros(2), spans=torch.ones(2), fps=8.0)
                torch.testing.assert_close(
                    denoised(dit, network, x, context), denoised(dit, plain, x, context), rtol=1e-5, atol=1e-6
                )
        assert len(recorded) == 2, "once for each text"
        denoised(dit, network, torch.randn(1, 16, 2, 12, 24), contexts[0])
        assert len(recorded) == 2, "many tokens are not recorded"
    finally:
        kernels.use("cpu", None)


def test_a_card_that_records_nothing_goes_on(
    dit: DiT, card: Card, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(graphs.Recording, "record", fails)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    kernels.use("cpu", card)
    try:
        network = DiTDenoiser(dit, positions=torch.zeros(2), spans=torch.ones(2), fps=8.0)
        x, context = torch.randn(1, 16, 2, 4, 4), torch.randn(1, 7, 16)
        first, *others = [denoised(dit, network, x, context) for _ in range(5)]
        assert all(torch.equal(first, other) for other in others)
    finally:
        kernels.use("cpu", None)
    assert caplog.text.count("records no graphs") == 1 and "more" not in caplog.text


def test_a_card_joins_the_halves_of_guidance_for_few_tokens_alone(dit: DiT, card: Card) -> None:
    model: Any = SimpleNamespace(dit=dit, device=torch.device("cpu"), team=None)
    few, many = (SimpleNamespace(mask=torch.ones(1, 1, 2, side, side)) for side in (16, 40))
    assert runs_as_one_batch(model, few) and runs_as_one_batch(model, many), "a processor always does"  # type: ignore
    kernels.use("cpu", card)
    try:
        assert runs_as_one_batch(model, few) and not runs_as_one_batch(model, many)  # type: ignore[arg-type]
    finally:
        kernels.use("cpu", None)


def test_the_fastest_attention_is_chosen_once_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def named(name: str, error: float = 0.0, fails: bool = False) -> choice.Attention:
        def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            ran.append(name)
            if fails:
                raise RuntimeError("no such kernel here")
            return choice.default(q, k, v) * (1 + error)

        return run

    times = {"slow": 2.0, "fast": 1.0, "wrong": 0.1, "absent": 0.0}
    kernel = {name: named(name, 0.2 * (name == "wrong"), name == "absent") for name in times}
    monkeypatch.setattr(choice, "milliseconds", lambda run, *_: times[next(n for n, k in kernel.items() if k is run)])
    pick = AttentionChoice(kernel)
    q, k = torch.randn(1, 4100, 1, 8), torch.randn(1, 40, 1, 8)
    for _ in range(3):
        torch.testing.assert_close(pick(q, k, k), choice.default(q, k, k))
    assert ran.count("wrong") == 1 and ran.count("fast") == 4, "measured once, then used"
    assert pick.report() == ["attention of 4,096 queries, 32 keys and more, float32: fast 1.00 ms, slow 2.00 ms"]
    ran.clear()
    pick(q[:, :100], k, k)
    assert not ran, "few queries are not worth it"


def test_a_convolution_over_pictures_is_the_one_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = torch.nn.Conv3d(6, 4, 3, padding=(0, 1, 1)).requires_grad_(False)
    conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last_3d)
    x = torch.randn(2, 6, 5, 8, 7).contiguous(memory_format=torch.channels_last_3d)
    made = choice.as_pictures(conv, x)
    torch.testing.assert_close(made, conv(x), rtol=1e-5, atol=1e-5)
    assert made.is_contiguous(memory_format=torch.channels_last_3d)
    monkeypatch.setattr(choice, "milliseconds", lambda form, *_: float(form is choice.as_video))
    pick = choice.ConvolutionChoice()
    for clip in (x, x, x[:, :, :4]):
        torch.testing.assert_close(pick(conv, clip), conv(clip), rtol=1e-5, atol=1e-5)
    assert pick.report() == ["convolutions: 2 sizes 2-D"]


@pytest.mark.parametrize("works", [True, False])
def test_eight_bits_are_multiplied_where_that_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, works: bool
) -> None:
    made: list[int] = []

    def product(a: torch.Tensor, b: torch.Tensor, *, scale_a: torch.Tensor, scale_b: torch.Tensor, **_: Any) -> Any:
        made.append(1)
        if not works:
            raise RuntimeError("no such product\nand more")
        return ((a.float() * scale_a) @ (b.float() * scale_b)).bfloat16()

    monkeypatch.setattr(torch, "_scaled_mm", product)
    monkeypatch.setattr(cuda, "eight_bit_works", lambda device: True)
    layers = [eight_bit.Linear(32, size).requires_grad_(False) for size in (48, 16)]
    for layer in layers:
        layer.take_scales(len(layer.weight))
        layer.scale.data = layer.weight.abs().amax(1, keepdim=True) / 448
        layer.weight = torch.nn.Parameter((layer.weight / layer.scale).to(torch.float8_e4m3fn), requires_grad=False)
        layer.bias.data = layer.bias.bfloat16()
    x = torch.randn(2, 5, 32).bfloat16()
    with torch.no_grad():
        expected = [layer(x) for layer in layers]
        kernels.use("cpu", CardKernels(AttentionChoice({})))
        try:
            found = [*kernels.of(x).linears(layers, x), layers[0](x)]
            alone = layers[0](x[0, :1])  # too few to be worth it
        finally:
            kernels.use("cpu", None)
    for a, b in zip(found, [*expected, expected[0]], strict=True):
        assert a.shape == b.shape and (a - b).float().norm() / b.float().norm() < 0.05
    assert torch.equal(alone, layers[0](x[0, :1]))
    assert len(made) == (3 if works else 1) and (caplog.text.count("widened on this card") == 0) == works


def test_eight_bit_products_differ_by_what_their_numbers_leave_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bits of mantissa round to within a sixteenth, 2.6% of a normal number's square root of the mean square; a
    product of two such has 1.4 times that, whatever the scale of a token or an output."""

    def product(a: torch.Tensor, b: torch.Tensor, *, scale_a: torch.Tensor, scale_b: torch.Tensor, **_: Any) -> Any:
        return ((a.float() * scale_a) @ (b.float() * scale_b)).bfloat16()

    monkeypatch.setattr(torch, "_scaled_mm", product)
    torch.manual_seed(0)
    exact = torch.nn.Linear(512, 256, bias=False).requires_grad_(False)
    exact.weight.data = torch.randn(256, 512) * torch.logspace(-3, 3, 256)[:, None]
    layer = eight_bit.Linear(512, 256, bias=False).requires_grad_(False)
    layer.take_scales(256)
    layer.scale.data = exact.weight.abs().amax(1, keepdim=True) / 448
    layer.weight = torch.nn.Parameter((exact.weight / layer.scale).to(torch.float8_e4m3fn), requires_grad=False)
    x = (torch.randn(64, 512) * torch.logspace(-2, 2, 64)[:, None]).bfloat16()
    card = CardKernels(AttentionChoice({}))
    small, scale = card.quantised(x)
    assert float((small.float() * scale - x.float()).norm() / x.float().norm()) == pytest.approx(0.026, abs=0.004)
    found, expected = cuda.eight_bit_product(layer, small, scale, x).float(), exact(x.float())
    for axis in (0, 1):
        error = (found - expected).norm(dim=axis) / expected.norm(dim=axis)
        assert 0.02 < float(error.median()) < 0.05 and float(error.max()) < 0.25


def test_kernels_that_do_not_compile_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(CardKernels):
        def modulated(self, *_: object) -> torch.Tensor:
            raise OSError("no compiler\nand more")

    class Wrong(CardKernels):
        def modulated(self, x_LD: torch.Tensor, *_: object) -> torch.Tensor:
            return x_LD

    for kind, words in ((Broken, "OSError: no compiler)"), (Wrong, "modulated came out wrong")):
        caplog.clear()
        assert not works(lambda kind=kind: kind(AttentionChoice({})), torch.device("cpu"))
        assert words in caplog.text and "plain formulas run instead" in caplog.text
    assert works(lambda: CardKernels(AttentionChoice({})), torch.device("cpu"))
