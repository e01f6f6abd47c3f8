"""What nodes do with models and LATENTs, each a call or two into the core; `layouts/` knows what goes in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.video import sound_of
from ..sora_core.errors import InputError
from ..sora_core.settings import DEFAULTS
from . import doors, host, models
from .inputs import wanted_size
from .layouts.conditioning import Conditioning, joined_shots, masked_shots
from .layouts.edits import edit_latent
from .layouts.latents import KEY, Latent, LatentInfo, check_edit, decoded_size, info_of, samples_of, single
from .saved_models import load_saved

if TYPE_CHECKING:
    from torch import Tensor

    from ..sora_core.editing import Edit, Storyboard
    from ..sora_core.editing.strides import Stretch
    from ..sora_core.grid import LatentGrid, VideoSize
    from ..sora_core.media import FrameSource, Segmented
    from ..sora_core.pipeline import SoraModel
    from ..sora_core.settings import SamplingSettings
    from ..sora_core.types import Progress

__all__ = [
    "BUNDLED", "CHUNK", "FAST", "decode_image", "decode_to_file", "edit_cost", "edited", "empty_latent",
    "encode_image", "encode_prompt", "encode_shots", "load_model", "refine_to_file", "sample", "settings_for",
    "time_text", "unread_note", "weights_of",
]  # fmt: skip

BUNDLED, FAST = "bundled", "bundled, 4 steps"
CHUNK = 4
"""frames of a finished clip that are read at once"""


def load_model(name: str) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of the weights of that name."""
    return models.current().load(weights_of(name))


def weights_of(name: str) -> SoraModel:
    """The weights of that name, in main memory or on the runtime's device. Raises InputError for an unknown one."""
    from ..sora_core import pipeline

    known = [BUNDLED, FAST, *host.model_files()]
    if name not in known:
        raise InputError(f"there are no weights {name!r}; choose one of: {', '.join(known)}")
    if name in (BUNDLED, FAST):
        return pipeline.load_bundled(device=host.device(), fast=name == FAST)
    return load_saved(host.model_path(name))


def encode_prompt(clip: Any, text: str) -> Conditioning:
    """CONDITIONING of a reviewed prompt; one that the policy refuses stops the sampler that should follow it."""
    return doors.reviewed(text, models.current().encode(clip, text))


def encode_shots(clip: Any, board: Storyboard) -> Conditioning:
    """CONDITIONING of the prompts of a storyboard, in the form that the model of this CLIP follows. Raises PolicyError
    for a prompt that the policy refuses."""
    parts = [encode_prompt(clip, prompt) for prompt in board.prompts]
    for part in parts:
        doors.check_positive(part)
    return joined_shots(parts, board) if models.current().follows_schedules(clip) else masked_shots(parts, board)


def unread_note(clip: Any, prompts: Iterable[str]) -> str:
    """What is to be said of prompts that this CLIP does not read whole: words that mean nothing to it, and what is
    beyond its length. Empty where there is nothing."""
    from ..sora_core.world.expand import unknown_note

    found, asked = models.current(), list(dict.fromkeys(prompts))
    unknown = dict.fromkeys(word for prompt in asked for word in found.unknown_words(clip, prompt))
    unread = dict.fromkeys(found.unread(clip, prompt) for prompt in asked)
    return "; ".join(filter(None, (unknown_note(list(unknown)), *unread)))


def empty_latent(vae: Any, size: VideoSize, *, draft: Latent | None = None, model: Any = None) -> tuple[Latent, str]:
    """(LATENT of zeros, summary) for a video of that size, on the grid that the VAE and the model can have.

    model: what will sample it, where the VAE does not tell; a MODEL of ComfyUI's own tells nothing.
    """
    import torch

    from ..sora_core.grid import plan

    found = models.current()
    grid, sound = plan(size, found.geometry_of(vae)), None if model is None else found.makes_sound(model)
    smaller = None if draft is None else draft_shape(draft, grid)
    summary = grid.summary() + cost_text(vae, model, grid)
    samples = torch.zeros(1, *grid.shape)
    if sound is not None:
        if sound.fps and abs(size.fps - sound.fps) > 1e-3:
            raise InputError(
                f"{sound.model} makes {sound.fps:g} frames a second, not {size.fps:g}; set fps to {sound.fps:g}"
            )
        count = sound.count(grid.sampled.frames, size.fps)
        samples = found.joined(samples, torch.zeros(1, *sound.shape(count)))
        summary += f"; with sound ({count} latents)"
    return {"samples": samples, KEY: LatentInfo(size=size, grid=grid.shape[1:], draft=smaller)}, summary


