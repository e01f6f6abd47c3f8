"""Our transformer as ComfyUI's MODEL: a ModelPatcher around SoraBase around SoraTransformer, built from ComfyUI's
layers.

So casting, offloading, LoRA, hooks and every stock sampler work on it. ComfyUI reads the output of a flow model as
velocity, so the transformer gives (x - clean) / sigma. What it is told of a grid beside the latent itself, a
`LatentTime`, rides in the MODEL's transformer_options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management as memory
import comfy.model_patcher
import comfy.model_sampling
import comfy.supported_models_base
import torch
from comfy.conds import CONDConstant, CONDRegular
from comfy.ldm.common_dit import pad_to_patch_size
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP, WrapperExecutor, WrappersMP, get_all_wrappers
from torch import Tensor

from ...sora_core.diffusion import shift_for_grid, span_prompts
from ...sora_core.diffusion.parametrization import denoised_from, level_at
from ...sora_core.dit import DiT, DiTConfig
from ...sora_core.dit.denoiser import DiTDenoiser, prompts
from ...sora_core.errors import InputError
from ...sora_core.grid import Geometry, positions
from ...sora_core.pipeline import DEFAULTS, SoraModel
from ...sora_core.types import Denoiser
from ...sora_core.vae.colours import rgb_factors
from ..layouts.conditioning import check_length, check_prompts
from .mistakes import plainly
from .unread import check_conditioning, check_patches

if TYPE_CHECKING:
    from ...sora_core.vae import CausalCodec

__all__ = ["DTYPE", "TIME", "HostLayers", "LatentTime", "SoraBase", "SoraTransformer", "sora_patcher"]

DTYPE = torch.float32
"""the bundled model is small: it runs as it was trained, and gives the same frames on every device"""
SHIFT = shift_for_grid((8, 8), (2, 2))
"""of the schedule where nothing tells the MODEL of a grid: our rule at 64x64"""
HIGHEST = 1.001
"""a noise level that is taken for 1, with what rounding does to it"""
TIME = "sora_time"
"""the key of the LatentTime in transformer_options"""
KEPT = 4
"""denoisers remembered, for the tables in them"""


@dataclass(frozen=True, kw_only=True)
class LatentTime:
    """What a LATENT's numbers do not say of its time."""

    spans: tuple[int, ...] | None = None
    """pixel frames of each latent frame; None: those of a clip from its start"""
    fps: float = DEFAULTS.fps
    ring: bool = False
    """the clip has no first frame, so every latent frame is from the middle of a stream"""

    def at(self, places: Sequence[int], *, whole: bool) -> tuple[int, ...]:
        """The spans at some places of a clip, or at all of them; raises InputError where they are not those of this
        clip."""
        factor = Geometry().time_factor
        if self.ring or self.spans is None:
            return tuple(1 if place == 0 and not self.ring else factor for place in places)
        if max(places) >= len(self.spans) or (whole and len(places) != len(self.spans)):
            raise InputError(
                f"the MODEL was told of a latent of {len(self.spans)} latent frames and is given one of"
                f" {max(places) + 1}; link Sora Model For Latent and the sampler to the same LATENT"
            )
        return tuple(self.spans[place] for place in places)


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

    def __init__(
        self, config: DiTConfig, *, dtype: torch.dtype, device: Any = None, operations: Any = None, **_: Any
    ) -> None:
        super().__init__(config, ops=HostLayers(operations, dtype, device))
        self.dtype = dtype
        self.in_channels = config.channels  # RenormCFG reads it
        self._denoisers: dict[Any, Denoiser] = {}

    def embed(self, groups: Sequence[Tensor]) -> Tensor:
        """Through the layer itself, whose weights ComfyUI may hold elsewhere."""
        return torch.cat([self.patch_embedding(group).flatten(2).transpose(1, 2).flatten(0, 1) for group in groups])

    @plainly
    def forward(  # type: ignore[override]
        self, x: Any, timesteps: Any, context: Any, control: Any = None, transformer_options: Any = None, **told: Any
    ) -> Any:
        options = transformer_options or {}
        check_patches(options)
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options)
        own = x.clone()  # EasyCache writes into what it is given, and in float32 that is the sampler's own
        return WrapperExecutor.new_class_executor(self.velocity, self, wrappers).execute(
            own, timesteps, context, control, options, **told
        )

    def velocity(
        self, x: Tensor, timesteps: Tensor, context: Tensor, control: Any, transformer_options: Any,
        denoise_mask: Tensor | None = None, sora_shots: Any = None, **_: Any,
    ) -> Tensor:  # fmt: skip
        """x [B,C,T,H,W] of any height and width at timesteps [B] = 1000 sigma -> (x - clean) / sigma."""
        mask = torch.ones_like(x[:, :1]) if denoise_mask is None else denoise_mask.to(x)
        padded, padded_mask = pad_to_patch_size(x, self.config.patch), pad_to_patch_size(mask, self.config.patch)
        sigma = timesteps.float() / 1000
        clean = self._denoiser(x.shape[2], sora_shots, transformer_options)(padded, sigma, padded_mask, context)
        clean = clean[..., : x.shape[3], : x.shape[4]].to(x)
        return (x - clean) / sigma.view(-1, 1, 1, 1, 1).to(x)

    def _denoiser(self, frames: int, shots: Any, options: dict[str, Any]) -> Denoiser:
        """The denoiser of a grid, or of one of ComfyUI's context windows on it."""
        time, window = options.get(TIME, LatentTime()), options.get("context_window")
        places = tuple(range(frames) if window is None else _window_places(window))
        _check_shots(shots, places, whole=window is None)
        key = (time.at(places, whole=window is None), time.fps, places, shots)
        if key not in self._denoisers:
            for old in list(self._denoisers)[: 1 - KEPT]:
                del self._denoisers[old]
            self._denoisers[key] = self._new_denoiser(torch.tensor(key[0]), time.fps, places, shots)
        return self._denoisers[key]

    def _new_denoiser(self, spans: Tensor, fps: float, places: tuple[int, ...], shots: Any) -> Denoiser:
        table = None if shots is None else torch.tensor(shots)[..., list(places)]
        rows = table if table is not None and table.ndim == 1 else None
        own = HostDenoiser(self, positions=positions(spans, fps), spans=spans, fps=fps, rows=rows)
        return own if table is None or rows is not None else span_prompts(own, table)


