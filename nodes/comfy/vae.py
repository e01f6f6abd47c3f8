"""Our codec as ComfyUI's VAE, and any VAE as a codec of ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import comfy.model_management as memory
import comfy.sd
import torch
from comfy.model_patcher import ModelPatcher
from comfyui_version import __version__
from torch import Tensor

from ... import NEWEST, OLDEST
from ...sora_core.errors import InputError, ResourceError
from ...sora_core.grid import Geometry
from ...sora_core.pipeline import SoraModel
from ..layouts.pictures import rgb
from .mistakes import plainly
from .model import DTYPE

__all__ = ["SoraVAE", "checked", "codec_of", "geometry_of"]

TOLERANCE = 0.02
"""of pixels in 0..1 and of latents near 1, between ComfyUI's calls and our codec on the same device: half precision
passes, another range of values does not"""


class SoraVAE(comfy.sd.VAE):
    """Our codec as a VAE.

    ComfyUI has no place to register one. Its own constructor runs on the smallest VAE it knows, one without layers, so
    that whatever a version adds has that version's value; then what is ours takes its place. `checked` compares the
    outcome with the codec itself.
    """

    def __init__(self, model: SoraModel) -> None:
        super().__init__(sd={"pixel_space_vae": torch.tensor(1.0)}, dtype=DTYPE)
        codec, geometry = model.codec, model.geometry
        time, space = geometry.time_factor, geometry.space_factor
        self.sora, self.geometry = model, geometry
        self.first_stage_model = codec
        self.latent_channels, self.latent_dim, self.output_channels = geometry.channels, 3, 3
        self.downscale_ratio = (lambda frames: math.ceil((frames - 1) / time) + 1, space, space)
        self.upscale_ratio = (lambda frames: max(0, (frames - 1) * time + 1), space, space)
        self.downscale_index_formula = self.upscale_index_formula = (time, space, space)
        self.memory_used_encode = lambda shape, dtype: 600 * math.prod(shape[2:])
        self.memory_used_decode = lambda shape, dtype: 900 * time * space * space * math.prod(shape[2:])
        self.working_dtypes, self.size = [DTYPE], None
        self.disable_offload = True  # a few megabytes: always whole, which ComfyUI does with a plain ModelPatcher
        self.patcher = ModelPatcher(codec, load_device=self.device, offload_device=memory.vae_offload_device())

    decode, decode_tiled = plainly(comfy.sd.VAE.decode), plainly(comfy.sd.VAE.decode_tiled)

    @plainly
    def encode(self, pixel_samples: Tensor, **options: Any) -> Tensor:
        return super().encode(self._whole(pixel_samples), **options)

    @plainly
    def encode_tiled(self, pixel_samples: Tensor, **tiles: Any) -> Tensor:
        return super().encode_tiled(self._whole(pixel_samples), **tiles)

    def _whole(self, image: Tensor) -> Tensor:
        """[F,H,W,C] or [B,F,H,W,C] with the last frame repeated until the latents are whole: nothing is dropped. Raises
        InputError for frames that have no latent."""
        space, (height, width) = self.geometry.space_factor, image.shape[-3:-1]
        if min(height, width) < space:
            raise InputError(f"pixels are {width}x{height} and this VAE takes {space}x{space} and more; enlarge them")
        image = rgb(image, "pixels") if image.ndim == 4 else image
        axis = image.ndim - 4
        missing = -(image.shape[axis] - 1) % self.geometry.time_factor
        last = image.narrow(axis, image.shape[axis] - 1, 1)
        return torch.cat([image] + [last] * missing, axis) if missing else image


def checked(vae: SoraVAE) -> SoraVAE:
    """The same VAE, after a tiny clip went through each of ComfyUI's calls; raises ResourceError, naming ComfyUI's
    version, where one fails or gives other numbers than our codec."""
    codec, geometry = vae.first_stage_model, vae.geometry
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        memory.load_models_gpu([vae.patcher], force_full_load=True)
        latent = torch.randn(1, geometry.channels, 2, 2, 2, generator=generator)
        video = codec.decode(latent.to(vae.device)).clamp(-1, 1)
        image = (video[0].movedim(0, -1).cpu() + 1) / 2
        again = codec.encode(video).cpu()
        tile = {"tile_x": 64 * geometry.space_factor, "tile_y": 64 * geometry.space_factor, "overlap": 64}
        small = {"tile_x": 64, "tile_y": 64, "overlap": 16, "tile_t": 16, "overlap_t": 2}
        calls = {
            "decode": (image, lambda: vae.decode(latent)[0]),
            "decode_tiled": (image, lambda: vae.decode_tiled(latent, **small)[0]),
            "encode": (again, lambda: vae.encode(image)),
            "encode_tiled": (again, lambda: vae.encode_tiled(image, **tile, tile_t=64, overlap_t=8)),
        }
        for name, (right, call) in calls.items():
            _compare(name, right, call)
    return vae


def _compare(name: str, right: Tensor, call: Callable[[], Tensor]) -> None:
    try:
        made = call().float().cpu()
    except Exception as error:
        found = f"raises {type(error).__name__} ({error})"
    else:
        same = made.shape == right.shape
        if same and float((made - right).abs().max()) < TOLERANCE:
            return
        found = f"is off by {float((made - right).abs().max()):.2g}" if same else f"gives {list(made.shape)}"
    raise ResourceError(
        f"ComfyUI {__version__} calls a VAE in a way that this version of Sora Nodes does not know: `{name}` on ours"
        f" {found}; update Sora Nodes, or take a ComfyUI from {_dotted(OLDEST)} to {_dotted(NEWEST)}"
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


class HostCodec:
    """A VAE of ComfyUI's as a codec of ours, whole clips at a time.

    It knows clips from their start alone, where one frame fills a latent frame. What is from the middle of a stream
    goes behind a copy of its own beginning, which is dropped: not what a VAE would do that remembers, but near, and
    nearer with each frame.
    """

    takes_spans = False

    def __init__(self, vae: Any) -> None:
        self.vae, self.geometry = vae, geometry_of(vae)
        self.latent_mean = torch.zeros(self.geometry.channels)

    def encode(self, video: Tensor, *, mid_stream: bool = False) -> Tensor:
        """[1,3,F,H,W] in -1..1 to a LATENT's samples."""
        frames = torch.cat([video[:, :, :1], video], 2) if mid_stream else video
        latent = self.vae.encode(((frames[0].movedim(0, -1) + 1) / 2).clamp(0, 1))
        return latent[:, :, 1:] if mid_stream else latent

    def decode(self, latent: Tensor, *, mid_stream: bool = False) -> Tensor:
        """A LATENT's samples [B,C,T,H,W] to [B,3,F,H,W] in -1..1."""
        whole = torch.cat([latent[:, :, :1], latent], 2) if mid_stream else latent
        video = self.vae.decode(whole).movedim(-1, 1) * 2 - 1
        return video[:, :, 1:] if mid_stream else video

    def decode_stream(self, latents: Any, *, mid_stream: bool = False) -> Any:
        """The whole clip at once: ComfyUI's VAEs keep no cache between calls."""
        yield self.decode(torch.cat(list(latents), 2), mid_stream=mid_stream)


