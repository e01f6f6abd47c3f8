"""Thin ComfyUI nodes over the core, a file per menu group. Importing them imports neither torch nor a model."""

from .host import IN_COMFYUI, ComfyExtension, io, prepared

__all__ = ["SoraExtension"]

ALIASES = {
    "SoraNoiseGrid": ["text to video", "t2v", "text to image", "empty latent video", "resolution", "aspect ratio"],
    "SoraSampler": ["text to video", "t2v", "ksampler", "generate video"],
    "SoraAnimateImage": ["image to video", "i2v", "first frame last frame", "keyframes"],
    "SoraExtendVideo": ["extend", "continue", "video to video", "longer", "outpaint time"],
    "SoraLoopVideo": ["seamless", "loop", "cinemagraph"],
    "SoraConnectVideos": ["transition", "interpolate", "morph", "join"],
    "SoraFillFrames": ["inpaint", "interpolate", "in-between", "repair"],
    "SoraRestyleVideo": ["video to video", "v2v", "style transfer", "vid2vid"],
    "SoraStoryboard": ["shots", "scenes", "multi prompt", "prompt schedule"],
    "SoraLongVideo": ["minute", "long", "segments", "continue", "multi prompt"],
    "SoraStitchVideo": ["join", "concat", "blend", "combine video"],
    "SoraExpandPrompt": ["prompt enhancer", "caption", "upsample prompt"],
    "SoraTextEncode": ["clip text encode", "prompt"],
    "SoraDecodeVideo": ["vae decode", "latent to video"],
    "SoraRefineVideo": ["upscale", "super resolution", "enlarge", "hd"],
    "SoraSaveVideo": ["export mp4", "video combine"],
    "SoraLoadVideo": ["import video", "open mp4"],
    "SoraLoadModel": ["checkpoint loader", "load diffusion model"],
    "SoraRingTime": ["seamless", "loop"],
    "SoraLoadLora": ["lora loader"],
    "SoraReviewPrompt": ["safety", "moderation", "nsfw"],
    "SoraReviewFrames": ["safety", "moderation", "nsfw"],
    "SoraWatermark": ["invisible watermark"],
    "SoraSignVideo": ["c2pa", "content credentials"],
    "SoraVerifyVideo": ["c2pa", "content credentials"],
    "SoraDetect": ["watermark", "ai generated"],
    "SoraFeatureCache": ["teacache", "easycache", "speed up"],
}
"""what else people type when they look for a node"""


class SoraExtension(ComfyExtension):
    """The nodes of this pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        from . import (
            assembly,
            editing,
            loading,
            long,
            patches,
            prompting,
            refining,
            safety,
            sampling,
            video,
        )

        if IN_COMFYUI:
            from .comfy.routes import add_routes

            add_routes()  # not in `on_load`, which older ones never call
        groups = (loading, prompting, sampling, video, refining, editing, long, assembly, patches, safety)
        return [prepared(node, ALIASES) for group in groups for node in group.NODES]
