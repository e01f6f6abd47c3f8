"""For the scripts that `test_comfy.py` runs with ComfyUI's Python: the pack loaded as ComfyUI loads it, our model,
tiny ones of theirs.

    python inside_*.py COMFYUI PACK

Each prints FOUND and a JSON: {"differences": {name: largest difference}, "failed": {check: what was raised}}.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

COMFY, PACK = sys.argv[1], sys.argv[2]
sys.argv = ["main.py", "--cpu", "--use-pytorch-cross-attention", "--base-directory", str(Path.cwd())]
sys.path.insert(0, COMFY)

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
import comfy.ldm.lightricks.model  # noqa: E402
import comfy.ldm.wan.model  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import torch  # noqa: E402

import nodes as stock  # noqa: E402

SPEC = importlib.util.spec_from_file_location("sora_pack", f"{PACK}/__init__.py", submodule_search_locations=[PACK])
assert SPEC and SPEC.loader
pack = importlib.util.module_from_spec(SPEC)
sys.modules["sora_pack"] = pack
SPEC.loader.exec_module(pack)

from sora_pack.nodes import models, sampling  # type: ignore[import-not-found]  # noqa: E402
from sora_pack.nodes.comfy import models as objects  # type: ignore[import-not-found]  # noqa: E402
from sora_pack.nodes.native import models as native_models  # type: ignore[import-not-found]  # noqa: E402
from sora_pack.sora_core import pipeline  # type: ignore[import-not-found]  # noqa: E402

LAYERS = {"operations": comfy.ops.disable_weight_init, "dtype": torch.float32, "device": "cpu"}
PROMPT = "a red ball rolls to the left on snow at sunset"
FOUND: dict[str, dict[str, Any]] = {"differences": {}, "failed": {}}


def differ(name: str, a: torch.Tensor, b: torch.Tensor) -> None:
    FOUND["differences"][name] = (
        float((a - b).abs().max()) if a.shape == b.shape else f"{list(a.shape)} and {list(b.shape)}"
    )


def refused(part: str, call: Callable[[], Any]) -> None:
    """The call raises, in one sentence that has this part."""
    try:
        call()
    except Exception as error:
        text = str(error)
        assert part in text and "\n" not in text, text
    else:
        raise AssertionError(f"nothing is said of {part}")


def ours(model: Any, context: Any, latent: Any, **settings: Any) -> torch.Tensor:
    """By Sora Sampler: in ComfyUI, or as without it where the model is the core's own."""
    widgets: dict[str, Any] = {"seed": 5, "steps": 3, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple"}
    given = {**widgets, "denoise": 1.0, **settings}
    with natively() if isinstance(model, pipeline.SoraModel) else nullcontext():
        return sampling.SoraSampler.execute(model=model, positive=context, latent=latent, **given).result[0]["samples"]


@contextmanager
def natively() -> Iterator[None]:
    """Our nodes as they are without ComfyUI, where MODEL, CLIP and VAE are the core's own."""
    chosen, models.current = models.current, lambda: native_models
    try:
        yield
    finally:
        models.current = chosen


def theirs(
    model: Any,
    positive: Any,
    negative: Any,
    latent: Any,
    sampler: str = "euler",
    scheduler: str = "simple",
    *,
    steps: int = 3,
) -> torch.Tensor:
    """By ComfyUI's KSampler."""
    return stock.KSampler().sample(model, 5, steps, 3.0, sampler, scheduler, positive, negative, latent)[0]["samples"]


def grid(vae: Any, width: int = 96, height: int = 96, seconds: float = 0.6, fps: float = 8.0) -> Any:
    return sampling.SoraNoiseGrid.execute(vae, sampling.FREE, 64, width, height, seconds, fps).result[0]


class Our:
    """The bundled model: plain, and as ComfyUI's own objects."""

    def __init__(self) -> None:
        self.core = pipeline.load_bundled()
        self.model, self.clip, self.vae = objects.load(self.core)
        self.said, self.text = self.encoded(PROMPT), native_models.encode(self.core, PROMPT)
        self.empty = self.encoded("")

    def encoded(self, text: str) -> Any:
        return stock.CLIPTextEncode().encode(self.clip, text)[0]


def tiny(net: Any) -> Any:
    """A network with random weights, loaded as ComfyUI loads a checkpoint."""
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(value.shape, generator=generator) * 0.02 for name, value in net.state_dict().items()}
    return comfy.sd.load_diffusion_model_state_dict(weights)


def tiny_wan(kind: str, channels: int) -> Any:
    """Wan 2.1 of two blocks."""
    sizes = {"dim": 128, "ffn_dim": 128, "num_heads": 1, "num_layers": 2}
    return tiny(comfy.ldm.wan.model.WanModel(model_type=kind, in_dim=channels, **sizes, **LAYERS))


def tiny_ltx() -> Any:
    """LTX-Video of two blocks."""
    return tiny(
        comfy.ldm.lightricks.model.LTXVModel(cross_attention_dim=128, attention_head_dim=4, num_layers=2, **LAYERS)
    )


def vae_like(channels: int, time: int, space: int) -> Any:
    """What a video VAE says of itself; its weights are not needed to size a grid."""
    vae = object.__new__(comfy.sd.VAE)
    vae.latent_channels, vae.latent_dim = channels, 3
    vae.upscale_ratio = (lambda frames: max(0, (frames - 1) * time + 1), space, space)
    vae.downscale_ratio = (lambda frames: max(0, (frames + time - 1) // time), space, space)
    return vae


def run(*checks: Callable[[Our], None]) -> None:
    """Runs checks as ComfyUI runs nodes, and says what they found."""
    with torch.inference_mode():
        our = Our()
        for check in checks:
            try:
                check(our)
            except Exception:
                FOUND["failed"][check.__name__] = traceback.format_exc()[-2000:]
    sys.stdout.write("FOUND" + json.dumps(FOUND))
