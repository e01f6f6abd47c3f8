"""What is measured on a card, one function for each kind of row: `benchmarks/card.py` runs them in order."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from card_sheet import Run, Sheet, Using, error, paired, peak, ratios, under
from sora_nodes.sora_core.bench import bench, peers
from sora_nodes.sora_core.bench.bench import our_sample, peer_sample, transformer_floor, transformer_work, with_floor
from sora_nodes.sora_core.diffusion import cfg, sample
from sora_nodes.sora_core.diffusion.schedule import schedule
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.layers import kernels
from sora_nodes.sora_core.layers.eight_bit import EightBitOps, Linear
from sora_nodes.sora_core.layers.kernels import Kernels, choice
from sora_nodes.sora_core.layers.kernels.cuda import CardKernels
from sora_nodes.sora_core.layers.packing import Layout
from sora_nodes.sora_core.layers.rotary import Rotation
from sora_nodes.sora_core.types import LatentState
from sora_nodes.sora_core.vae.wan21 import Wan21Config

__all__ = ["SECTIONS"]

LONG = 45
"""seconds that the longest forward takes with all that stands beside it, and some for what follows"""


def grids(sheet: Sheet) -> dict[int, tuple[int, int, int]]:
    """Tokens -> latent T, H, W; the longest first."""
    if sheet.small:
        return {32: (2, 8, 8), 16: (1, 8, 8)}
    return {32768: (8, 128, 128), 4096: (4, 64, 64), 1024: (4, 32, 32)}


def transformers(sheet: Sheet) -> tuple[Any, Any, Any]:
    """Config, ours and the peer (None where it is not installed), on the same weights."""
    if "transformers" not in sheet.shared:
        config = DiTConfig()
        if sheet.small:
            config = DiTConfig(width=256, depth=2, heads=2, mlp_width=512, text_width=64)
        dtype = torch.float32 if sheet.small else torch.bfloat16
        ours, peer = peers.transformer(config, dtype, sheet.device), None
        try:
            peer = peers.peer_transformer(config, ours).to(sheet.device)
        except Exception as failed:
            sheet.row("the peer is missing", f"{type(failed).__name__}: {str(failed)[:200]}")
        sheet.shared["transformers"] = config, ours, peer
    return sheet.shared["transformers"]


def prompt(sheet: Sheet, config: Any, dtype: Any) -> Any:
    return bench.prompt(config, dtype).to(sheet.device)


def our_denoiser(dit: Any, t: int) -> Any:
    return DiTDenoiser(dit, positions=torch.zeros(t), spans=torch.ones(t), fps=16.0)


def afresh(dit: Any, t: int, given: tuple[Any, ...]) -> None:
    """Some calls of a denoiser of its own: what it keeps counts as memory."""
    denoise = our_denoiser(dit, t)
    for _ in range(4):
        denoise(*given)


def machine(sheet: Sheet) -> None:
    """What runs here, and the two ceilings."""
    card = torch.cuda.get_device_name() if sheet.device.type == "cuda" else "cpu"
    sheet.row("device", card, torch=torch.__version__, python=sys.version.split()[0])
    began = time.perf_counter()
    chosen = kernels.for_device(sheet.device)
    sheet.row("kernels", chosen.name, chosen_in_s=time.perf_counter() - began)
    side, many = (256, 1 << 16) if sheet.small else (8192, 1 << 30)
    dtype = torch.float32 if sheet.small else torch.bfloat16
    a, b = (torch.randn(side, side, device=sheet.device).to(dtype) for _ in range(2))
    x, y = (torch.randn(many, device=sheet.device).to(dtype) for _ in range(2))
    times = paired(sheet, {"product": partial(torch.mm, a, b), "copy": partial(y.copy_, x)}, warm=2, limit=3)
    sheet.row("bare product", 2 * side**3 / times["product"] / 1e9, "TFLOP/s")
    sheet.row("copy", 2 * many * x.element_size() / times["copy"] / 1e6, "GB/s")


def forward(sheet: Sheet) -> None:
    """The forward of Wan 1.3B beside the peer and the floor, with memory; one kernel choice beside the others."""
    config, ours, peer = transformers(sheet)
    dtype = ours.patch_embedding.weight.dtype
    fast = kernels.for_device(sheet.device)
    for tokens, (t, h, w) in grids(sheet).items():
        if tokens > 8192 and sheet.left() < LONG:
            sheet.row(f"forward, {tokens} tokens, not begun", sheet.left(), "s left")
            continue
        x = torch.randn(1, config.channels, t, h, w, device=sheet.device).to(dtype)
        level, mask, text = (
            torch.tensor([0.7]),
            torch.ones(1, 1, t, h, w, device=sheet.device),
            prompt(sheet, config, dtype),
        )
        sigma = level.to(sheet.device)
        floor = transformer_floor(ours, tokens, config.text_tokens, dtype, sheet.device)
        denoise = our_denoiser(ours, t)
        runs: dict[str, Run] = {"ours": partial(denoise, x, level, mask, text), "floor": floor}
        if peer is not None:
            runs["peer"] = partial(peer, x, sigma * 1000, text, return_dict=False)
        if isinstance(fast, CardKernels):
            runs["floor, best attention"] = best_floor(ours, tokens, config, dtype, fast.choice)
            plan, kept = denoise.plan(x, mask), ours.text(text)
            runs["ours, not recorded"] = lambda plan=plan, kept=kept, x=x, s=sigma: ours([x], s, plan, kept)
            unfused = CardKernels(fast.choice)
            runs["ours, not fused"] = under(sheet, unfused, runs["ours, not recorded"])
        times = paired(sheet, runs)
        for name, value in times.items():
            sheet.row(f"forward, {tokens} tokens, {name}", value, "ms")
        pairs = [("ours", "peer"), ("ours", "floor"), ("ours", "floor, best attention"), ("peer", "floor")]
        found = ratios(times, *pairs)
        sheet.row(f"forward, {tokens} tokens", found.get("ours/peer", 0.0), "ours/peer", **found)
        work = transformer_work(config, tokens, config.text_tokens)
        sheet.row(f"forward, {tokens} tokens, rate", work / times["ours"] / 1e9, "TFLOP/s")
        memory = {"ours": peak(sheet, lambda t=t, given=(x, level, mask, text): afresh(ours, t, given))}
        if "peer" in times:
            memory["peer"] = peak(sheet, runs["peer"])
        sheet.row(f"forward, {tokens} tokens, memory over the weights", memory.get("ours", 0.0), "MB", **memory)
        sheet.save()
        del denoise, runs, floor
    for note in fast.notes():
        sheet.row("chosen", note)


def best_floor(dit: Any, tokens: int, config: Any, dtype: Any, choice: Any) -> Run:
    """The floor with the attention kernel that was measured as the fastest."""
    device = dit.patch_embedding.weight.device
    x, hidden = (torch.randn(tokens, width, device=device).to(dtype) for width in (config.width, config.mlp_width))
    q, k = (
        torch.randn(1, n, config.heads, config.head_dim, device=device).to(dtype) for n in (tokens, config.text_tokens)
    )

    def run() -> None:
        for block in dit.blocks:
            a, b = block.self_attn, block.cross_attn
            for linear in (a.q, a.k, a.v, a.o, b.q, b.o, block.ffn[0]):
                linear(x)
            block.ffn[2](hidden)
            choice(q, q, q)
            choice(q, k, k)

    return run


def attention(sheet: Sheet) -> None:
    """Every kernel at hand beside torch's own choice."""
    heads, dim = (2, 32) if sheet.small else (12, 128)
    dtype = torch.float32 if sheet.small else torch.bfloat16
    for tokens in grids(sheet):
        for keys in {tokens, 512}:
            q, k, v = (torch.randn(1, n, heads, dim, device=sheet.device).to(dtype) for n in (tokens, keys, keys))
            runs = {
                name: partial(kernel, q, k, v)
                for name, kernel in {"default": choice.default, **choice.candidates()}.items()
            }
            for name, value in paired(sheet, runs, warm=2, limit=3).items():
                rate = 4 * tokens * keys * heads * dim / value / 1e9
                sheet.row(f"attention, {tokens} queries, {keys} keys, {name}", value, "ms", tflops=rate)


