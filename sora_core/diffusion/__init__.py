"""Diffusion without models: schedules, solvers, noise, guidance and the one sampling loop.

sigmas  = schedule("simple", 20, shift=3.0)
noise   = draw_noise(state.latent.shape[1:], seed)
guided  = cfg(denoiser, 4.0, uncond=uncond)
latent  = sample(guided, state, noise, sigmas, cond, solver="dpmpp_2m")
"""

from .feature_cache import CachePerCall, FeatureCache
from .flow_edit import flow_edit
from .guidance import blend, cfg, keep, renoise
from .loop import SamplerState, sample, start
from .noise import draw_noise, enlarge_noise
from .parametrization import denoised_from, level_at
from .ring import ring
from .schedule import SCHEDULES, get_schedule, schedule, shift_for_grid, shift_sigma
from .solvers import SOLVERS, get_solver
from .span_prompts import span_prompts, span_weights

__all__ = [
    "SCHEDULES",
    "SOLVERS",
    "CachePerCall",
    "FeatureCache",
    "SamplerState",
    "blend",
    "cfg",
    "denoised_from",
    "draw_noise",
    "enlarge_noise",
    "flow_edit",
    "get_schedule",
    "get_solver",
    "keep",
    "level_at",
    "renoise",
    "ring",
    "sample",
    "schedule",
    "shift_for_grid",
    "shift_sigma",
    "span_prompts",
    "span_weights",
    "start",
]
