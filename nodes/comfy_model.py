"""The one file that imports `comfy.*`: our model as ComfyUI's own objects, and ComfyUI's video models under our nodes.

    MODEL  ModelPatcher around SoraBase around SoraTransformer, our transformer built from ComfyUI's layers
    CLIP   comfy.sd.CLIP around our tokenizer and encoder
    VAE    SoraVAE around our codec

So casting, offloading, LoRA, hooks and every stock sampler work on them. ComfyUI reads the output of a flow model as velocity, so
the transformer gives (x - clean) / sigma. Tested with ComfyUI 0.3.64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management as memory
import comfy.ops
import comfy.sample
import comfy.samplers
import comfy.sd
import comfy.supported_models_base
import torch
from comfy.conds import CONDConstant, CONDRegular
from comfy.ldm.common_dit import pad_to_patch_size
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from comfy.sd1_clip import escape_important, token_weights, unescape_important
from comfy.utils import ProgressBar
from torch import Tensor

from ..sora_core import pipeline
from ..sora_core.diffusion import ring, schedule, shift_for_tokens, span_prompts
from ..sora_core.diffusion.parametrization import denoised_from, level_at
from ..sora_core.dit import DiT, DiTConfig
from ..sora_core.dit.denoiser import DiTDenoiser, prompts
from ..sora_core.errors import InputError
from ..sora_core.grid import Geometry, positions, spans
from ..sora_core.text.encoder import TextConfig, TextEncoder
from ..sora_core.text.tokenizer import PAD, UNKNOWN, WordTokenizer, split_words
from ..sora_core.types import Denoiser, Progress
from .preview import moving_preview, rgb_factors

if TYPE_CHECKING:
    from ..sora_core.vae import CausalCodec

__all__ = ["codec_of", "encode", "geometry_of", "native", "progress_bar", "sample", "told_time"]

DTYPE = torch.float32
"""the bundled model is small: it runs as it was trained, and gives the same frames on every device"""
SHIFT = shift_for_tokens("picture", 16)
"""of the schedule for stock samplers: our rule at the default size of 64x64; Sora Sampler follows the grid"""


def native(model: pipeline.SoraModel) -> tuple[ModelPatcher, comfy.sd.CLIP, SoraVAE]:
    """MODEL, CLIP and VAE of a model of ours."""
    return _patcher(model), _clip(model), SoraVAE(model)


def progress_bar() -> Progress:
    """The bar of the node that runs; calling it raises ComfyUI's own exception when the person stops the run."""
    bars: list[ProgressBar] = []

    def tell(done: int, total: int) -> None:
        memory.throw_exception_if_processing_interrupted()
        if not bars:
            bars.append(ProgressBar(total))
        bars[0].update_absolute(done, total)

    return tell


# --- MODEL


class HostLayers:
    """ComfyUI's layers on one device and in one dtype, called as torch's are."""

    def __init__(self, operations: Any, dtype: torch.dtype, device: Any) -> None:
        self._operations, self._where = operations, {"dtype": dtype, "device": device}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        layer = getattr(self._operations, name)
        return lambda *sizes, **settings: layer(*sizes, **settings, **self._where)


