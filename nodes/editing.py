"""Sora / editing: images and videos are prompts too. Each operation gives a LATENT to sample; Sora Stitch Video makes
the clip of it (`assembly.py`). In brackets stands the grid of each along time: what is kept, and what is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..sora_core.settings import MAX_SECONDS
from .edit_fields import (
    CATEGORY,
    audio_vae_input,
    codec_of,
    fit_input,
    latent_output,
    notes_output,
    overlap_input,
    shown,
    vae_input,
    working,
)  # fmt: skip
from .host import io
from .inputs import checked, ranges
from .layouts.edits import clip_of
from .layouts.latents import size_of
from .layouts.pictures import keyframes_of, missing_mask, places_of
from .layouts.sounds import is_nested

__all__ = ["NODES"]


class SoraAnimateImage(io.ComfyNode):
    """A picture as the first frame of a clip: [keep 1 frame | make]."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraAnimateImage",
            display_name="Sora Animate Image",
            category=CATEGORY,
            description=(
                "A picture becomes the first frame of a video. An end picture and further keyframes are met on the way."
            ),
            inputs=[
                vae_input(),
                io.Image.Input("image", tooltip="The first frame, at any size."),
                io.Latent.Input("latent", tooltip="Size and length, from Sora Noise Grid."),
                fit_input("a picture of another shape"),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How firmly the first frame is kept; 1 is to the pixel.",
                ),
                io.Image.Input("end_image", optional=True, tooltip="What the last frame shows."),
                io.Image.Input("keyframes", optional=True, tooltip="Further pictures on the way."),
                io.String.Input(
                    "frame_idx",
                    optional=True,
                    default="",
                    tooltip="The frame of each keyframe, such as '8, 16'; negative counts from the end.",
                ),
            ],
            outputs=[latent_output(), notes_output()],
        )

    @classmethod
    def validate_inputs(cls, frame_idx: str | None = None) -> bool | str:
        return checked(lambda: frame_idx is None or bool(places_of(frame_idx)) or True)

    @classmethod
    def execute(
        cls,
        vae: Any,
        image: Any,
        latent: Any,
        fit: Any,
        strength: float,
        end_image: Any = None,
        keyframes: Any = None,
        frame_idx: str = "",
    ) -> io.NodeOutput:
        from ..sora_core.editing import animate

        keys = keyframes_of(image, strength, end_image, keyframes, frame_idx)
        edit = animate(keys, codec_of(vae), size=size_of(latent), how=fit)
        made, notes, preview = shown(vae, edit, like=latent)
        return io.NodeOutput(made, notes, ui=preview)


