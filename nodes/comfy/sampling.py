"""Any video MODEL of ComfyUI's under our nodes: sampled by ComfyUI's own samplers, patched as ComfyUI patches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import comfy.model_base
import comfy.model_management as memory
import comfy.sample
import comfy.samplers
import comfy.utils
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...sora_core.diffusion import flow_edit, ring, shift_for_grid
from ...sora_core.errors import InputError
from ...sora_core.settings import DEFAULTS, SamplingSettings
from ...sora_core.types import Denoiser, Progress
from ...sora_core.vae.tiny import TinyDecoder, load_tiny
from ..layouts.latents import Latent, info_of, noise_for, samples_of
from ..layouts.sounds import is_nested, picture_of
from ..preview import moving_preview
from .mistakes import plainly
from .model import TIME, LatentTime, SoraBase
from .sound import check_sound, joined, makes_sound, timed, with_sound
from .text import MARK

if TYPE_CHECKING:
    from ...sora_core.editing import Edit

__all__ = ["CACHE", "for_latent", "patched", "progress_bar", "ring_time", "sample"]

CACHE, RING, LATENT_RING, FLOW_EDIT = ORDER = (
    "sora_feature_cache", "sora_ring", "sora_latent_ring", "sora_flow_edit",
)  # fmt: skip
"""the keys of our decorators among a MODEL's wrappers, from the outermost in, in whatever order nodes attach them: a
cache inside of a ring would see another turn of the clip at every step"""
BY_SIZE = "sora_by_size"
"""the mark of a schedule whose shift is by a latent's size, which another latent's may replace"""
LEFTOVER = "sora_leftover"
"""the key of what puts kept parts back where a sampler goes on from another"""
TINY = {"Wan21": "taew2_1", "Wan22": "taew2_2"}
"""a format of latents -> part of the name of a tiny decoder's file"""


def progress_bar() -> Progress:
    """The bar of the node that runs; calling it raises ComfyUI's own exception when the person stops the run."""
    bars: list[Any] = []

    def tell(done: int, total: int) -> None:
        memory.throw_exception_if_processing_interrupted()
        if not bars:
            bars.append(comfy.utils.ProgressBar(total))
        bars[0].update_absolute(done, total)

    return tell


def sample(
    model: ModelPatcher, positive: Any, negative: Any, latent: Latent, *,
    seed: int, settings: SamplingSettings, progress: Progress | None = None,
) -> Tensor:  # fmt: skip
    """Samples a LATENT with any video MODEL through ComfyUI's own samplers: progress, preview and cancel are theirs."""
    model, latent = for_latent(model, latent), with_sound(model, latent)
    _check_text(model, positive)
    if negative is None:
        negative = _without_text(model, positive, settings.cfg)
    samples, mask = latent["samples"], latent.get("noise_mask")
    if is_nested(samples):
        positive, negative = (timed(model, prompts, latent) for prompts in (positive, negative))
    else:
        positive, negative = _regions(positive), _regions(negative)
    made = comfy.sample.sample_custom(
        model, _noise(latent, seed), settings.cfg, comfy.samplers.sampler_object(settings.solver),
        _sigmas(model, settings),
        _with_picture(model, positive, latent), _with_picture(model, negative, latent), samples,
        noise_mask=mask, callback=_callback(model, latent), disable_pbar=True, seed=seed,
    )  # fmt: skip
    if not is_nested(samples):
        return _kept(made, samples, mask)
    masks = mask.unbind() if mask is not None and is_nested(mask) else (mask, None)
    return joined(*(_kept(*parts) for parts in zip(made.unbind(), samples.unbind(), masks, strict=True)))


def _noise(latent: Latent, seed: int) -> Any:
    """The noise of a seed; that of sound follows that of the picture, as ComfyUI draws it."""
    if not is_nested(latent["samples"]):
        return noise_for(latent, seed)
    return joined(noise_for(latent, seed), comfy.sample.prepare_noise(latent["samples"], seed).unbind()[1])