def draft_shape(draft: Latent, grid: LatentGrid) -> tuple[int, ...]:
    """(C,T,H,W) of a draft; raises InputError for one whose noise a grid cannot enlarge."""
    channels, *sides = shape = tuple(samples_of(draft, "draft").shape[1:])
    if channels != grid.shape[0] or any(small > large for small, large in zip(sides, grid.shape[1:], strict=True)):
        raise InputError(
            f"draft is {list(shape)} and the grid {list(grid.shape)} (channels, frames, height, width); link a grid of"
            " the same VAE that is larger in nothing"
        )
    return shape


def cost_text(vae: Any, model: Any, grid: LatentGrid) -> str:
    """What sampling a grid takes, as the end of a sentence; empty where it cannot be told. Raises ResourceError for a
    grid beyond this machine."""
    from ..sora_core import pipeline
    from ..sora_core.files import size_text

    known = models.current().measurable(vae, model)
    if known is None:
        return ""
    pipeline.check_memory(known, grid)
    seconds, memory = pipeline.time_estimate(known, grid), size_text(pipeline.memory_estimate(known, grid))
    return f"; about {memory} of memory and {time_text(seconds)} for {DEFAULTS.sampling.steps} steps"


def edit_cost(vae: Any, edit: Edit) -> str:
    """A sentence on what sampling an edit takes, above ten seconds, and one on what brings its frames to size; empty
    where it cannot be told."""
    from ..sora_core import pipeline
    from ..sora_core.files import size_text
    from ..sora_core.pipeline.working import bringing_up

    known = models.current().measurable(vae, None)
    if known is None:
        return ""
    grid, steps = pipeline.edit_grid(known, edit), DEFAULTS.sampling.steps
    seconds, said = pipeline.edit_seconds(known, edit, steps=steps), bringing_up(known, edit)
    lines = [f"{said}."] if said else []
    if seconds > pipeline.LONG:
        memory = size_text(pipeline.memory_estimate(known, grid))
        lines.append(
            f"Sampling {grid.asked} takes about {memory} of memory and {time_text(seconds)} for {steps} steps."
        )
    return "\n".join(lines)


def time_text(seconds: float) -> str:
    """Seconds for a person: `0.8 s`, `12 s`, `3.5 min`, `20 h`."""
    count, unit = (
        (seconds, "s") if seconds < 100 else (seconds / 60, "min") if seconds < 6000 else (seconds / 3600, "h")
    )
    return f"{count:.{int(count < 10)}f} {unit}"


def settings_for(model: Any, latent: Latent, **widgets: Any) -> SamplingSettings:
    """The settings of a run: the model's own under those of a sampler's widgets, and what the LATENT's edit needs.

    An edit's cfg and denoise replace widgets that are left at their defaults.
    """
    asked, edit = models.current().base_settings(model).with_(**widgets), info_of(latent).edit
    return asked if edit is None else edit.settings(asked, DEFAULTS.sampling)


def sample(
    *,
    model: Any,
    positive: Conditioning,
    latent: Latent,
    seed: int,
    settings: SamplingSettings,
    negative: Conditioning | None = None,
) -> Latent:
    """Samples a LATENT; the one given stays as it was."""
    samples_of(latent)
    check_edit(latent)
    doors.check_positive(positive)
    host.check_room(bytes_of(latent))
    edit, progress = info_of(latent).edit, host.progress()
    run = partial(models.current().sample, model, positive, negative, settings=settings)
    if edit is None or edit.strides is None or changed_mask(latent, edit):
        return {**latent, "samples": run(latent, seed=seed, progress=progress)}
    from ..sora_core.editing.strides import in_stretches, part_of, seed_of, stretch_edit

    def make(stretch: Stretch, whole: Tensor, number: int, count: int) -> Tensor:
        part, _ = edit_latent(stretch_edit(edit, whole, stretch))
        made: Tensor = run(part, seed=seed_of(seed, number), progress=part_of(progress, number, count))
        return made

    return {**latent, "samples": in_stretches(edit, latent["samples"], make)}