class HostDenoiser(DiTDenoiser):
    """Our denoiser within ComfyUI, which chooses dtype and device, and may change weights between two calls."""

    def __call__(self, x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        output = DiT.forward(self.dit, [x], sigma, self.plan(x, mask, prompts(context)), self.text(context))[0]
        return denoised_from(output.float(), x, level_at(sigma, mask), self.dit.config.prediction)

    def text(self, context: Tensor) -> Any:
        return self.dit.text(context.reshape(-1, *context.shape[-2:]))


class SoraTransformer(DiT):
    """Our transformer with ComfyUI's way to call one."""

    def __init__(self, config: DiTConfig, *, dtype: torch.dtype, device: Any = None, operations: Any = None, **_: Any) -> None:
        super().__init__(config, ops=HostLayers(operations, dtype, device))
        self.dtype = dtype
        self._denoisers: dict[Any, Denoiser] = {}

    def forward(self, x: Any, timesteps: Any, context: Any, control: Any = None, transformer_options: Any = None, **told: Any) -> Any:  # type: ignore[override]
        options = transformer_options or {}
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options)
        return WrapperExecutor.new_class_executor(self.velocity, self, wrappers).execute(x, timesteps, context, control, options, **told)

    def velocity(
        self, x: Tensor, timesteps: Tensor, context: Tensor, control: Any, transformer_options: Any,
        denoise_mask: Tensor | None = None, sora_grid: Any = None, sora_shots: Any = None, **_: Any,
    ) -> Tensor:  # fmt: skip
        """x [B,C,T,H,W] of any height and width at timesteps [B] = 1000 sigma -> (x - clean) / sigma."""
        mask = torch.ones_like(x[:, :1]) if denoise_mask is None else denoise_mask.to(x)
        padded, told = pad_to_patch_size(x, self.config.patch), pad_to_patch_size(mask, self.config.patch)
        sigma = timesteps.float() / 1000
        clean = self._denoiser(x.shape[2], sora_grid, sora_shots)(padded, sigma, told, context)
        clean = clean[..., : x.shape[3], : x.shape[4]].to(x)
        return (x - clean) / sigma.view(-1, 1, 1, 1, 1).to(x)

    def _denoiser(self, frames: int, grid: Any, shots: Any) -> Denoiser:
        """The denoiser of a grid; the last few are kept, for the tables in them."""
        key = (frames, grid, shots)
        if key not in self._denoisers:
            for old in list(self._denoisers)[:-3]:
                del self._denoisers[old]
            self._denoisers[key] = self._new_denoiser(frames, grid, shots)
        return self._denoisers[key]

    def _new_denoiser(self, frames: int, grid: Any, shots: Any) -> Denoiser:
        lengths, fps = grid or (None, pipeline.DEFAULTS.fps)
        span = torch.tensor(lengths) if lengths and len(lengths) == frames else spans(frames, Geometry())
        table = None if shots is None else torch.tensor(shots)
        rows = table if table is not None and table.ndim == 1 else None
        own = HostDenoiser(self, positions=positions(span, fps), spans=span, fps=fps, rows=rows)
        return own if table is None or rows is not None else span_prompts(own, table)


class SoraBase(comfy.model_base.BaseModel):
    """Our transformer as ComfyUI's base model: text as it is, kept positions told by the mask and given clean."""

    def __init__(self, model_config: SoraConfig, device: Any = None) -> None:
        super().__init__(model_config, comfy.model_base.ModelType.FLOW, device=device, unet_model=SoraTransformer)

    def extra_conds(self, **given: Any) -> dict[str, Any]:
        text, width = given.get("cross_attn"), self.diffusion_model.config.text_width
        if text is None or text.shape[-1] != width:
            got = "none" if text is None else f"features of width {text.shape[-1]}"
            raise InputError(f"the bundled MODEL takes text features of width {width}, not {got}; encode with the CLIP of Sora Load Model")
        out: dict[str, Any] = {"c_crossattn": CONDRegular(text)}
        if given.get("denoise_mask") is not None:
            out["denoise_mask"] = CONDRegular(given["denoise_mask"][:, :1])
        if given.get("sora_grid") is not None:
            out["sora_grid"] = CONDConstant(given["sora_grid"])
        if given.get("sora_shots") is not None and text.ndim == 4:
            shots = given["sora_shots"].tolist()
            out["sora_shots"] = CONDConstant(tuple(tuple(row) if isinstance(row, list) else row for row in shots))
        return out

    def scale_latent_inpaint(self, latent_image: Tensor, **_: Any) -> Tensor:
        return latent_image


