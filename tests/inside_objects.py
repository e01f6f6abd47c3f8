"""Our MODEL, CLIP and VAE as this ComfyUI builds its own, in seconds; see `inside_toys.py`."""

# ruff: noqa: I001 - inside_toys finds ComfyUI for what follows

from __future__ import annotations

import torch
from inside_toys import PROMPT, Our, differ, objects, refused, run, stock
import comfy.model_patcher
from sora_pack.nodes.comfy import model as sora_model  # type: ignore[import-not-found]
from sora_pack.nodes.comfy import text as sora_text
from sora_pack.nodes.comfy import vae as sora_vae


def check_vae(our: Our) -> None:
    """ComfyUI's four VAE nodes give our codec's numbers, a clip of any length included."""
    codec = our.core.codec
    latent = torch.randn(1, our.core.geometry.channels, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    right = (codec.decode(latent)[0].movedim(0, -1).clamp(-1, 1) + 1) / 2
    image = stock.VAEDecode().decode(our.vae, {"samples": latent})[0]
    differ("VAEDecode", image, right)
    differ("VAEDecodeTiled", stock.VAEDecodeTiled().decode(our.vae, {"samples": latent}, 512, 64, 64, 8)[0], right)
    again = codec.encode(right.movedim(-1, 0)[None] * 2 - 1)
    differ("VAEEncode", stock.VAEEncode().encode(our.vae, right)[0]["samples"], again)
    differ("VAEEncodeTiled", stock.VAEEncodeTiled().encode(our.vae, right, 512, 64, 64, 8)[0]["samples"], again)
    whole = torch.cat([right[:3], right[2:3].expand(2, -1, -1, -1)])
    three, five = (stock.VAEEncode().encode(our.vae, frames)[0]["samples"] for frames in (right[:3], whole))
    differ("VAEEncode, 3 frames", three, five)
    differ("after all that, the input", right, (codec.decode(latent)[0].movedim(0, -1).clamp(-1, 1) + 1) / 2)


def check_a_wrong_vae_is_refused(our: Our) -> None:
    """Whatever a host does with a VAE, other numbers than ours are not taken in silence."""
    dark, short = sora_vae.SoraVAE(our.core), sora_vae.SoraVAE(our.core)
    dark.process_output = lambda image: image.mul_(0.5)
    short.decode_tiled = lambda samples, **_: torch.zeros(1, 1, 16, 16, 3)
    for vae, part in ((dark, "`decode` on ours is off by"), (short, "`decode_tiled` on ours gives [1, 16, 16, 3]")):
        refused(part, lambda vae=vae: sora_vae.checked(vae))


def check_patchers(our: Our) -> None:
    """MODEL and CLIP are wrapped in what this ComfyUI's start chose, and can be made once more without it."""

    class Chosen(comfy.model_patcher.ModelPatcher):
        pass

    known = hasattr(comfy.model_patcher, "CoreModelPatcher")
    before = getattr(comfy.model_patcher, "CoreModelPatcher", None)
    comfy.model_patcher.CoreModelPatcher = Chosen
    try:
        assert type(sora_model.sora_patcher(our.core)) is Chosen
        assert not known or type(sora_text.sora_clip(our.core).patcher) is Chosen
        make, given = sora_model.sora_patcher(our.core).cached_patcher_init
        assert type(make(*given, disable_dynamic=True)) is comfy.model_patcher.ModelPatcher
    finally:
        comfy.model_patcher.CoreModelPatcher = before
        if not known:
            del comfy.model_patcher.CoreModelPatcher


def check_little_memory(our: Our) -> None:
    """On a host that is told it has no memory to spare, layers stay behind and the numbers are the same."""
    x = torch.randn(1, our.core.geometry.channels, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    said, level = our.said[0][0], torch.tensor([700.0])
    right = our.model.model.diffusion_model(x, level, said)
    patcher = sora_model.sora_patcher(our.core)
    patcher.patch_model(device_to=torch.device("cpu"), lowvram_model_memory=1)
    assert patcher.model.model_lowvram
    differ("transformer with no memory", patcher.model.diffusion_model(x, level, said), right)
    clip = sora_text.sora_clip(our.core)
    clip.patcher.patch_model(device_to=torch.device("cpu"), lowvram_model_memory=1)
    differ("text encoder with no memory", clip.cond_stage_model.encode_token_weights(clip.tokenize(PROMPT))[0], said)
    assert objects.geometry_of(our.vae) == our.core.geometry


if __name__ == "__main__":
    run(check_vae, check_a_wrong_vae_is_refused, check_patchers, check_little_memory)