def changed_mask(latent: Latent, edit: Edit) -> bool:
    """Whether another node has said since what is to be made."""
    mask = latent.get("noise_mask")
    return mask is None or mask.shape[1:] != edit.state.mask.shape[1:] or not bool((mask == edit.state.mask).all())


def bytes_of(latent: Latent) -> int:
    """Room on the disk that the clip of a LATENT takes: its file, and that file once more until it has its name."""
    from ..sora_core.media import estimated_bytes

    size = info_of(latent).finished
    return 0 if size is None or size.frames == 1 else 2 * estimated_bytes(size)


def decoded(vae: Any, latent: Latent) -> Iterator[Tensor]:
    """Chunks [1,3,F,H,W] in -1..1 of a LATENT, cut to the size that was asked for; of an edit, the finished clip."""
    from ..sora_core import pipeline

    if info_of(latent).edit is not None:
        yield from videos_of(edited(vae, latent))
        return
    found = models.current()
    geometry = found.geometry_of(vae)
    chunks = pipeline.decode_stream(found.codec_of(vae), single(latent, geometry.channels))
    size = decoded_size(latent, geometry)
    yield from chunks if size is None else trimmed(chunks, size)


def edited(vae: Any, latent: Latent, *, colour_match: bool = True) -> FrameSource:
    """The finished clip of a sampled edit, at the size of what was given."""
    from ..sora_core.editing import stitched
    from ..sora_core.editing.frames import held
    from ..sora_core.pipeline.working import finished

    edit, found = info_of(latent).edit, models.current()
    if edit is None:
        raise InputError("this latent is of no edit")
    check_edit(latent)
    samples = single(latent, found.geometry_of(vae).channels)
    result = stitched(edit, samples, found.codec_of(vae), colour_match=colour_match)
    return result if edit.full is None else held(finished(edit, result, found.refiner_of(vae)), host.progress())


def videos_of(source: FrameSource) -> Iterator[Tensor]:
    """The frames of a clip in chunks [1,3,F,H,W] in -1..1."""
    from ..sora_core.media import as_image, chunks, image_to_video

    for frames in chunks(source, CHUNK):
        yield image_to_video(as_image(frames))


def trimmed(chunks: Iterator[Tensor], size: VideoSize) -> Iterator[Tensor]:
    """Chunks [1,3,F,H,W] cut to a size and a number of frames."""
    left = size.frames
    for chunk in chunks:
        if left:
            yield chunk[:, :, :left, : size.height, : size.width]
        left -= min(left, chunk.shape[2])


def decode_to_file(
    vae: Any,
    latent: Latent,
    path: Path,
    *,
    fps: float,
    progress: Progress,
    watermark: bool = True,
    sound: dict[str, Any] | None = None,
    size: tuple[int, int] = (0, 0),
) -> Tensor:
    """Streams a LATENT into an mp4 with its `sound`, AUDIO, frames reviewed, and marked where they were made. Returns
    the first frame as IMAGE, unmarked.

    size: width and height that the refiner brings it up to, 0 where the other one or the latent says.
    """
    from ..sora_core.editing.frames import read_image
    from ..sora_core.media.convert import video_to_image
    from ..sora_core.media.publish import publish

    if info_of(latent).edit is not None and not any(size):
        source = edited(vae, latent)
        shown = doors.marked(source) if watermark else source
        guards = doors.frame_guards(fps, watermark=False)
        publish(path, counted(videos_of(shown), progress, source.length), fps=fps, sound=sound_of(sound), guards=guards)
        return read_image(source, 0, 1)
    guards = doors.frame_guards(fps, watermark=watermark)
    chunks, heard = decoded(vae, latent), sound_of(sound)
    begin = next(chunks)
    wanted = wanted_size(*size, (begin.shape[3], begin.shape[4]))
    clip = None
    if wanted is None:
        clip = in_segments(vae, latent, fps, watermark=watermark, progress=progress)
    else:
        bundled = getattr(models.current().codec_of(vae), "takes_spans", False)
        chunks = refined(chain([begin], chunks), wanted, draft=bundled)
        begin = next(chunks)
    whole = counted(chain([begin], chunks), progress, info_of(latent).frames)
    publish(path, whole if clip is None else clip, fps=fps, sound=heard, guards=guards)
    return video_to_image(begin[:, :, :1]).cpu()