def codec(sheet: Sheet) -> None:
    """Decode and encode of the Wan 2.1 codec beside the peer and the bare convolutions, with memory."""
    dtype = torch.float32 if sheet.small else torch.bfloat16
    config = Wan21Config(width=8) if sheet.small else Wan21Config()
    ours = peers.codec(config, dtype, sheet.device)
    ours.to(sheet.device).prepacked()
    try:
        # weights of its own: ours lie channels-last, and the peer is measured as it comes
        peer = peers.peer_codec(config, peers.codec(config, dtype, sheet.device)).to(sheet.device)
    except Exception as failed:
        peer = None
        sheet.row("the peer is missing", f"{type(failed).__name__}: {str(failed)[:200]}")
    side, fast = 32 if sheet.small else 256, kernels.for_device(sheet.device)
    for frames in (5,) if sheet.small else (17, 5, 33):
        clip = (torch.rand(1, 3, frames, side, side, device=sheet.device) * 2 - 1).to(dtype)
        latent = torch.randn(1, config.channels, 1 + frames // 4, side // 8, side // 8, device=sheet.device).to(dtype)
        for what, given in (("decode", latent), ("encode", clip)):
            name = f"codec {what}, {frames} frames of {side}x{side}"
            getattr(ours, what)(given)  # forms of convolutions are chosen
            mine, floor = with_floor(partial(getattr(ours, what), given), sheet.device)
            mine()  # notes its convolutions
            sheet.shared.setdefault("codec", partial(getattr(ours, what), given))
            runs: dict[str, Run] = {"ours": mine, "floor": floor}
            if peer is not None:
                runs["peer"] = partial(getattr(peer, what), given, return_dict=False)
            if isinstance(fast, CardKernels):
                runs["ours, not fused"] = under(sheet, CardKernels(fast.choice), mine)
            times = paired(sheet, runs, rounds=5, warm=2, limit=5)
            found = ratios(times, ("ours", "peer"), ("ours", "floor"), ("peer", "floor"))
            sheet.row(
                name, found.get("ours/peer", 0.0), "ours/peer", **found, **{f"{k} ms": v for k, v in times.items()}
            )
            memory = {key: peak(sheet, runs[key]) for key in ("ours", "peer") if key in times}
            sheet.row(f"{name}, memory over the weights", memory.get("ours", 0.0), "MB", **memory)
            if peer is not None and what == "decode":
                ours_raw = getattr(peer, what)(ours._denormalise(latent).to(dtype), return_dict=False)[0]
                sheet.row(
                    f"{name}, difference from the peer", error(ours.decode(latent).clamp(-1, 1), ours_raw), "relative"
                )
            sheet.save()


def sampling(sheet: Sheet) -> None:
    """20 steps with cfg, as the pipeline runs it (both halves as one batch) and one after the other, and the peer."""
    config, ours, peer = transformers(sheet)
    dtype = ours.patch_embedding.weight.dtype
    for tokens, grid in list(grids(sheet).items())[::-1][:2]:
        noise, sigmas = torch.randn(1, config.channels, *grid, device=sheet.device), schedule("simple", 20, shift=8.0)
        cond, uncond = prompt(sheet, config, dtype), prompt(sheet, config, dtype)

        def together(noise: Any = noise, sigmas: Any = sigmas, cond: Any = cond, uncond: Any = uncond) -> Any:
            zeros, t = torch.zeros_like(noise), noise.shape[2]
            state = LatentState(
                latent=zeros, clean=zeros, mask=torch.ones_like(noise[:, :1]), positions=torch.zeros(t),
                spans=torch.ones(t, dtype=torch.int64),
            )  # fmt: skip
            return sample(cfg(our_denoiser(ours, t), 6.0, uncond=uncond), state, noise, sigmas, cond)

        runs: dict[str, Run] = {
            "ours": together,
            "ours, one by one": partial(our_sample, ours, noise, sigmas, cond, uncond),
        }
        if peer is not None:
            runs["peer"] = partial(peer_sample, peer, noise, sigmas, cond, uncond)
        times = paired(sheet, runs, rounds=3, warm=1, limit=12)
        found = ratios(times, ("ours", "peer"), ("ours, one by one", "peer"))
        name = f"sampling, 20 steps with cfg, {tokens} tokens"
        sheet.row(name, found.get("ours/peer", 0.0), "ours/peer", **found, **{f"{k} ms": v for k, v in times.items()})
        memory = {key: peak(sheet, run) for key, run in runs.items() if key in times}
        sheet.row(f"{name}, memory over the weights", memory.get("ours", 0.0), "MB", **memory)
        sheet.save()


def eight_bit(sheet: Sheet) -> None:
    """The same forward from fp8 weights with a scale per output: time, and error beside bfloat16's."""
    config, ours, _ = transformers(sheet)
    with torch.device("meta"):
        small = DiT(config, ops=EightBitOps)
    state = ours.state_dict()
    values: dict[str, Any] = {}
    for name, layer in small.named_modules():
        if isinstance(layer, Linear):
            weight = state[f"{name}.weight"]
            scale = weight.float().abs().amax(1, keepdim=True) / 448
            layer.take_scales(len(weight))
            values |= {f"{name}.weight": (weight.float() / scale).to(torch.float8_e4m3fn), f"{name}.scale": scale}
    small.load_state_dict({**state, **values}, assign=True)
    small.requires_grad_(False).eval()
    for tokens, (t, h, w) in grids(sheet).items():
        x = torch.randn(1, config.channels, t, h, w, device=sheet.device).to(state["patch_embedding.weight"].dtype)
        given = (x, torch.tensor([0.7]), torch.ones(1, 1, t, h, w, device=sheet.device), prompt(sheet, config, x.dtype))
        runs = {"bfloat16": partial(our_denoiser(ours, t), *given), "fp8": partial(our_denoiser(small, t), *given)}
        times = paired(sheet, runs, rounds=5)
        fast = kernels.for_device(sheet.device)
        sheet.row(
            f"fp8, {tokens} tokens",
            times["bfloat16"] / times["fp8"],
            "times as fast",
            multiplied=isinstance(fast, CardKernels) and fast.eight.get(x.device, False),
            **{f"{k} ms": v for k, v in times.items()},
        )
        sheet.row(
            f"fp8, {tokens} tokens, differs from bfloat16 by", error(runs["fp8"](), runs["bfloat16"]()), "relative"
        )


def parity(sheet: Sheet) -> None:
    """The fused kernels beside the formulas in float32, and bfloat16 beside the peer's error."""
    config, ours, peer = transformers(sheet)
    t, h, w = list(grids(sheet).values())[-1]
    exact = deepcopy(ours).float()
    text = prompt(sheet, config, torch.float32)
    x, mask = (
        torch.randn(1, config.channels, t, h, w, device=sheet.device),
        torch.ones(1, 1, t, h, w, device=sheet.device),
    )
    low, level = ours.patch_embedding.weight.dtype, torch.tensor([0.7])
    x, text = x.to(low).float(), text.to(low).float()
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    with Using(sheet, Kernels()):
        reference = our_denoiser(exact, t)(x, level, mask, text)
    fused = our_denoiser(exact, t)
    made = [fused(x, level, mask, text) for _ in range(4)]
    torch.backends.cuda.matmul.allow_tf32 = before
    sheet.row(
        "parity, float32, fused beside plain",
        error(made[0], reference),
        "relative",
        recorded=error(made[-1], reference),
    )
    velocity = x - reference
    mine = our_denoiser(ours, t)
    rough = [x - mine(x.to(low), level, mask, text.to(low)) for _ in range(4)]
    errors = {"ours": error(rough[0], velocity), "ours, recorded": error(rough[-1], velocity)}
    if peer is not None:
        theirs = peer(x.to(low), level.to(sheet.device) * 1000, text.to(low), return_dict=False)[0]
        errors["peer"] = error(theirs * 0.7, velocity)
    sheet.row("parity, bfloat16 beside float32", errors["ours"], "relative", **errors)


def parts(sheet: Sheet) -> None:
    """Each fused part: how near it comes to the rate of a copy."""
    length, width, heads = (64, 256, 2) if sheet.small else (32768, 1536, 12)
    dtype = torch.float32 if sheet.small else torch.bfloat16
    x, u = (torch.randn(length, width, device=sheet.device).to(dtype) for _ in range(2))
    rows = torch.zeros(1, dtype=torch.int64, device=sheet.device)
    layout = Layout(groups=(), levels=rows.float(), rows=rows, run=length)
    table = torch.randn(1, 6, width, device=sheet.device).unbind(1)
    angle = torch.randn(length, 1, width // heads // 2, device=sheet.device)
    rotation, norm = (
        Rotation(cos=angle.cos(), sin=angle.sin()),
        torch.nn.RMSNorm(width, eps=1e-6).to(sheet.device, dtype),
    )
    size = x.numel() * x.element_size()
    for kind, chosen in (("fused", kernels.for_device(sheet.device)), ("plain", Kernels())):
        runs: dict[str, tuple[Run, int]] = {
            "modulated": (lambda k=chosen: k.modulated(x, table[0], table[1], layout, 1e-6), 2),
            "gated": (lambda k=chosen: k.gated(x, u, table[2], layout), 3),
            "normed": (lambda k=chosen: k.normed(norm, x, heads, rotation), 2),
        }
        for name, value in paired(sheet, {n: r for n, (r, _) in runs.items()}, warm=2, limit=3).items():
            sheet.row(f"part, {name}, {kind}", value, "ms", gb_s=runs[name][1] * size / value / 1e6)


def convolutions(sheet: Sheet) -> None:
    """The forms that a convolution of the codec may take, by cuDNN's guess and by its trials; the codec with trials."""
    dtype = torch.float32 if sheet.small else torch.bfloat16
    for channels, side in ((8, 16),) if sheet.small else ((96, 256), (192, 128), (384, 64)):
        weight = torch.randn(channels, channels, 3, 3, 3, device=sheet.device).to(dtype)
        clip = torch.randn(1, channels, 6, side, side, device=sheet.device).to(dtype)
        last, taps = (
            torch.channels_last_3d,
            torch.cat(weight.unbind(2), 1).contiguous(memory_format=torch.channels_last),
        )
        frames = (
            torch.randn(4, 3 * channels, side, side, device=sheet.device)
            .to(dtype)
            .contiguous(memory_format=torch.channels_last)
        )
        for tried in (False, True):
            torch.backends.cudnn.benchmark = tried
            forms = {
                "3-D": partial(F.conv3d, clip, weight, padding=(0, 1, 1)),
                "3-D channels-last": partial(
                    F.conv3d,
                    clip.contiguous(memory_format=last),
                    weight.contiguous(memory_format=last),
                    padding=(0, 1, 1),
                ),
                "taps as channels": partial(F.conv2d, frames, taps, padding=1),
            }
            for name, value in paired(sheet, forms, warm=2, rounds=5, limit=3).items():
                rate = 2 * 27 * channels**2 * 4 * side**2 / value / 1e9
                sheet.row(
                    f"convolution, {channels} channels, 4 of {side}x{side}, {name}",
                    value,
                    "ms",
                    tflops=rate,
                    algorithms_tried=tried,
                )
        torch.backends.cudnn.benchmark = False
    if sheet.left() > 12:
        decode = sheet.shared.get("codec") or decoding(sheet)
        sheet.row("codec decode, 17 frames, cuDNN's guess", paired(sheet, {"run": decode}, warm=2)["run"], "ms")
        torch.backends.cudnn.benchmark = True
        sheet.row("codec decode, 17 frames, cuDNN's trials", paired(sheet, {"run": decode}, warm=2)["run"], "ms")
        torch.backends.cudnn.benchmark = False


def decoding(sheet: Sheet) -> Run:
    """Our codec's decode of 17 frames."""
    dtype, side = (torch.float32, 4) if sheet.small else (torch.bfloat16, 32)
    config = Wan21Config(width=8) if sheet.small else Wan21Config()
    ours = peers.codec(config, dtype, sheet.device).to(sheet.device).prepacked()
    return partial(ours.decode, torch.randn(1, config.channels, 5, side, side, device=sheet.device).to(dtype))


def bundled(sheet: Sheet) -> None:
    """The bundled model on the card beside the CPU: a clip of 2 s, its time and its frames."""
    from sora_nodes.sora_core import pipeline

    size = VideoSize(frames=17, height=64, width=64, fps=8.0)
    videos = {}
    for device in dict.fromkeys((str(sheet.device), "cpu")):
        model = pipeline.load_bundled(device=device)
        for said in ("first", "second"):
            began = time.perf_counter()
            videos[device] = (
                pipeline.sample_video(model, ["a red ball rolls to the left on snow"], size, seed=1).float().cpu()
            )
            sheet.row(f"bundled, 64x64, 2 s, {device}, {said} time", time.perf_counter() - began, "s")
    made, exact = videos[str(sheet.device)], videos["cpu"]
    sheet.row(
        "bundled, frames beside the CPU's",
        float(10 * torch.log10(4 / (made - exact).square().mean().clamp(min=1e-12))),
        "dB",
    )


SECTIONS: tuple[Callable[[Sheet], None], ...] = (
    machine, forward, codec, sampling, eight_bit, parity, attention, parts, bundled, convolutions,
)  # fmt: skip