class SoraLatent(comfy.latent_formats.LatentFormat):
    """Our latents, which the codec has normalised already."""

    latent_dimensions = 3

    def __init__(self, codec: CausalCodec) -> None:
        self.latent_channels = codec.geometry.channels
        self.latent_rgb_factors, self.latent_rgb_factors_bias = rgb_factors(codec)


class SoraConfig(comfy.supported_models_base.BASE):
    """What ComfyUI must know to place and sample the model."""

    unet_extra_config: dict[str, Any] = {}  # noqa: RUF012
    sampling_settings = {"shift": SHIFT}  # noqa: RUF012
    memory_usage_factor = 1.0
    supported_inference_dtypes = [DTYPE]  # noqa: RUF012

    def __init__(self, model: pipeline.SoraModel) -> None:
        super().__init__({"config": model.dit.config})
        self.latent_format = SoraLatent(model.codec)

    def inpaint_model(self) -> bool:
        return False

    def get_model(self, state_dict: dict[str, Tensor], prefix: str = "", device: Any = None) -> SoraBase:
        return SoraBase(self, device=device)


def _patcher(model: pipeline.SoraModel) -> ModelPatcher:
    """The MODEL; stock samplers guide it within the noise levels that our own does."""
    weights = dict(model.dit.state_dict())
    device, rest = memory.get_torch_device(), memory.unet_offload_device()
    config = SoraConfig(model)
    config.set_inference_dtype(DTYPE, memory.unet_manual_cast(DTYPE, device, config.supported_inference_dtypes))
    base = config.get_model(weights, device=rest)
    base.load_model_weights(weights)
    patcher = ModelPatcher(base.eval().requires_grad_(False), load_device=device, offload_device=rest)
    patcher.set_model_sampler_cfg_function(_guided)
    return patcher


def _guided(args: dict[str, Any]) -> Tensor:
    """Guidance at the noise levels where it helps; in ComfyUI's form, x minus the clean estimate."""
    low, high = pipeline.DEFAULTS.cfg_interval
    cond, free = args["cond"], args["uncond"]
    return free + (cond - free) * args["cond_scale"] if low <= float(args["sigma"].max()) <= high else cond


# --- CLIP


class SoraTokenizer:
    """Words to ids, each with the weight that `(word:1.2)` gives it."""

    def __init__(self, words: WordTokenizer) -> None:
        self.words = words

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_: Any) -> dict[str, list[list[tuple[Any, ...]]]]:
        parts = token_weights(escape_important(text), 1.0)
        said = [(word, weight) for part, weight in parts for word in split_words(unescape_important(part))]
        ids = [(self.words.ids.get(word, UNKNOWN), weight) for word, weight in said[: self.words.length]]
        ids += [(PAD, 1.0)] * (self.words.length - len(ids))
        return {"sora": [[(*pair, i + 1) if return_word_ids else pair for i, pair in enumerate(ids)]]}

    def untokenize(self, pairs: Any) -> list[Any]:
        names = {number: word for word, number in self.words.ids.items()}
        return [(pair, names.get(pair[0], "")) for pair in pairs]

    def state_dict(self) -> dict[str, Tensor]:
        return {}


class SoraText(TextEncoder):
    """Our text encoder with ComfyUI's way to call one."""

    def __init__(self, config: TextConfig, *, dtype: torch.dtype, device: Any, **_: Any) -> None:
        super().__init__(config, ops=HostLayers(comfy.ops.manual_cast, dtype, device))
        self.dtypes = {dtype}

    def encode_token_weights(self, tokens: dict[str, Any]) -> tuple[Tensor, None]:
        """(features [B,S,D], no pooled output); a weight scales the features of its word, since no text is all zeros."""
        table = torch.tensor([[pair[:2] for pair in row] for row in tokens["sora"]], device=self.positions.device)
        features = self(table[..., 0].long()) * table[..., 1:2]
        return features.to(memory.intermediate_device()), None

    def set_clip_options(self, options: dict[str, Any]) -> None:
        """There are none."""

    def reset_clip_options(self) -> None:
        """There are none."""

    def load_sd(self, weights: dict[str, Tensor]) -> Any:
        return self.load_state_dict(weights, strict=False)