def geometry_of(vae: Any) -> Geometry:
    """How any VAE divides a video, read from the object itself; raises InputError for one of images or sound."""
    if isinstance(vae, SoraVAE):
        return vae.geometry
    time = vae.temporal_compression_decode() if isinstance(vae, comfy.sd.VAE) else None
    if time is None or vae.latent_dim != 3:
        raise InputError(f"the VAE of a video model is needed (Wan, LTX, Hunyuan, Cosmos or ours), not {_kind(vae)}")
    space = int(vae.spacial_compression_encode())
    if vae.latent_channels == 24 and vae.upscale_ratio[0](7) == 22:  # MiniMax H3, which begins anew every 17 frames
        return Geometry(time_factor=4, space_factor=space, channels=24, patch=2, cycle=5)
    return Geometry(time_factor=time, space_factor=space, channels=vae.latent_channels, patch=2 if space <= 16 else 1)


def _kind(vae: Any) -> str:
    inner = getattr(vae, "first_stage_model", None)
    return f"an image model's ({type(inner).__name__})" if inner is not None else type(vae).__name__


def codec_of(vae: Any) -> Any:
    """The codec of any VAE, on its device."""
    geometry_of(vae)
    if not isinstance(vae, SoraVAE):
        return HostCodec(vae)
    memory.load_models_gpu([vae.patcher], force_full_load=True)
    return vae.first_stage_model