def _window_places(window: Any) -> list[int]:
    """Which latent frames a context window shows: since 0.27 the one before it may lead, cut off again afterwards."""
    anchor = getattr(window, "causal_anchor_index", None)
    return [*([] if anchor is None or anchor < 0 else [anchor]), *window.index_list]


def _check_shots(shots: Any, places: Sequence[int], *, whole: bool) -> None:
    """Raises InputError where the prompts of a storyboard, a row for each latent frame or weights [K,T], are not over
    the clip that is at hand."""
    if shots is not None:
        known, last = len(shots[0] if isinstance(shots[0], tuple) else shots), max(places) + 1
        check_length(known, last if whole else max(known, last))


class SoraBase(comfy.model_base.BaseModel):
    """Our transformer as ComfyUI's base model: text as it is, kept positions told by the mask and given clean."""

    def __init__(self, model_config: SoraConfig, device: Any = None) -> None:
        super().__init__(model_config, comfy.model_base.ModelType.FLOW, device=device, unet_model=SoraTransformer)

    @plainly
    def extra_conds(self, **given: Any) -> dict[str, Any]:
        check_conditioning(given)
        text, width = given.get("cross_attn"), self.diffusion_model.config.text_width
        if text is None or text.shape[-1] != width:
            got = "none" if text is None else f"features of width {text.shape[-1]}"
            raise InputError(
                f"the bundled MODEL takes text features of width {width}, not {got}; encode with the CLIP of Sora Load"
                " Model"
            )
        if text.shape[-2] > (most := self.diffusion_model.config.text_tokens):
            raise InputError(
                f"the bundled MODEL reads {most} words and this CONDITIONING has features of {text.shape[-2]}, as"
                " Conditioning (Concat) makes them; say it in one prompt, or use Conditioning (Combine)"
            )
        out: dict[str, Any] = {"c_crossattn": CONDRegular(text)}
        if given.get("denoise_mask") is not None:
            out["denoise_mask"] = CONDRegular(given["denoise_mask"][:, :1])
        if given.get("sora_shots") is not None and text.ndim == 4:
            follow = given["sora_shots"]
            check_prompts(follow, text)
            shots = (follow.rows if follow.weights is None else follow.weights).tolist()
            out["sora_shots"] = CONDConstant(tuple(tuple(row) if isinstance(row, list) else row for row in shots))
        return out

    @plainly
    def process_timestep(self, timestep: Tensor, **_: Any) -> Tensor:
        """1000 sigma, by whatever flow schedule a ModelSampling node has put in place of ours. Raises InputError for
        the schedules of other kinds of models, and for noise levels above 1."""
        levels = self.model_sampling
        if not isinstance(levels, comfy.model_sampling.CONST):
            raise InputError(
                "the bundled MODEL is sampled as a flow, and a ModelSampling node before the sampler makes another kind"
                " of model of it; take ModelSamplingSD3, or none"
            )
        scaled = timestep * (1000 / levels.timestep(torch.ones_like(timestep)))
        if (level := float(scaled.detach().max()) / 1000) > HIGHEST:
            raise InputError(
                f"the bundled MODEL takes sigmas from 1 to 0, and a scheduler before the sampler gives it {level:.4g};"
                " take BasicScheduler, or set sigma_max to 1"
            )
        return scaled

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

    def __init__(self, model: SoraModel) -> None:
        config = model.dit.config
        super().__init__({"config": config, "model_channels": config.width})  # FreeU asks, and is refused when it runs
        self.latent_format = SoraLatent(model.codec)

    def inpaint_model(self) -> bool:
        return False

    def get_model(self, state_dict: dict[str, Tensor], prefix: str = "", device: Any = None) -> SoraBase:
        return SoraBase(self, device=device)


