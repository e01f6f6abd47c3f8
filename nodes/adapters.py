"""The one place that knows how ComfyUI lays things out, and turns them into the core's and back.

    IMAGE         float [F,H,W,C] in 0..1, F frames of one video (or single pictures)
    MASK          float [F,H,W]
    LATENT        {"samples": [B,C,T,H,W], "noise_mask"?: [B,1,T,H,W] 1 = make, "sora"?: what our grid was asked for}
    CONDITIONING  [[features [B,S,D], {...}]]
    VIDEO         an object with get_components, get_dimensions, get_stream_source

Torch and the core are imported inside the functions, so that listing the nodes costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.video import sound_of
from ..sora_core.errors import InputError, SoraError
from ..sora_core.settings import DEFAULTS
from . import host
from .saved_models import load_saved

if TYPE_CHECKING:
    from torch import Tensor, device

    from ..sora_core.grid import Geometry
    from ..sora_core.pipeline import SoraModel
    from ..sora_core.settings import SamplingSettings
    from ..sora_core.types import LatentState, Progress

__all__ = [
    "BUNDLED",
    "SAMPLERS",
    "SCHEDULERS",
    "decode_image",
    "decode_to_file",
    "empty_latent",
    "encode_image",
    "encode_text",
    "feature_cache",
    "load_image",
    "load_model",
    "model_for",
    "ring_time",
    "said",
    "sample",
    "save_image",
    "save_video",
    "settings_for",
    "unknown_words",
    "video_of",
]  # fmt: skip

BUNDLED = "bundled"
SAMPLERS = ["euler", "dpmpp_2m", "heun"]
SCHEDULERS = ["simple", "normal", "sgm_uniform", "beta"]


def said(check: Callable[[], bool]) -> bool | str:
    """The answer of a check in the form that `validate_inputs` gives: True, or what is wrong."""
    try:
        return check()
    except SoraError as error:
        return str(error)


def load_model(name: str) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of the weights of that name."""
    from ..sora_core import pipeline

    known = [BUNDLED, *host.model_files()]
    if name not in known:
        raise InputError(f"there are no weights {name!r}; choose one of: {', '.join(known)}")
    model = pipeline.load_bundled(device=host.device()) if name == BUNDLED else load_saved(host.model_path(name))
    theirs = host.models()
    return theirs.native(model) if theirs else (model, model, model)


def encode_text(clip: Any, text: str) -> list[list[Any]]:
    """CONDITIONING of a prompt."""
    from ..sora_core import pipeline

    if is_ours(clip):
        return [[pipeline.encode_text(clip, [text]), {}]]
    return host_models("CLIP", clip).encode(clip, text)


def unknown_words(clip: Any, text: str) -> list[str]:
    """The words of a prompt that mean nothing to a CLIP; a CLIP of ComfyUI's own reads any word."""
    return clip.unknown_words(text) if is_ours(clip) else host_models("CLIP", clip).unknown_words(clip, text)


def is_ours(thing: Any) -> bool:
    """Whether a MODEL, CLIP or VAE is the core's own, as it is where no ComfyUI is."""
    from ..sora_core import pipeline

    return isinstance(thing, pipeline.SoraModel)


def host_models(socket: str, thing: Any) -> Any:
    """What knows ComfyUI's own models; raises InputError where there is no ComfyUI."""
    theirs = host.models()
    if theirs is None:
        raise InputError(f"this node needs the {socket} of Sora Load Model, not {type(thing).__name__}")
    return theirs


def empty_latent(
    vae: Any,
    *,
    width: int,
    height: int,
    seconds: float,
    fps: float,
    draft: dict[str, Any] | None = None,
    model: Any = None,
) -> tuple[dict[str, Any], int, str]:
    """(LATENT of zeros, frames, summary) for a video of that size, on the grid that the VAE and the model can have.

    model: what will sample it, where the VAE does not tell; a MODEL of ComfyUI's own tells nothing.
    """
    import torch

    from ..sora_core import pipeline
    from ..sora_core.dit import DiT
    from ..sora_core.files import size_text
    from ..sora_core.grid import VideoSize, frames_for, plan

    size = VideoSize(frames=frames_for(seconds, fps), height=height, width=width, fps=fps)
    grid = plan(size, geometry_of(vae))
    summary = grid.summary()
    known = model if is_ours(model) else getattr(vae, "sora", vae)
    if is_ours(known) and isinstance(known.dit, DiT):  # a codec alone does not tell what sampling takes
        pipeline.check_memory(known, grid)
        seconds = pipeline.time_estimate(known if known is model else placed(known, vae.device), grid)
        memory = size_text(pipeline.memory_estimate(known, grid))
        summary += f"; about {memory} of memory and {time_text(seconds)} for {DEFAULTS.sampling.steps} steps"
    asked: dict[str, Any] = {"frames": size.frames, "height": height, "width": width, "fps": fps}
    if draft is not None:
        asked["draft"] = list(samples_of(draft).shape[1:])
    return {"samples": torch.zeros(1, *grid.shape), "sora": asked}, size.frames, summary


