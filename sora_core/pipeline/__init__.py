"""From a prompt to a file: a model, its settings, and the few calls that everything else is made of.

model = load_bundled()
context = encode_text(model, [prompt])
latent = sample(model, empty_state(model, grid), context, noise=..., ...)
for frames in decode_stream(model.codec, latent): ...
"""

from .generation import GenerateResult, check_prompt, generate
from .limits import check_device, check_memory, memory_estimate, time_estimate
from .model import SoraModel, load_bundled, load_codec, load_open
from .sampling import decode_stream, denoiser, empty_state, encode_text, sample, sample_video
from .settings import DEFAULTS, Defaults

__all__ = [
    "DEFAULTS",
    "Defaults",
    "GenerateResult",
    "SoraModel",
    "check_device",
    "check_memory",
    "check_prompt",
    "decode_stream",
    "denoiser",
    "empty_state",
    "encode_text",
    "generate",
    "load_bundled",
    "load_codec",
    "load_open",
    "memory_estimate",
    "sample",
    "sample_video",
    "time_estimate",
]
