"""Our model under ComfyUI's samplers, and ComfyUI's video models under our nodes; see `inside_toys.py`."""

# ruff: noqa: I001 - inside_toys finds ComfyUI for what follows

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from inside_toys import (
    PROMPT, Our, objects, differ, grid, natively, ours, pipeline, refused, run, stock, theirs, tiny_ltx,
    tiny_wan, vae_like,
)  # fmt: skip
import comfy.sd
from sora_pack.nodes import assembly, editing, inputs, patches, preview, sampling  # type: ignore[import-not-found]
from sora_pack.sora_core import Clip, extend, loop_clip, loop_new, restyle  # type: ignore[import-not-found]
from sora_pack.nodes.layouts.latents import KEY, info_of, size_of  # type: ignore[import-not-found]
from sora_pack.nodes.layouts.pictures import video_of  # type: ignore[import-not-found]
from sora_pack.nodes.comfy.sampling import patched  # type: ignore[import-not-found]


def check_samplers(our: Our) -> None:
    differ("text features", our.said[0][0], our.text[0][0])
    latent = grid(our.vae)
    told = objects.for_latent(our.model, latent)
    for solver in inputs.SAMPLERS:
        for scheduler in inputs.SCHEDULERS:
            same = ours(our.core, our.text, latent, sampler_name=solver, scheduler=scheduler)
            differ(f"KSampler {solver} {scheduler}", theirs(told, our.said, our.empty, latent, solver, scheduler), same)
    wide = grid(our.vae, 128, 64)
    differ("Sora Sampler, another size", ours(our.model, our.said, wide), ours(our.core, our.text, wide))
    small = grid(our.vae, 64, 64)
    differ(
        "KSampler at 64x64, not told", theirs(our.model, our.said, our.empty, small), ours(our.core, our.text, small)
    )


def check_kept(our: Our) -> None:
    latent = grid(our.vae)
    start = ours(our.core, our.text, latent)
    mask = torch.ones(1, 1, *start.shape[2:])
    mask[:, :, 0] = mask[:, :, :, :4] = 0
    kept = {**latent, "samples": start, "noise_mask": mask}
    made = theirs(objects.for_latent(our.model, kept), our.said, our.empty, kept)
    differ("KSampler with a mask", made, ours(our.core, our.text, kept))
    differ("kept part", ours(our.model, our.said, kept)[:, :, 0], start[:, :, 0])


def check_codec(our: Our) -> None:
    latent = ours(our.core, our.text, grid(our.vae))
    image = stock.VAEDecode().decode(our.vae, {"samples": latent})[0]
    same = torch.cat(list(pipeline.decode_stream(our.core.codec, latent)), 2)[0].movedim(0, -1)
    differ("VAEDecode", image, (same + 1) / 2)
    differ(
        "VAEDecodeTiled, one tile",
        stock.VAEDecodeTiled().decode(our.vae, {"samples": latent}, 512, 64, 64, 8)[0],
        image,
    )
    differ(
        "VAEEncode",
        stock.VAEEncode().encode(our.vae, image)[0]["samples"],
        our.core.codec.encode(image.movedim(-1, 0)[None] * 2 - 1),
    )
    whole = torch.cat([image[:3], image[2:3].expand(2, -1, -1, -1)])
    differ(
        "VAEEncode, 3 frames",
        *(stock.VAEEncode().encode(our.vae, frames)[0]["samples"] for frames in (image[:3], whole)),
    )


def check_verbs(our: Our) -> None:
    """Edits sample through Sora Sampler, and through KSampler on a MODEL told of them, as through our own loop:
    spans, rings and shots."""
    empty = grid(our.vae, 128, 64, seconds=1.0, fps=12.0)
    clip = {**empty, "samples": ours(our.core, our.text, empty)}
    edits = {
        "a ring": editing.SoraLoopVideo.execute(our.vae, 1.0, 8, latent=empty).result[0],
        "extended both ways": editing.SoraExtendVideo.execute(our.vae, 0.5, "both", 8, samples=clip).result[0],
        "a closed clip": editing.SoraLoopVideo.execute(our.vae, 1.0, 4, samples=clip).result[0],
    }
    for name, latent in edits.items():
        same = ours(our.core, our.text, latent)
        differ(name, ours(our.model, our.said, latent), same)
        told = patches.SoraModelForLatent.execute(our.model, latent).result[0]
        same = ours(our.core, our.text, at_once(latent))
        differ(f"{name}, by KSampler", theirs(told, our.said, our.empty, latent), same)
    styled, denoise = editing.SoraRestyleVideo.execute(our.vae, 0.9, "crop", samples=clip).result[:2]
    differ(
        "restyled",
        ours(our.model, our.said, styled, denoise=denoise),
        ours(our.core, our.text, styled, denoise=denoise),
    )
    for transition in ("cut", "blend"):
        shots = f"0.5: {PROMPT}\n0.5: a blue cone on grass at noon"
        there, latent = assembly.SoraStoryboard.execute(our.clip, our.vae, shots, transition, 0.25, empty).result[:2]
        with natively():
            here, other = assembly.SoraStoryboard.execute(our.core, our.core, shots, transition, 0.25, empty).result[:2]
        same = ours(our.core, here, other)
        differ(f"shots, {transition}", ours(our.model, there, latent), same)
        told = objects.for_latent(our.model, latent)
        differ(f"shots, {transition}, by KSampler", theirs(told, there, our.empty, latent), same)


