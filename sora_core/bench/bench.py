"""Speed and memory of our modules beside another implementation's on the same weights, and beside their floor.

Runs are paired (A B A B ...), figures are medians. The floor of a figure is the bare matrix products, attentions and
convolutions of the same shapes in the same run: what no implementation on these kernels can go below.

    rows = run_bench("transformer", against="diffusers")     # [{"name", "ours", "peer", "ratio", "unit"}, ...]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any
from weakref import finalize

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..diffusion import cfg, sample
from ..diffusion.schedule import schedule
from ..dit.config import DiTConfig
from ..dit.denoiser import DiTDenoiser
from ..dit.model import ClipGrid, DiT
from ..errors import InputError
from ..text.umt5 import UMT5Config
from ..types import LatentState, Progress
from ..vae.wan21 import Wan21Config
from . import peers

__all__ = ["SUBJECTS", "run_bench"]

Run = Callable[[], Any]
Clock = Callable[[], float]
Row = dict[str, Any]
GRIDS = {1024: (4, 32, 32), 4096: (4, 64, 64)}
"""tokens -> latent T, H, W"""
LONG_GRIDS = {**GRIDS, 32768: (8, 128, 128)}
"""those of a graphics card"""
SQUARE = 4096
"""rows and columns of the product whose rate stands for the processor's or card's"""
GUIDANCE = 6.0
"""of sampling"""
WORDS = 120
"""tokens of the prompt, zero-padded to 512"""


def run_bench(
    subject: str,
    *,
    against: str = "diffusers",
    rounds: int = 5,
    dtype: torch.dtype = torch.bfloat16,
    blocks: int | None = None,
    only: str = "",
    processor: bool = False,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> list[Row]:
    """Rows for one subject. Raises InputError for an unknown subject or peer, and where no case is left.

    blocks: of the transformer or text encoder instead of all (blocks are alike). only: cases whose name contains this.
    processor: seconds of processor time, summed over threads, which other work on the machine changes little.
    """
    if subject not in SUBJECTS:
        raise InputError(f"there is no benchmark {subject!r}; choose one of: {', '.join(SUBJECTS)}")
    if against != "diffusers":
        raise InputError(f"the benchmarks compare against diffusers, not {against!r}")
    if rounds < 1:
        raise InputError(f"a benchmark needs at least one round, not {rounds}")
    rows: list[Row] = []
    device = torch.device(device)
    with torch.inference_mode():
        cases = [case for case in SUBJECTS[subject](dtype, blocks, device) if only in case.name]
        if not cases:
            raise InputError(f"the benchmark {subject!r} has no case with {only!r} in its name")
        for done, case in enumerate(cases):
            if progress:
                progress(done, len(cases))
            rows += compared(case, device, rounds=rounds, clock=time.process_time if processor else time.perf_counter)
    if progress:
        progress(len(cases), len(cases))
    return rows


def compared(case: Case, device: torch.device, *, rounds: int, clock: Clock) -> Iterator[Row]:
    """Peak memory of one case, behind a run of each that counts for nothing, since what a library sets up once is no
    case's; then time."""
    name, runs = case.name, [case.ours, case.peer]
    case.ours(), case.peer()
    held = [peak(run, device) for run in runs]
    runs += [run for run in (case.floor, case.product) if run]
    for run in runs[2:]:
        seconds(run, clock, device)
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for i, run in enumerate(runs):
            times[i].append(seconds(run, clock, device))
    mine, theirs, *least = (statistics.median(t) for t in times)
    yield row(name, mine, theirs, "s")
    if case.floor:
        yield row(f"{name}, beside its floor", mine, least[0], "s")
        yield row(f"{name}, the peer beside that floor", theirs, least[0], "s")
    if case.product:
        yield row(
            f"{name}, beside the rate of products", case.work / mine / 1e12, 2 * SQUARE**3 / least[-1] / 1e12, "TFLOP/s"
        )
    yield row(f"{name}, peak memory over the weights", held[0] / 1e6, held[1] / 1e6, "MB")


def row(name: str, ours: float, peer: float, unit: str) -> Row:
    return {
        "name": name,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "ratio": round(ours / max(peer, 1e-9), 3),
        "unit": unit,
    }


def seconds(run: Run, clock: Clock, device: torch.device) -> float:
    began = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began


def peak(run: Run, device: torch.device) -> int:
    """Bytes of the tensors that live at once during a run, at their highest: on a CPU the same in every run.

    What the system counts as resident is more, for kernels have working memory of their own, and varies.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    with LiveTensors() as live:
        run()
    return live.most


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of the tensors that are made within it, for as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {storage_of(tensor) for tensor in tree_leaves((args, kwargs)) if counted(tensor)}
        for tensor in tree_leaves(out):
            if counted(tensor) and storage_of(tensor) not in given and storage_of(tensor) not in self.sizes:
                self._begins(tensor.untyped_storage())
        return out

    def _begins(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self.sizes[key] = size
        self.now += size
        self.most = max(self.most, self.now)
        finalize(storage, self._ends, key)

    def _ends(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


def counted(thing: Any) -> bool:
    """Whether it is a tensor of numbers in memory; prepacked weights lie in oneDNN's."""
    return isinstance(thing, Tensor) and not thing.is_mkldnn