def _clip(model: pipeline.SoraModel) -> comfy.sd.CLIP:
    def encoder(**where: Any) -> SoraText:
        return SoraText(model.text.config, **where).eval().requires_grad_(False)  # type: ignore[arg-type]

    target = comfy.supported_models_base.ClipTarget(lambda **_: SoraTokenizer(model.tokenizer), encoder)  # type: ignore[arg-type]
    clip = comfy.sd.CLIP(target, model_options={"dtype": DTYPE})
    clip.load_sd(dict(model.text.state_dict()))
    return clip


def encode(clip: Any, text: str) -> list[list[Any]]:
    """CONDITIONING of a prompt, by any CLIP."""
    if not isinstance(clip, comfy.sd.CLIP):
        raise InputError(f"Sora Text Encode: clip must be a CLIP, not {type(clip).__name__}; the loader found no text encoder in its file")
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


# --- VAE


class SoraVAE(comfy.sd.VAE):
    """Our codec as a VAE. ComfyUI has no place to register one, so its attributes are set here."""

    def __init__(self, model: pipeline.SoraModel) -> None:
        codec, geometry = model.codec, model.geometry
        time, space = geometry.time_factor, geometry.space_factor
        self.sora, self.geometry = model, geometry
        self.first_stage_model = codec
        self.latent_channels, self.latent_dim, self.output_channels = geometry.channels, 3, 3
        self.downscale_ratio = (lambda frames: math.ceil((frames - 1) / time) + 1, space, space)
        self.upscale_ratio = (lambda frames: max(0, (frames - 1) * time + 1), space, space)
        self.downscale_index_formula = self.upscale_index_formula = (time, space, space)
        self.process_input = lambda image: image * 2 - 1
        self.process_output = lambda image: ((image + 1) / 2).clamp(0, 1)
        self.memory_used_encode = lambda shape, dtype: 600 * math.prod(shape[2:])
        self.memory_used_decode = lambda shape, dtype: 900 * time * space * space * math.prod(shape[2:])
        self.working_dtypes, self.vae_dtype = [DTYPE], DTYPE
        self.disable_offload = self.not_video = False
        self.crop_input, self.extra_1d_channel, self.size = True, None, None
        self.device, self.output_device = memory.vae_device(), memory.intermediate_device()
        self.patcher = ModelPatcher(codec, load_device=self.device, offload_device=memory.vae_offload_device())

    def encode(self, pixel_samples: Tensor) -> Tensor:
        return super().encode(self._whole(pixel_samples))

    def encode_tiled(self, pixel_samples: Tensor, **tiles: Any) -> Tensor:
        return super().encode_tiled(self._whole(pixel_samples), **tiles)

    def _whole(self, image: Tensor) -> Tensor:
        """[F,H,W,C] or [B,F,H,W,C] with the last frame repeated until the latents are whole: nothing is dropped."""
        axis = image.ndim - 4
        missing = -(image.shape[axis] - 1) % self.geometry.time_factor
        last = image.narrow(axis, image.shape[axis] - 1, 1)
        return torch.cat([image] + [last] * missing, axis) if missing else image


class HostCodec:
    """A VAE of ComfyUI's as a codec of ours; it encodes and decodes whole clips, which begin where they begin."""

    def __init__(self, vae: Any) -> None:
        self.vae, self.geometry = vae, geometry_of(vae)
        self.latent_mean = torch.zeros(self.geometry.channels)

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[1,3,F,H,W] in -1..1 to a LATENT's samples."""
        self._from_the_start(mid_stream)
        return self.vae.encode(((video[0].movedim(0, -1) + 1) / 2).clamp(0, 1))

    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor:
        """A LATENT's samples [B,C,T,H,W] to [B,3,F,H,W] in -1..1."""
        self._from_the_start(mid_stream)
        return self.vae.decode(latent).movedim(-1, 1) * 2 - 1

    def decode_stream(self, latents: Any, *, mid_stream: bool = False) -> Any:
        """The whole clip at once: ComfyUI's VAEs keep no cache between calls."""
        yield self.decode(torch.cat(list(latents), 2), mid_stream=mid_stream)

    def _from_the_start(self, mid_stream: bool) -> None:
        if mid_stream:
            raise InputError("this VAE knows clips from their start alone; this needs the VAE of Sora Load Model")


