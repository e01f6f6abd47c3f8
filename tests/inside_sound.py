"""Models that make sound with the picture, LTX 2 and MiniMax H3, under our nodes; see `inside_toys.py`. A ComfyUI that
has none of them passes with nothing to check."""

# ruff: noqa: I001 - inside_toys finds ComfyUI for what follows

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import torch
from inside_toys import LAYERS, Our, differ, ours, refused, run, theirs, vae_like
import comfy.sd
from sora_pack.nodes import assembly, editing, patches, sampling, video  # type: ignore[import-not-found]
from sora_pack.nodes.layouts.pictures import video_of  # type: ignore[import-not-found]
from sora_pack.nodes.layouts.sounds import FORMATS  # type: ignore[import-not-found]

SPACE = 32


class PictureVAE(comfy.sd.VAE):
    """A VAE of video whose latents are the mean of what they stand for; `upscale` and `downscale` as ComfyUI has
    them."""

    def __init__(self, channels: int, spans: Any, space: int, upscale: Any, downscale: Any) -> None:
        self.__dict__.update(vae_like(channels, 4, space).__dict__)
        self.upscale_ratio, self.downscale_ratio = (upscale, space, space), (downscale, space, space)
        self.spans, self.space, self.first_stage_model = spans, space, None

    def encode(self, image: torch.Tensor, **_: Any) -> torch.Tensor:
        spans = self.spans(self.downscale_ratio[0](len(image)))
        assert sum(spans) == len(image), f"{len(image)} frames fill no whole latents"
        cells = torch.stack([part.mean(0) for part in image.split(spans)]).movedim(-1, 0)
        small = torch.nn.functional.avg_pool2d(cells.flatten(0, 1)[:, None], self.space)
        out = torch.zeros(1, self.latent_channels, len(spans), *small.shape[-2:])
        out[0, :3] = small.view(3, len(spans), *small.shape[-2:])
        return out

    def decode(self, samples: torch.Tensor, **_: Any) -> torch.Tensor:
        frames = samples[:, :3].repeat_interleave(torch.tensor(self.spans(samples.shape[2])), 2)
        big = frames.repeat_interleave(self.space, 3).repeat_interleave(self.space, 4)
        return big.movedim(1, -1).clamp(0, 1)


class SoundVAE(comfy.sd.VAE):
    """A VAE of sound: each latent is the mean of its samples, and decodes to it."""

    def __init__(self, name: str, rate: int) -> None:
        self.known, self.audio_sample_rate, self.latent_dim = FORMATS[name], rate, 2
        self.hop = round(rate / self.known.rate)
        self.first_stage_model = SimpleNamespace(output_sample_rate=rate, latents_per_second=self.known.rate)

    def encode(self, wave: torch.Tensor, **_: Any) -> torch.Tensor:
        count = wave.shape[1] // self.hop
        level = wave[:, : count * self.hop].mean(-1).view(1, count, self.hop).mean(-1)
        sizes = [1] * 4
        sizes[self.known.axis] = count
        return level.view(sizes).expand(1, *self.known.shape(count)).contiguous()

    def decode(self, latent: torch.Tensor, **_: Any) -> torch.Tensor:
        level = latent.movedim(self.known.axis, -1).flatten(1, 2)[:, 0]
        return level.repeat_interleave(self.hop, 1)[..., None].expand(-1, -1, 2)


@dataclass
class Family:
    """A model that makes sound, its VAEs and prompts."""

    name: str
    model: Any
    vae: Any
    audio_vae: Any
    said: Any
    none: Any
    fps: float


def loaded(net: Any, config: dict[str, Any] | None = None) -> Any:
    """A network with random weights, loaded as ComfyUI loads a checkpoint."""
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(value.shape, generator=generator) * 0.02 for name, value in net.state_dict().items()}
    about = {} if config is None else {"metadata": {"config": json.dumps({"transformer": config})}}
    return comfy.sd.load_diffusion_model_state_dict(weights, **about)


def prompts(width: int, seed: int, **about: Any) -> Any:
    return [[torch.randn(1, 8, width, generator=torch.Generator().manual_seed(seed)), about]]