def sora_patcher(model: SoraModel, *, disable_dynamic: bool = False) -> ModelPatcher:
    """The MODEL of a model of ours; stock samplers guide it within the noise levels that our own does.

    `disable_dynamic`: with the plain class, for what ComfyUI cannot do under its dynamic one; it asks for that itself.
    """
    weights = dict(model.dit.state_dict())
    device, rest = memory.get_torch_device(), memory.unet_offload_device()
    config = SoraConfig(model)
    config.set_inference_dtype(DTYPE, memory.unet_manual_cast(DTYPE, device, config.supported_inference_dtypes))
    base = config.get_model(weights, device=rest)
    base.load_model_weights(weights)
    kind = ModelPatcher if disable_dynamic else patcher_class()
    patcher = kind(base.eval().requires_grad_(False), load_device=device, offload_device=rest)
    patcher.cached_patcher_init = (sora_patcher, (model,))
    patcher.set_model_sampler_cfg_function(_guided)
    patcher.add_callback(CallbacksMP.ON_LOAD, _patch_own)
    return patcher


def _patch_own(patcher: ModelPatcher, device: Any, *_: Any) -> None:
    """Patches the weights that a block holds itself, as a merge or a LoRA asks for: ComfyUI patches those of layers
    alone."""
    for key in patcher.patches:
        owner = patcher.model.get_submodule(key.rpartition(".")[0])
        if key not in patcher.backup and any(owner.children()):
            patcher.patch_weight_to_device(key, device)


def patcher_class() -> type[ModelPatcher]:
    """What ComfyUI wraps models in: since 0.16 its start may have put one with dynamic memory in this place."""
    return getattr(comfy.model_patcher, "CoreModelPatcher", ModelPatcher)


def _guided(args: dict[str, Any]) -> Tensor:
    """Guidance at the noise levels where it helps; in ComfyUI's form, x minus the clean estimate."""
    low, high = DEFAULTS.sampling.cfg_interval
    cond, uncond = args["cond"], args["uncond"]
    return uncond + (cond - uncond) * args["cond_scale"] if low <= float(args["sigma"].detach().max()) <= high else cond
