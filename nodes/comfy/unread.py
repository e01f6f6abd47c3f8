"""What other nodes put on a MODEL or into CONDITIONING that our network does not read: refused by name, since without
it a run would be as if the node were not there."""

from __future__ import annotations

from typing import Any

from ...sora_core.errors import InputError

__all__ = ["check_conditioning", "check_patches"]

PATCHES = {
    "attn1": "Perturbed-Attention Guidance and Self-Attention Guidance do",
    "attn1_output_patch": "NAG, HyperTile and ToMe do",
    "attn1_patch": "HyperTile, ToMe and hypernetworks do",
    "dit": "Skip Layer Guidance does",
    "input_block_patch": "Kohya Deep Shrink does",
    "middle_patch": "GLIGEN does",
    "output_block_patch": "FreeU does",
    "rope_options": "ScaleROPE does",
}
"""a patch of ComfyUI's -> its nodes"""
BROUGHT = {
    "clip_vision_output": "a picture (CLIP Vision)",
    "control": "a ControlNet",
    "gligen": "boxes with text (GLIGEN)",
    "guidance": "a number for guidance (FluxGuidance)",
    "reference_latents": "a reference (ReferenceLatent)",
    "unclip_conditioning": "a picture (unCLIP)",
}
"""a key of CONDITIONING -> what a person brought with it"""


def check_patches(options: dict[str, Any]) -> None:
    """Raises InputError where a MODEL's transformer_options change parts of a network that ours has not, or places that
    it takes from the latent alone."""
    rope = options.get("rope_options") or {}
    moved = any(value != (1 if name.startswith("scale") else 0) for name, value in rope.items())
    for name, patch in {
        **options.get("patches", {}),
        **options.get("patches_replace", {}),
        **({"rope_options": rope} if moved else {}),
    }.items():
        if patch:
            raise InputError(
                f"a node before the sampler patches {name!r} of the MODEL"
                + (f", as {PATCHES[name]}," if name in PATCHES else "")
                + " and the bundled MODEL would not follow it; leave that node out"
            )


def check_conditioning(given: dict[str, Any]) -> None:
    """Raises InputError where CONDITIONING has beside its text what our network takes from nowhere."""
    for name, what in BROUGHT.items():
        if given.get(name) is not None:
            raise InputError(
                f"this CONDITIONING brings {what}, and the bundled MODEL reads text alone; leave that node out"
            )