def ltx() -> Family:
    """LTX 2 of two blocks."""
    import comfy.ldm.lightricks.av_model as av

    config = {
        "cross_attention_dim": 128, "audio_cross_attention_dim": 64, "attention_head_dim": 4,
        "audio_attention_head_dim": 2, "num_layers": 2, "caption_channels": 64, "connector_attention_head_dim": 32,
        "connector_num_attention_heads": 2, "connector_num_layers": 1, "cross_attention_adaln": True,
    }  # fmt: skip
    model = loaded(av.LTXAVModel(**config, **LAYERS), config)
    known = {"attention_mask": torch.ones(1, 8, dtype=torch.int64)}
    vae = PictureVAE(
        128, lambda n: [1] + [8] * (n - 1), SPACE, lambda n: max(0, (n - 1) * 8 + 1), lambda n: max(0, (n + 7) // 8)
    )
    said, none = prompts(128, 1, **known), prompts(128, 2, **known)
    return Family("LTX 2", model, vae, SoundVAE("LTXAV", 16000), said, none, 24.0)


def minimax() -> Family:
    """MiniMax H3 of two blocks."""
    import comfy.ldm.minimax.model as h3

    sizes = {
        "hidden_size": 64, "num_layers": 2, "token_refiner_num_layers": 1, "num_attention_heads": 1,
        "attention_head_dim": 128, "ffn_hidden_size": 64, "text_dim": 32, "timestep_input_dim": 32,
        "time_embed_hidden_size": 32, "time_embed_dim": 32,
    }  # fmt: skip
    vae = PictureVAE(
        24, lambda n: [1 if i % 5 == 0 else 4 for i in range(n)], 16,
        lambda n: max(1, (n - 2) // 5 * 17 + 5), lambda n: max(1, (n - 5) // 17 * 5 + 2) if n > 1 else 1,
    )  # fmt: skip
    model = loaded(h3.MiniMaxH3Model(**sizes, **LAYERS))
    return Family("MiniMax H3", model, vae, SoundVAE("MiniMaxH3", 32000), prompts(32, 1), prompts(32, 2), 24.0)


def families() -> list[Family]:
    """Those that this ComfyUI has."""
    found = [ltx] if find_spec("comfy.ldm.lightricks.av_model") else []
    return [make() for make in [*found, *([minimax] if find_spec("comfy.ldm.minimax") else [])]]


FAMILIES: list[Family] = []


def sized(family: Family, seconds: float = 1.5, model: Any = ...) -> Any:
    """The grid of Sora Noise Grid."""
    made = sampling.SoraNoiseGrid.execute(
        family.vae, sampling.FREE, 64, 96, 64, seconds, family.fps, model=family.model if model is ... else model
    )
    return made.result[0]


def parts(samples: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(samples.unbind())  # type: ignore[return-value]


def sampled(family: Family, latent: Any, **settings: Any) -> Any:
    return {**latent, "samples": ours(family.model, family.said, latent, negative=family.none, **settings)}


def stitched(family: Family, made: Any) -> Any:
    """Frames and sound of a sampled edit."""
    given = (made, family.vae, False)
    return assembly.SoraStitchVideo.execute(*given, audio_vae=family.audio_vae).result[0].get_components()


def tone(seconds: float, rate: int) -> Any:
    """A sound that rises, so that each moment is known by its level."""
    level = 0.1 + 0.5 * torch.arange(round(seconds * rate)) / (seconds * rate)
    return {"waveform": level.expand(1, 2, -1).contiguous(), "sample_rate": rate}


def movie(family: Family, frames: int, sound: bool = True) -> Any:
    """A VIDEO whose frames are known by their level."""
    image = torch.linspace(0.2, 0.8, frames).view(-1, 1, 1, 1).expand(-1, 64, 96, 3).contiguous()
    audio = tone(frames / family.fps, family.audio_vae.audio_sample_rate) if sound else None
    return video_of(image, family.fps, audio)


def check_text(our: Our) -> None:
    """From text: Sora Noise Grid sizes both, and Sora Sampler gives what KSampler gives."""
    for family in FAMILIES:
        latent = sized(family)
        picture, sound = parts(latent["samples"])
        frames = sum(family.vae.spans(picture.shape[2]))
        known = family.audio_vae.known
        assert frames >= 36 and sound.shape[known.axis] == round(frames / family.fps * known.rate), family.name
        said = [[text, {"frame_rate": family.fps, **about}] for text, about in family.said]
        none = [[text, {"frame_rate": family.fps, **about}] for text, about in family.none]
        there, here = theirs(family.model, said, none, latent), sampled(family, latent)["samples"]
        for part, a, b in zip(("picture", "sound"), there.unbind(), here.unbind(), strict=True):
            differ(f"{family.name} from text, {part}", b, a)
        decode, done = video.SoraDecodeVideo, {**latent, "samples": here}
        heard = decode.execute(done, family.vae, 0.0, audio_vae=family.audio_vae).result[0].get_components()
        assert heard.images.shape[0] == 36 and heard.audio is not None, f"{family.name}: {heard.images.shape}"
        length = heard.audio["waveform"].shape[-1] / heard.audio["sample_rate"]
        assert abs(length - 36 / family.fps) < 0.05, f"{family.name}: {length} s of sound for 36 frames"
        alone = decode.execute(done, family.vae, 0.0)
        assert "link the audio VAE" in str(alone.ui.as_dict()), "sound is left out in silence"


def check_plain(our: Our) -> None:
    """A grid without sound: of LTX 2 the picture alone, of MiniMax H3 with sound, since it makes none without."""
    for family in FAMILIES:
        latent = sized(family, model=None)
        made = sampled(family, latent)["samples"]
        if not family.audio_vae.known.always:
            assert made.shape == latent["samples"].shape and made.isfinite().all()
            continue
        for a, b in zip(made.unbind(), sampled(family, sized(family))["samples"].unbind(), strict=True):
            differ(f"{family.name}, sound added by the sampler, {list(a.shape)}", a, b)


def check_extended(our: Our) -> None:
    """Forward, backward and both: kept picture and sound stay, each moment of both at its place, no step at the
    seam; then once more, from what was sampled."""
    for family in FAMILIES:
        for direction in ("forward", "backward", "both"):
            given, what = movie(family, 56), f"{family.name} {direction}"
            node, more = editing.SoraExtendVideo, {"video": given, "audio_vae": family.audio_vae}
            latent = node.execute(family.vae, 1.0, direction, 24, **more).result[0]
            made, masks = sampled(family, latent), parts(latent["noise_mask"])
            assert all(0 < float(mask.mean()) < 1 for mask in masks), f"{what}: {[mask.mean() for mask in masks]}"
            for i, name in enumerate(("picture", "sound")):
                a, b = parts(made["samples"])[i], parts(latent["samples"])[i]
                differ(f"{what}, kept {name}", torch.where(masks[i] > 0, b, a), b)
                assert not torch.equal(a, b), f"{what}: {name} is not made"
            check_clip(family, stitched(family, made), given.get_components(), direction, what)
            longer = sampled(family, node.execute(family.vae, 1.0, direction, 24, samples=made).result[0])
            check_clip(family, stitched(family, longer), given.get_components(), direction, f"{what} twice")


def check_clip(family: Family, whole: Any, given: Any, direction: str, what: str) -> None:
    """The given clip lies in the finished one, its sound at its frames, and the sound has no step at the seam."""
    count, rate = len(given.images), whole.audio["sample_rate"]
    start = {"forward": 0, "backward": len(whole.images) - count}.get(direction, (len(whole.images) - count) // 2)
    differ(f"{what}: frames", whole.images[start : start + count], given.images)
    wave, old = whole.audio["waveform"][0, 0], given.audio["waveform"][0, 0]
    assert abs(len(wave) / rate - len(whole.images) / family.fps) < 0.05, f"{what}: {len(wave) / rate} s of sound"
    at, fade = round(start / family.fps * rate), round(0.05 * rate)
    inner = wave[at + fade : at + len(old) - fade]
    differ(f"{what}: sound", inner, old[fade : len(old) - fade])
    hop = family.audio_vae.hop
    inside = float(wave[: len(wave) // hop * hop].view(-1, hop)[:, 0].diff().abs().max())
    for seam in ([at + len(old)] if direction != "backward" else []) + ([at] if direction != "forward" else []):
        near = wave[max(0, seam - fade) : seam + 8]
        step = float(near.diff().abs().max())
        assert step <= inside + 1e-3, f"{what}: a step of {step:.3f} at the seam, {inside:.3f} from latent to latent"


def check_animated(our: Our) -> None:
    """A picture moves, and sound is made with it."""
    image = torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(0))
    for family in FAMILIES:
        grid = sized(family)
        moving = sampled(family, editing.SoraAnimateImage.execute(family.vae, image, grid, "crop", 1.0).result[0])
        assert parts(moving["samples"])[1].shape == parts(grid["samples"])[1].shape
        done = stitched(family, moving)
        differ(f"{family.name} animated: first frame", done.images[:1], image)
        assert done.audio is not None


def check_connected_and_closed(our: Our) -> None:
    """The sound of both clips stays; of a clip that is closed, also that of its beginning, which its end leads to."""
    for family in FAMILIES:
        given = movie(family, 56)
        frames, old = given.get_components().images, given.get_components().audio["waveform"][0, 0]
        more = {"audio_vae": family.audio_vae}
        joined = editing.SoraConnectVideos.execute(family.vae, given, given, 0.5, 24, "crop", **more).result[0]
        clip = stitched(family, sampled(family, joined))
        wave = clip.audio["waveform"][0, 0]
        both = torch.cat([wave[:9000], wave[-9000:]])
        differ(f"{family.name} connected: sound", both, torch.cat([old[:9000], old[-9000:]]))
        differ(f"{family.name} connected: frames", clip.images[[*range(56), *range(-56, 0)]], frames.repeat(2, 1, 1, 1))
        closed = editing.SoraLoopVideo.execute(family.vae, 0.5, 24, video=given, **more).result[0]
        mask = parts(closed["noise_mask"])[1].movedim(family.audio_vae.known.axis, -1)[0, 0, 0]
        assert mask[0] == mask[-1] == 0 and mask.sum() > 8, f"{family.name} closed: {mask}"
        assert sampled(family, closed)["samples"].unbind()[1].isfinite().all()


def check_restyled(our: Our) -> None:
    """The picture is made anew, the sound stays."""
    for family in FAMILIES:
        start = sampled(family, sized(family))
        styled, denoise = editing.SoraRestyleVideo.execute(family.vae, 0.7, "crop", samples=start).result[:2]
        made = parts(sampled(family, styled, denoise=denoise)["samples"])
        differ(f"{family.name} restyled: sound", made[1], parts(start["samples"])[1])
        assert not torch.equal(made[0], parts(start["samples"])[0])


def check_refusals(our: Our) -> None:
    """What does not work is said in one sentence."""
    for family in FAMILIES:
        grid, ring = sized(family), patches.SoraRingTime.execute(family.model).result[0]
        share = {"mask": torch.ones(1, 2, 2, 3), "mask_strength": 1.0}
        shots = [[text, {**about, **share}] for text, about in family.said]
        for part, call in {
            "samples picture and sound as one": partial(ours, family.model, shots, grid, negative=family.none),
            "ring time turns pictures": partial(ours, ring, family.said, grid, negative=family.none),
            "makes pictures alone": partial(ours, our.model, our.said, grid),
            "audio_vae is one of sound": partial(
                editing.SoraExtendVideo.execute, family.vae, 1.0, "forward", 24, movie(family, 56), audio_vae=family.vae
            ),
        }.items():
            refused(part, call)
        for other in FAMILIES:
            if other is not family:
                refused("sized for", partial(ours, other.model, other.said, grid, negative=other.none))
        if family.audio_vae.known.fps:
            size = (family.vae, sampling.FREE, 64, 96, 64, 1.0, 25.0)
            refused("set fps to 24", partial(sampling.SoraNoiseGrid.execute, *size, model=family.model))
            plain, fill = sized(family, model=None), editing.SoraFillFrames.execute
            for call in (
                partial(editing.SoraLoopVideo.execute, family.vae, 1.0, 4, latent=plain),
                partial(fill, family.vae, movie(family, 56), "5-9"),
            ):
                refused("is not made with a VAE that begins anew", call)


def check_cache(our: Our) -> None:
    """Sora Feature Cache attaches to a model of both."""
    for family in FAMILIES:
        cached = patches.SoraFeatureCache.execute(family.model, 0.2).result[0]
        made = ours(cached, family.said, sized(family), negative=family.none, steps=8)
        assert all(part.isfinite().all() for part in made.unbind())


if __name__ == "__main__":
    with torch.inference_mode():
        FAMILIES += families()
    run(
        check_text,
        check_plain,
        check_extended,
        check_animated,
        check_connected_and_closed,
        check_restyled,
        check_refusals,
        check_cache,
    )
