"""From a prompt to a file: a model, its settings, and the few calls that everything else is made of.

model  = load_bundled()
result = generate("a red ball rolls to the left", out=Path("ball.mp4"), model=model)

edit   = extend(clip, model.codec, seconds=2)
frames = edit_video(model, edit, "a red ball rolls to the left", model.settings.with_(steps=12), seed=7)
"""

from ..settings import DEFAULTS, Defaults, SamplingSettings, StepRange
from .drafts import bundled_refiner, draft_size
from .edits import edit_grid, edit_seconds, edit_video, sample_edit, sample_edits
from .generation import LONG, GenerateResult, generate, segmented
from .limits import check_memory, memory_estimate, time_estimate
from .model import SoraModel, check_device, load_bundled, load_codec, load_open
from .sampling import decode_stream, denoiser, empty_state, encode_text, sample, sample_video

__all__ = [
    "DEFAULTS",
    "LONG",
    "Defaults",
    "GenerateResult",
    "SamplingSettings",
    "SoraModel",
    "StepRange",
    "bundled_refiner",
    "check_device",
    "check_memory",
    "decode_stream",
    "denoiser",
    "draft_size",
    "edit_grid",
    "edit_seconds",
    "edit_video",
    "empty_state",
    "encode_text",
    "generate",
    "load_bundled",
    "load_codec",
    "load_open",
    "memory_estimate",
    "sample",
    "sample_edit",
    "sample_edits",
    "sample_video",
    "segmented",
    "time_estimate",
]
