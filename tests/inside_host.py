"""What ComfyUI does with a MODEL, CLIP and VAE beside sampling, on ours: cast, offload, patch, save, cut, refuse; see
`inside_toys.py`."""

# ruff: noqa: I001 - inside_toys finds ComfyUI for what follows

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from inside_toys import (
    LAYERS, PROMPT, Our, objects, differ, grid, ours, pipeline, refused, run, stock, theirs, tiny,
    tiny_wan, vae_like,
)  # fmt: skip

import comfy.ldm.modules.diffusionmodules.mmdit as mmdit
import comfy.ops
import folder_paths
import torch
from comfy_extras import (
    nodes_context_windows,
    nodes_custom_sampler,
    nodes_easycache,
    nodes_model_advanced,
    nodes_model_merging,
    nodes_train,
)
from comfy_extras import nodes_freelunch as free
from comfy_extras import nodes_pag as pag
from comfy_extras import nodes_sag as sag
from comfy_extras import nodes_slg as slg
from comfy_extras import nodes_tomesd as tome
from safetensors.torch import save_file
from sora_pack.nodes import (  # type: ignore[import-not-found]
    assembly, calls, editing, loading, patches, sampling, video,
)  # fmt: skip
from sora_pack.nodes.comfy import model as comfy_model  # type: ignore[import-not-found]
from sora_pack.nodes.layouts import edits  # type: ignore[import-not-found]
from sora_pack.nodes.comfy import text as comfy_text  # type: ignore[import-not-found]
from sora_pack.sora_core.dit import DiT  # type: ignore[import-not-found]