def refined(chunks: Iterator[Tensor], size: tuple[int, int], *, draft: bool) -> Iterator[Tensor]:
    """Chunks [1,3,F,H,W] brought to a height and width by the bundled refiner; draft: they are the bundled model's."""
    from ..sora_core import pipeline, refine

    return refine.refined(pipeline.bundled_refiner(host.device()), chunks, size, draft=draft)


def refine_to_file(
    source: FrameSource, size: tuple[int, int], path: Path, *, sound: Any, draft: bool, progress: Progress
) -> Tensor:
    """Brings frames to a width and height, 0 where the other one says, as an mp4; what was made is marked, as drafts
    are. Returns the first frame as IMAGE, unmarked. Raises InputError for no size."""
    from ..sora_core.editing.frames import is_made
    from ..sora_core.media.convert import video_to_image
    from ..sora_core.media.publish import publish

    wanted = wanted_size(*size, (source.height, source.width))
    if wanted is None:
        raise InputError("width and height are both 0; give one of them, such as a height of 256")
    guards = doors.frame_guards(source.fps, watermark=draft or is_made(source), once=True)
    chunks = refined(videos_of(source), wanted, draft=draft)
    begin = next(chunks)
    publish(
        path,
        counted(chain([begin], chunks), progress, source.length),
        fps=source.fps,
        sound=sound_of(sound),
        guards=guards,
    )
    return video_to_image(begin).cpu()


def counted(chunks: Iterable[Tensor], progress: Progress, total: int, count: int = 0) -> Iterator[Tensor]:
    """The same chunks [1,3,F,H,W]; after each, `progress` gets the frames so far, on from `count`, and the `total`."""
    for chunk in chunks:
        yield chunk.cpu()
        count += chunk.shape[2]
        progress(count, max(count, total))


def in_segments(vae: Any, latent: Latent, fps: float, *, watermark: bool, progress: Progress) -> Segmented | None:
    """A long LATENT as a clip whose segments are kept until its file is there, where the host keeps any."""
    from ..sora_core.media import segment_frames
    from ..sora_core.pipeline import segmented

    runs, found = host.runs(), models.current()
    if runs is None or info_of(latent).edit is not None:
        return None
    geometry = found.geometry_of(vae)
    size = decoded_size(latent, geometry)
    if size is None or size.frames <= segment_frames(size):
        return None
    samples = single(latent, geometry.channels)
    clip = segmented(found.codec_of(vae), samples, replace(size, fps=fps), runs, watermark)
    return replace(clip, frames=lambda start: counted(clip.frames(start), progress, size.frames, start))


def decode_image(vae: Any, latent: Latent) -> Tensor:
    """IMAGE of a LATENT, all frames in memory."""
    import torch

    from ..sora_core.media.convert import video_to_image

    return torch.cat([video_to_image(chunk).cpu() for chunk in decoded(vae, latent)])


def encode_image(vae: Any, pixels: Tensor) -> tuple[Latent, str]:
    """(LATENT, what is to be said of it) of an IMAGE, its frames as one video, at the largest size up to its own that
    the VAE can divide: the rest is cropped on both sides, as ComfyUI does. Raises InputError for no frames, and for a
    size or length that the VAE cannot have."""
    import torch

    from ..sora_core.media.convert import image_to_video
    from ..sora_core.vae import encode_bounded

    if not all(pixels.shape):
        raise InputError(f"pixels is {list(pixels.shape)}, which holds nothing; link at least one frame")
    codec, (tall, wide) = models.current().codec_of(vae), pixels.shape[1:3]
    factor = codec.geometry.space_factor
    height, width = tall // factor * factor, wide // factor * factor
    if not height or not width:
        raise InputError(f"pixels is {wide}x{tall}, and this VAE needs at least {factor}x{factor}; scale it up first")
    rows, columns = (slice(start := (of - size) // 2, start + size) for of, size in ((tall, height), (wide, width)))
    videos = (image_to_video(pixels[at : at + CHUNK][:, rows, columns]) for at in range(0, len(pixels), CHUNK))
    with torch.no_grad():
        samples = torch.cat([latent.cpu() for latent in encode_bounded(codec, videos)], 2)
    cropped = (height, width) != (tall, wide)
    note = f"{wide}x{tall} is cropped to {width}x{height}, which the VAE can divide" if cropped else ""
    return {"samples": samples}, note