def _kept(made: Tensor, samples: Tensor, mask: Tensor | None) -> Tensor:
    """What was made, with what was to be kept as it was."""
    if mask is None or mask.ndim != samples.ndim or mask.shape[2:] != made.shape[2:]:
        return made
    return torch.where(mask.to(made) > 0, made, samples.to(made))


# --- MODEL to MODEL


def for_latent(model: ModelPatcher, latent: Latent) -> ModelPatcher:
    """The MODEL that samples this LATENT: told of its time, with the schedule's shift by its size, on a ring where it
    is one.

    All of it is the MODEL's, so any sampler has it; what it was told of another LATENT is forgotten. Raises InputError
    where MODEL and LATENT do not fit.
    """
    samples, info = samples_of(latent), info_of(latent)
    check_sound(model, latent)
    _check_grid(model, samples)
    edit = info.edit
    settings = DEFAULTS.sampling if edit is None else edit.settings(DEFAULTS.sampling, DEFAULTS.sampling)
    turned = _untold(model)
    by_hand = bool(turned.get_wrappers(WrappersMP.APPLY_MODEL, RING))
    if settings.ring and not by_hand:
        turned = patched(turned, LATENT_RING, _ring)
    if edit is not None and settings.flow_edit:
        turned = patched(turned, FLOW_EDIT, _corrected(model.model.process_latent_in(edit.state.latent)))
    if isinstance(model.model, SoraBase):
        spans = None if edit is None else tuple(edit.state.spans.tolist())
        _tell(turned, spans=spans, fps=info.fps or DEFAULTS.fps, ring=by_hand or settings.ring)
        if edit is not None:
            turned.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, LEFTOVER, _leftover(edit))
        known = model.object_patches.get("model_sampling")
        if known is None or getattr(known, BY_SIZE, False):
            turned.add_object_patch("model_sampling", _schedule_for(model.model, samples))
    return turned


def ring_time(model: ModelPatcher) -> ModelPatcher:
    """The MODEL under which a clip has no first frame."""
    _check_video(model)
    turned = model.clone()
    turned.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, LATENT_RING)
    turned = patched(turned, RING, _ring)
    if isinstance(model.model, SoraBase):
        _tell(turned, ring=True)
    return turned


def _untold(model: ModelPatcher) -> ModelPatcher:
    """A copy of a MODEL without what another LATENT has attached to it."""
    copy = model.clone()
    for kind, key in (
        (WrappersMP.APPLY_MODEL, LATENT_RING),
        (WrappersMP.APPLY_MODEL, FLOW_EDIT),
        (WrappersMP.OUTER_SAMPLE, LEFTOVER),
    ):
        copy.remove_wrappers_with_key(kind, key)
    return copy


def patched(model: ModelPatcher, key: str, decorate: Callable[[Denoiser, dict[str, Any]], Denoiser]) -> ModelPatcher:
    """A copy of a MODEL under a decorator of ours, `decorate(denoiser, transformer_options)`: the one way in which
    they attach.

    What a network is told of each latent position rides with the mask, so that a decorator that moves or cuts time
    moves it too.
    """

    @plainly
    def wrapper(
        run: Any, x: Tensor, sigma: Tensor, concat: Any, context: Any, control: Any, options: Any, **told: Any
    ) -> Tensor:
        given = {name: value for name, value in {**told, "concat": concat}.items() if _on_grid(value, x)}

        def network(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
            parts = dict(zip(given, mask.split([value.shape[1] for value in given.values()], 1), strict=True))
            return run(x, sigma, parts.pop("concat", concat), context, control, options, **{**told, **parts})

        riders = torch.cat([x[:, :0], *(value.to(x) for value in given.values())], 1)
        return decorate(network, options)(x, sigma, riders, context)

    copy = model.clone()
    attached = {name: copy.get_wrappers(WrappersMP.APPLY_MODEL, name) for name in ORDER} | {key: [wrapper]}
    for name, wrappers in attached.items():
        copy.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, name)
        for one in wrappers:
            copy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, name, one)
    return copy