def geometry_of(vae: Any) -> Geometry:
    """How any VAE divides a video, read from the object itself; raises InputError for one of images or sound."""
    if isinstance(vae, SoraVAE):
        return vae.geometry
    time = vae.temporal_compression_decode() if isinstance(vae, comfy.sd.VAE) else None
    if time is None or vae.latent_dim != 3:
        raise InputError(f"the VAE of a video model is needed (Wan, LTX, Hunyuan, Cosmos or ours), not {_kind(vae)}")
    space = int(vae.spacial_compression_encode())
    return Geometry(time_factor=time, space_factor=space, channels=vae.latent_channels, patch=2 if space <= 16 else 1)


def _kind(vae: Any) -> str:
    inner = getattr(vae, "first_stage_model", None)
    return f"an image model's ({type(inner).__name__})" if inner is not None else type(vae).__name__


def codec_of(vae: Any) -> Any:
    """The codec of any VAE, on its device."""
    geometry_of(vae)
    if not isinstance(vae, SoraVAE):
        return HostCodec(vae)
    memory.load_models_gpu([vae.patcher])
    return vae.first_stage_model


# --- sampling


def sample(
    model: ModelPatcher, positive: Any, negative: Any, latent: dict[str, Any], noise: Tensor, *,
    seed: int, steps: int, cfg: float, sampler_name: str, scheduler: str, denoise: float,
) -> Tensor:  # fmt: skip
    """Samples a LATENT with any video MODEL through ComfyUI's own samplers: progress, preview and cancel are theirs."""
    samples = latent["samples"]
    _check(model, samples)
    if negative is None:
        negative = _without_text(model, positive, cfg)
    model, positive, negative = told_time(model, latent), _told(model, positive, latent), _told(model, negative, latent)
    mask: Tensor | None = latent.get("noise_mask")
    made = comfy.sample.sample_custom(
        model, noise, cfg, comfy.samplers.sampler_object(sampler_name), _sigmas(model, samples, scheduler, steps, denoise),
        positive, negative, samples, noise_mask=mask, callback=_callback(model, latent), disable_pbar=True, seed=seed,
    )  # fmt: skip
    if mask is None or mask.ndim != 5 or mask.shape[2:] != made.shape[2:]:
        return made
    return torch.where(mask.to(made) > 0, made, samples.to(made))


def told_time(model: ModelPatcher, latent: dict[str, Any]) -> ModelPatcher:
    """The MODEL that samples this LATENT on a ring, where it is one."""
    edit = latent.get("sora", {}).get("edit")
    return patched(model, "sora_ring", ring) if edit is not None and edit.ring else model


