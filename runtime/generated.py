"""The workflow that makes again what `sora generate` made, from the settings that its file carries."""

from __future__ import annotations

import json
from typing import Any

from ..sora_core.errors import InputError

__all__ = ["graph_of"]


def graph_of(settings: str, where: str) -> dict[str, Any]:
    """The API graph of a file's settings (JSON). Raises InputError, naming `where`, for settings of another form."""
    try:
        made = json.loads(settings)
        width, height = (int(side) for side in made["size"])
        draft = [int(side) for side in made["draft"]] if made.get("draft") else [width, height]
        seconds, fps, steps, cfg, seed = (made[name] for name in ("seconds", "fps", "steps", "cfg", "seed"))
        solver, scheduler = str(made.get("solver", "dpmpp_2m")), str(made.get("scheduler", "simple"))
        caption, negative = str(made.get("caption", made["prompt"])), str(made.get("negative", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{where} carries settings that cannot be read: {error}") from error

    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    graph = {
        "1": node("SoraLoadModel", model="bundled, 4 steps" if made.get("fast") else "bundled"),
        "2": node("SoraTextEncode", clip=["1", 1], text=caption),
        "3": node(
            "SoraNoiseGrid", vae=["1", 2], aspect="free (width x height)",
            short_side=min(draft), width=draft[0], height=draft[1],
            seconds=seconds, fps=fps,
        ),
        "4": node(
            "SoraSampler", model=["1", 0], positive=["2", 0], latent=["3", 0], seed=seed, steps=steps, cfg=cfg,
            sampler_name=solver, scheduler=scheduler, denoise=1.0,
        ),
        "5": node("SoraDecodeVideo", samples=["4", 0], vae=["1", 2], fps=0.0),
        "6": node("SoraSaveVideo", video=["5", 0], filename_prefix="video/sora"),
    }  # fmt: skip
    if draft != [width, height]:
        graph["5"]["inputs"] |= {"width": width, "height": height}
    if negative.strip():
        graph["7"] = node("SoraTextEncode", clip=["1", 1], text=negative)
        graph["4"]["inputs"]["negative"] = ["7", 0]
    if not seconds:
        graph["6"] = node("SaveImage", images=["5", 1], filename_prefix="sora")
    return graph