class SoraExtendVideo(io.ComfyNode):
    """A clip goes on, or begins earlier: [keep tail | make], [make | keep head], or both."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraExtendVideo",
            display_name="Sora Extend Video",
            category=CATEGORY,
            description="A clip goes on after its end, or begins earlier. Its own frames come out untouched.",
            inputs=[
                vae_input(),
                io.Float.Input(
                    "seconds",
                    default=1.0,
                    min=0.05,
                    max=MAX_SECONDS,
                    step=0.25,
                    tooltip="Length of the new part (of each, for both).",
                ),
                io.Combo.Input(
                    "direction",
                    options=["forward", "backward", "both"],
                    default="forward",
                    tooltip="After the end, before the beginning, or both.",
                ),
                overlap_input(8),
                io.Video.Input("video", optional=True, tooltip="The clip to extend."),
                io.Latent.Input(
                    "samples",
                    optional=True,
                    tooltip=(
                        "Instead of a video: a sampled latent. Its latents are kept, so many extensions do not drift."
                    ),
                ),
                audio_vae_input("encodes the sound of the video, so that it goes on"),
            ],
            outputs=[latent_output(), notes_output()],
        )

    @classmethod
    def execute(
        cls,
        vae: Any,
        seconds: float,
        direction: Any,
        overlap: int,
        video: Any = None,
        samples: Any = None,
        audio_vae: Any = None,
    ) -> io.NodeOutput:
        from ..sora_core.editing import extend
        from ..sora_core.editing.sound import begins

        clip, sound = clip_of(vae, video, samples, audio_vae=audio_vae)
        codec = codec_of(vae)
        edit = extend(working(vae, clip), codec, seconds=seconds, direction=direction, overlap=overlap)
        made, notes, preview = shown(vae, edit, (sound, begins(edit)))
        return io.NodeOutput(made, notes, ui=preview)


class SoraLoopVideo(io.ComfyNode):
    """A new loop, [make] with its time as a ring; or a clip closed: [keep tail | make | keep head]."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLoopVideo",
            display_name="Sora Loop Video",
            category=CATEGORY,
            description=(
                "A clip that plays round and round: a new one from text (link a grid), or a given one closed (link a"
                " video)."
            ),
            inputs=[
                vae_input(),
                io.Float.Input(
                    "seconds",
                    default=1.0,
                    min=0.05,
                    max=MAX_SECONDS,
                    step=0.25,
                    tooltip="For a given clip: the way from its end back to its beginning.",
                ),
                overlap_input(8),
                io.Latent.Input(
                    "latent", optional=True, tooltip="For a new loop: size and length, from Sora Noise Grid."
                ),
                io.Video.Input("video", optional=True, tooltip="The clip to close."),
                io.Latent.Input(
                    "samples", optional=True, tooltip="Instead of a video: a sampled latent, to be closed."
                ),
                audio_vae_input("encodes the sound of the video, so that it goes on"),
            ],
            outputs=[latent_output(), notes_output()],
        )

    @classmethod
    def execute(
        cls,
        vae: Any,
        seconds: float,
        overlap: int,
        latent: Any = None,
        video: Any = None,
        samples: Any = None,
        audio_vae: Any = None,
    ) -> io.NodeOutput:
        from ..sora_core.editing import loop_clip, loop_new
        from ..sora_core.editing.sound import second_begins

        codec, sounds = codec_of(vae), []
        if latent is not None:
            edit = loop_new(codec, size=size_of(latent))
            unused = [name for name, given in (("video", video), ("samples", samples)) if given is not None]
            said = [f"{name} is linked too and not used: latent, for a new loop, goes before it." for name in unused]
            if is_nested(latent["samples"]):
                said.append("the picture alone is a ring: its sound is left out.")
            edit = replace(edit, notes=(*edit.notes, *said))
        else:
            clip, sound = clip_of(vae, video, samples, what="clip or grid", audio_vae=audio_vae)
            edit = loop_clip(working(vae, clip), codec, seconds=seconds, overlap=overlap)
            sounds = [(sound, 0.0), (replace(sound, audio=None), second_begins(edit))]
        made, notes, preview = shown(vae, edit, *sounds)
        return io.NodeOutput(made, notes, ui=preview)