def at_once(latent: Any) -> Any:
    """The LATENT of an edit that is not made in stretches: a stock sampler makes every one so."""
    info = info_of(latent)
    return {**latent, KEY: replace(info, edit=replace(info.edit, strides=None))}


def check_one_way(our: Our) -> None:
    """An edit's node and Sora Sampler at their defaults give the latent of the library's one call."""
    empty = grid(our.vae, 128, 64, seconds=1.0, fps=12.0)
    image = torch.rand(9, 64, 128, 3, generator=torch.Generator().manual_seed(1))
    clip, video = Clip(image=image, fps=12.0), video_of(image, 12.0, None)
    codec, size = our.core.codec, size_of(empty)
    cases = {
        "extend": (extend(clip, codec, seconds=1.0), editing.SoraExtendVideo, {"video": video}),
        "loop": (loop_clip(clip, codec, seconds=1.0), editing.SoraLoopVideo, {"video": video}),
        "loop from text": (loop_new(codec, size=size), editing.SoraLoopVideo, {"latent": empty}),
        "restyle": (restyle(clip, codec), editing.SoraRestyleVideo, {"video": video}),
    }
    for name, (edit, node, given) in cases.items():
        latent = node.execute(vae=our.vae, **defaults(node), **given).result[0]
        widgets = {**defaults(sampling.SoraSampler), "steps": 4, "seed": 7}
        made = sampling.SoraSampler.execute(model=our.model, positive=our.said, latent=latent, **widgets)
        same = pipeline.sample_edit(our.core, edit, PROMPT, our.core.settings.with_(steps=4), 7)
        differ(f"one way: {name}", made.result[0]["samples"], same)


def defaults(node: Any) -> dict[str, Any]:
    """The values of a node's fields as they are when it is new."""
    found = {field.id: getattr(field, "default", None) for field in node.GET_SCHEMA().inputs}
    return {name: value for name, value in found.items() if value is not None}


def check_ring(our: Our) -> None:
    """Ring time is the same on both sides, on any grid; twice is once."""
    latent = grid(our.vae, 64, 64, 1.0)
    there, here = patches.SoraRingTime.execute(our.model).result[0], our.core.with_settings(ring=True)
    same = ours(here, our.text, latent)
    differ("ring time", ours(there, our.said, latent), same)
    differ("ring time, by KSampler", theirs(there, our.said, our.empty, latent), same)
    twice = patches.SoraRingTime.execute(patches.SoraModelForLatent.execute(there, latent).result[0]).result[0]
    differ("ring time twice", theirs(twice, our.said, our.empty, latent), same)
    assert not torch.equal(same, ours(our.core, our.text, latent)), "ring time does nothing"
    longer = editing.SoraExtendVideo.execute(our.vae, 0.5, "forward", 8, samples={**latent, "samples": same}).result[0]
    told, count = patches.SoraModelForLatent.execute(our.model, longer).result[0], longer["samples"].shape[2]
    refused(
        f"of {count} latent frames and is given one of 1;",
        lambda: theirs(told, our.said, our.empty, grid(our.vae, 64, 64, 0)),
    )


def check_stock_features(our: Our) -> None:
    """Batches, odd sizes, other solvers and guiders: that they run and give finite numbers."""
    channels = our.core.geometry.channels
    for name, shape in {"a batch of two": (2, channels, 2, 4, 6), "odd sizes": (1, channels, 2, 7, 9)}.items():
        made = theirs(our.model, our.said, our.empty, {"samples": torch.zeros(shape)}, "uni_pc")
        assert made.shape == shape and bool(made.isfinite().all()), name
    name, weight = next(item for item in our.model.model.state_dict().items() if item[0].endswith("self_attn.q.weight"))
    touched = our.model.clone()
    touched.add_patches({name: (torch.ones_like(weight) * 0.05,)})
    latent = grid(our.vae)
    assert not torch.equal(ours(touched, our.said, latent), ours(our.model, our.said, latent)), (
        "a weight patch changes nothing"
    )
    differ("after a weight patch", ours(our.model, our.said, latent), ours(our.core, our.text, latent))
    picture = preview.moving_preview(
        torch.zeros(1, channels, 3, 4, 4), our.model.get_model_object("latent_format"), 8.0
    )
    assert picture and len(picture[1].frames) == 3


