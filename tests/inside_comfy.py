"""Run by `test_comfy.py` with ComfyUI's Python: our model under stock samplers, and ComfyUI's models under our nodes.

    python inside_comfy.py COMFYUI PACK

Prints FOUND and a JSON: {"differences": {name: largest difference}, "failed": {name: what was raised}}.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from typing import Any

COMFY, PACK = sys.argv[1], sys.argv[2]
sys.argv = ["main.py", "--cpu", "--use-pytorch-cross-attention"]
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

from sora_pack.nodes import adapters, comfy_model, editing, sampling  # type: ignore[import-not-found]  # noqa: E402
from sora_pack.sora_core import pipeline  # type: ignore[import-not-found]  # noqa: E402
from sora_pack.sora_core.diffusion import ring  # type: ignore[import-not-found]  # noqa: E402

LAYERS = {"operations": comfy.ops.disable_weight_init, "dtype": torch.float32, "device": "cpu"}
PROMPT = "a red ball rolls to the left on snow at sunset"
FOUND: dict[str, dict[str, Any]] = {"differences": {}, "failed": {}}


def differ(name: str, a: torch.Tensor, b: torch.Tensor) -> None:
    FOUND["differences"][name] = float((a - b).abs().max()) if a.shape == b.shape else f"{list(a.shape)} and {list(b.shape)}"


def ours(model: Any, context: Any, latent: Any, **settings: Any) -> torch.Tensor:
    given = {"seed": 5, "steps": 3, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple", **settings}
    return adapters.sample(model=model, positive=context, latent=latent, **given)["samples"]


def grid(vae: Any, width: int = 96, height: int = 96, seconds: float = 0.6) -> Any:
    return sampling.SoraNoiseGrid.execute(vae, sampling.FREE, 64, width, height, seconds, 8.0).result[0]


class Our:
    """The bundled model: plain, and as ComfyUI's own objects."""

    def __init__(self) -> None:
        self.core = pipeline.load_bundled()
        self.model, self.clip, self.vae = comfy_model.native(self.core)
        self.said, self.text = self.encoded(PROMPT), adapters.encode_text(self.core, PROMPT)
        self.empty = self.encoded("")

    def encoded(self, text: str) -> Any:
        return stock.CLIPTextEncode().encode(self.clip, text)[0]


def check_samplers(our: Our) -> None:
    differ("text features", our.said[0][0], our.text[0][0])
    latent = grid(our.vae)
    for solver in adapters.SAMPLERS:
        for scheduler in adapters.SCHEDULERS:
            made = stock.KSampler().sample(our.model, 5, 3, 3.0, solver, scheduler, our.said, our.empty, latent)[0]["samples"]
            same = ours(our.core, our.text, latent, sampler_name=solver, scheduler=scheduler)
            differ(f"KSampler {solver} {scheduler}", made, same)
    wide = grid(our.vae, 128, 64)
    differ("Sora Sampler, another size", ours(our.model, our.said, wide), ours(our.core, our.text, wide))


def check_kept(our: Our) -> None:
    latent = grid(our.vae)
    start = ours(our.core, our.text, latent)
    mask = torch.ones(1, 1, *start.shape[2:])
    mask[:, :, 0] = mask[:, :, :, :4] = 0
    kept = {**latent, "samples": start, "noise_mask": mask}
    made = stock.KSampler().sample(our.model, 6, 3, 3.0, "euler", "simple", our.said, our.empty, kept)[0]["samples"]
    differ("KSampler with a mask", made, ours(our.core, our.text, kept, seed=6))
    differ("kept part", ours(our.model, our.said, kept, seed=6)[:, :, 0], start[:, :, 0])


def check_codec(our: Our) -> None:
    latent = ours(our.core, our.text, grid(our.vae))
    image = stock.VAEDecode().decode(our.vae, {"samples": latent})[0]
    same = torch.cat(list(pipeline.decode_stream(our.core.codec, latent)), 2)[0].movedim(0, -1)
    differ("VAEDecode", image, (same + 1) / 2)
    differ("VAEDecodeTiled, one tile", stock.VAEDecodeTiled().decode(our.vae, {"samples": latent}, 512, 64, 64, 8)[0], image)
    differ("VAEEncode", stock.VAEEncode().encode(our.vae, image)[0]["samples"], our.core.codec.encode(image.movedim(-1, 0)[None] * 2 - 1))
    whole = torch.cat([image[:3], image[2:3].expand(2, -1, -1, -1)])
    differ("VAEEncode, 3 frames", *(stock.VAEEncode().encode(our.vae, frames)[0]["samples"] for frames in (image[:3], whole)))


def check_verbs(our: Our) -> None:
    """Edits sample through ComfyUI as through our own loop: spans, rings and shots."""
    empty = grid(our.vae, seconds=1.0)
    looped = editing.SoraLoopVideo.execute(our.vae, 1.0, 8, latent=empty).result[0]
    differ("ring", ours(our.model, our.said, looped), ours(our.core, our.text, looped))
    for transition in ("cut", "blend"):
        shots = f"0.5: {PROMPT}\n0.5: a blue cone on grass at noon"
        there, latent = editing.SoraStoryboard.execute(our.clip, our.vae, shots, transition, 0.25, empty).result[:2]
        here, same = editing.SoraStoryboard.execute(our.core, our.core, shots, transition, 0.25, empty).result[:2]
        differ(f"shots, {transition}", ours(our.model, there, latent), ours(our.core, here, same))
    clip = ours(our.core, our.text, empty)
    longer = editing.SoraExtendVideo.execute(our.vae, 1.0, "forward", 8, samples={**empty, "samples": clip}).result[0]
    differ("extended from a latent", ours(our.model, our.said, longer), ours(our.core, our.text, longer))


