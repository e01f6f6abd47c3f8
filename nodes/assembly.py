"""Sora / editing: several shots in one sample, and the finished clip of a sampled edit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import calls, clips, doors, host, models
from .edit_fields import CATEGORY, audio_vae_input, codec_of, latent_output, notes_output, shown, vae_input
from .host import io
from .inputs import checked, output_linked, shots_of
from .layouts.edits import sound_for
from .layouts.latents import finished_size, size_of
from .layouts.sounds import is_nested
from .showing import preview_input, previewed

__all__ = ["NODES"]


class SoraStoryboard(io.ComfyNode):
    """Several shots as one sample, all of it made: each span of time follows its own prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraStoryboard",
            display_name="Sora Storyboard",
            category=CATEGORY,
            description=(
                "Several shots in one video, each with its own prompt and length. As one sample, so the subject stays."
            ),
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model."),
                vae_input(),
                io.String.Input(
                    "shots",
                    multiline=True,
                    dynamic_prompts=True,
                    default=(
                        "1: a red ball rolls to the right on grass at noon\n1: close up of a red ball on grass at noon"
                    ),
                    tooltip="One shot a line, as 'seconds: prompt'.",
                ),
                io.Combo.Input(
                    "transition",
                    options=["cut", "blend"],
                    default="cut",
                    tooltip="Hard cuts, or prompts that go over into each other.",
                ),
                io.Float.Input(
                    "blend_seconds", default=0.5, min=0.0, max=60.0, step=0.25, tooltip="How long a blend takes."
                ),
                io.Latent.Input(
                    "latent", tooltip="Size and rate, from Sora Noise Grid; the length is that of the shots."
                ),
            ],
            outputs=[
                io.Conditioning.Output(tooltip="The prompts of all shots, for the sampler's positive input."),
                latent_output(),
                notes_output(),
            ],
        )

    @classmethod
    def validate_inputs(cls, shots: str | None = None) -> bool | str:
        return checked(lambda: shots is None or doors.check_shots(shots_of(shots), "shots"))

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        return doors.policy_changed()

    @classmethod
    def execute(
        cls, clip: Any, vae: Any, shots: str, transition: str, blend_seconds: float, latent: Any
    ) -> io.NodeOutput:
        from ..sora_core.editing import storyboard

        fade = blend_seconds if transition == "blend" else 0.0
        asked = shots_of(shots)
        doors.check_shots(asked, "shots")
        board = storyboard(asked, codec_of(vae), size=size_of(latent), fade=fade)
        edit = board.edit
        if is_nested(latent["samples"]):
            said = "prompts over time do not reach a model's sound: the picture alone is made."
            edit = replace(edit, notes=(*edit.notes, said))
        if unread := calls.unread_note(clip, board.prompts):
            edit = replace(edit, notes=(*edit.notes, f"{unread}."))
        made, notes, preview = shown(vae, edit)
        return io.NodeOutput(calls.encode_shots(clip, board), made, notes, ui=preview)


class SoraStitchVideo(io.ComfyNode):
    """The finished clip of a sampled edit."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraStitchVideo",
            display_name="Sora Stitch Video",
            category=CATEGORY,
            description=(
                "Joins the sampled part with the given ones: kept frames are exactly as given, new ones match their"
                " colour."
            ),
            inputs=[
                io.Latent.Input("samples", tooltip="The sampled latent of an edit."),
                vae_input(),
                io.Boolean.Input(
                    "colour_match",
                    default=True,
                    tooltip=(
                        "Corrects new frames by what the codec does to kept ones beside them; steadies what stands"
                        " still in a loop."
                    ),
                ),
                audio_vae_input("decodes the sound of an edit of LTX 2 or MiniMax H3"),
                preview_input(),
                io.Boolean.Input(
                    "watermark",
                    default=True,
                    optional=True,
                    tooltip=(
                        "Hide the invisible watermark in the new frames of the video; kept frames, and those of the"
                        " frames output, stay as they are."
                    ),
                ),
            ],
            outputs=[
                io.Video.Output(
                    tooltip="The whole clip, for Sora Save Video or the next edit, which goes on from it without loss."
                ),
                io.Image.Output(display_name="frames", tooltip="The frames; kept ones are identical to those given."),
                io.Float.Output(display_name="fps", tooltip="Frames per second."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            is_output_node=host.IN_COMFYUI,  # so that its preview plays where nothing is saved
        )

    @classmethod
    def execute(
        cls,
        samples: Any,
        vae: Any,
        colour_match: bool,
        audio_vae: Any = None,
        preview: bool = False,
        watermark: bool = True,
    ) -> io.NodeOutput:
        linked = cls.hidden is None or output_linked(cls.hidden.prompt, cls.hidden.unique_id, 1)
        size = finished_size(samples, models.current().geometry_of(vae))
        sound, said = sound_for(samples, audio_vae, size)
        *made, note = clips.stitched(
            vae, samples, colour_match=colour_match, in_memory=linked, sound=sound, watermark=watermark
        )
        shown = clips.preview_file(made[0]) if preview and host.IN_COMFYUI else None
        return io.NodeOutput(*made, ui=previewed(shown, "\n".join(filter(None, (said, note)))))


NODES: list[type[io.ComfyNode]] = [SoraStoryboard, SoraStitchVideo]