def placed(model: SoraModel, device: device) -> SoraModel:
    """The model with its transformer where the host samples: ComfyUI keeps ours aside in main memory."""
    return model if model.device == device else replace(model, dit=deepcopy(model.dit).to(device))


def time_text(seconds: float) -> str:
    """Seconds for a person: `0.8 s`, `12 s`, `3.5 min`, `20 h`."""
    count, unit = (
        (seconds, "s") if seconds < 100 else (seconds / 60, "min") if seconds < 6000 else (seconds / 3600, "h")
    )
    return f"{count:.{int(count < 10)}f} {unit}"


def geometry_of(vae: Any) -> Geometry:
    """How a VAE divides a video; raises InputError for one that is not of videos."""
    geometry = getattr(vae, "geometry", None)
    return host_models("VAE", vae).geometry_of(vae) if geometry is None else geometry


def codec_of(vae: Any) -> Any:
    """The codec of a VAE."""
    return vae.codec if is_ours(vae) else host_models("VAE", vae).codec_of(vae)


def samples_of(latent: dict[str, Any], name: str = "latent") -> Tensor:
    """[B,C,T,H,W] of a LATENT; raises InputError for the latents of image models."""
    samples = latent["samples"]
    if samples.ndim != 5:
        raise InputError(
            f"{name} is {list(samples.shape)}, as image models make them; a video's has five dimensions [B,C,T,H,W]"
        )
    return samples


def sampled(vae: Any, samples: dict[str, Any]) -> Tensor:
    """[1,C,T,H,W] of a LATENT to decode; raises InputError for one of another model or of several clips."""
    found, channels = samples_of(samples, "samples"), geometry_of(vae).channels
    if found.shape[1] != channels:
        raise InputError(
            f"samples has {found.shape[1]} channels and the VAE {channels}; take the VAE of the model that sampled it"
        )
    if len(found) != 1:
        raise InputError(f"samples is a batch of {len(found)} and a video is one; choose one with Latent From Batch")
    return found


def state_of(latent: dict[str, Any], geometry: Geometry, *, ring: bool = False) -> LatentState:
    """A LATENT as the state that is sampled; on a ring every latent frame is from the middle of a stream."""
    import torch

    from ..sora_core.grid import positions, spans
    from ..sora_core.types import LatentState

    samples = samples_of(latent).float()
    if samples.shape[1] != geometry.channels:
        raise InputError(
            f"latent has {samples.shape[1]} channels and the model {geometry.channels}; size it with the VAE of the"
            " same model"
        )
    given = latent.get("noise_mask")
    mask = torch.ones_like(samples[:, :1]) if given is None else _mask(given, samples)
    edit = latent.get("sora", {}).get("edit")
    told = edit is not None and len(edit.state.spans) == samples.shape[2]
    grid_spans = edit.state.spans if told and not ring else spans(samples.shape[2], geometry, mid_stream=ring)
    fps = latent.get("sora", {}).get("fps", DEFAULTS.fps)
    return LatentState(latent=samples, clean=samples, mask=mask, positions=positions(grid_spans, fps), spans=grid_spans)


def _mask(given: Tensor, samples: Tensor) -> Tensor:
    b, _, t, h, w = samples.shape
    mask = given.float()
    mask = mask[:, None] if mask.ndim == 4 else mask
    if mask.ndim != 5 or mask.shape[2:] != (t, h, w):
        raise InputError(
            f"the mask of this LATENT is {list(given.shape)}; for {list(samples.shape)} it must be {[b, 1, t, h, w]}"
        )
    return mask[:, :1].expand(b, 1, t, h, w)


def settings_for(model: Any, latent: dict[str, Any], **widgets: Any) -> SamplingSettings:
    """The settings of a run: the model's own under those of a sampler's widgets, and what the LATENT's edit needs.

    An edit's cfg and denoise replace widgets that are left at their defaults.
    """
    asked = (model.settings if is_ours(model) else DEFAULTS.sampling).with_(**widgets)
    edit = latent.get("sora", {}).get("edit")
    return asked if edit is None else edit.settings(asked, DEFAULTS.sampling)