class SomeVAE(comfy.sd.VAE):
    """A VAE of another family: causal, four frames to a latent frame, and what it decodes is where it is in time."""

    def __init__(self) -> None:
        self.__dict__.update(vae_like(16, 4, 8).__dict__)

    def decode(self, samples: torch.Tensor, **_: Any) -> torch.Tensor:
        b, _, t, h, w = samples.shape
        frames = samples[:, 0].repeat_interleave(4, 1)[:, 3:]
        return frames.repeat_interleave(8, 2).repeat_interleave(8, 3)[..., None].expand(b, 4 * t - 3, h * 8, w * 8, 3)


class SomeCLIP(comfy.sd.CLIP):
    """A CLIP of another family: random features for each text."""

    def __init__(self) -> None:
        pass

    def tokenize(self, text: str, **_: Any) -> Any:
        return text

    def encode_from_tokens_scheduled(self, tokens: Any, **_: Any) -> Any:
        return [[torch.randn(1, 8, 4096, generator=torch.Generator().manual_seed(len(tokens))), {}]]


def check_wan(our: Our) -> None:
    latent = grid(vae_like(16, 4, 8), 64, 64, 1.1)
    assert list(latent["samples"].shape) == [1, 16, 3, 8, 8]
    for kind, channels in (("t2v", 16), ("i2v", 36)):
        check_theirs(f"Wan {kind}", tiny_wan(kind, channels), latent)
    looped = editing.SoraLoopVideo.execute(SomeVAE(), 1.0, 4, latent=latent).result[0]
    sampled = {**looped, "samples": torch.arange(3.0).view(1, 1, 3, 1, 1).expand(1, 16, 3, 8, 8) / 3}
    frames = assembly.SoraStitchVideo.execute(sampled, SomeVAE(), False).result[1]
    differ("a loop of theirs, stitched", frames[:, 0, 0, 0], torch.arange(3.0).repeat_interleave(4) / 3)
    shots, model = "0.5: first\n0.6: second", tiny_wan("t2v", 16)
    board, given = assembly.SoraStoryboard.execute(SomeCLIP(), vae_like(16, 4, 8), shots, "cut", 0.5, latent).result[:2]
    assert [entry["mask"].shape for _, entry in board] == [(1, 3, 8, 8)] * 2
    made = theirs(model, board, board[:1], given)
    assert made.isfinite().all() and not torch.allclose(made, theirs(model, board[:1], board[:1], given))


def check_ltx(our: Our) -> None:
    latent = grid(vae_like(128, 8, 32), 96, 64, 2.1)
    assert list(latent["samples"].shape) == [1, 128, 3, 2, 3]
    check_theirs("LTX", tiny_ltx(), latent)


def check_theirs(name: str, model: Any, latent: Any) -> None:
    """Our sampler gives what theirs gives, our patches act under theirs, kept parts stay, each shot follows its
    prompt."""
    known = {"attention_mask": torch.ones(1, 8, dtype=torch.int64)} if name == "LTX" else {}
    one, two = (torch.randn(1, 8, 4096, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    said, none = [[one, known]], [[torch.zeros(1, 8, 4096), known]]
    plain = theirs(model, said, none, latent)
    differ(f"{name}: Sora Sampler and KSampler", ours(model, said, latent, negative=none), plain)
    turned = theirs(patches.SoraRingTime.execute(model).result[0], said, none, latent)
    assert bool(turned.isfinite().all()) and not torch.equal(turned, plain), f"ring time does nothing to {name}"
    mask = torch.ones(1, 1, *latent["samples"].shape[2:])
    mask[:, :, 0] = 0
    given = {**latent, "samples": plain, "noise_mask": mask}
    kept = ours(model, said, given, negative=none)
    differ(f"{name} keeps what is kept", kept[:, :, 0], plain[:, :, 0])
    still = patched(model, "nothing", lambda denoiser, options: denoiser)
    differ(f"{name} under an empty patch", ours(still, said, given, negative=none), kept)
    shares = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]).view(2, 1, 3, 1, 1).expand(-1, -1, -1, *plain.shape[3:])
    shots = [
        [text, {**known, "mask": share, "mask_strength": 1.0}] for text, share in zip((one, two), shares, strict=True)
    ]
    same = [[one, {**entry[1]}] for entry in shots]
    differ(f"{name}, two shots of one prompt", theirs(model, same, none, latent), plain)
    assert not torch.allclose(theirs(model, shots, none, latent), plain), f"shots do nothing to {name}"


if __name__ == "__main__":
    run(
        check_samplers,
        check_kept,
        check_codec,
        check_verbs,
        check_one_way,
        check_ring,
        check_stock_features,
        check_wan,
        check_ltx,
    )