def patched(model: ModelPatcher, key: str, decorate: Callable[[Denoiser, Tensor], Denoiser]) -> ModelPatcher:
    """A copy of a MODEL under a decorator of ours, `decorate(denoiser, sigmas)`: the one way in which they attach.

    What a network is told of each latent position rides with the mask, so that a decorator that moves or cuts time moves it too.
    """

    def wrapper(run: Any, x: Tensor, sigma: Tensor, concat: Any, context: Any, control: Any, options: Any, **told: Any) -> Tensor:
        given = {name: value for name, value in {**told, "concat": concat}.items() if _on_grid(value, x)}

        def network(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
            parts = dict(zip(given, mask.split([value.shape[1] for value in given.values()], 1), strict=True))
            return run(x, sigma, parts.pop("concat", concat), context, control, options, **{**told, **parts})

        riders = torch.cat([x[:, :0], *(value.to(x) for value in given.values())], 1)
        return decorate(network, options["sample_sigmas"])(x, sigma, riders, context)

    copy = model.clone()
    copy.add_wrapper_with_key(WrappersMP.APPLY_MODEL, key, wrapper)
    return copy


def _on_grid(value: Any, x: Tensor) -> bool:
    return isinstance(value, Tensor) and value.ndim == 5 and value.shape[0] == x.shape[0] and value.shape[2:] == x.shape[2:]


def _check(model: ModelPatcher, samples: Tensor) -> None:
    """Raises InputError where MODEL and LATENT do not fit."""
    layout = model.get_model_object("latent_format")
    name = type(model.model).__name__
    if layout.latent_dimensions != 3:
        raise InputError(f"Sora Sampler: model is one of images or sound ({name}); a video MODEL is needed")
    if samples.shape[1] != layout.latent_channels:
        raise InputError(
            f"Sora Sampler: latent has {samples.shape[1]} channels and the model ({name}) takes {layout.latent_channels}; "
            "size it with the VAE of the same model"
        )


def _without_text(model: ModelPatcher, positive: Any, cfg: float) -> Any:
    """What guidance steers away from where no negative prompt is linked."""
    if isinstance(model.model, SoraBase):
        text = positive[0][0]
        return [[torch.zeros_like(text[:, 0] if text.ndim == 4 else text), {}]]
    if cfg != 1:
        raise InputError(f"Sora Sampler: negative is not linked, and with cfg {cfg:g} this model needs one; link one or set cfg to 1")
    return positive


def _told(model: ModelPatcher, conditioning: Any, latent: dict[str, Any]) -> Any:
    """CONDITIONING with what a network is told of the grid.

    Ours: pixel frames per latent frame, and the rate. An image-to-video Wan: what is kept, where no node has told it of an image.
    """
    about, mask = latent.get("sora", {}), latent.get("noise_mask")
    told: dict[str, Any] = {}
    if isinstance(model.model, SoraBase):
        state = about["edit"].state if "edit" in about else None
        told["sora_grid"] = (None if state is None else tuple(state.spans.tolist()), about.get("fps", pipeline.DEFAULTS.fps))
    elif mask is not None and isinstance(model.model, comfy.model_base.WAN21):
        told["concat_latent_image"] = latent["samples"] * (1 - mask)
    return [[text, {**told, **settings}] for text, settings in conditioning]


def _sigmas(model: ModelPatcher, samples: Tensor, scheduler: str, steps: int, denoise: float) -> Tensor:
    """The schedule: our own by the size of the grid for our model, unless a node has set one; else what the MODEL brings."""
    if isinstance(model.model, SoraBase) and "model_sampling" not in model.object_patches:
        p, q, r = model.model.diffusion_model.config.patch
        t, h, w = samples.shape[2] // p, math.ceil(samples.shape[3] / q), math.ceil(samples.shape[4] / r)
        return schedule(scheduler, steps, shift=shift_for_tokens("picture", t * h * w, t), denoise=denoise)
    total = steps if denoise > 0.9999 else int(steps / denoise)
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, total)[-(steps + 1) :]


def _callback(model: ModelPatcher, latent: dict[str, Any]) -> Callable[..., None]:
    """Called by ComfyUI's samplers after each step: the bar, and what is made so far."""
    layout, bars = model.get_model_object("latent_format"), SimpleNamespace(bar=None)
    fps = latent.get("sora", {}).get("fps", pipeline.DEFAULTS.fps)

    def step(done: int, clean: Tensor, x: Tensor, total: int) -> None:
        bars.bar = bars.bar or ProgressBar(total)
        bars.bar.update_absolute(done + 1, total, moving_preview(clean, layout, fps))

    return step