def _ring(network: Denoiser, options: dict[str, Any]) -> Denoiser:
    """Raises InputError beside a patch of ComfyUI's that remembers or cuts time, which a turning clip does not bear."""
    if "context_window" in options:
        raise InputError(
            "context windows would each become a loop under ring time; for a loop of windows take closed_loop without"
            " ring time"
        )
    if "easycache" in options.get("wrappers", {}).get(WrappersMP.DIFFUSION_MODEL, {}):
        raise InputError(
            "EasyCache would use what it kept of one turn of the ring at another; take LazyCache with ring time"
        )
    turning = ring(network, options["sample_sigmas"])

    def turned(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        if x.ndim != 5:
            raise InputError(
                "ring time turns pictures, and this latent holds their sound too; sample the picture alone (Separate AV"
                " Latent), and take a model of pictures where this one makes none without sound"
            )
        return turning(x, sigma, mask, context)

    return turned


def _corrected(source: Tensor) -> Callable[[Denoiser, dict[str, Any]], Denoiser]:
    """FlowEdit correction towards `source`; the noise of a run is computed from its first calls."""
    noise = source

    def decorate(network: Denoiser, options: dict[str, Any]) -> Denoiser:
        def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
            nonlocal noise
            level = float(sigma[0])
            if level >= float(options["sample_sigmas"][0]) * (1 - 1e-6):
                noise = (x[: len(source)] - (1 - level) * source.to(x)) / level
            return flow_edit(network, network, source, noise)(x, sigma, mask, context)

        return denoise

    return decorate


def _leftover(edit: Edit) -> Callable[..., Any]:
    """What a sampler is given that adds no noise, to go on from what another left: there kept parts have noise as all
    else has, and are put back. Raises InputError for an edit that needs to know the noise itself."""
    kept, clean = edit.state.mask == 0, edit.state.clean

    @plainly
    def wrapper(run: Any, noise: Tensor, latent_image: Tensor, *given: Any, **told: Any) -> Any:
        if latent_image.shape[2:] == clean.shape[2:] and latent_image.any() and not noise.any():
            if edit.flow_edit or not (kept | (edit.state.mask == 1)).all():
                raise InputError(
                    "a restyle, and what is kept at a strength below 1, is sampled from start to end by one sampler,"
                    " and this one adds no noise, to go on from what another left; take one sampler"
                )
            latent_image = torch.where(kept.to(latent_image.device), clean.to(latent_image), latent_image)
        return run(noise, latent_image, *given, **told)

    return wrapper


def _tell(model: ModelPatcher, **about: Any) -> None:
    """Add to what a copy of our MODEL is told of time."""
    options = {**model.model_options.get("transformer_options", {})}
    options[TIME] = replace(options.get(TIME, LatentTime()), **about)
    model.model_options["transformer_options"] = options


def _schedule_for(base: SoraBase, samples: Tensor) -> Any:
    """The noise levels by our rule for a grid of this size."""
    levels = comfy.model_base.model_sampling(base.model_config, comfy.model_base.ModelType.FLOW)
    levels.set_parameters(shift=shift_for_grid(samples.shape[2:], base.diffusion_model.config.patch))
    setattr(levels, BY_SIZE, True)
    return levels


def _on_grid(value: Any, x: Tensor) -> bool:
    return (
        isinstance(value, Tensor)
        and value.ndim == 5
        and value.shape[0] == x.shape[0]
        and value.shape[2:] == x.shape[2:]
    )


# --- what does not fit


def _check_video(model: ModelPatcher) -> None:
    layout = model.get_model_object("latent_format")
    if layout.latent_dimensions != 3:
        raise InputError(f"model is one of images or sound ({type(model.model).__name__}); a video MODEL is needed")


def _check_grid(model: ModelPatcher, samples: Tensor) -> None:
    _check_video(model)
    known, name = makes_sound(model), type(model.model).__name__
    wanted = known.channels if known else model.get_model_object("latent_format").latent_channels
    if samples.shape[1] != wanted:
        raise InputError(
            f"latent has {samples.shape[1]} channels and the model ({name}) takes {wanted}; size it with the VAE of the"
            " same model"
        )


def _check_text(model: ModelPatcher, positive: Any) -> None:
    if not isinstance(model.model, SoraBase) and any(settings.get(MARK) for _, settings in positive):
        name = type(model.model).__name__
        raise InputError(
            f"positive was encoded by the CLIP of Sora Load Model and the model is {name}; encode it with the CLIP of"
            " that model"
        )


def _without_text(model: ModelPatcher, positive: Any, cfg: float) -> Any:
    """What guidance steers away from where no negative prompt is linked."""
    if isinstance(model.model, SoraBase):
        text = positive[0][0]
        return [[torch.zeros_like(text[:, 0] if text.ndim == 4 else text), {}]]
    if cfg != 1:
        raise InputError(
            f"negative is not linked, and with cfg {cfg:g} the model ({type(model.model).__name__}) needs one; link one"
            " or set cfg to 1"
        )
    return positive


# --- what ComfyUI's samplers are given


def _regions(conditioning: Any) -> Any:
    """CONDITIONING whose regions hold for a video: shares of height and width are of all frames, and a mask is followed
    without the crop to its bounds, which ComfyUI knows for pictures alone."""

    regions = []
    for text, settings in conditioning:
        whole = {**settings, "set_area_to_bounds": False}
        area = settings.get("area", ())
        if len(area) == 5:  # ("percentage", height, width, y, x)
            whole["area"] = ("percentage", 1.0, *area[1:3], 0.0, *area[3:])
        regions.append([text, whole])
    return regions


def _with_picture(model: ModelPatcher, conditioning: Any, latent: Latent) -> Any:
    """CONDITIONING that tells an image-to-video Wan what is kept, where no node has told it of an image."""
    mask = latent.get("noise_mask")
    if mask is None or not isinstance(model.model, comfy.model_base.WAN21):
        return conditioning
    samples = samples_of(latent)
    kept = samples * (1 - comfy.utils.reshape_mask(mask, samples.shape).to(samples))
    return [[text, {"concat_latent_image": kept, **settings}] for text, settings in conditioning]


def _sigmas(model: ModelPatcher, settings: SamplingSettings) -> Tensor:
    """The schedule that the MODEL brings. Raises InputError for numbers that only a linked node can give."""
    steps, denoise = settings.steps, settings.denoise
    if steps < 1 or not 0 < denoise <= 1:
        raise InputError(f"steps must be at least 1 and denoise above 0 and at most 1, not {steps} and {denoise:g}")
    total = steps if denoise > 0.9999 else int(steps / denoise)
    levels = model.get_model_object("model_sampling")
    return comfy.samplers.calculate_sigmas(levels, settings.scheduler, total)[-(steps + 1) :]


def tiny_decoder(layout: Any, device: torch.device) -> TinyDecoder | None:
    """The decoder of previews for latents of this kind, from the folder vae_approx; None where there is none, and on a
    processor, which would wait for it."""
    name = TINY.get(type(layout).__name__)
    files = folder_paths.get_filename_list("vae_approx") if name and torch.device(device).type != "cpu" else []
    file = next((file for file in files if name in file and file.endswith(".safetensors")), None)
    return load_tiny(folder_paths.get_full_path_or_raise("vae_approx", file), device=device) if file else None


def _callback(model: ModelPatcher, latent: Latent) -> Callable[..., None]:
    """Called by ComfyUI's samplers after each step: the bar, and what is made so far."""
    layout, bars = model.get_model_object("latent_format"), SimpleNamespace(bar=None)
    decoder = tiny_decoder(layout, model.load_device)
    fps, shape = info_of(latent).fps or DEFAULTS.fps, tuple(samples_of(latent).shape)

    def step(done: int, clean: Any, x: Any, total: int) -> None:
        bars.bar = bars.bar or comfy.utils.ProgressBar(total)
        clean = picture_of(clean)
        if clean.shape != shape:  # before 0.30 picture and sound come in one row
            clean = clean.flatten(1)[:, : math.prod(shape[1:])].view(shape)
        bars.bar.update_absolute(done + 1, total, moving_preview(clean, layout, fps, decoder))

    return step