class SoraConnectVideos(io.ComfyNode):
    """A transition between two clips: [keep tail of A | make | keep head of B]."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraConnectVideos",
            display_name="Sora Connect Videos",
            category=CATEGORY,
            description=(
                "A transition from one clip to another, with other subjects and scenes. Both clips come out whole."
            ),
            inputs=[
                vae_input(),
                io.Video.Input("first", tooltip="The clip to begin with; it sets size and rate."),
                io.Video.Input("second", tooltip="The clip to end with."),
                io.Float.Input(
                    "seconds",
                    default=1.0,
                    min=0.05,
                    max=MAX_SECONDS,
                    step=0.25,
                    tooltip="Length of the transition between them.",
                ),
                overlap_input(8),
                fit_input("the second clip"),
                audio_vae_input("encodes the sound of both clips, so that one goes over into the other"),
            ],
            outputs=[latent_output(), notes_output()],
        )

    @classmethod
    def execute(
        cls, vae: Any, first: Any, second: Any, seconds: float, overlap: int, fit: Any, audio_vae: Any = None
    ) -> io.NodeOutput:
        from ..sora_core.editing import connect
        from ..sora_core.editing.sound import second_begins

        (a, sound), (b, other) = (clip_of(vae, video, audio_vae=audio_vae) for video in (first, second))
        codec, a = codec_of(vae), working(vae, a)
        b = working(vae, b, like=a, how=fit)
        edit = connect(a, b, codec, seconds=seconds, overlap=overlap, how=fit)
        made, notes, preview = shown(vae, edit, (sound, 0.0), (other, second_begins(edit)))
        return io.NodeOutput(made, notes, ui=preview)


class SoraFillFrames(io.ComfyNode):
    """A clip with parts missing: any subset of its frames, and of their pixels, is kept."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraFillFrames",
            display_name="Sora Fill Frames",
            category=CATEGORY,
            description=(
                "Makes what is missing of a clip: frames, ranges, or a part of the picture. The rest comes out"
                " untouched."
            ),
            inputs=[
                vae_input(),
                io.Video.Input("video", tooltip="The clip; what its missing frames show does not matter."),
                io.String.Input(
                    "frames",
                    default="",
                    tooltip="The missing frames, such as '5, 12-20'; negative counts from the end.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where it is missing: one picture for all frames, or one for each.",
                ),
            ],
            outputs=[latent_output(), notes_output()],
        )

    @classmethod
    def validate_inputs(cls, frames: str | None = None) -> bool | str:
        return checked(lambda: frames is None or bool(ranges(frames)) or True)

    @classmethod
    def execute(cls, vae: Any, video: Any, frames: str, mask: Any = None) -> io.NodeOutput:
        from ..sora_core.editing import fill
        from ..sora_core.editing.coding import frames_of

        clip, sound = clip_of(vae, video)
        codec = codec_of(vae)
        clip = clip if mask is not None else working(vae, clip)  # a mask is of the clip's own pixels
        source = frames_of(clip, codec)
        shape = (source.length, source.height, source.width)
        edit = fill(clip, codec, missing=missing_mask(shape, frames, mask))
        made, notes, preview = shown(vae, edit, (sound, 0.0))
        return io.NodeOutput(made, notes, ui=preview)


class SoraRestyleVideo(io.ComfyNode):
    """A clip made anew, [make], from a noise level below 1, so that its motion stays."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraRestyleVideo",
            display_name="Sora Restyle Video",
            category=CATEGORY,
            description="Keeps the motion of a clip and changes its setting or style to what the prompt says.",
            inputs=[
                vae_input(),
                io.Float.Input(
                    "denoise",
                    default=0.85,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip=(
                        "The fraction made anew: less keeps more of the clip. Our models: with a cfg of 1.5. Others"
                        " keep motion up to about 0.7."
                    ),
                ),
                fit_input("a clip of another shape"),
                io.Video.Input("video", optional=True, tooltip="The clip to restyle."),
                io.Latent.Input("samples", optional=True, tooltip="Instead of a video: a sampled latent."),
                io.Latent.Input(
                    "latent", optional=True, tooltip="Another size, from Sora Noise Grid; the length stays the clip's."
                ),
            ],
            outputs=[
                latent_output(),
                io.Float.Output(
                    display_name="denoise",
                    tooltip="For samplers of ComfyUI's own: link it to denoise. Sora Sampler knows it.",
                ),
                notes_output(),
            ],
        )

    @classmethod
    def execute(
        cls, vae: Any, denoise: float, fit: Any, video: Any = None, samples: Any = None, latent: Any = None
    ) -> io.NodeOutput:
        from ..sora_core.editing import restyle

        clip, sound = clip_of(vae, video, samples)
        wanted = size_of(latent) if latent is not None else None
        size = (wanted.height, wanted.width) if wanted else None
        codec = codec_of(vae)
        clip = working(vae, clip) if size is None else clip
        edit = restyle(clip, codec, denoise=denoise, size=size, how=fit)
        made, notes, preview = shown(vae, edit, (sound, 0.0))
        return io.NodeOutput(made, edit.denoise, notes, ui=preview)


NODES: list[type[io.ComfyNode]] = [
    SoraAnimateImage,
    SoraExtendVideo,
    SoraLoopVideo,
    SoraConnectVideos,
    SoraFillFrames,
    SoraRestyleVideo,
]
