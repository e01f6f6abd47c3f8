"""Restyle (SDEdit, arXiv 2108.01073): the clip is noised part of the way and made anew from there, so its motion stays.

With the FlowEdit correction (arXiv 2412.08629) the network's error on the given clip is added back, so that only what
the prompt changes changes.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import InputError
from ..grid import latent_frames
from ..layers.surroundings import unaffected
from ..settings import check_number
from .coding import encode_clip, frames_of, size_of
from .edit import Clip, Codec, Edit, Part, compose, knows_spans, made
from .frames import lengthened
from .sizes import Fit, at_size

__all__ = ["DENOISE", "restyle"]

DENOISE = 0.85
"""the fraction made anew by default: new setting or style, old motion"""
CFG = 1.5
"""guidance scale with the FlowEdit correction: with more, the prompt moves the subject off its track"""


@unaffected
def restyle(
    clip: Clip,
    codec: Codec,
    *,
    denoise: float = DENOISE,
    size: tuple[int, int] | None = None,
    how: Fit = "crop",
    flow_edit: bool | None = None,
) -> Edit:
    """All make, from the clip's latents; `denoise` has ComfyUI's meaning: 0 changes nothing, 1 keeps nothing (without
    `flow_edit`). flow_edit: whether the run is corrected towards the clip; None: for the bundled network alone.

    The clip is encoded up to the next whole latent frame, its last frame held, and trimmed again.
    """
    check_number("denoise", denoise)
    if not 0 < denoise <= 1:
        raise InputError(f"denoise must be above 0 (nothing would change) and at most 1, not {denoise:g}.")
    flow_edit = knows_spans(codec, flow_edit)
    asked = clip.frames
    clip = at_size(clip, *size, how, codec) if size else clip
    if clip.latent is not None and clip.spans is not None:
        latent, spans, frames = clip.latent, clip.spans, int(clip.spans.sum())
    else:
        source = frames_of(clip, codec)
        frames = source.length
        spans = made(latent_frames(frames, codec.geometry), codec.geometry, first=True).spans
        latent = encode_clip(lengthened(source, int(spans.sum())), codec)
        clip = replace(clip, notes=tuple(dict.fromkeys((*clip.notes, *source.notes))))  # damage that was met
    state = compose([Part(spans=spans)], clip.fps, latent)
    return Edit(
        state=state.with_(latent=latent, clean=latent),
        fps=clip.fps,
        size=size_of(clip, codec.geometry),
        full=clip.full,
        shown=(0, min(asked or frames, frames)),
        flow_edit=flow_edit,
        denoise=denoise,
        cfg=CFG if flow_edit else None,
        notes=clip.notes,
    )