def step(net: Any, our: Our, dtype: torch.dtype = torch.float32, window: Any = None) -> torch.Tensor:
    """One call of a network on a small grid, or on a context window of it."""
    x = torch.randn(1, our.core.geometry.channels, 3, 4, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    options = {} if window is None else {"transformer_options": {"context_window": window}}
    return net(x, torch.tensor([700.0]), our.said[0][0].to(dtype), **options)


def windows(model: Any, length: int) -> Any:
    """WAN Context Windows of `length` frames; what a version asks besides has its default."""
    node = nodes_context_windows.WanContextWindowsManualNode
    given = {"model": model, "context_length": length, "context_overlap": 5, "context_schedule": "standard_static"}
    given |= {"context_stride": 1, "closed_loop": False, "fuse_method": "pyramid"}
    other = {asked.id: asked.default for asked in node.define_schema().inputs if asked.id not in given}
    return node.execute(**given, **other).result[0]


def check_casting(our: Our) -> None:
    """Weights in another dtype than the input: every layer is given the input's, and so is what lies between layers."""

    def watched(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert given[0].dtype == torch.float32, f"{type(module).__name__} is given {given[0].dtype}"

    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        net = comfy_model.SoraTransformer(
            our.core.dit.config, dtype=dtype, device="cpu", operations=comfy.ops.manual_cast
        ).to(dtype)
        net.load_state_dict(our.core.dit.state_dict())
        plain = comfy_model.SoraTransformer(
            our.core.dit.config, dtype=torch.float32, operations=comfy.ops.disable_weight_init
        )
        plain.load_state_dict(net.state_dict())
        handles = [
            module.register_forward_pre_hook(watched) for module in net.modules() if isinstance(module, torch.nn.Linear)
        ]
        made = step(net, our)
        assert handles and made.dtype == torch.float32
        differ(f"weights in {dtype}", made, step(plain, our))
    half = comfy_text.SoraText(our.core.text.config, dtype=torch.bfloat16, device="cpu").to(torch.bfloat16)
    half.load_state_dict(our.core.text.state_dict())
    assert half(torch.tensor([[2, 3, 0]])).isfinite().all()


def check_low_memory(our: Our) -> None:
    """Most layers left behind, with a patch that is applied as they are cast: the same numbers."""
    for name, patcher in {
        "one layer of memory": comfy_model.sora_patcher(our.core),
        "no memory": comfy_model.sora_patcher(our.core),
    }.items():
        key = next(key for key in patcher.model.state_dict() if key.endswith("ffn.0.weight"))
        patcher.add_patches({key: (torch.full_like(patcher.model.state_dict()[key], 0.01),)})
        patcher.patch_model(
            device_to=torch.device("cpu"), lowvram_model_memory=2_000_000 if name.startswith("one") else 1
        )
        assert patcher.model.model_lowvram and patcher.model.lowvram_patch_counter
        made = step(patcher.model.diffusion_model, our)
        patcher.unpatch_model(torch.device("cpu"))
        patcher.patch_model(device_to=torch.device("cpu"))
        differ(f"transformer with {name}", made, step(patcher.model.diffusion_model, our))
    clip = comfy_text.sora_clip(our.core)
    clip.patcher.patch_model(device_to=torch.device("cpu"), lowvram_model_memory=1)
    differ(
        "text encoder with no memory",
        clip.cond_stage_model.encode_token_weights(clip.tokenize(PROMPT))[0],
        our.said[0][0],
    )


def check_guiders(our: Our) -> None:
    """SamplerCustomAdvanced under both guiders, and ModelSamplingSD3."""
    latent, custom = grid(our.vae), nodes_custom_sampler
    told = patches.SoraModelForLatent.execute(our.model, latent).result[0]
    sigmas = custom.BasicScheduler().get_sigmas(told, "simple", 3, 1.0)[0]
    noise, euler = custom.RandomNoise().get_noise(5)[0], custom.KSamplerSelect().get_sampler("euler")[0]
    for name, guider, cfg in (
        ("CFGGuider", custom.CFGGuider().get_guider(told, our.said, our.empty, 3.0)[0], 3.0),
        ("BasicGuider", custom.BasicGuider().get_guider(told, our.said)[0], 1.0),
    ):
        made = custom.SamplerCustomAdvanced().sample(noise, guider, euler, sigmas, latent)[0]["samples"]
        differ(name, made, ours(our.core, our.text, latent, cfg=cfg))
    for sampler in ("uni_pc", "res_multistep", "dpmpp_2m_sde", "lcm"):
        solver = custom.KSamplerSelect().get_sampler(sampler)[0]
        assert (
            custom.SamplerCustomAdvanced().sample(noise, guider, solver, sigmas, latent)[0]["samples"].isfinite().all()
        ), sampler
    shifted = nodes_model_advanced.ModelSamplingSD3().patch(our.model, 4.5)[0]
    same = ours(shifted, our.said, latent)
    differ("ModelSamplingSD3, both samplers", theirs(shifted, our.said, our.empty, latent), same)
    differ("ModelSamplingSD3, our rule by hand", same, ours(our.core, our.text, latent))
    assert not torch.equal(
        same, ours(nodes_model_advanced.ModelSamplingSD3().patch(our.model, 9.0)[0], our.said, latent)
    )


def check_schedules(our: Our) -> None:
    """Flow schedules of other models, which differ in the unit of a timestep alone, and what cannot be a schedule."""
    latent, custom, advanced = grid(our.vae), nodes_custom_sampler, nodes_model_advanced
    same = theirs(advanced.ModelSamplingSD3().patch(our.model, 3.0)[0], our.said, our.empty, latent)
    aura = advanced.ModelSamplingAuraFlow().patch_aura(our.model, 3.0)[0]
    differ("ModelSamplingAuraFlow", theirs(aura, our.said, our.empty, latent), same)
    for patched in (
        advanced.ModelSamplingDiscrete().patch(our.model, "v_prediction", False)[0],
        advanced.ModelSamplingContinuousEDM().patch(our.model, "eps", 120.0, 0.002)[0],
    ):
        refused("sampled as a flow", lambda patched=patched: theirs(patched, our.said, our.empty, latent))
    levels = custom.KarrasScheduler().get_sigmas(3, 14.6, 0.03, 7.0)[0]
    guider, euler = (
        custom.BasicGuider().get_guider(our.model, our.said)[0],
        custom.KSamplerSelect().get_sampler("euler")[0],
    )
    noise = custom.RandomNoise().get_noise(5)[0]
    refused(
        "takes sigmas from 1 to 0, and a scheduler before the sampler gives it 14.6",
        lambda: custom.SamplerCustomAdvanced().sample(noise, guider, euler, levels, latent),
    )


def check_regions(our: Our) -> None:
    """Regions as shares of the picture, and masks with bounds, through Sora Sampler: as a mask of all frames says."""
    latent, blue = grid(our.vae, 128, 64), our.encoded("a blue cube spins on grass at noon")
    left = torch.zeros(1, 64, 128)
    left[:, :, :64] = 1
    masked = [
        stock.ConditioningCombine().combine(
            stock.ConditioningSetMask().append(our.said, left, area, 1.0)[0],
            stock.ConditioningSetMask().append(blue, 1 - left, area, 1.0)[0],
        )[0]
        for area in ("default", "mask bounds")
    ]
    differ("masks with bounds", *(ours(our.model, said, latent) for said in masked))
    halves = stock.ConditioningCombine().combine(
        stock.ConditioningSetAreaPercentage().append(our.said, 0.5, 1.0, 0.0, 0.0, 1.0)[0],
        stock.ConditioningSetAreaPercentage().append(blue, 0.5, 1.0, 0.5, 0.0, 1.0)[0],
    )[0]
    fixed = stock.ConditioningCombine().combine(
        stock.ConditioningSetArea().append(our.said, 64, 64, 0, 0, 1.0)[0],
        stock.ConditioningSetArea().append(blue, 64, 64, 64, 0, 1.0)[0],
    )[0]
    differ("halves of the picture", *(ours(our.model, said, latent) for said in (halves, fixed)))


def check_merged(our: Our) -> None:
    """Merged wholly into another model, it is that one: the weights that a block holds beside its layers, too."""
    latent, other = grid(our.vae), objects.load(pipeline.load_bundled(fast=True))[0]
    plain = ours(our.model, our.said, latent)
    merged = nodes_model_merging.ModelMergeBlocks().merge(our.model, other, input=0.0, middle=0.0, out=0.0)[0]
    for time in ("once", "twice"):
        differ(f"merged into another, {time}", ours(merged, our.said, latent), ours(other, our.said, latent))
    differ("before it was merged", ours(our.model, our.said, latent), plain)


def check_caches_and_windows(our: Our) -> None:
    """EasyCache, LazyCache and context windows: the host's own, on our MODEL."""
    latent = grid(our.vae, 64, 64, 2.5)
    plain = ours(our.model, our.said, latent, steps=25)
    for name, node in {"EasyCache": nodes_easycache.EasyCacheNode, "LazyCache": nodes_easycache.LazyCacheNode}.items():
        cached = node.execute(our.model, 0.05, 0.15, 0.95, False).result[0]
        made = ours(cached, our.said, latent, steps=25)
        assert not torch.equal(made, plain) and (made - plain).abs().mean() < 0.2 * plain.abs().mean(), name
        if name == "LazyCache":
            assert ours(patches.SoraRingTime.execute(cached).result[0], our.said, latent, steps=4).isfinite().all()
        else:
            refused(
                "take LazyCache with ring time",
                lambda cached=cached: ours(objects.ring_time(cached), our.said, latent),
            )
    ours_cached = patches.SoraFeatureCache.execute(our.model, 0.05).result[0]
    for made in (
        ours(ours_cached, our.said, latent, steps=25),
        theirs(ours_cached, our.said, our.empty, latent, steps=25),
    ):
        assert not torch.equal(made, plain) and (made - plain).abs().mean() < 0.1 * plain.abs().mean(), (
            "Sora Feature Cache"
        )
    ring = objects.ring_time(our.model)
    either = [
        ours(model, our.said, latent, steps=25)
        for model in (objects.feature_cache(ring, 0.1), objects.ring_time(objects.feature_cache(our.model, 0.1)))
    ]
    differ("a cache and a ring, in either order", *either)
    assert not torch.equal(either[0], ours(ring, our.said, latent, steps=25)), "the cache leaves out no step of a ring"
    cut = windows(our.model, 13)
    assert ours(cut, our.said, latent).shape == plain.shape and ours(cut, our.said, latent).isfinite().all()
    shots = "1: a red ball on grass at noon\n1.5: a blue cone on grass at noon"
    board, given = assembly.SoraStoryboard.execute(our.clip, our.vae, shots, "cut", 0.5, latent).result[:2]
    assert ours(cut, board, given).isfinite().all()
    refused("each become a loop under ring time", lambda: ours(objects.ring_time(cut), our.said, latent))
    differ("windows longer than the clip", ours(windows(our.model, 81), our.said, latent, steps=25), plain)
    led = SimpleNamespace(index_list=[4, 5], causal_anchor_index=3)
    net, alone = our.model.model.diffusion_model, SimpleNamespace(index_list=[3, 4, 5])
    differ("a window and the frame that leads it", step(net, our, window=led), step(net, our, window=alone))


def check_saved(our: Our) -> None:
    """A LoRA for our names, and what CheckpointSave writes of all three is a model of Sora Load Model."""
    latent, weights = grid(our.vae), dict(our.core.dit.state_dict())
    lora, merged = {}, dict(weights)
    for layer, names in {
        "blocks.0.self_attn.q": (
            "diffusion_model.blocks.0.self_attn.q.lora_A.weight",
            "diffusion_model.blocks.0.self_attn.q.lora_B.weight",
        ),
        "blocks.1.ffn.0": ("lora_unet_blocks_1_ffn_0.lora_down.weight", "lora_unet_blocks_1_ffn_0.lora_up.weight"),
    }.items():
        out, wide = weights[f"{layer}.weight"].shape
        lora[names[0]], lora[names[1]] = torch.randn(2, wide) * 0.05, torch.randn(out, 2) * 0.05
        merged[f"{layer}.weight"] = weights[f"{layer}.weight"] + lora[names[1]] @ lora[names[0]]
    folder = Path(folder_paths.models_dir) / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(lora, folder / "ours.safetensors")
    touched = stock.LoraLoaderModelOnly().load_lora_model_only(our.model, "ours.safetensors", 1.0)[0]
    dit = DiT(our.core.dit.config)
    dit.load_state_dict(merged)
    same = ours(
        pipeline.SoraModel(codec=our.core.codec, text=our.core.text, tokenizer=our.core.tokenizer, dit=dit),
        our.text,
        latent,
    )
    made = ours(touched, our.said, latent)
    differ("LoRA", made, same)
    assert not torch.allclose(made, ours(our.model, our.said, latent)), "the LoRA changes nothing"
    nodes_model_merging.CheckpointSave().save(touched, our.clip, our.vae, "checkpoints/sora")
    folder_paths.add_model_folder_path("checkpoints", str(Path(folder_paths.get_output_directory()) / "checkpoints"))
    save_file({"x": torch.zeros(1)}, Path(folder_paths.get_output_directory()) / "checkpoints" / "foreign.safetensors")
    options = loading.SoraLoadModel.define_schema().inputs[0].options
    assert options == ["bundled", "bundled, 4 steps", "sora_00001_.safetensors"], options
    saved, times = Path(folder_paths.get_full_path_or_raise("checkpoints", options[2])), set()
    for time in (1, 2):
        os.utime(saved, (time, time))
        times.add(loading.SoraLoadModel.fingerprint_inputs(model=options[2]))
    assert len(times) == 2, "a file that was saved again is loaded again"
    model, clip, vae = calls.load_model(options[2])
    differ("a saved checkpoint", ours(model, stock.CLIPTextEncode().encode(clip, PROMPT)[0], latent), made)
    refused(
        "choose one of: bundled, bundled, 4 steps, sora_00001_.safetensors",
        lambda: calls.load_model("foreign.safetensors"),
    )
    differ("its VAE", vae.decode(made), our.vae.decode(made))


def check_tiles(our: Our) -> None:
    """Several tiles in space and time: the same picture but for the seams."""
    latent = grid(our.vae, 160, 128, 2.5)
    samples = {"samples": ours(our.model, our.said, latent, steps=8)}
    whole, cut = (
        stock.VAEDecode().decode(our.vae, samples)[0],
        stock.VAEDecodeTiled().decode(our.vae, samples, 64, 32, 12, 4)[0],
    )
    assert whole.shape == cut.shape
    level = -10 * math.log10(float((whole - cut).square().mean()))
    assert level > 30, f"{level:.1f} dB"
    frames = stock.VAEEncodeTiled().encode(our.vae, whole[:9], 64, 32, 12, 4)[0]["samples"]
    assert frames.shape == our.vae.encode(whole[:9]).shape


def check_replaced_nodes(our: Our) -> None:
    """Another pack puts its own nodes in the place of stock ones: ours give what they gave."""
    latent = grid(our.vae)

    def made() -> tuple[torch.Tensor, torch.Tensor]:
        sampled = ours(our.model, our.said, latent)
        film = video.SoraDecodeVideo.execute({**latent, "samples": sampled}, our.vae, 0.0).result[1]
        return sampled, film

    class Other:
        FUNCTION, RETURN_TYPES, CATEGORY = "run", ("LATENT",), "other"

        def run(self, **_: Any) -> Any:
            raise AssertionError("the other pack's node was called")

    before, known = made(), dict(stock.NODE_CLASS_MAPPINGS)
    for name in ("KSampler", "VAEDecode", "VAEEncode", "CLIPTextEncode", "SaveImage", "EmptyLatentImage"):
        stock.NODE_CLASS_MAPPINGS[name] = Other
        setattr(stock, name, Other)
    try:
        for what, a, b in zip(("latents", "frames"), made(), before, strict=True):
            differ(f"with replaced stock nodes, {what}", a, b)
    finally:
        stock.NODE_CLASS_MAPPINGS.update(known)
        for name, node in known.items():
            if hasattr(stock, name):
                setattr(stock, name, node)


def check_unread(our: Our) -> None:
    """What nodes for other networks put on our MODEL or into its CONDITIONING, or ask of our CLIP, is refused by name;
    guidance that works on estimates alone is followed, in other dtypes too."""
    latent = grid(our.vae)
    plain = theirs(our.model, our.said, our.empty, latent)

    def under(node: Any, *settings: Any) -> torch.Tensor:
        call = node.execute if hasattr(node, "execute") else getattr(node(), node.FUNCTION)  # of before V3
        made = call(our.model, *settings)
        return theirs(getattr(made, "result", made)[0], our.said, our.empty, latent)

    for part, call in {
        "patches 'output_block_patch' of the MODEL, as FreeU does": lambda: under(free.FreeU_V2, 1.3, 1.4, 0.9, 0.2),
        "patches 'attn1' of the MODEL, as Perturbed": lambda: under(pag.PerturbedAttentionGuidance, 3.0),
        "patches 'attn1' of the MODEL, as Perturbed-Attention Guidance and Self": lambda: under(
            sag.SelfAttentionGuidance, 0.5, 2.0
        ),
        "patches 'dit' of the MODEL, as Skip": lambda: under(slg.SkipLayerGuidanceDiT, 3.0, 0.0, 1.0, "3", "3"),
        "patches 'attn1_patch' of the MODEL, as HyperTile, ToMe": lambda: under(tome.TomePatchModel, 0.3),
        "FluxGuidance": lambda: theirs(our.model, with_key(our.said, "guidance", 3.5), our.empty, latent),
        "(ReferenceLatent), and the bundled MODEL reads text alone": lambda: theirs(
            our.model, with_key(our.said, "reference_latents", [plain]), our.empty, latent
        ),
        "leave CLIP Set Last Layer (-2) out": lambda: stock.CLIPTextEncode().encode(
            stock.CLIPSetLastLayer().set_last_layer(our.clip, -2)[0], PROMPT
        ),
        "reads words alone, and this node gives it images": lambda: our.clip.tokenize(
            PROMPT, images=[torch.zeros(1, 8, 8, 3)]
        ),
        "reads prompts and writes none": lambda: our.clip.cond_stage_model.generate(our.clip.tokenize(PROMPT)),
    }.items():
        refused(part, call)
    last = stock.CLIPTextEncode().encode(stock.CLIPSetLastLayer().set_last_layer(our.clip, -1)[0], PROMPT)[0]
    differ("the last layer", last[0][0], our.said[0][0])
    assert len(our.clip.tokenize(PROMPT, images=[], lyrics="")["sora"]) == 1
    if hasattr(our.model, "set_model_rope_options"):
        moved = our.model.clone()
        moved.set_model_rope_options(1.0, 0.0, 1.0, 0.0, 1.0, 0.0)
        differ("places moved by nothing", theirs(moved, our.said, our.empty, latent), plain)
        moved.set_model_rope_options(2.0, 0.0, 1.0, 0.0, 1.0, 0.0)
        refused("ScaleROPE", lambda: theirs(moved, our.said, our.empty, latent))
    if hasattr(our.model, "set_model_compute_dtype"):
        half = our.model.clone()
        half.set_model_compute_dtype(torch.bfloat16)
        made = theirs(half, our.said, our.empty, latent)
        assert 0 < (made - plain).abs().mean() < 0.1 * plain.abs().mean(), "computed in bfloat16"


def with_key(conditioning: Any, key: str, value: Any) -> Any:
    """CONDITIONING with what a node for another model adds to it."""
    return [[text, {**about, key: value}] for text, about in conditioning]


def check_joined_storyboards(our: Our) -> None:
    """Two storyboards under Conditioning (Concat): the second would be followed by no frame, which is said."""
    shots = "0.5: a red ball on grass at noon\n0.5: a blue cone on grass at noon"
    board, latent = assembly.SoraStoryboard.execute(our.clip, our.vae, shots, "cut", 0.5, grid(our.vae)).result[:2]
    joined = stock.ConditioningConcat().concat(board, board)[0]
    for sampled in (lambda: theirs(our.model, joined, our.empty, latent), lambda: ours(our.model, joined, latent)):
        refused("a storyboard's of 2 shots and this CONDITIONING has 4", sampled)


def check_told_again(our: Our) -> None:
    """A MODEL that was told of one LATENT and samples another, as where one node serves two samplers: the shift, the
    ring and the restyle of the first are forgotten, what a person has set by hand is not."""
    small, latent = grid(our.vae, 64, 64, 1.0), grid(our.vae, 96, 96, 1.0)
    given = {"samples": ours(our.model, our.said, latent)}
    loop = editing.SoraLoopVideo.execute(our.vae, 1.0, 4, latent=small).result[0]
    styled = editing.SoraRestyleVideo.execute(our.vae, 0.8, "crop", samples=given).result[0]
    for name, first in {"a smaller grid": small, "a loop": loop, "a restyle": styled}.items():
        told = patches.SoraModelForLatent.execute(our.model, first).result[0]
        differ(f"told of {name} before", ours(told, our.said, latent), given["samples"])
    by_hand = nodes_model_advanced.ModelSamplingSD3().patch(our.model, 9.0)[0]
    again = patches.SoraModelForLatent.execute(by_hand, small).result[0]
    differ("a shift by hand", ours(again, our.said, latent), ours(by_hand, our.said, latent))
    ring = objects.ring_time(our.model)
    again = patches.SoraModelForLatent.execute(ring, latent).result[0]
    differ("a ring by hand", ours(again, our.said, latent), ours(ring, our.said, latent))
    both = objects.ring_time(patches.SoraModelForLatent.execute(our.model, loop).result[0])
    differ("a ring by hand and by the latent", ours(both, our.said, loop), ours(our.model, our.said, loop))


def check_trained(our: Our) -> None:
    """ComfyUI's own node trains a LoRA on our MODEL: every layer learns, and the file changes what is made."""
    if not hasattr(nodes_train.TrainLoraNode, "define_schema"):
        return
    latent = grid(our.vae)
    plain = ours(our.model, our.said, latent)
    asked = {item.id: getattr(item, "default", None) for item in nodes_train.TrainLoraNode.define_schema().inputs}
    asked |= {"model": our.model, "latents": {"samples": plain}, "positive": our.said, "steps": 2}
    asked |= {"existing_lora": "[None]"}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Converting a tensor")
        made = nodes_train.TrainLoraNode.execute(**{name: [value] for name, value in asked.items()}).result
    lora = next(part for part in made if isinstance(part, dict) and any("lora_up" in key for key in part))
    ups = [weight for key, weight in lora.items() if "lora_up" in key]
    assert len(ups) > 80 and all(weight.any() for weight in ups)
    trained = nodes_train.LoraModelLoader.execute(our.model, lora, 1.0, False).result[0]
    assert not torch.equal(ours(trained, our.said, latent), plain)
    differ("before it was trained", ours(our.model, our.said, latent), plain)


def check_split(our: Our) -> None:
    """Two samplers, the second on what noise the first left: as one sampler makes it, with what is kept; a restyle is
    refused, since the second does not know the noise."""

    def by(latent: Any, *parts: tuple[int, int]) -> torch.Tensor:
        told = patches.SoraModelForLatent.execute(our.model, latent).result[0]
        for first, last in parts:
            (latent,) = stock.KSamplerAdvanced().sample(
                told, "enable" if first == parts[0][0] else "disable", 5, 6, 1.0, "euler", "simple", our.said,
                our.empty, latent, first, last, "enable" if last < 6 else "disable",
            )  # fmt: skip
        return latent["samples"]

    given = {"samples": theirs(our.model, our.said, our.empty, grid(our.vae))}
    longer = editing.SoraExtendVideo.execute(our.vae, 0.5, "forward", 4, samples=given).result[0]
    for name, latent in {"a new clip": grid(our.vae), "an extension": longer}.items():
        differ(f"one sampler and two, {name}", by(latent, (0, 3), (3, 6)), by(latent, (0, 6)))
    styled = editing.SoraRestyleVideo.execute(our.vae, 0.8, "crop", samples=given).result[0]
    refused("sampled from start to end by one sampler", lambda: by(styled, (1, 3), (3, 6)))


def image_model() -> Any:
    """SD3 of one block, random."""
    config = {"target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 64}}
    sizes = {
        "input_size": None,
        "pos_embed_scaling_factor": None,
        "pos_embed_max_size": 8,
        "depth": 1,
        "adm_in_channels": 2048,
    }
    net = mmdit.OpenAISignatureMMDITWrapper(
        in_channels=16, context_embedder_config=config, qkv_bias=True, patch_size=2, **sizes, **LAYERS
    )
    return tiny(net)


def check_refusals(our: Our) -> None:
    """What does not fit is one sentence that says what was given and what would fit."""
    latent, foreign, wan = grid(our.vae), [[torch.zeros(1, 8, 4096), {}]], tiny_wan("t2v", 16)
    cells = {"samples": torch.zeros(1, 16, 2, 8, 8)}
    image = image_model()
    clip = video.host.VideoFromComponents(video.host.VideoComponents(images=torch.rand(9, 64, 64, 3), frame_rate=8))  # type: ignore[arg-type]
    for part, call in {
        "model is one of images or sound (SD3)": lambda: ours(image, foreign, cells, negative=foreign),
        "is one of images or sound (SD3); a video": lambda: patches.SoraRingTime.execute(image),
        "text features of width": lambda: ours(our.model, foreign, latent),
        "takes text features of width": lambda: theirs(our.model, foreign, foreign, latent),
        "the model is WAN21; encode": lambda: ours(wan, our.said, cells, negative=our.empty),
        "negative is not linked": lambda: ours(wan, foreign, cells),
        "latent has 4 channels and the model (SoraBase) takes": lambda: ours(
            our.model, our.said, {"samples": torch.zeros(1, 4, 2, 12, 12)}
        ),
        "latent is [1, 16, 12, 12], as image": lambda: ours(
            our.model, our.said, {"samples": torch.zeros(1, 16, 12, 12)}
        ),
        "latent is [1, 4, 8, 8], as image models make them; a video's": lambda: patches.SoraModelForLatent.execute(
            our.model, {"samples": torch.zeros(1, 4, 8, 8)}
        ),
        "samples is [1, 4, 8, 8], as": lambda: video.SoraDecodeVideo.execute(
            {"samples": torch.zeros(1, 4, 8, 8)}, our.vae, 8.0
        ),
        "samples has 4 channels and the VAE 32": lambda: video.SoraDecodeVideo.execute(
            {"samples": torch.zeros(1, 4, 2, 8, 8)}, our.vae, 8.0
        ),
        "the VAE of a video model": lambda: sampling.SoraNoiseGrid.execute(
            object(), sampling.FREE, 64, 64, 64, 1.0, 8.0
        ),
        "the mask has 4 frames and the clip 9": lambda: editing.SoraFillFrames.execute(
            our.vae, clip, "", torch.ones(4, 64, 64)
        ),
        "samples is a batch of 2 and an edit": lambda: edits.latent_clip(
            our.vae, {"samples": torch.zeros(2, our.core.geometry.channels, 2, 8, 8)}
        ),
        "clip must be a CLIP, not NoneType": lambda: objects.encode(None, PROMPT),
    }.items():
        refused(part, call)
    wide = grid(vae_like(16, 4, 8), 64, 64, 1.1)
    assert ours(wan, foreign, {**wide, "noise_mask": torch.ones(1, 1, 64, 64)}, negative=foreign).isfinite().all()


if __name__ == "__main__":
    run(
        check_casting,
        check_low_memory,
        check_guiders,
        check_schedules,
        check_merged,
        check_regions,
        check_caches_and_windows,
        check_saved,
        check_tiles,
        check_replaced_nodes,
        check_unread,
        check_joined_storyboards,
        check_told_again,
        check_trained,
        check_split,
        check_refusals,
    )