def storage_of(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is timed: ours, the peer, and what stands beside them."""

    name: str
    ours: Run
    peer: Run
    floor: Run | None = None
    product: Run | None = None
    """one product of SQUARE x SQUARE matrices"""
    work: float = 0.0
    """operations of ours, two to a multiplication, where there is a product to set them beside"""


Cases = Iterator[Case]


def both_transformers(config: DiTConfig, dtype: torch.dtype, device: torch.device) -> tuple[DiT, nn.Module]:
    """Ours, its weights prepacked, and the peer."""
    ours = peers.transformer(config, dtype).to(device)
    peer = peers.peer_transformer(config, ours).to(device)
    return ours.prepacked(), peer


def bench_transformer(dtype: torch.dtype, blocks: int | None, device: torch.device) -> Cases:
    """The forward of Wan 1.3B."""
    config = DiTConfig(depth=blocks or DiTConfig().depth)
    ours, peer = both_transformers(config, dtype, device)
    square = torch.randn(SQUARE, SQUARE).to(device, dtype)
    for tokens, (t, h, w) in (LONG_GRIDS if device.type == "cuda" else GRIDS).items():
        x, sigma = torch.randn(1, config.channels, t, h, w).to(device, dtype), torch.tensor([0.7], device=device)
        text = prompt(config, dtype).to(device)
        plan, keys = ours.plan([clip_grid(t, h, w)], device=device), ours.text(text)
        words = keys[0].k.shape[1]
        yield Case(
            name=f"transformer, Wan 1.3B{shortened(config)}, {tokens} tokens",
            ours=partial(ours, [x], sigma, plan, keys),
            peer=partial(peer, x, sigma * 1000, text, return_dict=False),
            floor=transformer_floor(ours, tokens, words, dtype, device),
            product=partial(torch.mm, square, square),
            work=transformer_work(config, tokens, words),
        )


def transformer_work(config: DiTConfig, tokens: int, words: int) -> float:
    """Operations of the blocks, text already projected: linear layers, and both products of both attentions."""
    weights = 6 * config.width**2 + 2 * config.width * config.mlp_width
    return 2.0 * config.depth * tokens * (weights + 2 * config.width * (tokens + words))


def shortened(config: DiTConfig) -> str:
    return "" if config.depth == DiTConfig().depth else f", {config.depth} blocks"


def prompt(config: DiTConfig, dtype: torch.dtype) -> Tensor:
    text = torch.zeros(1, config.text_tokens, config.text_width, dtype=dtype)
    text[:, :WORDS] = torch.randn(1, WORDS, config.text_width)
    return text


def clip_grid(t: int, h: int, w: int) -> ClipGrid:
    return ClipGrid(
        shape=(1, t, h, w), positions=torch.zeros(1, t), spans=torch.ones(1, t), seconds_per_frame=torch.ones(1)
    )


def transformer_floor(dit: DiT, tokens: int, words: int, dtype: torch.dtype, device: torch.device) -> Run:
    """The products and attentions of every block, text already projected."""
    c = dit.config
    x, hidden = (torch.randn(tokens, width).to(device, dtype) for width in (c.width, c.mlp_width))
    q, k = (torch.randn(1, c.heads, length, c.head_dim).to(device, dtype) for length in (tokens, words))

    def run() -> None:
        for block in dit.blocks:
            a, b = block.self_attn, block.cross_attn
            for linear in (a.q, a.k, a.v, a.o, b.q, b.o, block.ffn[0]):  # type: ignore[union-attr, index]
                linear(x)  # type: ignore[operator]
            block.ffn[2](hidden)  # type: ignore[index, operator]
            F.scaled_dot_product_attention(q, q, q)
            F.scaled_dot_product_attention(q, k, k)

    return run


def bench_codec(dtype: torch.dtype, blocks: int | None, device: torch.device) -> Cases:
    """Encode and decode of the Wan 2.1 codec."""
    config = Wan21Config()
    ours = peers.codec(config, dtype).to(device)
    peer = peers.peer_codec(config, ours).to(device)
    ours.prepacked()
    side = 256
    for frames in (5, 17, 33):
        clip = (torch.rand(1, 3, frames, side, side) * 2 - 1).to(device, dtype)
        latent = torch.randn(1, 16, 1 + frames // 4, side // 8, side // 8).to(device, dtype)
        for what, mine, theirs in (
            ("decode", partial(ours.decode, latent), partial(codec_of(peer, "decode"), latent, return_dict=False)),
            ("encode", partial(ours.encode, clip), partial(codec_of(peer, "encode"), clip, return_dict=False)),
        ):
            run, floor = with_floor(mine, device)
            yield Case(
                name=f"codec, Wan 2.1, {what} {frames} frames of {side}x{side}", ours=run, peer=theirs, floor=floor
            )


def codec_of(peer: nn.Module, what: str) -> Callable[..., Any]:
    return getattr(peer, what)


class Convolutions(TorchDispatchMode):
    """Notes the convolutions made within it: what was called, its input as a shape alone, and its other arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Any], Tensor, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__.startswith("conv"):
            self.calls.append((func, torch.empty_like(args[0], device="meta"), args[1:]))
        return func(*args, **(kwargs or {}))


