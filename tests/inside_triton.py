"""Run by test_kernels in a process of its own, with Triton's interpreter: the card's kernels on a CPU, beside the
plain formulas."""

import sys
from functools import partial

import torch
from sora_nodes.sora_core.dit import ClipGrid, DiT, DiTConfig
from sora_nodes.sora_core.dit.model import TokenPlan
from sora_nodes.sora_core.layers import kernels
from sora_nodes.sora_core.layers.kernels import parts
from sora_nodes.sora_core.layers.kernels.choice import AttentionChoice
from sora_nodes.sora_core.layers.kernels.cuda import CardKernels, FusedKernels, works
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config

SHAPES = [(1, 1, 2, 2), (1, 3, 4, 6), (2, 3, 4, 6), (6, 2, 4, 4), (1, 5, 2, 8), (3, 1, 4, 4), (1, 4, 6, 6)]


def grid(n: int, t: int, h: int, w: int, mask: torch.Tensor | None = None) -> ClipGrid:
    return ClipGrid(
        shape=(n, t, h, w),
        positions=torch.zeros(n, t),
        spans=torch.ones(n, t),
        seconds_per_frame=torch.ones(n),
        mask=mask,
    )


def both(run):  # type: ignore[no-untyped-def]
    """By the plain formulas, and by the card's kernels."""
    out = []
    for chosen in (kernels.Kernels(), FusedKernels(AttentionChoice({}))):
        kernels.use("cpu", chosen)
        with torch.no_grad():
            out.append(run())
    return out


def close(name: str, plain: torch.Tensor, fused: torch.Tensor, limit: float = 1e-5) -> None:
    error = ((plain - fused).norm() / plain.norm()).item()
    assert error < limit, f"{name}: {error}"
    assert error > 0 or plain.numel() < 4, f"{name}: the fused path did not run"


def forward(dit: DiT, x: torch.Tensor, sigma: torch.Tensor, plan: TokenPlan, text: torch.Tensor) -> torch.Tensor:
    return dit([x], sigma, plan, dit.text(text))[0]


def transformer() -> None:
    torch.manual_seed(0)
    for config in (
        DiTConfig(width=96, depth=2, heads=3, mlp_width=80, text_width=16, text_tokens=24),
        DiTConfig(
            width=120, depth=1, heads=2, mlp_width=48, text_width=16, text_tokens=9, per_position_time=True,
            grid_features=True, input_gate=True,
        ),
    ):  # fmt: skip
        dit = DiT(config).requires_grad_(False).eval()
        for n, t, h, w in SHAPES:
            mask = None
            if config.per_position_time:
                mask = (torch.rand(n, 1, t, h, w) > 0.4).float() if h == 4 else torch.ones(n, 1, t, h, w)
                mask[:, :, 0] = 0
            plan = dit.plan([grid(n, t, h, w, mask)])
            given = torch.randn(n, 16, t, h, w), torch.rand(n), plan, torch.randn(n, 7, 16)
            close(f"transformer {n, t, h, w}", *both(partial(forward, dit, *given)))


def streamed(codec: Wan21Codec, latent: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(codec.decode_stream(latent.split(1, 2))), 2)


def codec() -> None:
    torch.manual_seed(0)
    for codec in (
        Wan21Codec(Wan21Config(width=6)),
        Wan22Codec(Wan22Config(width=6, decoder_width=10)),
    ):
        codec.requires_grad_(False).eval().prepacked()
        side = 2 * codec.geometry.space_factor
        clip = torch.rand(2, 3, 9, side, side) * 2 - 1
        close("encode", *both(partial(codec.encode, clip)), limit=1e-4)
        latent = torch.randn(2, codec.geometry.channels, 3, 2, 4)
        close("decode", *both(partial(codec.decode, latent)), limit=1e-4)
        close("streamed", *both(partial(streamed, codec, latent)), limit=1e-4)


def eight_bit() -> None:
    x = torch.randn(5, 48) * torch.tensor([1e-3, 1, 10, 300, 0])[:, None]
    small, scale = FusedKernels(AttentionChoice({})).quantised(x)
    plain, expected = CardKernels(AttentionChoice({})).quantised(x)
    torch.testing.assert_close(scale, expected)
    assert (small.float() == plain.float()).float().mean() > 0.95, "the interpreter halves what rounds up to a power"


if __name__ == "__main__":
    assert parts.triton is not None and works(lambda: FusedKernels(AttentionChoice({})), torch.device("cpu"))
    {"transformer": transformer, "codec": codec, "eight_bit": eight_bit}[sys.argv[1]]()
