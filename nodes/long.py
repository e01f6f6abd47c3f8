"""Sora / editing: a long video, segment by segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..sora_core.errors import InputError
from . import calls, doors, models
from .host import io, ui
from .inputs import checked, shots_of
from .layouts.edits import edit_latent
from .layouts.latents import KEY, LatentInfo, info_of, single, size_of
from .refining import check_room
from .sampling_fields import settings_inputs

if TYPE_CHECKING:
    from torch import Tensor

    from ..sora_core.grid import Geometry, VideoSize
    from .layouts.latents import Latent

__all__ = ["NODES"]


class SoraLongVideo(io.ComfyNode):
    """A list of prompts as one video: each segment goes on from the latents of the one before."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraLongVideo",
            display_name="Sora Long Video",
            category="Sora/editing",
            description=(
                "A video of any length from a list of prompts: each segment goes on from the one before. Any one of"
                " them can be made anew."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The diffusion transformer."),
                io.Clip.Input("clip", tooltip="The text encoder of the model."),
                io.Vae.Input("vae", tooltip="The video compression network of the model."),
                io.Latent.Input(
                    "latent", tooltip="Size and rate, from Sora Noise Grid. The length is that of the segments."
                ),
                io.String.Input(
                    "segments",
                    multiline=True,
                    dynamic_prompts=True,
                    default="2: a red ball bounces on grass at noon\n2: a red ball spins on grass at noon",
                    tooltip="One segment a line: seconds, a colon, the prompt.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**53 - 1 - 10_000,
                    control_after_generate=True,
                    tooltip="Of the first segment; each following one takes the next.",
                ),
                *settings_inputs("How firmly the prompts are followed; 1 is off."),
                io.Int.Input(
                    "overlap",
                    default=8,
                    min=4,
                    max=64,
                    step=4,
                    tooltip="Frames of the neighbours that a segment sees, so that motion goes on.",
                ),
                io.Latent.Input(
                    "samples",
                    optional=True,
                    tooltip="A long latent that was made with this list, to make one segment of it anew.",
                ),
                io.Int.Input(
                    "remake",
                    default=1,
                    min=1,
                    max=10_000,
                    optional=True,
                    tooltip="Which segment of samples to make anew, from 1; the others stay as they are.",
                ),
            ],
            outputs=[
                io.Latent.Output(tooltip="The whole video, for Sora Decode Video, which streams it into a file."),
                io.String.Output(display_name="notes", tooltip="The segments, and how long each became."),
            ],
        )

    @classmethod
    def validate_inputs(cls, segments: str | None = None) -> bool | str:
        name = "segments"
        return checked(lambda: segments is None or doors.check_shots(shots_of(segments, name), name))

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        return doors.policy_changed()

    @classmethod
    def execute(
        cls,
        model: Any,
        clip: Any,
        vae: Any,
        latent: Any,
        segments: str,
        seed: int,
        sampler_name: str,
        overlap: int,
        samples: Any = None,
        remake: int = 1,
        **widgets: Any,
    ) -> io.NodeOutput:
        from ..sora_core.editing import long_frames, segment_counts, segment_edit, segment_strides, with_segment

        codec = models.current().codec_of(vae)
        if not codec.takes_spans:
            raise InputError(
                "this model knows clips from their first frame on alone, so segments cannot go on in one latent; extend"
                " its videos with Sora Extend Video"
            )
        size, geometry = size_of(latent), codec.geometry
        shots = shots_of(segments, "segments")
        doors.check_shots(shots, "segments")
        counts = segment_counts(shots, size.fps, geometry)
        frames = long_frames(counts, geometry)
        check_room(replace(size, frames=frames))
        whole = begun(samples, latent["samples"], sum(counts), size, geometry)
        for index in range(len(counts)) if samples is None else [remake - 1]:
            edit = segment_edit(
                whole, counts, index, size.fps, geometry, ahead=samples is not None, overlap=overlap,
                strides=segment_strides(shots, index, size.fps, geometry),
            )  # fmt: skip
            part, _ = edit_latent(edit)
            made = calls.sample(
                model=model,
                positive=calls.encode_prompt(clip, shots[index].prompt),
                latent=part,
                seed=seed + index,
                settings=calls.settings_for(model, part, solver=sampler_name, **widgets),
            )
            whole = with_segment(whole, counts, index, made["samples"], geometry, overlap=overlap)
        prompts = [shot.prompt for shot in shots]
        notes = f"{len(counts)} segments, {frames} frames, {frames / size.fps:.3g} s at {size.fps:g} fps."
        notes += open_note(prompts)
        if unread := calls.unread_note(clip, prompts):
            notes += f" {unread}."
        info = LatentInfo(size=replace(size, frames=frames), grid=tuple(whole.shape[2:]))
        return io.NodeOutput({"samples": whole, KEY: info}, notes, ui=ui.PreviewText(notes))


def begun(samples: Latent | None, grid: Tensor, frames: int, size: VideoSize, geometry: Geometry) -> Tensor:
    """The latents [1,C,T,H,W] of all segments: those that `samples` has, else zeros of so many latent frames. Raises
    InputError where `samples` was made on another grid than this one."""
    if samples is None:
        return grid.new_zeros(1, grid.shape[1], frames, *grid.shape[3:])
    whole = single(samples, geometry.channels)
    check_like(whole, info_of(samples).fps, grid, size, geometry)
    return whole


def check_like(whole: Tensor, fps: float | None, grid: Tensor, size: VideoSize, geometry: Geometry) -> None:
    """Raises InputError where a long latent was not made on such a grid, at such a rate."""
    height, width = (side * geometry.space_factor for side in whole.shape[3:])
    if whole.shape[3:] != grid.shape[3:] or (fps and abs(fps - size.fps) > 1e-3):
        rate = f" at {fps:g} fps" if fps else ""
        raise InputError(
            f"samples was made at {width}x{height}{rate} and latent asks for {size.width}x{size.height} at"
            f" {size.fps:g} fps; link the Sora Noise Grid that it was made with"
        )


def open_note(prompts: Sequence[str]) -> str:
    """A sentence about the segments that leave ground or light open, empty where none does."""
    from ..sora_core.world.understand import understand

    said = [understand(prompt) for prompt in prompts]
    left = [str(i) for i, words in enumerate(said, 1) if words.ground is None or words.light is None]
    if not left:
        return ""
    return f" Ground or light may change where the prompt leaves them open (segment {', '.join(left)}): say both."


NODES: list[type[io.ComfyNode]] = [SoraLongVideo]
