"""Sora / video: from latents to a file, streamed, with the workflow inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..runtime.naming import fill_prefix, prompt_values
from ..sora_core.encoding import AUTO, CODECS, FORMATS, PIXEL_FORMATS, Encoding
from ..sora_core.settings import DEFAULTS, MAX_FPS
from . import calls, clips, doors, host, models, refining
from .edit_fields import audio_vae_input
from .host import io
from .inputs import checked
from .layouts.edits import sound_for
from .layouts.latents import KEY, finished_size, info_of
from .layouts.pictures import check_video
from .showing import ShownVideo, preview_input, previewed

__all__ = ["NODES"]


class SoraDecodeVideo(io.ComfyNode):
    """A LATENT as VIDEO: decoded piece by piece into a file, so that its length does not matter."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraDecodeVideo",
            display_name="Sora Decode Video",
            category="Sora",
            description=(
                "Decodes a sampled latent. Long and large videos are streamed into a file and never lie in memory"
                " whole."
            ),
            inputs=[
                io.Latent.Input("samples", tooltip="The sampled latent."),
                io.Vae.Input("vae", tooltip="The network that the latent was made for."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=MAX_FPS,
                    step=0.5,
                    tooltip="Frames per second; 0 is the rate that the latent was sampled for.",
                ),
                io.Boolean.Input(
                    "watermark",
                    default=True,
                    optional=True,
                    tooltip="Hide the invisible watermark in the frames, so that `sora detect` knows the video again.",
                ),
                audio_vae_input("decodes the sound of a latent of LTX 2 or MiniMax H3"),
                *refining.size_inputs(),
                preview_input(),
            ],
            outputs=[
                io.Video.Output(tooltip="The video, to be saved or edited."),
                io.Image.Output(
                    display_name="first_frame", tooltip="The first frame; of a grid of one frame, the image."
                ),
            ],
            is_output_node=host.IN_COMFYUI,  # so that its preview plays where nothing is saved
        )

    @classmethod
    def execute(
        cls,
        samples: Any,
        vae: Any,
        fps: float,
        watermark: bool = True,
        audio_vae: Any = None,
        width: int = 0,
        height: int = 0,
        preview: bool = False,
    ) -> io.NodeOutput:
        size = finished_size(samples, models.current().geometry_of(vae))
        refining.check_room(size, width, height)
        path = host.temp_path(".mp4")
        rate, note = rate_of(samples, fps)
        sound, said = sound_for(samples, audio_vae, size)
        first = calls.decode_to_file(
            vae, samples, path, fps=rate, progress=host.progress(), watermark=watermark, sound=sound,
            size=(width, height),
        )  # fmt: skip
        notes = "\n".join(filter(None, (lost_note(samples), note, said)))
        return io.NodeOutput(doors.decoded_here(path), first, ui=previewed(path if preview else None, notes))


