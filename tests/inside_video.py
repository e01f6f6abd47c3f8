"""VIDEO of this ComfyUI under our nodes: whole, trimmed, in memory, with sound; see `inside_toys.py`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from inside_toys import Our, differ, refused, run
from sora_pack.nodes import host  # type: ignore[import-not-found]
from sora_pack.nodes.layouts import edits, pictures  # type: ignore[import-not-found]
from sora_pack.sora_core.editing.frames import read_image  # type: ignore[import-not-found]
from sora_pack.sora_core.media.read import probe, read_video  # type: ignore[import-not-found]

RATE, FPS, FRAMES = 16000, 8, 24


def moving(*, sound: bool) -> Any:
    """Frame i is grey of i / 24 all over; the sound is 1 second of silence, then a tone."""
    images = (torch.arange(FRAMES) / FRAMES).view(-1, 1, 1, 1).expand(-1, 32, 32, 3).contiguous()
    tone = torch.sin(torch.arange(RATE * FRAMES // FPS) * 0.3) * 0.5
    tone[:RATE] = 0
    heard = {"waveform": tone.view(1, 1, -1), "sample_rate": RATE} if sound else None
    parts = host.VideoComponents(images=images, audio=heard, frame_rate=Fraction(FPS))
    return host.VideoFromComponents(parts)


def saved(video: Any, name: str) -> Path:
    path = Path.cwd() / f"{name}.mp4"
    path.unlink(missing_ok=True)
    pictures.save_video(video, path, {"prompt": "{}"})
    return path


def greys(frames: torch.Tensor) -> torch.Tensor:
    return (frames.float().mean((1, 2, 3)) * FRAMES).round()


def check_sound_is_saved(our: Our) -> None:
    """Frames with sound are saved on every ComfyUI, those before 0.16 included."""
    for name, sound in {"with": True, "without": False}.items():
        info = probe(saved(moving(sound=sound), name))
        assert info.frames == FRAMES and info.has_audio is sound, info


def check_a_trimmed_video_is_taken_as_trimmed(our: Our) -> None:
    whole = host.VideoFromFile(str(saved(moving(sound=True), "whole")))
    assert host.video_window(whole) == (0.0, 0.0) and host.stream_source(whole) == whole.get_stream_source()
    clip, _ = edits.clip_of(our.vae, whole)
    differ("a whole file", greys(read_image(clip.source)), torch.arange(FRAMES).float())
    if not hasattr(whole, "as_trimmed"):
        return
    for start, length, first, last in ((1.0, 1.0, 8, 16), (0.0, 0.5, 0, 4), (2.5, 0.0, 20, 24), (-1.0, 0.0, 16, 24)):
        cut = whole.as_trimmed(start, length, strict_duration=False)
        clip, sound = edits.clip_of(our.vae, cut)
        right, name = torch.arange(first, last).float(), f"{length:g} seconds from {start:g}"
        differ(f"{name}: the clip", greys(read_image(clip.source)), right)
        differ(f"{name}: as ComfyUI cuts it", greys(cut.get_components().images), right)
        differ(f"{name}: saved", greys(read_video(saved(cut, "cut")).frames / 255), right)
        heard = sound.audio["waveform"].shape[-1] / sound.audio["sample_rate"]
        assert abs(heard - (last - first) / FPS) < 0.15, (name, heard)
    nothing = whole.as_trimmed(2.95, 0.01, strict_duration=False)
    refused("there is no frame", lambda: edits.clip_of(our.vae, nothing))


def check_metadata_is_left_out_when_asked(our: Our) -> None:
    from comfy.cli_args import args

    assert host.writes_metadata()
    args.disable_metadata = True
    try:
        assert not host.writes_metadata()
    finally:
        args.disable_metadata = False


if __name__ == "__main__":
    run(check_sound_is_saved, check_a_trimmed_video_is_taken_as_trimmed, check_metadata_is_left_out_when_asked)