def sample(
    *,
    model: Any,
    positive: Any,
    latent: dict[str, Any],
    seed: int,
    settings: SamplingSettings,
    negative: Any = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Samples a LATENT; the one given stays as it was."""
    from ..sora_core import pipeline

    noise = noise_for(latent, seed)
    if not is_ours(model):
        made = host_models("MODEL", model).sample(
            model, positive, negative, latent, noise, seed=seed, settings=settings
        )
        return {**latent, "samples": made}
    made = pipeline.sample(
        model,
        state_of(latent, geometry_of(model), ring=model.settings.ring),
        _features(positive),
        negative=_features(negative) if negative is not None else None,
        noise=noise,
        fps=latent.get("sora", {}).get("fps", DEFAULTS.fps),
        settings=settings,
        prompt_schedule=positive[0][1].get("sora_shots"),
        progress=progress,
    )
    return {**latent, "samples": made.cpu()}


def ring_time(model: Any) -> Any:
    """The MODEL that samples loops."""
    return model.with_settings(ring=True) if is_ours(model) else host_models("MODEL", model).ring_time(model)


def feature_cache(model: Any, threshold: float) -> Any:
    """The MODEL that leaves out steps in which its output would move by less than `threshold`."""
    if is_ours(model):
        return model.with_settings(cache=threshold)
    from ..sora_core.diffusion import CachePerCall

    return host_models("MODEL", model).patched(model, "sora_feature_cache", CachePerCall(threshold))


def model_for(model: Any, latent: dict[str, Any]) -> Any:
    """The MODEL told of a LATENT; the core's own sampler reads all from the LATENT itself."""
    samples_of(latent)
    return model if is_ours(model) else host_models("MODEL", model).for_latent(model, latent)


def noise_for(latent: dict[str, Any], seed: int) -> Tensor:
    """The noise of a seed for a LATENT; where it has a smaller draft, with the coarse structure of that one's noise."""
    from ..sora_core.diffusion.noise import draw_noise, enlarge_noise

    count, *shape = samples_of(latent).shape
    draft = latent.get("sora", {}).get("draft")
    return (
        enlarge_noise(draw_noise(draft, seed, count=count), shape, seed)
        if draft
        else draw_noise(shape, seed, count=count)
    )


def _features(conditioning: Any) -> Tensor:
    """The text features of a CONDITIONING of one prompt."""
    if len(conditioning) != 1:
        raise InputError(
            f"this sampler takes one prompt per socket, not {len(conditioning)} combined; use one Sora Text Encode"
        )
    return conditioning[0][0]


def decoded(vae: Any, latent: dict[str, Any]) -> Iterator[Tensor]:
    """Chunks [1,3,F,H,W] in -1..1 of a LATENT, cut to the size that was asked for."""
    from ..sora_core import pipeline

    asked = latent.get("sora", {})
    if "edit" in asked:
        from ..sora_core.editing import stitch
        from ..sora_core.media.convert import image_to_video

        yield image_to_video(stitch(asked["edit"], sampled(vae, latent), codec_of(vae)))
        return
    left = asked.get("frames")
    for chunk in pipeline.decode_stream(codec_of(vae), sampled(vae, latent)):
        height, width = asked.get("height", chunk.shape[3]), asked.get("width", chunk.shape[4])
        frames = chunk.shape[2] if left is None else min(left, chunk.shape[2])
        if frames:
            yield chunk[:, :, :frames, :height, :width]
        left = None if left is None else left - frames


def decode_to_file(vae: Any, latent: dict[str, Any], path: Path, *, fps: float, progress: Progress) -> Tensor:
    """Streams a LATENT into an mp4. Returns its first frame as IMAGE."""
    from ..sora_core.media.convert import video_to_image
    from ..sora_core.media.write import VideoWriter

    chunks = decoded(vae, latent)
    begin = next(chunks)
    first, total = video_to_image(begin[:, :, :1]), latent.get("sora", {}).get("frames", 0)
    sound = sound_of(latent.get("sora", {}).get("sound"))
    with VideoWriter(path, begin.shape[3], begin.shape[4], fps, sound=sound) as writer:
        for chunk in chain([begin], chunks):
            writer.write(chunk.cpu())
            progress(writer.frames, max(writer.frames, total))
    return first.cpu()


def decode_image(vae: Any, latent: dict[str, Any]) -> Tensor:
    """IMAGE of a LATENT, all frames in memory."""
    import torch

    from ..sora_core.media.convert import video_to_image

    return torch.cat([video_to_image(chunk).cpu() for chunk in decoded(vae, latent)])


def encode_image(vae: Any, pixels: Tensor) -> dict[str, Any]:
    """LATENT of an IMAGE, its frames as one video; raises InputError for a size or length that the VAE cannot have."""
    import torch

    from ..sora_core.media.convert import image_to_video

    with torch.no_grad():
        return {"samples": codec_of(vae).encode(image_to_video(pixels)).cpu()}


def load_image(path: Path) -> tuple[Tensor, Tensor]:
    """IMAGE and MASK (1 = transparent) of a picture, all frames of an animation; colours under transparency stay."""
    from ..sora_core.media.images import read_pictures

    found = read_pictures(path)
    return found.frames.float() / 255, 1 - found.alpha.float() / 255


def save_image(image: Tensor, path: Path, metadata: dict[str, str]) -> None:
    """One frame [H,W,C] in 0..1 as png."""
    from ..sora_core.media.convert import image_to_video
    from ..sora_core.media.images import write_image

    write_image(path, image_to_video(image[None]), metadata=metadata)


def save_video(video: Any, path: Path, metadata: dict[str, str]) -> None:
    """A VIDEO as mp4 with its streams copied, so that nothing is encoded twice."""
    from ..sora_core.media.remux import remux

    source = host.stream_source(video)
    remux(source if isinstance(source, BytesIO) else Path(source), path, metadata)


def video_of(images: Tensor, fps: float, audio: Any) -> Any:
    """A VIDEO of frames in memory."""
    return host.VideoFromComponents(host.VideoComponents(images=images, audio=audio, frame_rate=Fraction(fps)))