def with_floor(run: Run, device: torch.device) -> tuple[Run, Run]:
    """The run, and its floor: the convolutions that its first call makes, in the shapes it makes them in."""
    noted = Convolutions()

    def watched() -> None:
        if noted.calls:
            return run()
        with noted:
            run()

    def floor() -> None:
        for convolution, shape, rest in noted.calls:
            convolution(torch.empty_like(shape, device=device), *rest)

    return watched, floor


def bench_text(dtype: torch.dtype, blocks: int | None, device: torch.device) -> Cases:
    """One prompt through umT5-XXL (four of its blocks: all alike)."""
    config = UMT5Config(vocabulary=1000, depth=blocks or 4)
    ours = peers.text_encoder(config, dtype).to(device)
    peer = peers.peer_text_encoder(config, ours).to(device)
    tokens = torch.randint(2, config.vocabulary, (1, 512)).to(device)
    there = torch.zeros(1, 512, dtype=torch.int64, device=device)
    there[:, :WORDS] = 1
    row_of = tokens[:, :WORDS].tolist()
    linears = [layer for layer in ours.encoder.modules() if isinstance(layer, nn.Linear)]
    inputs = [torch.randn(WORDS, layer.in_features).to(device, dtype) for layer in linears]

    def floor() -> None:
        for layer, x in zip(linears, inputs, strict=True):
            layer(x)

    name = f"text encoder, umT5-XXL, {config.depth} blocks, {WORDS} tokens"
    yield Case(
        name=name, ours=lambda: ours.encode(row_of), peer=lambda: peer(tokens, attention_mask=there), floor=floor
    )


def bench_sample(dtype: torch.dtype, blocks: int | None, device: torch.device) -> Cases:
    """20 steps with cfg, the peer as its pipeline runs it: one forward for cond, one for uncond."""
    config = DiTConfig(depth=blocks or DiTConfig().depth)
    ours, peer = both_transformers(config, dtype, device)
    for tokens, grid in GRIDS.items():
        noise, sigmas = torch.randn(1, config.channels, *grid).to(device), schedule("simple", 20, shift=8.0)
        cond, uncond = prompt(config, dtype).to(device), prompt(config, dtype).to(device)
        yield Case(
            name=f"sampling, Wan 1.3B{shortened(config)}, {len(sigmas) - 1} steps, cfg, {tokens} tokens",
            ours=partial(our_sample, ours, noise, sigmas, cond, uncond),
            peer=partial(peer_sample, peer, noise, sigmas, cond, uncond),
        )


def our_sample(dit: DiT, noise: Tensor, sigmas: Tensor, cond: Tensor, uncond: Tensor) -> Tensor:
    zeros, t = torch.zeros_like(noise), noise.shape[2]
    state = LatentState(
        latent=zeros,
        clean=zeros,
        mask=torch.ones_like(noise[:, :1]),
        positions=torch.zeros(t),
        spans=torch.ones(t, dtype=torch.int64),
    )
    denoiser = DiTDenoiser(dit, positions=state.positions, spans=state.spans, fps=16.0)
    return sample(cfg(denoiser, GUIDANCE, uncond=uncond, batched=False), state, noise, sigmas, cond)


def peer_sample(peer: nn.Module, noise: Tensor, sigmas: Tensor, cond: Tensor, uncond: Tensor) -> Tensor:
    x = noise
    for sigma, after in pairwise(sigmas):
        given, level = x.to(cond.dtype), sigma.expand(1).to(x.device) * 1000
        positive, negative = (peer(given, level, text, return_dict=False)[0].float() for text in (cond, uncond))
        x = x + float(after - sigma) * (negative + GUIDANCE * (positive - negative))
    return x


SUBJECTS: dict[str, Callable[[torch.dtype, int | None, torch.device], Cases]] = {
    "transformer": bench_transformer,
    "codec": bench_codec,
    "text": bench_text,
    "sample": bench_sample,
}
"""What can be compared: name -> its cases, built one after the other."""