def check_stock_features(our: Our) -> None:
    """Batches, odd sizes, other solvers and guiders: that they run and give finite numbers."""
    channels = our.core.geometry.channels
    for name, shape in {"a batch of two": (2, channels, 2, 4, 6), "odd sizes": (1, channels, 2, 7, 9)}.items():
        made = stock.KSampler().sample(our.model, 1, 2, 3.0, "uni_pc", "simple", our.said, our.empty, {"samples": torch.zeros(shape)})[0]
        assert made["samples"].shape == shape and bool(made["samples"].isfinite().all()), name
    name, weight = next(item for item in our.model.model.state_dict().items() if item[0].endswith("self_attn.q.weight"))
    touched = our.model.clone()
    touched.add_patches({name: (torch.ones_like(weight) * 0.05,)})
    latent = grid(our.vae)
    assert not torch.equal(ours(touched, our.said, latent), ours(our.model, our.said, latent)), "a weight patch changes nothing"
    differ("after a weight patch", ours(our.model, our.said, latent), ours(our.core, our.text, latent))
    picture = comfy_model.moving_preview(torch.zeros(1, channels, 3, 4, 4), our.model.get_model_object("latent_format"), 8.0)
    assert picture and len(picture[1].frames) == 3


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
    return tiny(comfy.ldm.lightricks.model.LTXVModel(cross_attention_dim=128, attention_head_dim=4, num_layers=2, **LAYERS))


def vae_like(channels: int, time: int, space: int) -> Any:
    """What a video VAE says of itself; its weights are not needed to size a grid."""
    vae = object.__new__(comfy.sd.VAE)
    vae.latent_channels, vae.latent_dim = channels, 3
    vae.upscale_ratio = (lambda frames: max(0, (frames - 1) * time + 1), space, space)
    vae.downscale_ratio = (lambda frames: max(0, (frames + time - 1) // time), space, space)
    return vae


def check_wan(our: Our) -> None:
    latent = grid(vae_like(16, 4, 8), 64, 64, 1.1)
    assert list(latent["samples"].shape) == [1, 16, 3, 8, 8]
    for kind, channels in (("t2v", 16), ("i2v", 36)):
        check_theirs(f"Wan {kind}", tiny_wan(kind, channels), latent)


def check_ltx(our: Our) -> None:
    latent = grid(vae_like(128, 8, 32), 96, 64, 2.1)
    assert list(latent["samples"].shape) == [1, 128, 3, 2, 3]
    check_theirs("LTX", tiny_ltx(), latent)


def check_theirs(name: str, model: Any, latent: Any) -> None:
    """Our sampler gives what theirs gives, our patches act under theirs, kept parts stay."""
    known = {"attention_mask": torch.ones(1, 8, dtype=torch.int64)} if name == "LTX" else {}
    said = [[torch.randn(1, 8, 4096, generator=torch.Generator().manual_seed(1)), known]]
    none = [[torch.zeros(1, 8, 4096), known]]
    plain = stock.KSampler().sample(model, 5, 3, 3.0, "euler", "simple", said, none, latent)[0]["samples"]
    differ(f"{name}: Sora Sampler and KSampler", ours(model, said, latent, negative=none), plain)
    rolled = comfy_model.patched(model, "sora_ring", ring)
    turned = stock.KSampler().sample(rolled, 5, 3, 3.0, "euler", "simple", said, none, latent)[0]["samples"]
    assert bool(turned.isfinite().all()) and not torch.equal(turned, plain), f"ring time does nothing to {name}"
    mask = torch.ones(1, 1, *latent["samples"].shape[2:])
    mask[:, :, 0] = 0
    given = {**latent, "samples": plain, "noise_mask": mask}
    kept = ours(model, said, given, negative=none)
    differ(f"{name} keeps what is kept", kept[:, :, 0], plain[:, :, 0])
    still = comfy_model.patched(model, "nothing", lambda denoiser, sigmas: denoiser)
    differ(f"{name} under an empty patch", ours(still, said, given, negative=none), kept)


def check_refusals(our: Our) -> None:
    latent = grid(our.vae)
    foreign = [[torch.zeros(1, 8, 4096), {}]]
    for what, call in {
        "takes text features of width": lambda: ours(our.model, foreign, latent),
        "negative is not linked": lambda: ours(tiny_wan("t2v", 16), foreign, {"samples": torch.zeros(1, 16, 2, 8, 8)}),
        "channels and the model": lambda: ours(our.model, our.said, {"samples": torch.zeros(1, 4, 2, 12, 12)}),
        "VAE of a video model": lambda: adapters.geometry_of(object()),
    }.items():
        try:
            call()
        except Exception as error:
            text = str(error)
            assert what in text, text
        else:
            raise AssertionError(f"nothing is said of {what}")


def main() -> None:
    with torch.inference_mode():
        our = Our()
        for check in (check_samplers, check_kept, check_codec, check_verbs, check_stock_features, check_wan, check_ltx, check_refusals):
            try:
                check(our)
            except Exception:
                FOUND["failed"][check.__name__] = traceback.format_exc()[-1500:]
    sys.stdout.write("FOUND" + json.dumps(FOUND))


if __name__ == "__main__":
    assert Path(COMFY).is_dir()
    main()