class SoraSaveVideo(io.ComfyNode):
    """A VIDEO as a file that carries its workflow where its format can."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraSaveVideo",
            display_name="Sora Save Video",
            category="Sora",
            description=(
                "Saves a video in the output folder, as mp4 unless another format is chosen. The workflow travels"
                " inside: drop the file onto the canvas, or `sora run` it."
            ),
            inputs=[
                io.Video.Input("video", tooltip="The video to save."),
                io.String.Input(
                    "filename_prefix",
                    default="video/sora",
                    tooltip=(
                        "The name, with folders below the output folder; a number is added. %width%, %date:yyyy-MM-dd%"
                        " and %Node.widget% are filled in."
                    ),
                ),
                io.Boolean.Input(
                    "sign",
                    default=True,
                    optional=True,
                    tooltip="Sign the file with C2PA provenance, where c2pa-python is installed.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="mp4",
                    optional=True,
                    tooltip="The kind of file. A gif or webp is an animation without sound.",
                ),
                io.Combo.Input(
                    "codec",
                    options=[AUTO, *CODECS],
                    default=AUTO,
                    optional=True,
                    tooltip="How the picture is coded; auto copies it where the format holds it: nothing is lost.",
                ),
                io.Int.Input(
                    "crf",
                    default=-1,
                    min=-1,
                    max=63,
                    optional=True,
                    tooltip="Quality on the codec's scale, lower is better; -1 copies, or takes the usual one.",
                ),
                io.Combo.Input(
                    "pixel_format",
                    options=[AUTO, *PIXEL_FORMATS],
                    default=AUTO,
                    optional=True,
                    tooltip="How pixels are stored; yuv420p plays everywhere, 444 keeps all colour, 10le has ten bits.",
                ),
            ],
            outputs=[io.Video.Output(tooltip="The same video, as it came.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(
        cls, format: str = "mp4", codec: str = AUTO, crf: int = -1, pixel_format: str = AUTO
    ) -> bool | str:
        asked: dict[str, Any] = {"format": format, "codec": codec, "crf": crf, "pixel_format": pixel_format}
        return checked(lambda: any(value is None for value in asked.values()) or bool(Encoding(**asked)))

    @classmethod
    def execute(cls, video: Any, filename_prefix: str, sign: bool = True, **encoding: Any) -> io.NodeOutput:
        check_video(video)
        chosen = Encoding(**encoding)
        prefix = fill_prefix(filename_prefix, prompt_values(cls.hidden.prompt))
        path, result = host.output_path(prefix, chosen.ending, *video.get_dimensions())
        check_disk(path, video, chosen)
        said = clips.save(video, path, host.saved_metadata(cls.hidden), chosen, hidden=cls.hidden, sign=sign)
        return io.NodeOutput(video, ui=ShownVideo([result], "\n".join(said)))


def check_disk(path: Path, video: Any, encoding: Encoding) -> None:
    """Raises ResourceError where the disk has no room for a VIDEO whose frames are to be encoded; of what is copied,
    `publish` knows the room itself."""
    from ..sora_core.files import check_writable
    from ..sora_core.grid import VideoSize
    from ..sora_core.media import FileSource, estimated_bytes

    if isinstance(video, host.VideoFromComponents):
        parts = video.get_components()
        (frames, height, width), fps = parts.images.shape[:3], float(parts.frame_rate)
    else:
        source = video.get_stream_source() if isinstance(video, host.VideoFromFile) else None
        if not isinstance(source, str) or (encoding.plain and encoding.format in clips.COPIED):
            return
        with FileSource(source) as file:
            height, width, fps = file.height, file.width, file.fps
            start, length = host.video_window(video)
            frames = max(1, min(file.length - int(start * fps), int(length * fps) or file.length))
    check_writable(path, estimated_bytes(VideoSize(frames=frames, height=height, width=width, fps=fps)))


def lost_note(latent: dict[str, Any]) -> str:
    """What is to be said of a LATENT that has a mask and nothing else of ours, as Rebatch Latents leaves any."""
    if KEY in latent or "noise_mask" not in latent:
        return ""
    return (
        "this latent has a mask and says nothing of its size or of an edit, so all of its grid is decoded; a node that"
        " makes latents anew, as Rebatch Latents does, drops both: leave it out."
    )


def rate_of(latent: dict[str, Any], fps: float) -> tuple[float, str]:
    """(frames per second to write, what is to be said of it) for a LATENT and the rate asked for, 0 as sampled."""
    sampled_at, note = info_of(latent).fps, ""
    if not (fps or sampled_at):
        note = f"the latent names no rate, so it is written at {DEFAULTS.fps:g} fps."
    elif fps and sampled_at and abs(fps - sampled_at) > 1e-3:
        note = f"sampled for {sampled_at:g} fps and written at {fps:g}: it plays {fps / sampled_at:.3g} times as fast."
    return fps or sampled_at or DEFAULTS.fps, note


NODES: list[type[io.ComfyNode]] = [SoraDecodeVideo, SoraSaveVideo]
